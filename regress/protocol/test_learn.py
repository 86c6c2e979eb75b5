# SPDX-License-Identifier: ISC
"""Tokens of other servers that are found in mail, and what is kept of them.

What is to be kept is told to tokend without a reply being waited for, so
these tests wait for it; what must not be kept is followed by something that
is, in the same session.
"""
import itertools
import time

import pytest

from clause import clauses
from server import Server

ALICE, BOB = "alice@a.example", "bob@a.example"
PASS = "Authentication-Results: mx.a.example; dmarc=pass (p=none)" \
    " header.from=b.example\r\n"
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def own():
    with Server() as one:
        yield one


@pytest.fixture
def remote():
    return "learn%d@b.example" % next(numbers)


def rows(server, remote):
    return {x["local"]: x for x in server.show("held")
            if x["remote"] == remote}


def wait_for(server, remote, *locals_, tokens=None):
    end = time.monotonic() + 30
    while True:
        found = rows(server, remote)
        if set(found) == set(locals_) and (
                tokens is None or
                all(x["tokens"] == tokens for x in found.values())):
            return found
        assert time.monotonic() < end, found
        time.sleep(0.05)


def message(remote, *fields, before=""):
    return "%sFrom: Al <%s>\r\n%sSubject: x\r\n\r\nText.\r\n" % (
        before, remote, "".join("%s\r\n" % x for x in fields))


def deliver(c, sender, text, *recipients):
    c.mail(sender)
    for recipient in recipients:
        assert c.rcpt(recipient).status == "250 2.1.5"
    for reply in c.data(text, len(recipients)):
        assert reply.status == "250 2.1.12"


def fence(server, c, name):
    """All that was sent before in this session was looked at."""
    mark = "fence-%s@b.example" % name
    deliver(c, mark, message(mark, "Submission-Token: x", before=PASS), BOB)
    wait_for(server, mark, BOB)


@clauses("S1-49", "S1-50", "D-S11")
def test_socket(own, remote):
    """Under the default an Authentication-Results of ours must vouch."""
    before = len(own.mail(ALICE))
    with own.trusted() as c:
        deliver(c, "bounce@else.example", message(
            remote, "Submission-Token: their-secret-1", before=PASS),
            ALICE, "bob+x@a.example")
    found = wait_for(own, remote, ALICE, "bob+x@a.example", tokens=1)
    assert all(x["learned"] == "field" and x["received"].endswith("Z")
               for x in found.values())
    # It is not in the way of anything, and nobody sees it.
    text = own.mail(ALICE)[before].read_text()
    assert "Submission-Token: their-secret-1\n" in text
    assert text.count("Authentication-Results: mx.a.example") == 1
    assert "their-secret" not in own.ctl("show", "held", check=True).stdout
    assert "their-secret" not in own.log_text()
    own.wait_log("token learned local=<%s> remote=<%s> count=1" %
                 (ALICE, remote))
    for part in (own.dir / "db").rglob("*"):
        if part.is_file():
            assert b"their-secret" not in part.read_bytes(), part


# As Postfix has it with a filter for each method: a field of each, in one
# name, and what else such filters say.
HOP = ("Received: from out.b.example (out.b.example [192.0.2.1])\r\n"
       "\tby mx.a.example (Postfix) with ESMTPS id 799D23714D\r\n"
       "\tfor <alice@a.example>; Mon,  1 Jun 2026 00:27:03 +0000 (UTC)\r\n")
FILTERS = ("Authentication-Results: mx.a.example; dmarc=none (p=none dis=none)"
           " header.from=b.example\r\n"
           "X-Filter: x\r\n"
           "Authentication-Results: mx.a.example; spf=pass"
           " smtp.mailfrom=b.example\r\n")
DKIM = ("DKIM-Filter: OpenDKIM Filter v2.11.0 mx.a.example 799D23714D\r\n"
        "Authentication-Results: mx.a.example;\r\n\tdkim=pass (2048-bit key)"
        " header.d=b.example header.i=@b.example header.b=\"B4AOKaWx\"\r\n")
