# SPDX-License-Identifier: ISC
"""A server all of whose processes run under valgrind's memcheck, and what
clients do with it: errors and memory that is lost fail.

under_valgrind.py [KIND ...]   ends with a line: N passed, N failed, N skipped

OUT names the programs; they must have been built without the sandbox, which
forbids what valgrind does (valgrind.sh does so).
"""
import os
import pathlib
import re
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent / "protocol")]

import kinds  # noqa: E402
import server as house  # noqa: E402
from token_world import token_world  # noqa: E402

COUNT = 4
SUMMARY = re.compile(r"ERROR SUMMARY: (\d+) errors")
COMMAND = re.compile(r"Command: (\S+)")


class Server(house.Server):
    """Its own pid is that of the parent: each program becomes the next."""
    direct = True

    def roles(self):
        """By the program's name: titles are not seen under valgrind."""
        found = {}
        for pid in house.children(self.pid):
            words = pathlib.Path("/proc/%d/cmdline" % pid).read_bytes()
            found[pid] = os.path.basename(words.rstrip(b"\0").split(
                b"\0")[-1].decode())
        return found


def command(logs):
    return house.as_nobody() + [
        "valgrind", "--trace-children=yes", "--leak-check=full",
        "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite",
        "--suppressions=%s" % (HERE / "valgrind.supp"), "--num-callers=30",
        "--log-file=%s/%%p" % logs]


def judge(path):
    """The program, and what valgrind found in it; None: nothing."""
    text = path.read_text("utf-8", "replace")
    name = COMMAND.search(text)
    name = os.path.basename(name.group(1)) if name else "?"
    counts = SUMMARY.findall(text)
    if not counts:  # a worker is killed, all others end
        return name, None if "tokend-auth" in name else "has no summary"
    if counts[-1] == "0":
        return name, None
    return name, "%s errors\n%s" % (counts[-1], text[:6000])


def main():
    names = sys.argv[1:] or list(kinds.KINDS)
    good, bad = 0, 0
    house.START_SECONDS, house.STOP_SECONDS = 300, 300
    house.client.TIMEOUT = 300
    with tempfile.TemporaryDirectory(dir="/var/tmp") as logs:
        os.chmod(logs, 0o777)
        with token_world(prefork=(1, 1, 1), limits=kinds.LIMITS,
                         extra=kinds.EXTRA, kind=Server,
                         wrap=command(logs)) as world:
            for name in names:
                kinds.KINDS[name](world, COUNT if name != "aborted" else 40)
                world.server.check()
                print("ok   " + name, flush=True)
                good += 1
            kinds.settle(world.server, 300)
        reports = sorted(pathlib.Path(logs).iterdir())
        roles = set()
        for path in reports:
            name, problem = judge(path)
            roles.add(name)
            if problem:
                print("FAIL %s: %s" % (name, problem))
                bad += 1
    missing = {"smtpd-stoken", *house.ALL_ROLES} - roles
    if missing:
        print("FAIL not under valgrind: %s" % ", ".join(sorted(missing)))
        bad += 1
    print("%d processes" % len(reports))
    print("%d passed, %d failed, 0 skipped" % (good, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
