# SPDX-License-Identifier: ISC
"""A domain with two token servers, the first of which does not do."""
import re

import pytest

import token_world
from clause import clauses
from relay_sink import (close, close_after, endless, half, raw, reply, reset,
                        stall)
from test_tokensend import by_name
from token_sender import FROM, OLD, Sender

# What the first does wrong at which step, whether it takes TLS at once, and
# whether it has seen a token by then.
BEFORE = [
    ("connect", close(), True), ("connect", stall(), True),
    ("connect", stall(5), True), ("connect", raw("hello\r\n"), True),
    ("connect", close_after("421 4.3.2 not now"), True),
    ("connect", reply("554 5.3.2 never"), True),
    ("connect", endless("220-a\r\n"), True),
    ("tls", close(), True), ("tls", stall(), True),
    ("ehlo", close(), True), ("ehlo", stall(), True),
    ("ehlo", half(9), True), ("ehlo", reply("500 5.5.1 what?"), True),
    ("connect", stall(), False), ("connect", raw("hello\r\n"), False),
    ("connect", reset(), False),
    ("ehlo", close(), False), ("ehlo", reply("250 no STARTTLS"), False),
    ("starttls", reply("454 4.7.0 no TLS now"), False),
    ("starttls", close(), False), ("starttls", stall(), False),
    ("tls", close(), False), ("tls", stall(), False),
]
TEMPORARY = [("auth", reply("454 4.7.0 later")),
             ("auth", close_after("421 4.7.0 too many"))]
FINAL = [("auth", reply("535 5.7.8 no")), ("auth", close()),
         ("auth", raw("hello\r\n")), ("mail", close()),
         ("rcpt", reply("450 4.2.1 later"))]


class Site:
    """`domain(implicit)` is one of whose two servers the first is
    first[implicit], the second second[implicit]."""

    def __init__(self):
        self.first, self.second, self.domains = {}, {}, {}
        self.names = {implicit: ["%s%d.example" % (kind, n)
                                 for n in range(40)]
                      for implicit, kind in ((True, "at-once"),
                                             (False, "starttls"))}

    def records(self, authority, stack):
        lines = []
        for implicit, names in self.names.items():
            pair = authority.issue("for-" + names[0], *names)
            self.first[implicit], self.second[implicit] = (
                stack.enter_context(token_world.TokenSink(pair, implicit))
                for _ in range(2))
            service = "_submissions" if implicit else "_submission"
            for name in names:
                lines += [token_world.srv(
                    name, sinks[implicit].port, service, priority=priority)
                    for priority, sinks in ((1, self.first),
                                            (2, self.second))]
            self.domains[implicit] = iter(names)
        return "\n".join(lines)

    def clear(self):
        for sink in [*self.first.values(), *self.second.values()]:
            sink.clear()
            sink.forget()

    def domain(self, implicit):
        return next(self.domains[implicit])


@pytest.fixture(scope="module")
def both():
    site = Site()
    with token_world.token_world(records=[site.records]) as world:
        yield world, site


@pytest.fixture
def world(both):
    world, site = both
    world.clear()
    site.clear()
    world.site = site
    yield world
    world.server.check()


@clauses("S1-01", "F-70")
@pytest.mark.parametrize("step, behaviour, implicit", BEFORE)
def test_fails_before_the_token(world, step, behaviour, implicit):
    """The next one gets the message, in the same time."""
    first, second = (x[implicit] for x in (world.site.first,
                                           world.site.second))
    friend = world.friend(domain=world.site.domain(implicit))
    first.fault(step, behaviour)
    assert world.submit(friend).status == "250 2.0.0"
    assert len(second.messages) == 1 and world.relay.tried == []
    assert first.shown == []


@clauses("S1-01", "F-70")
@pytest.mark.parametrize("step, behaviour", TEMPORARY)
def test_token_is_refused_for_now(world, step, behaviour):
    """It was not taken: the next one may take it."""
    friend = world.friend(domain=world.site.domain(True))
    world.site.first[True].fault(step, behaviour)
    assert world.submit(friend).status == "250 2.0.0"
    assert len(world.site.second[True].messages) == 1
    assert world.relay.tried == []
    assert world.held(friend)


