# SPDX-License-Identifier: ISC
"""How the token server of a domain is found, and how it proves that it is."""
import contextlib
import re
import secrets
import socket
import time

import pytest

from clause import clauses
from dns_liar import DnsProxy
from dnssec import Signer, Unbound
from server import Server, free_port
from test_token_route import log_size, route_line
from token_world import Nsd, TokenSink, srv, token_world

SRV_ID = "otherName:1.3.6.1.5.5.7.8.7;IA5STRING:"


class Sinks(dict):
    """Token servers, by name, with certificates for what is said."""

    def record(self, name, *names, service="_submissions", **options):
        """What token_world() takes for a record."""
        def make(authority, stack):
            self[name] = stack.enter_context(TokenSink(
                authority.issue(name + "-cert", *names),
                implicit=service == "_submissions"))
            return srv(name + ".example", self[name].port, service, **options)
        return make


@clauses("D-S14", "S1-59", "F-65", "F-70")
def test_service_names():
    """A certificate for the service of the domain, and for no other."""
    sinks = Sinks()
    good = {"tls": ("_submissions", "_SUBMISSIONS.tls.example"),
            "starttls": ("_submission", "_submission.starttls.example")}
    bad = {"mixed": ("_submissions", "_submission.mixed.example"),
           "imap": ("_submissions", "_imaps.imap.example"),
           "wild": ("_submissions", "_submissions.*.example"),
           "named": ("_submissions", "_submissions.host.example")}
    with token_world(records=[
            sinks.record(name, SRV_ID + identity, "DNS:host.example",
                         service=service)
            for name, (service, identity) in {**good, **bad}.items()]) as world:
        for name in good:
            friend = world.friend(domain=name + ".example")
            assert world.submit(friend).status == "250 2.0.0"
            assert len(sinks[name].messages) == 1
        assert world.relay.tried == []
        for count, name in enumerate(bad, 1):
            friend, start = world.friend(domain=name + ".example"), \
                log_size(world)
            assert world.submit(friend).status == "250 2.0.0"
            assert len(world.relay.messages) == count
            assert sinks[name].shown == []
            assert re.search("at=connect .*hostname mismatch",
                             route_line(world, friend, start))


def validating(signer, *plain):
    """For token_world(): its zone is validated, and what `plain` makes is of
    other zones that nobody has signed."""
    def make(nsd, stack):
        others = [stack.enter_context(contextlib.closing(x()))
                  for x in plain]
        unbound = Unbound([nsd, *others], [signer.anchor])
        stack.callback(unbound.close)
        return unbound.port
    return make


def goes_straight(world, sinks, name, domain=None):
    friend = world.friend(domain=domain or name + ".example")
    assert world.submit(friend).status == "250 2.0.0"
    assert len(sinks[name].messages) == 1, name
    assert world.relay.tried == []


def goes_around(world, sinks, name, why, domain=None):
    """By the relay host; no token was shown to anybody."""
    friend = world.friend(domain=domain or name + ".example")
    start = log_size(world)
    assert world.submit(friend).status == "250 2.0.0"
    message, = world.relay.messages
    assert message.addresses == [friend]
    assert sinks[name].shown == [], name
    assert re.search(why, route_line(world, friend, start))
    world.relay.forget()


MISMATCH = "at=connect .*hostname mismatch"


@clauses("D-S14", "F-65", "D-S12")
def test_hosts_that_dnssec_names():
    """Where the resolver has validated it, the host's own name will do."""
    sinks, signer = Sinks(), Signer(spoil={
        r"(?m)^(_submissions\._tcp\.bogus\.example\.\s.*\sSRV\s+0) 0":
        r"\1 1"})
    names = ["hosted", "bogus", "unsigned"]
    records = [sinks.record(x, "host.example") for x in names]
    records += [sinks.record("named", "named.example"),
                sinks.record("wrong", "wrong-host.example"),
                sinks.record("starttls", "host.example",
                             service="_submission")]
    with token_world(
            records=records, extra="relay dnssec yes", change=signer,
            resolver=validating(signer, lambda: Nsd(
                [srv("b.plain", sinks["unsigned"].port)],
                zone="plain"))) as world:
        goes_straight(world, sinks, "hosted")
        goes_straight(world, sinks, "starttls")
        goes_straight(world, sinks, "named")
        goes_around(world, sinks, "wrong", MISMATCH)
        # A signature that is none: nothing was said.
        goes_around(world, sinks, "bogus", "at=dns .*the DNS fails")
        # Nobody has signed it, whom it names is signed.
        goes_around(world, sinks, "unsigned", MISMATCH, "b.plain")
        assert "is not on this machine" not in world.server.log_text()


@clauses("D-S14", "F-65")
def test_what_a_resolver_says_is_not_believed():
    """... unless `relay dnssec` says so."""
    sinks, signer = Sinks(), Signer()
    with token_world(records=[sinks.record("hosted", "host.example")],
                     change=signer, resolver=validating(signer)) as world:
        goes_around(world, sinks, "hosted", MISMATCH)


def test_a_resolver_elsewhere():
    """It is believed all the same; the log warns of it."""
    with Server(extra="""
relay host "smtp://127.0.0.1:9"
relay dnssec yes
resolver "192.0.2.1"
""") as server:
        server.wait_log("relay dnssec: a resolver is not on this machine",
                        0, 30)


