# SPDX-License-Identifier: ISC
"""RCPT with STOKEN= and MYSTOKEN=, and delivery by token (S1-06, S1-72)."""
import datetime
import re
import time

import pytest

from clause import clauses

LOCAL, OTHER = "alice@a.example", "bob@a.example"
MESSAGE = "Subject: by token\r\n\r\nText.\r\n"
OK, REFUSED = "250 2.1.5", "550 5.7.1"


def deliver(c, sender, *recipients):
    """One message for (recipient, token) ...; the replies after the dot."""
    assert c.mail(sender).status == "250 2.1.0"
    for recipient, token in recipients:
        reply = c.rcpt(recipient, token)
        assert reply.status == OK, reply
    return c.data(MESSAGE, len(recipients))


def split(reply, recipient):
    """(token or None, delivery id) of a 2.1.12 or 2.1.13 reply."""
    words = reply.text.split(" ")
    assert words.pop(0) == "<%s>" % recipient, reply
    token = words.pop(0) if reply.status == "250 2.1.13" else None
    assert reply.status in ("250 2.1.12", "250 2.1.13"), reply
    identifier = words.pop(0)
    assert re.fullmatch("[A-Za-z0-9_-]{1,64}", identifier)
    assert words and words[0], "no human text: %s" % reply
    return token, identifier


@clauses("S1-12", "S1-13", "S1-26", "S1-75", "S1-76", "D-S13", "S1-61",
         "S1-22", "S1-23")
def test_temporary_then_permanent(server, pair):
    remote, local = pair
    temporary = server.temporary(remote, local)
    before = len(server.mail(local))
    with server.token_session(local, temporary) as c:
        reply, = deliver(c, remote, (local, temporary))
        permanent, first = split(reply, local)
        assert permanent and permanent != temporary
        assert len(server.mail(local)) == before + 1
    with server.token_session(local, permanent) as c:
        reply, = deliver(c, remote, (local, permanent))
        token, second = split(reply, local)
        assert token is None and second != first
        # The temporary one again: the same permanent token, minted once.
        reply, = deliver(c, remote, (local, temporary))
        assert split(reply, local)[0] == permanent
    assert len(server.mail(local)) == before + 3
    assert any(first in f.name for f in server.mail(local))


@clauses("S1-26")
def test_nothing_is_minted_without_delivery(server, pair):
    remote, local = pair
    temporary = server.temporary(remote, local)
    with server.token_session(local, temporary) as c:
        c.mail(remote)
        c.rcpt(local, temporary)
        c.want("RSET", "250 2.0.0")
    assert server.show("tokens", "local", local, "remote", remote) == []


@clauses("S1-68", "S1-77", "F-02", "S1-72")
def test_each_recipient_has_a_token(server, pair):
    """Logged in by one; 2.1.12 and 2.1.13 in one transaction, in order."""
    remote, local = pair
    temporary = server.temporary(remote, local)
    permanent = server.permanent(remote, OTHER)
    with server.token_session(local, temporary) as c:
        replies = deliver(c, remote, (OTHER, permanent), (local, temporary))
        assert [r.status for r in replies] == ["250 2.1.12", "250 2.1.13"]
        assert split(replies[0], OTHER)[1] != split(replies[1], local)[1]


@clauses("S1-72", "D-S17")
def test_missing_token(server, pair):
    token = server.temporary(*pair)
    with server.token_session(LOCAL, token) as c:
        c.mail(pair[0])
        assert c.rcpt(LOCAL).status == REFUSED


@clauses("S1-16", "S1-72", "D-S17")
def test_one_refusal_for_all(server, pair):
    remote, local = pair
    token = server.temporary(remote, local)
    foreign = server.temporary("someone-else@b.example", local)
    other = server.temporary(remote, OTHER)
    with server.token_session(local, token) as c:
        c.mail(remote)
        replies = {str(c.rcpt(local, x)) for x in (
            foreign, other, token[:-2] + "AA", "garbage", token.swapcase())}
        replies.add(str(c.rcpt("nobody-here@a.example", token)))
        assert len(replies) == 1, replies
        assert replies.pop().startswith(REFUSED)
        assert c.rcpt(local, token).status == OK


