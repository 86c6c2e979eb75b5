# SPDX-License-Identifier: ISC
"""The relay process alone: this plays its parent, its engines and tokend, and
the next hop.  Messages are built from the tables of the programs."""
import hashlib
import hmac
import os
import pathlib
import re
import select
import shutil
import socket
import ssl
import struct
import subprocess
import tempfile
import threading
import time

import server as house

TOP = pathlib.Path(__file__).resolve().parents[2]
WAIT = 60  # seconds: for what must come
KEY = bytes(range(32))
ROLE_ENGINE, ROLE_RELAY = 3, 4
RELAY, LMTP = 1, 2  # enum next_hop
SENT, REFUSED, NOT_TRIED = 1, 2, 3  # enum relay_outcome
PLAIN, STARTTLS, SMTPS = 1, 2, 3  # enum relay_scheme


def rows():
    """{name: (number, [(field, kind)])} of imsg/messages.def."""
    text = re.sub(r"/\*.*?\*/", "", (
        TOP / "imsg/messages.def").read_text(), flags=re.S)
    found = {}
    for name, number, fields in re.findall(
            r'MESSAGE\((\w+), \w+, (0x\w+), [^"]*"[^"]*"(?:\s*"[^"]*")*,'
            r'(.*?)\)\s*(?=MESSAGE|$)', text, re.S):
        found[name] = (int(number, 16), [
            (field, kind) for kind, field in
            re.findall(r"(U8|U16|U32|U64|BYTES)\((\w+)", fields)])
    return found


ROWS = rows()
NUMBERS = {number: name for name, (number, _) in ROWS.items()}
SETTINGS = {name: (kind, int(number)) for kind, number, name in re.findall(
    r"^(NUMBER|TEXT|LIST)\((\d+), (\w+),",
    (TOP / "lib/settings.def").read_text(), re.M)}
SIZES = {"U8": "<B", "U16": "<H", "U32": "<I", "U64": "<Q"}


def encode(name, **values):
    body = b""
    for field, kind in ROWS[name][1]:
        value = values.pop(field, b"" if kind == "BYTES" else 0)
        if kind == "BYTES":
            value = value.encode() if isinstance(value, str) else value
            body += struct.pack("<I", len(value)) + value
        else:
            body += struct.pack(SIZES[kind], value)
    assert not values, values
    return body


def decode(number, body):
    values, at = {}, 0
    for field, kind in ROWS[NUMBERS[number]][1]:
        size = 4 if kind == "BYTES" else struct.calcsize(SIZES[kind])
        value, = struct.unpack_from(SIZES.get(kind, "<I"), body, at)
        at += size
        if kind == "BYTES":
            value, at = body[at:at + value], at + value
        values[field] = value
    assert at == len(body)
    return values


