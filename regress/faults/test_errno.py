# SPDX-License-Identifier: ISC
"""System calls that fail, or kill, at the worst time (strace --inject)."""
import os
import sys
import pathlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from clause import clauses  # noqa: E402
from load import Load  # noqa: E402
from server import may_trace  # noqa: E402
from straced import Attached  # noqa: E402

ALICE, BOB = "alice@a.example", "bob@a.example"
MESSAGE = "Subject: errno\r\n\r\nText.\r\n"

pytestmark = pytest.mark.skipif(
    not may_trace(), reason="needs root and strace to attach to processes")


def send(server, recipients):
    with server.trusted() as c:
        c.mail("x@b.example")
        asked = [c.rcpt(x) for x in recipients]
        good = [x for x in asked if x.status == "250 2.1.5"]
        if not good:
            return [x.status for x in asked]
        c.send("DATA\r\n")
        reply = c.reply()
        if reply.code != 354:
            return [reply.status] * len(good)
        c.send(MESSAGE + ".\r\n")
        return [x.status for x in c.replies(len(good))]


ERRORS = [("fsync", "EIO"), ("fsync", "ENOSPC"), ("linkat", "EIO"),
          ("linkat", "ENOSPC"), ("linkat", "EDQUOT"), ("linkat", "EACCES"),
          ("linkat", "EMLINK"), ("fdatasync", "EIO"), ("openat", "EIO"),
          ("openat", "EMFILE"), ("openat", "ENOSPC"), ("fstat", "EIO")]


@clauses("F-07", "D-S17", "S1-61")
@pytest.mark.parametrize("call,error", ERRORS)
def test_lmtpd_call_fails(own, call, error):
    """4xx for what failed, nothing visible that was not answered 250."""
    server = own(prefork=(1, 1, 1))
    assert send(server, [ALICE]) == ["250 2.1.12"]
    # What lmtpd has opened ahead of need is used up with the tracer on.
    with Attached(server.pids("lmtpd"), [
            "-e", "trace=" + call,
            "-e", "inject=%s:error=%s" % (call, error)],
            server.dir / "strace"):
        statuses = [send(server, [ALICE, BOB]) for _ in range(6)]
    delivered = sum(x.count("250 2.1.12") for x in statuses)
    for status in sum(statuses, []):
        assert status == "250 2.1.12" or status[0] == "4", statuses
    injected = "INJECTED" in (server.dir / "strace").read_text()
    if injected and call in ("fsync", "linkat") and error != "EMLINK":
        assert delivered < 12, "errors of %s are not looked at" % call
    assert len(server.all_mail()) == 1 + delivered
    assert send(server, [ALICE, BOB]) == ["250 2.1.12"] * 2
    server.check()


@clauses("F-07", "S1-61")
@pytest.mark.restarts
@pytest.mark.parametrize("call", ["fsync", "linkat", "sendmsg", "openat"])
@pytest.mark.parametrize("when", [1, 2, 3])
def test_lmtpd_killed_at_a_call(own, call, when):
    """Dead at the n-th such call: nothing lost, nothing twice, all whole."""
    server = own(prefork=(1, 1, 1))
    with Load(server, threads=2) as load:
        load.wait(5)
        with Attached(server.pids("lmtpd"), [
                "-e", "trace=" + call,
                "-e", "inject=%s:signal=KILL:when=%d" % (call, when)],
                server.dir / "strace"):
            server.accept_new_family()
        load.wait(5)
    load.verify()


@clauses("S1-39", "S1-46")
@pytest.mark.restarts
def test_store_cannot_write(own):
    """The log of the store fails: 451 4.5.0, and never a token for nothing."""
    server = own()
    with Attached(server.pids("tokend"), [
            "-e", "trace=fsync,fdatasync",
            "-e", "inject=fsync,fdatasync:error=EIO"],
            server.dir / "strace"):
        with server.login(ALICE) as c:
            reply = c.cmd("GENSTOKEN PERM x@b.example")
            assert reply.status in ("451 4.5.0", "421 4.3.0"), reply
    server.accept_new_family()
    with server.login(ALICE) as c:
        reply = c.cmd("GENSTOKEN PERM x@b.example")
        assert reply.status == "250 2.1.11"
        token = reply.text.split()[0]
    server.token_session(ALICE, token).quit()
    assert os.path.exists(server.control)
