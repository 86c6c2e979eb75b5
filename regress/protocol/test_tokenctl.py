# SPDX-License-Identifier: ISC
"""tokenctl: verbs, exit codes, JSON, the control socket."""
import datetime
import json
import os
import socket
import subprocess
import threading

import pytest

from clause import clauses
from server import NOBODY, drop

ALICE, BOB = "alice@a.example", "bob@a.example"
OK, USAGE, DATA, DOWN, DENIED = 0, 64, 65, 69, 77
MESSAGE = "Subject: x\r\n\r\nText.\r\n"


def when(text):
    """RFC 3339 in UTC, as every time in JSON is."""
    assert text.endswith("Z"), text
    return datetime.datetime.fromisoformat(text[:-1] + "+00:00")


@pytest.mark.parametrize("kind", ["temporary", "permanent"])
def test_generate_prints_the_token_alone(server, pair, kind):
    done = server.ctl("generate", kind, *pair)
    assert done.returncode == OK and done.stderr == ""
    token, end, rest = done.stdout.partition("\n")
    assert end and not rest and " " not in token
    server.token_session(pair[1], token).quit()


@pytest.mark.parametrize("arguments,status", [
    ((), USAGE), (("frobnicate",), USAGE), (("show",), USAGE),
    (("show", "nothing"), USAGE), (("generate",), USAGE),
    (("generate", "temporary", "x@b.example"), USAGE),
    (("generate", "some", "x@b.example", ALICE), USAGE),
    (("generate", "temporary", "x@b.example", ALICE, "more"), USAGE),
    (("revoke", "pair", "x@b.example"), USAGE), (("revoke",), USAGE),
    (("rotate",), USAGE), (("retire", "key"), USAGE), (("log", "loud"), USAGE),
    (("generate", "temporary", "x..y@b.example", ALICE), DATA),
    (("generate", "temporary", "x@b.example", "alice"), DATA),
    (("generate", "temporary", "x@b.example", "nobody-here@a.example"), DATA),
    (("generate", "temporary", "x@b.example", "x@elsewhere.example"), DATA),
    (("revoke", "pair", "x", ALICE), DATA),
    (("revoke", "domain", "x@y"), DATA), (("revoke", "local", "@"), DATA),
    (("retire", "key", "no-such-key"), DATA),
    (("revoke", "pair", "never@b.example", ALICE), OK),
    (("revoke", "remote", "never@b.example"), OK),
    (("revoke", "domain", "never.example"), OK)])
def test_exit_codes(server, arguments, status):
    done = server.ctl(*arguments)
    assert done.returncode == status, done
    if status == OK:
        assert done.stderr == ""
    else:
        assert done.stdout == ""
        assert done.stderr.strip()
        if status != USAGE:
            assert len(done.stderr.splitlines()) == 1, done.stderr


def test_not_running(server):
    done = subprocess.run(
        [str(server.programs / "sbin/tokenctl"), "-s",
         str(server.dir / "no.sock"), "show", "stats"],
        capture_output=True, text=True)
    assert done.returncode == DOWN and len(done.stderr.splitlines()) == 1


def test_not_allowed(server):
    """The socket is for root, the owner and a group."""
    if os.getuid() != 0:
        pytest.skip("needs root to become another user")

    def other():
        os.setgroups([])
        os.setgid(NOBODY - 1)
        os.setuid(NOBODY - 1)

    for verb in (["show", "stats"], ["revoke", "domain", "x.example"]):
        done = subprocess.run(
            [str(server.programs / "sbin/tokenctl"), "-s", server.control,
             *verb], capture_output=True, text=True, preexec_fn=other)
        assert done.returncode == DENIED, done
    assert os.stat(server.control).st_mode & 0o777 == 0o660


def test_group_may_look_but_not_touch(server):
    if os.getuid() != 0:
        pytest.skip("needs root to become another user")
    group = os.stat(server.control).st_gid

    def member():
        os.setgroups([group])
        os.setgid(NOBODY - 1)
        os.setuid(NOBODY - 1)

    def run(*verb):
        return subprocess.run(
            [str(server.programs / "sbin/tokenctl"), "-s", server.control,
             *verb], capture_output=True, text=True,
            preexec_fn=member).returncode

    assert run("show", "stats") == OK
    for verb in (["revoke", "domain", "x.example"], ["rotate", "key"],
                 ["generate", "temporary", "x@b.example", ALICE],
                 ["reload"], ["log", "verbose"]):
        assert run(*verb) == DENIED, verb


def test_owner_may_do_all(server, pair):
    done = subprocess.run(
        [str(server.programs / "sbin/tokenctl"), "-s", server.control,
         "generate", "temporary", *pair], capture_output=True, text=True,
        preexec_fn=drop())
    assert done.returncode == OK


def test_show_tokens(server, pair):
    remote, local = pair
    assert server.show("tokens", "remote", remote) == []
    token = server.permanent(remote, local)
    row, = server.show("tokens", "local", local, "remote", remote)
    assert row["remote"] == remote and row["local"] == local
    assert row["kind"] == "permanent"
    assert {"state", "issued", "expires", "id"} <= set(row)
    assert when(row["issued"]) < when(row["expires"])
    assert token not in json.dumps(row)
    assert row in server.show("tokens", "local", local)
    assert row in server.show("tokens")
    assert server.show("tokens", "local", BOB, "remote", remote) == []
    assert remote in server.ctl("show", "tokens").stdout


