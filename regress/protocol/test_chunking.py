# SPDX-License-Identifier: ISC
"""CHUNKING and BINARYMIME: RFC 3030, in SMTP and in LMTP."""
import re

import pytest

from clause import clauses
from client import Closed

ALICE, BOB = "alice@a.example", "bob@a.example"
BINARY = b"Subject: x\r\n\r\n\0\r\n.\r\n\n\r\rMAIL\xff\0"


def new_file(server, address, before):
    file, = [x for x in server.mail(address) if x not in before]
    return file.read_bytes()


def begin(server, recipients=(BOB,), parameters="", user=ALICE):
    """A session with MAIL and RCPT behind it: of a user, or the socket."""
    c = server.login(user) if user else server.trusted()
    assert c.mail(ALICE, parameters).status == "250 2.1.0"
    for x in recipients:
        assert c.rcpt(x).status == "250 2.1.5"
    return c


@clauses("F-10", "F-11", "F-20", "S1-61")
@pytest.mark.parametrize("pieces", [
    [b"Subject: x\r\n\r\nbody\r\n"], [b"Subject: x\r\n\r\n", b"body\r\n"],
    [b"Subject: x\r", b"\n\r", b"\n.\r\n..\r", b"\n.", b"\r\nQUIT\r\n"],
    [b"", b"Subject: x\r\n", b"", b"\r\nx\r\n", b""],
    [b"Subject: x\r\n\r\n" + b"y" * 3000000 + b"\r\n", b"z\r\n"],
    [b"Subject: x\r\n\r\n" + b"line\r\n" * 200000],
    [b"Subject: x\r\n\r\nno end"]])
def test_pieces(server, pieces):
    before = server.mail(BOB)
    with begin(server, user=None) as c:
        for i, piece in enumerate(pieces):
            last = i + 1 == len(pieces)
            reply, = c.chunk(piece, last)
            assert reply.status == ("250 2.1.12" if last else "250 2.0.0")
        c.quit()
    text = new_file(server, BOB, before)
    assert text.endswith(b"".join(pieces).replace(b"\r\n", b"\n"))
    assert text.startswith(b"Return-Path: <alice@a.example>\nReceived: ")


@clauses("F-54")
def test_a_users_header_is_completed(server):
    before = server.mail(BOB)
    with begin(server) as c:
        assert c.chunk(b"Subject: x\r\nSubmission-")[0].status == "250 2.0.0"
        assert c.chunk(b"Token: y\r\n\r")[0].status == "250 2.0.0"
        assert c.chunk(b"\nbody", True)[0].status == "250 2.0.0"
    head, _, body = new_file(server, BOB, before).partition(b"\n\n")
    assert body == b"body" and b"Submission-Token" not in head
    assert head.count(b"\nDate: ") == head.count(b"\nMessage-ID: ") == 1


@clauses("F-10", "F-15", "F-80")
def test_pipelined(server):
    before = server.mail(BOB)
    with server.login(ALICE) as c:
        c.send(b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nBDAT 14\r\nSubject: x\r\n\r\n"
               b"BDAT 3\r\nabcBDAT 0\r\nbdat 00002 last\r\n\r\n"
               b"MAIL FROM:<%s>\r\nNOOP\r\n" % (
                   ALICE.encode(), BOB.encode(), ALICE.encode()))
        assert [x.status for x in c.replies(8)] == [
            "250 2.1.0", "250 2.1.5", "250 2.0.0", "250 2.0.0", "250 2.0.0",
            "250 2.0.0", "250 2.1.0", "250 2.0.0"]
    assert new_file(server, BOB, before).endswith(b"\n\nabc\n")


@clauses("F-02", "F-04", "D-S25")
def test_lmtp_replies(server):
    with begin(server, [BOB, ALICE, BOB], user=None) as c:
        reply, = c.chunk(b"Subject: x\r\n")
        assert reply.status == "250 2.0.0"
        replies = c.chunk(b"\r\n", True, replies=3)
        assert [x.status for x in replies] == ["250 2.1.12"] * 3
        assert [re.match("<(.*?)>", x.text)[1] for x in replies] == \
            [BOB, ALICE, BOB]
        c.quit()