UNTRUSTED = {
    "nothing": "",
    "another server": "Authentication-Results: mx.b.example; dmarc=pass\r\n",
    "fail": "Authentication-Results: mx.a.example; dmarc=fail\r\n",
    "none": "Authentication-Results: mx.a.example; none\r\n",
    "another domain": PASS.replace("b.example", "c.example"),
    "a subdomain": PASS.replace("b.example", "x.b.example"),
    "forged below": "Authentication-Results: mx.a.example; dmarc=none\r\n"
                    + PASS,
    "another's key": "Authentication-Results: mx.a.example; dkim=pass"
                     " header.d=c.example\r\n",
    "in a comment": "Authentication-Results: mx.a.example; spf=none"
                    " (; dmarc=pass)\r\n",
    "in a string": "Authentication-Results: mx.a.example; spf=none"
                   ' reason="; dmarc=pass"\r\n',
    "unclosed": "Authentication-Results: mx.a.example; dmarc=pass (\r\n",
    "two From": PASS + "From: eve@b.example\r\n",
    "too long": "Authentication-Results: mx.a.example; dmarc=pass\r\n" +
                " (%s)\r\n" % ("x" * 900) * 3,
}


UNTRUSTED.update({
    "forged below the next hop": FILTERS + HOP + PASS,
    "forged beside a true one": HOP + FILTERS.split("X-Filter")[0] + PASS})


@clauses("S1-50", "D-S11")
@pytest.mark.parametrize("name", UNTRUSTED)
def test_socket_without_authentication(own, remote, name):
    with own.trusted() as c:
        deliver(c, remote, message(remote, "Submission-Token: theirs",
                                   before=UNTRUSTED[name]), ALICE)
        fence(own, c, remote.split("@")[0])
    assert rows(own, remote) == {}


TRUSTED = {
    "dkim": "Authentication-Results: mx.a.example;\r\n\tdkim=pass (good)"
            " header.d=b.example header.b=a/b+c=\r\n",
    "first dkim fails": "Authentication-Results: MX.A.EXAMPLE 1; dkim=fail"
                        " header.d=b.example; dkim=pass header.i=@b.example"
                        "\r\n",
    "topmost": PASS + PASS.replace("pass", "fail"),
    "below another's": "Authentication-Results: mx.b.example; none\r\n" + PASS,
    "a field of each filter": HOP + FILTERS + DKIM + HOP,
    "above the hop": FILTERS + DKIM + HOP + PASS.replace("pass", "fail"),
}


@clauses("S1-50")
@pytest.mark.parametrize("name", TRUSTED)
def test_socket_with_authentication(own, remote, name):
    with own.trusted() as c:
        deliver(c, remote, message(remote, "Submission-Token: theirs",
                                   before=TRUSTED[name]), ALICE)
    wait_for(own, remote, ALICE)


@clauses("S1-50", "S1-51", "D-S10")
def test_several_fields(own, remote):
    """Alternatives; a hint of a host and whatever else is ignored."""
    with own.trusted() as c:
        deliver(c, remote, message(
            remote, "Submission-Token: one; host=evil.example",
            "X-Other: y", "submission-TOKEN :\r\n two", "Submission-Token: " +
            "x" * 255, before=PASS), ALICE)
        wait_for(own, remote, ALICE, tokens=3)
        # The same again are no others.
        deliver(c, remote, message(remote, "Submission-Token: two",
                                   before=PASS), ALICE)
        fence(own, c, remote.split("@")[0])
        wait_for(own, remote, ALICE, tokens=3)
        deliver(c, remote, message(
            remote, *("Submission-Token: t%d" % i for i in range(20)),
            before=PASS), ALICE)
        wait_for(own, remote, ALICE, tokens=8)


@clauses("S1-50", "D-S02")
def test_what_is_no_token(own, remote):
    with own.trusted() as c:
        deliver(c, remote, message(
            remote, "Submission-Token: " + "x" * 256, "Submission-Token:",
            "Submission-Token: ;x", "Submission-Token: a=b",
            "Submission-Token: a\x01b", "Submission-Token: \x7f",
            "Submission-Token: " + "\\" * 300 + " " * 2000 + "x",
            before=PASS), ALICE)
        fence(own, c, remote.split("@")[0])
    assert rows(own, remote) == {}


def test_our_own_domain(own):
    """Our users reach each other without tokens."""
    with own.trusted() as c:
        deliver(c, BOB, message(BOB, "Submission-Token: ours",
                                before=PASS.replace("from=b", "from=a")),
                ALICE)
        fence(own, c, "own")
    assert rows(own, BOB) == {}


def test_users_mail_teaches_nothing(own, remote):
    with own.login(ALICE, "LHLO") as c:
        c.mail(ALICE)
        assert c.rcpt(BOB).status == "250 2.1.5"
        c.data(message(remote, "Submission-Token: theirs", before=PASS))
    with own.trusted() as c:
        fence(own, c, "user")
    assert rows(own, remote) == {}


