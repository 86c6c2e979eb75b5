# SPDX-License-Identifier: ISC
"""relay where it takes root to set the scene: a resolv.conf and a DNS server
of the test's own, and the users that it and lmtpd have when all was started
by root."""
import os
import socket
import struct
import threading

import pytest

import relay
import server
import test_root
from relay import Process, Sink

pytestmark = test_root.pytestmark

ALICE, BOB = "alice@a.example", "bob@b.example"
TEXT = b"Subject: x\n\nhello\n"
DNS = "127.53.53.53"  # port 53: there is no other in resolv.conf


def answer(query, records, truncated=False, code=0):
    """A DNS answer (RFC 1035 4.1); records are (type, octets)."""
    end = query.index(b"\0", 12) + 5
    flags = 0x8180 | code | (0x0200 if truncated else 0)
    text = query[:2] + struct.pack(
        ">HHHHH", flags, 1, 0 if truncated else len(records), 0, 0)
    text += query[12:end]
    if not truncated:
        for kind, data in records:
            text += struct.pack(">HHHIH", 0xc00c, kind, 1, 60, len(data))
            text += data
    return text


class Names:
    """A DNS server. names: {name: records}; None: no such name. Names that
    begin with "big" are answered by TCP alone."""

    def __init__(self, names):
        self.names, self.asked = names, []
        self.udp = socket.socket(type=socket.SOCK_DGRAM)
        self.tcp = socket.socket()
        try:
            self.udp.bind((DNS, 53))
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.tcp.bind((DNS, 53))
        except OSError as error:
            pytest.skip("port 53 of %s: %s" % (DNS, error))
        self.tcp.listen(10)
        for serve in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=serve, daemon=True).start()

    def reply(self, query, tcp):
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1:at + 1 + query[at]].decode().lower())
            at += 1 + query[at]
        name, kind = ".".join(labels), struct.unpack_from(
            ">H", query, at + 1)[0]
        self.asked.append((name, kind, tcp))
        records = self.names.get(name)
        if records is None:
            return answer(query, [], code=3)
        records = [x for x in records if x[0] == kind]
        return answer(query, records,
                      truncated=name.startswith("big") and not tcp)

    def serve_udp(self):
        while True:
            try:
                query, who = self.udp.recvfrom(4096)
                if not query:
                    return  # shut down
                self.udp.sendto(self.reply(query, False), who)
            except OSError:
                return

    def serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            with connection, connection.makefile("rb") as file:
                length = file.read(2)
                if len(length) == 2:
                    text = self.reply(
                        file.read(struct.unpack(">H", length)[0]), True)
                    connection.sendall(struct.pack(">H", len(text)) + text)

    def close(self):
        for one in (self.udp, self.tcp):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()


V4, V6 = (1, socket.inet_aton("127.0.0.1")), (28, bytes(15) + b"\1")


@pytest.fixture(scope="module")
def names():
    one = Names({"mx.b.example": [V4], "both.b.example": [V4, V6],
                 "none.b.example": [],
                 "big.b.example": [(1, bytes([127, 0, 0, x]))
                                   for x in range(1, 15)]})
    yield one
    one.close()


@pytest.fixture
def wrap(tmp_path):
    (tmp_path / "resolv.conf").write_text("nameserver %s\n" % DNS)
    (tmp_path / "hosts").write_text("127.0.0.1 localhost in.hosts.example\n")
    return ["unshare", "-m", "--propagation", "private", "sh", "-c",
            "for x in resolv.conf hosts; do mount --bind %s/$x /etc/$x || "
            "exit 1; done; exec \"$@\"" % tmp_path, "sh"]


def send(engine, session=1):
    engine.open(session, 1, BOB)
    code, enhanced, _ = engine.opened(1)
    if code != 250:
        return code, enhanced
    engine.data(session, TEXT)
    return engine.results(1)[1][:2]


