# SPDX-License-Identifier: ISC
"""Servers that say more than they were asked for, or end a connection that is
kept: the next message does not suffer from it, by the relay host or by
token."""
import contextlib
import itertools
import os
import signal
import socket
import time

import pytest

from token_world import ALICE, MESSAGE, token_world

WAYS = ["relay host", "token"]


@pytest.fixture(scope="module")
def shared():
    with token_world() as world:
        yield world


@pytest.fixture
def world(shared):
    shared.clear()
    yield shared
    shared.server.check()


def recipient(world, way):
    return world.friend() if way == "token" else "stranger@" + world.domain()


def sink_of(world, way):
    return world.sink if way == "token" else world.relay


def count(world, friend):
    return [sum(friend in m.addresses for m in x.messages)
            for x in (world.sink, world.relay)]


def twice(session, due):
    return due + due


@pytest.mark.parametrize("step", ["mail", "rcpt", "end", "ehlo"])
@pytest.mark.parametrize("way", WAYS)
def test_answers_twice(world, way, step):
    """The one whom it befalls may be told 451; the next is not."""
    friend = recipient(world, way)
    if way == "relay host" and step == "ehlo":
        world.relay.drop()
    sink_of(world, way).fault(step, twice, nth=1)
    with world.server.login() as c:
        c.mail(ALICE)
        code = c.rcpt(friend).code
        if code == 250:
            code = c.data(MESSAGE)[0].code
    assert code in (250, 451)
    assert sum(count(world, friend)) == (code == 250)
    world.relay.forget()
    world.sink.forget()
    for _ in range(3):
        assert world.submit(friend).status == "250 2.0.0"
    assert sum(count(world, friend)) == 3


UNASKED = {
    "a reply": lambda s: s.say(b"250 2.0.0 again\r\n"),
    "a part": lambda s: s.say(b"25"),
    "a refusal": lambda s: s.say(b"550 5.7.1 no\r\n"),
    "421": lambda s: s.say(b"421 4.4.2 idle\r\n"),
    "lines": lambda s: s.say(b"250-2.0.0 x\r\n" * 200),
    "nonsense": lambda s: s.say(b"\0\r\n"),
    "the end": lambda s: s.socket.shutdown(socket.SHUT_RDWR),
}


@contextlib.contextmanager
def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("what", UNASKED)
@pytest.mark.parametrize("way", WAYS)
def test_unasked_on_a_kept_connection(world, way, what):
    friend, sink = recipient(world, way), sink_of(world, way)
    assert world.submit(friend).status == "250 2.0.0"
    session, = {m.session for m in sink.messages}
    relay, = world.server.pids("relay")
    with stopped(relay):
        UNASKED[what](session)
    assert world.submit(friend).status == "250 2.0.0"
    assert count(world, friend) == ([2, 0] if way == "token" else [0, 2])
    assert sink.messages[1].session is not session


@pytest.mark.parametrize("what", ["a reply", "a refusal", "the end"])
@pytest.mark.parametrize("way", WAYS)
def test_unasked_when_the_next_message_is_there(world, way, what):
    """Relay hears first that there is a message, then what the server said,
    if the pauses are long enough: nothing else hangs on them."""
    friend, sink = recipient(world, way), sink_of(world, way)
    assert world.submit(friend).status == "250 2.0.0"
    session, = {m.session for m in sink.messages}
    relay, = world.server.pids("relay")
    tokend, = world.server.pids("tokend")
    with world.server.login() as c:
        c.mail(ALICE)
        with stopped(relay):
            c.send("RCPT TO:<%s>\r\n" % friend)
            time.sleep(0.2)
            os.kill(tokend, signal.SIGSTOP)
        try:
            time.sleep(0.1)  # it asks for a token
            os.kill(relay, signal.SIGSTOP)
        finally:
            os.kill(tokend, signal.SIGCONT)
        try:
            time.sleep(0.1)  # which it is told
            UNASKED[what](session)
        finally:
            os.kill(relay, signal.SIGCONT)
        assert c.reply().status == "250 2.1.5"
        assert c.data(MESSAGE)[0].status == "250 2.0.0"
    assert count(world, friend) == ([2, 0] if way == "token" else [0, 2])
    assert sink.messages[1].session is not session


def drop_by_drop(session, due):
    """An answer that goes on and on, and never ends."""
    for octet in itertools.cycle(b"250-and so on\r\n"):
        session.say(bytes([octet]))
        time.sleep(0.1)


def test_answers_that_do_not_end():
    """`timeout relay` is for the answer, not for an octet of it."""
    with token_world(extra="timeout relay 2s") as world:
        friend, stranger = world.friend(), "stranger@" + world.domain()
        world.sink.fault("end", drop_by_drop)
        assert world.submit(friend).status == "250 2.0.0"
        assert count(world, friend)[1] == 1
        world.clear()
        world.relay.fault("rcpt", drop_by_drop)
        with world.server.login() as c:
            c.mail(ALICE)
            assert c.rcpt(stranger).code == 451
