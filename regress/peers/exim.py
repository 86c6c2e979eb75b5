# SPDX-License-Identifier: ISC
"""Debian's Exim with the sample etc/exim.conf, in a name space."""
import re

import jail
import mta
import site_of_ours as site

ACCOUNTS = dict(site.ACCOUNTS, **{"Debian-exim": 61102})
SAMPLE = "exim.conf"
# The rest of a site's configuration, as little as will do. What is not ours
# stays in the queue.
BEFORE = """\
primary_hostname = mta.a.example
log_file_path = /var/log/exim4/%slog
tls_advertise_hosts =
keep_environment =
acl_smtp_rcpt = accept
disable_ipv6
queue_domains = ! a.example
"""
OUTSIDE_ROUTER = """\
outside:
  driver = manualroute
  route_list = * 127.0.0.1
  transport = outside

"""
OUTSIDE_TRANSPORT = """
outside:
  driver = smtp
"""
NOTIFY = {2: "NEVER", 4: "SUCCESS", 8: "FAILURE", 16: "DELAY"}


class Exim(mta.Mta):

    def __init__(self):
        super().__init__("exim", ACCOUNTS)
        sample = jail.snippet(SAMPLE, {
            "0.0.0.0.25": "127.0.0.1.%d" % self.port,
            ": 127.0.0.1.10025": ": 127.0.0.1.%d" % self.ours,
            "begin transports": OUTSIDE_ROUTER + "begin transports"})
        self.write("etc/exim4/exim4.conf", BEFORE + sample +
                   OUTSIDE_TRANSPORT)
        for part in ("spool", "log"):
            self.directory("var/%s/exim4" % part, "Debian-exim", mode=0o750)

    def launch(self):
        self.spawn("/usr/sbin/exim4", "-bdf", "-oP", "/run/exim.pid")

    def try_again(self):
        self.run("exim4", "-qff")

    def ids(self):
        return re.findall(r"^ *\S+ +\S+ +(\S+) <", self.run("exim4", "-bpr"),
                          re.M)

    def look(self, name):
        """The -H file: words, then the recipients, an empty line, header."""
        found = mta.Waiting(name, self.run("exim4", "-Mvc", name, text=False))
        lines = iter(self.run("exim4", "-Mvh", name).splitlines())
        for line in lines:
            word, _, value = line.partition(" ")
            if re.fullmatch("<.*>", line):
                found.sender = line[1:-1]
            elif word == "-dsn_envid":
                found.envid = value
            elif word == "-dsn_ret":
                found.ret = {"1": "FULL", "2": "HDRS"}[value]
            elif word == "-smtputf8":
                found.utf8 = True
            elif word == "XX":
                break
        count = next(lines, None)
        if count is None:  # a tree of those who have it, in place of XX
            raise jail.Failed(name + " is delivered in part")
        for _ in range(int(count)):
            # ADDRESS [ORCPT] LENGTH,FLAGS ...: both of RFC 3461.
            address, original, flags = re.fullmatch(
                r"(\S+)(?: (\S*) \d+,(\d+)  .*)?", next(lines)).groups()
            found.recipients.append(address)
            found.orcpt[address] = original or ""
            found.notify[address] = ",".join(
                x for bit, x in NOTIFY.items() if int(flags or 0) & bit)
        return found
