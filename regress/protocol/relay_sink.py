# SPDX-License-Identifier: ISC
"""A next hop for the relay: an SMTP or LMTP server that does what it is told,
wrong things too, and writes down every octet.

    with RelaySink(keywords=["PIPELINING", "CHUNKING"]) as sink:
        sink.fault("rcpt", reply("550 5.1.1 no"), nth=2)
        sink.fault("end", close())
        ... connect something to 127.0.0.1:sink.port ...
        message = sink.wait(lambda s: s.messages)[0]

`messages` are those that were answered with 2yz (to one recipient at least);
`tried` are all whose last octets came.  Standard library only, a thread a
connection; a connection that is told to stall does so until the sink closes.
"""
import base64
import hashlib
import hmac
import os
import re
import socket
import ssl
import struct
import threading
import time

WAIT = 60  # seconds: for what must come
ALL = ["PIPELINING", "SIZE 36700160", "8BITMIME", "SMTPUTF8", "DSN",
       "ENHANCEDSTATUSCODES", "CHUNKING", "BINARYMIME"]
POSTFIX = ["PIPELINING", "SIZE 10240000", "VRFY", "ETRN",
           "ENHANCEDSTATUSCODES", "8BITMIME", "DSN", "SMTPUTF8", "CHUNKING"]
OPENSMTPD = ["8BITMIME", "ENHANCEDSTATUSCODES", "SIZE 36700160", "DSN"]
BARE = []

# Steps: connect, ehlo (LHLO and HELO too), starttls, tls (the handshake),
# auth, mail, rcpt, data (for 354), body (when its first octets have come),
# bdat (a chunk that is not the last), end (in LMTP once a recipient), rset,
# quit, other.
STEPS = ("connect", "ehlo", "starttls", "tls", "auth", "mail", "rcpt", "data",
         "body", "bdat", "end", "rset", "quit", "other")


class Over(Exception):
    """The connection is at its end."""


# What may be done at a step in place of what is right.  Each is a function of
# the session and the reply that was due; it returns the reply to be sent.

def reply(*lines):
    """Another reply: one line, or several of one ("550-a", "550 b")."""
    text = b"".join(octets(line) + b"\r\n" for line in lines)
    return lambda session, due: text


def raw(data):
    """Exactly these octets in place of the reply."""
    return lambda session, due: octets(data)


def also(data):
    """The reply, and these octets behind it in one write."""
    return lambda session, due: due + octets(data)


def nothing():
    """No reply; the session goes on."""
    return lambda session, due: b""


def close():
    """The connection ends without a word."""
    def run(session, due):
        raise Over
    return run


def reset():
    """It ends with RST."""
    def run(session, due):
        session.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                  struct.pack("ii", 1, 0))
        raise Over
    return run


def close_after(*lines):
    """A reply, such as 421, and the end."""
    def run(session, due):
        session.say(reply(*lines)(session, due) if lines else due)
        raise Over
    return run


def half(octet_count):
    """The first octets of the reply, and the end."""
    def run(session, due):
        session.say(due[:octet_count])
        raise Over
    return run


def stall(octet_count=0):
    """Some octets of the reply and then nothing, until the sink closes or the
    client does."""
    def run(session, due):
        session.say(due[:octet_count])
        session.sink.stalled.release()
        session.stall()
        raise Over
    return run


def hold(event, seconds=WAIT):
    """The right reply, but not before threading.Event `event` is set."""
    def run(session, due):
        session.sink.stalled.release()
        event.wait(seconds)
        return due
    return run


def drip(seconds=0.001):
    """The reply octet by octet."""
    def run(session, due):
        session.pace = seconds
        return due
    return run


def endless(line="250-and so on\r\n", limit=1 << 26):
    """Lines without an end, until the client has enough of them."""
    def run(session, due):
        block, sent = octets(line) * 1000, 0
        while sent < limit:
            session.say(block)
            sent += len(block)
        raise Over
    return run