@clauses("S1-01")
@pytest.mark.parametrize("step, behaviour", FINAL)
def test_token_was_said(world, step, behaviour):
    """What was said of it, or was not, is not asked again elsewhere."""
    friend = world.friend(domain=world.site.domain(True))
    world.site.first[True].fault(step, behaviour)
    others = len(world.site.second[True].sessions)
    assert world.submit(friend).status == "250 2.0.0"
    assert len(world.site.second[True].sessions) == others
    assert len(world.relay.messages) == 1


@clauses("S1-64")
def test_no_stoken_is_an_answer(world):
    friend = world.friend(domain=world.site.domain(True))
    first, second = world.site.first[True], world.site.second[True]
    first.stoken, others = False, len(second.sessions)
    assert world.submit(friend).status == "250 2.0.0"
    assert len(second.sessions) == others
    assert len(world.relay.messages) == 1
    first.wait(lambda s: s.sessions[-1].over)
    assert [x.split()[0] for x in first.sessions[-1].commands] == [
        b"LHLO", b"QUIT"]


def test_refused_for_now_is_no_blame(world):
    """Where the others are not there at all: it is asked again."""
    domain = world.site.domain(True)
    first, second = world.site.first[True], world.site.second[True]
    friend = world.friend(domain=domain)
    first.fault("auth", reply("454 4.7.0 later"))
    second.fault("tls", close())
    start = len(world.server.log_text())
    assert world.submit(friend).status == "250 2.0.0"
    assert len(world.relay.messages) == 1
    world.server.wait_log(r"token-route to=<%s> .*stat=relay-host" %
                          re.escape(friend), start, 30)
    first.clear()
    assert world.submit(friend).status == "250 2.0.0"
    assert len(first.messages) == 1


@pytest.fixture
def tokensend(world):
    """Runs it, to a domain of the world with a token for it."""
    with Sender() as sender:
        def run(implicit):
            to = "x@" + world.site.domain(implicit)
            sender.tokens("%s %s %s\n" % (FROM, to, OLD))
            return by_name(world.nsd, sender, to, world.authority.file)
        yield run


@clauses("S1-01", "F-70")
@pytest.mark.parametrize("step, behaviour, implicit", [
    ("connect", stall(), True), ("connect", raw("hello\r\n"), True),
    ("ehlo", close(), False), ("tls", close(), False),
    ("auth", reply("454 4.7.0 later"), True)])
def test_tokensend_asks_the_next(world, tokensend, step, behaviour,
                                 implicit):
    world.site.first[implicit].fault(step, behaviour)
    done = tokensend(implicit)
    assert done.returncode == 0, done
    assert len(world.site.second[implicit].messages) == 1
    assert OLD.encode() not in done.stdout + done.stderr


@clauses("S1-01")
@pytest.mark.parametrize("step, behaviour", FINAL)
def test_tokensend_does_not_ask_the_next(world, tokensend, step, behaviour):
    others = len(world.site.second[True].sessions)
    world.site.first[True].fault(step, behaviour)
    assert tokensend(True).returncode == 75
    assert len(world.site.second[True].sessions) == others


@clauses("D-S14", "F-65", "S1-59")
@pytest.mark.parametrize("implicit", (True, False))
def test_wrong_certificate_first(implicit):
    """Behind STARTTLS as at once: the next one proves who it is."""
    sinks = {}

    def records(authority, stack):
        for who, name in (("wrong", "else.example"), ("right",
                                                      "two.example")):
            sinks[who] = stack.enter_context(token_world.TokenSink(
                authority.issue(name), implicit))
        service = "_submissions" if implicit else "_submission"
        return "\n".join(
            token_world.srv("two.example", sinks[who].port, service,
                            priority=priority)
            for priority, who in enumerate(("wrong", "right")))

    with token_world.token_world(records=[records]) as world:
        friend = world.friend(domain="two.example")
        assert world.submit(friend).status == "250 2.0.0"
        assert len(sinks["right"].messages) == 1
        assert sinks["wrong"].shown == [] and world.relay.tried == []
