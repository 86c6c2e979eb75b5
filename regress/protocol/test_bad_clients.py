# SPDX-License-Identifier: ISC
"""Long lines, slow, half-closed and greedy clients, floods, pipelining."""
import os
import random
import resource
import socket
import threading
import time

import pytest

from client import Closed, ProtocolError
from clause import clauses

ALICE, BOB = "alice@a.example", "bob@a.example"
MESSAGE = "Subject: x\r\n\r\nText.\r\n"


@clauses("F-95")
@pytest.mark.parametrize("length,taken", [
    (510, True), (512, True), (20000, False), (60000, False)])
def test_command_length(server, length, taken):
    """512 octets must be taken; one line, however long, is one answer."""
    with server.hello("EHLO") as c:
        line = b"NOOP " + b"n" * (length - 7) + b"\r\n"
        assert len(line) == length
        c.send(line)
        reply = c.reply()
        assert reply.status == ("250 2.0.0" if taken else "500 5.5.2")
        c.want("VRFY x", "252 2.0.0")


@clauses("F-95")
def test_data_lines_of_any_length(server):
    """Lines over 1000 octets pass unchanged."""
    with server.trusted() as c:
        c.mail("x@b.example")
        c.rcpt(BOB)
        text = b"Subject: x\r\n\r\n" + b"y" * 100000 + b"\r\n"
        before = server.mail(BOB)
        assert c.data(text)[0].status == "250 2.1.12"
    path, = [x for x in server.mail(BOB) if x not in before]
    assert path.read_bytes().endswith(b"\n" + b"y" * 100000 + b"\n")


def memory(server):
    """Resident memory of all processes, in KiB."""
    total = 0
    for pid in server.roles():
        with open("/proc/%d/statm" % pid) as statm:
            total += int(statm.read().split()[1])
    return total * resource.getpagesize() // 1024


def test_endless_line(server):
    """T09: 64 MiB without a line end cost no memory worth the name."""
    before = memory(server)
    with server.connect() as c:
        block = b"x" * (1 << 20)
        try:
            for _ in range(64):
                c.send(block)
            c.send(b"\r\n")
            assert c.reply().code in (421, 500)
        except (OSError, Closed):
            pass
        # a sanitizer keeps what was freed for a while
        if not os.environ.get("SANITIZE"):
            assert memory(server) - before < 16 * 1024


def test_endless_bad_commands(server):
    """T09: told off or cut off, and nobody else notices."""
    with server.hello("EHLO") as other, server.hello("EHLO") as c:
        try:
            for _ in range(50):
                c.send(b"FROB\r\n" * 100)
                for _ in range(100):
                    assert c.reply().code in (500, 421)
        except (Closed, OSError):
            pass
        other.want("NOOP", "250 2.0.0")


def test_client_that_does_not_read(server):
    """Commands without end, replies never read: back-pressure, no growth."""
    before = memory(server)
    with server.connect("tls-require") as c:
        c.sock.settimeout(2)
        sent = 0
        try:
            while sent < 200 << 20:
                c.send(b"HELP\r\n" * 10000)
                sent += 60000
        except (OSError, TimeoutError):
            pass
        assert sent < 200 << 20, "the server read on and on"
        with server.hello("EHLO") as other:
            other.want("NOOP", "250 2.0.0")
        assert memory(server) - before < 24 * 1024


@clauses("F-80")
def test_byte_by_byte(server):
    with server.trusted() as c:
        text = ("MAIL FROM:<x@b.example>\r\nRCPT TO:<%s>\r\nDATA\r\n" % BOB +
                MESSAGE + ".\r\nQUIT\r\n")
        for octet in text.encode():
            c.send(bytes([octet]))
        assert [c.reply().code for _ in range(5)] == [250, 250, 354, 250, 221]
        assert c.at_end()


