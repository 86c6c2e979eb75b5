# SPDX-License-Identifier: ISC
"""Submission to recipients elsewhere: what a client is told, and what goes
out and stays in, wherever the next hop says no (DESIGN section 11)."""
import contextlib
import re

import pytest

from clause import clauses
from relay import Sink
from server import Server

ALICE, BOB = "alice@a.example", "bob@a.example"
X, Y, Z = "x@b.example", "y@c.example", "z@d.example"
MESSAGE = "From: alice@a.example\r\nSubject: relayed\r\n\r\nText.\r\n"


class World:
    """A server, its next hop, and what came of a message."""

    def __init__(self, server, hop):
        self.server, self.hop = server, hop

    def clear(self, answers=None):
        self.hop.answers = answers or {}
        self.hop.messages, self.hop.lines = [], []
        for file in self.server.all_mail():
            file.unlink()

    def submit(self, *recipients, sender=ALICE, message=MESSAGE):
        """The replies to RCPT, and that to the message."""
        with self.server.login() as c:
            assert c.mail(sender).status == "250 2.1.0"
            replies = [c.rcpt(x) for x in recipients]
            if not any(x.code == 250 for x in replies):
                return replies, None
            return replies, c.data(message)[0]

    def taken(self):
        with self.hop.lock:
            return list(self.hop.messages)

    def sent(self):
        """Envelopes that the next hop took, without reports."""
        return [[x.decode() for x in to] for to, text in self.taken()
                if b"multipart/report" not in text]

    def reports(self):
        """Those that went out, and those in alice's mailbox."""
        return [text for to, text in self.taken()
                if b"multipart/report" in text] + [
            text for text in self.box(ALICE) if b"multipart/report" in text]

    def box(self, address):
        return [x.read_bytes() for x in self.server.mail(address)]


@contextlib.contextmanager
def site(hop=None, extra="", relay=True, **more):
    with hop or Sink() as hop:
        if relay:
            extra += '\nrelay host "smtp://127.0.0.1:%d"' % hop.port
        with Server(extra=extra, **more) as server:
            yield World(server, hop)


@pytest.fixture(scope="module")
def shared():
    with site() as world:
        yield world


@pytest.fixture
def world(shared):
    shared.clear()
    yield shared
    shared.server.check()


def refuse(word, reply):
    """An answer for lines with a word in them alone."""
    return lambda sink, session, line: reply if word in line else True


def nth(number, reply):
    """An answer for the nth time (from 1) that it is asked for."""
    times = []

    def answer(sink, session, line):
        with sink.lock:
            times.append(1)
            count = len(times)
        return reply if count == number else True
    return answer


@clauses("S1-32", "S1-48", "S1-49")
def test_one_outside(world):
    (rcpt,), reply = world.submit(X)
    assert rcpt.status == "250 2.1.5" and reply.status == "250 2.0.0"
    assert world.sent() == [[X]]
    text = world.taken()[0][1]
    assert re.match(rb"Received: from .*\r\n\tfor <%s>" % X.encode(), text,
                    re.S)
    assert text.endswith(b"\r\n\r\nText.\r\n")
    assert b"Return-Path" not in text and b"Authentication-Re" not in text
    token, = re.findall(rb"\r\nSubmission-Token: (\S+)\r\n", text)
    id = reply.text.split()[0]
    world.server.wait_log(
        'delivery id=%s-1 from=<%s> to=<%s> relay=smtp delay=\\S* dsn=2.0.0 '
        'stat=Sent reply="250 2.0.0 taken"' % (id, ALICE, X))
    # Nothing was told of what there was nobody to be told of.
    with world.server.token_session(ALICE, token.decode()) as c:
        assert c.mail(X).status == "250 2.1.0"
        assert c.rcpt(ALICE, token.decode()).status == "250 2.1.5"


