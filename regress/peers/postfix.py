# SPDX-License-Identifier: ISC
"""Debian's Postfix with the samples etc/postfix-*.cf, in a name space."""
import json
import pathlib
import re

import jail
import mta
import site_of_ours as site

ACCOUNTS = dict(site.ACCOUNTS, postfix=61101, postdrop=61102)
MAIN, MASTER = "postfix-main.cf", "postfix-master.cf"
# What differs from a machine with mail in and out: its ports, and nothing
# leaves. A client on 127.0.0.2 is a stranger.
TEST = """
myhostname = mta.a.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.1/32
maillog_file = /var/log/mail.log
address_verify_poll_delay = 1s
defer_transports = smtp
smtpd_helo_restrictions = check_recipient_access
    inline:{ { refused@out.example = 550 5.1.6 He has moved } }
header_checks = regexp:/etc/postfix/header_checks
"""
CHECKS = "/^Subject: ham and spam/ REJECT Not with this subject\n"
NOTIFY = {1: "NEVER", 2: "SUCCESS", 4: "FAILURE", 8: "DELAY"}


def directories(where):
    """As Debian's package makes them, and the files that its start copies
    for those services that are chrooted in the queue."""
    where.directory("var/spool/postfix")
    where.directory("var/lib/postfix", "postfix", mode=0o700)
    for name in ("hosts", "resolv.conf", "services", "nsswitch.conf"):
        file = where.etc / name
        if not file.exists():
            file = pathlib.Path("/etc", name)
        if file.exists():
            where.write("var/spool/postfix/etc/" + name, file.read_text())


class Postfix(mta.Mta):
    """`main` and `master` are put behind what there is."""

    def __init__(self, main="", master_lines="", also=(), accounts=()):
        super().__init__("postfix", dict(ACCOUNTS, **dict(accounts)), also)
        share = self.root / "usr/share/postfix"
        master = (share / "master.cf.dist").read_text().replace(
            "smtp      inet", "127.0.0.1:%d inet" % self.port)
        self.write("etc/postfix/master.cf", master + jail.snippet(
            MASTER, {"\n127.0.0.1:10025": "\n127.0.0.1:%d" % self.ours}) +
                   master_lines)
        self.write("etc/postfix/main.cf", (share / "main.cf.debian")
                   .read_text() + TEST + jail.snippet(MAIN) + main)
        self.write("etc/postfix/header_checks", CHECKS)
        directories(self)

    def launch(self):
        self.run("postfix", "start")

    def try_again(self):
        self.run("postqueue", "-f")

    def ids(self):
        lines = self.run("postqueue", "-j").splitlines()
        return [x["queue_id"] for x in map(json.loads, lines)
                if x["queue_name"] == "deferred"]

    def look(self, name):
        text = self.run("postcat", "-e", "-q", name, text=False)
        found = mta.Waiting(name, self.run("postcat", "-b", "-h", "-q", name,
                                           text=False))
        notify = 0
        for word, value in re.findall(r"^([a-z_]+): (.*)$", text.decode(),
                                      re.M):
            key, _, value_of = value.partition("=")
            if word == "sender":
                found.sender = value
            elif word == "recipient":
                found.recipients.append(value)
                found.notify[value] = ",".join(
                    x for bit, x in NOTIFY.items() if notify & bit)
                notify = 0
            elif key == "notify_flags":
                notify = int(value_of)
            elif key == "envelope_id":
                found.envid = value_of
            elif key == "ret_flags":
                found.ret = {"1": "FULL", "2": "HDRS"}[value_of]
            elif word == "message_size":
                found.utf8 = value.split()[5] != "0"
            elif word == "named_attribute" and key == "dsn_orig_rcpt":
                original = value_of
            if word == "recipient":
                found.orcpt[value] = original
        return found
