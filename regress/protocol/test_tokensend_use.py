# SPDX-License-Identifier: ISC
"""tokensend(1) as a stranger uses it: messages of all kinds, descriptors,
limits, signals, misuse; and what he is told."""
import contextlib
import os
import pty
import re
import signal
import socket
import subprocess
import threading
import time

import pytest

import server
from clause import clauses
from relay_sink import reply, stall
from token_sender import (
    ALICE, BOB, DATAERR, FROM, LMTP, MESSAGE, OK, OLD, PROGRAM, TEMPFAIL,
    USAGE, liar, lines)
from token_sender import liars_certificate, sender  # noqa: F401

PAIR = "%s %s " % (FROM, ALICE)
ALL = LMTP + ["SMTPUTF8", "BINARYMIME", "METADATA", "SIZE 0"]
SLOW = [x for x in LMTP if x != "CHUNKING"]


@pytest.fixture
def ca(liars_certificate):
    return liars_certificate / "a.example.crt"


BODIES = {
    "lf": (b"A: b\n\nx\n", b"A: b\r\n\r\nx\r\n"),
    "crlf": (b"A: b\r\n\r\nx\r\n", b"A: b\r\n\r\nx\r\n"),
    "no-end": (b"A: b\n\nx", b"A: b\r\n\r\nx\r\n"),
    "header-only": (b"A: b\n", b"A: b\r\n"),
    "no-header": (b"\nx\n", b"\r\nx\r\n"),
    "dots": (b"A: b\n\n.\n..\n.x\n\n.\n",
             b"A: b\r\n\r\n.\r\n..\r\n.x\r\n\r\n.\r\n"),
    "dot-at-the-end": (b"A: b\n\nx\n.", b"A: b\r\n\r\nx\r\n.\r\n"),
    "end-of-data": (b"A: b\r\n\r\n.\r\nQUIT\r\n",
                    b"A: b\r\n\r\n.\r\nQUIT\r\n"),
    "bare-cr": (b"A: b\n\nx\ry\r\r\nz\r",
                b"A: b\r\n\r\nx\r\ny\r\nz\r\n"),
    "smuggled": (b"A: b\n\nx\n.\r\nRSET\n.\nx\r.\r\n",
                 b"A: b\r\n\r\nx\r\n.\r\nRSET\r\n.\r\nx\r\n.\r\n"),
    "8-bit": (b"A: b\n\n\xe9\xff\n", b"A: b\r\n\r\n\xe9\xff\r\n"),
    "long-lines": (b"A: b\n\n" + b"x" * 100000 + b"\n" + b"." * 100000,
                   b"A: b\r\n\r\n" + b"x" * 100000 + b"\r\n" +
                   b"." * 100000 + b"\r\n"),
}


@pytest.mark.parametrize("keywords", (SLOW, LMTP, ALL),
                         ids=("data", "bdat", "metadata"))
@pytest.mark.parametrize("name", BODIES)
def test_what_arrives(sender, liars_certificate, ca, name, keywords):
    """Line ends are CR LF; all else is as it was."""
    sender.tokens(PAIR + OLD)
    sent, wanted = BODIES[name]
    with liar(liars_certificate, keywords) as sink:
        done = sender.run(sink.port, [ALICE], ca, message=sent)
        assert done.returncode == OK, done
        message, = sink.messages
        assert message.data == wanted
        if keywords is ALL:  # of RFC 1870: with CR LF; at most a line more
            size = int(re.search(rb" SIZE=(\d+)", message.mail).group(1))
            assert len(wanted) - 2 <= size <= len(wanted) + 2
        assert sink.commands()[-1] == b"QUIT"


def test_fifty_megabytes(sender):
    line = b"0123456789abcde\n"
    site = server.Server(extra="limit message-size 100M\n")
    server.certificate(site.dir, "mx.a.example", server.P256, san="a.example")
    site.own()
    with site:
        sender.tokens(PAIR + site.permanent(FROM, ALICE))
        done = sender.run(site.ports["smtps"], [ALICE],
                          site.dir / "mx.a.example.crt",
                          message=b"A: b\n\n" + line * 3276800)
        assert done.returncode == OK, done
        file, = site.mail(ALICE)
        assert file.read_bytes().endswith(b"\nA: b\n\n" + line * 3276800)


