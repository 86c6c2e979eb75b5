# SPDX-License-Identifier: ISC
"""What becomes of a user's message on its way to others: what is on top of a
relayed copy, what is added, what is taken out, octet for octet."""
import email
import email.policy
import re

import pytest

from clause import clauses
from client import stuff
from relay import Sink
from server import Server

ALICE, BOB, CAROL = "alice@a.example", "bob@a.example", "carol@a.example"
X, Y, Z = "x@b.example", "y@c.example", "z@d.example"
HEADER = (b"From: alice@a.example\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
          b"Message-ID: <one@client.example>\r\nSubject: x\r\n")
CHUNKING = Sink.KEYWORDS + ["CHUNKING", "BINARYMIME"]


@pytest.fixture(scope="module", params=["DATA", "BDAT"])
def site(request):
    """A server and its next hop, which takes DATA alone, or BDAT too."""
    words = CHUNKING if request.param == "BDAT" else Sink.KEYWORDS
    with Sink(keywords=words) as hop:
        with Server(extra='relay host "smtp://127.0.0.1:%d"\n'
                    % hop.port) as server:
            server.hop = hop
            yield server


def submit(site, message, *recipients, mail="", user=ALICE):
    """Sends it; returns what came to the hop for it: {recipient: text}."""
    before = len(site.hop.messages)
    with site.login(user) as c:
        assert c.mail(user, mail).status == "250 2.1.0"
        for recipient in recipients:
            assert c.rcpt(recipient).status == "250 2.1.5"
        c.want("DATA", "354")
        c.send(stuff(message))
        assert c.reply().status == "250 2.0.0"
    copies = {}
    for names, text in site.hop.messages[before:]:
        assert not re.search(rb"(?<!\r)\n|\r(?!\n)", text), text
        for name in names:
            assert name.decode() not in copies
            copies[name.decode()] = text
    return copies


RECEIVED = (rb"Received: from unknown\r\n"
            rb"\tby mx\.a\.example with (ESMTP|UTF8SMTP)SA id [A-Za-z0-9]{16}"
            rb"(\r\n\tfor <(?P<for>[^>]*)>)?\r\n"
            rb"\ttls [A-Z0-9_]+( group [A-Za-z0-9-]+)?;\r\n"
            rb"\t[A-Z][a-z]{2}, [0-9]{2} [A-Z][a-z]{2} [0-9]{4} "
            rb"[0-9:]{8} [+-][0-9]{4}\r\n")
TOKEN = rb"Submission-Token: (?P<token>[A-Za-z0-9_-]{16,114})\r\n"


def split(text):
    """(recipient of `for`, token or None, the message below)."""
    match = re.match(RECEIVED + rb"(" + TOKEN + rb")?", text)
    assert match, text
    found = match.group("for"), match.group("token")
    return tuple(x.decode() if x else None for x in found) + (
        text[match.end():],)


BODIES = [b"\r\nText.\r\n", b"\r\n", b"", b"\r\n.\r\n..\r\n.x\r\n",
          b"\r\n" + b"x" * 5000 + b"\r\n", b"\r\n\r\n\r\n\r\n",
          b"\r\n" + b"y\r\n" * 30000,
          b"X-Folded: a\r\n b\r\n\tc\r\nX-Long: " + b"z" * 70000
          + b"\r\n\r\nz\r\n",
          b"\r\nlatin \xe9 and octets \xff\xfe\r\n"]


@clauses("F-54", "F-105", "F-112", "S1-49")
@pytest.mark.parametrize("body", range(len(BODIES)))
def test_octet_for_octet(site, body):
    """Below our fields the message is what the client sent."""
    message = HEADER + BODIES[body]
    copies = submit(site, message, X, BOB, mail=" BODY=8BITMIME")
    assert list(copies) == [X]
    name, token, rest = split(copies[X])
    assert name == X and token
    assert rest == message
    stored = site.mail(BOB)[-1].read_bytes()
    assert stored.endswith(message.replace(b"\r\n", b"\n"))
    assert b"Submission-Token" not in stored


