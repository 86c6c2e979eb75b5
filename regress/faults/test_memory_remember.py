# SPDX-License-Identifier: ISC
"""Where the secrets of REMEMBERME are: the signing key in tokend alone, a
token, once it was given out or shown, nowhere."""
import base64
import hmac
import os

import pytest

from client import b64
from clause import clauses
from remember import ht2, oauthbearer, remember, rememberme
from test_memory import scan

ALICE, BOB = "alice@a.example", "bob@a.example"
pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or bool(os.environ.get("SANITIZE")),
    reason="needs root to read the memory of processes; a sanitizer's is too "
    "large")


def scalar(server):
    """tokend/es256.h: what the signing key is made from the token key by."""
    line, = (server.dir / "db/keys").read_text().splitlines()
    return hmac.digest(base64.b64decode(line.split()[-1]), b"\x12\x00ES256",
                       "sha256")


@clauses("X-5", "D-R08")
def test_the_signing_key_stays_put(own):
    server = own()
    with server.login(BOB) as c:
        jwt = remember(c, "JWT")
    with server.hello("EHLO") as c:
        assert oauthbearer(c, jwt, BOB).code == 235
    key = scalar(server)
    found = scan(server, {"scalar": (key, ()), "reversed": (key[::-1], ())})
    assert found["scalar"] | found["reversed"] == {"tokend"}


@clauses("D-R08")
def test_tokens_are_wiped(own):
    server = own()
    given = []
    for kind in "RANDOM", "JWT", "RANDOM":
        with server.login(BOB) as c:
            given.append(remember(c, kind))
            for _ in range(3):
                c.want("NOOP", "250 2.0.0")
            c.quit()
    with server.hello("EHLO") as c:
        assert rememberme(c, given[0]).code == 235
        c.quit()
    with server.hello("EHLO") as c:
        assert oauthbearer(c, given[1], BOB).code == 235
        c.quit()
    with server.hello("EHLO") as c:
        assert ht2(c, BOB, given[2]).code == 235
        c.quit()
    with server.hello("EHLO") as c:
        assert rememberme(c, given[2]).code == 535
        c.quit()
    secret = {}
    for number, token in enumerate(given):
        part = token.split(".")[-1]
        secret["token %d" % number] = (part.encode(), ())
        secret["token %d, in base64" % number] = (
            b64(token).encode()[-44:-8], ())
    found = {name: roles for name, roles in scan(server, secret).items()
             if roles}
    assert not found, found
