# SPDX-License-Identifier: ISC
"""What is logged: one line an event, fixed order, never a secret."""
import re

import pytest

from client import b64
from clause import clauses
from server import PASSWORDS, TOP

ALICE, BOB = "alice@a.example", "bob@a.example"
MESSAGE = "Subject: log\r\n\r\nText.\r\n"
ID = r"[0-9a-f]{8}"
PEER = r"address=127\.0\.0\.1 port=\d+"


def story(server, talk):
    """Runs talk(client) in a session of its own: the lines of that session."""
    start = server.log.stat().st_size
    with server.connect() as c:
        port = c.sock.getsockname()[1]
        talk(c)
        c.quit()
    first = server.wait_log(r"(%s) connected .*port=%d .*" % (ID, port), start)
    session = first.group(1)
    server.wait_log(r"%s disconnected" % session, start)
    return [x[x.index(session):] for x in
            server.log_text()[start:].splitlines() if session in x]


def test_life_of_a_delivery(server, pair):
    remote, local = pair
    token = server.temporary(remote, local)

    def talk(c):
        c.lhlo()
        c.token_login(local, token)
        c.mail(remote)
        c.rcpt(local, token)
        c.data(MESSAGE)

    lines = story(server, talk)
    patterns = [
        ID + r" connected %s listener=\d+ tls=TLSv1\.3( .*)?" % PEER,
        ID + r" token ok %s id=\S+ kind=temporary local=<%s> ?(remote=.*)?" % (
            PEER, re.escape(local)),
        ID + r" delivery id=\S+ from=<%s> to=<%s> relay=maildir "
        r"delay=\d+\.\d+ dsn=2\.1\.13 stat=Sent" % (
            re.escape(remote), re.escape(local)),
        ID + r" disconnected reason=quit commands=\d+"]
    for pattern in patterns:
        assert any(re.fullmatch(pattern, x) for x in lines), (pattern, lines)
    assert len([x for x in lines if " delivery " in x]) == 1


def test_one_line_for_each_recipient(server):
    start = server.log.stat().st_size
    with server.trusted() as c:
        c.mail("x@b.example")
        c.rcpt(ALICE)
        c.rcpt(BOB)
        replies = c.data(MESSAGE, 2)
    for reply in replies:
        server.wait_log("delivery id=%s " % re.escape(
            reply.text.split()[1]), start)