@clauses("S1-32", "S1-48", "S1-49", "D-S11", "X-3")
def test_a_token_for_each_copy(site):
    """Each its own, which opens the way to the sender for him alone."""
    copies = submit(site, HEADER + b"\r\nx\r\n", X, Y, Z)
    tokens = {}
    for address, text in copies.items():
        name, tokens[address], rest = split(text)
        assert name == address and rest == HEADER + b"\r\nx\r\n"
    assert len(set(tokens.values())) == 3 and None not in tokens.values()
    for address, text in copies.items():
        for other in tokens:
            assert other == address or tokens[other].encode() not in text
            assert other == address or other.encode() not in text
    before = len(site.mail(ALICE))
    for address, token in tokens.items():
        with site.token_session(ALICE, token) as c:
            c.mail(address)
            assert c.rcpt(ALICE, token).status == "250 2.1.5"
            assert c.data("Subject: answer\r\n\r\nx\r\n")[0].status == \
                "250 2.1.13"
            c.mail("stranger@b.example")
            assert c.rcpt(ALICE, token).status == "550 5.7.1"
            c.cmd("RSET")
            c.mail(address)
            assert c.rcpt(BOB, token).status == "550 5.7.1"
    assert len(site.mail(ALICE)) == before + 3


@clauses("D-S11")
@pytest.mark.parametrize("field,local", [
    ("sales@a.example", "sales@a.example"),
    ("\"Alice, at work\" <alice+work@a.example>", "alice+work@a.example"),
    ("bob@a.example", ALICE), ("x@b.example", ALICE), (None, ALICE),
    ("alice@a.example, sales@a.example", ALICE)])
def test_the_token_is_for_from(site, field, local):
    """The From address, if it is one and the user's own; else the sender."""
    header = HEADER.replace(b"From: alice@a.example\r\n", (
        "From: %s\r\n" % field).encode() if field else b"")
    copy, = submit(site, header + b"\r\nx\r\n", X).values()
    _, token, rest = split(copy)
    assert rest == header + b"\r\nx\r\n"
    with site.token_session(local, token) as c:
        c.mail(X)
        assert c.rcpt(local, token).status == "250 2.1.5"


SUPPLIED = [
    b"Submission-Token: abcdefghijklmnop\r\n",
    b"submission-token:abcdefghijklmnop\r\n",
    b"SUBMISSION-TOKEN \t: abcdefghijklmnop\r\n",
    b"Submission-Token:\r\n\tabcdefghijklmnop;\r\n x=y\r\n",
    b"Submission-Token: " + b"k" * 5000 + b"\r\n",
    b"Submission-Token:\r\n",
    b"Submission-Token: one\r\nSubmission-Token: two\r\n" * 20,
]


@clauses("D-S11")
@pytest.mark.parametrize("field", range(len(SUPPLIED)))
@pytest.mark.parametrize("first", [True, False])
def test_supplied_tokens_go(site, field, first):
    """What the user put there himself never leaves."""
    message = HEADER + b"\r\nx\r\nSubmission-Token: in the text\r\n"
    parts = (SUPPLIED[field], HEADER) if first else (HEADER, SUPPLIED[field])
    copies = submit(site, b"".join(parts) + message[len(HEADER):], X, BOB)
    _, token, rest = split(copies[X])
    assert token and rest == message
    stored = site.mail(BOB)[-1].read_bytes()
    assert stored.endswith(message.replace(b"\r\n", b"\n"))
    assert b"abcdefghijklmnop" not in stored


def test_an_own_token_is_not_doubled(site):
    """GENSTOKEN first, as a client does that does it by itself."""
    with site.login() as c:
        own = c.want("GENSTOKEN TEMP " + X, "250 2.1.11").text.split()[0]
    message = b"Submission-Token: " + own.encode() + b"\r\n" + HEADER
    copies = submit(site, message + b"\r\nx\r\n", X, Y)
    for address, text in copies.items():
        _, token, rest = split(text)
        assert rest == HEADER + b"\r\nx\r\n"
        assert address == X or token != own


