# SPDX-License-Identifier: ISC
"""Submission (EHLO) to local recipients; whose address one may use."""
import re

import pytest

from clause import clauses
from server import IDN, IDN_ASCII

ALICE, BOB = "alice@a.example", "bob@a.example"
MESSAGE = "Subject: submission\r\n\r\nText.\r\n"


@clauses("S1-61", "F-50")
@pytest.mark.parametrize("count", [1, 2])
def test_local_recipients(server, count):
    before = len(server.mail(BOB)), len(server.mail(ALICE))
    with server.login() as c:
        assert c.mail(ALICE).status == "250 2.1.0"
        for address in [BOB, ALICE][:count]:
            assert c.rcpt(address).status == "250 2.1.5"
        reply, = c.data(MESSAGE)
        assert reply.status == "250 2.0.0"
        assert re.match("[A-Za-z0-9]{16} .", reply.text), reply
        c.quit()
    assert len(server.mail(BOB)) == before[0] + 1
    assert len(server.mail(ALICE)) == before[1] + (count == 2)


@clauses("F-53")
@pytest.mark.parametrize("sender,status", [
    (ALICE, "250 2.1.0"), ("alice+news@a.example", "250 2.1.0"),
    ("sales@a.example", "250 2.1.0"), ("ALICE@A.example", "250 2.1.0"),
    ("", "250 2.1.0"), ("chain@a.example", "250 2.1.0"),
    (BOB, "550 5.7.1"), ("team@a.example", "550 5.7.1"),
    ("alice@elsewhere.example", "550 5.7.1"),
    ("nobody-here@a.example", "550 5.7.1"),
    ("alice@sub.a.example", "550 5.7.1"), ("outside@a.example", "550 5.7.1"),
    ("mixed@a.example", "550 5.7.1")])
def test_sender_must_be_ones_own(server, sender, status):
    with server.login() as c:
        assert c.mail(sender).status == status
        c.want("RSET", "250 2.0.0")
        assert c.mail(ALICE).status == "250 2.1.0"


@pytest.mark.parametrize("recipient,status", [
    ("nobody-here@a.example", "550 5.1.1"),
    ("x@elsewhere.example", "550 5.7.1"),
    ("outside@a.example", "550 5.7.1")])
def test_refused_recipients(server, recipient, status):
    with server.login() as c:
        c.mail(ALICE)
        assert c.rcpt(recipient).status == status
        assert c.rcpt(BOB).status == "250 2.1.5"


def test_idn_user(server):
    user = "hans@" + IDN_ASCII
    with server.login(user) as c:
        assert c.mail("hans@" + IDN, " SMTPUTF8").status == "250 2.1.0"
        c.utf8 = True
        assert c.rcpt("hans@" + IDN).status == "250 2.1.5"
        assert c.data(MESSAGE)[0].status == "250 2.0.0"
    assert len(server.mail(user)) >= 1


BAD_PATHS = ["MAIL FROM:alice@a.example", "MAIL FROM:<alice@a.example",
             "MAIL FROM:alice@a.example>", "MAIL FROM", "MAIL",
             "MAIL TO:<alice@a.example>", "MAIL FROM:<<alice@a.example>>",
             "MAIL FROM:<alice>", "MAIL FROM:<@a.example>",
             "MAIL FROM:<alice@>", "MAIL FROM:<a..b@a.example>",
             "MAIL FROM:<alice@a..example>", "MAIL FROM:<al ice@a.example>",
             "MAIL FROM:<alice@a.example>SIZE=1",
             "MAIL FROM:<\"alice@a.example>"]


@clauses("F-52")
@pytest.mark.parametrize("line", BAD_PATHS)
def test_bad_paths(server, line):
    with server.login() as c:
        reply = c.cmd(line)
        assert reply.code == 501, reply
        assert c.mail(ALICE).status == "250 2.1.0"
        reply = c.cmd(line.replace("MAIL FROM", "RCPT TO"))
        assert reply.code in (501, 503), reply
        assert c.rcpt(BOB).status == "250 2.1.5"


HOSTILE = ["x;id@a.example", "`id`@a.example", "$(id)@a.example",
           "|id@a.example", "../bob@a.example", "..@a.example",
           '"../bob"@a.example', '"/etc/passwd"@a.example', "-rf@a.example",
           '""@a.example', '"a b"@a.example', '"bob\\"@a.example',
           "bob/../alice@a.example", "bob%00@a.example", '"bob\\ "@a.example',
           "." + "x" * 20 + "@a.example", "tmp/x@a.example"]


@pytest.mark.parametrize("address", HOSTILE)
def test_hostile_recipients(server, address):
    """T05: no file outside the mailboxes of users; a plain refusal."""
    roots = sorted(server.mailroot.glob("*/*"))
    with server.trusted() as c:
        c.mail("x@b.example")
        assert c.rcpt(address).code in (501, 550, 553)
        c.mail("x@b.example")
        c.want("NOOP", "250 2.0.0")
    assert sorted(server.mailroot.glob("*/*")) == roots


@clauses("F-51")
def test_bare_domains(server):
    with server.login() as c:
        c.mail("alice@a.example")
        for one in ("bob@localhost", "bob@a"):
            assert c.rcpt(one).code == 554, one
            assert c.cmd("RCPT TO:<%s>" % one).status == "554 5.1.2"
        assert c.rcpt("bob@a.example").status == "250 2.1.5"


@clauses("F-95")
def test_length_limits(server):
    with server.trusted() as c:
        for local in (64, 65):
            reply = c.mail("l" * local + "@b.example")
            assert reply.code == (250 if local == 64 else 501)
            c.want("RSET", "250 2.0.0")
        domain = ".".join(["d" * 62] * 4)
        assert c.mail("a@" + domain[:190]).code == 250
        c.want("RSET", "250 2.0.0")
        assert c.mail("a@" + domain + "." + "d" * 20).code == 501


@clauses("F-40")
def test_auth_parameter_of_mail(server):
    """Parsed, xtext and all; what it says is not believed."""
    with server.login() as c:
        for text in (" AUTH=<>", " AUTH=alice@a.example",
                     " AUTH=x+2By@b.example", " SIZE=10 AUTH=<>"):
            assert c.mail(ALICE, text).status == "250 2.1.0", text
            c.want("RSET", "250 2.0.0")
        for text in (" AUTH=", " AUTH", " AUTH=a+0", " AUTH=a+zz",
                     " AUTH=a b", " AUTH=x AUTH=y", " AUTH=a=b"):
            assert c.mail(ALICE, text).code in (501, 555), text
            c.want("RSET", "250 2.0.0")
