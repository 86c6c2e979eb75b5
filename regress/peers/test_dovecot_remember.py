# SPDX-License-Identifier: ISC
"""Tokens of REMEMBERME where Dovecot has the passwords: we are not shown what
they are checked against, so that the user's going ends a token, and the
operator, and what the site says; as smtpd-stoken.conf(5) says."""
import pytest

import dovecot
import jail
import site_of_ours as site
from remember import FAILED, OK, ht2, remember, rememberme
from server import PASSWORDS, scram_line

ALICE, BOB = "alice@a.example", "bob@a.example"


@pytest.fixture(scope="module")
def both():
    reason = jail.trouble("dovecot")
    if reason:
        pytest.skip(reason)
    line, = site.directives(dovecot.SAMPLE, "users dovecot")
    with dovecot.Dovecot() as there, site.Site(there, line) as ours:
        there.share_users(ours)
        yield there, ours
        ours.check()


def test_tokens_of_dovecots_users(both):
    _, ours = both
    with ours.login(ALICE) as c:
        random, jwt = remember(c), remember(c, "JWT")
    for attempt in (lambda c: rememberme(c, random),
                    lambda c: rememberme(c, jwt),
                    lambda c: ht2(c, ALICE, random)):
        with ours.hello("EHLO") as c:
            assert attempt(c).status == OK
            assert c.mail(ALICE).status == "250 2.1.0"
    with ours.hello("EHLO") as c:
        assert rememberme(c, random).status == FAILED  # pinned


def test_what_ends_them(both):
    there, ours = both
    with ours.login(BOB) as c:
        one, two = remember(c), remember(c)
    text = there.users.read_text()
    others = [x for x in text.splitlines() if not x.startswith(BOB)]

    def accepted(token, wanted):
        with ours.hello("EHLO") as c:
            return rememberme(c, token).status == wanted
    # Another password: nobody tells us.
    there.users.write_text("\n".join(
        others + ["%s:%s" % (BOB, scram_line("another"))]) + "\n")
    assert accepted(one, OK)
    # No such user any more: Dovecot looks at its file now and then.
    there.users.write_text("\n".join(others) + "\n")
    there.wait(lambda: accepted(one, FAILED), "the end of bob")
    there.users.write_text(text)
    there.wait(lambda: accepted(one, OK), "bob again")
    ours.ctl("revoke", "user", BOB, check=True)
    assert accepted(one, FAILED) and accepted(two, FAILED)


def test_what_a_site_says_of_a_password(both):
    """D-R05: the field password_changed, of the passdb and of the userdb."""
    there, ours = both
    text = there.users.read_text()
    others = [x for x in text.splitlines() if not x.startswith(BOB)]

    def accepted(token, wanted):
        with ours.hello("EHLO") as c:
            return rememberme(c, token).status == wanted

    def say(stamp):
        there.users.write_text("\n".join(others + [
            "%s:%s::::::password_changed=%s userdb_password_changed=%s" %
            (BOB, scram_line(PASSWORDS[BOB]), stamp, stamp)]) + "\n")

    def fresh():
        with ours.login(BOB) as c:
            token = remember(c)
        return token if accepted(token, OK) else None
    try:
        with ours.login(BOB) as c:
            older = remember(c)
        say("2026-11-22T12:00:00Z")
        # Dovecot looks at its file now and then.
        there.wait(lambda: accepted(older, FAILED), "the field")
        token = there.wait(fresh, "a token that goes with it")
        assert accepted(token, OK)
        say("2026-11-22T12:00:01Z")
        there.wait(lambda: accepted(token, FAILED), "another password")
        there.wait(fresh, "a token that goes with that")
    finally:
        there.users.write_text(text)
    there.wait(fresh, "no field any more")
