# SPDX-License-Identifier: ISC
"""STARTTLS and TLS: injection, state, versions, ciphers, certificates."""
import socket
import ssl
import subprocess
import time

import pytest

import client
from clause import clauses

INJECTED = b"STARTTLS\r\nLHLO evil.example\r\nNOOP\r\n"


def try_injection(server, cut):
    """Sends INJECTED in two parts; nothing after STARTTLS may have effect."""
    with server.hello("EHLO", kind="tls-require") as c:
        c.send(INJECTED[:cut])
        if cut < 10:
            time.sleep(0.002)
            c.send(INJECTED[cut:])
        reply = c.reply()
        assert reply.status == "220 2.0.0", reply
        if cut >= 10:
            c.send(INJECTED[cut:])
        assert not c.buffer, "answered in clear: %r" % c.buffer
        try:
            c.handshake()
        except (OSError, ssl.SSLError):
            return "dropped"
        # An injected LHLO would make this a 500; an injected NOOP would
        # leave a stray 250 before it.
        words = c.ehlo()
        assert "AUTH" in words and "STARTTLS" not in words
        c.want("VRFY x", "252 2.0.0")
        c.quit()
        return "ignored"


@clauses("F-64")
@pytest.mark.parametrize("cut", range(len(INJECTED) + 1))
def test_injection_split_at_every_byte(server, cut):
    """T01: either the connection ends or the bytes are thrown away."""
    try_injection(server, cut)


@clauses("F-64")
def test_one_segment_is_ignored_not_executed(server):
    outcome = {try_injection(server, len(INJECTED)) for _ in range(20)}
    assert outcome <= {"ignored", "dropped"}


@clauses("F-64")
def test_state_is_forgotten(server):
    with server.hello("LHLO", kind="tls-require") as c:
        c.starttls()
        c.want("MAIL FROM:<a@b.example>", "503 5.5.1")
        words = c.ehlo()
        assert "STARTTLS" not in words and "AUTH" in words


@clauses("F-64")
def test_refusals(server):
    with server.hello("EHLO", kind="tls-require") as c:
        c.want("STARTTLS now", "501 5.5.4")
        c.starttls()
        c.ehlo()
        assert c.cmd("STARTTLS").status in ("503 5.5.1", "554 5.5.1")
        c.want("NOOP", "250 2.0.0")
    with server.hello("EHLO") as c:
        assert c.cmd("STARTTLS").status in ("503 5.5.1", "554 5.5.1")


@clauses("F-64")
def test_not_after_login(server):
    """T02."""
    with server.login() as c:
        assert c.cmd("STARTTLS").code in (503, 554)
        assert c.mail("alice@a.example").status == "250 2.1.0"
        assert c.cmd("STARTTLS").code in (503, 554)
        c.want("RCPT TO:<bob@a.example>", "250 2.1.5")


def test_not_on_the_socket(server):
    with server.trusted() as c:
        assert c.cmd("STARTTLS").code in (500, 502, 503)


@clauses("F-60", "S1-57")
@pytest.mark.parametrize("kind", ["smtps", "tls-require"])
@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_versions(server, kind, version):
    if kind == "smtps":
        c = server.connect(version=version)
    else:
        c = server.hello("EHLO", kind=kind)
        c.starttls(version=version)
    with c:
        assert c.sock.version() == "TLSv" + version
        c.ehlo()
        c.quit()


def refused(server, context, **options):
    raw = socket.create_connection(("127.0.0.1", server.ports["smtps"]), 10)
    with raw, pytest.raises((ssl.SSLError, ConnectionResetError)):
        context.wrap_socket(raw, **options)


@clauses("F-60")
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_old_versions(server, version):
    """T36.  The client must be willing, or the test would prove nothing."""
    refused(server, client.tls_context(version, ciphers="ALL:@SECLEVEL=0"))


