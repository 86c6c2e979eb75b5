# SPDX-License-Identifier: ISC
"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (PROTOCOL B8, X-4)."""
import base64

import pytest

from client import Scram, b64
from clause import clauses
from server import PASSWORDS

USER = "bob@a.example"
WORD = PASSWORDS[USER]
CRYPT_USER = "alice@a.example"
OK, FAILED = "235 2.7.0", "535 5.7.8"


@pytest.mark.parametrize("initial", [True, False])
@pytest.mark.parametrize("gs2", ["n,,", "n,a=bob@a.example,"])
def test_plain_scram(server, initial, gs2):
    with server.hello("EHLO") as c:
        scram = Scram(c, USER, WORD, initial=initial, gs2=gs2)
        assert scram.run().status == OK
        assert scram.server_verified
        assert c.mail(USER).status == "250 2.1.0"


def test_utf8_user(server):
    with server.hello("EHLO") as c:
        user = "j\u00fcrgen@a.example"
        assert c.scram(user, PASSWORDS[user]).status == OK


@clauses("X-4")
@pytest.mark.parametrize("version,kind", [
    ("1.3", "tls-exporter"), ("1.3", "tls-server-end-point"),
    ("1.2", "tls-server-end-point")])
@pytest.mark.parametrize("name", ["mx.a.example", "rsa.a.example"])
def test_plus(server, version, kind, name):
    with server.hello("EHLO", version=version, sni=name) as c:
        assert c.scram(USER, WORD, plus=kind).status == OK


@clauses("X-4")
def test_plus_after_starttls(server):
    with server.hello("EHLO", kind="tls-require") as c:
        c.starttls(version="1.3")
        c.ehlo()
        assert c.scram(USER, WORD, plus="tls-exporter").status == OK


@clauses("X-4")
def test_no_exporter_on_tls_1_2(server):
    with server.hello("EHLO", version="1.2") as c:
        assert c.scram(USER, WORD, plus="tls-exporter").code in (501, 535)


@clauses("X-4")
@pytest.mark.parametrize("channel", [b"", b"\0" * 32, b"\xff" * 32, b"x"])
@pytest.mark.parametrize("kind", ["tls-exporter", "tls-server-end-point"])
def test_wrong_binding(server, kind, channel):
    with server.hello("EHLO") as c:
        reply = c.scram(USER, WORD, plus=kind, channel=channel)
        assert reply.status == FAILED


@clauses("X-4")
def test_binding_of_another_connection(server):
    with server.hello("EHLO") as other, server.hello("EHLO") as c:
        stolen = other.binding("tls-exporter")
        reply = c.scram(USER, WORD, plus="tls-exporter", channel=stolen)
        assert reply.status == FAILED


@pytest.mark.parametrize("gs2", [
    "y,,", "p=tls-unique,,", "p=tls-server-end-point,,", "p=,,", "x,,", ",,",
    "n", "n,", "n,a=alice@a.example,"])
def test_bad_header(server, gs2):
    """`y` while -PLUS is offered is a downgrade and must fail."""
    with server.hello("EHLO") as c:
        assert c.scram(USER, WORD, gs2=gs2).code in (501, 535)
        assert c.scram(USER, WORD).status == OK


@pytest.mark.parametrize("gs2", ["n,,", "y,,", "p=tls-unique,,"])
def test_bad_header_with_plus(server, gs2):
    with server.hello("EHLO") as c:
        reply = c.scram(USER, WORD, plus="tls-exporter", gs2=gs2, channel=b"")
        assert reply.code in (501, 535)


@pytest.mark.parametrize("change", [
    {"proof": b"\0" * 32}, {"proof": b""}, {"proof": b"\0" * 31},
    {"proof": b"\0" * 33}, {"nonce_extra": "x"}, {"bare_extra": "m=ext,"}])
def test_wrong_messages(server, change):
    with server.hello("EHLO") as c:
        assert c.scram(USER, WORD, **change).code in (501, 535)
        c.want("MAIL FROM:<bob@a.example>", "530 5.7.0")
        assert c.scram(USER, WORD).status == OK


def test_extension_in_the_final_message_is_ignored(server):
    """Unknown optional attributes are ignored, and covered by the proof."""
    with server.hello("EHLO") as c:
        assert c.scram(USER, WORD, final_extra=",x=something").status == OK


@pytest.mark.parametrize("text", [
    "", "n,,", "n,,n=", "n,,n=bob@a.example", "n,,n=bob@a.example,r=",
    "n,,r=abc,n=bob@a.example", "n,,n=b=ob,r=abc", "n,,n=bob\0,r=abc",
    "n,,n=bob@a.example,r=a b\x7f", "n,,n=" + "b" * 3000 + ",r=abc",
    "n,,n=bob@a.example,r=" + "r" * 3000])
def test_malformed_first_message(server, text):
    with server.hello("EHLO") as c:
        c.want("AUTH SCRAM-SHA-256", "334")
        reply = c.cmd(b64(text) if text else "")
        while reply.code == 334:
            reply = c.cmd(b64("c=biws,r=abc,p=AAAA"))
        assert reply.code in (501, 535)
        assert c.scram(USER, WORD).status == OK


@pytest.mark.parametrize("text", [
    "", "c=biws", "c=biws,r=abc", "p=AAAA", "c=biws,r=abc,p=", "c=!,r=,p=!",
    "c=biws,r=abc,p=AAAA,x=y"])
def test_malformed_final_message(server, text):
    with server.hello("EHLO") as c:
        c.want("AUTH SCRAM-SHA-256 " + b64("n,,n=%s,r=abcdef" % USER), "334")
        assert c.cmd(b64(text) if text else "").code in (501, 535)
        assert c.scram(USER, WORD).status == OK


@clauses("F-33")
def test_last_step_must_be_empty(server):
    with server.hello("EHLO") as c:
        reply = c.scram(USER, WORD, last=b64("more"))
        assert reply.status in ("501 5.5.2", FAILED)
        c.want("MAIL FROM:<bob@a.example>", "530 5.7.0")


def server_first(c, user):
    reply = c.cmd("AUTH SCRAM-SHA-256 " + b64("n,,n=%s,r=fyko+d2l" % user))
    assert reply.code == 334, reply
    fields = base64.b64decode(reply.lines[0]).decode().split(",")
    assert c.cmd("*").code == 501
    return dict(x.split("=", 1) for x in fields)


def test_unknown_user_has_a_salt(server):
    """T12: an unknown user, and one without SCRAM keys, look alike."""
    with server.hello("EHLO") as c:
        for user in ("nobody-here@a.example", CRYPT_USER):
            first, again = server_first(c, user), server_first(c, user)
            assert first["s"] == again["s"] and first["i"] == again["i"]
            assert first["r"] != again["r"]
            real = server_first(c, USER)
            assert len(first["s"]) == len(real["s"])
            assert first["i"] == real["i"]
        other = server_first(c, "nobody-else@a.example")
        assert other["s"] != first["s"]


@clauses("F-37")
def test_failures_look_alike(server):
    with server.hello("EHLO") as c:
        wrong = c.scram(USER, "wrong")
        assert wrong.status == FAILED
        assert c.scram("nobody-here@a.example", WORD) == wrong
        assert c.scram(CRYPT_USER, PASSWORDS[CRYPT_USER]) == wrong
