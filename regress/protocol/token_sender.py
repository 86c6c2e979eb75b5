# SPDX-License-Identifier: ISC
"""What the tests of tokensend(1) share: a user with a file of tokens, a site
that takes them, and a server with the right certificate that lies."""
import contextlib
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

import server
from relay_sink import RelaySink, reply

PROGRAM = str(server.BUILD / "bin/tokensend")
FROM, ALICE, BOB = "friend@b.example", "alice@a.example", "bob@a.example"
MESSAGE = b"From: <friend@b.example>\nSubject: hello\n\n.dots\nand so on\n"
LMTP = ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "CHUNKING",
        "STOKEN", "AUTH STOKEN"]
OLD = "t0ken-of-alice-0001"
OK, DATAERR, NOINPUT, TEMPFAIL, NOPERM, USAGE = 0, 65, 66, 75, 77, 64


class Sender:
    """A user with a file of tokens and a private root."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tokensend-",
                                                 dir="/var/tmp"))
        self.file = self.dir / "tokens"
        self.seen = ""

    def tokens(self, text, mode=0o600):
        self.file.write_text(text)
        self.file.chmod(mode)

    def arguments(self, port, to, ca, *more):
        return [PROGRAM, "-v", "-f", FROM, "-t", str(self.file), "-C",
                str(ca), "-s", "127.0.0.1:%d" % port, *more, *to]

    def run(self, port, to, ca, *more, message=MESSAGE):
        done = subprocess.run(self.arguments(port, to, ca, *more),
                              input=message, capture_output=True, timeout=60)
        self.look(done.stdout, done.stderr)
        return done

    def look(self, *texts):
        """No token is shown, neither what was there nor what came."""
        words = {line.split()[2] for line in self.file.read_text().split("\n")
                 if len(line.split()) == 3} if self.file.exists() else set()
        for text in texts:
            for word in words | {OLD}:
                assert word.encode() not in text, text

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        shutil.rmtree(self.dir)


@pytest.fixture
def sender():
    with Sender() as one:
        yield one


@pytest.fixture(scope="module")
def site():
    """Its certificate is that of the domain."""
    one = server.Server()
    server.certificate(one.dir, "mx.a.example", server.P256, san="a.example")
    one.own()
    one.ca = one.dir / "mx.a.example.crt"
    with one:
        yield one


@pytest.fixture(scope="module")
def liars_certificate():
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:
        where = pathlib.Path(name)
        server.certificate(where, "a.example", server.P256)
        server.certificate(where, "other.example", server.P256)
        yield where


def ports(site):
    return site.ports["smtps"]


def lines(done):
    return done.stdout.decode().splitlines()


def token_in(sender, remote=ALICE):
    found = re.findall(r"^%s %s (\S+)$" % (re.escape(FROM),
                                          re.escape(remote)),
                       sender.file.read_text(), re.M)
    assert len(found) == 1
    return found[0]


@contextlib.contextmanager
def liar(where, keywords=None):
    """A peer with the right name that takes any token."""
    pair = [str(where / ("a.example" + x)) for x in (".crt", ".key")]
    with RelaySink(lmtp=True, keywords=keywords or LMTP, certificate=pair,
                   implicit=True) as sink:
        sink.fault("auth", reply("235 2.7.0 yes"))
        yield sink
