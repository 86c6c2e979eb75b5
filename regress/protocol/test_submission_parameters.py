# SPDX-License-Identifier: ISC
"""What MAIL and RCPT say beside the addresses, on its way to the next hop:
DSN, SIZE, BODY, SMTPUTF8, and hops that lack them."""
import contextlib

import pytest

from clause import clauses
from relay import Sink
from server import Server

ALICE, BOB = "alice@a.example", "bob@a.example"
X, U = "x@b.example", "\u00fc@b.example"
MESSAGE = b"From: alice@a.example\r\nSubject: x\r\n\r\nText.\r\n"
ALL = ["PIPELINING", "SIZE 100000", "8BITMIME", "SMTPUTF8", "DSN", "CHUNKING",
       "BINARYMIME"]


@contextlib.contextmanager
def beside(keywords, extra="", answers=None):
    with Sink(keywords=keywords, answers=answers) as hop:
        with Server(extra='relay host "smtp://127.0.0.1:%d"\n%s' % (
                hop.port, extra)) as server:
            server.hop = hop
            yield server


@pytest.fixture(scope="module")
def able():
    """Beside a hop that can do everything."""
    with beside(ALL) as server:
        yield server


@pytest.fixture(scope="module")
def plain():
    """Beside one that can do nothing."""
    with beside([]) as server:
        yield server


def lines(server, verb):
    return [x.decode() for x in server.hop.lines if x.startswith(verb)]


def rcpt(c, recipient, parameters):
    return c.cmd("RCPT TO:<%s> %s" % (recipient, parameters))


@clauses("F-101")
def test_dsn_is_listed_where_reports_may_come(able, server):
    with able.hello("EHLO") as c:
        assert "DSN" in c.ehlo()
    with able.hello("LHLO") as c:
        assert "DSN" not in c.lhlo()
    with able.connect("tls-require") as c:
        assert "DSN" not in c.ehlo()
    with server.hello("EHLO") as c:  # no relay host: mailboxes here
        assert "DSN" in c.ehlo()
    with server.login() as c:
        assert c.mail(ALICE, " RET=FULL").status == "250 2.1.0"


DSN = [(" RET=HDRS ENVID=QQ+2B314", "NOTIFY=SUCCESS,FAILURE "
        "ORCPT=rfc822;x+2By@b.example"),
       (" RET=FULL", "NOTIFY=NEVER"), (" ENVID=x", "NOTIFY=DELAY"),
       ("", "ORCPT=rfc822;x@b.example")]


@clauses("F-101")
@pytest.mark.parametrize("mail,parameters", DSN)
def test_dsn_is_passed_on(able, mail, parameters):
    with able.login() as c:
        assert c.mail(ALICE, mail).status == "250 2.1.0"
        assert rcpt(c, X, parameters).status == "250 2.1.5"
        assert c.data(MESSAGE)[0].status == "250 2.0.0"
    sent = lines(able, b"MAIL")[-1].split(" ")
    for word in mail.split():
        assert word in sent, sent
    sent = lines(able, b"RCPT")[-1].split(" ")
    assert sorted(sent[2:]) == sorted(parameters.split())


@clauses("F-101")
@pytest.mark.parametrize("mail,parameters", DSN)
def test_dsn_stays_here_where_it_is_not_known(plain, mail, parameters):
    with plain.login() as c:
        assert c.mail(ALICE, mail).status == "250 2.1.0"
        assert rcpt(c, X, parameters).status == "250 2.1.5"
        assert c.data(MESSAGE)[0].status == "250 2.0.0"
    for word in ("RET=", "ENVID=", "NOTIFY=", "ORCPT="):
        assert word not in lines(plain, b"MAIL")[-1]
        assert word not in lines(plain, b"RCPT")[-1]


def test_parameters_do_not_stay(able):
    """The next transaction of a session has none of the last one's."""
    with able.login() as c:
        c.mail(ALICE, " RET=HDRS ENVID=first SMTPUTF8 BODY=8BITMIME")
        rcpt(c, X, "NOTIFY=NEVER ORCPT=rfc822;first@b.example")
        assert c.data(MESSAGE)[0].status == "250 2.0.0"
        c.mail(ALICE)
        c.rcpt(X)
        assert c.data(MESSAGE)[0].status == "250 2.0.0"
    for word in ("RET=", "ENVID=", "NOTIFY=", "ORCPT=", "first", "SMTPUTF8"):
        assert word not in lines(able, b"MAIL")[-1]
        assert word not in lines(able, b"RCPT")[-1]


@clauses("F-100")
def test_utf8_goes_where_it_can(able):
    with able.login() as c:
        c.utf8 = True
        assert c.mail(ALICE, " SMTPUTF8").status == "250 2.1.0"
        assert c.rcpt(U).status == "250 2.1.5"
        assert c.data(MESSAGE)[0].status == "250 2.0.0"
    assert "SMTPUTF8" in lines(able, b"MAIL")[-1].split(" ")
    assert "<%s>" % U in lines(able, b"RCPT")[-1]
    assert b" with UTF8SMTPSA " in able.hop.messages[-1][1]


@clauses("F-100")
@pytest.mark.parametrize("sender,recipient,status", [
    (ALICE, U, "553 5.6.7"), (ALICE, X, "550 5.6.7")])
