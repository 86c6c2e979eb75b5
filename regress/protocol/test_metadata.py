# SPDX-License-Identifier: ISC
"""METADATA: BMTD, who may give which containers, where they land."""
import re

import pytest

from clause import clauses
from test_chunking import ALICE, BOB, begin, new_file

TRACE, FLAGS = 0, 1
TEXT = b"Subject: x\r\n\r\nbody\r\n"


def placed(server, address, before):
    """The file and the letters of its flags."""
    file, = [x for x in server.all_mail()
             if x not in before and server.mailbox(address) in x.parents]
    return file, file.name.partition(":2,")[2]


def keywords(server, address):
    file = server.mailbox(address) / "dovecot-keywords"
    if not file.exists():
        return {}
    lines = [x.split(" ", 1) for x in file.read_text().split("\n") if x]
    return {chr(ord("a") + int(number)): name for number, name in lines}


def names(server, address, letters):
    known = keywords(server, address)
    return {x if x.isupper() else known[x] for x in letters}


@clauses("M-01", "M-02", "M-04", "M-05")
def test_it_is_listed(server):
    with server.login(ALICE) as c:
        words = c.ehlo()
        assert words["METADATA"] == "" and words["CHUNKING"] == ""
    with server.trusted() as c:
        words = c.lhlo()
        assert words["METADATA"] == "" and words["CHUNKING"] == ""
    with server.connect("tls-require") as c:
        assert "METADATA" not in c.ehlo()


@clauses("M-07", "M-08", "M-12", "M-36", "D-M01", "D-M07")
def test_the_drafts_example(server):
    """Section 7, with the octet counts put right, in one write."""
    with server.login(ALICE) as c:
        c.send("MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nRCPT TO:<%s>\r\n" % (
            ALICE, ALICE, BOB))
        c.send(b"BMTD 42\r\n\0\0Received: from a by b; Mon, 2 Nov 2026\r\n"
               b"BMTD 12\r\n\0\1$Forwarded"
               b"BDAT 86 LAST\r\nTo: Susan@random.com\r\n"
               b"From: Sam@random.com\r\n"
               b"Subject: This is a bodyless test message\r\nNOOP\r\n")
        assert [x.status for x in c.replies(7)] == [
            "250 2.1.0", "250 2.1.5", "250 2.1.5", "250 2.1.0", "250 2.1.0",
            "250 2.0.0", "250 2.0.0"]


@clauses("M-19", "M-20", "M-34", "D-M05", "D-M09", "D-M10")
def test_fields_of_the_socket(server):
    before = server.mail(BOB)
    with begin(server, user=None) as c:
        assert c.container(TRACE, b"Received: from first\r\n\tby x; y\r\n")[
            0].status == "250 2.1.0"
        assert c.container(TRACE, b"Return-Path: <evil@x>\r\nX-A: 1\r\n"
                           b"Authentication-Results: x; spf=pass\r\n")[
            0].status == "250 2.1.0"
        reply, = c.chunk(TEXT, True)
        assert reply.status == "250 2.1.12"
    text = new_file(server, BOB, before)
    assert text.endswith(
        b"Received: from first\n\tby x; y\nX-A: 1\n"
        b"Authentication-Results: x; spf=pass\nSubject: x\n\nbody\n")
    assert text.startswith(b"Return-Path: <alice@a.example>\nReceived: ")
    assert b"evil" not in text


@clauses("D-M05", "D-M11", "M-18")
def test_fields_that_come_late(server):
    before = server.mail(BOB)
    with begin(server, [BOB, ALICE], user=None) as c:
        c.container(TRACE, b"X-First: 1\r\n")
        c.chunk(b"Subject: x\r\n\r\n" + b"y" * 200000 + b"\r\n")
        c.container(TRACE, b"X-Second: 2\r\n")
        c.chunk(b"z\r\n")
        replies = c.container(TRACE, b"X-Third: 3\r\n", True, 2)
        assert [x.status for x in replies] == ["250 2.1.12"] * 2
    text = new_file(server, BOB, before)
    assert text.endswith(b"X-First: 1\nX-Second: 2\nX-Third: 3\nSubject: x\n\n"
                         + b"y" * 200000 + b"\nz\n")
    file, = set(server.mail(BOB)) - set(before)
    assert file.name.endswith(",S=%d" % len(text))