@clauses("S1-50", "S1-74", "D-S24")
def test_token_session(own, remote):
    """From is who the token was given to: no other word is needed."""
    token = own.permanent(remote, ALICE)
    with own.token_session(ALICE, token) as c:
        c.mail(remote)
        assert c.rcpt(ALICE, token).status == "250 2.1.5"
        c.data(message(remote.upper(), "Submission-Token: theirs"))
        found = wait_for(own, remote, ALICE, tokens=1)
        assert found[ALICE]["learned"] == "field"
        c.mail(remote)
        assert c.rcpt(ALICE, token, "mine").status == "250 2.1.5"
        c.data(message(remote))
        found = wait_for(own, remote, ALICE, tokens=2)
        assert found[ALICE]["learned"] == "mystoken"
        c.mail(remote)
        assert c.rcpt(ALICE, token, "mine").status == "250 2.1.5"
        c.data(message(remote, "Submission-Token: theirs"))
        found = wait_for(own, remote, ALICE, tokens=2)


@clauses("S1-50")
def test_token_session_of_somebody_else(own, remote):
    """A token speaks for its holder alone, whatever the message says."""
    token, other = own.permanent(remote, ALICE), "other-" + remote
    with own.token_session(ALICE, token) as c:
        for text in (message(other, "Submission-Token: a", before=PASS),
                     message(other, "Submission-Token: a"),
                     message(remote, "Submission-Token: a",
                             "From: " + remote),
                     message(remote + ", " + other, "Submission-Token: a"),
                     "Submission-Token: a\r\n\r\n"):
            c.mail(remote)
            assert c.rcpt(ALICE, token).status == "250 2.1.5"
            assert c.data(text)[0].status == "250 2.1.12"
        c.mail(remote)
        assert c.rcpt(ALICE, token, "fence").status == "250 2.1.5"
        c.data(message(remote))
    found = wait_for(own, remote, ALICE)
    assert found[ALICE]["tokens"] == 1
    assert rows(own, other) == {}


@clauses("D-S24")
def test_a_recipient_that_got_nothing_learns_nothing(own, remote):
    with own.trusted() as c:
        c.mail(remote)
        assert c.rcpt(ALICE).status == "250 2.1.5"
        assert c.rcpt("nobody-here@a.example").status == "550 5.1.1"
        box = own.mailbox(BOB)
        c.rcpt(BOB)
        box.mkdir(parents=True, exist_ok=True)
        aside = box.with_name("bob.aside")
        box.rename(aside)
        box.write_text("no directory")
        try:
            replies = c.data(message(remote, "Submission-Token: theirs",
                                     before=PASS), 2)
        finally:
            box.unlink()
            aside.rename(box)
        assert replies[0].status == "250 2.1.12"
        assert replies[1].code // 100 == 4
    wait_for(own, remote, ALICE)


@clauses("S1-50")
def test_survives(own, remote):
    """A restart, and the retiring of the key that they are sealed by."""
    with own.trusted() as c:
        deliver(c, remote, message(remote, "Submission-Token: one",
                                   "Submission-Token: two", before=PASS),
                ALICE)
    wait_for(own, remote, ALICE, tokens=2)
    old = [x["id"] for x in own.show("keys") if x["state"] == "active"][0]
    own.ctl("rotate", "key", check=True)
    own.ctl("retire", "key", str(old), check=True)
    wait_for(own, remote, ALICE, tokens=2)
    own.terminate()
    own.start()
    wait_for(own, remote, ALICE, tokens=2)
    own.ctl("check", check=True)


@pytest.mark.parametrize("line,kept", [
    ("token learn none", ()), ("token learn any", ("plain", "pass", "other")),
    ("token learn authenticated other.example", ("other",)),
    ("token no", ())])
def test_settings(line, kept):
    forms = {"plain": "", "pass": PASS,
             "other": PASS.replace("mx.a.", "other.")}
    with Server(extra=line) as server:
        with server.trusted() as c:
            for name, before in forms.items():
                remote = "%s@b.example" % name
                deliver(c, remote, message(
                    remote, "Submission-Token: x", before=before), ALICE)
        for name in kept:
            wait_for(server, "%s@b.example" % name, ALICE)
        server.terminate()
        server.start()
        assert {x["remote"] for x in server.show("held")} == {
            "%s@b.example" % name for name in kept}
