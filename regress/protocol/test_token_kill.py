# SPDX-License-Identifier: ISC
"""kill -9 of each process of the sender's side while a message goes by token,
at each step of its way: what was answered 250 has arrived, once; where nobody
was answered, at most once, or twice where an answer was lost; and a new token
is kept whoever dies, as long as one of those that know it lives."""
import contextlib
import os
import pathlib
import re
import signal
import threading
import time

import pytest

from clause import clauses
from client import Closed
from relay_sink import hold
from token_world import ALICE, MESSAGE, token_world

WAIT = 60


def sleeps(pid):
    """(is it waiting for something, how often has it done that)"""
    text = pathlib.Path("/proc", str(pid), "status").read_text()
    return (re.search(r"^State:\s+(\S)", text, re.M).group(1) == "S",
            int(re.search(r"^voluntary\S+\s+(\d+)", text, re.M).group(1)))


@contextlib.contextmanager
def stopped(*pids):
    """They do nothing meanwhile; but may be killed."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def wait_done(pid, before):
    """What was to be done it has done: it waits once more than before."""
    until = time.monotonic() + WAIT
    while True:
        waits, count = sleeps(pid)
        if waits and count > before:
            return
        assert time.monotonic() < until
        time.sleep(0.005)


class Walk:
    """A message on its way by token."""

    def __init__(self, world):
        self.world, self.server = world, world.server
        self.friend, self.code = world.friend(), None
        self.also = None  # a recipient beside him
        self.gate = threading.Event()
        self.thread = threading.Thread(target=self.submit, daemon=True)

    def submit(self):
        try:
            with self.server.login() as c:
                self.logged_in.set()
                self.go.wait(WAIT)
                c.mail(ALICE)
                self.code = c.rcpt(self.friend).code
                if self.also:
                    assert c.rcpt(self.also).code == 250
                if self.code == 250:
                    self.code = None
                    self.code = c.data(MESSAGE)[0].code
        except (Closed, OSError):
            pass

    def begin(self):
        self.logged_in, self.go = threading.Event(), threading.Event()
        self.thread.start()
        assert self.logged_in.wait(WAIT)

    def up_to(self, step):
        self.world.sink.fault(step, hold(self.gate))
        self.begin()
        self.go.set()
        self.world.sink.wait_stalled()

    def kill(self, *roles):
        for role in roles:
            for pid in self.server.pids(role):
                self.server.kill_one(pid)

    def end(self):
        self.gate.set()
        self.thread.join(2 * WAIT)
        assert not self.thread.is_alive()
        self.server.accept_new_family(WAIT)

    def pids(self, role):
        return self.server.pids(role)

    # Where it is when something is killed.

    def at_auth(self, *roles):
        self.up_to("auth")
        self.kill(*roles)

    def at_rcpt(self, *roles):
        self.up_to("rcpt")
        self.kill(*roles)

    def at_end(self, *roles):
        self.up_to("end")
        self.kill(*roles)

    def asking(self, *roles):
        """HELD_ASK is said, and not answered."""
        self.begin()
        relay, = self.pids("relay")
        tokend, = self.pids("tokend")
        engines = self.pids("engine")
        with contextlib.ExitStack() as stack:
            relay_stops = stack.enter_context(contextlib.ExitStack())
            relay_stops.enter_context(stopped(relay))
            counts = {x: sleeps(x)[1] for x in (tokend, *engines)}
            self.go.set()
            # tokend has answered RCPT_CHECK, an engine has opened the way.
            until = time.monotonic() + WAIT
            while sleeps(tokend)[1] <= counts[tokend] + 1:
                assert time.monotonic() < until
                time.sleep(0.005)
            time.sleep(0.05)
            stack.enter_context(stopped(tokend))
            before = sleeps(relay)[1]
            relay_stops.close()
            wait_done(relay, before)
            self.kill(*roles)

    def keeping(self, *roles):
        """HELD_NEW is said, and not answered."""
        self.up_to("end")
        relay, = self.pids("relay")
        with stopped(*self.pids("tokend")):
            before = sleeps(relay)[1]
            self.gate.set()
            wait_done(relay, before)
            self.kill(*roles)

    def answering(self, *roles):
        """RELAY_RESULT is said, and not read."""
        self.up_to("end")
        with stopped(*self.pids("engine")):
            self.gate.set()
            self.server.wait_log("token-route to=<%s> .*stat=delivered" %
                                 re.escape(self.friend), 0, WAIT)
            self.kill(*roles)


# Which of them dies where, and whether the new token is held afterwards;
# None: that hangs on who was quicker.
ALL = ("relay", "tokend", "engine", "frontend")
FATES = [(place, (role,), held)
         for place, held in (("asking", False), ("at_auth", False),
                             ("at_rcpt", False), ("at_end", None),
                             ("keeping", True), ("answering", True))
         for role in ALL]
FATES += [("keeping", ("engine", "tokend"), True),
          ("keeping", ("relay", "tokend"), False),
          ("at_end", ("relay", "tokend", "engine"), False)]


class Worlds:
    """One after the other: who dies often is replaced late by the parent."""

    MOST = 3

    def __init__(self):
        self.stack, self.world, self.kills = None, None, {}

    def get(self, roles):
        if self.world is None or \
                any(self.kills.get(x, 0) >= self.MOST for x in roles):
            self.close()
            self.stack, self.kills = contextlib.ExitStack(), {}
            self.world = self.stack.enter_context(token_world())
        for role in roles:
            self.kills[role] = self.kills.get(role, 0) + 1
        self.world.clear()
        return self.world

    def close(self):
        if self.stack is not None:
            self.stack.close()
        self.stack = self.world = None


@pytest.fixture(scope="module")
def worlds():
    with contextlib.closing(Worlds()) as all_of_them:
        yield all_of_them


def arrived(world, friend):
    """(by token, by the relay host)"""
    return tuple(sum(friend in m.addresses for m in x.messages)
                 for x in (world.sink, world.relay))


@clauses("F-07", "S1-31")
@pytest.mark.restarts
@pytest.mark.parametrize("place, roles, held", FATES, ids=[
    "%s-%s" % (x[0], "-".join(x[1])) for x in FATES])
def test_killed(worlds, place, roles, held):
    world = worlds.get(roles)
    walk = Walk(world)
    getattr(walk, place)(*roles)
    walk.end()
    by_token, by_relay = arrived(world, walk.friend)
    story = (walk.code, by_token, by_relay)
    assert walk.code in (None, 250, 421, 451), story
    if walk.code == 250:
        assert by_token + by_relay == 1, story
    else:
        assert by_token + by_relay <= 1, story
    # RELAY_RESULT was said: it is heard, though relay or tokend is dead.
    if place == "answering" and roles[0] in ("relay", "tokend"):
        assert walk.code == 250, story
    # It all goes on, with the token that there should be.
    world.sink.clear()
    shown = len(world.sink.shown)
    assert world.submit(walk.friend).status == "250 2.0.0"
    used = world.sink.shown[shown:]
    assert used and {x[0] for x in used} == {walk.friend}
    if walk.code == 250:
        held = True
    if held is not None:
        assert {x[1] for x in used} == {
            "NEW-token_1" if held else "HELD-token_0"}


BOB = "bob@a.example"


@clauses("F-07")
@pytest.mark.restarts
@pytest.mark.parametrize("role", ["lmtpd", *ALL])
def test_killed_with_a_mailbox_beside(worlds, role):
    """A recipient by token and one here: what is answered 250 has reached
    both, or the sender is told of whom it has not."""
    world = worlds.get((role,))
    server, walk = world.server, Walk(world)
    before = {x: len(server.mail(x)) for x in (ALICE, BOB)}
    walk.also = BOB
    walk.up_to("end")
    walk.kill(role)
    walk.end()
    by_token, by_relay = arrived(world, walk.friend)
    count = {x: len(server.mail(x)) - before[x] for x in before}
    reports = [m for m in world.relay.messages if m.sender == ""]
    story = (walk.code, by_token, by_relay, count, len(reports))
    assert by_token + by_relay <= 1 and count[BOB] <= 1, story
    if walk.code == 250:
        assert by_token + by_relay + count[BOB] + count[ALICE] + \
            len(reports) >= 2, story
        assert by_token + by_relay == 1, story
