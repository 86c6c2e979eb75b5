# SPDX-License-Identifier: ISC
"""Which way a message goes: aliases, the socket, deliver lmtp; and with which
header it goes out."""
import os
import re
import tempfile

import pytest

from clause import clauses
from relay import Sink
from test_relay_fates import (ALICE, BOB, MESSAGE, X, Y, Z, nth, refuse, site)

OUT, MIXED = "outside@a.example", "mixed@a.example"
SOMEONE = "someone@elsewhere.example"
FRIEND = "friend@b.example"


@pytest.fixture(scope="module")
def shared():
    with site(aliases="outside@a.example: someone@elsewhere.example\n"
              "mixed@a.example: alice@a.example, someone@elsewhere.example\n"
              "two@a.example: x@b.example, y@c.example\n") as world:
        yield world


@pytest.fixture
def world(shared):
    shared.clear()
    yield shared
    shared.server.check()


def test_aliases_of_a_submission(world):
    _, reply = world.submit(OUT, MIXED, BOB)
    assert reply.status == "250 2.0.0"
    assert sorted(world.sent()) == [[SOMEONE], [SOMEONE]]
    assert len(world.box(ALICE)) == 1 and len(world.box(BOB)) == 1


def test_aliases_of_the_socket(world):
    with world.server.trusted() as c:
        c.mail(FRIEND)
        assert c.rcpt(OUT).status == "250 2.1.5"
        assert c.rcpt(BOB).status == "250 2.1.5"
        assert c.rcpt(MIXED).status == "250 2.1.5"
        replies = c.data("submission-token:\r\n BOBS\r\nSubject: forwarded"
                         "\r\n\r\nText.\r\n", 3)
        assert [x.status for x in replies] == ["250 2.1.12"] * 3
    # In one transaction, without a token of ours or one that others gave to
    # the first recipient (D-S11), and else as it is.
    (to, text), = world.taken()
    assert to == [SOMEONE.encode()] * 2
    assert b"submission-token" not in text.lower() and b"BOBS" not in text
    assert b"Subject: forwarded" in text
    assert [x for x in world.hop.lines
            if x.startswith(b"MAIL FROM:<%s>" % FRIEND.encode())]
    assert len(world.box(ALICE)) == 1 and len(world.box(BOB)) == 1


def test_socket_recipients_have_their_own_replies(world):
    world.clear({"end": b"451 4.2.0 later"})
    with world.server.trusted() as c:
        c.mail(FRIEND)
        for address in (BOB, OUT, MIXED):
            assert c.rcpt(address).status == "250 2.1.5"
        replies = c.data("Subject: forwarded\r\n\r\nText.\r\n", 3)
        assert [x.status for x in replies] == [
            "250 2.1.12", "451 4.2.0", "451 4.2.0"]
    # What will come again is not in the mailbox already.
    assert world.box(ALICE) == [] and len(world.box(BOB)) == 1


def test_one_of_an_alias_is_refused(world):
    """Others of it have the message: the sender is told of this one."""
    world.clear({"RCPT": refuse(b"<y@", b"550 5.1.1 no such y")})
    (rcpt,), reply = world.submit("two@a.example")
    assert rcpt.status == "250 2.1.5" and reply.status == "250 2.0.0"
    assert world.sent() == [[X]]
    report, = world.reports()
    assert b"Final-Recipient: rfc822;%s\r\n" % Y.encode() in report
    assert b"Status: 5.1.1\r\n" in report
    assert b"\r\nSubject: relayed\r\n" in report


@clauses("S1-15", "S1-73")
def test_a_token_sends_nothing_elsewhere(world):
    token = world.server.temporary(local=ALICE)
    with world.server.token_session(ALICE, token) as c:
        c.mail(FRIEND)
        for address in (MIXED, OUT, X):
            assert c.rcpt(address, token).status == "550 5.7.1"
    with world.server.login(verb="LHLO") as c:
        c.mail(ALICE)
        assert c.rcpt(X).status == "550 5.7.1"
        assert c.rcpt(OUT).status == "550 5.7.1"
    assert world.hop.lines == [] or world.hop.lines[-1] != b"DATA"


def tokens_of(text):
    return re.findall(rb"^Submission-Token: (\S+)\r$", text, re.M)


@clauses("S1-32", "S1-49")
def test_supplied_tokens(world):
    """One's own for the very pair is used again; others are taken out."""
    own = world.server.temporary(X, ALICE)
    other = world.server.temporary("eve@b.example", ALICE)
    message = "Submission-Token: %s\r\nsubmission-token: %s\r\n" \
        "SUBMISSION-TOKEN: rubbish\r\n%s" % (other, own, MESSAGE)
    _, reply = world.submit(X, Y, message=message)
    assert reply.status == "250 2.0.0"
    for (to,), text in world.taken():
        token, = tokens_of(text)
        assert (token.decode() == own) == (to == X.encode())
        assert token.decode() != other and b"rubbish" not in text


