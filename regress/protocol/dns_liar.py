# SPDX-License-Identifier: ISC
"""A name server that answers as a test wants it, octet by octet, over UDP and
TCP; and one between a resolver and its server, that counts."""
import contextlib
import socket
import struct
import threading

A, CNAME, SOA, MX, SRV, AAAA = 1, 5, 6, 15, 33, 28
RESPONSE, TRUNCATED, VALIDATED = 0x8180, 0x0200, 0x0020


def wire(name):
    return b"".join(bytes([len(x)]) + x.encode()
                    for x in name.split(".") if x) + b"\0"


def srv_data(port, target, priority=0, weight=0):
    return struct.pack(">HHH", priority, weight, port) + wire(target)


def record(owner, kind, data, ttl=300):
    """`owner` may be octets: a pointer, say."""
    if isinstance(owner, str):
        owner = wire(owner)
    return owner + struct.pack(">HHIH", kind, 1, ttl, len(data)) + data


class Query:
    """`send` answers, as often as it is called, with whatever octets."""

    def __init__(self, data, send, tcp=None, client=None):
        self.data, self.send = data, send
        self.tcp, self.client = tcp, client  # a connection, or an address
        self.id = struct.unpack(">H", data[:2])[0]
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode())
            at += data[at] + 1
        self.name = ".".join(labels).lower()
        self.kind = struct.unpack(">H", data[at + 1:at + 3])[0]
        self.question = data[12:at + 5]

    def answer(self, answers=(), authority=(), flags=RESPONSE, number=None,
               question=None):
        return struct.pack(
            ">HHHHHH", self.id if number is None else number, flags, 1,
            len(answers), len(authority), 0) + (
                question or self.question) + b"".join([*answers, *authority])


class DnsLiar:
    """on_query(Query) is called in a thread of its own for each."""

    def __init__(self, on_query):
        self.on_query, self.queries, self.numbers = on_query, [], []
        self.changed = threading.Condition()
        self.tcp = socket.create_server(("127.0.0.1", 0))
        self.port = self.tcp.getsockname()[1]
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("127.0.0.1", self.port))
        self.closing = threading.Event()
        for run in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=run, daemon=True).start()

    def take(self, query):
        with self.changed:
            self.queries.append((query.name, query.kind))
            self.numbers.append(query.id)
            self.changed.notify_all()
        # The client may have had enough of it.
        with contextlib.suppress(OSError):
            self.on_query(query)

    def count(self, name):
        """Questions for the name and what is below it."""
        with self.changed:
            return sum(1 for x, _ in self.queries
                       if x == name or x.endswith("." + name))

    def serve_udp(self):
        while not self.closing.is_set():
            try:
                data, client = self.udp.recvfrom(4096)
            except OSError:
                return
            if len(data) < 12:
                continue
            query = Query(data, lambda x, client=client: self.udp.sendto(
                x, client), client=client)
            threading.Thread(target=self.take, args=(query,),
                             daemon=True).start()

    def serve_tcp(self):
        while not self.closing.is_set():
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.talk, args=(connection,),
                             daemon=True).start()

    def talk(self, connection):
        with connection, contextlib.suppress(OSError), \
                connection.makefile("rb") as stream:
            while head := stream.read(2):
                data = stream.read(struct.unpack(">H", head)[0])
                self.take(Query(data, lambda x: connection.sendall(
                    struct.pack(">H", len(x)) + x), connection))

    def close(self):
        self.closing.set()
        for one in (self.udp, self.tcp):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


class DnsProxy(DnsLiar):
    """Asks another server on this machine, and tells what that says."""

    def __init__(self, port):
        self.server = port
        super().__init__(self.forward)

    def forward(self, query):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(30)
            s.connect(("127.0.0.1", self.server))
            s.send(query.data)
            query.send(s.recv(65535))
