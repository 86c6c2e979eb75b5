# SPDX-License-Identifier: ISC
"""AUTH STOKEN: what it takes and what it refuses (S1-66 ... S1-71)."""
import base64
import random

import pytest

from client import b64
from clause import clauses
from server import IDN, IDN_ASCII, decode_token

LOCAL = "alice@a.example"
OK, FAILED = "235 2.7.0", "535 5.7.8"


@clauses("S1-66", "S1-67", "S1-70", "D-S15", "S1-22")
@pytest.mark.parametrize("kind", ["temporary", "permanent"])
def test_success(server, pair, kind):
    token = server.generate(kind, *pair)
    for _ in range(2):
        with server.hello("LHLO") as c:
            assert c.token_login(LOCAL, token).status == OK
            c.quit()


@clauses("D-S02", "S1-18", "S1-25", "S1-81")
@pytest.mark.parametrize("kind", ["temporary", "permanent"])
def test_form_of_a_token(server, pair, kind):
    token = server.generate(kind, *pair)
    assert 16 <= len(token) <= 114
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrst"
                             "uvwxyz0123456789-_")
    assert LOCAL.encode() not in decode_token(token)


@clauses("D-S15", "F-32")
def test_without_initial_response(server, pair):
    token = server.temporary(*pair)
    with server.hello("LHLO") as c:
        c.send("AUTH STOKEN\r\n")
        assert c.line() == b"334 \r\n"
        c.want(b64("%s\0%s" % (LOCAL, token)), OK)


@clauses("S1-03", "S1-80")
def test_letter_case(server, pair):
    """The mechanism may be in any case, the token may not."""
    token = server.temporary(*pair)
    with server.hello("LHLO") as c:
        assert token.swapcase() != token
        assert c.token_login(LOCAL, token.swapcase()).status == FAILED
        c.want("auth stoken " + b64("%s\0%s" % (LOCAL, token)), OK)


@clauses("S1-69", "D-S04")
@pytest.mark.parametrize("spelling", [
    "alice@A.EXAMPLE", "ALICE@a.example", '"alice"@a.example'])
def test_canonical_recipient(server, pair, spelling):
    token = server.temporary(*pair)
    with server.hello("LHLO") as c:
        assert c.token_login(spelling, token).status == OK


@clauses("D-S04")
@pytest.mark.parametrize("spelling", [
    "alice+x@a.example", "alice@sub.a.example", "alice@example", "alice",
    "sales@a.example", " alice@a.example", "alice@a.example."])
def test_no_further_equality(server, pair, spelling):
    token = server.temporary(*pair)
    with server.hello("LHLO") as c:
        assert c.token_login(spelling, token).code in (535, 501)
        assert c.token_login(LOCAL, token).status == OK


@clauses("D-S04")
def test_u_label_and_a_label(server):
    token = server.temporary("friend@b.example", "hans@" + IDN)
    for domain in (IDN, IDN_ASCII, IDN_ASCII.upper()):
        with server.hello("LHLO") as c:
            assert c.token_login("hans@" + domain, token).status == OK


@clauses("D-S15")
def test_published_sample_form(server, pair):
    """No NUL at all: split at the last literal backslash and zero."""
    token = server.temporary(*pair)
    with server.hello("LHLO") as c:
        c.want("AUTH STOKEN " + b64("%s\\0%s" % (LOCAL, token)), OK)


@clauses("S1-71", "D-S16")
@pytest.mark.parametrize("word,status", [
    ("dXNlckBmb28uY29tXDBzNnhXMTVoOURo", FAILED),
    ("dXNlckBmb28uY29tAHM2eFcxNWg5RGg=", FAILED),
    ("dXNlckBmb28uY29tAHo0SkhtVU5KSzQ=", FAILED),
    ("abcdefg", "501 5.5.2")])
def test_published_samples(server, word, status):
    with server.hello("LHLO") as c:
        c.want("AUTH STOKEN " + word, status)


@clauses("S1-63", "D-S15")
def test_not_in_an_smtp_session(server, pair):
    token = server.temporary(*pair)
    with server.hello("EHLO") as c:
        assert c.token_login(LOCAL, token).status == "504 5.5.4"


@clauses("S1-67", "S1-71", "D-S16")
def test_one_answer_for_all_failures(server, pair):
    token = server.temporary(*pair)
    other = server.temporary(pair[0], "bob@a.example")
    revoked = server.temporary("gone-" + pair[0], LOCAL)
    server.ctl("revoke", "pair", "gone-" + pair[0], LOCAL, check=True)
    raw = bytearray(decode_token(token))
    raw[-1] ^= 1
    mac = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    tries = [(LOCAL, other), (LOCAL, mac), (LOCAL, revoked),
             ("bob@a.example", token), ("nobody-here@a.example", token),
             ("alice@elsewhere.example", token), (LOCAL, "A" * len(token)),
             (LOCAL, "x"), (LOCAL, token[:-1]), (LOCAL, token + "A")]
    with server.hello("LHLO") as c:
        replies = {str(c.token_login(*x)) for x in tries}
        assert len(replies) == 1, replies
        assert replies.pop().startswith("535 5.7.8 ")
        assert c.token_login(LOCAL, token).status == OK