@clauses("F-54")
@pytest.mark.parametrize("missing", ["Date", "Message-ID", "both", "header"])
def test_date_and_message_id(site, missing):
    header = b"From: alice@a.example\r\n"
    if missing == "header":
        header = b""
    if missing == "Date":
        header += b"message-id: <one@client.example>\r\n"
    if missing == "Message-ID":
        header += b"DATE: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    copies = submit(site, header + b"\r\nText.\r\n", X, BOB)
    _, _, rest = split(copies[X])
    assert rest.startswith(header) and rest.endswith(b"\r\n\r\nText.\r\n")
    stored = site.mail(BOB)[-1].read_bytes()
    assert stored.endswith(rest.replace(b"\r\n", b"\n"))
    message = email.message_from_bytes(rest, policy=email.policy.SMTP)
    assert len(message.get_all("Date")) == 1 and message["Date"].datetime
    assert len(message.get_all("Message-ID")) == 1
    assert not message.defects
    if missing != "Date":
        assert re.fullmatch(r"<[A-Za-z0-9]{16}@mx\.a\.example>",
                            message["Message-ID"])


@clauses("F-54")
def test_text_is_no_header(site):
    """What is no field ends the header; a reader sees the same everywhere."""
    copy, = submit(site, b"hello world\r\nSubmission-Token: x\r\n", X).values()
    _, _, rest = split(copy)
    head, _, body = rest.partition(b"\r\n\r\n")
    assert head.startswith(b"Date: ") and head.count(b"\r\n") == 1
    assert body == b"hello world\r\nSubmission-Token: x\r\n"


@clauses("D-S18")
@pytest.mark.parametrize("field", [
    b"Authentication-Results: mx.a.example; auth=pass\r\n",
    b"authentication-results :(x) \"MX.a.example\" 1;\r\n\tauth=pass\r\n"])
def test_forged_results_go(site, field):
    others = b"Authentication-Results: mx.b.example; auth=pass\r\n"
    copies = submit(site, field + others + HEADER + b"\r\nx\r\n", X, BOB)
    assert split(copies[X])[2] == others + HEADER + b"\r\nx\r\n"
    stored = site.mail(BOB)[-1].read_bytes()
    assert stored.lower().count(b"authentication-results") == 2


@clauses("F-105")
def test_loops_end(site):
    """With more than a hundred Received it goes nowhere."""
    before = len(site.hop.messages)
    with site.login() as c:
        for count, status in ((100, "250 2.0.0"), (101, "554 5.4.6")):
            c.mail(ALICE)
            c.rcpt(X)
            c.rcpt(BOB)
            stored = len(site.mail(BOB))
            reply, = c.data(b"Received: x\r\n" * count + HEADER + b"\r\n")
            assert reply.status == status
            assert len(site.mail(BOB)) == stored + (count == 100)
    assert len(site.hop.messages) == before + 1


@clauses("F-110", "F-111", "F-112")
@pytest.mark.parametrize("text", [b"a\nb\r\n", b"a\rb\r\n", b"\r\n\n.\n",
                                  b"a\r\n.\n", b"a\n.\r\n"])
def test_bare_line_ends_go_nowhere(site, text):
    before = len(site.hop.messages)
    with site.login() as c:
        c.mail(ALICE)
        c.rcpt(X)
        c.want("DATA", "354")
        c.send(HEADER + b"\r\n" + text + b"\r\n.\r\n")
        assert c.reply().status == "550 5.5.2"
        c.want("NOOP", "250 2.0.0")
    assert len(site.hop.messages) == before


def test_nobody_and_postmaster(site):
    """MAIL FROM:<>, and the postmaster, who is one of ours."""
    with site.login() as c:
        assert c.mail("").status == "250 2.1.0"
        assert c.rcpt(X).status == "250 2.1.5"
        reply, = c.data(HEADER + b"\r\nx\r\n")
        assert reply.status == "250 2.0.0"
        assert c.mail(ALICE).status == "250 2.1.0"
        assert c.rcpt("postmaster").status in ("250 2.1.5", "550 5.1.1")
    assert [x for x in site.hop.lines if x.startswith(b"MAIL FROM:<>")]
