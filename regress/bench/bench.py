# SPDX-License-Identifier: ISC
"""make bench: our server, Dovecot's LMTP, a floor and the bare disk, beside
each other in one run on the same file system.  See README beside this file.

Environment: BENCH_SECONDS (of one measurement, 4), BENCH_ROUNDS (3; the
median counts), BENCH_ONLY ("W1 W2"), BENCH_PREFORK ("1 1 2": frontends,
engines, lmtpds), BENCH_DETAIL (CPU-us of each role), BENCH_SERVERS ("ours
floor"), BENCH_IDLE ("1000 5000"), BENCH_DOVECOT_IDLE (200).
"""
import os
import pathlib
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
TOP = HERE.parents[1]
TOOLS = TOP / "out/bench"
sys.path.insert(0, str(HERE.parent / "protocol"))

import server  # noqa: E402

SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
PREFORK = tuple(map(int, os.environ.get("BENCH_PREFORK", "1 1 2").split()))
IDLE = [int(n) for n in os.environ.get("BENCH_IDLE", "1000 5000").split()]
DOVECOT_IDLE = int(os.environ.get("BENCH_DOVECOT_IDLE", "200"))
DETAIL = "BENCH_DETAIL" in os.environ
TICK = os.sysconf("SC_CLK_TCK")
USERS = 50
PASSWORD = "bench"
LMTP = pathlib.Path("/usr/lib/dovecot/lmtp")
# Dovecot refuses to run on a machine without a host name.
ENVIRONMENT = dict(os.environ, DOVECOT_HOSTNAME="mx",
                   DOVECOT_HOSTDOMAIN="mx.a.example")

# name: (text, load arguments, operation count of one, unit,
#        least multiple of Dovecot's rate, largest part of its CPU)
WORK = {
    "W1": ("fresh TLS connection and login for each message, 32 clients",
           "-c 32 -k 1", 1, "/s", 2.5, 1 / 3),
    "W2": ("100 messages a connection, 32 clients",
           "-c 32 -k 100", 1, "/s", 8, 1 / 9),
    "W3": ("connect, TLS, login, quit, 32 clients",
           "-c 32 -m login", 1, "/s", 1.5, 1 / 2),
    "W4": ("1 MiB messages, 8 clients",
           "-c 8 -k 100 -s 1048576", 1, " MiB/s", 3.7, None),
    "W5": ("50 recipients a message, 16 clients",
           "-c 16 -k 100 -r 50", 50, " rcpt/s", 20, None),
}
MEMORY_TARGET = 28  # KiB of PSS for an idle session


def unlimited():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def tree(pid):
    """The process and all its descendants."""
    parents = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                stat = pathlib.Path("/proc", entry, "stat").read_text()
            except OSError:
                continue
            parents[int(entry)] = int(stat.rsplit(")", 1)[1].split()[1])
    found, more = [], [pid]
    while more:
        found += more
        more = [p for p, parent in parents.items() if parent in more]
    return found


def cpu_seconds(pid):
    """User and system time of a family, its dead members included."""
    ticks = 0
    for member in tree(pid):
        try:
            stat = pathlib.Path("/proc/%d/stat" % member).read_text()
        except OSError:
            continue
        ticks += sum(map(int, stat.rsplit(")", 1)[1].split()[11:15]))
    return ticks / TICK


def cpu_by_role(pid):
    """{name: seconds} of our processes, for BENCH_DETAIL."""
    found = {}
    for member, role in server.children(pid).items():
        stat = pathlib.Path("/proc/%d/stat" % member).read_text()
        ticks = sum(map(int, stat.rsplit(")", 1)[1].split()[11:15]))
        found[role] = found.get(role, 0) + ticks / TICK
    return found


def pss_kib(pid):
    total = 0
    for member in tree(pid):
        try:
            text = pathlib.Path(
                "/proc/%d/smaps_rollup" % member).read_text()
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


class Yardstick:
    """A server under test: `pid`, `port`, and how its clients log in."""

    def login(self, _):
        return []


