# SPDX-License-Identifier: ISC
"""Submission to recipients elsewhere: what a client is told, and what goes
out and stays in, wherever the next hop says no (DESIGN section 11)."""
import contextlib

import pytest

from clause import clauses
from relay import Sink
from server import Server

ALICE, BOB = "alice@a.example", "bob@a.example"
X, Y, Z = "x@b.example", "y@c.example", "z@d.example"
MESSAGE = "From: alice@a.example\r\nSubject: relayed\r\n\r\nText.\r\n"


@contextlib.contextmanager
def site(sink=None, extra="", **more):
    with sink or Sink() as hop:
        text = 'relay host "smtp://127.0.0.1:%d"\n%s' % (hop.port, extra)
        with Server(extra=text, **more) as server:
            server.hop = hop
            yield server


@pytest.fixture(scope="module")
def world():
    with site() as server:
        yield server


def test_one_outside(world):
    with world.login() as c:
        c.mail(ALICE)
        assert c.rcpt(X).status == "250 2.1.5"
        reply, = c.data(MESSAGE)
        assert reply.status == "250 2.0.0"
    recipients, text = world.hop.messages[-1]
    assert recipients == [X.encode()]
    assert text.endswith(b"\r\nText.\r\n")
    assert text.startswith(b"Received: ")
    assert b"Submission-Token: " in text
    world.wait_log("to=<%s> relay=smtp .*stat=Sent" % X)
