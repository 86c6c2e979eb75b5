# SPDX-License-Identifier: ISC
"""Name spaces in which a server from Debian's packages believes that it is
installed: its files are laid over /usr and /etc, with accounts of its own, and
/var and /run are directories that go away with the test. The network is the
machine's, so that its ports on the loopback can be reached.
"""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import server

PEERS = server.TOP / "out/peers"
SNIPPETS = server.TOP / "etc"
START_SECONDS = 60

MOUNT = """\
set -e
mount -t overlay overlay -o ro,lowerdir="$2:/usr" /usr
mount -t overlay overlay -o ro,lowerdir="$1/etc:$3:/etc" /etc
mount --bind /var/tmp "$1/var/tmp"
mount --rbind "$1/var" /var
mount --bind "$1/run" /run
hostname mta.a.example
echo mounted
exec sleep infinity
"""


def trouble(name):
    """Why the package `name` cannot be run here, or None."""
    if os.getuid() != 0:
        return "needs root"
    if not (PEERS / name / "done").exists():
        return name + " is not unpacked: sh regress/peers/unpack.sh"
    if subprocess.run(["unshare", "-m", "-u", "-p", "-f", "true"],
                      capture_output=True).returncode != 0:
        return "needs mount and process name spaces"
    return None


def snippet(name, changes=None):
    """A file of etc/ as the tests want it: {what it says: what we need}."""
    text = (SNIPPETS / name).read_text()
    for old, new in (changes or {}).items():
        assert old in text, "%s does not say %r" % (name, old)
        text = text.replace(old, new)
    return text


class Failed(AssertionError):
    """A command inside did not exit with 0."""


class Jail:
    """One name space. `accounts` are {user and group: number}; `also` are
    other packages that are in it."""

    def __init__(self, name, accounts, also=()):
        self.name, self.root = name, PEERS / name / "root"
        self.roots = [PEERS / x / "root" for x in (name, *also)]
        self.dir = pathlib.Path(os.path.realpath(
            tempfile.mkdtemp(prefix="stoken-peer-", dir="/var/tmp")))
        self.dir.chmod(0o755)
        self.etc, self.var = self.dir / "etc", self.dir / "var"
        self.holder, self.spawned = None, []
        for part in ("etc", "run", "var/tmp", "var/spool", "var/lib",
                     "var/log", "var/mail", "var/empty", "var/cache"):
            (self.dir / part).mkdir(parents=True)
        (self.var / "run").symlink_to("/run")
        self.accounts = dict(accounts)
        self.write_accounts()
        self.write("etc/hosts", "127.0.0.1 localhost mx.a.example "
                   "mta.a.example\n")
        self.write("etc/resolv.conf", "nameserver 127.0.0.1\n")
        self.write("etc/mailname", "mta.a.example\n")

    def write(self, path, text, mode=0o644):
        """A file below the directory of the jail."""
        file = self.dir / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    def write_accounts(self):
        """The machine's, and those that the packages would have made."""
        numbers = {str(x) for x in self.accounts.values()}
        for kind, line in (("passwd", "%s:x:%d:%d::/nonexistent:/bin/false"),
                           ("group", "%s:x:%d:")):
            lines = [x for x in pathlib.Path("/etc", kind).read_text()
                     .splitlines() if x.split(":")[0] not in self.accounts
                     and x.split(":")[2] not in numbers]
            for name, number in self.accounts.items():
                lines.append(line % (name, *[number] * line.count("%d")))
            self.write("etc/" + kind, "\n".join(lines) + "\n")

    def directory(self, path, owner="root", group=None, mode=0o755):
        where = self.dir / path
        where.mkdir(parents=True, exist_ok=True)
        os.chown(where, self.number(owner), self.number(group or owner))
        where.chmod(mode)
        return where

    def number(self, name):
        return 0 if name == "root" else self.accounts[name]

    def start(self):
        layers = [":".join(str(x / part) for x in self.roots)
                  for part in ("usr", "etc")]
        self.unshare = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "-m", "-u", "-p",
             "-f", "--kill-child", "--propagation", "private", "sh", "-c",
             MOUNT, "sh", str(self.dir), *layers], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        said = self.unshare.stdout.readline()
        if said != "mounted\n":
            raise RuntimeError("no name space: " + said)
        # unshare has one child, the first process of the name space.
        self.holder, = server.children(self.unshare.pid)
        return self

    def enter(self, *options):
        return ["nsenter", "-t", str(self.holder), "-m", "-u", *options, "--"]

    def run(self, *command, check=True, text=True, **options):
        """Runs a command inside; returns what it wrote to stdout."""
        done = subprocess.run(
            self.enter("-p") + [str(x) for x in command], text=text,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
            **options)
        if check and done.returncode != 0:
            raise Failed("%s: exit %d: %s %s\n%s" % (
                command, done.returncode, done.stdout, done.stderr,
                self.logs()))
        return done.stdout

    def spawn(self, *command):
        """Starts a program inside that stays; its output is a log."""
        with open(self.var / "log/spawned", "ab") as log:
            self.spawned.append(subprocess.Popen(
                self.enter("-p") + [str(x) for x in command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log))

    def wait(self, ready, what):
        """Waits for an event: until ready() is true."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            found = ready()
            if found:
                return found
            ended = any(x.poll() is not None for x in self.spawned)
            if ended or time.monotonic() > deadline:
                raise AssertionError("%s: not seen: %s\n%s" % (
                    self.name, what, self.logs()))
            time.sleep(0.05)

    def wait_port(self, port):
        def greets():
            with contextlib.suppress(OSError), socket.create_connection(
                    ("127.0.0.1", port), timeout=START_SECONDS) as sock:
                return sock.recv(3) in (b"220", b"* O")
        self.wait(greets, "port %d" % port)

    def logs(self):
        text = ""
        for file in sorted((self.var / "log").rglob("*")):
            if file.is_file():
                lines = file.read_text("utf-8", "replace").splitlines()
                text += "== %s\n%s\n" % (file.name, "\n".join(lines[-40:]))
        return text

    def stop(self):
        """The end of the first process is the end of all of them."""
        if self.holder is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.holder, signal.SIGKILL)
            for process in [self.unshare, *self.spawned]:
                process.wait(30)
            self.unshare.stdout.close()
            self.holder = None
        if not os.environ.get("KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.stop()
            raise

    def __exit__(self, *unused):
        self.stop()