@clauses("F-80")
@pytest.mark.parametrize("kind", ["socket", "smtps", "tls-require"])
def test_everything_in_one_write(server, pair, kind):
    """Pipelining over all that may be pipelined, and two transactions."""
    remote, local = pair
    token = server.permanent(remote, local)
    one = "MAIL FROM:<%s>\r\nRCPT TO:<%s>%s\r\nNOOP\r\nDATA\r\n" % (
        remote, local, "" if kind == "socket" else " STOKEN=" + token)
    # The message is sent behind DATA without waiting for 354: not allowed to
    # a client, but nothing may be lost or taken for a command.
    all_of_it = (one + MESSAGE + ".\r\n") * 2 + "RSET\r\nQUIT\r\n"
    if kind == "socket":
        c = server.trusted()
    elif kind == "smtps":
        c = server.token_session(local, token)
    else:
        c = server.connect(kind)
        c.lhlo()
        c.starttls()
        c.lhlo()
        assert c.token_login(local, token).status == "235 2.7.0"
    before = len(server.mail(local))
    with c:
        c.send(all_of_it)
        codes = [c.reply().code for _ in range(12)]
        assert codes == [250, 250, 250, 354, 250] * 2 + [250, 221]
        assert c.at_end()
    assert len(server.mail(local)) == before + 2


@clauses("F-80")
def test_random_cuts(server):
    """The same conversation cut at random places has the same answers."""
    rng = random.Random(7)
    text = ("MAIL FROM:<x@b.example>\r\nRCPT TO:<%s>\r\nDATA\r\n%s.\r\n"
            "FROB\r\nRSET\r\nVRFY x\r\n" % (BOB, MESSAGE)).encode() * 3
    for _ in range(10):
        with server.trusted() as c:
            place = 0
            while place < len(text):
                step = rng.randrange(1, 60)
                c.send(text[place:place + step])
                place += step
                if rng.random() < 0.2:
                    time.sleep(0.001)
            codes = [c.reply().code for _ in range(21)]
            assert codes == [250, 250, 354, 250, 500, 250, 252] * 3


def test_half_closed(server):
    """A client that ends its sending side still gets what it asked for."""
    c = server.connect("socket")
    with c:
        c.send("LHLO x\r\nNOOP\r\n")
        c.sock.shutdown(socket.SHUT_WR)
        assert c.reply(bare=True).code == 250
        assert c.reply().code == 250
        try:
            assert c.reply().code == 421
        except Closed:
            pass
        assert c.at_end()


@pytest.mark.parametrize("kind", ["socket", "smtps"])
def test_half_closed_in_data(server, kind):
    before = len(server.mail(BOB))
    c = server.trusted() if kind == "socket" else server.login(ALICE, "LHLO")
    with c:
        c.mail(ALICE)
        c.rcpt(BOB)
        c.want("DATA", "354")
        c.send("Subject: x\r\n\r\nhalf")
        if kind == "socket":
            c.sock.shutdown(socket.SHUT_WR)
        else:
            # The TCP connection alone: TLS still reads.
            with socket.socket(fileno=os.dup(c.sock.fileno())) as raw:
                raw.shutdown(socket.SHUT_WR)
        while c.recv():
            pass
        assert not c.buffer or c.buffer[:1] == b"4"
    time.sleep(0.05)
    assert len(server.mail(BOB)) == before


@pytest.mark.parametrize("where", range(6))
@pytest.mark.parametrize("reset", [False, True])
def test_disconnect_anywhere(server, where, reset):
    """No file, no dead process, wherever the client goes away."""
    before = len(server.all_mail())
    c = server.connect()
    steps = [lambda: c.lhlo(), lambda: c.plain_login(ALICE, "wonderland 1"),
             lambda: c.mail(ALICE), lambda: c.rcpt(BOB),
             lambda: c.want("DATA", "354"), lambda: c.send("Subject: x\r\n.")]
    for step in steps[:where + 1]:
        step()
    c.abort() if reset else c.close()
    with server.hello("EHLO") as other:
        other.quit()
    assert len(server.all_mail()) == before


def test_gone_before_the_answer(server):
    """The dot is sent and the client is gone: at most one whole file."""
    before = len(server.mail(BOB))
    for _ in range(10):
        c = server.trusted()
        c.mail("x@b.example")
        c.rcpt(BOB)
        c.want("DATA", "354")
        c.send(MESSAGE + ".\r\n")
        c.abort()
    with server.trusted() as c:
        c.mail("x@b.example")
        c.rcpt(BOB)
        c.data(MESSAGE)
    new = server.mail(BOB)[before:]
    assert 1 <= len(new) <= 11
    assert all(x.read_bytes().endswith(b"\n\nText.\n") for x in new)


