# SPDX-License-Identifier: ISC
"""T31: a store that was damaged, shared or lost, and its keys."""
import shutil

import pytest

from clause import clauses
from server import Server

ALICE = "alice@a.example"


def prepared(own):
    """An instance with one good and one revoked pair, stopped in order."""
    server = own()
    good = server.permanent("good@b.example")
    bad = server.permanent("bad@b.example")
    server.ctl("revoke", "pair", "bad@b.example", ALICE, check=True)
    assert server.terminate() == 0
    return server, good, bad


def files(server, prefix):
    return sorted(x for x in (server.dir / "db").rglob("*")
                  if x.is_file() and x.name.startswith(prefix))


def try_to_start(server):
    """True when it starts; when not, it has ended by itself with 1."""
    try:
        server.start()
    except RuntimeError:
        assert server.process.returncode == 1, server.log_tail()
        return False
    return True


def refuses(server, token):
    with server.hello("LHLO") as c:
        return c.token_login(ALICE, token).code != 235


def damage(path, how):
    data = bytearray(path.read_bytes())
    if how == "truncate":
        data = data[:len(data) // 2]
    elif how == "zero":
        data = bytearray(len(data))
    elif how == "flip":
        for place in range(0, len(data), 97):
            data[place] ^= 0x55
    elif how == "empty":
        data = bytearray()
    path.write_bytes(data)


@clauses("S1-44")
@pytest.mark.parametrize("how", ["truncate", "zero", "flip", "empty"])
def test_damaged_files(own, how):
    """Recovered, or refused at the start; never a revoked token accepted
    by a server that says it is well."""
    server, good, bad = prepared(own)
    store = server.dir / "db"
    saved = server.dir / "saved"
    shutil.copytree(store, saved)
    targets = [x.relative_to(store) for x in sorted(store.rglob("*"))
               if x.is_file() and x.name != "keys" and
               not x.name.startswith("__db.") and x.stat().st_size]
    assert targets
    for target in targets:
        shutil.rmtree(store)
        shutil.copytree(saved, store)
        damage(store / target, how)
        server.own()
        if try_to_start(server):
            accepted = not refuses(server, bad)
            state = server.ctl("check").returncode
            assert not accepted or state != 0, (
                "%s of %s: a revoked token is good" % (how, target))
            server.kill()
    shutil.rmtree(store)
    shutil.copytree(saved, store)
    server.own()
    server.start()
    assert refuses(server, bad) and not refuses(server, good)


def test_two_servers_on_one_store(own):
    """The second does not start and does not harm the first."""
    first = own()
    token = first.permanent()
    second = Server(replace={"store db": 'store db "%s/db"' % first.dir})
    try:
        with pytest.raises(RuntimeError):
            second.start()
    finally:
        second.kill()
        shutil.rmtree(second.dir, ignore_errors=True)
    assert first.permanent() == token
    first.token_session(ALICE, token).quit()
    first.check()


def test_keys_without_store(own):
    """The store is gone, the keys are there: nothing tells any more what was
    revoked. Whether it starts or not, it must say so."""
    server, _, _ = prepared(own)
    keys = (server.dir / "db/keys").read_bytes()
    shutil.rmtree(server.dir / "db")
    (server.dir / "db").mkdir(mode=0o700)
    (server.dir / "db/keys").write_bytes(keys)
    (server.dir / "db/keys").chmod(0o600)
    server.own()
    start = server.log.stat().st_size
    try_to_start(server)
    assert "store" in server.log_text()[start:]


def test_store_without_keys(own):
    """Records under a key that is gone: refused at the start, or at least
    never accepted by a new key."""
    server, good, bad = prepared(own)
    (server.dir / "db/keys").unlink()
    if try_to_start(server):
        assert refuses(server, good) and refuses(server, bad)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604])
def test_readable_keys(own, mode):
    """T30: keys that others may read are not used."""
    server, _, _ = prepared(own)
    (server.dir / "db/keys").chmod(mode)
    assert not try_to_start(server)
    (server.dir / "db/keys").chmod(0o600)
    server.start()
