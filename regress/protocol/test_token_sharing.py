# SPDX-License-Identifier: ISC
"""Recipients who share a transaction at the relay host, and those among them
for whom the sender holds a token: they go their own way (S1-52), and come
back into the fold when that fails (S1-01)."""
import pytest

from clause import clauses
from relay_sink import close_after, reply
from token_world import token_world

HEADER = {"no": "token header no\n",
          "recipients 1": "token header recipients 1\n"}


@pytest.fixture(scope="module", params=HEADER)
def shared(request):
    with token_world(extra=HEADER[request.param]) as world:
        world.mode = request.param
        yield world


@pytest.fixture
def world(shared):
    shared.clear()
    yield shared
    shared.server.check()


def strangers(world, count):
    return ["stranger%d@%s" % (n, world.domain()) for n in range(count)]


def gone(world):
    """Everybody whom a copy was taken for, by whichever way."""
    return sorted(address for message in
                  world.sink.messages + world.relay.messages
                  for address in message.addresses)


def shared_copy(world):
    """That of the relay host, for those who share; one may be apart."""
    return max(world.relay.messages, key=lambda m: len(m.addresses))


@clauses("S1-52")
def test_friends_among_strangers(world):
    people = strangers(world, 4)
    friends = [world.friend(), world.friend()]
    people[1:1] = friends[:1]
    people.append(friends[1])
    assert world.submit(*people).status == "250 2.0.0"
    assert gone(world) == sorted(people)
    assert sorted(a for m in world.sink.messages
                  for a in m.addresses) == sorted(friends)
    apart = 1 if world.mode == "recipients 1" else 0
    assert len(world.relay.messages) == 1 + apart
    assert len(shared_copy(world).addresses) == 4 - apart
    for message in world.sink.messages + world.relay.messages:
        assert message.field("Subject")
        assert message.field("Submission-Token") == []
        # Nobody is told of the others (RFC 5321 section 7.2).
        assert b" for <" not in message.data.split(b"\r\n\r\n")[0] or \
            len(message.addresses) == 1


@clauses("S1-52")
def test_one_friend_alone(world):
    friend = world.friend()
    assert world.submit(friend).status == "250 2.0.0"
    assert gone(world) == [friend]
    assert world.relay.messages == []


LIES = {"AUTH": ("auth", reply("454 4.7.0 later")),
        "RCPT": ("rcpt", reply("450 4.2.1 later")),
        "RCPT, for good": ("rcpt", reply("550 5.7.1 not you")),
        "RCPT 421": ("rcpt", close_after("421 4.3.2 going"))}


@clauses("S1-01")
@pytest.mark.parametrize("lie", LIES)
def test_refused_before_the_message(world, lie):
    """He shares the one transaction after all."""
    people = strangers(world, 2)
    friend = world.friend()
    step, what = LIES[lie]
    world.sink.fault(step, what)
    people.insert(1, friend)
    assert world.submit(*people).status == "250 2.0.0"
    assert gone(world) == sorted(people)
    assert friend in shared_copy(world).addresses
    assert world.sink.messages == []


@clauses("S1-01")
def test_refused_behind_the_message(world):
    """Then it is too late to share: a transaction of its own."""
    people = strangers(world, 2)
    friend = world.friend()
    world.sink.fault("end", reply("451 4.3.0 later"))
    assert world.submit(people[0], friend, people[1]).status == "250 2.0.0"
    assert gone(world) == sorted(people + [friend])
    alone, = [m for m in world.relay.messages if friend in m.addresses]
    assert alone.addresses == [friend]
    assert alone.field("Subject")


def test_all_are_friends(world):
    friends = [world.friend() for _ in range(5)]
    assert world.submit(*friends).status == "250 2.0.0"
    assert gone(world) == sorted(friends)
    assert world.relay.tried == []


def test_nobody_is_taken(world):
    """The relay host refuses all of those who come to share."""
    people = strangers(world, 3)
    world.relay.fault("rcpt", reply("550 5.1.1 no"), nth=None)
    with world.server.login() as c:
        c.mail("alice@a.example")
        assert [c.rcpt(x).code for x in people] == [550] * 3
        assert c.cmd("DATA").code == 554
    assert gone(world) == []


@clauses("S1-52")
def test_all_in_one_packet(world):
    """RFC 2920: RCPT and RCPT and RCPT, while the first is still asked."""
    people = strangers(world, 6)
    people[2:2] = [world.friend(), world.friend()]
    lines = ["MAIL FROM:<alice@a.example>"]
    lines += ["RCPT TO:<%s>" % x for x in people] + ["DATA"]
    with world.server.login() as c:
        c.send(("\r\n".join(lines) + "\r\n").encode())
        assert [x.code for x in c.replies(len(lines))] == [250] * 9 + [354]
        c.send(b"Subject: x\r\n\r\nx\r\n.\r\n")
        assert c.reply().status == "250 2.0.0"
    assert gone(world) == sorted(people)
    assert len(world.sink.messages) == 2