@pytest.mark.parametrize("message", (
    b"", b"\0", b"A: b\n\na\0b\n", b"A: b\n\n" + b"x" * 100000 + b"\0"))
def test_what_cannot_be_sent(sender, liars_certificate, ca, message):
    sender.tokens(PAIR + OLD)
    with liar(liars_certificate) as sink:
        done = sender.run(sink.port, [ALICE], ca, message=message)
        assert done.returncode == DATAERR and done.stdout == b""
        assert sink.sessions == []


@pytest.mark.parametrize("keywords,code", ((ALL, OK), (LMTP, TEMPFAIL)))
@pytest.mark.parametrize("names", (
    ("jürgen@b.example", ALICE), (FROM, "jürgen@a.example")))
def test_addresses_in_utf8(sender, liars_certificate, ca, names, keywords,
                           code):
    """Whatever the locale is. Without SMTPUTF8: the ordinary route."""
    sender.tokens("%s %s %s\n" % (*names, OLD))
    for locale in ("C", "C.UTF-8"):
        with liar(liars_certificate, keywords) as sink:
            done = subprocess.run(
                sender.arguments(sink.port, names[1:], ca, "-f", names[0]),
                input=MESSAGE, capture_output=True, timeout=60,
                env=dict(os.environ, LC_ALL=locale))
            assert done.returncode == code, done
            assert done.stdout.decode().startswith(names[1] + " ")
            assert done.stderr.isascii()


def pump(source, sink):
    with contextlib.suppress(OSError):
        while True:
            octets = source.recv(65536)
            if not octets:
                sink.shutdown(socket.SHUT_WR)
                return
            sink.sendall(octets)


def forward(listener, port):
    """The first connection to `listener` is one to the port."""
    with contextlib.suppress(OSError):
        near = listener.accept()[0]
        far = socket.create_connection(("127.0.0.1", port))
        back = threading.Thread(target=pump, args=(far, near), daemon=True)
        back.start()
        pump(near, far)
        back.join(60)
        near.close()
        far.close()


def test_an_address_of_ipv6(sender, liars_certificate, ca):
    sender.tokens(PAIR + OLD)
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 on the loopback")
    with liar(liars_certificate) as sink, listener:
        threading.Thread(target=forward, args=(listener, sink.port),
                         daemon=True).start()
        done = sender.run(1, [ALICE], ca, "-s", "[::1]:%d" %
                          listener.getsockname()[1])
    assert done.returncode == OK, done


@contextlib.contextmanager
def started(sender, port, ca, *more, **options):
    with subprocess.Popen(
            sender.arguments(port, [ALICE], ca, *more),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, **options) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.skipif(server.UNBOUND, reason="is built without its sandbox")
@clauses("S1-28")
def test_confined_before_it_connects(sender, liars_certificate, ca):
    """No system call too many, and nothing of a token for ps(1)."""
    sender.tokens(PAIR + OLD)
    with liar(liars_certificate) as sink:
        sink.fault("connect", stall())
        with started(sender, sink.port, ca) as process:
            process.stdin.write(MESSAGE)
            process.stdin.close()
            sink.wait_stalled()
            where = "/proc/%d/" % process.pid
            status = open(where + "status").read()
            assert re.search(r"^Seccomp:\s+2$", status, re.M)
            assert re.search(r"^NoNewPrivs:\s+1$", status, re.M)
            for name in ("cmdline", "environ"):
                with contextlib.suppress(PermissionError):
                    text = open(where + name, "rb").read()
                    assert OLD.encode() not in text
            limits = open(where + "limits").read()
            assert re.search(r"^Max core file size +0 +0 ", limits, re.M)


@pytest.mark.parametrize("number", (signal.SIGTERM, signal.SIGINT,
                                    signal.SIGHUP))
