# SPDX-License-Identifier: ISC
"""A token server for many domains, each of which lies in another way: behind
every octet of every answer, and of its part of the TLS handshake.

Which domain is meant is known by the name that the client asks for (SNI); in
clear, behind _submission, cases are given out in the order of connections.
"""
import re
import select
import socket
import ssl
import struct
import threading

WORDS = ["PIPELINING", "STOKEN", "AUTH STOKEN"]
# What a liar does at its octet. `flip` is for the handshake alone.
KINDS = ("stall", "fin", "rst", "421", "garbage")


class Over(Exception):
    """The connection is at its end."""


class Case:
    """What is done at a step, behind so many octets of the right answer, and
    what came of it."""

    def __init__(self, kind, step, offset, chunking=True, large=False):
        self.kind, self.step, self.offset = kind, step, offset
        self.chunking, self.large = chunking, large
        self.friend, self.domain, self.new = "", "", ""
        self.forget()

    def forget(self):
        self.taken = 0  # messages, which it has kept
        self.said = 0  # answers behind them that went out whole
        self.shown = 0  # tokens that were shown to it
        self.reached = 0

    def __repr__(self):
        return "%s at %s+%d of %s: taken %d, said %d" % (
            self.kind, self.step, self.offset, self.domain, self.taken,
            self.said)


def replies(case):
    """{step: the right answer}"""
    words = ["x"] + WORDS + ["CHUNKING"] * case.chunking
    hello = "".join("250%s%s\r\n" % ("-" if x is not words[-1] else " ", x)
                    for x in words)
    return {
        "connect": b"220 x\r\n", "lhlo": hello.encode(),
        "auth": b"235 2.7.0 k\r\n", "mail": b"250 2.1.0 k\r\n",
        "rcpt": b"250 2.1.5 k\r\n", "bdat": b"250 2.0.0 k\r\n",
        "data": b"354 k\r\n",
        "end": b"250 2.1.13 <%s> %s id\r\n" % (case.friend.encode(),
                                              case.new.encode()),
        "rset": b"250 2.0.0 k\r\n", "quit": b"221 2.0.0 k\r\n",
        "clear": b"250-x\r\n250 STARTTLS\r\n", "starttls": b"220 2.0.0 k\r\n",
    }


