# SPDX-License-Identifier: ISC
"""The fail2ban filter against log lines, also with hostile user names.

The pattern is tried as Python, with fail2ban's abbreviations written out, and
through fail2ban-regex where that is installed.
"""
import configparser
import os
import re
import shutil
import subprocess
import sys
import tempfile

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
FILTER = os.path.join(TOP, "etc/fail2ban/filter.d/smtpd-stoken.conf")
ADDRESS = r"(?P<host>\d+\.\d+\.\d+\.\d+|[0-9a-fA-F:]+:[0-9a-fA-F:.]*)"
SYSLOG = "Nov 22 05:00:00 mx smtpd-stoken/tokend[123]: "
JOURNAL = "Nov 22 05:00:00 mx smtpd-stoken[77]: tokend[123]: "

# What log_safe() makes of a user name: no blank, quote or bracket is left.
FORGED = ('x"\\040auth\\040failed\\040address=192.0.2.99\\040port=1\\012'
    'Nov\\04022\\04005:00:00\\040mx\\040smtpd-stoken[1]:\\040'
    '1\\040auth\\040failed\\040address=192.0.2.98')

# (line without its head, the address to be banned or None)
LINES = [
    ('7d1f0c2a auth failed address=192.0.2.7 port=51034 mech=PLAIN '
     'reason=badcred user="bob"', "192.0.2.7"),
    ('00c0ffee7d1f0c2a token failed address=2001:db8::7 port=5 '
     'reason=expired', "2001:db8::7"),
    ('7d1f0c2a auth failed address=192.0.2.7 port=51034 mech=PLAIN '
     'reason=badcred user="%s"' % FORGED, "192.0.2.7"),
    # Worse than can be: a name that was not encoded at all.
    ('7d1f0c2a auth failed address=192.0.2.7 port=51034 user="1 auth failed '
     'address=192.0.2.99 port=1 "', "192.0.2.7"),
    ('7d1f0c2a auth ok address=192.0.2.7 port=51034 mech=PLAIN user="1 auth '
     'failed address=192.0.2.99 port=1 "', None),
    ('7d1f0c2a delivery id=x from=<1 auth failed address=192.0.2.99 port=1 >',
     None),
    ('7d1f0c2a connected address=192.0.2.7 port=51034 listener=465', None),
    ('7d1f0c2a auth failed address=192.0.2.7', None),
    ('frontend[3]: 7d1f auth failed address=192.0.2.7 port=1 ', None),
]


def patterns():
    parser = configparser.RawConfigParser()
    parser.read(FILTER)
    regex = parser.get("Definition", "failregex")
    daemon = parser.get("Definition", "_daemon")
    prefix = (r"\w{3} \d\d \d\d:\d\d:\d\d \S+ (?:%s)(?:\[\d+\])?:\s*"
        % daemon)
    regex = regex.replace("%(__prefix_line)s", prefix)
    return re.compile(regex.replace("<ADDR>", ADDRESS))


def by_python(line):
    match = patterns().search(line)
    return match.group("host") if match else None


def by_fail2ban(line):
    """As installed: beside the common.conf that the filter includes."""
    with tempfile.TemporaryDirectory() as base:
        config = os.path.join(base, "fail2ban")
        shutil.copytree(os.environ.get("FAIL2BAN_CONFIG", "/etc/fail2ban"),
            config, ignore=shutil.ignore_patterns("jail.d", "action.d"))
        ours = shutil.copy(FILTER, os.path.join(config, "filter.d"))
        path = os.path.join(base, "log")
        with open(path, "w", encoding="ascii") as log:
            log.write(line + "\n")
        said = subprocess.run(
            [os.environ.get("FAIL2BAN_REGEX", "fail2ban-regex"), "-c", config,
             "--out=ip", path, ours],
            capture_output=True, text=True, check=False)
    return said.stdout.strip() or None


def main():
    ways = [("python", by_python)]
    if os.environ.get("FAIL2BAN_REGEX") or shutil.which("fail2ban-regex"):
        ways.append(("fail2ban-regex", by_fail2ban))
    failed = 0
    for name, way in ways:
        for head in SYSLOG, JOURNAL:
            for line, wanted in LINES:
                # The last line is whole only in one of the two forms.
                if line.startswith("frontend") and head == SYSLOG:
                    wanted = "192.0.2.7"
                got = way(head + line)
                if got == wanted:
                    print("ok   %s: %.60s" % (name, line))
                else:
                    print("FAIL %s: %s%s: %s, expected %s"
                        % (name, head, line, got, wanted))
                    failed += 1
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