@pytest.mark.parametrize("step", ("connect", "rcpt", "end"))
def test_a_signal_ends_it(sender, liars_certificate, ca, step, number):
    """Nothing is said, nothing stays, the tokens are as they were."""
    sender.tokens(PAIR + OLD)
    where = sender.dir / "tmp"
    where.mkdir()
    with liar(liars_certificate) as sink:
        sink.fault(step, stall())
        with started(sender, sink.port, ca,
                     env=dict(os.environ, TMPDIR=str(where))) as process:
            process.stdin.write(MESSAGE)
            process.stdin.close()
            sink.wait_stalled()
            process.send_signal(number)
            assert process.wait(60) == -number
            assert process.stdout.read() == b""
    assert list(where.iterdir()) == []
    assert sender.file.read_text() == PAIR + OLD


def test_it_waits_for_the_message(sender, liars_certificate, ca):
    """Nobody is called before the last octet is there."""
    sender.tokens(PAIR + OLD)
    with liar(liars_certificate) as sink:
        with started(sender, sink.port, ca) as process:
            for octet in (b"A: b\r", b"\n\r", b"\n.", b"\r", b"\nx"):
                process.stdin.write(octet)
                process.stdin.flush()
                time.sleep(0.05)
            assert sink.sessions == []
            out, _ = process.communicate(timeout=60)
        assert process.returncode == OK
        assert sink.messages[0].data == b"A: b\r\n\r\n.\r\nx\r\n"


@pytest.mark.skipif(bool(os.environ.get("SANITIZE")),
                    reason="the sanitizers' reports are opened before main()")
@pytest.mark.parametrize("closed", (
    "<&-", ">&-", "2>&-", ">&- 2>&-", "<&- >&- 2>&-", ">/dev/full"))
def test_closed_descriptors(sender, liars_certificate, ca, closed):
    """What it says never lands in the message, or in the file of tokens."""
    sender.tokens(PAIR + OLD + "\n")
    with liar(liars_certificate) as sink:
        sink.fault("end", reply("250 2.1.13 <%s> new id x" % ALICE))
        done = subprocess.run(
            ["sh", "-c", '"$@" ' + closed, "sh",
             *sender.arguments(sink.port, [ALICE], ca)],
            input=b"A: b\n\nx\n", capture_output=True, timeout=60)
        if "<" in closed:
            assert done.returncode == DATAERR and sink.messages == []
            return
        assert done.returncode == OK
        assert sink.messages[0].data == b"A: b\r\n\r\nx\r\n"
    assert sender.file.read_text() == PAIR + "new\n"


