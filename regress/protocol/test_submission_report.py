# SPDX-License-Identifier: ISC
"""The report to a sender whose message failed after another had it (RFC 3464,
RFC 3461, RFC 6533): what is in it, by which way it comes, who gets none."""
import email
import email.policy
import re

import pytest

from clause import clauses
from relay import Sink
from server import Server

ALICE, BOB = "alice@a.example", "bob@a.example"
X, Y, U = "x@b.example", "bad@c.example", "b\u00e4d@c.example"
HEADER = (b"From: alice@a.example\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
          b"Message-ID: <one@client.example>\r\nSubject: a subject\r\n")
TEXT = b"\r\nThe text.\r\n--=_0123456789abcdef--\r\n--=_\r\n\r\n--\r\n"
REFUSAL = b"550 5.7.1 We do not want this"


def end(sink, session, address):
    """The first copy is taken; those to bad ones are not."""
    return REFUSAL if getattr(sink, "refuse", False) or \
        address.startswith((b"bad", "b\u00e4d".encode())) else True


@pytest.fixture(scope="module")
def site():
    with Sink(answers={"end": end}) as hop:
        with Server(extra='relay host "smtp://127.0.0.1:%d"\n'
                    % hop.port) as server:
            server.hop = hop
            yield server


@pytest.fixture
def plain(site):
    """The next hop without DSN; kept connections know what it had said."""
    site.hop.keywords = [x for x in site.hop.KEYWORDS if x != "DSN"]
    site.hop.drop()
    yield site
    site.hop.keywords = site.hop.KEYWORDS
    site.hop.drop()


def submit(site, *recipients, mail="", text=HEADER + TEXT, sender=ALICE):
    """(recipient, parameters) ...: what came to the next hop besides."""
    before = len(site.hop.messages)
    with site.login() as c:
        c.utf8 = True
        assert c.mail(sender, mail).status == "250 2.1.0"
        for address, parameters in recipients:
            reply = c.cmd("RCPT TO:<%s>%s" % (address, parameters))
            assert reply.status == "250 2.1.5", reply
        reply, = c.data(text)
        assert reply.status == "250 2.0.0", reply
    # The report has gone before the 250 came.
    return [x for x in site.hop.messages[before:] if b"report-type" in x[1]]


def parts(text):
    """The three parts of a report, parsed."""
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", text)
    assert max(len(x) for x in text.split(b"\r\n")) <= 998
    message = email.message_from_bytes(text, policy=email.policy.SMTP)
    assert message.get_content_type() == "multipart/report"
    assert message.get_param("report-type") == "delivery-status"
    assert not message.defects
    assert message["Auto-Submitted"] == "auto-replied"
    assert message["Date"].datetime and message["Message-ID"]
    assert "postmaster@a.example" in message["From"]
    words, status, original = message.get_payload()
    for part in (words, status, original):
        assert not part.defects
    return message, words, status, original


def fields(status):
    """[{field: value}] of the groups of a delivery-status."""
    return [dict((k.lower(), v) for k, v in group.items())
            for group in status.get_payload()]


@clauses("F-101")
def test_what_a_report_says(site):
    report, = submit(site, (X, ""), (Y, " ORCPT=rfc822;Bad+2Bx@c.example"),
                     mail=" ENVID=id+2B1")
    assert report[0] == [ALICE.encode()]
    assert [x for x in site.hop.lines if x.split(b" ")[:2] ==
            [b"MAIL", b"FROM:<>"]]
    message, words, status, original = parts(report[1])
    assert ALICE in message["To"]
    assert Y in message["Subject"]
    text = words.get_payload()
    assert Y in text and X not in text
    assert "550 5.7.1" in text and "We do not want this" in text
    assert "rules forbid" in text
    common, one = fields(status)
    assert common["reporting-mta"] == "dns;mx.a.example"
    assert common["original-envelope-id"] == "id+1"
    assert one["final-recipient"] == "rfc822;" + Y
    assert one["original-recipient"] == "rfc822;Bad+x@c.example"
    assert one["action"] == "failed" and one["status"] == "5.7.1"
    assert one["diagnostic-code"] == "smtp;550 5.7.1 We do not want this"
    assert one["remote-mta"] == "dns;[127.0.0.1]"
    assert original.get_content_type() == "text/rfc822-headers"
    assert b"\r\nSubject: a subject\r\n" in report[1]
    assert b"The text." not in report[1]
    # No token of another's copy, and none of the failed one.
    assert b"Submission-Token" not in report[1]


