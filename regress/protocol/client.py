# SPDX-License-Identifier: ISC
"""A raw SMTP and LMTP client that believes nothing.

It sends exactly the bytes it is given and reads replies strictly: CRLF line
ends, one code for all lines of a reply, at most 512 octets a line, and an
enhanced status code of the right class on every line that must have one
(F-85, F-95).  Standard library only.
"""
import base64
import collections
import ctypes
import hashlib
import hmac
import os
import re
import socket
import ssl

LINE = re.compile(rb"([2-5][0-9]{2})([ -])(.*)\r\n", re.DOTALL)
ENHANCED = re.compile(r"([245])\.[0-9]{1,3}\.[0-9]{1,3}( |$)")
TIMEOUT = 60


class ProtocolError(AssertionError):
    """The server said something that no server may say."""


class Closed(ProtocolError):
    """The connection ended where a reply was due."""


class Reply(collections.namedtuple("Reply", "code lines")):
    """One reply: its code, and the text of each line without the code."""

    @property
    def enhanced(self):
        match = ENHANCED.match(self.lines[0])
        return match.group(0).strip() if match else None

    @property
    def text(self):
        """The text of the last line, after the enhanced code."""
        return ENHANCED.sub("", self.lines[-1], count=1)

    @property
    def status(self):
        """`250 2.1.0`, or the bare code where there is nothing more."""
        return "%d %s" % (self.code, self.enhanced) if self.enhanced \
            else str(self.code)

    def __str__(self):
        return " / ".join("%d %s" % (self.code, x) for x in self.lines)


def b64(data):
    if isinstance(data, str):
        data = data.encode()
    return base64.b64encode(data).decode()


