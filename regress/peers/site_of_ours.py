# SPDX-License-Identifier: ISC
"""smtpd-stoken beside somebody else's server: started as root, in that one's
name space, with the lines that the samples in etc/ ask for.
"""
import os
import re
import shutil

import jail
import server

ACCOUNTS = {"_smtpdst": 61001, "_tokend": 61002, "vmail": 61003}
DELIVER = 'deliver maildir "/var/vmail/%{domain}/%{user}" user vmail'
REPLACED = ("listen on socket", "deliver", "users")


def directives(name, word):
    """The lines for smtpd-stoken.conf(5) that a sample's comment has."""
    return re.findall(r"^#\t(%s .*)$" % word, jail.snippet(name), re.M)


def quoted(line):
    """The first text in quotes."""
    return re.search('"([^"]*)"', line).group(1)


class Site(server.Server):
    """`where`: a Jail that runs. `lines`: directives in place of those that
    the base has, or on top of them."""

    def __init__(self, where, *lines, **options):
        self.jail = where
        if not any(x.startswith("deliver") for x in lines):
            lines = [DELIVER, *lines]
        replace = {word: line for line in lines for word in REPLACED
                   if line.startswith(word)}
        super().__init__(replace=replace, extra="\n".join(
            x for x in lines if x not in replace.values()), **options)
        self.mailroot = where.var / "vmail"
        for line in lines:
            if line.startswith("listen on socket"):
                # Inside it is /var/..., and for the tests somewhere else.
                path = quoted(line).removeprefix("/var/run/")
                self.socket = str(where.dir / "run" / path if path[0] != "/"
                                  else where.dir / path[1:])

    def find_programs(self):
        for part in ("sbin", "libexec"):
            shutil.copytree(server.BUILD / part, self.dir / "programs" / part)
        return self.dir / "programs"

    def own(self):
        """As the sample users(5) says: the users file is _tokend's to read."""
        self.wrap, self.direct = self.jail.enter(), True
        for name in ("users", "aliases"):
            os.chown(self.dir / name, 0, ACCOUNTS["_tokend"])
            (self.dir / name).chmod(0o640)
        (self.dir / "db").mkdir(mode=0o700)
        os.chown(self.dir / "db", ACCOUNTS["_tokend"], ACCOUNTS["_tokend"])
        self.jail.directory("var/vmail", "vmail", mode=0o755)