def octets(text):
    return text.encode() if isinstance(text, str) else text


class Message:
    """A message whose last octets came."""

    def __init__(self, session):
        self.session = session
        self.mail = session.mail  # the line behind "MAIL "
        self.recipients = list(session.recipients)  # lines of accepted ones
        self.chunks = session.chunks  # lengths; empty: by DATA
        self.containers = session.containers  # by BMTD, with their types
        self.raw = session.body  # as it came, dots and all
        self.replies = []  # as they were sent

    @property
    def data(self):
        """The message itself: dots unstuffed, without the end of DATA."""
        if self.chunks:
            return self.raw
        return re.sub(rb"(?m)^\.", b"", self.raw[:-3])

    @property
    def sender(self):
        return path(self.mail)

    @property
    def addresses(self):
        return [path(line) for line in self.recipients]

    @property
    def head(self):
        return self.data.split(b"\r\n\r\n", 1)[0] + b"\r\n"

    def field(self, name):
        """The values of the header fields of this name, unfolded."""
        fields = re.split(rb"\r\n(?![ \t])", self.head)
        return [re.sub(rb"\r\n(?=[ \t])", b"", x.split(b":", 1)[1]).strip()
                .decode() for x in fields
                if x.split(b":", 1)[0].strip().lower() ==
                name.lower().encode()]


def path(line):
    """The address in `FROM:<a@b> X=y`."""
    return re.match(rb"[^<]*<((?:\"(?:\\.|[^\"\\])*\"|[^>])*)>",
                    line).group(1).decode()


def bare_newlines(data):
    """Where a CR or an LF stands alone: nowhere, if all is well (F-112)."""
    return [m.start() for m in
            re.finditer(rb"\r(?!\n)|(?<!\r)\n", data)]


class RelaySink:
    """See above.

    lmtp         LHLO, and a reply for each recipient
    keywords     what EHLO lists; STARTTLS and AUTH are added where they are
    path         a socket of the file system in place of a port
    certificate  (certificate, key), files; implicit: TLS from the first octet
    logins       {user: password}: AUTH with these mechanisms
    auth_clear   AUTH is listed without TLS too
    """

    def __init__(self, lmtp=False, keywords=None, path=None, certificate=None,
                 implicit=False, logins=None,
                 mechanisms=("PLAIN", "LOGIN", "SCRAM-SHA-256"),
                 auth_clear=False, hostname="sink.example", port=0,
                 backlog=128, address="127.0.0.1"):
        self.lmtp, self.hostname = lmtp, hostname
        self.keywords = list(ALL if keywords is None else keywords)
        self.certificate, self.implicit = certificate, implicit
        self.logins, self.mechanisms = logins or {}, list(mechanisms)
        self.auth_clear = auth_clear
        self.sessions, self.messages, self.tried = [], [], []
        self.faults = []  # [step, behaviour, nth or None, session or None]
        self.counts = {}
        self.stalled = threading.Semaphore(0)  # released at each stall
        self.changed = threading.Condition()
        self.closing = threading.Event()
        self.path = path
        if path is not None:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            os.chmod(path, 0o777)
        else:
            self.listener = socket.socket()
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR,
                                     1)
            self.listener.bind((address, port))
        self.port = None if path else self.listener.getsockname()[1]
        self.listener.listen(backlog)
        threading.Thread(target=self.accept, daemon=True).start()

    # What a test says.

    def fault(self, step, behaviour, nth=None, session=None):
        """At the nth (from 1; None: every) time that the step is reached, in
        all sessions together or in the one of that number (from 1)."""
        assert step in STEPS, step
        with self.changed:
            self.faults.append((step, behaviour, nth, session))
        return self

    def clear(self):
        """No faults any more; the steps count from 1 again."""
        with self.changed:
            self.faults, self.counts = [], {}

    def forget(self):
        with self.changed:
            self.messages, self.tried = [], []

    def wait(self, condition, seconds=WAIT):
        """Until condition(sink) is true; returns what it returned."""
        with self.changed:
            found = self.changed.wait_for(lambda: condition(self), seconds)
        assert found, "waited for too long\n" + self.transcript()
        return found

    def wait_stalled(self, seconds=WAIT):
        assert self.stalled.acquire(timeout=seconds), "nothing stalls"

    def commands(self):
        """All command lines of all sessions, without line ends."""
        with self.changed:
            return [line for s in self.sessions for line in s.commands]

    def transcript(self):
        return "\n".join("%d %s %r" % (s.number, who, data)
                         for s in list(self.sessions) for who, data in s.talk)

    # Its own doing.

    def accept(self):
        while not self.closing.is_set():
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.changed:
                session = self.session_class(
                    self, connection, len(self.sessions) + 1)
                self.sessions.append(session)
                self.changed.notify_all()
            threading.Thread(target=session.run, daemon=True).start()

    def behaviour(self, step, session):
        with self.changed:
            for key in ((step, None), (step, session.number)):
                self.counts[key] = self.counts.get(key, 0) + 1
            for at, behaviour, nth, number in self.faults:
                if at == step and number in (None, session.number) and \
                        nth in (None, self.counts[step, number]):
                    return behaviour
        return None

    def close(self):
        """As a server that is killed."""
        self.closing.set()
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.drop()

    def drop(self):
        """Ends all connections, and listens on."""
        with self.changed:
            sessions = list(self.sessions)
        # Under TLS only one of the two has the descriptor.
        for one in [y for x in sessions for y in (x.plain, x.socket)]:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()