@clauses("F-04", "F-19")
def test_without_recipients(server):
    with server.trusted() as c:
        assert c.mail("x@b.example").status == "250 2.1.0"
        assert c.rcpt("nobody-here@a.example").status == "550 5.1.1"
        c.send(b"BDAT 6 LAST\r\nQUIT\r\nBDAT 0 LAST\r\nNOOP\r\n")
        # No reply to the first, 503 to the second: it is in no transaction.
        assert [x.status for x in c.replies(2)] == ["503 5.5.1", "250 2.0.0"]
        assert c.mail("x@b.example").status == "250 2.1.0"
        c.send(b"BDAT 6\r\nQUIT\r\nBDAT 0 LAST\r\nNOOP\r\n")
        assert [x.status for x in c.replies(2)] == ["503 5.5.1", "250 2.0.0"]
    with server.login(ALICE) as c:
        assert c.chunk(b"x", True)[0].status == "503 5.5.1"
        assert c.mail(ALICE).status == "250 2.1.0"
        assert c.rcpt("nobody-here@a.example").status == "550 5.1.1"
        assert c.chunk(b"QUIT\r\n", True)[0].status == "554 5.5.1"
        c.quit()


@clauses("F-13", "F-16", "F-14")
def test_sequence(server):
    before = server.mail(BOB)
    with begin(server) as c:
        assert c.chunk(b"Subject: lost\r\n")[0].status == "250 2.0.0"
        assert c.rcpt(ALICE).status == "503 5.5.1"
        c.want("DATA", "503 5.5.1")
        assert c.chunk(b"x\r\n")[0].status == "503 5.5.1"
        c.want("MAIL FROM:<%s>" % ALICE, "503 5.5.1")
        c.want("RSET", "250 2.0.0")
        c.want("MAIL FROM:<%s> BODY=BINARYMIME" % ALICE, "250 2.1.0")
        assert c.rcpt(BOB).status == "250 2.1.5"
        c.want("DATA", "503 5.5.1")
        c.want("RSET", "250 2.0.0")
        c.mail(ALICE)
        c.rcpt(BOB)
        assert c.chunk(b"Subject: lost\r\n")[0].status == "250 2.0.0"
        c.want("RSET", "250 2.0.0")
        assert c.chunk(b"", True)[0].status == "503 5.5.1"
        c.mail(ALICE)
        c.rcpt(BOB)
        assert c.data(b"Subject: kept\r\n")[0].status == "250 2.0.0"
        c.quit()
    assert b"Subject: kept" in new_file(server, BOB, before)


@clauses("F-12", "F-110", "F-111")
@pytest.mark.parametrize("bad,status", [
    (b"a\0b\r\n", "554 5.6.0"), (b"a\nb\r\n", "550 5.5.2"),
    (b"a\rb\r\n", "550 5.5.2"), (b"x\r\n\n.\r\nMAIL\r\n", "550 5.5.2")])
def test_bad_text(server, bad, status):
    before = server.mail(BOB)
    with begin(server) as c:
        assert c.chunk(b"Subject: x\r\n\r\n")[0].status == "250 2.0.0"
        assert c.chunk(bad)[0].status == status
        assert c.chunk(b"QUIT\r\n")[0].status == "503 5.5.1"
        assert c.chunk(b"QUIT\r\n", True)[0].status == "503 5.5.1"
        c.want("MAIL FROM:<%s>" % ALICE, "250 2.1.0")
        c.quit()
    with begin(server, [BOB, BOB], user=None) as c:
        assert [x.status for x in c.chunk(bad, True, replies=2)] == [status] * 2
        c.want("NOOP", "250 2.0.0")
    assert server.mail(BOB) == before


@clauses("F-12", "F-90", "D-M08")
def test_too_large(own):
    server = own(limits={"message-size": "1M"})
    with begin(server) as c:
        assert c.chunk(b"x" * 600000)[0].status == "250 2.0.0"
        assert c.chunk(b"x" * 600000)[0].status == "552 5.3.4"
        assert c.chunk(b"y" * 3000000, True)[0].status == "503 5.5.1"
        c.mail(ALICE)
        c.rcpt(BOB)
        assert c.chunk(b"y" * 3000000, True)[0].status == "552 5.3.4"
        c.want("NOOP", "250 2.0.0")