class Ours(Yardstick):
    name = "ours"

    def __init__(self):
        line = server.crypt_line(PASSWORD)
        users = ["u%d@a.example:%s" % (i, line) for i in range(USERS)]
        self.one = server.Server(
            users=users, prefork=PREFORK,
            limits={"sessions-per-address": 20000, "sessions": 20000})
        self.one.start()
        self.port = self.one.ports["smtps"]
        self.pid = self.one.pid
        self.plain = self.one.dir / "plain"
        self.plain.write_text("".join(
            "u%d@a.example %s u%d@a.example\n" % (i, PASSWORD, i)
            for i in range(USERS)))
        self.stoken = self.one.dir / "stoken"
        with self.stoken.open("w") as out:
            for i in range(32):
                friend = "friend%d@b.example" % i
                user = "u%d@a.example" % i
                token = self.one.ctl("generate", "permanent", friend, user,
                                     check=True).stdout.strip()
                out.write("%s %s %s\n" % (user, token, friend))

    def login(self, name):
        if name == "W5":
            return ["-a", "plain", "-f", str(self.plain)]
        return ["-a", "stoken", "-f", str(self.stoken)]

    def empty(self):
        for box in self.one.mailroot.glob("a.example/*/new"):
            for mail in box.iterdir():
                mail.unlink()

    def stop(self):
        self.one.stop()


