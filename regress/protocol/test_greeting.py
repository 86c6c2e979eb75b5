# SPDX-License-Identifier: ISC
"""Greeting, capability lists, the order of commands, small commands."""
import subprocess

import pytest

from clause import clauses
from server import drop

COMMON = {"PIPELINING": "", "SIZE": "36700160", "8BITMIME": "",
          "SMTPUTF8": "", "ENHANCEDSTATUSCODES": ""}
WITH_TLS = dict(COMMON, CHUNKING="", BINARYMIME="", METADATA="")
NORMAL = {"PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS",
          "REMEMBERME", "HT2-SHA-256-EXPR", "HT2-SHA-256-ENDP", "OAUTHBEARER",
          "XOAUTH2"}


def with_auth(words):
    """Takes AUTH out of a list: the list, and the set of mechanisms."""
    words = dict(words)
    mechanisms = words.pop("AUTH").split()
    assert len(mechanisms) == len(set(mechanisms))
    return words, set(mechanisms)


@clauses("F-85")
@pytest.mark.parametrize("kind", ["smtps", "tls-require", "socket"])
def test_greeting(server, kind):
    with server.connect(kind) as c:
        assert c.greeting.code == 220
        assert c.greeting.lines[0].split()[0] == "mx.a.example"
        c.quit()


@clauses("S1-58", "S1-63", "F-64")
def test_ehlo_before_tls(server):
    with server.connect("tls-require") as c:
        assert c.ehlo() == dict(COMMON, STARTTLS="", CHUNKING="")


@clauses("S1-58", "D-S22", "F-05")
def test_lhlo_before_tls(server):
    with server.connect("tls-require") as c:
        assert c.lhlo() == dict(COMMON, STARTTLS="")


@clauses("S1-08", "S1-63", "F-41")
@pytest.mark.parametrize("kind", ["smtps", "tls-require"])
def test_ehlo_with_tls(server, kind):
    with server.connect(kind) as c:
        if kind == "tls-require":
            c.ehlo()
            c.starttls()
        words, mechanisms = with_auth(c.ehlo())
        assert words == dict(WITH_TLS, REMEMBERME="RANDOM JWT", DSN="")
        assert mechanisms == NORMAL


@clauses("S1-04", "S1-11", "S1-62", "D-S15", "F-05")
@pytest.mark.parametrize("kind", ["smtps", "tls-require"])
def test_lhlo_with_tls(server, kind):
    with server.connect(kind) as c:
        if kind == "tls-require":
            c.lhlo()
            c.starttls()
        words, mechanisms = with_auth(c.lhlo())
        assert words == dict(WITH_TLS, STOKEN="")
        assert mechanisms == NORMAL | {"STOKEN"}


@clauses("F-05", "S1-63")
def test_lhlo_on_the_socket(server):
    with server.connect("socket") as c:
        assert c.lhlo() == WITH_TLS


@clauses("S1-63")
@pytest.mark.parametrize("kind", ["smtps", "tls-require"])
def test_helo_lists_nothing(server, kind):
    with server.connect(kind) as c:
        reply = c.cmd("HELO client.example", bare=True)
        assert reply.code == 250 and len(reply.lines) == 1


@clauses("S1-03", "S1-05", "S1-80", "D-S01")
def test_letter_case_of_verbs(server):
    with server.connect() as c:
        assert c.cmd("eHLo client.example", bare=True).code == 250
        c.want("nOOp", "250 2.0.0")
        c.want("rsEt", "250 2.0.0")
        c.want("genstoken temp a@b.example", "530 5.7.0")
        c.want("revStoken a@b.example", "530 5.7.0")
        c.want("quit", "221 2.0.0")


@pytest.mark.parametrize("verb", ["EHLO", "LHLO", "HELO"])
def test_hello_without_argument(server, verb):
    with server.connect() as c:
        c.want(verb, "501 5.5.4")
        c.want(verb + " ", "501 5.5.4")
        c.want("NOOP", "250 2.0.0")


@clauses("F-01", "D-S22")
@pytest.mark.parametrize("verb", ["EHLO", "HELO"])
def test_no_smtp_after_lmtp(server, verb):
    with server.hello("LHLO") as c:
        c.want(verb + " client.example", "500 5.5.1")
        c.lhlo()


@clauses("F-01")
@pytest.mark.parametrize("verb", ["EHLO", "HELO"])
def test_no_smtp_on_the_socket(server, verb):
    with server.connect("socket") as c:
        c.want(verb + " client.example", "500 5.5.1")
        c.lhlo()


@clauses("D-S22")
def test_lhlo_after_ehlo(server):
    with server.hello("EHLO") as c:
        assert "STOKEN" in c.lhlo()
    with server.login(verb="EHLO") as c:
        c.want("LHLO client.example", "503 5.5.1")
        c.want("NOOP", "250 2.0.0")


