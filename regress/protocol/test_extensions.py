# SPDX-License-Identifier: ISC
"""SIZE, number of recipients, 8BITMIME, SMTPUTF8, unknown parameters."""
import pytest

from clause import clauses
from server import IDN

ALICE, BOB = "alice@a.example", "bob@a.example"


@pytest.fixture(scope="module")
def small():
    from server import Server
    with Server(limits={"message-size": "64K", "recipients": 5}) as one:
        yield one
        one.check()


@clauses("F-90")
def test_size_is_listed_in_octets(small):
    with small.connect() as c:
        assert c.ehlo()["SIZE"] == "65536"


@clauses("F-90")
@pytest.mark.parametrize("size,status", [
    ("0", "250 2.1.0"), ("1", "250 2.1.0"), ("65536", "250 2.1.0"),
    ("65537", "552 5.3.4"), ("99999999999999999999", "552 5.3.4"),
    ("18446744073709551616", "552 5.3.4"),
    ("00000000000000000009", "250 2.1.0"),
    ("999999999999999999999", "501 5.5.4"), ("", "501 5.5.4"),
    ("-1", "501 5.5.4"), ("+1", "501 5.5.4"), ("1x", "501 5.5.4"),
    ("0x10", "501 5.5.4"), (" 1", "501 5.5.4")])
def test_size_parameter(small, size, status):
    """T06."""
    with small.login() as c:
        reply = c.mail(ALICE, " SIZE=" + size)
        assert reply.status == status, reply
        if status != "250 2.1.0":
            c.want("RCPT TO:<%s>" % BOB, "503 5.5.1")


@clauses("F-90")
def test_size_without_value_or_twice(small):
    with small.login() as c:
        assert c.mail(ALICE, " SIZE").status == "501 5.5.4"
        assert c.mail(ALICE, " SIZE=1 SIZE=1").status == "501 5.5.4"


def sized(total):
    """A message of exactly so many octets, with line ends."""
    head = b"Subject: x\r\n\r\n"
    rest = total - len(head)
    lines, last = divmod(rest, 64)
    return head + b"".join(
        [b"l" * 62 + b"\r\n"] * lines) + (
            b"m" * (last - 2) + b"\r\n" if last >= 2 else b"")


@clauses("F-90")
@pytest.mark.parametrize("total,status", [
    (65536, "250"), (65538, "552"), (66000, "552"), (3000000, "552")])
def test_size_at_the_end(small, total, status):
    """Dot-stuffing and the final dot do not count; T32: SIZE= may lie."""
    message = sized(total)
    assert len(message) == total
    before = len(small.mail(BOB))
    with small.login() as c:
        c.mail(ALICE, " SIZE=10")
        c.rcpt(BOB)
        reply, = c.data(message)
        assert reply.status == ("250 2.0.0" if status == "250"
                                else "552 5.3.4")
        c.mail(ALICE)
        c.rcpt(BOB)
        assert c.data("Subject: next\r\n\r\n")[0].status == "250 2.0.0"
    assert len(small.mail(BOB)) == before + 1 + (status == "250")