class Wire:
    """One connection."""

    def __init__(self, liar, connection, case=None):
        self.liar, self.socket, self.case = liar, connection, case
        self.buffer, self.tls = b"", None
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise Over
        return data

    def read(self):
        if self.tls is None:
            self.buffer += self.receive()
            return
        while True:
            try:
                data = self.tls.read(65536)
                if not data:
                    raise Over
                self.buffer += data
                return
            except ssl.SSLWantReadError:
                self.incoming.write(self.receive())

    def send(self, data):
        if self.tls is not None and data:
            self.tls.write(data)
            data = self.outgoing.read()
        if data:
            self.socket.sendall(data)

    def line(self):
        while b"\n" not in self.buffer:
            self.read()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.strip()

    def exactly(self, count):
        while len(self.buffer) < count:
            self.read()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def end(self):
        """No octet more, and none is lost that was sent."""
        self.socket.shutdown(socket.SHUT_WR)
        self.wait()

    def wait(self):
        """Until the client ends it."""
        while self.socket.recv(65536):
            pass
        raise Over

    def say(self, step, data, send=None):
        """The answer, or the lie. Returns whether the answer was said."""
        case, send = self.case, send or self.send
        if case is None or case.step != step:
            send(data)
            return
        case.reached += 1
        if case.kind == "flip":
            data = bytearray(data)
            if case.offset < len(data):
                data[case.offset] ^= 1 << case.offset % 8
            send(bytes(data))
            return
        if case.kind == "twice":
            send(data + data)
            return
        send(data[:case.offset])
        if step == "end" and case.offset >= len(data):
            case.said += 1
        if case.kind == "stall":
            self.wait()
        if case.kind == "rst":
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
            raise Over
        if case.kind == "421":
            send(b"421 4.3.2 going\r\n")
        if case.kind == "garbage":
            send(b"\0\xff\r\n25")
            self.wait()
        self.end()

    def body(self, count):
        """Octets of a message, or the lie in the middle of it: `stall` is to
        read no more."""
        case = self.case
        if case.step != "body" or case.reached or \
                self.seen + count <= case.offset:
            self.exactly(count)
            self.seen += count
            return
        self.exactly(case.offset - self.seen)
        if case.kind == "stall":
            case.reached += 1
            poll = select.poll()
            poll.register(self.socket, select.POLLRDHUP)
            poll.poll()
            raise Over
        self.say("body", b"")

    def handshake(self):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.liar.context.wrap_bio(self.incoming, self.outgoing,
                                         server_side=True)
        tls.wire = self
        while True:
            try:
                tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                done = False
            data = self.outgoing.read()
            if data:
                self.say("tls", data, self.socket.sendall)
            if done:
                break
            self.incoming.write(self.receive())
        self.tls = tls

    def clear(self):
        """_submission, up to TLS."""
        words = replies(self.case)
        self.say("connect", words["connect"])
        while True:
            verb = self.line().split(b" ")[0].upper()
            if verb == b"LHLO":
                self.say("lhlo", words["clear"])
            elif verb == b"STARTTLS":
                self.say("starttls", words["starttls"])
                break
            else:
                self.say("quit", words["quit"])
                raise Over
        self.buffer = b""
        case, self.case = self.case, None
        self.handshake()
        if self.case is None:
            self.case = case

    def serve(self):
        words = replies(self.case)
        self.say("connect", words["connect"])
        while True:
            line = self.line()
            verb = line.split(b" ")[0].lower().decode()
            if verb == "auth":
                self.case.shown += 1
            if verb == "mail":
                self.seen = 0  # octets of the message
            if verb == "data":
                self.say("data", words["data"])
                if self.case.step == "body":
                    self.body(1 << 30)
                while b"\r\n.\r\n" not in self.buffer:
                    self.read()
                self.buffer = self.buffer.split(b"\r\n.\r\n", 1)[1]
                self.finish(words)
            elif verb == "bdat":
                self.body(int(line.split()[1]))
                if line.upper().endswith(b"LAST"):
                    self.finish(words)
                else:
                    self.say("bdat", words["bdat"])
            else:
                self.say(verb, words[verb])
                if verb == "quit":
                    raise Over

    def finish(self, words):
        """Taken, before the answer; but a whole 421 in its place says no."""
        case = self.case
        if case.step == "end" and case.kind == "421" and case.offset == 0:
            self.say("end", words["end"])
        case.taken += 1
        self.say("end", words["end"])
        case.said += 1

    def run(self, clear):
        try:
            if clear:
                self.clear()
            else:
                self.handshake()
            self.serve()
        except (Over, OSError, ssl.SSLError):
            pass
        finally:
            self.socket.close()
            self.liar.over(self)


class OctetLiar:
    """Listens; `cases` are found by domain, `queue` is given out in clear."""

    def __init__(self, certificate):
        self.cases, self.queue = {}, []
        self.lock, self.wires, self.faults = threading.Lock(), set(), []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(*certificate)
        self.context.num_tickets = 0
        self.context.sni_callback = self.on_name
        self.listeners = [self.listen(False), self.listen(True)]
        self.port, self.clear_port = [x.getsockname()[1]
                                      for x in self.listeners]

    def listen(self, clear):
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        listener.listen(512)
        threading.Thread(target=self.accept, args=(listener, clear),
                         daemon=True).start()
        return listener

    def accept(self, listener, clear):
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                case = None
                if clear:
                    case = self.queue.pop(0) if self.queue else \
                        Case("none", "none", 0)
                wire = Wire(self, connection, case)
                self.wires.add(wire)
            threading.Thread(target=wire.run, args=(clear,),
                             daemon=True).start()

    def on_name(self, tls, name, context):
        tls.wire.case = self.cases.get(name) or Case("none", "none", 0)

    def over(self, wire):
        with self.lock:
            self.wires.discard(wire)

    def close(self):
        for listener in self.listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self.lock:
            wires = list(self.wires)
        for wire in wires:
            try:
                wire.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def flight(self):
        """Octets of its part of a handshake, at most."""
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        pipes = [ssl.MemoryBIO() for _ in range(4)]
        there = client.wrap_bio(pipes[0], pipes[1], server_hostname="x.y")
        here = self.context.wrap_bio(pipes[2], pipes[3], server_side=True)
        here.wire = Wire.__new__(Wire)
        for end, out, to in ((there, pipes[1], pipes[2]),
                             (here, pipes[3], None)):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                pass
            data = out.read()
            if to is not None:
                to.write(data)
        # A signature in DER is some octets shorter or longer.
        return len(data) + 4


def token_names(text):
    return re.findall(r"(?:HELD|NEW)token\w*", text)
