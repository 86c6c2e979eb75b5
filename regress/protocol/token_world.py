# SPDX-License-Identifier: ISC
"""What a token route needs around a server: names in a DNS of its own (nsd),
certificates of an authority of its own, and token servers that lie."""
import base64
import contextlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile
import time

import relay_sink
from server import P256, TOP, Server, certificate, drop, free_port

KEYWORDS = ["PIPELINING", "SIZE 36700160", "8BITMIME", "SMTPUTF8",
            "ENHANCEDSTATUSCODES", "CHUNKING", "BINARYMIME"]
WAIT = 60


class TokenSession(relay_sink.Session):
    """Takes any token, and gives a new one with each delivery."""

    def on_ehlo(self, rest):
        self.hello = rest.decode()
        self.reset()
        words = [self.sink.hostname] + self.sink.keywords
        if self.tls:
            words += ["AUTH STOKEN", "STOKEN"] if self.sink.stoken else []
        else:
            words.append("STARTTLS")
        self.step("ehlo", "\r\n".join(
            "250%s%s" % ("-" if i + 1 < len(words) else " ", word)
            for i, word in enumerate(words)))

    def on_auth(self, rest):
        mechanism, _, response = rest.decode().partition(" ")
        assert self.tls, "a token in clear"
        recipient, token = base64.b64decode(response).decode().split("\0")
        assert mechanism == "STOKEN"
        self.sink.note(recipient, token)
        if self.step("auth", "235 2.7.0 welcome"):
            self.login = ("STOKEN", recipient)

    def on_rcpt(self, rest):
        found = re.search(rb" STOKEN=(\S+)", rest)
        self.sink.note(relay_sink.path(rest),
                       found.group(1).decode() if found else None)
        super().on_rcpt(rest)

    def finish(self):
        message = relay_sink.Message(self)
        with self.sink.changed:
            self.sink.tried.append(message)
            self.sink.changed.notify_all()

        def keep(said):
            with self.sink.changed:
                message.replies.append(said)
                if said[:1] == b"2" and message not in self.sink.messages:
                    self.sink.messages.append(message)
                self.sink.changed.notify_all()

        for address in message.addresses:
            new = self.sink.gives
            self.step("end", "250 %s <%s> %sid%d delivered" % (
                "2.1.13" if new else "2.1.12", address,
                new + " " if new else "", len(self.sink.tried)), keep)
        self.reset()


class TokenSink(relay_sink.RelaySink):
    """A token server.  `shown` are the (recipient, token) that it saw."""

    session_class = TokenSession

    def __init__(self, certificate, implicit=True, **more):
        self.shown, self.stoken, self.gives = [], True, "NEW-token_1"
        super().__init__(lmtp=True, keywords=KEYWORDS, implicit=implicit,
                         certificate=certificate, **more)

    def note(self, recipient, token):
        with self.changed:
            self.shown.append((recipient, token))

    def forget(self):
        super().forget()
        with self.changed:
            self.shown = []
        self.stoken, self.gives = True, "NEW-token_1"


class Authority:
    """Makes certificates."""

    def __init__(self, directory):
        self.dir = pathlib.Path(directory)
        certificate(self.dir, "authority.example", P256)
        self.file = str(self.dir / "authority.example.crt")

    def issue(self, name, *also, names=None):
        """(certificate, key) for the DNS names, or others as openssl(1) has
        them; names=() for a CN only."""
        names = (also or [name]) if names is None else names
        base = self.dir / name
        subprocess.run(
            ["openssl", "req", "-new", "-nodes", "-newkey", *P256, "-subj",
             "/CN=" + name, "-keyout", "%s.key" % base, "-out",
             "%s.csr" % base], check=True, capture_output=True)
        (self.dir / (name + ".ext")).write_text(
            "subjectAltName=" + ",".join(
                x if ":" in x else "DNS:" + x for x in names)
            if names else "basicConstraints=CA:FALSE")
        subprocess.run(
            ["openssl", "x509", "-req", "-days", "3", "-in", "%s.csr" % base,
             "-CA", self.file, "-CAkey",
             str(self.dir / "authority.example.key"), "-set_serial",
             str(time.monotonic_ns()), "-extfile", "%s.ext" % base, "-out",
             "%s.crt" % base], check=True, capture_output=True)
        return "%s.crt" % base, "%s.key" % base


def find_program(name, directory, package=None):
    """(program, environment): the one that is installed, or else what
    regress/peers/unpack.sh unpacked, copied to where `nobody` may read it."""
    unpacked = TOP / "out/peers" / (package or name) / "root/usr"
    program = shutil.which(name) or "/usr/sbin/" + name
    if os.path.exists(program) or not unpacked.exists():
        return program, None
    for file in [*unpacked.glob("*bin/" + name), *unpacked.rglob("*.so.*")]:
        shutil.copy(file, directory)
    return str(directory / name), dict(os.environ,
                                       LD_LIBRARY_PATH=str(directory))


def find_nsd(directory):
    return find_program("nsd", directory)


