# SPDX-License-Identifier: ISC
"""AUTH with a password: PLAIN, LOGIN, SCRAM-SHA-256 and -PLUS."""
import ctypes
import os
import threading
import time

import pytest

from client import b64
from clause import clauses
from server import IDN, PASSWORDS, crypt_line, scram_line

CRYPT_USER, SCRAM_USER = "alice@a.example", "bob@a.example"
OK, FAILED = "235 2.7.0", "535 5.7.8"


@clauses("F-41")
@pytest.mark.parametrize("verb", ["EHLO", "LHLO"])
@pytest.mark.parametrize("user", sorted(PASSWORDS))
def test_plain(server, verb, user):
    with server.hello(verb) as c:
        assert c.plain_login(user, PASSWORDS[user]).status == OK


@clauses("F-32")
def test_plain_in_two_steps(server):
    with server.hello("EHLO") as c:
        c.send("AUTH PLAIN\r\n")
        assert c.line() == b"334 \r\n"
        word = "\0%s\0%s" % (CRYPT_USER, PASSWORDS[CRYPT_USER])
        c.want(b64(word), OK)


@pytest.mark.parametrize("user", [CRYPT_USER, SCRAM_USER])
def test_login(server, user):
    with server.hello("EHLO") as c:
        assert c.login_login(user, PASSWORDS[user]).status == OK


@clauses("F-44")
def test_names_and_passwords_are_prepared(own):
    """SASLprep (RFC 4013) but for its normal form: what is mapped to a space or
    to nothing; what is nothing then, or prohibited, is nobody's."""
    server = own(users=["alice@a.example:" + crypt_line("IX a"),
                        "bob@a.example:" + scram_line("IX a")])
    for user in ("alice@a.example", "bob@a.example"):
        for password in ("IX a", "I\u00adX\u00a0a", "IX\u3000\ufeffa"):
            with server.hello("EHLO") as c:
                assert c.plain_login(user, password).status == OK
            with server.hello("EHLO") as c:
                assert c.login_login(user, password).status == OK
        for password in ("", "\u00ad", "IX a\u0007", "ix a", "IX  a"):
            with server.hello("EHLO") as c:
                assert c.plain_login(user, password).code in (501, 535)
                c.want("MAIL FROM:<%s>" % user, "530 5.7.0")
    with server.hello("EHLO") as c:
        assert c.plain_login("\u00ad", "IX a").code in (501, 535)


@clauses("F-34")
def test_login_with_initial_response(server):
    """Server first: refused by the RFC, taken as the name by habit."""
    with server.hello("EHLO") as c:
        reply = c.cmd("AUTH LOGIN " + b64(CRYPT_USER))
        assert reply.code == 334 or reply.status == "501 5.7.0"
        if reply.code == 334:
            c.want(b64(PASSWORDS[CRYPT_USER]), OK)


@clauses("S1-03")
def test_letter_case_of_mechanism(server):
    with server.hello("EHLO") as c:
        word = "\0%s\0%s" % (CRYPT_USER, PASSWORDS[CRYPT_USER])
        c.want("auth plain " + b64(word), OK)


def test_u_label_login(server):
    """Both forms of the domain are the same domain."""
    with server.hello("EHLO") as c:
        reply = c.plain_login("hans@" + IDN, "idn domain")
        assert reply.status == OK


def test_bare_name_needs_a_single_domain(server):
    with server.hello("EHLO") as c:
        assert c.plain_login("alice", PASSWORDS[CRYPT_USER]).status == FAILED


def test_authzid(server):
    with server.hello("EHLO") as c:
        reply = c.plain_login(CRYPT_USER, PASSWORDS[CRYPT_USER], SCRAM_USER)
        assert reply.code in (535, 501)
        reply = c.plain_login(CRYPT_USER, PASSWORDS[CRYPT_USER], CRYPT_USER)
        assert reply.status == OK


@clauses("F-37")
@pytest.mark.parametrize("user,word", [
    (CRYPT_USER, "wrong"), (CRYPT_USER, ""), (SCRAM_USER, "wrong"),
    ("nobody-here@a.example", "wrong"), ("alice@elsewhere.example", "x"),
    (CRYPT_USER, PASSWORDS[CRYPT_USER] + " "), ("", "x")])
def test_one_failure_text(server, user, word):
    """T12: the same words for a wrong password and for no such user."""
    with server.hello("EHLO", source="127.0.4.1") as c:
        expected = c.plain_login("unknown@a.example", "known to be wrong")
        reply = c.plain_login(user, word)
        assert reply.status == FAILED or (not (user and word) and
                                          reply.code in (501, 535))
        if reply.status == FAILED:
            assert reply == expected
        # F-39: a failure alone does not end the session.
        assert c.plain_login(CRYPT_USER, PASSWORDS[CRYPT_USER]).status == OK