@clauses("F-101")
@pytest.mark.parametrize("ret,whole", [
    ("", False), (" RET=HDRS", False), (" RET=FULL", True)])
def test_what_comes_back(site, ret, whole):
    report, = submit(site, (X, ""), (Y, ""), mail=ret)
    _, _, _, original = parts(report[1])
    if whole:
        assert original.get_content_type() == "message/rfc822"
        assert HEADER + TEXT in report[1]
    else:
        assert HEADER in report[1] and b"The text." not in report[1]


@clauses("F-101")
@pytest.mark.parametrize("notify,told", [
    ("", True), (" NOTIFY=FAILURE", True), (" NOTIFY=SUCCESS,FAILURE", True),
    (" NOTIFY=NEVER", False), (" NOTIFY=SUCCESS", False),
    (" NOTIFY=DELAY,SUCCESS", False)])
def test_who_wants_to_be_told(site, notify, told):
    reports = submit(site, (X, ""), (Y, notify))
    assert len(reports) == told
    assert not [f for f in site.mail(ALICE)
                if b"report-type" in f.read_bytes()]


@clauses("F-101")
def test_who_asked_hears_of_success(site):
    """Of mailboxes here; the next server speaks for those elsewhere."""
    before = len(site.mail(BOB))
    report, = submit(site, (BOB, " NOTIFY=SUCCESS ORCPT=rfc822;B+2Bb@x"),
                     mail=" RET=FULL ENVID=id1")
    assert len(site.mail(BOB)) == before + 1
    assert report[0] == [ALICE.encode()]
    message, words, status, original = parts(report[1])
    assert message["Subject"] == "Delivered to " + BOB
    assert "was delivered to:" in words.get_payload()
    assert "NOT" not in words.get_payload()
    common, one = fields(status)
    assert common["original-envelope-id"] == "id1"
    assert one["original-recipient"] == "rfc822;B+b@x"
    assert one["final-recipient"] == "rfc822;" + BOB
    assert one["action"] == "delivered" and one["status"] == "2.0.0"
    assert "diagnostic-code" not in one
    # RET is about failures.
    assert original.get_content_type() == "text/rfc822-headers"
    assert HEADER in report[1] and b"The text." not in report[1]
    for notify in ("", " NOTIFY=FAILURE,DELAY", " NOTIFY=NEVER"):
        assert submit(site, (BOB, notify)) == []
    assert submit(site, (X, " NOTIFY=SUCCESS")) == []
    # An alias is told of by its own name, once.
    report, = submit(site, ("team@a.example", " NOTIFY=success"))
    _, _, status, _ = parts(report[1])
    assert [x["final-recipient"] for x in fields(status)[1:]] == [
        "rfc822;team@a.example"]


@clauses("F-101")
def test_success_beside_failure(site):
    report, = submit(site, (X, ""), (BOB, " NOTIFY=SUCCESS,FAILURE"), (Y, ""),
                     mail=" RET=FULL")
    message, words, status, original = parts(report[1])
    assert message["Subject"] == "Not delivered to " + Y
    text = words.get_payload()
    assert text.index("NOT delivered") < text.index(Y) < text.index(
        "It was delivered to:") < text.index(BOB)
    found = {x["final-recipient"]: x["action"] for x in fields(status)[1:]}
    assert found == {"rfc822;" + BOB: "delivered", "rfc822;" + Y: "failed"}
    assert original.get_content_type() == "message/rfc822"


@clauses("F-101")
def test_success_beyond_a_server_without_dsn(plain):
    """RFC 3461 section 5.2.2: nobody else would tell: it is relayed."""
    report, = submit(plain, (X, " NOTIFY=SUCCESS ORCPT=rfc822;X+2Bx@y"),
                     mail=" RET=FULL ENVID=id2")
    rcpt, = [x for x in plain.hop.lines if x.startswith(b"RCPT TO:<x@")][-1:]
    assert b"NOTIFY" not in rcpt
    message, words, status, original = parts(report[1])
    assert message["Subject"] == "Passed on to " + X
    assert "was passed on to a server that does not tell" in \
        words.get_payload()
    assert "was delivered to" not in words.get_payload()
    common, one = fields(status)
    assert common["original-envelope-id"] == "id2"
    assert one["action"] == "relayed" and one["status"] == "2.0.0"
    assert one["final-recipient"] == "rfc822;" + X
    assert one["original-recipient"] == "rfc822;X+x@y"
    assert one["remote-mta"] == "dns;[127.0.0.1]"
    assert one["diagnostic-code"].startswith("smtp;250 2.0.0 ")
    assert original.get_content_type() == "text/rfc822-headers"
    assert HEADER in report[1] and b"The text." not in report[1]
    for notify in ("", " NOTIFY=FAILURE,DELAY", " NOTIFY=NEVER"):
        assert submit(plain, (X, notify)) == []


