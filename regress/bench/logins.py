# SPDX-License-Identifier: ISC
"""make bench, logins: what a login costs us by each mechanism.

Every client connects with TLS 1.3, says EHLO, logs in, and quits (logins.c).
CPU is that of all our processes but those that do TLS (frontend,
tokend-sign), less what the same conversation costs without a login; from
/proc/PID/schedstat, hash workers included.  The rates are those of the whole,
TLS too, on the same machine as the clients.

Environment: BENCH_SECONDS (4), BENCH_ROUNDS (3; medians count).
"""
import os
import pathlib
import statistics
import subprocess
import sys

import bench
import client
import remember
import server

TOOL = bench.TOOLS / "logins"
PASSWORD = "bench"
TLS_ROLES = ("frontend", "tokend-sign")
# name: (how, user, arguments of tokenctl encrypt for that user)
KINDS = {
    "PLAIN, bcrypt cost 12": ("plain", "blf", "blf-crypt 12"),
    "PLAIN, SHA-512-crypt, 5000 rounds": ("plain", "sha", "sha512-crypt 5000"),
    "PLAIN, SCRAM hash, 100000": ("plain", "scram5", "scram-sha-256 100000"),
    "SCRAM-SHA-256, 4096": ("scram", "scram3", "scram-sha-256 4096"),
    "SCRAM-SHA-256, 100000": ("scram", "scram5", "scram-sha-256 100000"),
    "REMEMBERME, random": ("rememberme", "remembered", "RANDOM"),
    "REMEMBERME, JWT": ("rememberme", "remembered", "JWT"),
    "HT2-SHA-256-EXPR": ("ht2", "proved", "RANDOM"),
    "HT2-SHA-256-EXPR with id": ("ht2-id", "proved", "RANDOM"),
}


def address(user):
    return user + "@a.example"


def users_lines():
    """Each user has the hash that its row asks for; the others a quick one."""
    lines = {}
    for how, user, what in KINDS.values():
        scheme, rounds = what.split() if " " in what else \
            ("scram-sha-256", "4096")
        lines[user] = subprocess.run(
            [str(server.BUILD / "sbin/tokenctl"), "encrypt", "scheme", scheme,
             "rounds", rounds, address(user)], check=True, text=True,
            input=PASSWORD + "\n", stdout=subprocess.PIPE).stdout.strip()
    return list(lines.values())


def cpu_seconds(pid):
    """Of all but those that do TLS."""
    nanoseconds = 0
    for child, role in server.children(pid).items():
        if role in TLS_ROLES:
            continue
        for member in bench.tree(child):
            for task in pathlib.Path("/proc/%d/task" % member).iterdir():
                nanoseconds += int((task / "schedstat").read_text().split()[0])
    return nanoseconds / 1e9


class Bench:

    def __init__(self):
        self.one = server.Server(
            users=users_lines(), prefork=bench.PREFORK,
            limits={"sessions-per-address": 20000, "sessions": 20000})
        self.one.start()
        self.secrets = {}
        for name, (how, user, what) in KINDS.items():
            self.secrets[name] = PASSWORD
            if how not in ("plain", "scram"):
                self.secrets[name] = self.token(user, what)

    def token(self, user, kind):
        with self.one.hello("EHLO") as c:
            assert c.plain_login(address(user), PASSWORD).code == 235
            return remember.remember(c, kind)

    def run(self, how, user, secret, clients=32, seconds=bench.SECONDS):
        """(logins/s, CPU-us of one, round trips, p50 ms, errors, PBKDF2 us)"""
        before = cpu_seconds(self.one.pid)
        out = subprocess.run(
            [str(TOOL), str(self.one.ports["smtps"]), str(clients),
             str(seconds), how, address(user), secret], check=True, text=True,
            stdout=subprocess.PIPE).stdout.split()
        logins, errors = int(out[0]), int(out[1])
        used = cpu_seconds(self.one.pid) - before
        return (logins / float(out[2]), used / max(logins, 1) * 1e6,
                int(out[3]), float(out[4]), errors, float(out[5]))

    def measure(self):
        """{name: median of each column}, the CPU without the base."""
        rounds = {name: [] for name in KINDS}
        bases = []
        for _ in range(bench.ROUNDS):
            base = self.run("none", "blf", "-")[1]
            bases.append(base)
            for name, (how, user, _) in KINDS.items():
                result = list(self.run(how, user, self.secrets[name]))
                result[1] -= base
                rounds[name].append(result)
        return statistics.median(bases), {
            name: [statistics.median(column) for column in zip(*results)]
            for name, results in rounds.items()}


def ratios(found):
    """The issue's targets, for a random token shown and for one proved."""
    bcrypt = found["PLAIN, bcrypt cost 12"][1]
    for name in ("REMEMBERME, random", "HT2-SHA-256-EXPR"):
        one = found[name][1]
        print("   %s: bcrypt costs %.0f x, target >= 500: %s" % (
            name, bcrypt / one, bench.yes(bcrypt >= 500 * one)))
        for other, text in (
                ("PLAIN, SCRAM hash, 100000", "PBKDF2 here"),
                ("SCRAM-SHA-256, 100000", "PBKDF2 at the client")):
            print("      SCRAM at 100000, %s: %.1f x, target >= 10: %s" % (
                text, found[other][1] / one,
                bench.yes(found[other][1] >= 10 * one)))


def main():
    tester = Bench()
    try:
        base, found = tester.measure()
    finally:
        tester.one.stop()
    print("logins, 32 clients; CPU of a login is without TLS and without the "
          "%.0f us of a session that has none" % base)
    print("   %-34s %9s %10s %6s %9s" % (
        "", "logins/s", "CPU-us", "trips", "p50 ms"))
    for name, (rate, used, trips, p50, errors, pbkdf2) in found.items():
        print("   %-34s %9.0f %10.1f %6d %9.2f%s%s" % (
            name, rate, used, trips, p50,
            "  client: %.0f us once" % pbkdf2 if pbkdf2 else "",
            "  %d errors" % errors if errors else ""))
    ratios(found)


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    assert client and os.access(TOOL, os.X_OK)
    main()
