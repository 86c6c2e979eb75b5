# SPDX-License-Identifier: ISC
"""Debian's OpenSMTPD with the sample etc/opensmtpd.conf, in a name space."""
import re

import jail
import mta
import site_of_ours as site

ACCOUNTS = dict(site.ACCOUNTS, opensmtpd=61101, opensmtpq=61102)
SAMPLE = "opensmtpd.conf"
NOTIFY = {1: "SUCCESS", 2: "FAILURE", 4: "DELAY", 8: "NEVER"}


class OpenSMTPD(mta.Mta):

    def __init__(self):
        super().__init__("opensmtpd", ACCOUNTS)
        self.write("etc/smtpd.conf", "listen on 127.0.0.1 port %d\n" % (
            self.port) + jail.snippet(SAMPLE, {
                "127.0.0.1 port 10025": "127.0.0.1 port %d" % self.ours}))
        self.directory("var/lib/opensmtpd/empty")

    def launch(self):
        # -P mta: nothing leaves.
        self.spawn("/usr/sbin/smtpd", "-d", "-P", "mta")

    def ctl(self, *arguments, **options):
        # As the group that smtpctl is installed with.
        return self.run("setpriv", "--regid", str(ACCOUNTS["opensmtpq"]),
                        "--clear-groups", "smtpctl", *arguments, **options)

    def queue(self):
        """An envelope for each recipient: {id: recipient}."""
        rows = [x.split("|") for x in
                self.ctl("show", "queue").splitlines()]
        return {row[0]: row for row in rows if row[2] == "mta"}

    def try_again(self):
        self.run("smtpctl", "schedule", "all", check=False)

    def ids(self):
        return sorted({x[:8] for x in self.queue()})

    def look(self, name):
        found = mta.Waiting(name, self.ctl("show", "message", name,
                                           text=False))
        for envelope in sorted(self.queue()):
            if not envelope.startswith(name):
                continue
            fields = dict(re.findall(r"^(\S+): (.*)$", self.ctl(
                "show", "envelope", envelope), re.M))
            to = fields["dest"]
            found.sender = fields.get("sender", "").strip("<>")
            found.ret = fields.get("dsn-ret", "")
            found.envid = fields.get("dsn-envid", "")
            found.recipients.append(to)
            # It keeps no type of address.
            found.orcpt[to] = "rfc822;" + fields["dsn-orcpt"] \
                if "dsn-orcpt" in fields else ""
            found.notify[to] = ",".join(
                x for bit, x in NOTIFY.items()
                if int(fields.get("dsn-notify", 0)) & bit)
        found.recipients.sort()
        return found
