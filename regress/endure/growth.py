# SPDX-License-Identifier: ISC
"""What is left in each process of a server after many sessions and messages of
each kind: memory that grows with their number, and descriptors.

growth.py [COUNT [KIND ...]]   ends with a line: N passed, N failed, N skipped

The first quarter makes caches and pools as large as they get; what the rest
adds is judged. Nothing that is forgotten at each message is so small that it
would not show: malloc(3) gives at least 32 octets.
"""
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.dont_write_bytecode = True
sys.path[:0] = [str(HERE), str(HERE.parent / "protocol")]

import kinds  # noqa: E402
from token_world import token_world  # noqa: E402

EACH = 8  # octets that each may leave behind: less than the least there is
NOISE = 64 * 1024  # of the memory itself: pages, fragments
AHEAD = 8  # files that are open ahead of need, more or fewer
# The cache of the store is memory of tokend, and filled as records come.
CACHE = 33 * 1024 * 1024
FILLS_THE_CACHE = ("remembered", "controlled", "by_token", "failed")


def look(server):
    """{pid: (role, octets of its own memory, descriptors or None)}."""
    found = {}
    for pid, role in [(server.pid, "smtpd-stoken"), *server.roles().items()]:
        name, field, count = "status", "RssAnon:", None
        if os.getuid() == 0:  # nobody else may look at, or count, these
            name, field = "smaps_rollup", "Anonymous:"
            count = len(os.listdir("/proc/%d/fd" % pid))
        own, = [x for x in pathlib.Path("/proc/%d/%s" % (
            pid, name)).read_text().splitlines() if x.startswith(field)]
        found[pid] = (role, int(own.split()[1]) * 1024, count)
    return found


def rest(world):
    """What is seen when nothing is under way: the least of some looks."""
    kinds.settle(world.server)
    seen = look(world.server)
    for _ in range(10):
        time.sleep(0.3)
        now = look(world.server)
        assert now.keys() == seen.keys(), "processes changed"
        seen = {pid: (role, octets, min(x for x in (count, seen[pid][2])
                                        if x is not None)
                      if count is not None else None)
                for pid, (role, octets, count) in now.items()}
    return seen


def judge(name, count, before, after):
    """What is wrong, in lines."""
    for pid, (role, octets, descriptors) in after.items():
        grown = octets - before[pid][1]
        limit = NOISE + EACH * count
        if role == "tokend" and name in FILLS_THE_CACHE:
            limit += CACHE
        if grown > limit:
            yield "%s: %d KiB more memory after %d: %.1f octets each" % (
                role, grown // 1024, count, grown / count)
        if descriptors is not None and descriptors > before[pid][2] + AHEAD:
            yield "%s: %d descriptors, there were %d" % (
                role, descriptors, before[pid][2])


def run(world, name, count):
    kind, begin = kinds.KINDS[name], time.monotonic()
    kind(world, max(count // 4, 1))
    before = rest(world)
    kind(world, count)
    after = rest(world)
    problems = list(judge(name, count, before, after))
    most = {}
    for pid, (role, octets, _) in after.items():
        most[role] = max(most.get(role, -1 << 40), octets - before[pid][1])
    print("%-4s %s: %d in %.0f s; KiB more: %s" % (
        "FAIL" if problems else "ok", name, count, time.monotonic() - begin,
        ", ".join("%s %d" % (role, grown // 1024)
                  for role, grown in most.items())), flush=True)
    for line in problems:
        print("    " + line, flush=True)
    return not problems


def main():
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    names = sys.argv[2:] or list(kinds.KINDS)
    with token_world(prefork=(1, 1, 1), limits=kinds.LIMITS,
                     extra=kinds.EXTRA) as world:
        good = [run(world, name, count) for name in names]
        world.server.check()
    print("%d passed, %d failed, 0 skipped" % (
        good.count(True), good.count(False)))
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