@clauses("S1-16", "D-S04")
def test_other_senders(server, pair):
    remote, local = pair
    token = server.temporary(remote, local)
    user, domain = remote.split("@")
    with server.token_session(local, token) as c:
        for sender in ("x" + remote, user + "+x@" + domain,
                       user + "@sub." + domain, user + "@example", local):
            assert c.mail(sender).status == "250 2.1.0"
            assert c.rcpt(local, token).status == REFUSED, sender
            c.want("RSET", "250 2.0.0")
        for sender in (remote.upper(), '"%s"@%s' % (user, domain)):
            assert c.mail(sender).status == "250 2.1.0"
            assert c.rcpt(local, token).status == OK, sender
            c.want("RSET", "250 2.0.0")


@clauses("D-S23", "F-53")
def test_null_sender(server, pair):
    token = server.temporary(*pair)
    with server.token_session(LOCAL, token) as c:
        assert c.mail("").status == "250 2.1.0"
        assert c.rcpt(LOCAL, token).status == REFUSED


@clauses("S1-65")
def test_without_login(server, pair):
    token = server.temporary(*pair)
    with server.hello("LHLO") as c:
        c.want("MAIL FROM:<%s>" % pair[0], "530 5.7.0")
        assert c.rcpt(LOCAL, token).code in (503, 530)


PARAMETERS = [
    ("STOKEN=", "501 5.5.4"), ("STOKEN", "501 5.5.4"),
    ("STOKEN={t} STOKEN={t}", "501 5.5.4"),
    ("STOKEN={t} stoken={t}", "501 5.5.4"),
    ("MYSTOKEN=abc", "501 5.5.4"),
    ("STOKEN={t} MYSTOKEN=", "501 5.5.4"),
    ("STOKEN={t} MYSTOKEN", "501 5.5.4"),
    ("STOKEN={t} MYSTOKEN=a MYSTOKEN=b", "501 5.5.4"),
    ("STOKEN=a=b", "501 5.5.4"), ("STOKEN=a\u00e4", "501 5.5.4"),
    ("STOKEN=a\x01b", "501 5.5.4"),
    ("STOKEN={t} MYSTOKEN=a=b", "501 5.5.4"),
    ("STOKEN={t} MYSTOKEN=" + "m" * 256, "501 5.5.4"),
    ("STOKEN={t} FROB=1", "555 5.5.4"), ("FROB", "555 5.5.4"),
    ("STOKEN={t} NOTIFY=NEVER", "555 5.5.4"),
    ("STOKEN={t}", OK), ("stoken={t}", OK), ("sToKeN={t} mystoken=x", OK),
    ("MYSTOKEN=x STOKEN={t}", OK),
    ("STOKEN={t} MYSTOKEN=" + "m" * 255, OK),
    ("STOKEN={t} MYSTOKEN=!\"#$%&'()*+,-./:;<>?@[]^_`{|}~", OK)]


@clauses("S1-06", "S1-79", "S1-80", "D-S17", "D-S02")
@pytest.mark.parametrize("text,status", PARAMETERS)
def test_parameters(server, pair, text, status):
    token = server.temporary(*pair)
    with server.token_session(LOCAL, token) as c:
        c.mail(pair[0])
        line = "RCPT TO:<%s> %s" % (LOCAL, text.replace("{t}", token))
        c.want(line, status)
        c.want("RSET", "250 2.0.0")


@clauses("D-S17")
def test_stoken_in_an_smtp_session(server, pair):
    token = server.temporary(*pair)
    with server.login("alice@a.example", "EHLO") as c:
        c.mail("alice@a.example")
        assert c.rcpt(OTHER, token).status == "555 5.5.4"
        assert c.rcpt(OTHER, None, "mine").status == "555 5.5.4"
        assert c.rcpt(OTHER).status == OK


def test_stoken_after_a_normal_login(server, pair):
    token = server.temporary(*pair)
    with server.login("alice@a.example", "LHLO") as c:
        c.mail("alice@a.example")
        assert c.rcpt(OTHER, token).status == "501 5.5.4"
        assert c.rcpt(OTHER).status == OK


def test_stoken_on_the_socket(server, pair):
    token = server.temporary(*pair)
    with server.trusted() as c:
        c.mail(pair[0])
        assert c.rcpt(LOCAL, token).code in (501, 555)


