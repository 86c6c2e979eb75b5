# SPDX-License-Identifier: ISC
"""A JWT that we made logs its user in at Dovecot's IMAP, which has nothing of
us but the public key: with the lines that the sample in etc/ says."""
import base64
import imaplib
import re

import pytest

import dovecot
import jail
import site_of_ours as site
from clause import clauses
from remember import claims, oauthbearer, remember, token_id

ALICE, BOB = "alice@a.example", "bob@a.example"
HOSTNAME = "mx.a.example"


def marked(mark):
    """The lines of the sample behind this mark."""
    return "".join(x + "\n" for x in re.findall(
        r"^#%s(.*)$" % re.escape(mark), jail.snippet(dovecot.SAMPLE), re.M))


class Dovecot(dovecot.Dovecot):

    def __init__(self):
        super().__init__()
        conf = self.dir / "etc/dovecot/dovecot.conf"
        conf.write_text(conf.read_text() + marked("|") + "auth_debug = yes\n")
        # A file that comes later would not be seen in an overlaid /etc.
        self.write("etc/dovecot/oauth2.conf.ext", marked(">").replace(
            "/etc/dovecot/keys/", "/var/lib/dovecot/keys/"))

    def take_keys(self, jwks):
        """As the loop of the sample does."""
        for key in jwks["keys"]:
            self.write("var/lib/dovecot/keys/default/ES256/" + key["kid"],
                       key["pem"])

    def login(self, mechanism, message):
        """The name that was logged in, or None."""
        session = imaplib.IMAP4("127.0.0.1", self.port, timeout=60)
        said = []

        def answer(challenge):
            said.append(challenge)
            return message if len(said) == 1 else b"\1"
        try:
            session.authenticate(mechanism, answer)
        except imaplib.IMAP4.error:
            session.shutdown()
            return None
        status, lines = session.list()
        assert status == "OK" and lines
        session.logout()
        return True


@pytest.fixture(scope="module")
def both():
    reason = jail.trouble("dovecot")
    if reason:
        pytest.skip(reason)
    with Dovecot() as there, site.Site(there) as ours:
        there.share_users(ours)
        there.take_keys(ours.show("jwks"))
        yield there, ours
        ours.check()


def jwt_of(ours, user):
    with ours.login(user) as c:
        return remember(c, "JWT")


def by_oauthbearer(token, user=""):
    return ("n,%s,\1host=mx\1port=143\1auth=Bearer %s\1\1" % (
        "a=" + user if user else "", token)).encode()


def by_xoauth2(token, user):
    return ("user=%s\1auth=Bearer %s\1\1" % (user, token)).encode()


@clauses("X-5")
@pytest.mark.parametrize("user", [ALICE, BOB])
def test_our_jwt_is_good_for_imap(both, user):
    there, ours = both
    token = jwt_of(ours, user)
    assert there.login("OAUTHBEARER", by_oauthbearer(token, user)), \
        there.logs()
    assert there.login("XOAUTH2", by_xoauth2(token, user)), there.logs()
    # And for us.
    with ours.hello("EHLO") as c:
        assert oauthbearer(c, token, user).status == "235 2.7.0"


@clauses("X-5")
def test_what_dovecot_refuses(both):
    there, ours = both
    token = jwt_of(ours, ALICE)
    head, body, signature = token.split(".")
    tampered = base64.urlsafe_b64encode(base64.urlsafe_b64decode(
        body + "==").replace(b"alice", b"bobby")).decode().rstrip("=")
    for lie in (head + "." + tampered + "." + signature,
                head + "." + body + "." + signature[::-1],
                head + "." + body + "."):
        assert not there.login("OAUTHBEARER", by_oauthbearer(lie)), lie
    # Another's name beside one's own token.
    assert not there.login("XOAUTH2", by_xoauth2(token, BOB))
    assert there.login("XOAUTH2", by_xoauth2(token, ALICE)), there.logs()


@clauses("X-5")
def test_after_a_rotation(both):
    """The old key stays published, and the new one is to be fetched."""
    there, ours = both
    old = jwt_of(ours, ALICE)
    ours.ctl("rotate", "key", check=True)
    new = jwt_of(ours, ALICE)
    assert new.split(".")[0] != old.split(".")[0]
    assert not there.login("OAUTHBEARER", by_oauthbearer(new, ALICE))
    there.take_keys(ours.show("jwks"))
    for token in old, new:
        assert there.login("OAUTHBEARER", by_oauthbearer(token, ALICE)), \
            there.logs()


def test_a_revocation_is_not_told(both):
    """What the manual page says: Dovecot does not ask us."""
    there, ours = both
    token = jwt_of(ours, BOB)
    ours.ctl("revoke", "reauth", token_id(token), check=True)
    with ours.hello("EHLO") as c:
        assert oauthbearer(c, token, BOB).status == "535 5.7.8"
    assert there.login("OAUTHBEARER", by_oauthbearer(token, BOB))
    assert claims(token)["iss"] == HOSTNAME
