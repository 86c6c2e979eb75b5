# SPDX-License-Identifier: ISC
"""users dovecot: a real Dovecot checks the passwords of those who log in to
us, and says who there is."""
import contextlib
import time

import pytest

import jail
import server
import site_of_ours as site

ALICE, BOB, MUTE, DEAF = ("%s@a.example" % x
                          for x in ("alice", "bob", "mute", "deaf"))
# Dovecot slows an address down that fails: those that do have their own.
ELSEWHERE = "127.0.0.3", "127.0.0.4"
CONFIGURATION = """\
protocols =
listen = 127.0.0.1
ssl = no
log_path = /var/log/dovecot.log
auth_mechanisms = plain login scram-sha-256
auth_verbose = yes
auth_debug = yes
passdb {
  driver = passwd-file
  args = scheme=CRYPT username_format=%Lu /etc/smtpd-stoken/users
}
userdb {
  driver = passwd-file
  args = username_format=%Lu /etc/smtpd-stoken/users
  default_fields = uid=vmail gid=vmail home=/var/vmail/%Ld/%Ln
}
service auth {
  unix_listener auth-client {
    mode = 0600
    user = nobody
  }
  unix_listener auth-userdb {
    mode = 0600
    user = nobody
  }
}
"""


class Dovecot(jail.Jail):

    def __init__(self):
        super().__init__("dovecot", dict(
            site.ACCOUNTS, dovecot=61101, dovenull=61102))
        self.write("etc/dovecot/dovecot.conf", CONFIGURATION)
        self.directory("var/lib/dovecot")
        word = server.PASSWORDS
        self.write("etc/smtpd-stoken/users", "".join(
            "%s:%s::::::%s\n" % line for line in (
                (ALICE, server.crypt_line(word[ALICE]), ""),
                (BOB, server.scram_line(word[BOB]), ""),
                (MUTE, server.crypt_line("mute"), "submit=no"),
                (DEAF, server.crypt_line("deaf"), "userdb_receive=no"))))
        self.socket = self.dir / "run/dovecot/auth-client"

    def start(self):
        super().start()
        self.begin()
        return self

    def begin(self):
        self.spawn("/usr/sbin/dovecot", "-F")
        self.wait(self.socket.exists, "its socket")

    def end(self):
        self.run("/usr/bin/doveadm", "stop")
        self.spawned.pop().wait(jail.START_SECONDS)

    def log(self):
        return (self.var / "log/dovecot.log").read_text()


@pytest.fixture(scope="module")
def there():
    reason = jail.trouble("dovecot")
    if reason:
        pytest.skip(reason)
    with Dovecot() as one:
        yield one


@pytest.fixture(scope="module")
def both(there):
    with server.Server(replace={
            "users file": 'users dovecot "%s"' % there.socket}) as ours:
        until(ours, "235 2.7.0")
        yield there, ours
        ours.check()


@pytest.fixture
def ours(both):
    return both[1]


def log_in(ours, how, user, password, source=None):
    """The answer to it."""
    with ours.connect("smtps", source=source) as c:
        c.ehlo()
        return getattr(c, how)(user, password)


def until(ours, status):
    """It comes to that by itself."""
    deadline = time.monotonic() + jail.START_SECONDS
    while True:
        said = log_in(ours, "plain_login", ALICE, server.PASSWORDS[ALICE])
        if said.status == status:
            return
        assert time.monotonic() < deadline, said
        time.sleep(0.2)


def session(ours, user=ALICE, password=None):
    c = ours.connect("smtps")
    c.ehlo()
    said = c.plain_login(user, password or server.PASSWORDS[user])
    assert said.status == "235 2.7.0", said
    return c


def test_what_dovecot_has_is_offered(ours):
    with ours.connect("smtps") as c:
        assert server.of_passwords(c.ehlo()["AUTH"]) == [
            "SCRAM-SHA-256", "PLAIN", "LOGIN"]
        assert c.cmd("AUTH SCRAM-SHA-256-PLUS").status == "504 5.5.4"


@pytest.mark.parametrize("how, user", [
    ("plain_login", ALICE), ("login_login", ALICE), ("scram", BOB)])
def test_who_may_log_in(ours, how, user):
    said = log_in(ours, how, user, server.PASSWORDS[user])
    assert said.status == "235 2.7.0", said


@pytest.mark.parametrize("how, user, source", [
    ("plain_login", ALICE, ELSEWHERE[0]), ("scram", BOB, ELSEWHERE[0]),
    ("login_login", "nobody@a.example", ELSEWHERE[1])])
def test_who_may_not(both, how, user, source):
    there, ours = both
    assert log_in(ours, how, user, "wrong", source).status == "535 5.7.8"
    line = [x for x in ours.log_text().splitlines() if "auth failed" in x][-1]
    assert "address=%s " % source in line and 'user="%s"' % user in line
    # The client's address and our name for the session are in its log.
    name = line.split(": ", 1)[1].split()[0]
    said = [x for x in there.log().splitlines() if "session=" + name in x]
    assert said and "rip=" + source in said[0], said


def test_many_at_once(ours):
    """They wait for Dovecot, not for one another."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(ours.connect("smtps"))
                   for _ in range(20)]
        for c in clients:
            c.ehlo()
            c.send(b"AUTH PLAIN " + server.client.b64(
                ("\0%s\0%s" % (BOB, server.PASSWORDS[BOB])).encode()
            ).encode() + b"\r\n")
        for c in clients:
            assert c.reply().status == "235 2.7.0"


def test_the_userdb_knows_who_there_is(ours):
    with session(ours) as c:
        c.want("MAIL FROM:<%s>" % BOB, "550 5.7.1")
        c.want("MAIL FROM:<alice+x@a.example>", "250 2.1.0")
        for known in (ALICE, BOB, "bob+list@a.example", "team@a.example"):
            assert c.rcpt(known).status == "250 2.1.5", known
        assert c.rcpt("nobody@a.example").status == "550 5.1.1"
        reply, = c.data("Subject: hello\r\n\r\nhello\r\n")
        assert reply.status == "250 2.0.0"


def test_extra_fields_of_the_users(ours):
    with session(ours, MUTE, "mute") as c:
        c.want("MAIL FROM:<%s>" % MUTE, "550 5.7.1")
    with session(ours) as c:
        c.want("MAIL FROM:<%s>" % ALICE, "250 2.1.0")
        assert c.rcpt(MUTE).status == "250 2.1.5"
        assert c.rcpt(DEAF).code == 550


def test_dovecot_is_stopped_and_started(both):
    there, ours = both
    with session(ours) as c:
        there.end()
        until(ours, "454 4.7.0")
        assert c.cmd("MAIL FROM:<%s>" % ALICE).status[:1] == "4"
        there.begin()
        until(ours, "235 2.7.0")
        c.want("RSET", "250 2.0.0")
        deadline = time.monotonic() + jail.START_SECONDS
        while c.cmd("MAIL FROM:<%s>" % ALICE).code != 250:
            assert time.monotonic() < deadline
            time.sleep(0.2)
        c.want("RCPT TO:<%s>" % BOB, "250 2.1.5")
