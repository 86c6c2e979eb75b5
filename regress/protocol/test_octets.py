# SPDX-License-Identifier: ISC
"""Token servers that stall, close, reset, say 421 or nonsense behind each
octet of each answer, and of the handshake: no message is lost, none comes
twice but where the answer itself was lost, and no token gets anywhere else.

Nothing here is judged by the clock: what waits, waits for the client. Where
the machine was so slow that a limit of the server's hit an honest peer, which
the log says, the case is tried again in another domain.
"""
import contextlib
import os
import re
import shutil
import tempfile
import threading
import time

import pytest

import relay_sink
from clause import clauses
from octet_liar import KINDS, Case, OctetLiar, replies, token_names
from server import Server
from token_world import ALICE, Authority, Nsd, srv

MESSAGE = "From: alice@a.example\r\nSubject: at each octet\r\n\r\nText.\r\n"
LARGE = MESSAGE + "x" * 70 + "\r\n"
LARGE += ("y" * 70 + "\r\n") * 1200  # more than one chunk
BODY = LARGE + ("z" * 78 + "\r\n") * 3000
HUGE = BODY + ("z" * 78 + "\r\n") * 90000  # larger than all buffers
ROUNDS = 4


class Octets:
    """The server, its relay host, the liar, and a domain for each case."""

    def __init__(self, stack, size, extra):
        directory = tempfile.mkdtemp(prefix="stoken-ca-")
        os.chmod(directory, 0o755)
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        authority = Authority(directory)
        self.liar = OctetLiar(authority.issue("liars", "*.liar.example"))
        stack.callback(self.liar.close)
        self.size, self.used = size, 0
        self.hop = stack.enter_context(relay_sink.RelaySink(backlog=512))
        nsd = Nsd([srv("d%d.liar.example" % n, self.liar.port)
                   for n in range(size)] +
                  [srv("c%d.liar.example" % n, self.liar.clear_port,
                       "_submission") for n in range(size)])
        stack.callback(nsd.close)
        self.server = stack.enter_context(Server(limits={"sessions": 2000},
                                                 prefork=(2, 2, 8), extra="""
relay host "smtp://127.0.0.1:%d"
ca "%s"
resolver "127.0.0.1:%d"
token learn any
%s""" % (self.hop.port, authority.file, nsd.port, extra)))

    def prepare(self, cases, letter):
        """A domain for each that was not used, and a token for alice."""
        for case in cases:
            assert self.used < self.size, "no domain is left"
            self.used += 1
            case.forget()
            case.domain = "%s%d.liar.example" % (letter, self.used)
            case.friend = "friend@" + case.domain
            case.new = "NEWtoken%05d" % self.used
            self.liar.cases[case.domain] = case
        self.each(cases, 16, self.server.trusted, self.learn)
        until = time.monotonic() + 60
        while not {x.friend for x in cases} <= self.held():
            assert time.monotonic() < until, "tokens are not learned"
            time.sleep(0.05)

    def learn(self, c, case):
        c.mail(case.friend)
        assert c.rcpt(ALICE).code == 250
        reply, = c.data("From: <%s>\r\nSubmission-Token: HELDtoken%s\r\n"
                        "Subject: hello\r\n\r\nx\r\n" % (
                            case.friend, case.new[-5:]))
        assert reply.code == 250, reply

    def held(self):
        return {x["remote"] for x in self.server.show("held")}

    def each(self, cases, width, session, function):
        """function(session, case) for all, so many at a time."""
        left, errors, lock = list(reversed(cases)), [], threading.Lock()

        def work():
            c = session()
            with contextlib.closing(c):
                while True:
                    with lock:
                        if not left or errors:
                            return
                        case = left.pop()
                    try:
                        function(c, case)
                    except BaseException as error:
                        errors.append((case, error))
                        raise
        threads = [threading.Thread(target=work, daemon=True)
                   for _ in range(min(width, len(cases)))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(300)
            assert not thread.is_alive(), "a session hangs"
        assert not errors, errors

    def submit(self, c, case):
        case.code = 0
        c.mail(ALICE)
        reply = c.rcpt(case.friend)
        if reply.code == 250:
            reply, = c.data(
                LARGE if case.large else MESSAGE if case.step != "body" else
                HUGE if case.kind == "stall" else BODY)
        else:
            c.cmd("RSET")
        case.code = reply.code

    def run(self, cases, letter, width):
        """Returns {friend: (stat, reason)} of all; those that the machine
        was too slow for are tried once more."""
        seen = {}
        for _ in range(ROUNDS):
            self.prepare(cases, letter)
            if letter == "c":
                self.liar.queue = list(cases)
            start = self.server.log.stat().st_size
            self.each(cases, width, self.server.login, self.submit)
            story = self.stories(start, cases)
            again = [x for x in cases if self.is_slow(x, story[x.friend])]
            for case in cases:
                if case not in again:
                    seen[case.friend] = story[case.friend]
            cases = again
            if not cases:
                return seen
        raise AssertionError("too slow: %r" % cases)

    def stories(self, start, cases):
        until = time.monotonic() + 30
        while True:
            with open(self.server.log, "rb") as log:
                log.seek(start)
                text = log.read().decode("utf-8", "backslashreplace")
            found = {x[0]: x[1:] for x in re.findall(
                r"token-route to=<(\S+)> .* stat=(\S+) (.*)", text)}
            if {x.friend for x in cases} <= set(found):
                return found
            assert time.monotonic() < until, "not all are logged"
            time.sleep(0.05)

    def is_slow(self, case, story):
        """A limit hit an honest peer, ours or the relay host."""
        if case.code != 250:
            assert case.code == 451, case
            return True
        if not case.reached and case.step != "none":
            return True  # it never came there
        # A length that was changed makes the client wait, too.
        return "too long" in story[1] and case.kind not in ("stall", "flip")

    def count(self):
        """{friend: messages that the relay host has taken}"""
        counts = {}
        for message in self.hop.messages:
            for address in message.addresses:
                counts[address] = counts.get(address, 0) + 1
        return counts


@contextlib.contextmanager
def octets(size, extra):
    with contextlib.ExitStack() as stack:
        yield Octets(stack, size, extra)


def lies(steps, kinds, **more):
    """A case for each octet of the answers at these steps."""
    for step in steps:
        sample = Case("", step, 0, **more)
        sample.friend, sample.new = "friend@d0000.liar.example", "NEWtoken00000"
        for offset in range(len(replies(sample)[step]) + 1):
            for kind in kinds:
                yield Case(kind, step, offset, **more)


def check(world, cases, seen):
    """Once; twice only where the answer behind the end was lost."""
    counts, held = world.count(), world.held()
    for case in cases:
        stat, rest = seen[case.friend]
        by_relay = counts.get(case.friend, 0)
        story = (case, by_relay, stat, rest)
        assert case.code == 250 and by_relay <= 1, story
        assert case.taken <= 1 and case.taken + by_relay >= 1, story
        assert (stat == "delivered") == (by_relay == 0), story
        if case.taken and by_relay:
            assert case.step == "end" and not case.said, story
            assert "may come twice" in rest, story
        if case.taken and case.said:
            assert by_relay == 0 and "new-token=kept" in rest, story
        assert case.friend in held, story
    # No token is in the log, nor anywhere in what went to the relay host.
    text = world.server.log_text()
    assert token_names(text) == []
    assert not any(b"HELDtoken" in x.raw for x in world.hop.messages)
    world.server.check()


ALL = ("connect", "lhlo", "auth", "mail", "rcpt", "end")


@clauses("S1-01")
@pytest.mark.parametrize("kinds,width", [
    (("stall",), 120), (KINDS[1:], 16)], ids=["stall", "others"])
def test_each_octet_of_each_answer(kinds, width):
    cases = [*lies(ALL, kinds), *lies(("bdat",), kinds, large=True),
             *lies(("data", "end"), kinds, chunking=False)]
    if "stall" not in kinds:
        cases += [Case("twice", x, 0) for x in (*ALL, "none")]
    with octets(2 * len(cases), "timeout relay 2s") as world:
        seen = world.run(cases, "d", width)
        check(world, cases, seen)
        # Both fates were seen.
        assert [x for x in cases if x.said] or kinds == ("stall",)
        assert [x for x in cases if x.taken and not x.said]


PLACES = (0, 1, 2, 1000, 65535, 65536, 65537, 200000)


@clauses("S1-01")
def test_in_the_middle_of_the_message():
    """And who reads no more, so that all buffers fill up."""
    cases = [Case(kind, "body", offset, chunking=chunking)
             for kind in KINDS
             for offset in ((0, 100000, 7000000) if kind == "stall"
                            else PLACES)
             for chunking in (True, False)]
    with octets(4 * len(cases), "timeout relay 3s") as world:
        check(world, cases, world.run(cases, "d", 24))
        assert not any(x.taken for x in cases)


@clauses("S1-59")
def test_each_octet_of_the_handshake():
    """Cut or changed: before its end nothing is said to the server."""
    with octets(6000, "timeout relay 2s") as world:
        flight = world.liar.flight()
        cases = [Case(kind, "tls", offset) for offset in range(flight)
                 for kind in ("stall", "fin") if kind == "stall" or
                 offset % 2]
        cases += [Case("flip", "tls", offset) for offset in
                  range(0, flight, 3)]
        cases += [Case("rst", "tls", offset) for offset in
                  range(0, flight, 11)]
        waiting = [x for x in cases if x.kind == "stall"]
        rest = [x for x in cases if x.kind != "stall"]
        seen = world.run(rest, "d", 16)
        seen.update(world.run(waiting, "d", 120))
        check(world, cases, seen)
        for case in cases:
            # Some octets mean nothing: those of a record's version.
            assert case.kind == "flip" or case.offset > flight - 8 or \
                not case.shown, case
        assert sum(x.shown > 0 for x in cases) < 40


@clauses("S1-57", "S1-58")
def test_each_octet_before_starttls():
    """_submission: an answer in clear is no reason to say a token."""
    with octets(1500, "timeout relay 2s") as world:
        cases = []
        for kind in KINDS:
            for step in ("connect", "lhlo", "starttls"):
                text = replies(Case("", step, 0))[
                    "clear" if step == "lhlo" else step]
                cases += [Case(kind, step, offset)
                          for offset in range(len(text) + 1)]
        seen = world.run(cases, "c", 64)
        for case in cases:
            case.taken = case.said = 0  # cases are not those of the domains
        check(world, cases, seen)
        assert not any(x.shown for x in cases)


@clauses("S1-52")
def test_idle_connections_make_room():
    """More domains than there may be connections, all of which are kept."""
    with octets(400, "") as world:
        cases = [Case("none", "none", 0) for _ in range(140)]
        seen = world.run(cases, "d", 4)
        check(world, cases, seen)
        assert all(x.taken == x.said == 1 for x in cases)