def tls_context(version=None, cafile=None, ciphers=None):
    """A client context; version is "1.2", "1.3" or None for both."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if cafile:
        context.load_verify_locations(cafile)
        context.verify_mode = ssl.CERT_REQUIRED
        context.check_hostname = True
    if ciphers:
        context.set_ciphers(ciphers)
    if version:
        number = {"1.0": ssl.TLSVersion.TLSv1, "1.1": ssl.TLSVersion.TLSv1_1,
                  "1.2": ssl.TLSVersion.TLSv1_2,
                  "1.3": ssl.TLSVersion.TLSv1_3}[version]
        context.minimum_version = context.maximum_version = number
    return context


class Client:
    """One connection.  `address` is (host, port) or the path of a socket."""

    def __init__(self, address, tls=None, sni=None, source=None,
                 greet=True, timeout=TIMEOUT, version=None):
        self.buffer = b""
        self.utf8 = False
        self.name = "client.example"
        if isinstance(address, str):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.settimeout(timeout)
            self.sock.connect(address)
        else:
            self.sock = socket.create_connection(
                address, timeout=timeout,
                source_address=(source, 0) if source else None)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.plain = self.sock
        if tls:
            self.handshake(sni, version)
        self.greeting = self.reply(bare=True) if greet else None

    def handshake(self, sni=None, version=None, context=None):
        """Starts TLS on the connection as it stands."""
        context = context or tls_context(version)
        self.sock = context.wrap_socket(self.sock, server_hostname=sni)
        self.buffer = b""

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.sock.close()

    def abort(self):
        """Closes with a reset, without close_notify."""
        self.plain = None
        raw = socket.socket(fileno=self.sock.detach())
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                       b"\x01\x00\x00\x00\x00\x00\x00\x00")
        raw.close()

    # Bytes.

    def send(self, data):
        if isinstance(data, str):
            data = data.encode()
        self.sock.sendall(data)

    def recv(self):
        try:
            data = self.sock.recv(65536)
        except (ConnectionResetError, BrokenPipeError, ssl.SSLEOFError):
            data = b""
        self.buffer += data
        return bool(data)

    def line(self):
        while b"\n" not in self.buffer:
            if not self.recv():
                raise Closed("closed after %r" % self.buffer)
        end = self.buffer.index(b"\n") + 1
        line, self.buffer = self.buffer[:end], self.buffer[end:]
        return line

    def at_end(self):
        """True when the server has closed and nothing more has come."""
        while self.recv():
            pass
        return not self.buffer

    def silent(self, seconds=0.3):
        """True when nothing comes for so long and the peer is still there."""
        before = self.sock.gettimeout()
        self.sock.settimeout(seconds)
        try:
            return not self.buffer and self.sock.recv(1) and False
        except (TimeoutError, socket.timeout, ssl.SSLWantReadError):
            return True
        finally:
            self.sock.settimeout(before)

    # Replies.

    def reply(self, bare=False):
        """Reads one reply.  `bare`: greeting, EHLO, LHLO: no enhanced code."""
        code, lines = None, []
        while True:
            raw = self.line()
            match = LINE.fullmatch(raw)
            if not match:
                raise ProtocolError("not a reply line: %r" % raw)
            if len(raw) > 512:
                raise ProtocolError("reply line of %d octets" % len(raw))
            if b"\r" in match.group(3) or b"\0" in match.group(3):
                raise ProtocolError("control octets: %r" % raw)
            if code not in (None, match.group(1)):
                raise ProtocolError("mixed codes: %r after %r" % (raw, code))
            code = match.group(1)
            text = match.group(3).decode("utf-8")
            if not text.isascii() and not self.utf8:
                raise ProtocolError("non-ASCII text: %r" % raw)
            lines.append(text)
            if not bare and code[:1] != b"3":
                match_enhanced = ENHANCED.match(text)
                if not match_enhanced or \
                        match_enhanced.group(1) != code[:1].decode():
                    raise ProtocolError("enhanced code (F-85): %r" % raw)
            if match.group(2) == b" ":
                return Reply(int(code), lines)

    def replies(self, count):
        return [self.reply() for _ in range(count)]

    def cmd(self, line, bare=False):
        """Sends one line (CRLF is added) and reads its reply."""
        if isinstance(line, str):
            line = line.encode()
        self.send(line + b"\r\n")
        return self.reply(bare)

    def want(self, line, status):
        """As cmd, and the reply must be `status`, say "250 2.1.0"."""
        reply = self.cmd(line)
        got = reply.status if " " in status else str(reply.code)
        if got != status:
            raise ProtocolError("%r: wanted %s, got %s" % (
                line, status, reply))
        return reply

    # Commands.

    def hello(self, verb="EHLO"):
        """Greets and returns the keywords, {KEYWORD: parameters}."""
        reply = self.cmd("%s %s" % (verb, self.name), bare=True)
        if reply.code != 250:
            raise ProtocolError("%s: %s" % (verb, reply))
        words = {}
        for line in reply.lines[1:]:
            keyword, _, rest = line.partition(" ")
            if keyword in words:
                raise ProtocolError("%s is listed twice" % keyword)
            words[keyword] = rest
        return words

    def ehlo(self):
        return self.hello("EHLO")

    def lhlo(self):
        return self.hello("LHLO")

    def starttls(self, **options):
        self.want("STARTTLS", "220 2.0.0")
        self.handshake(**options)

    def mail(self, sender, parameters=""):
        return self.cmd("MAIL FROM:<%s>%s" % (sender, parameters))

    def rcpt(self, recipient, token=None, mine=None):
        line = "RCPT TO:<%s>" % recipient
        if token is not None:
            line += " STOKEN=" + token
        if mine is not None:
            line += " MYSTOKEN=" + mine
        return self.cmd(line)

    def data(self, message, replies=1):
        """DATA, the message with dot-stuffing, its end; all the replies."""
        self.want("DATA", "354")
        self.send(stuff(message))
        return self.replies(replies)

    def chunk(self, octets, last=False, verb="BDAT", replies=1):
        """BDAT or BMTD with its octets; all the replies."""
        self.send(b"%s %d%s\r\n" % (verb.encode(), len(octets),
                                    b" LAST" if last else b"") + octets)
        return self.replies(replies)

    def container(self, type_, octets, last=False, replies=1):
        """BMTD with a container of this type (METADATA)."""
        return self.chunk(type_.to_bytes(2, "big") + octets, last, "BMTD",
                          replies)

    def quit(self):
        self.want("QUIT", "221 2.0.0")
        if not self.at_end():
            raise ProtocolError("bytes after QUIT: %r" % self.buffer)
        self.close()

    # Logging in.

    def plain_login(self, user, password, authzid=""):
        return self.cmd("AUTH PLAIN " + b64(
            "%s\0%s\0%s" % (authzid, user, password)))

    def login_login(self, user, password):
        reply = self.cmd("AUTH LOGIN")
        for answer in (user, password):
            if reply.code != 334:
                return reply
            reply = self.cmd(b64(answer))
        return reply

    def token_login(self, recipient, token):
        return self.cmd("AUTH STOKEN " + b64("%s\0%s" % (recipient, token)))

    def binding(self, kind):
        """The channel binding data of this connection."""
        if kind == "tls-server-end-point":
            return hashlib.sha256(self.sock.getpeercert(True)).digest()
        return exporter(self.sock)

    def scram(self, user, password, **changes):
        return Scram(self, user, password, **changes).run()


def stuff(message):
    """A message as it goes over DATA: dot-stuffed, with its end."""
    if isinstance(message, str):
        message = message.encode()
    if message and not message.endswith(b"\r\n"):
        message += b"\r\n"
    if message.startswith(b"."):
        message = b"." + message
    return message.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def exporter(sock):
    """tls-exporter (RFC 9266): the ssl module has no call for it.

    The SSL pointer is the second pointer of the object behind the socket;
    SSL_version tells whether that still holds in this Python.
    """
    library = ctypes.CDLL("libssl.so.3")
    library.SSL_version.argtypes = [ctypes.c_void_p]
    export = library.SSL_export_keying_material
    export.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t,
                       ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p,
                       ctypes.c_size_t, ctypes.c_int]
    head = object.__basicsize__
    pointer = ctypes.c_void_p.from_address(
        id(sock._sslobj) + head + ctypes.sizeof(ctypes.c_void_p)).value
    versions = {"TLSv1.2": 0x303, "TLSv1.3": 0x304}
    assert library.SSL_version(pointer) == versions[sock.version()]
    out = ctypes.create_string_buffer(32)
    label = b"EXPORTER-Channel-Binding"
    assert export(pointer, out, 32, label, len(label), b"", 0, 1) == 1
    return out.raw


class Scram:
    """The client side of SCRAM-SHA-256 (RFC 7677), with seams to lie at."""

    def __init__(self, client, user, password, plus=None, gs2=None,
                 channel=None, bare_extra="", final_extra="", nonce_extra="",
                 proof=None, last="", initial=True):
        self.client, self.user, self.password = client, user, password
        self.mechanism = "SCRAM-SHA-256" + ("-PLUS" if plus else "")
        self.gs2 = gs2 if gs2 is not None else \
            ("p=%s,," % plus if plus else "n,,")
        if channel is None:
            channel = client.binding(plus) if plus else b""
        self.channel, self.proof, self.last = channel, proof, last
        self.bare_extra, self.final_extra = bare_extra, final_extra
        self.nonce_extra, self.initial = nonce_extra, initial
        self.server_verified = False

    def run(self):
        nonce = base64.b64encode(os.urandom(18)).decode()
        name = self.user.replace("=", "=3D").replace(",", "=2C")
        bare = "%sn=%s,r=%s" % (self.bare_extra, name, nonce)
        first = b64(self.gs2 + bare)
        if self.initial:
            reply = self.client.cmd("AUTH %s %s" % (self.mechanism, first))
        else:
            reply = self.client.cmd("AUTH " + self.mechanism)
            if reply.code == 334:
                assert reply.lines == [""]
                reply = self.client.cmd(first)
        if reply.code != 334:
            return reply
        self.server_first = base64.b64decode(
            reply.lines[0], validate=True).decode()
        fields = dict(x.split("=", 1) for x in self.server_first.split(","))
        assert fields["r"].startswith(nonce) and len(fields["r"]) > len(nonce)
        assert int(fields["i"]) >= 4096
        without = "c=%s,r=%s%s%s" % (
            b64(self.gs2.encode() + self.channel), fields["r"],
            self.nonce_extra, self.final_extra)
        message = ",".join((bare, self.server_first, without)).encode()
        salted = hashlib.pbkdf2_hmac(
            "sha256", self.password.encode(),
            base64.b64decode(fields["s"], validate=True), int(fields["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), message,
                                "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature))
        if self.proof is not None:
            proof = self.proof
        reply = self.client.cmd(b64("%s,p=%s" % (without, b64(proof))))
        if reply.code != 334:
            return reply
        final = base64.b64decode(reply.lines[0], validate=True).decode()
        server_key = hmac.digest(salted, b"Server Key", "sha256")
        assert final == "v=" + b64(hmac.digest(server_key, message, "sha256"))
        self.server_verified = True
        return self.client.cmd(self.last)