@clauses("S1-67")
@pytest.mark.parametrize("message", [
    b"", b"\0", LOCAL.encode(), LOCAL.encode() + b"\0", b"\0token",
    b"<alice@a.example>\0x", b"a\0b\0c", b"\xff@a.example\0x",
    b"alice@a.example\0tok en", b"alice@a.example\0\xc3\xa4",
    b"alice@a.example\r\n\0x", b"\\0", b"alice@a.example\\0",
    b"x" * 300 + b"@a.example\0token", LOCAL.encode() + b"\0" + b"t" * 256,
    LOCAL.encode() + b"\0" + b"t" * 5000])
def test_malformed_messages(server, pair, message):
    token = server.temporary(*pair)
    with server.hello("LHLO") as c:
        c.want("AUTH STOKEN", "334")
        assert c.cmd(b64(message)).code in (501, 535)
        c.want("MAIL FROM:<friend@b.example>", "530 5.7.0")
        assert c.token_login(LOCAL, token).status == OK


@clauses("F-35", "D-S16")
@pytest.mark.parametrize("word", ["abcdefg", "YQBi=", "YQ=Bi", "YQ!i", "===="])
def test_bad_base64(server, word):
    with server.hello("LHLO") as c:
        c.want("AUTH STOKEN " + word, "501 5.5.2")
        c.want("AUTH STOKEN", "334")
        c.want(word, "501 5.5.2")


@clauses("F-33")
def test_cancel(server):
    with server.hello("LHLO") as c:
        c.want("AUTH STOKEN", "334")
        assert c.cmd("*").code == 501
        c.want("MAIL FROM:<friend@b.example>", "530 5.7.0")


@clauses("F-30")
def test_second_login(server, pair):
    token = server.temporary(*pair)
    with server.token_session(LOCAL, token) as c:
        assert c.token_login(LOCAL, token).status == "503 5.5.1"
        c.want("AUTH PLAIN " + b64("\0a\0b"), "503 5.5.1")


@clauses("S1-16", "S1-67")
@pytest.mark.parametrize("kind", ["temporary", "permanent"])
def test_every_flipped_bit(server, pair, kind):
    """T14."""
    token = server.generate(kind, *pair)
    raw = decode_token(token)
    tries = []
    for bit in range(len(raw) * 8):
        bad = bytearray(raw)
        bad[bit // 8] ^= 1 << bit % 8
        tries.append((LOCAL, base64.urlsafe_b64encode(
            bad).decode().rstrip("=")))
    for bit, (_, reply) in enumerate(server.try_tokens(tries)):
        assert reply.status == FAILED, "bit %d: %s" % (bit, reply)
    server.token_session(LOCAL, token).quit()


@clauses("D-S02")
def test_last_character_has_one_spelling(server, pair):
    """Unused bits behind the last octet must be zero: one text, one token."""
    token = server.temporary(*pair)
    alphabet = ("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                "0123456789-_")
    tries = [(LOCAL, token[:-1] + x) for x in alphabet if x != token[-1]]
    for text, reply in server.try_tokens(tries):
        assert reply.status == FAILED, (token, text)


def test_random_tokens(server):
    rng = random.Random(1)
    tries = [(LOCAL, base64.urlsafe_b64encode(
        rng.randbytes(rng.randrange(1, 90))).decode().rstrip("="))
        for _ in range(200)]
    for _, reply in server.try_tokens(tries):
        assert reply.status == FAILED


@clauses("S1-15", "D-S15", "D-S05")
def test_a_token_is_not_a_login(server, pair):
    """T15: no management, no relay, no other recipients."""
    token = server.temporary(*pair)
    with server.token_session(LOCAL, token) as c:
        c.want("GENSTOKEN TEMP x@b.example", "550 5.7.1")
        c.want("REVSTOKEN x@b.example", "550 5.7.1")
        assert c.mail(pair[0]).status == "250 2.1.0"
        for address in ("bob@a.example", "x@elsewhere.example",
                        "sales@a.example", "alice+x@a.example"):
            assert c.rcpt(address, token).status == "550 5.7.1"
            assert c.rcpt(address).status == "550 5.7.1"
        assert c.rcpt(LOCAL, token).status == "250 2.1.5"