@pytest.mark.parametrize("name", [
    "mx.b.example", "both.b.example", "big.b.example", "in.hosts.example"])
def test_a_name(names, wrap, name):
    """By UDP, by TCP, with two families of which one is not there, by file."""
    with Sink() as sink, Process(wrap=wrap, relay_host=name,
                                 relay_port=sink.port) as process:
        names.asked.clear()
        engine = process.engine()
        for session in (1, 2):
            assert send(engine, session) == (relay.SENT, 250)
        assert any(x[2] for x in names.asked) == name.startswith("big")
        assert bool(names.asked) == (name != "in.hosts.example")


@pytest.mark.parametrize("name", ["unknown.b.example", "none.b.example"])
def test_no_such_name(names, wrap, name):
    with Process(wrap=wrap, relay_host=name, relay_port=25) as process:
        engine = process.engine()
        for session in (1, 2):
            assert send(engine, session) == (451, "4.4.3")
        process.wait_said("cannot be resolved")
        names.names[name] = [V4]
        with Sink() as sink:
            assert process.configure(
                relay_host=name, relay_port=sink.port)["ok"] == 1
            assert send(engine, 3) == (relay.SENT, 250)
        del names.names[name]


class RelayServer(test_root.RootServer):
    """All that goes out does so by relay: no mailboxes."""

    def __init__(self, hop, lmtp):
        self.hop, self.lmtp = hop, lmtp
        super().__init__()

    def config_lines(self):
        for line in super().config_lines():
            if not line.startswith("deliver"):
                yield line
        yield 'deliver lmtp "127.0.0.1:%d"' % self.lmtp.port
        yield 'relay host "smtp://127.0.0.1:%d"' % self.hop.port


def uid_of(pid):
    return int(next(x for x in open("/proc/%d/status" % pid)
                    if x.startswith("Uid:")).split()[1])


def test_as_root():
    """relay and lmtpd run as _smtpdst, and mail goes both ways."""
    with Sink() as hop, Sink() as lmtp, RelayServer(hop, lmtp) as one:
        network = test_root.UIDS["_smtpdst"]
        for role in ("relay", "lmtpd"):
            assert {uid_of(pid) for pid in one.pids(role)} == {network}
        with one.login(ALICE) as c:
            assert c.mail(ALICE).code == 250
            assert c.rcpt(ALICE).code == 250
            assert c.rcpt(BOB).code == 250
            assert c.data("Subject: x\r\n\r\nboth\r\n")[0].code == 250
        assert [x[0] for x in hop.messages] == [[BOB.encode()]]
        assert [x[0] for x in lmtp.messages] == [[ALICE.encode()]]
        text = hop.messages[0][1]
        assert b"\r\nSubmission-Token: " in text and b"both\r\n" in text
        assert b"Submission-Token" not in lmtp.messages[0][1]
        spool = "/var/tmp/.smtpd-stoken.%d" % network
        assert os.stat(spool).st_mode & 0o077 == 0


@pytest.mark.skipif(server.UNBOUND, reason="without a sandbox it is seen")
def test_another_resolv_conf(names, wrap, tmp_path):
    """The one that was there at the start stays in use, and the log says
    so: the sandbox knows no other."""
    wrap[-2] = wrap[-2].replace("; exec", "; mount --bind %s /etc; exec" %
                                tmp_path).replace(
        "for x in resolv.conf hosts; do mount --bind %s/$x /etc/$x || "
        "exit 1; done" % tmp_path, "true")
    with Sink() as sink, Process(wrap=wrap, relay_host="mx.b.example",
                                 relay_port=sink.port) as process:
        engine = process.engine()
        (tmp_path / "new").write_text("nameserver 127.0.0.1\n")
        (tmp_path / "new").rename(tmp_path / "resolv.conf")
        assert process.configure(relay_host="mx.b.example",
                                 relay_port=sink.port)["ok"] == 1
        assert send(engine) == (relay.SENT, 250)
        process.wait_said("resolv.conf is another file now")