def test_utf8_is_refused_where_it_cannot(plain, sender, recipient, status):
    """553 for an address, 550 for a message; never sent on without it."""
    before = len(plain.hop.messages)
    with plain.login() as c:
        c.utf8 = True
        assert c.mail(sender, " SMTPUTF8").status == "250 2.1.0"
        reply = c.rcpt(recipient)
        assert reply.enhanced == "5.6.7" and reply.code in (550, 553), reply
        # Nothing is spoilt for who is local.
        assert c.rcpt(BOB).status == "250 2.1.5"
        assert c.data(MESSAGE)[0].status == "250 2.0.0"
    assert len(plain.hop.messages) == before


def bdat(c, text):
    c.send(b"BDAT %d LAST\r\n" % len(text) + text)
    return c.reply()


BINARY = (b"From: alice@a.example\r\nDate: x\r\nMessage-ID: <x@y>\r\n"
          b"MIME-Version: 1.0\r\n"
          b"Content-Transfer-Encoding: binary\r\n\r\n"
          b"a\nb\rc\0d\r\n.\r\n\xff\n")


@clauses("F-17")
def test_binary_goes_where_it_can(able):
    with able.login() as c:
        assert c.mail(ALICE, " BODY=BINARYMIME").status == "250 2.1.0"
        assert c.rcpt(X).status == "250 2.1.5"
        assert bdat(c, BINARY).status == "250 2.0.0"
    assert "BODY=BINARYMIME" in lines(able, b"MAIL")[-1].split(" ")
    assert able.hop.messages[-1][1].endswith(BINARY)


@clauses("F-17")
def test_binary_is_refused_where_it_cannot(plain):
    before = len(plain.hop.messages)
    with plain.login() as c:
        assert c.mail(ALICE, " BODY=BINARYMIME").status == "250 2.1.0"
        reply = c.rcpt(X)
        assert reply.status == "554 5.6.1"
        assert c.rcpt(BOB).status == "250 2.1.5"
        assert bdat(c, BINARY).status == "250 2.0.0"
    assert len(plain.hop.messages) == before


@clauses("F-90")
def test_size(able):
    """What the client said goes on; what is too much there is told at once."""
    with able.login() as c:
        c.mail(ALICE, " SIZE=1000")
        assert c.rcpt(X).status == "250 2.1.5"
        c.cmd("RSET")
        words = lines(able, b"MAIL")[-1].split(" ")
        size, = [int(x[5:]) for x in words if x.startswith("SIZE=")]
        assert size >= 1000
        c.mail(ALICE, " SIZE=200000")
        reply = c.rcpt(X)
        assert reply.code == 552 and reply.enhanced == "5.3.4", reply
        assert c.rcpt(BOB).status == "250 2.1.5"


@clauses("S1-79", "F-52")
@pytest.mark.parametrize("said,heard", [
    (b"550 5.1.1 No such user", "550 5.1.1 No such user"),
    (b"450 4.2.1 Come again", "450 4.2.1 Come again"),
    (b"550 no enhanced code", "550 5.0.0 no enhanced code"),
    (b"452 5.1.1 wrong class", "452 4."),
    (b"550 5.7.1 \xe9\x01 odd", "550 5.7.1 ??"[:10])])
def test_a_refusal_is_passed_through(said, heard):
    def answer(sink, session, line):
        return said if b"bad@" in line else True
    with beside(ALL, answers={"RCPT": answer}) as server:
        with server.login() as c:
            c.mail(ALICE)
            reply = c.rcpt("bad@b.example")
            assert str(reply).startswith(heard), reply
            assert c.rcpt(X).status == "250 2.1.5"
            assert c.data(MESSAGE)[0].status == "250 2.0.0"
        assert [x[0] for x in server.hop.messages] == [[X.encode()]]


@clauses("D-S11", "X-3")
@pytest.mark.parametrize("extra,count,tokens", [
    ("token header recipients 2", 2, 2), ("token header recipients 2", 3, 0),
    ("token header no", 1, 0), ("token header recipients 1", 1, 1)])
def test_more_recipients_than_tokens(extra, count, tokens):
    """One copy for all, without a token, when there are more than N."""
    names = ["r%d@b.example" % i for i in range(count)]
    with beside(ALL, extra) as server:
        with server.login() as c:
            c.mail(ALICE)
            for name in names:
                assert c.rcpt(name).status == "250 2.1.5"
            assert c.data(MESSAGE)[0].status == "250 2.0.0"
        found = sum(x[1].count(b"Submission-Token: ")
                    for x in server.hop.messages)
        assert found == tokens
        got = [y.decode() for x in server.hop.messages for y in x[0]]
        assert sorted(got) == names
        for recipients, text in server.hop.messages:
            for name in names:
                # Nobody learns of the others.
                assert name.encode() not in text or \
                    recipients == [name.encode()]


@pytest.mark.parametrize("show", [True, False])
def test_the_client_is_hidden_or_shown(show):
    extra = "received client show" if show else ""
    with beside(ALL, extra) as server:
        with server.login() as c:
            c.mail(ALICE)
            c.rcpt(X)
            assert c.data(MESSAGE)[0].status == "250 2.0.0"
        text = server.hop.messages[-1][1]
    assert (b"from client.example ([127.0.0.1])" in text) == show
    assert (b"from unknown" in text) != show