@clauses("F-60")
@pytest.mark.parametrize("suite", [
    "AES256-SHA", "AES128-GCM-SHA256", "ECDHE-RSA-AES256-SHA",
    "ECDHE-ECDSA-AES128-SHA256", "DHE-RSA-AES256-GCM-SHA384"])
def test_only_ecdhe_with_aead(server, suite):
    refused(server, client.tls_context("1.2", ciphers=suite + ":@SECLEVEL=0"),
            server_hostname="rsa.a.example")


@clauses("F-60")
@pytest.mark.parametrize("version", ["1.2", "1.3"])
@pytest.mark.parametrize("name,shown", [
    ("mx.a.example", "mx.a.example"), ("rsa.a.example", "rsa.a.example"),
    ("other.example", "mx.a.example"), (None, "mx.a.example"),
    ("RSA.A.EXAMPLE", "rsa.a.example")])
def test_certificate_by_name(server, version, name, shown):
    with server.connect(sni=name, version=version) as c:
        want = (server.dir / (shown + ".crt")).read_text()
        assert c.sock.getpeercert(True) == ssl.PEM_cert_to_DER_cert(want)


@clauses("F-60")
@pytest.mark.parametrize("name", ["mx.a.example", "rsa.a.example"])
def test_certificate_verifies(server, name):
    context = client.tls_context(cafile=str(server.dir / (name + ".crt")))
    raw = socket.create_connection(("127.0.0.1", server.ports["smtps"]), 10)
    with context.wrap_socket(raw, server_hostname=name) as tls:
        assert tls.recv(4) == b"220 "


@pytest.mark.parametrize("version", ["1.2", "1.3"])
def test_no_session_tickets(server, version):
    with server.connect(version=version) as c:
        c.ehlo()
        session = c.sock.session
        assert session is None or not session.has_ticket


@clauses("F-62")
def test_no_client_certificate_is_asked_for(server):
    """The certificate request would show in the handshake's messages."""
    text = subprocess.run(
        ["openssl", "s_client", "-connect",
         "127.0.0.1:%d" % server.ports["smtps"]],
        input="QUIT\r\n", capture_output=True, text=True, timeout=20).stdout
    assert "No client certificate CA names sent" in text
    assert "Requested Signature Algorithms" not in text


@pytest.mark.parametrize("junk", [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"EHLO x\r\n", b"\0" * 600,
    b"\x16\x03\x01\xff\xff" + b"A" * 400, b"SSH-2.0-x\r\n"])
def test_junk_instead_of_tls(server, junk):
    """T23: the connection ends; nobody else notices."""
    with server.hello("EHLO") as other:
        with server.connect("tls-require", greet=False) as _:
            pass
        raw = socket.create_connection(("127.0.0.1", server.ports["smtps"]),
                                       10)
        with raw:
            raw.sendall(junk)
            raw.settimeout(10)
            raw.shutdown(socket.SHUT_WR)
            try:
                while raw.recv(4096):
                    pass
            except ConnectionResetError:
                pass
        other.want("NOOP", "250 2.0.0")


def test_hello_then_silence_does_not_block_others(server):
    """A handshake that stalls in the middle holds up nobody."""
    stalled = []
    try:
        for _ in range(50):
            raw = socket.create_connection(
                ("127.0.0.1", server.ports["smtps"]), 10)
            raw.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
            stalled.append(raw)
        begin = time.monotonic()
        with server.hello("EHLO") as c:
            c.quit()
        assert time.monotonic() - begin < 30 # and not the timeout, 5m
    finally:
        for raw in stalled:
            raw.close()


@clauses("F-64")
def test_gone_right_after_starttls(own):
    """What the engine still waits for then is not waited for."""
    server = own(prefork=(1, 1, 1))
    for _ in range(300):
        c = server.connect("tls-require", greet=False)
        c.send(b"STARTTLS\r\n")
        c.abort()
    deadline = time.monotonic() + 60
    while server.show("sessions"):
        assert time.monotonic() < deadline, server.show("sessions")
        time.sleep(0.1)