class Nsd:
    """A name server on a port of its own, for everything below .example (or
    another zone).  `change` is called with the file of the zone and the name,
    before that is read."""

    def __init__(self, records, ttl=300, port=None, zone="example",
                 change=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="stoken-nsd-"))
        self.dir.chmod(0o755)
        self.port, self.zone, self.ttl = port or free_port(), zone, ttl
        self.serial, self.file = 0, self.dir / "zone"
        self.write(records)
        if change:
            change(self.file, zone)
        (self.dir / "nsd.conf").write_text("""\
server:
    ip-address: 127.0.0.1
    port: %d
    server-count: 1
    username: ""
    chroot: ""
    zonesdir: "%s"
    database: ""
    xfrdfile: "%s/xfrd.state"
    zonelistfile: "%s/zone.list"
    pidfile: "%s/pid"
    verbosity: 1
remote-control:
    control-enable: no
zone:
    name: %s
    zonefile: zone
""" % (self.port, self.dir, self.dir, self.dir, self.dir, zone))
        if os.getuid() == 0:
            for path in [self.dir, *self.dir.iterdir()]:
                os.chown(path, 65534, 65534)
        program, environment = find_nsd(self.dir)
        self.process = subprocess.Popen(
            [program, "-d", "-c", str(self.dir / "nsd.conf")],
            stdout=open(self.dir / "log", "wb"), stderr=subprocess.STDOUT,
            preexec_fn=drop(), env=environment)
        self.wait_log("nsd started")

    def write(self, records):
        self.serial += 1
        self.file.write_text("""\
$ORIGIN %s.
$TTL %d
@ SOA ns x %d 3600 600 86400 60
@ NS ns
ns A 127.0.0.1
host A 127.0.0.1
%s
""" % (self.zone, self.ttl, self.serial, "\n".join(records)))

    def reload(self, records):
        """Other records, which are there when this returns."""
        start = len((self.dir / "log").read_text())
        self.write(records)
        self.process.send_signal(signal.SIGHUP)
        self.wait_log("read with success", start)

    def wait_log(self, text, start=0):
        until = time.monotonic() + WAIT
        while text not in (self.dir / "log").read_text()[start:]:
            assert self.process.poll() is None and \
                time.monotonic() < until, (self.dir / "log").read_text()
            time.sleep(0.02)

    def close(self):
        self.process.terminate()
        self.process.wait(WAIT)
        shutil.rmtree(self.dir, ignore_errors=True)


def srv(domain, port, service="_submissions", host="host.example.",
        priority=0, weight=0):
    return "%s._tcp.%s. SRV %d %d %d %s" % (
        service, domain, priority, weight, port, host)


ALICE = "alice@a.example"
MESSAGE = "From: alice@a.example\r\nSubject: by token\r\n\r\nText.\r\n.dot\r\n"


class World:
    """A server that holds tokens, its relay host, a name server, and token
    servers for domains that are used once each: what is known of one by the
    server is nothing that a test can wait for to be forgotten."""

    def __init__(self, server, relay, sink):
        self.server, self.relay, self.sink = server, relay, sink
        self.number = 0

    def clear(self):
        for one in (self.relay, self.sink):
            one.clear()
            one.forget()

    def domain(self):
        self.number += 1
        return "d%d.example" % self.number

    def hold(self, remote, token, local=ALICE):
        """`local` gets a token of `remote`'s, who delivers with MYSTOKEN."""
        ours = self.server.temporary(remote, local)
        with self.server.token_session(local, ours) as c:
            c.mail(remote)
            reply = c.rcpt(local, ours, token)
            assert reply.code == 250, reply
            reply, = c.data("From: <%s>\r\nSubject: token\r\n\r\nx\r\n" %
                            remote)
            assert reply.code == 250, reply

    def friend(self, token="HELD-token_0", domain=None):
        """An address in a domain of its own; alice holds a token for it."""
        address = "friend@" + (domain or self.domain())
        self.hold(address, token)
        return address

    def submit(self, *recipients, message=MESSAGE, sender=ALICE):
        """The replies to RCPT, and that to the message."""
        with self.server.login() as c:
            assert c.mail(sender).status == "250 2.1.0"
            replies = [c.rcpt(x) for x in recipients]
            assert [x.code for x in replies] == [250] * len(recipients)
            reply, = c.data(message)
        return reply

    def held(self, remote):
        """How many tokens are held for it."""
        return [row for row in self.server.show("held")
                if row["remote"] == remote]


DOMAINS = 120


@contextlib.contextmanager
def token_world(extra="", records=(), sink_options=None, resolver=None,
                change=None, kind=Server, **more):
    """`resolver`: a port, or what makes one from the name server and the
    stack; `change` as Nsd() has it; `kind` of server."""
    directory = tempfile.mkdtemp(prefix="stoken-ca-")
    os.chmod(directory, 0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        authority = Authority(directory)
        names = ["d%d.example" % n for n in range(1, DOMAINS)]
        sink = stack.enter_context(TokenSink(
            authority.issue("tokens", *names), **(sink_options or {})))
        hop = stack.enter_context(relay_sink.RelaySink())
        service = "_submissions" if sink.implicit else "_submission"
        nsd = Nsd([srv(x, sink.port, service) for x in names] +
                  [x(authority, stack) if callable(x) else x
                   for x in records], change=change)
        stack.callback(nsd.close)
        if callable(resolver):
            resolver = resolver(nsd, stack)
        server = stack.enter_context(kind(extra="""
relay host "smtp://127.0.0.1:%d"
ca "%s"
resolver "127.0.0.1:%d"
%s""" % (hop.port, authority.file, resolver or nsd.port, extra), **more))
        world = World(server, hop, sink)
        world.authority, world.nsd = authority, nsd
        yield world
