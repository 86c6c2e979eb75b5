# SPDX-License-Identifier: ISC
"""Slow and stopped processes, and the end of the server under load."""
import os
import pathlib
import signal
import sys
import threading
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from clause import clauses  # noqa: E402
from load import Load  # noqa: E402
from server import may_trace  # noqa: E402
from straced import Attached  # noqa: E402

ALICE, BOB = "alice@a.example", "bob@a.example"
TICKET_SECONDS = 20


@clauses("S1-44", "S1-61")
def test_revocation_waits_for_what_is_in_flight(own):
    """lmtpd hangs with a granted delivery while the pair is revoked.

    The revocation may be answered only when that delivery can no longer
    become visible: it has ended, or its ticket has expired.  After the
    answer there is no 250 and no new file.
    """
    server = own(prefork=(1, 1, 1))
    token = server.temporary()
    answered = []

    def revoke():
        server.ctl("revoke", "pair", "friend@b.example", ALICE, check=True)
        answered.append(time.monotonic())

    with server.token_session(ALICE, token, timeout=60) as c:
        c.mail("friend@b.example")
        assert c.rcpt(ALICE, token).status == "250 2.1.5"
        c.want("DATA", "354")
        victim, = server.pids("lmtpd")
        os.kill(victim, signal.SIGSTOP)
        try:
            begin = time.monotonic()
            c.send("Subject: in flight\r\n\r\ntext\r\n.\r\n")
            time.sleep(0.5)
            thread = threading.Thread(target=revoke)
            thread.start()
            thread.join(3)
            assert not answered, "answered while a delivery was in flight"
            thread.join(TICKET_SECONDS + 15)
            assert answered and answered[0] - begin < TICKET_SECONDS + 10
        finally:
            os.kill(victim, signal.SIGCONT)
        reply = c.reply()
        assert reply.code in (421, 450, 451, 550), reply
    time.sleep(0.3)
    assert server.mail(ALICE) == []


@clauses("S1-44")
def test_revocation_ends_with_the_delivery(own):
    """As above, but lmtpd goes on in time: delivered first, then revoked."""
    server = own(prefork=(1, 1, 1))
    token = server.temporary()
    done = []
    with server.token_session(ALICE, token, timeout=60) as c:
        c.mail("friend@b.example")
        c.rcpt(ALICE, token)
        c.want("DATA", "354")
        victim, = server.pids("lmtpd")
        os.kill(victim, signal.SIGSTOP)
        c.send("Subject: in flight\r\n\r\ntext\r\n.\r\n")
        time.sleep(0.3)
        thread = threading.Thread(target=lambda: done.append(server.ctl(
            "revoke", "pair", "friend@b.example", ALICE).returncode))
        thread.start()
        time.sleep(0.5)
        os.kill(victim, signal.SIGCONT)
        assert c.reply().code == 250
        thread.join(10)
        assert done == [0]
        assert len(server.mail(ALICE)) == 1
        c.mail("friend@b.example")
        assert c.rcpt(ALICE, token).status == "550 5.7.1"


@pytest.mark.skipif(not may_trace(), reason="needs root and strace")
def test_slow_disk(own):
    """Every flush takes 300 ms: deliveries wait, logins do not."""
    server = own()
    with Attached(server.pids("lmtpd"), [
            "-e", "trace=fsync,syncfs,fdatasync",
            "-e", "inject=fsync,syncfs,fdatasync:delay_exit=300000"],
            server.dir / "strace"):
        with Load(server, threads=4) as load:
            load.wait(3)
            begin = time.monotonic()
            with server.login(ALICE) as c:
                c.want("NOOP", "250 2.0.0")
            assert time.monotonic() - begin < 20
            load.wait(4)
    load.verify()
    server.check()


@clauses("F-07")
def test_sigterm_under_load(own):
    """What is in flight is finished or refused; nothing is lost."""
    server = own(extra="timeout shutdown 5s")
    with Load(server, threads=6) as load:
        load.wait(30)
        assert server.terminate() == 0
        load.stop_now.set()
    load.verify()
    assert server.leftovers() == [] or all(
        ".smtpd-stoken" in str(x) for x in server.leftovers())


@clauses("F-07")
def test_reloads_under_load(own):
    """T35."""
    server = own()
    with Load(server, threads=4) as load:
        load.wait(10)
        for _ in range(8):
            server.ctl("reload", check=True)
            load.wait(5)
    assert not load.unknown, "connections were lost: %s" % load.unknown
    load.verify()
    server.check()


def test_many_clients(own):
    """Sixteen at once: every message exactly once."""
    server = own()
    with Load(server, threads=16) as load:
        load.wait(300, seconds=60)
    assert not load.refused and not load.unknown
    assert len(load.verify()) == len(load.accepted)
    server.check()


def test_reload_survives_a_process_that_dies_of_it(own):
    """It is refused then, and the next one goes through."""
    server = own(prefork=(1, 1, 1))
    results = []
    victim = server.pids("engine")[0]
    os.kill(victim, signal.SIGSTOP)
    thread = threading.Thread(
        target=lambda: results.append(server.ctl("reload")))
    thread.start()
    time.sleep(0.5)
    os.kill(victim, signal.SIGKILL)
    thread.join(15)
    assert results and results[0].returncode != 0
    assert "died" in results[0].stderr
    deadline = time.monotonic() + 60
    while (done := server.ctl("reload")).returncode != 0:
        assert time.monotonic() < deadline, done.stderr
        time.sleep(0.2)
    with server.login(BOB) as c:
        c.want("NOOP", "250 2.0.0")
