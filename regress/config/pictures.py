# SPDX-License-Identifier: ISC
"""README.md and smtpd-stoken(8) against the tables of smtpd-stoken/roles.c."""
import pathlib
import re
import sys

TOP = pathlib.Path(__file__).resolve().parents[2]
ROLE = re.compile(
    r'\{ROLE_(\w+),\s*"([\w-]+)",\s*USER_(\w+),\s*(\d),\s*\d,')
EDGE = re.compile(r"\{ROLE_(\w+), ROLE_(\w+), EDGE_")
MESSAGE = re.compile(r"^MESSAGE\((\w+), \w+, \w+, (\w+), (\w+),\s*(\w+),",
                     re.M)
PROMISES = re.compile(
    r'\{ROLE_\w+,\s*"([\w-]+)",\s*USER_\w+,\s*\d,\s*\d,\s*"([^"]*)"')
# Where each program hands its promises to process_main().
MAINS = {"tokend-sign": ["tokend/sign/main.c"], "lmtpd": ["lmtpd/lmtpd.c"],
         "tokend-auth": ["tokend/auth/auth.c"], "tokend": ["tokend/main.c"],
         "engine": ["smtpd-stoken/engine/engine.c"],
         "relay": ["smtpd-stoken/relay/main.c"],
         "frontend": ["smtpd-stoken/frontend/main.c"]}
USERS = {"NETWORK": "_smtpdst", "TOKENS": "_tokend", "MAIL": "of the mail"}
failed = 0


def say(good, what):
    global failed
    print("%s %s" % ("ok  " if good else "FAIL", what))
    failed += not good


def descriptors(roles, promises):
    """Who sends a descriptor promises it, and who gets one: Linux cannot
    tell, and OpenBSD kills."""
    names = {role: row[1] for role, row in roles.items()}
    for name, sender, receiver, kind in MESSAGE.findall(
            (TOP / "imsg/messages.def").read_text()):
        if kind == "NONE":
            continue
        for role, word in ((sender, "sendfd"), (receiver, "recvfd")):
            if role in names:
                say(word in promises[names[role]].split(),
                    "%s: %s promises %s" % (name, names[role], word))


def main():
    source = (TOP / "smtpd-stoken/roles.c").read_text()
    readme = (TOP / "README.md").read_text()
    manual = (TOP / "smtpd-stoken/smtpd-stoken.8").read_text()
    roles = {m[0]: m for m in ROLE.findall(source)}
    say(len(roles) > 5, "roles.c has its table")
    for _, program, user, chroot in roles.values():
        row = re.search(r"^\| `%s`[^|]*\|([^|]*)\|" % program, readme, re.M)
        where = row.group(1) if row else ""
        say(USERS[user] in where, "README: %s runs as %s" % (program,
            USERS[user]))
        say(("chroot" in where) == (chroot == "1"),
            "README: chroot of %s" % program)
        item = re.search(r"^\.It Nm %s\nas (.*?)^\.(?:It|El)" % program, manual,
            re.M | re.S)
        where = item.group(1) if item else ""
        say(USERS[user] in where.split(":")[0],
            "smtpd-stoken(8): %s runs as %s" % (program, USERS[user]))
        say(("chroot" in where) == (chroot == "1"),
            "smtpd-stoken(8): chroot of %s" % program)
    for program, promises in PROMISES.findall(source):
        code = "".join((TOP / f).read_text() for f in MAINS[program])
        say(re.search(r'(\.promises =|define PROMISES) "%s"' % promises, code)
            is not None, "roles.c: the promises of %s" % program)
    descriptors(roles, dict(PROMISES.findall(source)))
    for a, b in EDGE.findall(source):
        if a not in roles or b not in roles:
            continue  # a process that is yet to come
        line = "%s - %s" % (roles[a][1], roles[b][1])
        say(line in readme, "README: channel %s" % line)
    known = {m[1] for m in roles.values()}
    for program in re.findall(r"^\| `([\w-]+)`", readme, re.M):
        say(program in known, "README: %s is a program" % program)
    for path in re.findall(r"`((?:[a-z_-]+/)+[\w.-]*)`", readme +
            (TOP / "HACKING.md").read_text()):
        if path.startswith(("share/", "new/")):
            continue
        places = [TOP, TOP / "smtpd-stoken"]
        say(any((p / path).exists() for p in places) or
            "NAME" in path, "%s is there" % path)
    say(len(readme.splitlines()) <= 150, "README: at most 150 lines")


main()
sys.exit(failed > 0)