def test_a_terminal(sender, liars_certificate, ca):
    """Who has forgotten the `<` is told what it waits for."""
    sender.tokens(PAIR + OLD)
    with liar(liars_certificate) as sink:
        ours, theirs = pty.openpty()
        with subprocess.Popen(
                sender.arguments(sink.port, [ALICE], ca), stdin=theirs,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            os.close(theirs)
            line = process.stderr.readline()
            assert line == b"tokensend: reading the terminal up to ^D\n"
            os.write(ours, b"A: b\n\nx\n\x04")
            assert process.wait(60) == OK
            assert sink.messages[0].data == b"A: b\r\n\r\nx\r\n"
        os.close(ours)


def test_a_limit_for_all(sender, liars_certificate, ca):
    """-w: also behind the end of the message; it may come twice then."""
    sender.tokens(PAIR + OLD)
    with liar(liars_certificate) as sink:
        sink.fault("end", stall())
        done = sender.run(sink.port, [ALICE], ca, "-w", "2")
    assert done.returncode == TEMPFAIL
    assert lines(done)[0].startswith(ALICE + " 451 4.7.0 The ordinary route:")
    assert lines(done)[0].endswith(" it may have been accepted")


def test_many_recipients(sender, liars_certificate, ca):
    names = ["u%d@a.example" % i for i in range(200)]
    sender.tokens("".join("%s %s token-of-%d\n" % (FROM, name, i)
                          for i, name in enumerate(names)))
    with liar(liars_certificate) as sink:
        done = sender.run(sink.port, names, ca)
        assert done.returncode == OK, done.stdout[-300:]
        assert sink.messages[0].addresses == names
        assert sender.run(sink.port, names * 5 + ["one@a.example"],
                          ca).returncode == USAGE
    assert [x.split()[:2] for x in lines(done)] == [[x, "250"] for x in names]


MISUSE = [
    ([], USAGE, "-f from: is missing"),
    (["-f", FROM], USAGE, "to: is missing"),
    ([ALICE], USAGE, "-f from: is missing"),
    (["-f"], USAGE, "option requires an argument"),
    (["-x", "-f", FROM, ALICE], USAGE, "invalid option"),
    (["--help"], USAGE, "usage: "),
    (["-f", FROM, ALICE, "-v"], USAGE,
     "-v: options stand before the addresses"),
    (["-f", "me", ALICE], DATAERR, "me: not an address"),
    (["-f", FROM, ALICE, "bob@"], DATAERR, "bob@: not an address"),
    (["-f", FROM, "a b@a.example"], DATAERR, "not an address"),
    (["-f", FROM, "a@b\r\nRSET"], DATAERR, "a@b??RSET: not an address"),
    (["-f", FROM, "-s", "", ALICE], USAGE, ": not HOST:PORT"),
    (["-f", FROM, "-s", "mx:x", ALICE], USAGE, "mx:x: not HOST:PORT"),
    (["-f", FROM, "-r", "ns.example", ALICE], USAGE,
     "ns.example: not ADDRESS:PORT"),
    (["-f", FROM, "-w", "5m", ALICE], USAGE, "5m: not a number of seconds"),
    (["-f", FROM, "-t", "/nonexistent", ALICE], 66,
     "/nonexistent: No such file or directory"),
    (["-f", FROM, "-k", "/nonexistent/x", ALICE], 73,
     "/nonexistent/x: No such file or directory"),
    (["-f", FROM, "-t", "/dev/null", ALICE], 77,
     "/dev/null: not a regular file"),
    (["-f", FROM, "-C", "/dev/null", ALICE], 66,
     "/dev/null: not a file of certificates"),
    (["-f", FROM, "-C", "/nonexistent", ALICE], 66,
     "/nonexistent: No such file or directory"),
]


@pytest.mark.parametrize("number", range(len(MISUSE)))
def test_misuse(sender, number):
    """One line that says what is wrong, before anything is done."""
    arguments, code, said = MISUSE[number]
    done = subprocess.run([PROGRAM, *arguments], input=MESSAGE,
                          capture_output=True, timeout=60,
                          env=dict(os.environ, HOME=str(sender.dir)))
    assert (done.returncode, done.stdout) == (code, b"")
    assert said in done.stderr.decode().splitlines()[code == USAGE and
                                                     said == "usage: "]
    assert ("usage: " in done.stderr.decode()) == (code == USAGE)


@pytest.mark.parametrize("home", (None, "", "relative", "/nonexistent"))
def test_no_home(sender, home, ca):
    """There are no tokens then, and with -v it is said why."""
    environment = {x: y for x, y in os.environ.items() if x != "HOME"}
    if home is not None:
        environment["HOME"] = home
    done = subprocess.run(
        [PROGRAM, "-v", "-f", FROM, "-C", str(ca), "-s", "127.0.0.1:1",
         ALICE], input=MESSAGE, capture_output=True, timeout=60,
        env=environment)
    assert done.returncode == TEMPFAIL
    assert lines(done) == [
        ALICE + " 451 4.7.0 The ordinary route: there is no token for it"]


def test_no_room_for_the_message(sender, ca):
    sender.tokens(PAIR + OLD)
    done = subprocess.run(
        sender.arguments(1, [ALICE], ca), input=MESSAGE, capture_output=True,
        timeout=60, env=dict(os.environ, TMPDIR="/nonexistent"))
    assert done.returncode == 73 and done.stdout == b""
    assert b"a temporary file in /nonexistent: No such file" in done.stderr


def test_senders_and_recipients_that_have_no_token(sender, ca):
    """A report's sender, an address literal: theirs is the ordinary route."""
    sender.tokens(PAIR + OLD)
    for sender_address, to in (("<>", ALICE), ("", ALICE),
                               (FROM, "x@[192.0.2.1]"),
                               ("x@[192.0.2.1]", ALICE), (FROM, BOB)):
        done = sender.run(1, [to], ca, "-f", sender_address)
        assert done.returncode == TEMPFAIL, done
        assert lines(done) == [
            to + " 451 4.7.0 The ordinary route: there is no token for it"]