@clauses("F-18")
@pytest.mark.parametrize("line", [
    "BDAT", "BDAT x", "BDAT -1", "BDAT 18446744073709551616 LAST",
    "BDAT 9223372036854775808", "BDAT 00000000000000000001"])
def test_no_number(server, line):
    with begin(server) as c:
        assert c.cmd(line).status == "501 5.5.4"
        assert c.at_end()


@clauses("D-M12")
@pytest.mark.parametrize("line", [
    b"BDAT 5 LAST\n", b"bdat 5\0", b"BDAT 5 " + b"x" * 9000, b"BMTD 5\rx"])
def test_no_line(server, line):
    """Where the next command is, nobody knows."""
    with begin(server) as c:
        c.send(line + b"\r\nRSET\r\n")
        assert c.reply().status == "500 5.5.2"
        assert c.at_end()


@clauses("F-10")
def test_bad_words(server):
    with begin(server) as c:
        c.send(b"BDAT 6 FIRST\r\nQUIT\r\nBDAT 6 LAST LAST\r\nQUIT\r\nNOOP\r\n")
        assert [x.status for x in c.replies(3)] == [
            "501 5.5.4", "503 5.5.1", "250 2.0.0"]


@clauses("F-17")
def test_binary(server):
    before = server.mail(BOB)
    with begin(server, parameters=" BODY=BINARYMIME") as c:
        assert c.chunk(BINARY[:20])[0].status == "250 2.0.0"
        assert c.chunk(BINARY[20:], True)[0].status == "250 2.0.0"
    head, _, body = new_file(server, BOB, before).partition(b"\n\n")
    assert b"\nSubject: x\n" in head and b"\r" not in head
    assert body == BINARY[14:]
    with begin(server, parameters=" BODY=BINARYMIME") as c:
        assert c.chunk(b"Subject: \0\r\n\r\n", True)[0].status == "554 5.6.0"


@clauses("F-12")
def test_strangers(server):
    with server.hello("EHLO") as c:
        assert c.chunk(b"QUIT\r\n", True)[0].status == "530 5.7.0"
        c.want("NOOP", "250 2.0.0")
    with server.connect("tls-require") as c:
        c.ehlo()
        assert c.chunk(b"STARTTLS\r\n", True)[0].status == "530 5.7.0"
        c.starttls()
        c.ehlo()


@clauses("F-115")
@pytest.mark.parametrize("abrupt", [True, False])
def test_end_in_the_middle(server, abrupt):
    before = server.mail(BOB)
    with begin(server) as c:
        c.chunk(b"Subject: x\r\n\r\n")
        c.send(b"BDAT 100000 LAST\r\n" + b"x" * 5000)
        if abrupt:
            c.abort()
        else:
            c.close()
    with server.trusted() as c:
        c.want("NOOP", "250 2.0.0")
    assert server.mail(BOB) == before


@clauses("S1-16", "D-S25")
def test_by_token(server):
    token = server.permanent("friend@b.example", BOB)
    before = server.mail(BOB)
    with server.token_session(BOB, token) as c:
        assert c.mail("friend@b.example").status == "250 2.1.0"
        assert c.rcpt(BOB, token).status == "250 2.1.5"
        assert c.chunk(b"Subject: x\r\n")[0].status == "250 2.0.0"
        reply, = c.chunk(b"\r\nx\r\n", True)
        assert reply.status == "250 2.1.12"
    assert new_file(server, BOB, before).endswith(b"Subject: x\n\nx\n")


def test_a_huge_number_ends_by_its_bound(server):
    with server.hello("EHLO") as c:
        c.send(b"BDAT 9223372036854775807 LAST\r\n")
        try:
            for _ in range(200):
                c.send(b"x" * 65536)
        except OSError:
            return
        try:
            assert c.reply().status == "421 4.7.0"
        except (Closed, OSError):
            pass