@clauses("D-S22")
def test_same_verb_again_is_rset(server):
    with server.login(verb="EHLO") as c:
        assert c.mail("alice@a.example").status == "250 2.1.0"
        c.ehlo()
        c.want("RCPT TO:<bob@a.example>", "503 5.5.1")
    with server.trusted() as c:
        assert c.mail("x@b.example").status == "250 2.1.0"
        c.lhlo()
        c.want("RCPT TO:<bob@a.example>", "503 5.5.1")


@pytest.mark.parametrize("line", ["MAIL FROM:<a@b.example>",
                                  "RCPT TO:<a@a.example>", "DATA"])
@pytest.mark.parametrize("kind", ["smtps", "socket"])
def test_transaction_before_hello(server, kind, line):
    with server.connect(kind) as c:
        c.want(line, "503 5.5.1")


@clauses("S1-02", "F-38", "F-50", "S1-65", "X-6")
@pytest.mark.parametrize("verb", ["EHLO", "LHLO"])
@pytest.mark.parametrize("line", [
    "MAIL FROM:<alice@a.example>", "AUTH PLAIN AGEAYg==", "AUTH STOKEN YQBi",
    "GENSTOKEN TEMP x@b.example", "REVSTOKEN x@b.example"])
def test_refused_for_lack_of_tls(server, verb, line):
    with server.hello(verb, kind="tls-require") as c:
        c.want(line, "530 5.7.0")
        c.want("NOOP", "250 2.0.0")


@clauses("F-38", "F-50")
@pytest.mark.parametrize("verb", ["EHLO", "LHLO"])
def test_refused_for_lack_of_login(server, verb):
    with server.hello(verb) as c:
        c.want("MAIL FROM:<alice@a.example>", "530 5.7.0")
        c.want("GENSTOKEN TEMP x@b.example", "530 5.7.0")
        c.want("REVSTOKEN x@b.example", "530 5.7.0")


@pytest.mark.parametrize("line,status", [
    ("FROBNICATE", "500 5.5.1"), ("VRFY bob", "252 2.0.0"),
    ("HELP", "214 2.0.0"), ("EXPN list", "502 5.5.1"),
    ("ETRN a.example", "502 5.5.1"), ("TURN", "502 5.5.1"),
    ("NOOP", "250 2.0.0"), ("NOOP with words", "250 2.0.0"),
    ("RSET", "250 2.0.0"), ("", "500 5.5.1"), (" NOOP", "500 5.5.1"),
    ("X-FOO", "500 5.5.1"), ("XFOO1 bar", "500 5.5.1")])
def test_small_commands(server, line, status):
    with server.hello("EHLO") as c:
        got = c.cmd(line)
        assert got.status == status or (
            status == "500 5.5.1" and got.status == "500 5.5.2"), got
        c.want("NOOP", "250 2.0.0")


@clauses("S1-07", "F-06")
def test_port_25_is_refused(server):
    """RFC 2033 (F-06): -n refuses a listener on port 25."""
    bad = server.dir / "port25.conf"
    text = server.conf.read_text().replace(
        "port %d smtps" % server.ports["smtps"], "port 25 smtps")
    assert "port 25 smtps" in text
    bad.write_text(text)
    server.own()
    done = subprocess.run([server.program, "-n", "-f", str(bad)],
                          capture_output=True, text=True, preexec_fn=drop())
    assert done.returncode == 1
    assert str(bad) + ":" in done.stderr and "25" in done.stderr


@clauses("F-03", "F-80")
def test_order_inside_a_transaction(server):
    with server.login() as c:
        c.want("RCPT TO:<bob@a.example>", "503 5.5.1")
        c.want("DATA", "503 5.5.1")
        assert c.mail("alice@a.example").status == "250 2.1.0"
        c.want("MAIL FROM:<alice@a.example>", "503 5.5.1")
        assert c.cmd("DATA").code in (503, 554)
        c.want("RSET", "250 2.0.0")
        c.want("RCPT TO:<bob@a.example>", "503 5.5.1")


@clauses("F-03")
def test_lmtp_data_without_recipient(server):
    with server.trusted() as c:
        assert c.mail("a@b.example").status == "250 2.1.0"
        c.want("RCPT TO:<nobody-here@a.example>", "550 5.1.1")
        c.want("DATA", "503 5.5.1")


@clauses("S1-78")
def test_success_codes(server, pair):
    remote, local = pair
    token = server.temporary(remote, local)
    with server.token_session(local, token) as c:
        assert c.mail(remote).status == "250 2.1.0"
        assert c.rcpt(local, token).status == "250 2.1.5"


@clauses("F-63")
def test_close_notify(server):
    """An end without close_notify would raise SSLEOFError in recv."""
    with server.hello("EHLO") as c:
        c.want("QUIT", "221 2.0.0")
        assert c.sock.recv(1) == b""