@clauses("F-114")
def test_early_talker(server):
    """Bytes before the greeting are refused, or answered behind it."""
    c = server.connect("tls-require", greet=False)
    with c:
        try:
            c.send("EHLO early.example\r\nMAIL FROM:<a@b.example>\r\n")
            first = c.reply(bare=True)
        except (Closed, OSError):
            return
        assert first.code in (220, 421, 521, 554)


def test_flood_of_connections(server):
    """T10: 400 at once, half of them silent; an honest client is served."""
    held, failed = [], []

    def opener(number):
        for n in range(50):
            try:
                raw = socket.create_connection(
                    ("127.0.0.1", server.ports["smtps"]), 10,
                    source_address=("127.0.7.%d" % number, 0))
                held.append(raw)
                if n % 2:
                    raw.sendall(b"\x16\x03\x01")
            except OSError as error:
                failed.append(error)

    threads = [threading.Thread(target=opener, args=(n + 1,))
               for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        assert not failed
        begin = time.monotonic()
        for _ in range(5):
            with server.login(ALICE) as c:
                c.want("NOOP", "250 2.0.0")
        assert time.monotonic() - begin < 60
    finally:
        for raw in held:
            raw.close()


def test_connect_and_reset(server):
    for _ in range(300):
        raw = socket.create_connection(
            ("127.0.0.1", server.ports["smtps"]), 10)
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                       b"\x01\0\0\0\0\0\0\0")
        raw.close()
    with server.login(ALICE) as c:
        c.quit()


@pytest.fixture(scope="module")
def few():
    from server import Server
    with Server(limits={"sessions": 12, "sessions-per-address": 4},
                extra="timeout command 2s") as one:
        yield one
        one.check()


def refused_at_connect(server, source):
    with server.connect(source=source, greet=False) as c:
        greeting = c.reply(bare=True)
        return greeting.code == 421 and greeting.lines[0].startswith("4.7.0")


def test_sessions_per_address(few):
    """Told so once TLS is up; other addresses are not concerned."""
    held = [few.connect(source="127.0.8.1") for _ in range(4)]
    assert refused_at_connect(few, "127.0.8.1")
    few.connect(source="127.0.8.2").quit()
    held.pop().quit()
    deadline = time.monotonic() + 30
    while refused_at_connect(few, "127.0.8.1"):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    for c in held:
        c.close()


def test_sessions_in_all(few):
    deadline = time.monotonic() + 30
    while few.show("sessions"):  # those of the tests before
        assert time.monotonic() < deadline
        time.sleep(0.02)
    held = []
    for n in range(12):
        held.append(few.connect(source="127.0.9.%d" % (n + 1)))
    assert refused_at_connect(few, "127.0.9.100")
    for c in held:
        c.quit()
    deadline = time.monotonic() + 30
    while refused_at_connect(few, "127.0.9.100"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@clauses("F-96")
@pytest.mark.parametrize("kind", ["smtps", "socket"])
def test_idle_client_is_sent_away(few, kind):
    begin = time.monotonic()
    with few.connect(kind) as c:
        c.lhlo()
        reply = c.reply()
        assert reply.code == 421
        assert c.at_end()
    assert 1.5 < time.monotonic() - begin < 60


@clauses("F-96")
def test_dripping_client_is_sent_away(few):
    """T10: the time is for the whole command, not for each byte."""
    begin = time.monotonic()
    with few.connect() as c:
        c.ehlo()
        try:
            while time.monotonic() - begin < 60:
                c.send(b"N")
                if not c.silent(0.4):
                    break
        except (OSError, ProtocolError):
            pass
    assert time.monotonic() - begin < 60


@clauses("F-96")
def test_stalled_handshake_ends(few):
    """Handshakes have 30 seconds, whatever is configured."""
    raw = socket.create_connection(("127.0.0.1", few.ports["smtps"]), 10)
    with raw:
        raw.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        raw.settimeout(40)
        try:
            while raw.recv(100):
                pass
        except ConnectionResetError:
            pass
