#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Prints token.json: test vectors of the token format in tokend/token.h.

Written from that description alone, with Python's own HMAC, so that it is a
second implementation. regress/unit/test_token.c checks the file:
    python3 regress/vectors/make_token.py > regress/vectors/token.json
"""
import base64
import hashlib
import hmac
import json

KEYS = {1: bytes(range(32)), 513: bytes(range(255, 223, -1))}
REMOTE, LOCAL = "user@example.com", "user@foo.com"
NOW = 1700000000000
WEEK, YEAR = 604800000, 31536000000
KINDS = {"temporary": 0x11, "permanent": 0x12}


def mac(key, *parts):
    return hmac.new(KEYS[key], b"".join(parts), hashlib.sha256).digest()


def mint(kind, key, issued, expires, nonce, remote, local):
    r, l = remote.encode(), local.encode()
    head = (bytes([KINDS[kind]]) + key.to_bytes(2, "big") +
            issued.to_bytes(6, "big") + expires.to_bytes(6, "big") + nonce)
    tag = mac(key, b"\x02", len(l).to_bytes(2, "big"), l, r)[:12]
    return head + tag + mac(key, b"\x01", head, tag, l)[:16]


def text(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def good(name, kind="temporary", key=1, issued=NOW, life=WEEK,
         nonce=b"\x00\x01\x02\x03\x04\x05\x06\x07", remote=REMOTE,
         local=LOCAL, now=NOW + 1000, result="good"):
    expires = issued + life if life else 0
    raw = mint(kind, key, issued, expires, nonce, remote, local)
    return {"name": name, "result": result, "kind": kind, "key": key,
            "issued": issued, "expires": expires, "nonce": nonce.hex(),
            "remote": remote, "local": local, "now": now, "token": text(raw)}


def bad(name, result, token, remote=REMOTE, local=LOCAL, now=NOW + 1000):
    return {"name": name, "result": result, "remote": remote,
            "local": local, "now": now, "token": token}


def vectors():
    base = good("a temporary token")
    raw = base64.urlsafe_b64decode(base["token"])
    yield base
    yield good("a permanent token", "permanent", life=YEAR)
    yield good("another key", key=513)
    yield good("one that never expires", "permanent", life=0,
               now=0xffffffffffff)
    yield good("the last moment", now=NOW + WEEK - 1)
    yield good("UTF-8 addresses", remote="g\u00f6ran@xn--bcher-kva.example",
               local="\u5b97@foo.com")
    yield good("a nonce of ones", nonce=b"\xff" * 8)
    for bit in range(0, len(raw) * 8):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        # The first octet is the version and kind, the next two the key.
        kind = flipped[0] in KINDS.values()
        key = int.from_bytes(flipped[1:3], "big") in KEYS
        result = ("malformed" if not kind else
                  "unknown-key" if not key else "bad-mac")
        yield bad("bit %d flipped" % bit, result, text(bytes(flipped)))
    for length in (0, 1, 16, 64, 66, 67):
        yield bad("cut to %d characters" % length, "malformed",
                  base["token"][:length])
    yield bad("one character more", "malformed", base["token"] + "A")
    yield bad("a group more", "malformed", base["token"] + "AAAA")
    yield bad("padding", "malformed", base["token"][:-1] + "=")
    yield bad("the other alphabet", "malformed", base["token"][:-1] + "+")
    yield bad("a space", "malformed", base["token"][:-1] + " ")
    yield bad("another local address", "bad-mac", base["token"],
              local="user2@foo.com")
    yield bad("local address in capitals", "bad-mac", base["token"],
              local="User@foo.com")
    yield bad("no local address", "bad-mac", base["token"], local="")
    yield bad("another remote address", "wrong-remote", base["token"],
              remote="user2@example.com")
    yield bad("no remote address", "wrong-remote", base["token"], remote="")
    yield bad("addresses exchanged", "bad-mac", base["token"],
              remote=LOCAL, local=REMOTE)
    yield bad("expired this very moment", "expired", base["token"],
              now=NOW + WEEK)
    yield bad("expired long ago", "expired", base["token"], now=NOW + YEAR)
    swapped = good("", "permanent", life=YEAR)["token"]
    yield bad("the MAC of another token", "bad-mac",
              base["token"][:48] + swapped[48:])
    yield bad("a key that is not there", "unknown-key", text(
        raw[:1] + b"\x00\x02" + raw[3:]))


print(json.dumps({
    "format": "smtpd-stoken token, version 1",
    "keys": {str(i): k.hex() for i, k in KEYS.items()},
}, indent=1)[:-2] + ',\n "vectors": [')
print(",\n".join("  " + json.dumps(v, ensure_ascii=False) for v in vectors()))
print(" ]\n}")