class Session:
    """One connection, and all that was said in it.

    A class that is made from it is used where a sink's session_class is it.
    """

    def __init__(self, sink, connection, number):
        self.sink, self.number = sink, number
        self.plain = self.socket = connection
        if connection.family != socket.AF_UNIX:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.talk = []  # ("C" or "S", octets), as they were read or written
        self.commands = []  # lines, without their ends
        self.tls = self.over = False
        self.pace = None  # seconds between octets of the next reply
        self.login = self.hello = None
        self.reset()

    @property
    def received(self):
        return b"".join(data for who, data in self.talk if who == "C")

    @property
    def sent(self):
        return b"".join(data for who, data in self.talk if who == "S")

    def reset(self):
        self.mail, self.recipients = None, []
        self.body, self.chunks, self.containers = b"", [], []

    def run(self):
        try:
            self.serve()
        except (Over, OSError, ValueError):
            pass
        finally:
            self.socket.close()
            with self.sink.changed:
                self.over = True
                self.sink.changed.notify_all()

    def serve(self):
        if self.sink.implicit:
            self.handshake()
        self.step("connect", "220 %s ESMTP" % self.sink.hostname)
        while True:
            line = self.line()
            with self.sink.changed:
                self.commands.append(line)
                self.sink.changed.notify_all()
            verb, _, rest = line.partition(b" ")
            name = "on_" + verb.decode("latin-1").lower()
            getattr(self, name, self.on_other)(rest.strip())

    # Octets.

    def read(self):
        data = self.socket.recv(65536)
        if not data:
            raise Over
        with self.sink.changed:
            self.talk.append(("C", data))
        self.buffer += data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.read()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line

    def exactly(self, count):
        while len(self.buffer) < count:
            self.read()
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def say(self, data):
        pace, self.pace = self.pace, None
        for i in range(len(data) if pace is not None else 0):
            self.socket.sendall(data[i:i + 1])
            time.sleep(pace)
        if data and pace is None:
            self.socket.sendall(data)
        if data:
            with self.sink.changed:
                self.talk.append(("S", data))

    def stall(self):
        """Reads nothing; ends when the sink does, or the client."""
        while not self.sink.closing.wait(0.05):
            if self.tls:
                continue
            try:
                if self.plain.recv(1, socket.MSG_PEEK |
                                   socket.MSG_DONTWAIT) == b"":
                    return
            except BlockingIOError:
                pass

    def step(self, name, due, before=None):
        """Says the reply that is due, or what the test wants in its place.
        Returns whether that was 2yz or 3yz; before(said) is called first."""
        said = octets(due) + b"\r\n"
        behaviour = self.sink.behaviour(name, self)
        if behaviour is not None:
            said = behaviour(self, said)
        if before is not None:
            before(said)
        self.say(said)
        return said[:1] in (b"2", b"3")

    # Commands.

    def on_ehlo(self, rest):
        self.hello = rest.decode()
        self.reset()
        words = [self.sink.hostname] + self.sink.keywords
        if self.sink.certificate and not self.sink.implicit and not self.tls:
            words.append("STARTTLS")
        if self.sink.logins and (self.tls or self.sink.auth_clear):
            words.append("AUTH " + " ".join(self.sink.mechanisms))
        self.step("ehlo", "\r\n".join(
            "250%s%s" % ("-" if i + 1 < len(words) else " ", word)
            for i, word in enumerate(words)))

    def wrong_hello(self, rest):
        self.step("other", "500 5.5.1 Not in this protocol")

    def on_helo(self, rest):
        if self.sink.lmtp:
            return self.wrong_hello(rest)
        self.hello = rest.decode()
        self.step("ehlo", "250 " + self.sink.hostname)

    def on_lhlo(self, rest):
        self.on_ehlo(rest) if self.sink.lmtp else self.wrong_hello(rest)

    def on_starttls(self, rest):
        if not self.sink.certificate or self.tls:
            return self.on_other(rest)
        if self.step("starttls", "220 2.0.0 go"):
            self.buffer = b""
            self.handshake()

    def handshake(self):
        behaviour = self.sink.behaviour("tls", self)
        if behaviour is not None:
            self.say(behaviour(self, b""))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.sink.certificate)
        self.socket = context.wrap_socket(self.plain, server_side=True)
        self.tls = True

    def on_mail(self, rest):
        if self.mail is not None:
            return self.step("mail", "503 5.5.1 MAIL was said")
        if self.sink.logins and self.login is None:
            return self.step("mail", "530 5.7.0 log in")
        if self.step("mail", "250 2.1.0 sender ok"):
            self.mail = rest

    def on_rcpt(self, rest):
        if self.mail is None:
            return self.step("rcpt", "503 5.5.1 MAIL first")
        if self.step("rcpt", "250 2.1.5 recipient ok"):
            self.recipients.append(rest)

    def on_data(self, rest):
        if not self.recipients or self.chunks:
            return self.step("data", "503 5.5.1 no recipients, or BDAT")
        if not self.step("data", "354 go"):
            return
        self.wait_body()
        while self.buffer[:3] != b".\r\n" and \
                b"\r\n.\r\n" not in self.buffer:
            self.read()
        end = 3 if self.buffer[:3] == b".\r\n" else \
            self.buffer.index(b"\r\n.\r\n") + 5
        self.body = self.exactly(end)
        self.finish()

    def on_bdat(self, rest):
        words = rest.split()
        self.wait_body(int(words[0]))
        self.body += self.exactly(int(words[0]))
        self.chunks = self.chunks + [int(words[0])]
        if not self.recipients:
            self.step("bdat", "503 5.5.1 no recipients")
        elif len(words) == 1:
            self.step("bdat", "250 2.0.0 chunk")
        else:
            self.finish()

    def on_bmtd(self, rest):
        """Containers come before the message, and none is the last."""
        words = rest.split()
        data = self.exactly(int(words[0]))
        if not self.recipients or self.chunks or len(words) > 1 or \
                "METADATA" not in self.sink.keywords:
            return self.step("bdat", "503 5.5.1 not now")
        self.containers = self.containers + [data]
        self.step("bdat", "250 2.1.0 container")

    def wait_body(self, size=1):
        """The step `body` comes when the first octets are there."""
        while not self.buffer and size > 0:
            self.read()
        behaviour = self.sink.behaviour("body", self)
        if behaviour is not None:
            self.say(behaviour(self, b""))

    def finish(self):
        """Kept before the answers, which others may wait for."""
        message = Message(self)

        def keep(said):
            with self.sink.changed:
                message.replies.append(said)
                if said[:1] == b"2" and message not in self.sink.messages:
                    self.sink.messages.append(message)
                self.sink.changed.notify_all()

        with self.sink.changed:
            self.sink.tried.append(message)
            self.sink.changed.notify_all()
        for address in message.addresses if self.sink.lmtp else [""]:
            self.step("end", "250 2.0.0 %staken" % (
                "<%s> " % address if address else ""), keep)
        self.reset()

    def on_rset(self, rest):
        self.reset()
        self.step("rset", "250 2.0.0 reset")

    def on_noop(self, rest):
        self.step("other", "250 2.0.0 ok")

    def on_quit(self, rest):
        self.step("quit", "221 2.0.0 bye")
        raise Over

    def on_other(self, rest):
        self.step("other", "500 5.5.1 unknown")

    # AUTH.

    def on_auth(self, rest):
        words = rest.split()
        name = words[0].decode().upper()
        initial = words[1] if len(words) > 1 else None
        if name not in self.sink.mechanisms:
            return self.step("auth", "504 5.5.4 no such mechanism")
        mechanism = {"PLAIN": self.plain_login, "LOGIN": self.login_login,
                     "SCRAM-SHA-256": self.scram_login}[name]
        user = mechanism(initial)
        if self.step("auth", "235 2.7.0 welcome" if user is not None
                     else "535 5.7.8 bad credentials") and user is not None:
            self.login = (name, user)

    def challenge(self, data):
        self.say(b"334 " + base64.b64encode(data) + b"\r\n")
        return base64.b64decode(self.line())

    def right(self, user, password):
        known = self.sink.logins.get(user)
        return user if known is not None and known == password else None

    def plain_login(self, initial):
        data = self.challenge(b"") if initial is None else \
            base64.b64decode(initial)
        _, user, password = data.decode().split("\0")
        return self.right(user, password)

    def login_login(self, initial):
        user = self.challenge(b"Username:") if initial is None else \
            base64.b64decode(initial)
        password = self.challenge(b"Password:")
        return self.right(user.decode(), password.decode())

    def scram_login(self, initial):
        """RFC 5802, RFC 7677."""
        first = (self.challenge(b"") if initial is None else
                 base64.b64decode(initial)).decode()
        bare = first.split(",", 2)[2]
        fields = dict(x.split("=", 1) for x in bare.split(","))
        user = fields["n"].replace("=2C", ",").replace("=3D", "=")
        salt, rounds = b"salt of a sink", 4096
        nonce = fields["r"] + "sink"
        challenge = "r=%s,s=%s,i=%d" % (
            nonce, base64.b64encode(salt).decode(), rounds)
        final = self.challenge(challenge.encode()).decode()
        without, proof = final.rsplit(",p=", 1)
        salted = hashlib.pbkdf2_hmac(
            "sha256", self.sink.logins.get(user, "").encode(), salt, rounds)
        key = hmac.digest(salted, b"Client Key", "sha256")
        message = ",".join((bare, challenge, without)).encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), message,
                                "sha256")
        right = bytes(a ^ b for a, b in zip(key, signature))
        if base64.b64decode(proof) != right or "r=" + nonce not in without:
            return None
        server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"),
                             message, "sha256")
        self.challenge(b"v=" + base64.b64encode(server))
        return user


RelaySink.session_class = Session