def proxied(proxies):
    """For token_world(): questions are counted on their way to nsd."""
    def make(nsd, stack):
        proxies.append(stack.enter_context(contextlib.closing(
            DnsProxy(nsd.port))))
        return proxies[0].port
    return make


def lose_connections(world, *sinks):
    """The next message needs a new one."""
    for sink in sinks:
        sink.drop()
        sink.wait(lambda s: all(x.over for x in s.sessions))


@clauses("D-S12", "S1-53")
def test_what_was_found_is_used_for_its_ttl():
    """Not asked for again before; and then the new server is used."""
    proxies, old, new = [], Sinks(), Sinks()

    def make(authority, stack):
        """Two domains, and two servers that may serve both."""
        certificate = authority.issue("both", "kept.example", "short.example")
        for sinks in (old, new):
            sinks["both"] = stack.enter_context(TokenSink(certificate))
        return "\n".join(zone(old))

    def zone(sinks):
        port = sinks["both"].port
        return [srv("kept.example", port),
                srv("short.example", port).replace(" SRV", " 1 SRV")]

    with token_world(records=[make], resolver=proxied(proxies)) as world:
        proxy, = proxies
        kept = world.friend(domain="kept.example")
        short = world.friend(domain="short.example")
        for friend in (kept, short):
            assert world.submit(friend).status == "250 2.0.0"
        asked = proxy.count("kept.example")
        assert asked == 1 and len(old["both"].messages) == 2
        world.nsd.reload(zone(new))
        # Within the TTL nobody is asked, and the old one is used.
        lose_connections(world, old["both"])
        assert world.submit(kept).status == "250 2.0.0"
        assert proxy.count("kept.example") == asked
        assert len(old["both"].messages) == 3
        # Behind it the new one is, and stays so.
        until = time.monotonic() + 60
        while not new["both"].messages and time.monotonic() < until:
            lose_connections(world, old["both"])
            assert world.submit(short).status == "250 2.0.0"
        before = len(old["both"].messages)
        lose_connections(world, old["both"], new["both"])
        assert world.submit(short).status == "250 2.0.0"
        assert len(new["both"].messages) == 2
        assert len(old["both"].messages) == before
        assert world.relay.tried == []


def privileged(authority, stack, sinks, name, port, *names):
    """A token server on an address of its own, at a port that a client does
    not choose; returns the address."""
    address = "127.%d.%d.%d" % tuple(secrets.choice(range(1, 255))
                                     for _ in range(3))
    try:
        sinks[name] = stack.enter_context(TokenSink(
            authority.issue(name + "-cert", *names), implicit=port == 465,
            address=address, port=port))
    except PermissionError:
        pytest.skip("may not listen on port %d" % port)
    return address


def silent(stack):
    """The port of somebody who takes connections and says nothing."""
    listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
    return listener.getsockname()[1]


@clauses("S1-55", "D-S12", "D-S14")
def test_hosts_of_mx_behind_those_of_srv():
    """Where no host of the SRV records can be reached, or does TLS."""
    sinks, closed, signer = Sinks(), free_port(), Signer()

    def make(authority, stack):
        by_465 = privileged(authority, stack, sinks, "465", 465,
                            "away.example", "silent.example")
        by_587 = privileged(authority, stack, sinks, "587", 587,
                            "only.example", SRV_ID +
                            "_submission.service.example")
        hosted = privileged(authority, stack, sinks, "hosted", 465,
                            "mx2.example")
        wrong = sinks.record("wrong", "elsewhere.example")(authority, stack)
        return "\n".join([
            "mx465 A " + by_465, "mx587 A " + by_587, "mx2 A " + hosted,
            srv("away.example", closed), "away MX 10 mx465",
            srv("silent.example", silent(stack)), "silent MX 10 mx465",
            "only MX 10 mx587", "service MX 10 mx587",
            srv("hosted.example", closed), "hosted MX 10 mx2",
            wrong, "wrong MX 10 mx465",
            srv("no.example", closed), "no MX 0 ."])

    with token_world(records=[make], change=signer,
                     resolver=validating(signer),
                     extra="relay mx-fallback yes\nrelay dnssec yes") as world:
        for count, (name, sink) in enumerate([
                ("away", "465"), ("silent", "465"), ("only", "587"),
                ("service", "587"), ("hosted", "hosted")], 1):
            friend = world.friend(domain=name + ".example")
            assert world.submit(friend).status == "250 2.0.0"
            assert sum(len(x.messages) for x in sinks.values()) == count, name
            assert sinks[sink].messages[-1].addresses == [friend]
        assert world.relay.tried == []
        # The certificate is wrong, and so is that of its MX host.
        before = len(sinks["465"].shown)
        goes_around(world, sinks, "wrong", "at=connect")
        assert len(sinks["465"].shown) == before
        friend, start = world.friend(domain="no.example"), log_size(world)
        assert world.submit(friend).status == "250 2.0.0"
        assert "at=connect" in route_line(world, friend, start)
        assert len(world.relay.messages) == 1


def test_numbers_of_questions():
    """Not those of another process, behind a reload either: who can tell them
    answers first."""
    numbers = []
    for _ in range(2):
        proxies = []
        with token_world(resolver=proxied(proxies)) as world:
            world.server.ctl("reload", check=True)
            for _ in range(2):
                assert world.submit(world.friend()).status == "250 2.0.0"
            numbers.append(set(proxies[0].numbers))
            assert len(world.sink.messages) == 2
    assert all(len(x) >= 5 for x in numbers)
    assert len(numbers[0] & numbers[1]) <= 1