@clauses("S1-73")
@pytest.mark.parametrize("local", ["outside@a.example", "mixed@a.example"])
def test_alias_that_leaves(server, pair, local):
    """Cannot be delivered synchronously: refused, with its own token too."""
    token = server.temporary(pair[0], LOCAL)
    done = server.ctl("generate", "temporary", pair[0], local)
    with server.token_session(LOCAL, token) as c:
        c.mail(pair[0])
        if done.returncode == 0:
            assert c.rcpt(local, done.stdout.strip()).status == REFUSED
        else:
            assert done.returncode == 65
            assert c.rcpt(local, token).status == REFUSED


@clauses("S1-69", "D-S04")
@pytest.mark.parametrize("local", ["sales@a.example", "alice+news@a.example",
                                   "chain@a.example"])
def test_alias_and_detail_are_their_own_pair(server, pair, local):
    token = server.temporary(pair[0], local)
    before = len(server.mail(LOCAL))
    with server.token_session(local, token) as c:
        c.mail(pair[0])
        assert c.rcpt(LOCAL, token).status == REFUSED
        c.want("RSET", "250 2.0.0")
        reply, = deliver(c, pair[0], (local, token))
        assert split(reply, local)[0]
    assert len(server.mail(LOCAL)) == before + 1


def test_alias_with_two_targets(server, pair):
    token = server.temporary(pair[0], "team@a.example")
    before = len(server.mail(LOCAL)), len(server.mail(OTHER))
    with server.token_session("team@a.example", token) as c:
        reply, = deliver(c, pair[0], ("team@a.example", token))
        assert split(reply, "team@a.example")[0]
    assert (len(server.mail(LOCAL)), len(server.mail(OTHER))) == (
        before[0] + 1, before[1] + 1)


@clauses("F-02")
def test_same_recipient_twice(server, pair):
    remote, local = pair
    token = server.permanent(remote, local)
    before = len(server.mail(local))
    with server.token_session(local, token) as c:
        replies = deliver(c, remote, (local, token), (local, token))
        assert len({split(r, local)[1] for r in replies}) == 2
    assert len(server.mail(local)) == before + 2


@clauses("S1-74", "D-S24")
def test_mystoken_is_held_after_delivery(server, pair):
    remote, local = pair
    token = server.temporary(remote, local)

    def held():
        return [x for x in server.show("held")
                if x["remote"] == remote and x["local"] == local]

    with server.token_session(local, token) as c:
        c.mail(remote)
        assert c.rcpt(local, token, "their-token-1").status == OK
        c.want("RSET", "250 2.0.0")
        assert held() == []
        c.mail(remote)
        assert c.rcpt(local, token, "their-token-2").status == OK
        c.data(MESSAGE)
        assert len(held()) == 1
        c.mail(remote)
        assert c.rcpt(local, token, "their-token-3").status == OK
        c.data(MESSAGE)
        assert len(held()) == 1
    # What is held is nobody's to see.
    assert "their-token" not in server.ctl("show", "held", check=True).stdout
    for part in (server.dir / "db").rglob("*"):
        if part.is_file():
            assert b"their-token" not in part.read_bytes(), part


@clauses("S1-17", "S1-21")
def test_expiry(own):
    """T14: refused at AUTH, and at RCPT in a session that was in time."""
    server = own(extra="token temporary lifetime 6s")
    token = server.temporary()
    sender = "friend@b.example"
    with server.token_session(LOCAL, token) as c:
        assert c.mail(sender).status == "250 2.1.0"
        assert c.rcpt(LOCAL, token).status == OK
        c.want("RSET", "250 2.0.0")
        time.sleep(6.2)
        assert c.mail(sender).status == "250 2.1.0"
        assert c.rcpt(LOCAL, token).status == REFUSED
    with server.hello("LHLO") as c:
        assert c.token_login(LOCAL, token).status == "535 5.7.8"
    assert server.mail(LOCAL) == []


@clauses("S1-21", "S1-29")
def test_default_lifetimes(server, pair):
    """Seven days and 365 days, read back with `show token`."""
    for kind, days in (("temporary", 7), ("permanent", 365)):
        token = server.generate(kind, *pair)
        shown = server.show("token", pair[1], pair[0], input=token + "\n")
        issued, expires = (
            datetime.datetime.fromisoformat(shown[x].replace("Z", "+00:00"))
            for x in ("issued", "expires"))
        seconds = (expires - issued).total_seconds()
        assert abs(seconds - days * 86400) <= 2, shown
