# SPDX-License-Identifier: ISC
"""How the token server of a domain is found, and how it proves that it is."""
import re

from clause import clauses
from test_token_route import log_size, route_line
from token_world import TokenSink, srv, token_world

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
