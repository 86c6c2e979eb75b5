# SPDX-License-Identifier: ISC
"""The token route: a user's message goes straight to the recipient's server,
by the token that he holds, and else by the relay host."""
import re

import pytest

from clause import clauses
from token_world import ALICE, MESSAGE, token_world


@pytest.fixture(scope="module")
def shared():
    with token_world() as world:
        yield world


@pytest.fixture
def world(shared):
    shared.clear()
    yield shared
    shared.server.check()


def route_line(world, friend, start):
    return world.server.wait_log(
        r"token-route to=<%s> .*" % re.escape(friend), start, 30).group(0)


def log_size(world):
    return len(world.server.log_text())


@clauses("S1-52", "S1-53", "S1-14", "S1-19", "S1-31", "S1-60", "S1-74")
def test_straight_to_the_server(world):
    friend, start = world.friend(), log_size(world)
    reply = world.submit(friend)
    assert reply.status == "250 2.0.0"
    message, = world.sink.messages
    assert world.relay.tried == []
    session = message.session
    assert [x.split()[0] for x in session.commands[:4]] == [
        b"LHLO", b"AUTH", b"MAIL", b"RCPT"]
    assert world.sink.shown == [(friend, "HELD-token_0")] * 2
    rcpt, = message.recipients
    mine = re.search(rb" MYSTOKEN=(\S+)", rcpt).group(1).decode()
    assert mine == world.server.permanent(friend, ALICE)
    assert message.data.endswith(b"\r\n\r\nText.\r\n.dot\r\n")
    line = route_line(world, friend, start)
    assert "stat=delivered new-token=kept" in line
    world.server.wait_log(
        r"delivery .*to=<%s> relay=token:host.example\[127.0.0.1\]:%d .*"
        r"dsn=2.1.13 stat=Sent" % (friend, world.sink.port), start, 30)
    # The new token is the one that is used from now on.
    assert world.submit(friend).status == "250 2.0.0"
    assert world.sink.shown[-1] == (friend, "NEW-token_1")


def test_no_token_no_route(world):
    stranger = "stranger@" + world.domain()
    assert world.submit(stranger).status == "250 2.0.0"
    assert world.sink.sessions == [] or world.sink.messages == []
    assert len(world.relay.messages) == 1