@clauses("F-101")
def test_success_here_and_there(plain):
    report, = submit(plain, (X, " NOTIFY=SUCCESS"), (BOB, " NOTIFY=SUCCESS"),
                     (Y, ""))
    message, words, status, _ = parts(report[1])
    assert message["Subject"] == "Not delivered to " + Y
    text = words.get_payload().replace("\r\n", "\n")
    assert text.index("NOT delivered") < text.index(
        "It was delivered to:\n\n  " + BOB) < text.index(
            "it, for:\n\n  " + X)
    found = {x["final-recipient"]: x["action"] for x in fields(status)[1:]}
    assert found == {"rfc822;" + BOB: "delivered", "rfc822;" + X: "relayed",
                     "rfc822;" + Y: "failed"}


@clauses("F-101")
def test_success_that_cannot_be_told(site):
    """The message is where it belongs: the reply says so all the same."""
    box, aside = site.mailbox(ALICE), site.mailbox("alice-aside@a.example")
    before = len(site.mail(BOB))
    site.hop.refuse = True
    if box.exists():
        box.rename(aside)
    box.write_text("no directory")
    try:
        assert submit(site, (BOB, " NOTIFY=SUCCESS")) == []
    finally:
        site.hop.refuse = False
        box.unlink()
        if aside.exists():
            aside.rename(box)
    assert len(site.mail(BOB)) == before + 1
    site.wait_log("cannot be told what became of message")


@clauses("F-101")
def test_one_report_for_many(site):
    """Several that failed are told of once; who wanted none is left out."""
    names = ["bad%d@c.example" % i for i in range(4)]
    report, = submit(site, (X, ""), *[
        (name, " NOTIFY=NEVER" if name == names[2] else "")
        for name in names])
    _, words, status, _ = parts(report[1])
    found = [x["final-recipient"] for x in fields(status)[1:]]
    assert found == ["rfc822;" + x for x in names if x != names[2]]
    assert names[2] not in words.get_payload()


@clauses("F-100", "F-101")
def test_international(site):
    """RFC 6533: UTF-8 as it is, and only where the sender has asked."""
    header = HEADER.replace(b"a subject", "\u00fc".encode())
    report, = submit(site, (X, ""), (U, ""), mail=" SMTPUTF8 BODY=8BITMIME",
                     text=header + TEXT)
    text = report[1].decode()
    assert "\r\nContent-Type: message/global-delivery-status\r\n" in text
    assert "\r\nContent-Type: message/global-headers\r\n" in text
    assert "\r\nFinal-Recipient: utf-8;%s\r\n" % U in text
    assert "\r\nSubject: \u00fc\r\n" in text
    line = [x for x in site.hop.lines if x.startswith(b"MAIL FROM:<>")][-1]
    assert b"SMTPUTF8" in line.split(b" ")


def test_a_report_of_nobody(site):
    """<> is never told, by whatever way."""
    before = len(site.mail(ALICE))
    assert submit(site, (X, ""), (Y, ""), sender="") == []
    assert len(site.mail(ALICE)) == before


def test_a_forged_boundary(site):
    """What is sent cannot end the report, however it guesses."""
    report, = submit(site, (X, ""), (Y, ""), mail=" RET=FULL")
    boundary = re.search(rb'boundary="([^"]+)"', report[1]).group(1)
    assert report[1].count(b"--" + boundary) == 4
    again, = submit(site, (X, ""), (Y, ""), mail=" RET=FULL",
                    text=HEADER + b"\r\n--" + boundary + b"--\r\nx\r\n")
    assert parts(again[1])[3].get_content_type() == "message/rfc822"
    assert boundary not in re.search(
        rb'boundary="([^"]+)"', again[1]).group(1)
