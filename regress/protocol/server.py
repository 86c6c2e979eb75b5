# SPDX-License-Identifier: ISC
"""A private instance of smtpd-stoken for a test: made, watched, removed.

Everything lies in one temporary directory on a disk file system.  When the
tests run as root the instance runs as `nobody`, and when that user may not
read the tree that was built, the programs are copied beside the instance.
"""
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import client

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("OUT", TOP / "out"))
NOBODY = 65534
START_SECONDS = 60
# `make sanitize`: programs that look for leaks run without their sandbox.
UNBOUND = os.environ.get("SANITIZE") == "leaks"
STOP_SECONDS = 20
ROLES = ("frontend", "engine", "tokend", "tokend-sign", "tokend-auth",
         "lmtpd")
ALL_ROLES = ROLES + ("relay",)  # where a relay host is configured
IDN = "b\u00fccher.example"
IDN_ASCII = "xn--bcher-kva.example"


def scram_line(password, salt=b"0123456789abcdef", rounds=4096):
    """{SCRAM-SHA-256} as Dovecot writes it."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, rounds)
    digest = lambda word: hashlib.new("sha256", word).digest()
    stored = digest(client.hmac.digest(salted, b"Client Key", "sha256"))
    server = client.hmac.digest(salted, b"Server Key", "sha256")
    return "{SCRAM-SHA-256}%d,%s,%s,%s" % (
        rounds, client.b64(salt), client.b64(stored), client.b64(server))


def crypt_line(password):
    """{SHA512-CRYPT} with few rounds, since the tests log in often."""
    return "{SHA512-CRYPT}" + subprocess.run(
        ["openssl", "passwd", "-6", "-salt", "saltsalt", "-stdin"],
        input=password, text=True, check=True, stdout=subprocess.PIPE
    ).stdout.strip()


def of_passwords(text):
    """Of the mechanisms listed behind AUTH those that check a password."""
    return [x for x in text.split()
            if x in ("PLAIN", "LOGIN") or x.startswith("SCRAM-")]


PASSWORDS = {
    "alice@a.example": "wonderland 1",
    "bob@a.example": "builder,=2",
    "carol@a.example": "c\u00e4rol",
    "j\u00fcrgen@a.example": "utf-8 name",
    "hans@" + IDN_ASCII: "idn domain",
}
ALIASES = """\
# one target, several, one outside, a mixture, a chain
sales@a.example: alice@a.example
team@a.example: alice@a.example, bob@a.example
outside@a.example: someone@elsewhere.example
mixed@a.example: alice@a.example, someone@elsewhere.example
chain@a.example: sales@a.example
"""


def certificate(directory, name, key, san=None):
    """A self-signed certificate; `key` is the argument of -newkey."""
    command = ["openssl", "req", "-x509", "-nodes", "-days", "3", "-newkey"]
    command += key + ["-subj", "/CN=" + name, "-addext",
                      "subjectAltName=DNS:" + (san or name),
                      "-keyout", str(directory / (name + ".key")),
                      "-out", str(directory / (name + ".crt"))]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


P256 = ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
RSA = ["rsa:2048"]


def free_ports(count):
    """Different ones: all are held until the last is found."""
    with contextlib.ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [probe.getsockname()[1] for probe in probes]


def free_port():
    return free_ports(1)[0]


def name_of(pid):
    """The role of a process by its title, or the name that it was run as.

    Not by /proc/PID/exe, which is closed: the processes are undumpable.
    """
    words = pathlib.Path("/proc", str(pid), "cmdline").read_bytes()
    first = words.split(b"\0")[0].decode("utf-8", "replace")
    if first.startswith("smtpd-stoken: "):
        return first.split(": ", 1)[1].strip()
    return os.path.basename(first)


def children(pid):
    """The processes whose parent is `pid`: {pid: role or program}."""
    found = {}
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            stat = pathlib.Path("/proc", entry, "stat").read_text()
            words = stat.rsplit(")", 1)[1].split()
            if int(words[1]) == pid and words[0] != "Z":
                found[int(entry)] = name_of(entry)
        except (OSError, IndexError):
            continue
    return found


def is_running(pid):
    """Is there such a process, and not only what is left of it?"""
    try:
        stat = pathlib.Path("/proc", str(pid), "stat").read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def drop():
    """For the child between fork and exec: give up root."""
    def run():
        if os.getuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
    return run


class Server:
    """One instance.  Keyword arguments replace or add configuration.

    limits    {name: value} on top of limits that keep tests apart
    extra     further configuration lines
    replace   {first words of a line: whole line or None to leave it out}
    aliases   text of the aliases file
    wrap      command that the program is started under (strace, unshare)
    """

    BASE_LIMITS = {"auth-failures": 100,
                   "auth-failures-per-address": 1000000,
                   "sessions-per-address": 4000}

    def __init__(self, limits=None, extra="", replace=None, aliases=ALIASES,
                 wrap=(), prefork=(2, 2, 2), users=None, environment=None):
        base = "/var/tmp" if os.access("/var/tmp", os.W_OK) else None
        self.dir = pathlib.Path(
            os.path.realpath(tempfile.mkdtemp(prefix="stoken-", dir=base)))
        self.dir.chmod(0o755)
        self.process, self.marks, self.family = None, [], {}
        self.wrap, self.environment = list(wrap), environment or {}
        self.direct = False  # the wrapping command becomes the program
        self.conf = self.dir / "smtpd-stoken.conf"
        self.mailroot = self.dir / "mail"
        self.mailroot.mkdir()
        self.ports = dict(zip(("smtps", "tls-require"), free_ports(2)))
        self.socket = str(self.dir / "lmtp.sock")
        self.control = str(self.dir / "control.sock")
        self.replace, self.extra = dict(replace or {}), extra
        self.limits = dict(self.BASE_LIMITS, **(limits or {}))
        self.prefork = prefork
        certificate(self.dir, "mx.a.example", P256)
        certificate(self.dir, "rsa.a.example", RSA)
        self.write_users(users)
        (self.dir / "aliases").write_text(aliases)
        self.log = self.dir / "log"
        self.write_config()
        self.programs = self.find_programs()
        self.own()

    # What it is made of.

    def write_users(self, users=None):
        lines = users
        if lines is None:
            lines = ["%s:%s" % (name, crypt_line(word) if name[0] in "ac"
                                else scram_line(word))
                     for name, word in PASSWORDS.items()]
        (self.dir / "users").write_text("\n".join(lines) + "\n")
        (self.dir / "users").chmod(0o640)

    def config_lines(self):
        d = self.dir
        for name in ("mx.a.example", "rsa.a.example"):
            yield 'pki %s cert "%s/%s.crt"' % (name, d, name)
            yield 'pki %s key "%s/%s.key"' % (name, d, name)
        yield "hostname mx.a.example"
        yield "domain { a.example %s }" % IDN_ASCII
        for kind, port in self.ports.items():
            yield "listen on 127.0.0.1 port %d %s pki mx.a.example " \
                "pki rsa.a.example" % (port, kind)
        yield 'listen on socket "%s"' % self.socket
        yield 'users file "%s/users"' % d
        yield 'aliases file "%s/aliases"' % d
        yield 'store db "%s/db"' % d
        yield 'control "%s"' % self.control
        yield 'deliver maildir "%s/%%{domain}/%%{user}"' % self.mailroot
        for name, count in zip(("frontend", "engine", "lmtpd"), self.prefork):
            yield "prefork %s %d" % (name, count)
        for name, value in self.limits.items():
            yield "limit %s %s" % (name, value)

    def write_config(self):
        lines = []
        for line in self.config_lines():
            for start, new in self.replace.items():
                if line.startswith(start):
                    line = new
                    break
            if line:
                lines.append(line)
        text = "\n".join(lines + [self.extra]) + "\n"
        self.conf.write_text(text)
        return text

    def find_programs(self):
        """The tree that was built, or a copy where `nobody` may read it."""
        if os.getuid() != 0:
            return BUILD
        reachable = subprocess.run(
            ["test", "-x", str(BUILD / "sbin/smtpd-stoken")],
            preexec_fn=drop()).returncode == 0
        if reachable:
            return BUILD
        for part in ("sbin", "libexec"):
            shutil.copytree(BUILD / part, self.dir / "programs" / part)
        return self.dir / "programs"

    def own(self):
        if os.getuid() != 0:
            return
        for top, _, names in os.walk(self.dir):
            os.chown(top, NOBODY, NOBODY)
            for name in names:
                os.chown(os.path.join(top, name), NOBODY, NOBODY)

    # Starting, looking after it, stopping.

    @property
    def program(self):
        return str(self.programs / "sbin/smtpd-stoken")

    def command(self, *arguments):
        return [self.program, *arguments, "-f", str(self.conf)]

    def start(self):
        # Append: a second start must not wipe the story of the first.
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self.wrap + self.command("-d"), stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, cwd=self.dir, close_fds=True,
                env=dict(os.environ, **self.environment),
                start_new_session=True,
                preexec_fn=None if self.wrap else drop())
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None:
                raise RuntimeError("server ended with %d:\n%s" % (
                    self.process.returncode, self.log_text()))
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError("server not ready:\n" + self.log_text())
            time.sleep(0.05)
        self.family = self.roles()
        return self

    def answers(self):
        """Ready is: every listener greets, and the control socket answers."""
        try:
            for kind in [*self.ports, "socket"]:
                self.connect(kind, timeout=START_SECONDS).quit()
        except (OSError, client.ProtocolError):
            return False
        return self.ctl("show", "stats").returncode == 0

    @property
    def pid(self):
        """The parent's pid, also below strace or unshare."""
        pid = self.process.pid
        if not self.wrap or self.direct:
            return pid
        for child, name in children(pid).items():
            if name == "smtpd-stoken":
                return child
        return pid

    def roles(self):
        """{pid: role} of the processes of this instance."""
        return children(self.pid)

    def pids(self, role):
        return sorted(p for p, name in self.roles().items() if name == role)

    def check(self):
        """All processes are the ones that were started."""
        if self.process.poll() is not None:
            raise AssertionError("the server ended with %d:\n%s" % (
                self.process.returncode, self.log_tail()))
        now = self.roles()
        if now != self.family:
            was, self.family = self.family, now
            raise AssertionError("processes changed: %r, were %r\n%s" % (
                now, was, self.log_tail()))

    def kill_one(self, pid):
        """kill -9 of one process; returns when it is gone."""
        os.kill(pid, signal.SIGKILL)
        while pid in self.roles():
            time.sleep(0.001)

    def accept_new_family(self, seconds=15):
        """After a role was killed on purpose: wait until all are back."""
        want = sorted(self.family.values())
        deadline = time.monotonic() + seconds
        while sorted(self.roles().values()) != want or not self.answers():
            if time.monotonic() > deadline:
                raise AssertionError("not restarted: %r, wanted %r\n%s" % (
                    self.roles(), want, self.log_tail()))
            time.sleep(0.05)
        self.family = self.roles()

    def terminate(self, seconds=STOP_SECONDS):
        """SIGTERM; returns the exit status."""
        os.kill(self.pid, signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("SIGTERM was not enough:\n" +
                                 self.log_tail()) from None

    def kill(self):
        """Ends what is left of the instance, and only that."""
        if self.process is None or self.process.poll() is not None:
            return
        # The parent first: it would replace the others.
        pids = [self.pid, self.process.pid, *self.roles()]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(60)
        deadline = time.monotonic() + 60
        while any(is_running(x) for x in pids[2:]) and \
                time.monotonic() < deadline:
            time.sleep(0.005)

    def stop(self):
        """Ends the instance in order, looks at its exit, removes it."""
        try:
            if self.process and self.process.poll() is None:
                status = self.terminate()
                assert status == 0, "exit %d:\n%s" % (status, self.log_tail())
            text = self.log_text()
            for word in ("Sanitizer", "runtime error:", "SIGSYS"):
                assert word not in text, self.log_tail()
        finally:
            self.kill()
            if not os.environ.get("KEEP"):
                shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.kill()
            shutil.rmtree(self.dir, ignore_errors=True)
            raise

    def __exit__(self, kind, *unused):
        if kind is None:
            self.stop()
            return
        with contextlib.suppress(AssertionError):
            self.stop()

    # The log.

    def log_text(self):
        return self.log.read_text("utf-8", "backslashreplace")

    def log_tail(self, lines=40):
        return "\n".join(self.log_text().splitlines()[-lines:])

    @contextlib.contextmanager
    def logged(self):
        """`with server.logged() as lines:` fills in what was logged."""
        lines, start = [], self.log.stat().st_size
        yield lines
        with open(self.log, "rb") as log:
            log.seek(start)
            lines += log.read().decode("utf-8", "backslashreplace").split("\n")

    def wait_log(self, pattern, start=0, seconds=5):
        """Waits for a line; the log is written after the reply."""
        deadline = time.monotonic() + seconds
        while True:
            found = re.search(pattern, self.log_text()[start:], re.M)
            if found:
                return found
            if time.monotonic() > deadline:
                raise AssertionError("not logged: %s\n%s" % (
                    pattern, self.log_tail()))
            time.sleep(0.02)

    # Talking to it.

    def connect(self, kind="smtps", **options):
        if kind == "socket":
            return client.Client(self.socket, **options)
        return client.Client(("127.0.0.1", self.ports[kind]),
                             tls=kind == "smtps", **options)

    def hello(self, verb="LHLO", **options):
        c = self.connect(**options)
        c.hello(verb)
        return c

    def login(self, user="alice@a.example", verb="EHLO", **options):
        """A session in which `user` has logged in with a password."""
        c = self.hello(verb, **options)
        reply = c.plain_login(user, PASSWORDS[user])
        assert reply.status == "235 2.7.0", reply
        return c

    def token_session(self, recipient, token, **options):
        c = self.hello("LHLO", **options)
        reply = c.token_login(recipient, token)
        assert reply.status == "235 2.7.0", reply
        return c

    def try_tokens(self, tries):
        """AUTH STOKEN with each (recipient, token): (token, reply) ..."""
        c = None
        for number, (recipient, token) in enumerate(tries):
            if number % 50 == 0:
                if c:
                    c.close()
                c = self.hello("LHLO")
            yield token, c.token_login(recipient, token)
        if c:
            c.close()

    def trusted(self):
        c = self.connect("socket")
        c.lhlo()
        return c

    def ctl(self, *arguments, input="", check=False, flags=()):
        done = subprocess.run(
            [str(self.programs / "sbin/tokenctl"), *flags, "-s", self.control,
             *arguments], input=input, text=True, capture_output=True,
            timeout=60)
        if check:
            assert done.returncode == 0, (arguments, done)
        return done

    def show(self, *arguments, input=""):
        """`tokenctl -j show ...`, decoded."""
        return json.loads(self.ctl("show", *arguments, input=input,
                                   check=True, flags=("-j",)).stdout)

    def generate(self, kind, remote, local):
        return self.ctl("generate", kind, remote, local,
                        check=True).stdout.strip()

    def temporary(self, remote="friend@b.example", local="alice@a.example"):
        return self.generate("temporary", remote, local)

    def permanent(self, remote="friend@b.example", local="alice@a.example"):
        return self.generate("permanent", remote, local)

    # The mailboxes.

    def mailbox(self, address):
        user, domain = address.rsplit("@", 1)
        return self.mailroot / domain / user

    def mail(self, address):
        """The files that are visible in the mailbox, oldest first."""
        new = self.mailbox(address) / "new"
        if not new.is_dir():
            return []
        return sorted(new.iterdir(), key=lambda f: f.stat().st_mtime_ns)

    def all_mail(self):
        return [f for f in self.mailroot.glob("*/*/*/*")
                if f.parent.name in ("new", "cur")]

    def leftovers(self):
        """Files in any tmp directory of the mailboxes."""
        return [f for f in self.mailroot.rglob("*")
                if f.is_file() and f.parent.name not in ("new", "cur")
                and f.name != "dovecot-keywords"]


def decode_token(token):
    """The octets of a token of ours."""
    return base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))


def as_nobody():
    """A command prefix that gives up root, for use in `wrap`."""
    if os.getuid() != 0:
        return []
    return ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY),
            "--clear-groups", "--"]


def may_trace():
    """May this user attach to processes that are marked undumpable?"""
    return os.getuid() == 0 and shutil.which("strace") is not None
