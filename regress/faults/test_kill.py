# SPDX-License-Identifier: ISC
"""kill -9 of each role under load; what a restart may and may not cost."""
import os
import signal
import subprocess
import sys
import pathlib
import tempfile
import time

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from clause import clauses  # noqa: E402
from client import Closed  # noqa: E402
from load import ALICE, BOB, Load  # noqa: E402
from server import ROLES, is_running  # noqa: E402

KILLS = 3


@clauses("F-07", "S1-61")
@pytest.mark.restarts
@pytest.mark.parametrize("role", ROLES)
def test_kill_one_role(own, role):
    server = own()
    with Load(server) as load:
        load.wait(20)
        for _ in range(KILLS):
            victims = server.pids(role)
            server.kill_one(victims[-1])
            server.accept_new_family()
            load.wait(15)
    found = load.verify()
    assert found
    server.check()
    with server.login(ALICE) as c:
        c.quit()


@clauses("F-07", "S1-61")
@pytest.mark.restarts
def test_kill_the_parent(own):
    """All children end; the next start finds all that was answered."""
    server = own()
    with Load(server) as load:
        load.wait(30)
        children = list(server.roles())
        os.kill(server.pid, signal.SIGKILL)
        server.process.wait(10)
        deadline = time.monotonic() + 60
        while any(is_running(x) for x in children):
            assert time.monotonic() < deadline, "children live on"
            time.sleep(0.05)
        server.start()
        load.wait(15)
    load.verify()


@clauses("F-07")
@pytest.mark.restarts
@pytest.mark.parametrize("role", ["frontend", "engine", "lmtpd"])
def test_other_sessions_go_on(own, role):
    """Sessions that the dead process did not carry notice nothing."""
    server = own()
    sessions = [server.login(ALICE) for _ in range(12)]
    server.kill_one(server.pids(role)[0])
    server.accept_new_family()
    alive = 0
    for c in sessions:
        try:
            reply = c.cmd("NOOP")
        except (Closed, OSError):
            continue
        if reply.code == 421:
            continue
        assert reply.status == "250 2.0.0"
        assert c.mail(ALICE).status == "250 2.1.0"
        assert c.rcpt(BOB).status in ("250 2.1.5", "451 4.3.0")
        alive += 1
        c.close()
    # Which frontend took a connection is chance; engines take turns.
    assert alive >= {"lmtpd": 12, "engine": 1, "frontend": 0}[role]


@clauses("F-37", "S1-39")
@pytest.mark.restarts
def test_tokend_away(own):
    """454 4.7.0 for AUTH; who was logged in is sent away with 421."""
    server = own()
    token = server.permanent()
    seen = set()
    for _ in range(6):
        with server.login(ALICE) as owner, server.hello("LHLO") as c:
            server.kill_one(server.pids("tokend")[0])
            reply = owner.cmd("GENSTOKEN PERM x@b.example")
            seen.add(("GENSTOKEN", reply.status))
            seen.add(("AUTH", c.token_login(ALICE, token).status))
            server.accept_new_family()
    allowed = {("GENSTOKEN", "250 2.1.11"), ("GENSTOKEN", "451 4.5.0"),
               ("GENSTOKEN", "421 4.3.0"), ("AUTH", "235 2.7.0"),
               ("AUTH", "454 4.7.0")}
    assert seen <= allowed, seen
    assert ("AUTH", "454 4.7.0") in seen
    server.token_session(ALICE, token).quit()
    with server.login(ALICE) as c:
        assert c.cmd("GENSTOKEN PERM x@b.example").status == "250 2.1.11"


@clauses("S1-44")
@pytest.mark.restarts
def test_revocation_and_kill(own):
    """T16: tokend dies around a revocation: answered means final."""
    server = own()
    for number in range(8):
        token = server.permanent()
        with server.login(ALICE) as c:
            c.send("REVSTOKEN friend@b.example %s\r\n" % ALICE)
            if number % 2:
                time.sleep(0.001 * number)
            server.kill_one(server.pids("tokend")[0])
            try:
                answer = c.reply().code
            except Closed:
                answer = None
        server.accept_new_family()
        with server.hello("LHLO") as c:
            reply = c.token_login(ALICE, token)
            assert reply.code in (235, 535)
            if answer == 250:
                assert reply.code == 535, "revoked, and good again"
        if reply.code == 235:
            assert server.permanent() == token


@clauses("S1-26", "S1-34")
@pytest.mark.restarts
def test_minted_tokens_survive(own):
    """A permanent token that was answered is good after kill -9."""
    server = own()
    minted = []
    for number in range(5):
        remote = "minted%d@b.example" % number
        temporary = server.temporary(remote, ALICE)
        with server.token_session(ALICE, temporary) as c:
            c.mail(remote)
            c.rcpt(ALICE, temporary)
            reply, = c.data("Subject: x\r\n\r\n")
            assert reply.status == "250 2.1.13"
            minted.append((remote, reply.text.split()[1]))
        server.kill_one(server.pids("tokend")[0])
        server.accept_new_family()
    for remote, token in minted:
        assert server.permanent(remote, ALICE) == token
        server.token_session(ALICE, token).quit()


@pytest.mark.restarts
def test_back_off(own):
    """A role that dies again and again does not make the parent spin."""
    server = own()
    for _ in range(6):
        deadline = time.monotonic() + 20
        while not server.pids("lmtpd"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        server.kill_one(server.pids("lmtpd")[0])
        time.sleep(0.05)
    with server.login(ALICE) as c:
        c.want("NOOP", "250 2.0.0")
    server.accept_new_family(seconds=40)


# libevent then ends a program that sets an event up while it is pending.
CHECKED = """\
#include <event2/event.h>
__attribute__((constructor)) static void
check(void)
{
	event_enable_debug_mode();
}
"""


@pytest.fixture
def checked():
    """What is to be loaded before the programs, for CHECKED."""
    if os.environ.get("SANITIZE"):
        pytest.skip("a sanitizer has to be loaded first")
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        os.chmod(directory, 0o755)
        library = os.path.join(directory, "checked.so")
        built = subprocess.run(
            ["cc", "-shared", "-fPIC", "-o", library, "-xc", "-",
             "-levent_core"], input=CHECKED, text=True, capture_output=True)
        if built.returncode != 0:
            pytest.skip("cannot build a library: " + built.stderr)
        os.chmod(library, 0o755)
        yield library


@pytest.mark.restarts
def test_timers_of_who_dies_young(own, checked):
    """Two minutes later the parent would not have answered any more."""
    server = own(environment={"LD_PRELOAD": checked})
    for role in ROLES * 2:
        server.kill_one(server.pids(role)[0])
        server.accept_new_family(seconds=60)
    assert server.ctl("reload").returncode == 0