def monotonic():
    """lib/ticket.h's clock."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * 1000) + 1


class Channel:
    """One end of a channel, as imsg(3) frames it."""

    def __init__(self):
        self.socket, self.other = socket.socketpair()
        self.data, self.heard = b"", []

    def say(self, name, fd=None, **values):
        body = encode(name, **values)
        length = 16 + len(body) | (0x80000000 if fd is not None else 0)
        frame = struct.pack(
            "<IIII", ROWS[name][0], length, 0, os.getpid()) + body
        if fd is None:
            self.socket.sendall(frame)
        else:
            sent = socket.send_fds(self.socket, [frame], [fd])
            assert sent == len(frame)

    def poll(self, seconds):
        """Reads what has come; False: nothing did, or it is over."""
        if not select.select([self.socket], [], [], seconds)[0]:
            return False
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        self.data += data
        while len(self.data) >= 16:
            number, length = struct.unpack_from("<II", self.data)
            if len(self.data) < length:
                break
            self.heard.append((NUMBERS[number],
                               decode(number, self.data[16:length])))
            self.data = self.data[length:]
        return bool(data)

    def hear(self, seconds=WAIT):
        """The next message: (name, values); (None, {}) when it is over."""
        until = time.monotonic() + seconds
        while not self.heard:
            left = until - time.monotonic()
            assert left > 0, "nothing is said"
            if not self.poll(left) and not self.heard:
                if time.monotonic() < until:
                    return None, {}
        return self.heard.pop(0)

    def quiet(self, seconds=0.3):
        """Nothing is said for a while (which proves little, but finds)."""
        self.poll(seconds)
        return not self.heard


class Process:
    """The program, made ready, with engines."""

    def __init__(self, ca=None, secrets=None, wrap=(), **settings):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="relay-",
                                                 dir="/var/tmp"))
        self.dir.chmod(0o755)
        self.parent, self.engines = Channel(), []
        self.log = open(self.dir / "log", "w+")
        program = house.BUILD / "libexec/smtpd-stoken/relay"
        if os.getuid() == 0:
            shutil.copy(program, self.dir / "relay")
            program = self.dir / "relay"
        other = self.parent.other.fileno()

        def three():
            os.dup2(other, 3, inheritable=True)
            if not wrap:
                house.drop()()
        self.process = subprocess.Popen(
            [*wrap, str(program)], preexec_fn=three, stderr=self.log,
            close_fds=False, env={})
        self.parent.other.close()
        self.parent.say("SETUP_START", role=ROLE_RELAY, debug=1, verbose=1)
        self.parent.say("SETUP_TICKET_KEY", key=KEY)
        self.generation = 0
        self.configure(ca, secrets, **settings)

    def configure(self, ca=None, secrets=None, **settings):
        """Returns what SETUP_READY says."""
        for name, text in (("SETUP_CA", ca), ("SETUP_SECRETS", secrets)):
            if text is not None:
                with tempfile.TemporaryFile() as file:
                    file.write(text)
                    file.flush()
                    fd = os.open("/proc/self/fd/%d" % file.fileno(),
                                 os.O_RDONLY)
                    self.parent.say(name, fd=fd)
                    os.close(fd)
        settings = dict({"hostname": "mx.a.example", "timeout_relay": 300,
                         "relay_scheme": PLAIN, "relay_verify": 1}, **settings)
        if "relay_host" not in settings:
            settings["relay_scheme"] = 0
        for name, value in settings.items():
            kind, number = SETTINGS[name]
            octets = struct.pack("<Q", value) if kind == "NUMBER" else \
                value.encode()
            self.parent.say("SETUP_SETTING", number=number, value=octets)
        self.generation += 1
        self.parent.say("SETUP_COMMIT", generation=self.generation)
        name, values = self.parent.hear()
        assert name == "SETUP_READY", self.said()
        if self.generation == 1:
            assert values["ok"] == 1, values["problem"]
        return values

    def engine(self, trusted=0):
        channel = Channel()
        self.parent.say("SETUP_PEER", role=ROLE_ENGINE, trusted=trusted,
                        instance=len(self.engines), fd=channel.other.fileno())
        channel.other.close()
        self.engines.append(channel)
        return Engine(channel)

    def said(self):
        self.log.flush()
        return (self.dir / "log").read_text()

    def wait_said(self, text):
        until = time.monotonic() + WAIT
        while text not in self.said():
            assert time.monotonic() < until, self.said()
            time.sleep(0.02)

    def stop(self):
        if self.process.poll() is None:
            self.parent.say("SHUTDOWN", seconds=1)
        try:
            status = self.process.wait(WAIT)
        finally:
            self.process.kill()
            self.log.close()
            text = (self.dir / "log").read_text()
            shutil.rmtree(self.dir)
        assert status == 0, text
        assert "Sanitizer" not in text and "runtime error" not in text, text

    def __enter__(self):
        return self

    def __exit__(self, kind, *unused):
        if kind is not None:
            print(self.said())
            self.process.kill()
        for channel in self.engines:
            channel.socket.close()
        if kind is None:
            self.stop()


def mac(kind, message, mailbox, expires):
    subject = bytes([kind])
    for part in (message, mailbox):
        subject += struct.pack(">H", len(part)) + part
    return hmac.new(KEY, subject + struct.pack(">Q", expires),
                    hashlib.sha256).digest()[:16]


class Engine:
    """An engine, and the tokend that gives it tickets."""

    def __init__(self, channel):
        self.channel = channel

    def ticket(self, session, sender, address, expires):
        return mac(2, struct.pack("<Q", session),
                   sender.encode() + b"\0" + address.encode(), expires)

    def open(self, session, number, address, sender="alice@a.example",
             transaction=1, hop=RELAY, shared=0, life=60000, **more):
        expires = more.pop("expires", monotonic() + life)
        message = more.setdefault("message", "messageid%d" % session)
        ticket = self.ticket(session, sender, address, expires) \
            if hop == RELAY else \
            mac(1, message.encode(), address.encode(), expires)
        more.setdefault("ticket", ticket)
        self.channel.say(
            "RELAY_OPEN", session=session, transaction=transaction,
            next_hop=hop, recipient=number, shared=shared, sender=sender,
            address=address, expires=expires, **more)

    def opened(self, number=None):
        name, values = self.channel.hear()
        assert name == "RELAY_OPENED", (name, values)
        if number is not None:
            assert values["recipient"] == number
        return values["code"], values["enhanced"].decode(), values[
            "text"].decode()

    def head(self, session, number, fields, transaction=1, hop=RELAY):
        self.channel.say("RELAY_HEAD", session=session, next_hop=hop,
                         transaction=transaction, recipient=number,
                         fields=fields)

    def data(self, session, text, transaction=1, hop=RELAY, one_by_one=0,
             offset=0, size=None, exact=0, message=None):
        with tempfile.TemporaryFile() as file:
            file.write(text)
            file.flush()
            self.channel.say(
                "RELAY_DATA", session=session, transaction=transaction,
                next_hop=hop, exact=exact, one_by_one=one_by_one,
                offset=offset, size=len(text) - offset if size is None
                else size, message=message or "messageid%d" % session,
                fd=file.fileno())

    def abandon(self, session, transaction=1, hop=RELAY):
        self.channel.say("RELAY_ABANDON", session=session,
                         transaction=transaction, next_hop=hop)

    def results(self, count):
        """{number: (outcome, code, text)}; the last one says so."""
        found = {}
        for i in range(count):
            name, values = self.channel.hear()
            assert name == "RELAY_RESULT", (name, values)
            assert values["recipient"] not in found
            assert values["last"] == (i + 1 == count), values
            found[values["recipient"]] = (
                values["outcome"], values["code"], values["text"].decode())
        return found


class Sink:
    """A next hop in a thread: SMTP or LMTP, well-behaved but for `answers`.

    answers   {verb: reply or function(sink, session, line) -> reply}; a reply
              of None closes the connection, b"" says nothing
    script    function(socket, sink) that plays the server instead
    """

    KEYWORDS = ["PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "SIZE"]

    def __init__(self, answers=None, keywords=None, script=None, path=None,
                 certificate=None, implicit=False, backlog=100):
        if path is not None:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            os.chmod(path, 0o777)
        else:
            self.listener = socket.socket()
            self.listener.bind(("127.0.0.1", 0))
            self.port = self.listener.getsockname()[1]
        self.listener.listen(backlog)
        self.answers = answers or {}
        self.keywords = self.KEYWORDS if keywords is None else keywords
        self.script, self.implicit = script, implicit
        self.certificate = certificate
        self.messages, self.lines, self.connections = [], [], 0
        self.open, self.live = [], 0
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            if connection.family == socket.AF_INET:
                connection.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.connections += 1
                self.live += 1
                self.open.append(connection)
            threading.Thread(target=self.serve, args=(connection,),
                             daemon=True).start()

    def tls(self, connection):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.certificate)
        wrapped = context.wrap_socket(connection, server_side=True)
        with self.lock:
            self.open.append(wrapped)
        return wrapped

    def serve(self, connection):
        try:
            if self.implicit:
                connection = self.tls(connection)
            if self.script is not None:
                self.script(connection, self)
            else:
                Session(connection, self).run()
        except (OSError, EOFError, ValueError):
            pass
        finally:
            connection.close()
            with self.lock:
                self.live -= 1

    def close(self):
        """As a server that is killed."""
        if self.listener.fileno() != -1:
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
        self.drop()

    def drop(self):
        """Ends all connections."""
        with self.lock:
            for connection in self.open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self.open = []

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def wait(self, condition):
        until = time.monotonic() + WAIT
        while not condition(self):
            assert time.monotonic() < until
            time.sleep(0.01)


class Session:
    def __init__(self, connection, sink):
        self.connection, self.sink = connection, sink
        self.file = connection.makefile("rb")
        self.lmtp = self.tls = False
        self.reset()

    def reset(self):
        self.sender, self.recipients, self.chunks = None, [], b""

    def say(self, reply):
        if reply is None:
            raise EOFError
        if reply:
            self.connection.sendall(
                reply if reply.endswith(b"\r\n") else reply + b"\r\n")

    def choose(self, verb, line, default):
        reply = self.sink.answers.get(verb, default)
        if callable(reply):
            reply = reply(self.sink, self, line)
            reply = default if reply is True else reply
        return reply

    def answer(self, verb, line, default):
        reply = self.choose(verb, line, default)
        self.say(reply)
        return reply is not None and reply[:1] in b"23"

    def run(self):
        self.answer("connect", b"", b"220 sink ESMTP")
        while True:
            line = self.file.readline()
            if not line:
                return
            assert line.endswith(b"\r\n"), line
            with self.sink.lock:
                self.sink.lines.append(line[:-2])
            verb = line.split(None, 1)[0].decode("ascii").upper()
            if verb == "QUIT":
                self.answer(verb, line, b"221 bye")
                return
            getattr(self, "do_" + verb.lower(), self.unknown)(verb, line)

    def unknown(self, verb, line):
        self.answer(verb, line, b"500 5.5.1 unknown")

    def do_ehlo(self, verb, line):
        self.lmtp = verb == "LHLO"
        words = [b"sink"] + [x.encode() for x in self.sink.keywords]
        if self.sink.certificate and not self.sink.implicit and not self.tls:
            words.append(b"STARTTLS")
        self.answer(verb, line, b"\r\n".join(
            b"250%c%s" % (b"-" if x is not words[-1] else b" ", x)
            for x in words))

    do_lhlo = do_ehlo

    def do_starttls(self, verb, line):
        if self.answer(verb, line, b"220 go"):
            self.connection = self.sink.tls(self.connection)
            self.file = self.connection.makefile("rb")
            self.tls = True

    def do_auth(self, verb, line):
        self.answer(verb, line, b"235 2.7.0 welcome")

    def do_mail(self, verb, line):
        if self.answer(verb, line, b"250 2.1.0 ok"):
            self.reset()
            self.sender = line

    def do_rcpt(self, verb, line):
        if self.answer(verb, line, b"250 2.1.5 ok"):
            self.recipients.append(line.split(b"<", 1)[1].split(b">")[0])

    def do_rset(self, verb, line):
        self.reset()
        self.answer(verb, line, b"250 2.0.0 ok")

    def do_data(self, verb, line):
        if not self.answer(verb, line, b"354 go"):
            return
        lines = []
        while True:
            line = self.file.readline()
            if not line:
                raise EOFError
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b".") else line)
        self.end(b"".join(lines))

    def do_bdat(self, verb, line):
        words = line.split()
        data = self.file.read(int(words[1]))
        self.chunks += data
        if len(words) > 2:
            self.end(self.chunks)
        else:
            self.answer(verb, line, b"250 2.0.0 go on")

    def end(self, text):
        """Kept before it is decided, forgotten before a refusal is said."""
        message = (list(self.recipients), text)
        with self.sink.lock:
            self.sink.messages.append(message)
        replies = [self.choose("end", address, b"250 2.0.0 taken")
                   for address in self.recipients[:None if self.lmtp else 1]]
        if not any(reply and reply[:1] in b"23" for reply in replies):
            with self.sink.lock:
                if message in self.sink.messages:
                    self.sink.messages.remove(message)
        for reply in replies:
            self.say(reply)
        self.reset()