@clauses("M-09", "D-M03")
def test_containers_alone(server):
    before = server.mail(BOB)
    with begin(server, user=None) as c:
        reply, = c.container(TRACE, b"X-Only: 1\r\n", True)
        assert reply.status == "250 2.1.12"
    assert new_file(server, BOB, before).endswith(b"\nX-Only: 1\n")
    with begin(server, user=None) as c:
        c.chunk(TEXT)
        reply, = c.chunk(b"", True, "BMTD")
        assert reply.status == "250 2.1.12"


@clauses("D-M09", "D-S26")
def test_fields_of_others(server):
    fields = b"Received: from zz\r\nX-A: zz\r\n" \
        b"Authentication-Results: mx.a.example; zz=pass\r\n"
    before = server.mail(BOB)
    with begin(server) as c:
        assert c.container(TRACE, fields)[0].status == "250 2.1.0"
        assert c.chunk(TEXT, True)[0].status == "250 2.0.0"
    assert b"zz" not in new_file(server, BOB, before)
    token = server.permanent("friend@b.example", BOB)
    before = server.mail(BOB)
    with server.token_session(BOB, token) as c:
        c.mail("friend@b.example")
        c.rcpt(BOB, token)
        assert c.container(TRACE, fields)[0].status == "250 2.1.0"
        assert c.chunk(TEXT, True)[0].status == "250 2.1.12"
    text = new_file(server, BOB, before)
    assert text.count(b"zz") == 1 and b"\nReceived: from zz\n" in text


@clauses("D-M09")
@pytest.mark.parametrize("first", [b"\tspf=pass\r\n", b" ; dkim=pass\r\n"])
def test_nobody_writes_on_in_our_fields(server, first):
    """A first line that goes on would stand in our own results."""
    token = server.permanent("friend@b.example", BOB)
    for verb in ("DATA", "BDAT"):
        before = server.mail(BOB)
        with server.token_session(BOB, token) as c:
            c.mail("friend@b.example")
            c.rcpt(BOB, token)
            reply, = c.data(first + TEXT) if verb == "DATA" \
                else c.chunk(first + TEXT, True)
            assert reply.status == "250 2.1.12"
        head, _, body = new_file(server, BOB, before).partition(b"\n\n")
        assert b"pass\n" not in head
        assert body == (first + TEXT).replace(b"\r\n", b"\n")


@clauses("M-13", "M-14", "M-15", "M-19", "M-43")
@pytest.mark.parametrize("fields", [
    b"X: 1\r\n\r\nbody\r\n", b"\r\n", b"X: 1", b"X: 1\n", b"X: \0\r\n",
    b"From x\r\n", b" folded\r\n", b"X : 1\r\n", b"X: 1\r\n.\r\nQUIT\r\n"])
def test_bad_fields(server, fields):
    before = server.mail(BOB)
    with begin(server, [BOB, ALICE], user=None) as c:
        c.send(b"BMTD %d\r\n\0\0%sBMTD 6\r\nQUIT\r\nBDAT 6 LAST\r\nRSET\r\n" %
               (len(fields) + 2, fields))
        assert [x.status for x in c.replies(4)] == [
            "554 5.6.0"] + ["503 5.5.1"] * 3
        c.want("NOOP", "250 2.0.0")
    assert server.mail(BOB) == before


@clauses("M-03", "D-M12", "M-06", "M-10", "M-18", "M-21", "D-M02", "D-M03", "D-M04")
def test_sequence(server):
    with begin(server) as c:
        assert c.chunk(b"x", verb="BMTD")[0].status == "501 5.5.4"
        assert c.container(5, b"")[0].status == "503 5.5.1"
        c.want("RSET", "250 2.0.0")
        assert c.container(5, b"")[0].status == "503 5.5.1"
        c.mail(ALICE)
        assert c.container(5, b"")[0].status == "503 5.5.1"
        c.want("RSET", "250 2.0.0")
        c.mail(ALICE)
        assert c.rcpt("nobody-here@a.example").status == "550 5.1.1"
        assert c.container(5, b"")[0].status == "554 5.5.1"
        assert c.chunk(b"x\r\n", True)[0].status == "554 5.5.1"
        c.mail(ALICE)
        c.rcpt(BOB)
        assert c.container(FLAGS, b"x")[0].status == "250 2.1.0"
        assert c.chunk(b"", verb="BMTD")[0].status == "250 2.1.0"
        assert c.container(FLAGS, b"y")[0].status == "503 5.5.1"
        c.want("RSET", "250 2.0.0")
        c.mail(ALICE)
        c.rcpt(BOB)
        assert c.container(7, b"\r\n.\r\n")[0].status == "250 2.1.0"
        c.want("BURL imap://x LAST", "502 5.5.1")
        c.want("DATA", "503 5.5.1")
        c.want("QUIT", "221 2.0.0")
    with server.login(ALICE) as c:
        assert c.cmd("BMTD x").status == "501 5.5.4"
        assert c.at_end()