@clauses("F-30")
def test_second_login(server):
    with server.login() as c:
        c.want("AUTH PLAIN " + b64("\0a\0b"), "503 5.5.1")
        assert c.mail(CRYPT_USER).status == "250 2.1.0"
        c.want("AUTH PLAIN " + b64("\0a\0b"), "503 5.5.1")
        c.want("RCPT TO:<bob@a.example>", "250 2.1.5")


@clauses("F-31")
@pytest.mark.parametrize("mechanism", [
    "FROBNICATE", "CRAM-MD5", "EXTERNAL", "STOKEN", "SCRAM-SHA-1", "ANONYMOUS",
    "PLAIN,LOGIN", "X" * 60])
def test_unknown_mechanism(server, mechanism):
    with server.hello("EHLO") as c:
        c.want("AUTH " + mechanism, "504 5.5.4")
        c.want("NOOP", "250 2.0.0")


@pytest.mark.parametrize("line", ["AUTH", "AUTH ", "AUTH PLAIN AGEAYg== x"])
def test_arguments(server, line):
    with server.hello("EHLO") as c:
        assert c.cmd(line).code == 501
        c.want("NOOP", "250 2.0.0")


BAD_BASE64 = ["abcdefg", "AGEAYg=", "AGEAY", "AGEAYg===", "A=EAYg==",
              "AGEAYg==AGEAYg==", "AGE!Yg==", "AGE-Yg==", "AGE_Yg==",
              "====", "AGEA\tYg==", "AGEAYh==", "\u00e4GEA"]


@clauses("F-35")
@pytest.mark.parametrize("word", BAD_BASE64)
@pytest.mark.parametrize("step", ["initial", "response"])
def test_bad_base64(server, word, step):
    """AGEAYh== has bits set behind its last octet: not canonical, bad."""
    with server.hello("EHLO") as c:
        if step == "initial":
            reply = c.cmd("AUTH PLAIN " + word)
        else:
            c.want("AUTH PLAIN", "334")
            reply = c.cmd(word)
        assert reply.status == "501 5.5.2", reply
        assert c.plain_login(CRYPT_USER, PASSWORDS[CRYPT_USER]).status == OK


@clauses("F-33")
@pytest.mark.parametrize("mechanism", [
    "PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"])
def test_cancel_at_the_first_step(server, mechanism):
    with server.hello("EHLO") as c:
        c.want("AUTH " + mechanism, "334")
        assert c.cmd("*").code == 501
        assert c.plain_login(CRYPT_USER, PASSWORDS[CRYPT_USER]).status == OK


@clauses("F-33")
def test_cancel_at_later_steps(server):
    with server.hello("EHLO") as c:
        c.want("AUTH LOGIN", "334")
        c.want(b64(CRYPT_USER), "334")
        assert c.cmd("*").code == 501
        c.want("AUTH SCRAM-SHA-256 " + b64("n,,n=%s,r=abcdef" % SCRAM_USER),
               "334")
        assert c.cmd("*").code == 501
        reply = c.scram(SCRAM_USER, PASSWORDS[SCRAM_USER], last="*")
        assert reply.code == 501
        c.want("MAIL FROM:<bob@a.example>", "530 5.7.0")
        assert c.scram(SCRAM_USER, PASSWORDS[SCRAM_USER]).status == OK


@clauses("F-34")
def test_equals_sign_is_an_empty_response(server):
    with server.hello("EHLO") as c:
        # Empty is no PLAIN message; it is not bad base64 either.
        assert c.cmd("AUTH PLAIN =").code in (501, 535)
        c.want("AUTH PLAIN ==", "501 5.5.2")
        assert c.plain_login(CRYPT_USER, PASSWORDS[CRYPT_USER]).status == OK


@pytest.mark.parametrize("message", [
    b"", b"alice", b"\0alice", b"\0\0", b"\0\0x", b"\0alice\0", b"a\0b\0c\0d",
    b"\0\0\0", b"\0al\xffice\0x", b"\0alice@a.example\0\xc3",
    b"\0" + b"u" * 9000 + b"\0x", b"\0u\0" + b"p" * 9000])
def test_malformed_plain(server, message):
    """T11: every malformation is answered and leaves the session usable."""
    with server.hello("EHLO") as c:
        c.want("AUTH PLAIN", "334")
        reply = c.cmd(b64(message))
        assert reply.code in (501, 535), reply
        assert c.plain_login(CRYPT_USER, PASSWORDS[CRYPT_USER]).status == OK