class Private(Yardstick):
    """What Dovecot and the floor have in common: a directory, accounts."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(
            prefix="bench-", dir="/var/tmp"))
        self.dir.chmod(0o755)
        server.certificate(self.dir, "mx.a.example", server.P256)
        for file in self.dir.iterdir():
            file.chmod(0o644)
        self.accounts = self.dir / "accounts"
        self.accounts.write_text("".join(
            "u%d@a.example x friend@b.example\n" % i for i in range(USERS)))

    def login(self, _):
        return ["-f", str(self.accounts)]

    def empty(self):
        pass

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        shutil.rmtree(self.dir, ignore_errors=True)


DOVECOT = """\
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
protocols = lmtp
listen = 127.0.0.1
ssl = required
ssl_cert = <{dir}/mx.a.example.crt
ssl_key = <{dir}/mx.a.example.key
mail_location = maildir:{dir}/mail/%d/%n
mail_fsync = always
first_valid_uid = 1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/mail/%d/%n allow_all_users=yes
}}
service lmtp {{
  user = {user}
  process_limit = 2000
  inet_listener lmtps {{
    port = {port}
    ssl = yes
  }}
  unix_listener lmtp {{
    mode = 0
  }}
}}
service anvil {{
  chroot =
  client_limit = 4000
}}
service stats {{
  chroot =
  client_limit = 4000
}}
service auth {{
  client_limit = 4000
}}
protocol lmtp {{
  hostname = mx.a.example
  postmaster_address = postmaster@a.example
}}
"""


class Dovecot(Private):
    name = "Dovecot"

    def __init__(self):
        import grp
        import pwd
        super().__init__()
        uid = os.getuid() or server.NOBODY
        user = pwd.getpwuid(uid)
        self.port = server.free_port()
        for name in ("run", "state", "mail"):
            (self.dir / name).mkdir()
        (self.dir / "conf").write_text(self.configuration({
            "dir": self.dir, "port": self.port, "user": user.pw_name,
            "uid": uid, "gid": user.pw_gid,
            "group": grp.getgrgid(user.pw_gid).gr_name}))
        if os.getuid() == 0:
            for path in [self.dir, *self.dir.rglob("*")]:
                os.chown(path, uid, user.pw_gid)
        self.process = subprocess.Popen(
            ["dovecot", "-F", "-c", str(self.dir / "conf")],
            env=ENVIRONMENT, stdin=subprocess.DEVNULL,
            preexec_fn=server.drop())
        self.pid = self.process.pid
        wait_for(self)

    def configuration(self, values):
        return DOVECOT.format(**values)

    def empty(self):
        for box in (self.dir / "mail").glob("a.example/*/new"):
            for mail in box.iterdir():
                mail.unlink()


class Floor(Private):
    name = "floor"

    def __init__(self):
        super().__init__()
        self.process = subprocess.Popen(
            [str(TOOLS / "floor"), str(self.dir / "mx.a.example.crt"),
             str(self.dir / "mx.a.example.key"), "2"], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            preexec_fn=unlimited)
        self.port = int(self.process.stdout.readline())
        self.pid = self.process.pid

    def login(self, name):
        auth = "plain" if name == "W5" else "stoken"
        return ["-a", auth, "-f", str(self.accounts)]

    def stop(self):
        self.process.stdin.close()
        self.process.wait(20)
        super().stop()


def wait_for(one):
    deadline = time.monotonic() + 20
    while run_load(one, "W3", ["-m", "login", "-t", "0.1"])[0] == 0:
        if time.monotonic() > deadline or one.process.poll() is not None:
            raise RuntimeError("%s does not answer" % one.name)
        time.sleep(0.1)


def run_load(one, name, arguments):
    out = subprocess.run(
        [str(TOOLS / "load"), "-p", str(one.port), *one.login(name),
         *arguments], check=True, text=True, stdout=subprocess.PIPE,
        preexec_fn=unlimited, stderr=subprocess.DEVNULL if name == "W3"
        else None).stdout
    return [float(n) for n in out.split()]


def measure(one, name):
    """(rate, CPU microseconds, median milliseconds, errors)."""
    _, arguments, count, _, _, _ = WORK[name]
    before, roles = cpu_seconds(one.pid), cpu_by_role(one.pid)
    operations, errors, seconds, p50, _ = run_load(
        one, name, arguments.split() + ["-t", str(SECONDS)])
    time.sleep(0.3)
    used = cpu_seconds(one.pid) - before
    if DETAIL and one.name == "ours" and operations:
        print("   " + "  ".join(
            "%s %.0f" % (role, (spent - roles[role]) / operations * 1e6)
            for role, spent in cpu_by_role(one.pid).items()))
    one.empty()
    if operations == 0:
        return 0, 0, 0, int(errors)
    return (operations * count / seconds, used / operations * 1e6, p50,
            int(errors))


def median(results):
    """The round with the middle rate."""
    return sorted(results)[len(results) // 2]


def raw(writers, links, size=4096):
    directory = tempfile.mkdtemp(prefix="bench-raw-", dir="/var/tmp")
    try:
        return float(subprocess.run(
            [str(TOOLS / "raw"), directory, str(writers), str(SECONDS),
             str(size), str(links)], check=True, text=True,
            stdout=subprocess.PIPE).stdout)
    finally:
        shutil.rmtree(directory)


def yes(good):
    return "yes" if good else "NO"


def show(name, results, bare):
    text, _, _, unit, least, most = WORK[name]
    print("%s %s" % (name, text))
    for who, (rate, used, p50, errors) in results.items():
        print("   %-8s %9.0f%-7s %7.0f CPU-us  p50 %7.2f ms%s" % (
            who, rate, unit, used, p50,
            "  %d errors" % errors if errors else ""))
    if bare:
        print("   %-8s %9.0f%-7s" % ("raw disk", bare, unit))
    if "ours" not in results or "Dovecot" not in results:
        return
    ours, theirs = results["ours"], results["Dovecot"]
    if not ours[0] or not theirs[0]:
        return
    ratio = ours[0] / theirs[0]
    print("   rate %.1f x Dovecot's, target >= %.1f: %s" % (
        ratio, least, yes(ratio >= least)))
    if most:
        part = theirs[1] / ours[1]
        print("   CPU  1/%.1f of Dovecot's, target <= 1/%.0f: %s" % (
            part, 1 / most, yes(part >= 1 / most)))
    sys.stdout.flush()


def idle(one, count):
    """KiB of PSS for one of `count` idle sessions; how many stayed."""
    before = pss_kib(one.pid)
    if before == 0:  # they let nobody but root look at their memory
        return None
    client = subprocess.Popen(
        [str(TOOLS / "load"), "-p", str(one.port), *one.login("W6"), "-m",
         "idle", "-c", str(count)], text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, preexec_fn=unlimited)
    open_now = int(client.stdout.readline().split()[0])
    time.sleep(1)
    after = pss_kib(one.pid)
    client.stdin.close()
    client.wait()
    time.sleep(0.5)
    return (after - before) / max(open_now, 1), after, open_now


def show_idle(servers):
    print("W6 memory of an idle TLS session, PSS of all processes")
    for one in servers:
        for count in [DOVECOT_IDLE] if one.name == "Dovecot" else IDLE:
            seen = idle(one, count)
            if seen is None:
                print("   %-8s only root can measure it" % one.name)
                break
            each, whole, stayed = seen
            print("   %-8s %5d sessions: %7.1f KiB each (%d MiB in all)%s" % (
                one.name, stayed, each, whole // 1024,
                "" if one.name != "ours" else
                "  target <= %d: %s" % (
                    MEMORY_TARGET,
                    yes(stayed == count and each <= MEMORY_TARGET))))
            sys.stdout.flush()


def machine():
    kind = subprocess.run(["df", "--output=fstype", "/var/tmp"], text=True,
                          stdout=subprocess.PIPE).stdout.split()[-1]
    version = "not installed"
    if LMTP.exists():
        version = subprocess.run(
            ["dovecot", "--version"], text=True, env=ENVIRONMENT,
            stdout=subprocess.PIPE).stdout.strip()
    print("%d cores, Linux %s, %s, Dovecot %s; %d x %g s, the median counts; "
          "prefork %s" % (
              os.cpu_count(), os.uname().release, kind, version, ROUNDS,
              SECONDS, "%d %d %d" % PREFORK))
    print("Dovecot's LMTP has no AUTH: in W1 and W3 its clients do not log "
          "in.\n", flush=True)


def start(kinds, *arguments):
    servers = []
    for kind in kinds:
        try:
            servers.append(kind(*arguments))
        except Exception as error:  # the others can still be measured
            print("%s cannot be measured: %s" % (kind.name, error))
    return servers


def main():
    only = os.environ.get(
        "BENCH_ONLY", "W1 W2 W3 W4 W5 W6 W7 W8 W9 logins tokend").split()
    machine()
    kinds = [Ours, Floor]
    if LMTP.exists():
        kinds.insert(1, Dovecot)
    wanted = os.environ.get("BENCH_SERVERS", "ours Dovecot floor").split()
    if not set(only) & (set(WORK) | {"W6"}):
        wanted = []  # the others start their own
    servers = start(kind for kind in kinds if kind.name in wanted)
    try:
        for name in WORK:
            if name not in only:
                continue
            rounds = {one.name: [] for one in servers}
            for _ in range(ROUNDS):
                for one in servers:
                    rounds[one.name].append(measure(one, name))
            bare = {"W2": (32, 1), "W4": (8, 1, 1 << 20),
                    "W5": (16, 50)}.get(name)
            show(name, {who: median(r) for who, r in rounds.items()},
                 statistics.median(raw(*bare) for _ in range(ROUNDS))
                 if bare else None)
        if "W6" in only:
            show_idle(servers)
    finally:
        for one in servers:
            one.stop()
    if "W7" in only:
        print("W7 ", end="", flush=True)
        subprocess.run([sys.executable, str(HERE / "submission.py")],
                       check=False)
    if "W9" in only:
        subprocess.run([sys.executable, str(HERE / "routes.py")], check=False)
    if "W8" in only:
        print("W8 ", end="", flush=True)
        subprocess.run([sys.executable, str(HERE / "chunking.py")],
                       check=False)
    if "logins" in only:
        subprocess.run([sys.executable, str(HERE / "logins.py")], check=False)
    if "tokend" in only:
        print("tokend alone (targets: 20000 durable tokens/s with 32 "
              "waiting, 1 s)", flush=True)
        subprocess.run([str(TOP / "out/bench/tokend")], check=False)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    main()
