# SPDX-License-Identifier: ISC
"""Debian's Dovecot with the sample etc/dovecot.conf, in a name space."""
import imaplib
import os

import jail
import server
import site_of_ours as site

ACCOUNTS = dict(site.ACCOUNTS, dovecot=61101, dovenull=61102)
SAMPLE = "dovecot.conf"
BEFORE = """\
protocols = imap lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login scram-sha-256
auth_failure_delay = 0
auth_verbose = yes
log_path = /var/log/dovecot.log
hostname = mx.a.example
postmaster_address = postmaster@a.example
service anvil {
  # No waiting after a wrong password.
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service imap-login {
  inet_listener imap {
    port = %d
  }
  inet_listener imaps {
    port = 0
  }
}
"""


class Dovecot(jail.Jail):

    def __init__(self):
        super().__init__("dovecot", ACCOUNTS)
        self.port = server.free_port()
        self.write("etc/dovecot/dovecot.conf",
                   BEFORE % self.port + jail.snippet(SAMPLE))
        self.directory("var/lib/dovecot")
        self.users = self.write("etc/smtpd-stoken/users", "", 0o640)
        os.chown(self.users, 0, ACCOUNTS["_tokend"])

    def start(self):
        super().start()
        self.spawn("/usr/sbin/dovecot", "-F")
        self.wait_port(self.port)
        return self

    def share_users(self, ours):
        """The users file of our server, where the sample has it. Carol is
        known to us alone."""
        lines = (ours.dir / "users").read_text().splitlines(True)
        self.users.write_text("".join(
            x for x in lines if not x.startswith("carol@")))

    def imap(self, user):
        session = imaplib.IMAP4("127.0.0.1", self.port, timeout=60)
        session.login(user, server.PASSWORDS[user])
        return session