@clauses("M-13", "M-15", "M-18", "F-12", "D-M03")
@pytest.mark.parametrize("first", [
    b"", b"BDAT 12\r\nSubject: x\r\n", b"BMTD 8\r\n\0\0X: 1\r\n"])
def test_a_part_that_does_not_come(server, first):
    """BURL is not offered; whoever sends it all the same has a message that
    lacks something, which is not delivered."""
    before = server.mail(BOB)
    with begin(server, [BOB, BOB], user=None) as c:
        c.send(first + b"BURL imap://x/y\r\nBDAT 6\r\n\r\nbodyBDAT 0 LAST\r\n")
        if first:
            assert c.reply().code == 250
        assert [c.reply().status for _ in range(4)] == [
            "502 5.5.1"] + ["503 5.5.1"] * 3
        # Nor is a message begun by DATA before RSET.
        c.mail(ALICE)
        c.rcpt(BOB)
        c.want("BURL imap://x/y LAST", "502 5.5.1")
        c.want("DATA", "503 5.5.1")
        c.want("RSET", "250 2.0.0")
        c.mail(ALICE)
        c.rcpt(BOB)
        assert c.chunk(TEXT, True)[0].status == "250 2.1.12"
    assert len(server.mail(BOB)) == len(before) + 1


@clauses("M-17", "M-39", "D-M08")
def test_limits(own):
    server = own(limits={"message-size": "2M"})
    with begin(server, user=None) as c:
        assert c.container(9, b"x" * 65535)[0].status == "552 5.3.4"
        c.want("RSET", "250 2.0.0")
        c.mail(ALICE)
        c.rcpt(BOB)
        for _ in range(31):
            assert c.container(9, b"x" * 65534)[0].status == "250 2.1.0"
        assert c.chunk(b"x" * 65537)[0].status == "552 5.3.4"
        c.want("RSET", "250 2.0.0")
        c.mail(ALICE)
        c.rcpt(BOB)
        for _ in range(64):
            assert c.container(9, b"")[0].status == "250 2.1.0"
        assert c.container(9, b"")[0].status == "552 5.3.4"


@clauses("D-M08")
def test_those_that_are_dropped_count(server):
    with begin(server) as c:
        c.send(b"BMTD 8\r\n\0\0X: 1\r\n" * 65)
        assert [x.status for x in c.replies(65)] == [
            "250 2.1.0"] * 64 + ["552 5.3.4"]


@clauses("M-22", "M-23", "D-M14")
@pytest.mark.parametrize("others", [
    b"x" * 5000, b" ".join([b"same"] * 100),
    b" ".join(b"k%d" % x for x in range(100))])
def test_flags_behind_many_others(own, others):
    server = own()
    before = server.all_mail()
    with begin(server, user=None) as c:
        c.container(FLAGS, others + b" \\Flagged \\Seen")
        assert c.chunk(TEXT, True)[0].status == "250 2.1.12"
    _, letters = placed(server, BOB, before)
    assert letters.startswith("FS")


@clauses("M-22", "M-23", "D-M09")
def test_flags(server):
    before = server.all_mail()
    with begin(server, [BOB, ALICE], user=None) as c:
        assert c.container(
            FLAGS, b"\\Seen $Forwarded  \\Recent (x) \\Answered NonJunk $FORWARDED"
        )[0].status == "250 2.1.0"
        assert c.chunk(TEXT, True, replies=2)[0].status == "250 2.1.12"
    for user in (BOB, ALICE):
        file, letters = placed(server, user, before)
        assert file.parent.name == "cur"
        assert letters[:2] == "RS"
        assert names(server, user, letters) == {
            "R", "S", "$Forwarded", "NonJunk"}
        assert file.read_bytes().endswith(b"Subject: x\n\nbody\n")


@clauses("M-23", "D-M09", "D-S26")
def test_flags_of_others(server):
    flags = b"\\Seen \\Deleted \\Flagged Mine"
    before = server.all_mail()
    with begin(server) as c:
        c.container(FLAGS, flags)
        assert c.chunk(TEXT, True)[0].status == "250 2.0.0"
    file, letters = placed(server, BOB, before)
    assert names(server, BOB, letters) == {"F", "Mine"}
    token = server.permanent("friend@b.example", BOB)
    before = server.all_mail()
    with server.token_session(BOB, token) as c:
        c.mail("friend@b.example")
        c.rcpt(BOB, token)
        c.container(FLAGS, flags)
        assert c.chunk(TEXT, True)[0].status == "250 2.1.12"
    file, letters = placed(server, BOB, before)
    assert file.parent.name == "new" and letters == ""