@clauses("S1-44")
def test_show_token(server, pair):
    """Says whether and why; the token comes on standard input."""
    remote, local = pair
    token = server.temporary(remote, local)
    good = server.show("token", local, remote, input=token + "\n")
    assert good["kind"] == "temporary"
    assert when(good["issued"]) < when(good["expires"])
    state = good["state"]
    assert server.show("token", local, input=token + "\n")["state"] == state
    server.ctl("revoke", "pair", remote, local, check=True)
    revoked = server.show("token", local, remote, input=token + "\n")
    assert revoked["state"] != state and "revoked" in str(revoked)
    for text in (token[:-1], "garbage", ""):
        done = server.ctl("show", "token", local, remote, input=text + "\n")
        assert done.returncode == DATA or "accepted: no" in done.stdout, done


def test_show_token_wrong_remote(server, pair):
    token = server.temporary(*pair)
    good = server.show("token", pair[1], pair[0], input=token + "\n")
    other = server.show("token", pair[1], "x@c.example", input=token + "\n")
    assert other["state"] != good["state"]


def test_show_held(server, pair):
    remote, local = pair
    token = server.permanent(remote, local)
    with server.token_session(local, token) as c:
        c.mail(remote)
        c.rcpt(local, token, "their-own")
        c.data(MESSAGE)
    rows = [x for x in server.show("held") if x["remote"] == remote]
    assert len(rows) == 1 and rows[0]["local"] == local


def test_show_keys(server):
    rows = server.show("keys")
    assert rows and {"id", "state"} <= set(rows[0])
    secrets = (server.dir / "db/keys").read_text().split()
    text = server.ctl("show", "keys").stdout + json.dumps(rows)
    assert not [x for x in secrets if len(x) > 30 and x in text]


def test_show_sessions(server):
    with server.login(ALICE) as c:
        port = c.sock.getsockname()[1]
        rows = server.show("sessions")
        assert [x for x in rows if str(port) in json.dumps(x)], rows
        assert "127.0.0.1" in server.ctl("show", "sessions").stdout


def test_show_stats(server):
    before = server.show("stats")
    assert isinstance(before, dict) and before
    with server.trusted() as c:
        c.mail("x@b.example")
        c.rcpt(ALICE)
        c.data(MESSAGE)
    assert server.show("stats") != before
    assert server.ctl("show", "stats").stdout


@pytest.mark.parametrize("user", [None, ALICE])
def test_encrypt(own, user):
    """The line works as it is printed; without USER the hash alone."""
    server = own(users=["nobody-yet@a.example:{CRYPT}*"])
    arguments = ["encrypt"] + ([user] if user else [])
    done = server.ctl(*arguments, input="new secret\n", check=True)
    line = done.stdout.strip()
    assert "new secret" not in line
    if user:
        assert line.startswith(user + ":{")
    else:
        assert line.startswith("{")
        line = ALICE + ":" + line
    server.write_users([line])
    server.ctl("reload", check=True)
    with server.hello("EHLO") as c:
        assert c.plain_login(ALICE, "wrong").status == "535 5.7.8"
        assert c.plain_login(ALICE, "new secret").status == "235 2.7.0"


def test_encrypt_without_a_daemon(server):
    done = subprocess.run(
        [str(server.programs / "sbin/tokenctl"), "-s", "/nonexistent",
         "encrypt", ALICE], input="x\n", capture_output=True, text=True)
    assert done.returncode == OK


def test_log_verb(server):
    for level in ("verbose", "brief"):
        server.ctl("log", level, check=True)


JUNK = [b"\0" * 4000, b"\xff" * 4000, b"GET / HTTP/1.1\r\n\r\n", b"x",
        b"\x00\x00\x00\x10" * 100, b"\x01\0\0\0\xff\xff\0\0" * 50]


@pytest.mark.parametrize("junk", JUNK)
def test_junk_on_the_control_socket(server, junk):
    """T28: that connection ends and nothing else happens."""
    with socket.socket(socket.AF_UNIX) as raw:
        raw.settimeout(5)
        raw.connect(server.control)
        try:
            raw.sendall(junk)
            raw.shutdown(socket.SHUT_WR)
            while raw.recv(4096):
                pass
        except (ConnectionError, TimeoutError):
            pass
    assert server.ctl("show", "stats").returncode == OK


def test_many_on_the_control_socket(server):
    """T28: idle connections do not lock the operator out for long."""
    held = []
    try:
        for _ in range(300):
            raw = socket.socket(socket.AF_UNIX)
            raw.settimeout(2)
            try:
                raw.connect(server.control)
            except (OSError, TimeoutError):
                raw.close()
                break
            held.append(raw)
        with server.login(ALICE) as c:
            c.quit()
    finally:
        for raw in held:
            raw.close()
    assert server.ctl("show", "stats").returncode == OK


def test_parallel(server):
    """Twenty at once, each with its own answer."""
    tokens, wrong = [], []

    def run(number):
        try:
            tokens.append((number, server.generate(
                "permanent", "parallel%d@b.example" % number, ALICE)))
        except AssertionError as error:
            wrong.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len({token for _, token in tokens}) == 20
    for number, token in tokens:
        assert server.permanent("parallel%d@b.example" % number,
                                ALICE) == token
