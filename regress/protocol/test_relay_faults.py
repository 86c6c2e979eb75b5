# SPDX-License-Identifier: ISC
"""Processes that die, and clients that go, while a message is on its way to
a next hop: whatever was not said to be delivered may be sent again, and
whatever was is where it was said to be."""
import threading
import time

import pytest

from test_relay_fates import ALICE, BOB, MESSAGE, X, Y, nth, site

WAIT = 60


class Gate:
    """The next hop's answer to a command, once it is let through."""

    def __init__(self):
        self.reached, self.open = threading.Event(), threading.Event()

    def __call__(self, sink, session, line):
        self.reached.set()
        assert self.open.wait(WAIT)
        return True


@pytest.fixture(scope="module")
def shared():
    with site() as world:
        yield world


@pytest.fixture
def world(shared):
    shared.clear()
    yield shared
    shared.hop.answers = {}


def kill(world, role):
    for pid in world.server.pids(role):
        world.server.kill_one(pid)


def recover(world):
    world.server.accept_new_family(60)
    world.clear()
    _, reply = world.submit(X, BOB)
    assert reply.status == "250 2.0.0"
    assert world.sent() == [[X]] and len(world.box(BOB)) == 1


def start(world, *recipients):
    c = world.server.login()
    assert c.mail(ALICE).code == 250
    for address in recipients:
        assert c.rcpt(address).code == 250
    return c


def send_data(c):
    c.want("DATA", "354")
    c.send(MESSAGE + ".\r\n")


def test_relay_dies_at_rcpt(world):
    gate = Gate()
    with start(world, BOB) as c:
        world.hop.answers = {"RCPT": gate}
        c.send("RCPT TO:<%s>\r\n" % X)
        assert gate.reached.wait(WAIT)
        kill(world, "relay")
        assert c.reply().status == "451 4.4.0"
        gate.open.set()
        # Who stays here is not concerned.
        assert c.data(MESSAGE)[0].status == "250 2.0.0"
    recover(world)


def test_relay_dies_before_data(world):
    with start(world, BOB, X, Y) as c:
        kill(world, "relay")
        send_data(c)
        assert c.reply().status == "451 4.4.0"
    assert world.sent() == [] and world.box(BOB) == []
    recover(world)


def test_relay_dies_with_the_message(world):
    """It may have been sent: it is never said to be, nor lost."""
    gate = Gate()
    with start(world, BOB, X) as c:
        world.hop.answers = {"end": gate}
        send_data(c)
        assert gate.reached.wait(WAIT)
        kill(world, "relay")
        assert c.reply().status == "451 4.4.2"
        gate.open.set()
    assert world.box(BOB) == [] and world.reports() == []
    world.server.wait_log("may come twice")
    recover(world)


def test_relay_dies_with_the_second_copy(world):
    """The first was accepted; of the other the sender is told."""
    gate, first = Gate(), []

    def end(sink, session, line):
        with sink.lock:
            first.append(line)
            count = len(first)
        return True if count != 2 else gate(sink, session, line)
    with start(world, BOB, X, Y) as c:
        world.hop.answers = {"end": end}
        send_data(c)
        assert gate.reached.wait(WAIT)
        kill(world, "relay")
        # By relay, if it is back by then; else into the mailbox.
        assert c.reply().status == "250 2.0.0"
        gate.open.set()
    assert len(world.box(BOB)) == 1
    report, = world.reports()
    assert b"Status: 4.4.2" in report
    recover(world)


def test_lmtpd_dies_while_it_is_relayed(world):
    gate = Gate()
    with start(world, BOB, X) as c:
        world.hop.answers = {"end": gate}
        send_data(c)
        assert gate.reached.wait(WAIT)
        kill(world, "lmtpd")
        world.server.accept_new_family(60)
        gate.open.set()
        assert c.reply().status == "250 2.0.0"
    assert world.box(BOB) == [] and world.sent() == [[X]]
    report, = world.reports()
    assert b"Final-Recipient: rfc822;%s\r\n" % BOB.encode() in report
    recover(world)


def test_tokend_dies_while_it_is_relayed(world):
    """Nobody can grant what stays here, nor the report: all may come again."""
    gate = Gate()
    with start(world, BOB, X) as c:
        world.hop.answers = {"end": gate}
        send_data(c)
        assert gate.reached.wait(WAIT)
        kill(world, "tokend")
        world.server.accept_new_family(60)
        gate.open.set()
        assert c.reply().status == "451 4.3.0"
    assert world.box(BOB) == []
    world.server.wait_log("cannot be told what became")
    recover(world)


def test_tokend_dies_at_rcpt(world):
    gate = Gate()
    with start(world) as c:
        world.hop.answers = {"RCPT": gate}
        c.send("RCPT TO:<%s>\r\n" % X)
        assert gate.reached.wait(WAIT)
        kill(world, "tokend")
        assert c.reply().code in (421, 451)
        gate.open.set()
    recover(world)


def test_engine_dies(world):
    gate = Gate()
    with start(world, BOB, X) as c:
        world.hop.answers = {"DATA": gate}
        send_data(c)
        assert gate.reached.wait(WAIT)
        kill(world, "engine")
        assert c.at_end() or c.reply().code == 421
        gate.open.set()
    recover(world)


@pytest.mark.parametrize("verb", ["RCPT", "DATA"])
def test_client_goes(world, verb):
    """Nothing is sent for it any more."""
    gate = Gate()
    c = start(world, BOB)
    world.hop.answers = {verb: gate}
    c.send("RCPT TO:<%s>\r\n" % X)
    if verb == "DATA":
        assert c.reply().code == 250
        c.want("DATA", "354")
        c.send(MESSAGE)
    else:
        assert gate.reached.wait(WAIT)
    c.abort()
    gate.open.set()
    world.server.wait_log("disconnected reason=lost", seconds=WAIT)
    assert world.sent() == [] and world.box(BOB) == []
    recover(world)


def test_rset_gives_up(world):
    with start(world, X, Y) as c:
        c.want("RSET", "250 2.0.0")
        assert c.mail(ALICE).code == 250
        assert c.rcpt(BOB).code == 250
        assert c.data(MESSAGE)[0].status == "250 2.0.0"
    assert world.sent() == [] and len(world.box(BOB)) == 1


def test_client_waits_with_us():
    """Its time does not run while the next hop takes its own."""
    def late(sink, session, line):
        time.sleep(10)
        return True
    with site(extra="timeout command 8s\ntimeout data 8s") as world:
        world.hop.answers = {"RCPT": late, "end": late}
        _, reply = world.submit(X)
        assert reply.status == "250 2.0.0"


def test_shutdown_while_it_is_relayed():
    gate = Gate()
    with site() as world:
        with start(world, BOB, X) as c:
            world.hop.answers = {"end": gate}
            send_data(c)
            assert gate.reached.wait(WAIT)
            stopper = threading.Thread(target=world.server.terminate,
                                       args=(WAIT,))
            stopper.start()
            gate.open.set()
            assert c.reply().status == "250 2.0.0"
            stopper.join()
        assert world.sent() == [[X]] and len(world.box(BOB)) == 1