@clauses("M-23")
def test_too_many_keywords(own):
    server = own()
    before = server.all_mail()
    with begin(server, user=None) as c:
        c.container(FLAGS, b" ".join(b"k%d" % x for x in range(30)))
        assert c.chunk(TEXT, True)[0].status == "250 2.1.12"
        c.mail(ALICE)
        c.rcpt(BOB)
        file, letters = placed(server, BOB, before)
        assert letters == "abcdefghijklmnopqrstuvwxyz"
        before = server.all_mail()
        c.container(FLAGS, b"one-more k7")
        assert c.chunk(TEXT, True)[0].status == "250 2.1.12"
    file, letters = placed(server, BOB, before)
    assert names(server, BOB, letters) == {"k7"}


@clauses("M-24", "M-35", "M-40", "D-M06")
def test_unknown_types_are_dropped_at_delivery(server):
    before = server.mail(BOB)
    start = server.log.stat().st_size
    with begin(server, user=None) as c:
        assert c.container(2, b"key")[0].status == "250 2.1.0"
        assert c.container(0xffff, b"\0\r\n.\r\n")[0].status == "250 2.1.0"
        assert c.chunk(TEXT, True)[0].status == "250 2.1.12"
    assert new_file(server, BOB, before).endswith(TEXT.replace(b"\r\n", b"\n"))
    server.wait_log(r"metadata id=\w+ type=65535 size=6 dropped", start)


@clauses("D-M11")
def test_strict(own):
    server = own(extra="metadata strict\n")
    with begin(server, user=None) as c:
        assert c.container(9, b"x", True)[0].status == "501 5.5.4"
        c.want("RSET", "250 2.0.0")
        c.mail(ALICE)
        c.rcpt(BOB)
        assert c.container(9, b"x")[0].status == "250 2.1.0"
        assert c.chunk(TEXT)[0].status == "250 2.0.0"
        assert c.container(9, b"x")[0].status == "503 5.5.1"
        assert c.chunk(TEXT, True)[0].status == "503 5.5.1"


@clauses("M-13", "M-15")
def test_off(own):
    """Its verb is unknown, but what follows it is not read as commands."""
    server = own(extra="metadata no\n")
    with server.login(ALICE) as c:
        assert "METADATA" not in c.ehlo()
        c.mail(ALICE)
        c.rcpt(BOB)
        c.send(b"BMTD 8\r\n\0\0QUIT\r\nBDAT 6 LAST\r\nQUIT\r\nVRFY x\r\n")
        assert c.reply().status == "500 5.5.1"
        assert c.reply().status == "503 5.5.1"
        assert c.reply().code == 252
        c.want("BMTD x", "501 5.5.4")
        assert c.at_end()


def test_flags_from_tokens(own):
    server = own(extra="metadata flags from { token }\n")
    before = server.all_mail()
    with begin(server, user=None) as c:
        c.container(FLAGS, b"One")
        assert c.chunk(TEXT, True)[0].status == "250 2.1.12"
    assert placed(server, BOB, before)[0].parent.name == "new"
    token = server.permanent("friend@b.example", BOB)
    before = server.all_mail()
    with server.token_session(BOB, token) as c:
        c.mail("friend@b.example")
        c.rcpt(BOB, token)
        c.container(FLAGS, b"Two \\Seen")
        assert c.chunk(TEXT, True)[0].status == "250 2.1.12"
    _, letters = placed(server, BOB, before)
    assert names(server, BOB, letters) == {"Two"}


@clauses("M-22")
def test_many_deliveries_at_once(own):
    """Each brings keywords of its own: no letter changes its meaning."""
    server = own(prefork=(2, 2, 8))
    sessions = [begin(server, user=None) for _ in range(16)]
    for i, c in enumerate(sessions):
        c.send(b"BMTD 6\r\n\0\1k%03dBDAT 15 LAST\r\nSubject: k%03d\r\n" %
               (i % 24, i % 24))
    for c in sessions:
        assert [x.status for x in c.replies(2)] == ["250 2.1.0", "250 2.1.12"]
        c.close()
    known = keywords(server, BOB)
    assert len(set(known.values())) == len(known) == 16
    for file in server.all_mail():
        letters = file.name.partition(":2,")[2]
        subject = re.search(rb"Subject: (\w+)", file.read_bytes())[1].decode()
        assert letters == "" or [known[x] for x in letters] == [subject]
