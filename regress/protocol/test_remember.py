# SPDX-License-Identifier: ISC
"""REMEMBERME: tokens asked for, and logins by them (PROTOCOL B2 to B4)."""
import shutil
import subprocess
import threading

import pytest

from client import Scram, b64
from clause import clauses
from remember import (FAILED, OK, TEXT, Ht2, claims, ht2, oauthbearer,
                      remember, rememberme, token_id, xoauth2)
from server import PASSWORDS, Server, as_nobody, scram_line

ALICE, BOB = "alice@a.example", "bob@a.example"
TYPES = ["random", "jwt", "ht2-sha-256-expr", "ht2-sha-256-endp",
         "ht2-sha-256-none"]


@pytest.fixture(scope="module")
def all_types():
    """A server that makes every type, HT2-SHA-256-NONE too."""
    with Server(extra="remember types { %s }\n"
                "auth mechanisms { plain login scram-sha-256 "
                "scram-sha-256-plus rememberme ht2-sha-256-expr "
                "ht2-sha-256-endp ht2-sha-256-none oauthbearer xoauth2 }"
                % " ".join(TYPES)) as s:
        yield s


def new(server, kind="RANDOM", user=BOB):
    with server.login(user) as c:
        return remember(c, kind)


@clauses("R-01", "R-02", "R-03", "R-04", "X-6", "D-R10")
def test_listed_under_tls_alone(server):
    with server.connect("tls-require") as c:
        assert "REMEMBERME" not in c.ehlo()
        assert c.cmd("REMEMBERME RANDOM").status == "530 5.7.0"
        c.starttls()
        words = c.ehlo()
        assert words["REMEMBERME"].split() == ["RANDOM", "JWT"]
        assert {"REMEMBERME", "HT2-SHA-256-EXPR", "HT2-SHA-256-ENDP",
                "OAUTHBEARER", "XOAUTH2"} <= set(words["AUTH"].split())
        assert "HT2-SHA-256-NONE" not in words["AUTH"]
    with server.connect() as c:
        assert "REMEMBERME" in c.ehlo()
        c.plain_login(BOB, PASSWORDS[BOB])
        assert "REMEMBERME" in c.ehlo()
    with server.connect(version="1.2") as c:
        words = c.ehlo()["AUTH"].split()
        assert "HT2-SHA-256-EXPR" not in words
        assert "HT2-SHA-256-ENDP" in words


@clauses("R-05", "R-06", "R-08", "R-12", "R-19", "D-R01")
def test_errors(server):
    with server.hello("EHLO") as c:
        assert c.cmd("REMEMBERME RANDOM").status == "530 5.7.0"
        assert c.plain_login(BOB, PASSWORDS[BOB]).status == OK
        for line, status in [
                ("REMEMBERME", "501 5.5.4"),
                ("REMEMBERME RANDOM JWT", "501 5.5.4"),
                ("REMEMBERME (RANDOM)", "501 5.5.4"),
                ("REMEMBERME SAML", "504 5.5.4"),
                ("REMEMBERME HT2-SHA-256-EXPR", "504 5.5.4"),
                ("rememberme random", OK), ("RememberMe Jwt", OK)]:
            assert c.cmd(line).status == status, line
        assert c.mail(BOB).status == "250 2.1.0"
        assert c.cmd("REMEMBERME RANDOM").status == "503 5.5.1"
        c.cmd("RSET")
        assert c.cmd("REMEMBERME RANDOM").status == OK
    token = server.temporary(local=ALICE)
    with server.token_session(ALICE, token) as c:
        assert c.cmd("REMEMBERME RANDOM").status == "550 5.7.1"
    with server.trusted() as c:
        assert c.cmd("REMEMBERME RANDOM").status == "500 5.5.1"


@clauses("R-07", "R-09", "R-10", "R-11", "R-14", "R-15", "R-18", "R-20",
         "R-23", "RS-01", "D-R02", "D-R04")
