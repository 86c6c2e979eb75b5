# SPDX-License-Identifier: ISC
"""Permanent tokens: identity, refresh, grace, rotation of keys."""
import shutil
import time

import pytest

from clause import clauses

LOCAL, REMOTE = "alice@a.example", "friend@b.example"
MESSAGE = "Subject: permanent\r\n\r\nText.\r\n"


def deliver(server, token):
    """One delivery by the token: the reply after the dot."""
    with server.token_session(LOCAL, token) as c:
        assert c.mail(REMOTE).status == "250 2.1.0"
        assert c.rcpt(LOCAL, token).status == "250 2.1.5"
        return c.data(MESSAGE)[0]


@clauses("S1-34", "D-S08")
def test_identity_over_restart(own):
    server = own()
    token = server.permanent()
    reply = deliver(server, server.temporary())
    assert reply.status == "250 2.1.13" and reply.text.split()[1] == token
    assert server.terminate() == 0
    server.start()
    assert server.permanent() == token
    assert deliver(server, token).status == "250 2.1.12"


@clauses("S1-34", "S1-44")
def test_new_after_revocation(server, pair):
    token = server.permanent(*pair)
    server.ctl("revoke", "pair", *pair, check=True)
    fresh = server.permanent(*pair)
    assert fresh != token
    assert server.permanent(*pair) == fresh


@clauses("S1-30", "S1-76", "S1-42", "D-S13")
def test_refresh_and_grace(own):
    """Renewed on delivery near the end; the old one stays for the grace."""
    server = own(extra="token permanent lifetime 20s refresh 15s grace 5s")
    old = server.permanent()
    assert deliver(server, old).status == "250 2.1.12"
    time.sleep(5.2)
    reply = deliver(server, old)
    assert reply.status == "250 2.1.13"
    new = reply.text.split()[1]
    assert new != old
    assert server.permanent() == new
    # Several clients may share the old one: the same successor.
    reply = deliver(server, old)
    assert reply.status == "250 2.1.13" and reply.text.split()[1] == new
    assert deliver(server, new).status == "250 2.1.12"
    time.sleep(5.2)
    # AUTH does not know the pair yet; RCPT does.
    with server.hello("LHLO") as c:
        if c.token_login(LOCAL, old).code == 235:
            c.mail(REMOTE)
            assert c.rcpt(LOCAL, old).status == "550 5.7.1"
    assert deliver(server, new).code == 250


@clauses("D-S03")
def test_key_rotation_loses_no_token(own):
    server = own()
    first, temporary = server.permanent(), server.temporary()
    keys = server.show("keys")
    assert len(keys) == 1
    server.ctl("rotate", "key", check=True)
    keys = server.show("keys")
    assert len(keys) == 2
    assert server.permanent() == first
    for token in (first, temporary):
        server.token_session(LOCAL, token).quit()
    second = server.temporary()
    server.token_session(LOCAL, second).quit()
    assert server.terminate() == 0
    server.start()
    for token in (first, temporary, second):
        server.token_session(LOCAL, token).quit()
    assert [x["id"] for x in server.show("keys")] == [x["id"] for x in keys]


@clauses("D-S03")
def test_retired_key(own):
    """T14: tokens of a key that is gone are refused, never re-keyed."""
    server = own()
    token = server.temporary()
    before = {str(x["id"]) for x in server.show("keys")}
    old, = before
    done = server.ctl("retire", "key", old)
    assert done.returncode != 0, "the active key was retired"
    server.token_session(LOCAL, token).quit()
    server.ctl("rotate", "key", check=True)
    server.ctl("retire", "key", old, check=True)
    with server.hello("LHLO") as c:
        assert c.token_login(LOCAL, token).status == "535 5.7.8"
    assert old not in {str(x["id"]) for x in server.show("keys")}


@pytest.mark.parametrize("content", ["", "garbage\n", "1 2 3\n"])
def test_broken_key_file(own, content):
    """T14: an empty or broken key file never falls back to some key."""
    server = own()
    token = server.permanent()
    assert server.terminate() == 0
    keys = server.dir / "db/keys"
    good = keys.read_bytes()
    keys.write_text(content)
    try:
        with pytest.raises(RuntimeError):
            server.start()
    finally:
        server.kill()
        keys.write_bytes(good)
    server.start()
    server.token_session(LOCAL, token).quit()


def test_key_file_is_private(own):
    server = own()
    mode = (server.dir / "db/keys").stat().st_mode & 0o777
    assert mode == 0o600


@clauses("S1-28", "D-S19")
def test_no_token_in_the_store(own):
    server = own()
    token = server.permanent()
    deliver(server, token)
    for part in (server.dir / "db").rglob("*"):
        if part.is_file():
            assert token.encode() not in part.read_bytes(), part


def test_backup(own):
    """A server started on a backup accepts and refuses the same."""
    server = own()
    good, revoked = server.permanent(), server.temporary("x@b.example")
    server.ctl("revoke", "remote", "x@b.example", check=True)
    copy = server.dir / "copy"
    server.ctl("backup", str(copy), check=True)
    assert copy.stat().st_mode & 0o777 == 0o700
    assert (copy / "keys").stat().st_mode & 0o777 == 0o600
    assert server.ctl("backup", str(copy)).returncode != 0
    assert server.terminate() == 0
    shutil.rmtree(server.dir / "db")
    copy.rename(server.dir / "db")
    server.own()
    server.start()
    assert server.permanent() == good
    server.token_session(LOCAL, good).quit()
    with server.hello("LHLO") as c:
        assert c.token_login(LOCAL, revoked).status == "535 5.7.8"
