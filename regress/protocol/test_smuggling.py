# SPDX-License-Identifier: ISC
"""SMTP smuggling (F-110 ... F-113): only CR LF . CR LF ends a message."""
import time

import pytest

from clause import clauses

ALICE, BOB = "alice@a.example", "bob@a.example"
FALSE_ENDS = [
    b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r",
    b"\n.\r", b"\r.\n", b"\r\n\x00.\r\n", b"\r\n.\x00\r\n", b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n", b"\n\n.\n\n", b"\r\n.\n\r\n", b"\n\r.\n\r",
    b"\r\n\r.\r\n", b"\r\n .\r\n", b"\r\n.\t\r\n", b"\r\n.\x0b\r\n",
    b"\r\n.\x0c\r\n", b"\r\n.\x85\r\n", b"\r\n\xe2\x80\xa8.\r\n"]
SMUGGLED = (b"MAIL FROM:<evil@b.example>\r\nRCPT TO:<bob@a.example>\r\n"
            b"DATA\r\nSubject: smuggled\r\n\r\nevil")


def harmless(end):
    """Variants without a bare CR, a bare LF or a NUL are plain text."""
    rest = end.replace(b"\r\n", b"")
    return not set(rest) & set(b"\r\n\0")


def one_message(server, pieces, end, delay=0):
    """Sends one message in pieces; exactly one answer, at most one file."""
    before = server.mail(BOB)
    with server.trusted() as c:
        c.mail("x@b.example")
        c.rcpt(BOB)
        c.want("DATA", "354")
        for piece in pieces:
            c.send(piece)
            if delay:
                time.sleep(delay)
        assert c.silent(0.05), "answered before the end"
        c.send(b"\r\n.\r\nVRFY end\r\n")
        reply = c.reply()
        if harmless(end):
            assert reply.status == "250 2.1.12", reply
        elif set(end.replace(b"\r\n", b"")) & set(b"\0\r\n") == {0}:
            assert reply.status == "554 5.6.0", reply
        else:
            assert reply.code == 550 and reply.enhanced.startswith("5.5.2") \
                or reply.status == "554 5.6.0", reply
        assert c.reply().code == 252
        c.quit()
    new = [x for x in server.mail(BOB) if x not in before]
    assert len(new) == (1 if harmless(end) else 0)
    for path in new:
        content = path.read_bytes()
        assert b"smuggled" in content and b"\nReturn-Path" not in content


@clauses("F-110", "F-111", "F-113")
@pytest.mark.parametrize("end", FALSE_ENDS)
def test_false_ends(server, end):
    """T03."""
    text = b"Subject: first\r\n\r\ntext" + end + SMUGGLED
    one_message(server, [text], end)


@clauses("F-110", "F-111")
@pytest.mark.parametrize("end", [b"\n.\n", b"\r\n.\n", b"\n.\r\n", b"\r.\r"])
def test_false_ends_in_pieces(server, end):
    text = b"Subject: first\r\n\r\ntext" + end + SMUGGLED
    cut = text.index(end)
    pieces = [text[:cut]] + [bytes([x]) for x in end] + [
        text[cut + len(end):]]
    one_message(server, pieces, end, delay=0.005)