@pytest.mark.parametrize("kind", ["RANDOM", "JWT"])
def test_one_round_trip(server, kind):
    with server.login(BOB) as c:
        first = remember(c, kind)
        assert c.mail(BOB).status == "250 2.1.0"
        c.cmd("RSET")
        second = remember(c, kind)
    assert first != second
    for token in first, second, first:
        with server.hello("EHLO") as c:
            assert rememberme(c, token).status == OK
            assert c.mail(BOB).status == "250 2.1.0"
    with server.hello("EHLO") as c:
        assert rememberme(c, first, initial=False).status == OK
    with server.hello("LHLO") as c:
        assert rememberme(c, first).status == OK
    # Pipelined behind EHLO, one round trip.
    with server.connect() as c:
        c.send("EHLO x\r\nAUTH REMEMBERME %s\r\n" % b64(first))
        c.reply(bare=True)
        assert c.reply().status == OK


@clauses("R-15")
def test_many_connections_at_once(server):
    token, results = new(server), []

    def run():
        with server.hello("EHLO") as c:
            for _ in range(3):
                c.ehlo()
            results.append(rememberme(c, token).status)
    threads = [threading.Thread(target=run) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [OK] * 16


@clauses("RS-01", "RS-02", "RS-03", "RS-04", "RS-05")
def test_wrong_tokens(server):
    token = new(server)
    wrong = [b"", token + "\n", " " + token, token[:-1], token + "A",
             "\0" + token, BOB + "\0" + token, token[:-1] + "\0",
             token.replace(".", "_"), "." * 56, "A" * 56, "A" * 3000,
             "a.b.c", "..", token.lower()]
    for number, text in enumerate(wrong):
        with server.hello("EHLO") as c:
            reply = rememberme(c, text, initial=len(text) < 999)
            assert (reply.status, reply.text) == (FAILED, TEXT), number
            assert c.mail(BOB).status == "530 5.7.0"
            assert rememberme(c, token).status == OK


@clauses("H-01", "H-05", "H-06", "H-08", "H-12", "D-R04", "D-R10", "X-4")
@pytest.mark.parametrize("version,kind", [
    ("1.3", "EXPR"), ("1.3", "ENDP"), ("1.3", "NONE"),
    ("1.2", "ENDP"), ("1.2", "NONE")])
@pytest.mark.parametrize("name", ["mx.a.example", "rsa.a.example"])
def test_proof(all_types, version, kind, name):
    token = new(all_types)
    for pairs in "", "d=abc,x=1", "id=" + token_id(token):
        for initial in True, False:
            with all_types.hello("EHLO", version=version, sni=name) as c:
                run = Ht2(c, BOB, token, kind, pairs=pairs, initial=initial)
                assert run.run().status == OK
                assert run.verified
                assert c.mail(BOB).status == "250 2.1.0"


@clauses("H-05", "H-10")
def test_lies(all_types):
    token = new(all_types, user=ALICE)
    with all_types.hello("EHLO") as c:
        right = Ht2(c, ALICE, token, "EXPR", pairs="d=abc")
        message = right.first()
        flipped = [bytes(b ^ (i == n) for n, b in enumerate(message))
                   for i in range(len(message))]
        other = Ht2(c, ALICE, token, "EXPR", binding=b"\1" * 32).first()
        endp = Ht2(c, ALICE, token, "ENDP").first()
        for lie in [other, endp, message + b"\0", message[:-1], b"", b"\0",
                    message.replace(b"\0", b"", 1)] + flipped[::7]:
            reply = c.cmd("AUTH HT2-SHA-256-EXPR " + (b64(lie) or "="))
            assert (reply.status, reply.text) == (FAILED, TEXT), lie
        assert right.run().status == OK
    # What was said in one connection is of no use in another.
    with all_types.hello("EHLO") as c:
        assert c.cmd("AUTH HT2-SHA-256-EXPR " + b64(message)).status == FAILED


@clauses("H-01", "H-03", "H-04")
def test_grammar(all_types):
    """What is not well-formed fails though its MAC is right for it."""
    token = new(all_types)
    for pairs in ("a", "=", "a=", "=b", "a=b,", ",a=b", "a=b,,c=d", "a=b=c",
                  "a =b", "a=b;c=d", "a=\u00fc", "a=b\n"):
        with all_types.hello("EHLO") as c:
            reply = ht2(c, BOB, token, pairs=pairs)
            assert (reply.status, reply.text) == (FAILED, TEXT), pairs
    with all_types.hello("EHLO") as c:
        right = Ht2(c, BOB, token).side("Initiator", b"")
        for mac in (b"", right[:31], right + b"\0", right + right,
                    Ht2(c, BOB, token, digest="sha512").side(
                        "Initiator", b"")):
            with all_types.hello("EHLO") as other:
                reply = ht2(other, BOB, token, mac=mac)
                assert (reply.status, reply.text) == (FAILED, TEXT), mac
        assert ht2(c, BOB, token).status == OK


@clauses("H-02")
def test_names(all_types):
    token = new(all_types)
    for name in "", "b" * 243 + "@a.example", "b" * 300, "nobody@a.example", \
            "bob", "\udcff".encode("utf-8", "surrogateescape").decode(
                "latin-1"):
        with all_types.hello("EHLO") as c:
            reply = ht2(c, name, token)
            assert (reply.status, reply.text) == (FAILED, TEXT), name
    with all_types.hello("EHLO") as c:
        assert ht2(c, "BOB@A.EXAMPLE", token).status == OK


@clauses("H-12", "H-13")
def test_the_last_step(all_types):
    token = new(all_types)
    for last, status in (("AAAA", "501 5.5.2"), ("*", "501 5.7.0"),
                         ("!", "501 5.5.2"), ("", OK)):
        with all_types.hello("EHLO") as c:
            assert ht2(c, BOB, token, last=last).status == status
            want = "250 2.1.0" if status == OK else "530 5.7.0"
            assert c.mail(BOB).status == want
    # Revoked while the client thinks.
    with all_types.hello("EHLO") as c:
        run = Ht2(c, BOB, token)
        reply = c.cmd("AUTH HT2-SHA-256-EXPR " + b64(run.first()))
        assert reply.code == 334
        all_types.ctl("revoke", "reauth", token_id(token), check=True)
        assert c.cmd("").status == FAILED


@clauses("H-07", "D-R07", "R-13", "D-R03")
def test_types_named_as_mechanisms(all_types):
    for kind in "EXPR", "ENDP", "NONE":
        token = new(all_types, "HT2-SHA-256-" + kind)
        for other in "EXPR", "ENDP", "NONE":
            with all_types.hello("EHLO") as c:
                status = ht2(c, BOB, token, other).status
                assert status == (OK if other == kind else FAILED)
        with all_types.hello("EHLO") as c:
            assert rememberme(c, token).status == FAILED


@clauses("D-R04", "H-07")
def test_the_first_proof_pins(all_types):
    token = new(all_types)
    with all_types.hello("EHLO") as c:
        assert rememberme(c, token).status == OK
    with all_types.hello("EHLO") as c:
        assert ht2(c, BOB, token, "ENDP").status == OK
    for attempt in (lambda c: rememberme(c, token),
                    lambda c: ht2(c, BOB, token, "EXPR"),
                    lambda c: ht2(c, BOB, token, "NONE")):
        with all_types.hello("EHLO") as c:
            reply = attempt(c)
            assert (reply.status, reply.text) == (FAILED, TEXT)
    with all_types.hello("EHLO") as c:
        assert ht2(c, BOB, token, "ENDP").status == OK


@clauses("H-08", "X-4")
def test_no_extended_master_secret(all_types):
    """TLS 1.2 without it: nothing that binds, and no proof of any kind."""
    import ssl
    from client import Client, tls_context
    context = tls_context("1.2")
    context.options |= getattr(ssl, "OP_NO_EXTENDED_MASTER_SECRET", 1)
    token = new(all_types)
    with Client(("127.0.0.1", all_types.ports["smtps"]), greet=False) as c:
        c.handshake(context=context)
        assert c.reply(bare=True).code == 220
        words = c.ehlo()["AUTH"]
        assert "HT2" not in words and "PLUS" not in words
        assert "REMEMBERME" in words
        reply = c.cmd("AUTH HT2-SHA-256-NONE " + b64(
            Ht2(c, BOB, token, "NONE").first()))
        assert reply.status == "504 5.5.4"
        assert rememberme(c, token).status == OK


@clauses("D-R05")
def test_families(server):
    with server.login(ALICE) as c:
        old = remember(c)
    with server.hello("EHLO") as one, server.hello("EHLO") as two:
        assert rememberme(one, old).status == OK
        assert rememberme(two, old).status == OK
        young = remember(one)
        assert remember(two) == young and remember(one) == young
        jwt = remember(one, "JWT")
        assert remember(two, "JWT") == jwt
    for token in old, young, jwt:  # 30 s for the old one
        with server.hello("EHLO") as c:
            assert rememberme(c, token).status == OK
    with server.login(ALICE) as c:  # a new family, each time another
        assert len({remember(c), remember(c), young}) == 3
    rows = {r["id"]: r for r in server.show("reauth", ALICE)}
    assert rows[token_id(old)]["expires"] < rows[token_id(young)]["expires"]


@clauses("R-16", "D-R05", "D-R08")
def test_revocation(server):
    with server.login(ALICE) as c:
        tokens = [remember(c, kind) for kind in
                  ("RANDOM", "JWT", "RANDOM", "JWT")]
    with server.hello("EHLO") as c:
        assert rememberme(c, tokens[0]).status == OK
        child = remember(c)
        server.ctl("revoke", "reauth", token_id(child), check=True)
        # Its session goes on, and cannot come back by REMEMBERME.
        assert c.cmd("REMEMBERME RANDOM").status == "534 5.7.9"
        assert c.mail(ALICE).status == "250 2.1.0"
    for token, status in zip(tokens + [child], (FAILED, OK, OK, OK, FAILED)):
        with server.hello("EHLO") as c:
            assert rememberme(c, token).status == status
    server.ctl("revoke", "reauth", token_id(tokens[1]), check=True)
    with server.hello("EHLO") as c:
        reply = rememberme(c, tokens[1])
        assert (reply.status, reply.text) == (FAILED, TEXT)
        assert oauthbearer(c, tokens[1]).status == FAILED
        assert rememberme(c, tokens[3]).status == OK
    server.ctl("revoke", "user", ALICE, check=True)
    for token in tokens:
        with server.hello("EHLO") as c:
            assert rememberme(c, token).status == FAILED
    assert server.show("reauth", ALICE) == []
    # Nothing to revoke is no error; nonsense is.
    assert server.ctl("revoke", "user", ALICE).returncode == 0
    assert server.ctl("revoke", "reauth", "AAAAAAAAAAAA").returncode == 0
    assert server.ctl("revoke", "reauth", "what").returncode == 65


def test_show_reauth(server):
    server.ctl("revoke", "user", BOB, check=True)
    token = new(server)
    jwt = new(server, "JWT")
    with server.hello("EHLO") as c:
        assert ht2(c, BOB, token).status == OK
    rows = {r["id"]: r for r in server.show("reauth", BOB)}
    assert set(rows) == {token_id(token), token_id(jwt)}
    row = rows[token_id(token)]
    assert row["user"] == BOB and row["address"] == "127.0.0.1"
    assert row["mechanism"] == "HT2-SHA-256-EXPR" and row["pinned"] is True
    assert row["state"] == "good" and row["type"] == "random"
    assert row["created"] <= row["used"] < row["expires"]
    assert rows[token_id(jwt)]["mechanism"] is None
    assert rows[token_id(jwt)]["type"] == "jwt"
    everybody = server.ctl("show", "reauth", check=True).stdout
    assert token_id(token) in everybody
    for secret in (token.split(".")[1], jwt.split(".")[2]):
        assert secret not in everybody
        assert secret not in server.log_text()
        assert not [f for f in (server.dir / "db").iterdir()
                    if secret.encode() in f.read_bytes()]


@clauses("X-5", "D-R03", "R-13")
def test_jwt_by_oauth(server):
    jwt = new(server, "JWT")
    said = claims(jwt)
    assert said["iss"] == "mx.a.example" and said["sub"] == BOB
    assert said["aud"] == "smtp" and said["exp"] - said["iat"] == 90 * 86400
    assert len(jwt) <= 369
    for attempt in (
            lambda c: oauthbearer(c, jwt), lambda c: oauthbearer(c, jwt, BOB),
            lambda c: oauthbearer(c, jwt, BOB.upper()),
            lambda c: oauthbearer(c, jwt, gs2="y,,", extra=""),
            lambda c: xoauth2(c, jwt, BOB)):
        with server.hello("EHLO") as c:
            assert attempt(c).status == OK
            assert c.mail(BOB).status == "250 2.1.0"
    random = new(server)
    for attempt in (
            lambda c: oauthbearer(c, jwt, ALICE),
            lambda c: oauthbearer(c, jwt, gs2="p=tls-exporter,,"),
            lambda c: oauthbearer(c, jwt, gs2="n,a=b=ob,"),
            lambda c: oauthbearer(c, jwt[:-1] + ("A" if jwt[-1] != "A"
                                                 else "B")),
            lambda c: oauthbearer(c, ""), lambda c: oauthbearer(c, random),
            lambda c: xoauth2(c, jwt, ALICE), lambda c: xoauth2(c, jwt, ""),
            lambda c: xoauth2(c, random, BOB)):
        with server.hello("EHLO") as c:
            reply = attempt(c)
            assert (reply.status, reply.text) == (FAILED, TEXT)
            assert c.mail(BOB).status == "530 5.7.0"


@clauses("X-5")
def test_jwks(server):
    jwks = server.show("jwks")
    assert jwks == __import__("json").loads(
        server.ctl("show", "jwks", check=True).stdout)
    key = jwks["keys"][0]
    assert (key["kty"], key["crv"], key["alg"]) == ("EC", "P-256", "ES256")
    assert "d" not in key
    # A rotation keeps the old key, and its tokens, until they end.
    jwt = new(server, "JWT")
    server.ctl("rotate", "key", check=True)
    assert [k["kid"] for k in server.show("jwks")["keys"]][1:] == \
        [k["kid"] for k in jwks["keys"]]
    with server.hello("EHLO") as c:
        assert rememberme(c, jwt).status == OK


@clauses("D-R01")
def test_thirty_two(server):
    server.ctl("revoke", "user", BOB, check=True)
    with server.login(BOB) as c:
        tokens = [remember(c) for _ in range(33)]
    assert len(server.show("reauth", BOB)) == 32
    for token, status in ((tokens[0], FAILED), (tokens[1], OK),
                          (tokens[32], OK)):
        with server.hello("EHLO") as c:
            assert rememberme(c, token).status == status
    server.ctl("revoke", "user", BOB, check=True)


@clauses("R-16", "D-R05", "D-R08")
def test_a_new_password_ends_it():
    with Server() as s:
        token, jwt = new(s), new(s, "JWT", ALICE)
        text = (s.dir / "users").read_text()
        lines = [line if not line.startswith(BOB)
                 else "%s:%s" % (BOB, scram_line("another"))
                 for line in text.splitlines()]
        with s.login(BOB) as c:  # by the old password, still there
            s.write_users(lines)
            assert c.cmd("REMEMBERME RANDOM").status == "534 5.7.9"
        with s.hello("EHLO") as c:
            reply = rememberme(c, token)
            assert (reply.status, reply.text) == (FAILED, TEXT)
            assert rememberme(c, jwt).status == OK
        s.write_users(text.splitlines())  # the old one comes back
        with s.hello("EHLO") as c:
            assert rememberme(c, token).status == FAILED
        # An account goes; one of its name comes.
        s.write_users([line for line in text.splitlines()
                       if not line.startswith(ALICE)])
        with s.hello("EHLO") as c:
            reply = oauthbearer(c, jwt)
            assert (reply.status, reply.text) == (FAILED, TEXT)
        s.wait_log("mech=OAUTHBEARER reason=unknown-user")
        s.wait_log("mech=REMEMBERME reason=password-changed")


def test_a_crash_forgets_nothing():
    with Server() as s:
        token, revoked = new(s), new(s)
        with s.hello("EHLO") as c:
            assert ht2(c, BOB, token).status == OK
        s.ctl("revoke", "reauth", token_id(revoked), check=True)
        s.kill_one(s.pids("tokend")[0])
        s.accept_new_family()
        for attempt, status in ((lambda c: ht2(c, BOB, token), OK),
                                (lambda c: rememberme(c, token), FAILED),
                                (lambda c: rememberme(c, revoked), FAILED)):
            with s.hello("EHLO") as c:
                assert attempt(c).status == status


def test_a_backup_has_them():
    with Server() as s:
        token, jwt, revoked = new(s), new(s, "JWT"), new(s)
        with s.hello("EHLO") as c:
            assert ht2(c, BOB, token).status == OK
        s.ctl("revoke", "reauth", token_id(revoked), check=True)
        assert "records" in s.ctl("check", check=True).stdout
        copy = str(s.dir / "copy")
        subprocess.run(as_nobody() + [
            str(s.programs / "sbin/tokenctl"), "-s", s.control, "backup",
            str(s.mailroot / "copy")], check=True)
        shutil.move(str(s.mailroot / "copy"), copy)
        with Server(replace={"store db": 'store db "%s"' % copy},
                    users=(s.dir / "users").read_text().splitlines()) as t:
            for attempt, status in ((lambda c: ht2(c, BOB, token), OK),
                                    (lambda c: rememberme(c, jwt), OK),
                                    (lambda c: rememberme(c, token), FAILED),
                                    (lambda c: rememberme(c, revoked), FAILED)):
                with t.hello("EHLO") as c:
                    assert attempt(c).status == status


@clauses("R-17", "D-R06")
def test_strong_only():
    with Server(extra="remember strong-only") as s:
        with s.login(BOB) as c:
            assert c.cmd("REMEMBERME RANDOM").status == "534 5.7.9"
        with s.hello("EHLO") as c:
            assert Scram(c, BOB, PASSWORDS[BOB]).run().status == OK
            assert c.cmd("REMEMBERME JWT").status == "534 5.7.9"
        with s.hello("EHLO") as c:
            assert Scram(c, BOB, PASSWORDS[BOB],
                         plus="tls-exporter").run().status == OK
            token = remember(c)
        with s.hello("EHLO") as c:
            assert rememberme(c, token).status == OK
            remember(c)


def test_switched_off():
    with Server(extra="remember no") as s:
        with s.connect() as c:
            words = c.ehlo()
            assert "REMEMBERME" not in words
            for name in "REMEMBERME", "HT2", "OAUTH":
                assert name not in words["AUTH"]
            assert c.cmd("AUTH REMEMBERME AAAA").status == "504 5.5.4"
            c.plain_login(BOB, PASSWORDS[BOB])
            assert c.cmd("REMEMBERME RANDOM").status == "500 5.5.1"


class Pausing:
    """A client that stops before its last line of a login."""

    def __init__(self, client, stop):
        self.client, self.stop, self.done = client, stop, 0

    def __getattr__(self, name):
        return getattr(self.client, name)

    def cmd(self, line):
        self.done += 1
        if self.done > self.stop:
            raise StopIteration(line)
        return self.client.cmd(line)


def half(start, c, stop):
    """Logs in by `start` but for the last line, which is returned."""
    with pytest.raises(StopIteration) as stopped:
        start(Pausing(c, stop))
    return str(stopped.value)


@clauses("F-31", "R-16")
def test_switched_off_in_the_middle():
    """What was begun when it was on does not succeed when it is off."""
    with Server() as s:
        tokens = [new(s) for _ in range(2)]
        stoken = s.temporary("friend@b.example", BOB)
        starts = [
            ("EHLO", lambda c: rememberme(c, tokens[0], False), 1),
            ("EHLO", lambda c: ht2(c, BOB, tokens[1]), 1),
            ("EHLO", lambda c: Scram(c, BOB, PASSWORDS[BOB]).run(), 1),
            ("EHLO", lambda c: Scram(c, BOB, PASSWORDS[BOB]).run(), 2),
            ("EHLO", lambda c: (c.cmd("AUTH PLAIN"), c.cmd(b64(
                "\0%s\0%s" % (BOB, PASSWORDS[BOB])))), 1),
            ("LHLO", lambda c: (c.cmd("AUTH STOKEN"), c.cmd(b64(
                "%s\0%s" % (BOB, stoken)))), 1)]
        held = [(c, half(start, c, stop)) for c, start, stop in [
            (s.hello(verb), start, stop) for verb, start, stop in starts]]
        s.extra = "remember no\ntoken no\nauth mechanisms { login }\n"
        s.write_config()
        s.own()
        s.ctl("reload", check=True)
        for c, line in held:
            with c:
                assert c.cmd(line).status == "504 5.5.4", line
                assert c.login_login(BOB, PASSWORDS[BOB]).status == OK


def other(token):
    """The same but for the last letter."""
    return token[:-1] + ("A" if token[-1] != "A" else "B")


@clauses("H-11", "H-09", "D-R08")
def test_nothing_to_learn(server):
    """The same words for whatever is wrong; the work is counted elsewhere."""
    token = new(server)
    revoked, pinned = new(server), new(server)
    server.ctl("revoke", "reauth", token_id(revoked), check=True)
    with server.hello("EHLO") as c:
        assert ht2(c, BOB, pinned).status == OK
    said = set()
    for name in BOB, ALICE, "nobody@a.example", "x@elsewhere.example", "":
        for word in other(token), revoked, pinned, "x" * 56:
            with server.hello("EHLO") as c:
                said.add(str(ht2(c, name, word, "ENDP")))
                said.add(str(rememberme(c, "x" + word)))
    assert said == {"535 5.7.8 " + TEXT}


def test_a_cancelled_failure_counts():
    """A failure told in a challenge is one, whatever the client says to it."""
    for answer in "*", "!", "", "AQ==":
        with Server(limits={"auth-failures": 3}) as s:
            with s.hello("EHLO") as c:
                for number in range(2):
                    assert c.cmd("AUTH XOAUTH2 " + b64("x%d" % number)
                                 ).code == 334
                    assert c.cmd(answer).code in (501, 535)
                reply = oauthbearer(c, "a.b.c")
                assert (reply.status, reply.text) == (FAILED, TEXT)
                assert c.reply().status == "421 4.7.0"
                assert c.at_end()
            s.wait_log(r'mech=OAUTHBEARER reason=badtoken user=""')


def test_failures_count():
    with Server(limits={"auth-failures": 3}) as s:
        token = new(s)
        with s.hello("EHLO") as c:
            for _ in range(2):
                assert rememberme(c, token[:-2]).status == FAILED
            assert oauthbearer(c, "a.b.c").status == FAILED
            assert c.reply().status == "421 4.7.0"
            assert c.at_end()
        s.wait_log(r"auth failed address=127\.0\.0\.1 port=\d+ "
                   r'mech=REMEMBERME reason=malformed user=""')
        s.wait_log(r"remembered address=127\.0\.0\.1 port=\d+ type=random "
                   'id=%s user="%s"' % (token_id(token), BOB))
        with s.hello("EHLO") as c:
            assert rememberme(c, token).status == OK
        s.wait_log(r"auth ok address=127\.0\.0\.1 port=\d+ mech=REMEMBERME "
                   'id=%s user="%s"' % (token_id(token), BOB))
        stats = s.show("stats")
        assert stats["remember_made"] == 1 and stats["remember_ok"] == 1
        assert stats["remember_failed"] == 3