@clauses("F-36")
def test_long_response_lines(server):
    """12288 octets must work; far more is 500 5.5.6; the line is one line."""
    with server.hello("EHLO") as c:
        c.want("AUTH PLAIN", "334")
        response = b64(b"\0u\0" + b"p" * (12284 // 4 * 3 - 3))
        assert len(response) + 2 <= 12288 < len(response) + 8
        assert c.cmd(response).code in (501, 535)
        c.want("AUTH PLAIN", "334")
        c.want("A" * 13000, "500 5.5.6")
        c.want("NOOP", "250 2.0.0")
        c.want("AUTH PLAIN", "334")
        c.want("A" * 60000, "500 5.5.6")
        assert c.plain_login(CRYPT_USER, PASSWORDS[CRYPT_USER]).status == OK


@clauses("F-42", "F-80")
def test_pipelined_behind_initial_response(server):
    with server.hello("EHLO") as c:
        word = b64("\0%s\0%s" % (CRYPT_USER, PASSWORDS[CRYPT_USER]))
        c.send("AUTH PLAIN %s\r\nMAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nNOOP\r\n"
               % (word, CRYPT_USER, SCRAM_USER))
        assert [r.status for r in c.replies(4)] == [
            OK, "250 2.1.0", "250 2.1.5", "250 2.0.0"]


@pytest.mark.parametrize("lines", [
    ["AUTH PLAIN"], ["AUTH LOGIN"], ["AUTH LOGIN", b64("alice@a.example")],
    ["AUTH SCRAM-SHA-256", b64("n,,n=bob@a.example,r=fyko")]])
def test_disconnect_at_each_step(server, lines):
    """T11: nobody else's login is disturbed (Dovecot's CVE-2025-59028)."""
    with server.hello("EHLO") as honest:
        for reset in (False, True):
            c = server.hello("EHLO")
            for line in lines:
                c.want(line, "334")
            c.abort() if reset else c.close()
        assert honest.plain_login(
            CRYPT_USER, PASSWORDS[CRYPT_USER]).status == OK


def test_good_logins_beside_bad_ones(server):
    stop, wrong = threading.Event(), []

    def noise(number):
        try:
            while not stop.is_set():
                with server.hello("EHLO", source="127.0.5.%d" % number) as c:
                    c.cmd("AUTH PLAIN " + BAD_BASE64[number])
                    c.cmd("AUTH PLAIN " + b64(b"\0\xff\0\0"))
                    c.cmd("AUTH SCRAM-SHA-256 " + b64(b"n,,"))
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=noise, args=(n + 1,)) for n in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(20):
            with server.hello("EHLO") as c:
                assert c.plain_login(
                    SCRAM_USER, PASSWORDS[SCRAM_USER]).status == OK
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not wrong


def fastest_login(server, user, word, count=9):
    """Seconds; the fastest of some, so that a busy machine does not count."""
    times = []
    for _ in range(count):
        with server.hello("EHLO", source="127.0.4.2") as c:
            begin = time.monotonic()
            assert c.plain_login(user, word).status == FAILED
            times.append(time.monotonic() - begin)
    return min(times)


@pytest.mark.skipif(bool(os.environ.get("SANITIZE")),
                    reason="times under sanitizers tell nothing")
def test_unknown_user_costs_as_much(server):
    """T12: the time does not tell who exists."""
    known = fastest_login(server, CRYPT_USER, "wrong")
    unknown = fastest_login(server, "nobody-here@a.example", "wrong")
    assert 0.33 < unknown / known < 3, (known, unknown)


def bcrypt(word, cost):
    library = ctypes.CDLL("libcrypt.so.1")
    library.crypt.restype = ctypes.c_char_p
    salt = "$2b$%02d$abcdefghijklmnopqrstuu" % cost
    return library.crypt(word.encode(), salt.encode()).decode()


def test_slow_hash_delays_nobody(own):
    """Hashes are computed aside: tokens and mail go on meanwhile."""
    server = own(users=[
        "slow@a.example:{BLF-CRYPT}" + bcrypt("slow", 12),
        CRYPT_USER + ":" + crypt_line(PASSWORDS[CRYPT_USER])])
    token = server.temporary()
    busy = [server.hello("EHLO") for _ in range(12)]
    for c in busy:
        c.send("AUTH PLAIN %s\r\n" % b64("\0slow@a.example\0slow"))
    with server.token_session(CRYPT_USER, token) as c:
        c.mail("friend@b.example")
        assert c.rcpt(CRYPT_USER, token).status == "250 2.1.5"
        assert c.data("Subject: x\r\n\r\n")[0].code == 250
    # All that while the last of them still waits for its hash.
    waiting = [c for c in busy if c.silent(0)]
    assert waiting
    assert {c.reply().status for c in waiting} == {OK}
    for c in busy:
        c.close()