@clauses("F-90")
def test_stuffed_dots_do_not_count(small):
    message = b"Subject: x\r\n\r\n" + b".\r\n" * ((65536 - 14) // 3)
    assert len(message) <= 65536
    with small.trusted() as c:
        c.mail("x@b.example")
        c.rcpt(BOB)
        assert c.data(message)[0].status == "250 2.1.12"


@clauses("F-02", "F-90")
def test_oversize_in_lmtp(small):
    """One reply for each accepted recipient, also for a failure."""
    with small.trusted() as c:
        c.mail("x@b.example")
        c.rcpt(BOB)
        c.rcpt(ALICE)
        assert [r.status for r in c.data(b"x" * 60 + b"\r\n" * 40000, 2)] == [
            "552 5.3.4"] * 2
        c.want("NOOP", "250 2.0.0")


@clauses("F-95")
@pytest.mark.parametrize("way", ["socket", "EHLO"])
def test_too_many_recipients(small, way):
    c = small.trusted() if way == "socket" else small.login()
    with c:
        c.mail(ALICE)
        for _ in range(5):
            assert c.rcpt(BOB).status == "250 2.1.5"
        for _ in range(3):
            assert c.rcpt(BOB).status == "452 4.5.3"
        replies = c.data("Subject: x\r\n\r\n", 5 if way == "socket" else 1)
        assert {r.code for r in replies} == {250}


def test_endless_recipients(server):
    """T09: refused recipients cost nothing that grows."""
    with server.trusted() as c:
        c.mail("x@b.example")
        for _ in range(20):
            c.send(b"RCPT TO:<nobody-here@a.example>\r\n" * 100)
            try:
                for _ in range(100):
                    assert c.reply().code in (550, 452, 421)
            except AssertionError:
                return
        c.want("NOOP", "250 2.0.0")


@pytest.mark.parametrize("text,status", [
    (" BODY=7BIT", "250 2.1.0"), (" BODY=8BITMIME", "250 2.1.0"),
    (" body=8bitmime", "250 2.1.0"), (" BODY=8BITMIME SIZE=10", "250 2.1.0"),
    (" SIZE=10 BODY=7BIT SMTPUTF8", "250 2.1.0"),
    (" BODY=BINARYMIME", "250 2.1.0"), (" BODY=", "501 5.5.4"), (" BODY", "501 5.5.4"),
    (" BODY=9BIT", "501 5.5.4"), (" BODY=7BIT BODY=7BIT", "501 5.5.4"),
    (" SMTPUTF8=yes", "501 5.5.4"), (" SMTPUTF8 SMTPUTF8", "501 5.5.4"),
    (" FROB", "555 5.5.4"), (" FROB=1", "555 5.5.4"),
    (" RET=FULL", "250 2.1.0"), (" ENVID=x", "250 2.1.0"),
    (" RET=SOME", "501 5.5.4"), (" ENVID=", "501 5.5.4"),
    (" STOKEN=x", "555 5.5.4"), (" =x", "5"), (" SIZE=1=2", "501 5.5.4"),
    (" X-\xe4=1", "5")])
@clauses("F-95")
def test_mail_parameters(server, text, status):
    """T06."""
    with server.login() as c:
        reply = c.mail(ALICE, text)
        assert reply.status == status or (
            len(status) == 1 and reply.code in (501, 504, 555)), reply
        c.want("RSET", "250 2.0.0")
        assert c.mail(ALICE).status == "250 2.1.0"


@clauses("F-100")
def test_non_ascii_without_smtputf8(server):
    with server.trusted() as c:
        assert c.mail("fr\u00e4nz@b.example").status == "550 5.6.7"
        c.mail("x@b.example")
        assert c.rcpt("j\u00fcrgen@a.example").status == "553 5.6.7"
        assert c.rcpt(ALICE).status == "250 2.1.5"


@clauses("F-100")
def test_smtputf8(server):
    name = "j\u00fcrgen@a.example"
    before = server.mail(name)
    with server.trusted() as c:
        c.utf8 = True
        assert c.mail("fr\u00e4nz@b.example", " SMTPUTF8").status == \
            "250 2.1.0"
        assert c.rcpt(name).status == "250 2.1.5"
        reply, = c.data("Subject: \u00e4\r\n\r\n\u00f6\r\n")
        assert reply.status == "250 2.1.12"
        assert reply.text.startswith("<%s> " % name)
    path, = [x for x in server.mail(name) if x not in before]
    assert path.read_text().startswith("Return-Path: <fr\u00e4nz@b.example>\n")


@clauses("F-100", "D-S04")
def test_smtputf8_by_token(server):
    remote, local = "fr\u00e4nz@b.example", "j\u00fcrgen@a.example"
    token = server.temporary(remote, local)
    with server.hello("LHLO") as c:
        assert c.token_login(local, token).status == "235 2.7.0"
        c.utf8 = True
        assert c.mail(remote, " SMTPUTF8").status == "250 2.1.0"
        assert c.rcpt(local, token).status == "250 2.1.5"
        assert c.data("Subject: x\r\n\r\n")[0].status == "250 2.1.13"


@clauses("F-100")
@pytest.mark.parametrize("address", [
    b"x\xff@a.example", b"x\xc3@a.example", b"x\xc0\xaf@a.example",
    b"x\xed\xa0\x80@a.example", b"x@\xff.example",
    b"x\xf5\x80\x80\x80@a.example"])
def test_bad_utf8(server, address):
    with server.trusted() as c:
        c.send(b"MAIL FROM:<" + address + b"> SMTPUTF8\r\n")
        assert c.reply().code in (501, 550, 553)
        c.mail("x@b.example", " SMTPUTF8")
        c.send(b"RCPT TO:<" + address + b">\r\n")
        assert c.reply().code in (501, 550, 553)
        c.want("NOOP", "250 2.0.0")


@clauses("F-100", "D-S04")
def test_u_label_domain(server):
    """One mailbox, whichever way the domain is written."""
    from server import IDN_ASCII
    before = len(server.mail("hans@" + IDN_ASCII))
    with server.trusted() as c:
        c.utf8 = True
        c.mail("x@" + IDN, " SMTPUTF8")
        assert c.rcpt("hans@" + IDN).status == "250 2.1.5"
        assert c.rcpt("hans@" + IDN_ASCII).status == "250 2.1.5"
        c.data("Subject: x\r\n\r\n", 2)
    assert len(server.mail("hans@" + IDN_ASCII)) == before + 2
