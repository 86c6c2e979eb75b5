# SPDX-License-Identifier: ISC
"""Descriptors run out; processes are stopped and thaw again."""
import os
import signal
import time

import pytest

import server as module
from client import ProtocolError
from clause import clauses
from server import as_nobody

ALICE, BOB = "alice@a.example", "bob@a.example"


@pytest.fixture
def narrow():
    one = module.Server(prefork=(1, 1, 1))
    one.wrap = ["prlimit", "--nofile=96:96", "--"] + as_nobody()
    one.direct = True
    with one:
        yield one


def cpu(server):
    """CPU time of all processes so far, in seconds."""
    total = 0
    for pid in [*server.roles(), server.pid]:
        with open("/proc/%d/stat" % pid) as stat:
            words = stat.read().rsplit(")", 1)[1].split()
        total += int(words[11]) + int(words[12])
    return total / os.sysconf("SC_CLK_TCK")


def test_descriptors_run_out(narrow):
    """T09: more clients than descriptors; no spinning, no death, recovery."""
    held = []
    for _ in range(150):
        try:
            held.append(narrow.connect("tls-require", greet=False,
                                       timeout=0.5))
        except OSError:
            continue
    begin = cpu(narrow)
    time.sleep(1)
    assert cpu(narrow) - begin < 0.9, "a process spins"
    for c in held:
        c.close()
    deadline = time.monotonic() + 60
    while True:
        try:
            with narrow.login(ALICE, timeout=10) as c:
                c.mail(ALICE)
                c.rcpt(BOB)
                assert c.data("Subject: x\r\n\r\n")[0].code == 250
                break
        except (OSError, ProtocolError):
            assert time.monotonic() < deadline, narrow.log_tail()
            time.sleep(0.1)
    narrow.check()


@clauses("F-37")
@pytest.mark.parametrize("role", ["lmtpd", "tokend", "tokend-auth",
                                  "tokend-sign"])
def test_stopped_for_a_while(own, role):
    """SIGSTOP, some requests, SIGCONT: each is answered once, truthfully."""
    server = own(prefork=(1, 1, 1))
    sessions = [server.login(ALICE) for _ in range(4)]
    for c in sessions:
        c.mail(ALICE)
        c.rcpt(BOB)
        c.want("DATA", "354")
    victims = server.pids(role)
    for pid in victims:
        os.kill(pid, signal.SIGSTOP)
    try:
        for c in sessions:
            c.send("Subject: x\r\n\r\nstopped\r\n.\r\n")
        time.sleep(0.5)
    finally:
        for pid in victims:
            os.kill(pid, signal.SIGCONT)
    accepted = [c.reply().code for c in sessions].count(250)
    assert len(server.mail(BOB)) == accepted == 4
    for c in sessions:
        c.quit()
    with server.login(ALICE) as c:
        c.quit()
    server.check()


def test_idle_costs_nothing(own):
    """With sessions open and nothing to do, no process runs."""
    server = own()
    held = [server.hello("EHLO") for _ in range(20)]
    begin = cpu(server)
    time.sleep(2)
    assert cpu(server) - begin < 0.1
    for c in held:
        c.close()