@pytest.mark.parametrize("way", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_login_lines(server, way):
    def login(c, word):
        if way == "PLAIN":
            return c.plain_login(BOB, word)
        if way == "LOGIN":
            return c.login_login(BOB, word)
        return c.scram(BOB, word)

    def talk(c):
        c.ehlo()
        assert login(c, "wrong").code == 535
        assert login(c, PASSWORDS[BOB]).code == 235

    lines = story(server, talk)
    failed, = [x for x in lines if "auth failed" in x]
    assert re.fullmatch(ID + r' auth failed %s mech=%s reason=badcred '
                        r'user="?bob@a\.example"?' % (PEER, way), failed)
    good, = [x for x in lines if "auth ok" in x]
    assert re.fullmatch(ID + r' auth ok %s mech=%s user="?bob@a\.example"?'
                        % (PEER, way), good)


def test_failed_token_line(server):
    def talk(c):
        c.lhlo()
        assert c.token_login(ALICE, "garbage").code == 535

    lines = story(server, talk)
    assert [x for x in lines
            if re.match(ID + r" token failed %s reason=" % PEER, x)], lines


HOSTILE = ['x" address=192.0.2.1 port=1', "x address=192.0.2.1",
           "x\r\n12345678 auth failed address=192.0.2.1", "\x1b[31mred",
           "%n%s", "x\u202eevil", "=", "", "a" * 200]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names(server, name):
    """T29: one event is one line, with the true address first."""
    def talk(c):
        c.ehlo()
        assert c.plain_login(name, "x").code in (501, 535)
        assert c.plain_login("x", name or "y").code in (501, 535)

    lines = story(server, talk)
    for line in lines:
        assert "\x1b" not in line and "\u202e" not in line
        if "failed" in line:
            assert re.match(ID + r" (auth|token) failed " + PEER + " ", line)
    text = server.log_text()
    assert not re.search(r"^12345678", text, re.M)


def fail2ban():
    """The filter's expression, without what fail2ban itself fills in."""
    text = (TOP / "etc/fail2ban/filter.d/smtpd-stoken.conf").read_text()
    line = re.search(r"^failregex = \^(.*)$", text, re.M).group(1)
    line = line.replace("%(__prefix_line)s", "").replace(
        "<ADDR>", r"(?P<address>[0-9a-fA-F.:]+)")
    assert "<" not in line.replace("?P<", "") and "%(" not in line
    return re.compile("^" + line)


def test_fail2ban_filter(server):
    """Each failure is seen once, with the address of the client."""
    def talk(c):
        c.lhlo()
        for name in HOSTILE:
            c.plain_login(name, "x")
        c.token_login(ALICE, "garbage")
        c.plain_login(BOB, PASSWORDS[BOB])

    start = server.log.stat().st_size
    story(server, talk)
    filter_ = fail2ban()
    hits = [filter_.search(x)
            for x in server.log_text()[start:].splitlines()]
    hits = [x for x in hits if x]
    assert {x.group("address") for x in hits} == {"127.0.0.1"}
    assert len([x for x in hits if "token failed" in x.group()]) == 1
    assert len(hits) <= len(HOSTILE) + 1
    assert len(hits) >= len(HOSTILE) - 2


def test_hostile_envelope(server):
    start = server.log.stat().st_size
    with server.trusted() as c:
        c.send('MAIL FROM:<"x\\\x1b[31m stat=Sent"@b.example>\r\n')
        c.reply()
        c.send('MAIL FROM:<"to=<y@z> stat=Sent"@b.example>\r\n')
        c.reply()
        c.rcpt(BOB)
        c.data(MESSAGE)
    text = server.log_text()[start:]
    assert "\x1b" not in text


@clauses("S1-28", "D-S19")
def test_no_secret_in_the_log(server, pair):
    """No password, token or SASL payload, whatever happens to it."""
    remote, local = pair
    token, lasting = server.temporary(*pair), server.permanent(*pair)
    mine = "my-own-token-for-the-log-test"
    password = "a password that is wrong %d"
    with server.token_session(local, token) as c:
        c.mail(remote)
        c.rcpt(local, token, mine)
        c.data(MESSAGE)
        c.mail(remote)
        c.rcpt(local, token[:-2] + "xx")
        c.rcpt(local, lasting)
        c.data(MESSAGE)
    with server.hello("LHLO") as c:
        c.token_login(local, lasting[:-1] + ("_" if lasting[-1] != "_" else "-"))
        c.cmd("AUTH STOKEN " + b64("%s\0%s" % (local, token)) + "=")
        c.plain_login(local, password % 1)
        c.login_login(local, password % 2)
        c.cmd("AUTH PLAIN " + b64("\0%s\0%s" % (local, password % 3)) + "x")
        c.cmd("RCPT TO:<%s> STOKEN=%s" % (local, token))
        c.plain_login(local, PASSWORDS[local])
    with server.hello("LHLO") as c:  # no word of SMTP: the end of it
        c.cmd(b64("\0%s\0%s" % (local, password % 4)))
    server.ctl("revoke", "pair", remote, local)
    text = server.log_text()
    secrets = [token, lasting, token[:-2], lasting[:-1], mine,
               PASSWORDS[local], b64(token), b64(lasting), b64(mine)]
    secrets += [password % n for n in range(1, 5)]
    for secret in secrets:
        assert secret not in text, secret
        # vis(3) or base64 may hide it: look for a long part, too.
        assert b64(secret)[:24] not in text


@clauses("S1-28")
def test_no_secret_in_a_verbose_log(own):
    server = own()
    server.ctl("log", "verbose", check=True)
    token = server.temporary()
    with server.token_session(ALICE, token) as c:
        c.mail("friend@b.example")
        c.rcpt(ALICE, token)
        c.data(MESSAGE)
    server.login(ALICE).quit()
    server.ctl("log", "brief", check=True)
    text = server.log_text()
    for secret in (token, PASSWORDS[ALICE], b64(token)[:24],
                   b64("\0%s\0%s" % (ALICE, PASSWORDS[ALICE]))[:24]):
        assert secret not in text