@clauses("S1-32", "S1-49")
def test_each_copy_has_its_own_token(world):
    replies, reply = world.submit(X, Y, Z)
    assert [x.status for x in replies] == ["250 2.1.5"] * 3
    assert reply.status == "250 2.0.0"
    assert sorted(world.sent()) == [[X], [Y], [Z]]
    tokens = set()
    for (to,), text in world.taken():
        token, = re.findall(rb"\r\nSubmission-Token: (\S+)\r\n", text)
        tokens.add(token)
        assert b"for <%s>" % to in text
        for other in (X, Y, Z):
            assert other.encode() == to or other.encode() not in text
        with world.server.token_session(ALICE, token.decode()) as c:
            c.mail(to.decode())
            assert c.rcpt(ALICE, token.decode()).status == "250 2.1.5"
            c.want("RSET", "250 2.0.0")
            c.mail("eve@b.example")
            assert c.rcpt(ALICE, token.decode()).status == "550 5.7.1"
    assert len(tokens) == 3


def test_local_and_outside(world):
    replies, reply = world.submit(BOB, X)
    assert [x.status for x in replies] == ["250 2.1.5"] * 2
    assert reply.status == "250 2.0.0"
    assert world.sent() == [[X]]
    text, = world.box(BOB)
    assert text.startswith(b"Return-Path: <%s>\n" % ALICE.encode())
    assert b"Submission-Token" not in text


@pytest.mark.parametrize("code,status", [
    ("550 5.7.26 not you", "550 5.7.26"), ("451 4.7.1 grey", "451 4.7.1"),
    ("421 4.3.2 going down", "451 4.3.2"), ("452 no code", "452 4.0.0")])
def test_mail_is_refused(world, code, status):
    """By the next hop: our RCPT is refused, another domain's is not."""
    world.clear({"MAIL": code.encode()})
    (rcpt, local), reply = world.submit(X, BOB)
    assert rcpt.status == status, rcpt
    assert local.status == "250 2.1.5" and reply.status == "250 2.0.0"
    assert world.sent() == [] and len(world.box(BOB)) == 1
    assert world.reports() == []


def test_rcpt_is_refused(world):
    world.clear({"RCPT": refuse(b"<y@", b"550 5.1.1 no such y")})
    replies, reply = world.submit(X, Y, BOB)
    assert [str(x) for x in replies] == [
        "250 2.1.5 Recipient OK", "550 5.1.1 no such y",
        "250 2.1.5 Recipient OK"]
    assert reply.status == "250 2.0.0"
    assert world.sent() == [[X]] and len(world.box(BOB)) == 1
    # The one that was refused is counted nowhere.
    replies, reply = world.submit(Y)
    assert reply is None


def test_data_is_refused(world):
    """Of one of two copies: nothing goes out, and nothing stays."""
    world.clear({"DATA": nth(2, b"451 4.3.1 no room")})
    _, reply = world.submit(X, Y, BOB)
    assert reply.status == "451 4.3.1"
    assert world.sent() == [] and world.box(BOB) == []
    assert world.reports() == []


def test_first_dot_is_refused(world):
    world.clear({"end": nth(1, b"554 5.6.0 no virus")})
    _, reply = world.submit(X, Y, BOB)
    assert str(reply) == "554 5.6.0 no virus"
    assert world.sent() == [] and world.box(BOB) == []
    assert world.reports() == []
    world.server.wait_log(
        'to=<%s> relay=maildir .* dsn=5.6.0 stat=Refused '
        'reply="554 5.6.0 no virus"' % BOB)


def test_second_dot_is_refused(world):
    """Once one was accepted the reply is 250, and the rest is reported."""
    world.clear({"end": nth(2, b"550 5.7.1 not this")})
    _, reply = world.submit(X, Y, BOB)
    assert reply.status == "250 2.0.0"
    assert len(world.box(BOB)) == 1
    sent = world.sent()
    assert len(sent) == 1
    failed, = {X, Y} - {sent[0][0]}
    report, = world.reports()
    assert world.taken()[-1][0] == [ALICE.encode()]
    assert b"Final-Recipient: rfc822;%s\r\n" % failed.encode() in report
    assert b"\r\nSubject: relayed\r\n" in report
    assert sent[0][0].encode() not in report
    assert b"\r\nStatus: 5.7.1\r\n" in report
    assert b"550 5.7.1 not this" in report