@clauses("F-110", "F-111")
@pytest.mark.parametrize("edge", [4096, 8192, 16384, 32768, 65536])
def test_false_ends_at_buffer_edges(server, edge):
    for shift in range(-3, 4):
        head = b"Subject: first\r\n\r\n"
        fill = edge + shift - len(head)
        lines = (b"f" * 70 + b"\r\n") * (fill // 72) + b"g" * (fill % 72)
        one_message(server, [head + lines + b"\n.\r\n" + SMUGGLED], b"\n.\r\n")


def true_end(server, pieces, delay=0.0):
    before = len(server.mail(BOB))
    with server.trusted() as c:
        c.mail("x@b.example")
        c.rcpt(BOB)
        c.want("DATA", "354")
        for piece in pieces:
            c.send(piece)
            if delay:
                time.sleep(delay)
        assert c.reply().status == "250 2.1.12"
        c.want("NOOP", "250 2.0.0")
    assert len(server.mail(BOB)) == before + 1


@clauses("F-110")
@pytest.mark.parametrize("edge", [4096, 16384, 65536])
def test_true_end_at_buffer_edges(server, edge):
    for shift in range(-6, 2):
        head = b"Subject: first\r\n\r\n"
        fill = edge + shift - len(head)
        text = head + (b"f" * 70 + b"\r\n") * (fill // 72)
        true_end(server, [text + b"g" * (fill % 72) + b"\r\n.\r\n"])


@clauses("F-110")
def test_true_end_split_everywhere(server):
    text = b"Subject: x\r\n\r\ntext\r\n.\r\n"
    for cut in range(len(text) - 6, len(text)):
        true_end(server, [text[:cut], text[cut:]], 0.005)
    true_end(server, [bytes([x]) for x in text], 0.001)


@clauses("F-110")
def test_empty_message(server):
    true_end(server, [b".\r\n"])
    true_end(server, [b"\r\n.\r\n"])


@clauses("F-111")
@pytest.mark.parametrize("text", [
    b"NOOP\nNOOP\r\n", b"NOOP\rNOOP\r\n", b"NOOP\n\r\n", b"NOOP\r\r\n",
    b"NOOP \nMAIL FROM:<x@b.example>\r\n"])
def test_bare_line_ends_in_commands(server, text):
    """One line, one answer: a bare CR or LF does not make two of it."""
    with server.trusted() as c:
        c.send(text + b"VRFY end\r\n")
        assert c.reply().code in (500, 501)
        assert c.reply().code == 252


@clauses("F-18", "D-M12")
@pytest.mark.parametrize("kind", ["socket", "smtps"])
@pytest.mark.parametrize("line", [
    b"BDAT5 LAST", b"BDAT\t5 LAST", b" BDAT 5 LAST", b"bdat:5", b"BMTD5",
    b"BDAT 5\0 LAST", b"BDAT 5\xa0LAST", b"BDAT +5 LAST", b"BDAT -1",
    b"NOOP\nBDAT 5 LAST", b"BDAT 5 LAST" + b" " * 3000 + b"x",
    b"Subject: x", b"GET / HTTP/1.1", b"POST /x HTTP/1.0", b"SSH-2.0-x",
    b"\x16\x03\x01", b"."])
def test_content_is_no_command(server, kind, line):
    """A line that shows that content follows, which cannot be told from
    commands: whoever wrote it gives none in the client's name."""
    before = server.mail(BOB)
    client = server.trusted() if kind == "socket" else server.login(ALICE)
    with client as c:
        c.mail(ALICE)
        c.rcpt(BOB)
        c.send(line + b"\r\nRSET\r\nMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\n"
               b"DATA\r\nSubject: forged\r\n\r\nx\r\n.\r\n" % (
                   ALICE.encode(), BOB.encode()))
        assert c.reply().code in (500, 501)
        assert c.at_end()
    assert server.mail(BOB) == before


@clauses("F-80")
@pytest.mark.parametrize("start", [
    "", "MAIL FROM:<alice@a.example>\r\n",
    "MAIL FROM:<alice@a.example>\r\nRCPT TO:<nobody-here@a.example>\r\n"])
def test_content_behind_a_refused_data(server, start):
    """A client that sends all at once and looks at no answer: its message is
    told from commands by its header."""
    before = server.mail(BOB)
    with server.login(ALICE) as c:
        c.send(start + "DATA\r\nSubject: x\r\n\r\nRSET\r\nMAIL FROM:<%s>\r\n"
               "RCPT TO:<%s>\r\nDATA\r\nSubject: forged\r\n\r\nx\r\n.\r\n"
               % (ALICE, BOB))
        for _ in range(start.count("\n")):
            c.reply()
        assert c.reply().code in (503, 554)
        assert c.reply().status == "500 5.5.2"
        assert c.at_end()
        assert server.mail(BOB) == before


def test_commands_behind_a_refused_data(server):
    """Commands are commands there."""
    with server.login(ALICE) as c:
        c.send("DATA\r\nX-FOO\r\n NOOP\r\nRSET\r\nQUIT\r\n")
        assert [c.reply().code for _ in range(5)] == [503, 500, 500, 250, 221]


@clauses("F-113")
@pytest.mark.parametrize("text", [
    b"NO\0OP", b"NOOP\0", b"\0NOOP", b"MAIL FROM:<a\0b@b.example>",
    b"MAIL FROM:<a@b.example>\0", b"RCPT TO:<bob@a.example>\0 STOKEN=x",
    b"EHLO a\0b"])
def test_nul_in_commands(server, text):
    with server.trusted() as c:
        c.send(text + b"\r\nVRFY end\r\n")
        assert c.reply().code in (500, 501)
        assert c.reply().code == 252


@clauses("F-113")
@pytest.mark.parametrize("place", [0, 5, 100, 5000])
def test_nul_in_data(server, place):
    before = server.mail(BOB)
    with server.trusted() as c:
        c.mail("x@b.example")
        c.rcpt(BOB)
        text = b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 100
        text = text[:place] + b"\0" + text[place:]
        assert c.data(text)[0].status == "554 5.6.0"
        c.want("NOOP", "250 2.0.0")
    assert server.mail(BOB) == before


@clauses("F-111", "F-112")
def test_normalize(own):
    """`bare-newline normalize`: CRLF for each, and never an end."""
    server = own(extra="bare-newline normalize")
    with server.trusted() as c:
        c.mail("x@b.example")
        c.rcpt(BOB)
        c.want("DATA", "354")
        c.send(b"Subject: x\r\n\r\na\nb\rc\r\r\nd\n.\ne\r\n.\nf")
        assert c.silent(0.1)
        c.send(b"\r\n.\r\nVRFY end\r\n")
        assert c.reply().status == "250 2.1.12"
        assert c.reply().code == 252
    content = server.mail(BOB)[0].read_bytes()
    assert b"\r" not in content
    body = content.split(b"\n\n", 1)[1]
    assert body.startswith(b"a\nb\nc\n")
    assert body.rstrip(b"\n").endswith(b"f")