@clauses("S1-32")
def test_token_is_for_what_from_says(world):
    """Where that is the user's own, and else for the envelope's sender."""
    for said, local in (("Alice <alice+x@a.example>", "alice+x@a.example"),
                        ("Bob <bob@a.example>", ALICE), (ALICE, ALICE),
                        ("a@a.example, b@a.example", ALICE)):
        world.clear()
        world.submit(X, message="From: %s\r\n\r\nText.\r\n" % said)
        token, = tokens_of(world.taken()[0][1])
        with world.server.token_session(local, token.decode()) as c:
            c.mail(X)
            assert c.rcpt(local, token.decode()).status == "250 2.1.5"


def test_dsn_parameters_go_along(world):
    with world.server.login() as c:
        assert c.mail(ALICE, " RET=HDRS ENVID=e+2B1").status == "250 2.1.0"
        assert c.cmd("RCPT TO:<%s> NOTIFY=NEVER ORCPT=rfc822;o+2B@x.example"
                     % X).status == "250 2.1.5"
        assert c.rcpt(Y).status == "250 2.1.5"
        world.hop.answers = {"end": nth(2, b"550 5.7.1 not this")}
        assert c.data(MESSAGE)[0].status == "250 2.0.0"
    lines = [x for x in world.hop.lines if x[:4] in (b"MAIL", b"RCPT")]
    mails = [x for x in lines if x.startswith(b"MAIL FROM:<alice")]
    assert all(b" RET=HDRS" in x and b" ENVID=e+2B1" in x for x in mails)
    rcpt, = [x for x in lines if X.encode() in x]
    assert b" NOTIFY=NEVER" in rcpt and b" ORCPT=rfc822;o+2B@x.example" in rcpt
    # X wanted no report, Y does.
    failed, = {X, Y} - {world.sent()[0][0]}
    assert len(world.reports()) == (failed == Y)
    if failed == Y:
        assert b"\r\nOriginal-Envelope-Id: e+1\r\n" in world.reports()[0]


@clauses("S1-49")
@pytest.mark.parametrize("words,count,alone,tokens", [
    ("recipients 2", 2, True, 1), ("recipients 2", 3, False, 0),
    ("no", 2, False, 0)])
def test_how_many_copies(words, count, alone, tokens):
    with site(extra="token header " + words) as world:
        _, reply = world.submit(*(X, Y, Z)[:count])
        assert reply.status == "250 2.0.0"
        sent = sorted(x for to in world.sent() for x in to)
        assert sent == sorted((X, Y, Z)[:count])
        for to, text in world.taken():
            assert len(tokens_of(text)) == tokens
            # What many share names none of them.
            if len(to) > 1:
                assert not re.search(rb"\tfor <", text)


@pytest.fixture(scope="module")
def beside():
    """Mail for here goes to another LMTP server."""
    with tempfile.TemporaryDirectory(prefix="lmtp-", dir="/var/tmp") as top:
        os.chmod(top, 0o755)
        with Sink(path=top + "/s") as lmtp, site(replace={
                "deliver": 'deliver lmtp "%s/s"' % top}) as world:
            world.lmtp = lmtp
            yield world


@pytest.fixture
def away(beside):
    beside.clear()
    beside.lmtp.answers, beside.lmtp.messages = {}, []
    yield beside
    beside.server.check()


def test_deliver_lmtp_for_users(away):
    _, reply = away.submit(BOB, X)
    assert reply.status == "250 2.0.0"
    (to, text), = away.lmtp.messages
    assert to == [BOB.encode()]
    assert text.startswith(b"Received: ") and text.endswith(b"\r\nText.\r\n")
    assert away.sent() == [[X]]
    away.server.wait_log('to=<%s> relay=lmtp .*stat=Sent reply="250 ' % BOB)
    assert away.server.all_mail() == []


def test_deliver_lmtp_for_tokens(away):
    token = away.server.temporary(FRIEND, ALICE)
    with away.server.token_session(ALICE, token) as c:
        c.mail(FRIEND)
        c.rcpt(ALICE, token)
        reply, = c.data(MESSAGE)
        assert reply.status == "250 2.1.13"
        away.lmtp.answers = {"end": b"452 4.2.2 full of it"}
        token = reply.text.split()[1]
        c.mail(FRIEND)
        c.rcpt(ALICE, token)
        reply, = c.data(MESSAGE)
        assert reply.status == "452 4.2.2" and "full of it" in reply.text
    assert len(away.lmtp.messages) == 1


def test_deliver_lmtp_for_the_socket(away):
    away.lmtp.answers = {"end": refuse(b"alice", b"550 5.2.1 gone")}
    with away.server.trusted() as c:
        c.mail(FRIEND)
        for address in (ALICE, BOB, "team@a.example"):
            assert c.rcpt(address).status == "250 2.1.5"
        replies = c.data(MESSAGE, 3)
    # Of the alias one has it: the sender is told of the other by a report.
    assert [x.status for x in replies] == [
        "550 5.2.1", "250 2.1.12", "250 2.1.12"]
    (to, text), = away.taken()
    assert to == [FRIEND.encode()] and b"550 5.2.1 gone" in text


def test_deliver_lmtp_away(away):
    """A refusal of MAIL is everybody's."""
    away.lmtp.answers = {"MAIL": b"451 4.3.2 not now"}
    _, reply = away.submit(BOB, ALICE)
    assert reply.status == "451 4.3.2"
    assert away.lmtp.messages == [] and away.reports() == []