def test_connection_is_lost_behind_the_dot(world):
    """One copy: it may have been taken or not: it is not said to be."""
    world.clear({"end": lambda *unused: None})
    _, reply = world.submit(X)
    assert reply.status == "451 4.4.2"
    assert world.reports() == []
    world.clear({"end": nth(2, None)})
    _, reply = world.submit(X, Y)
    assert reply.status == "250 2.0.0"
    report, = world.reports()
    assert b"\r\nStatus: 4.4.2\r\n" in report


def test_report_goes_into_the_mailbox(world):
    """Where the next hop does not take it."""
    world.clear({"end": nth(2, b"550 5.7.1 not this"),
                 "MAIL": refuse(b"<>", b"550 5.7.1 no bounces")})
    _, reply = world.submit(X, Y)
    assert reply.status == "250 2.0.0"
    assert len(world.sent()) == 1
    report, = world.box(ALICE)
    assert report.startswith(b"Return-Path: <>\n")
    assert b"\nStatus: 5.7.1\n" in report


def test_no_report_of_mail_from_nobody(world):
    world.clear({"end": nth(2, b"550 5.7.1 not this")})
    _, reply = world.submit(X, Y, sender="")
    assert reply.status == "250 2.0.0"
    assert len(world.taken()) == 1 and world.reports() == []


@clauses("F-80", "F-95")
def test_many_recipients_at_once(world):
    """Asked about together; the first ten get copies of their own, which the
    rest shares one for, and so none of them has a header."""
    names = ["x%d@b.example" % i for i in range(99)]
    world.clear({"RCPT": refuse(b"<x50@", b"550 5.1.1 no such x50")})
    with world.server.login() as c:
        c.send("".join(["MAIL FROM:<%s>\r\n" % ALICE] + [
            "RCPT TO:<%s>\r\n" % x for x in [*names, BOB]] + ["DATA\r\n"]))
        replies = [c.reply().status for _ in range(101)]
        assert replies.pop(51) == "550 5.1.1"
        assert replies == ["250 2.1.0"] + ["250 2.1.5"] * 99
        assert c.reply().code == 354
        c.send(MESSAGE + ".\r\n")
        assert c.reply().status == "250 2.0.0"
    sent = world.sent()
    assert sorted(x for to in sent for x in to) == sorted(
        x for x in names if x != "x50@b.example")
    assert sorted(map(len, sent)) == [1] * 10 + [88]
    for to, text in world.taken():
        assert b"Submission-Token" not in text
        assert (b"\tfor <" in text) == (len(to) == 1)
    assert len(world.box(BOB)) == 1


def test_several_messages_of_a_session(world):
    with world.server.login() as c:
        for i in range(5):
            c.mail(ALICE)
            assert c.rcpt(X).status == "250 2.1.5"
            if i % 2:
                assert c.rcpt(BOB).status == "250 2.1.5"
            assert c.data(MESSAGE)[0].status == "250 2.0.0"
    assert world.sent() == [[X]] * 5 and len(world.box(BOB)) == 2


def test_large_message(world):
    line = "0123456789" * 7 + "\r\n"
    body = line * 60000
    _, reply = world.submit(X, Y, BOB, message=MESSAGE + body)
    assert reply.status == "250 2.0.0"
    assert sorted(world.sent()) == [[X], [Y]]
    for _, text in world.taken():
        assert text.endswith(b"\r\nText.\r\n" + body.encode())
    text, = world.box(BOB)
    assert text.endswith(b"\nText.\n" + body.replace("\r", "").encode())
