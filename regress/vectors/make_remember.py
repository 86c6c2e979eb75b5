#!/usr/bin/env python3
# SPDX-License-Identifier: ISC
"""Writes remember.json, ht2.json and jwt.json beside itself: test vectors of
the tokens of REMEMBERME (tokend/remember.h), of the mechanisms HT2 (PROTOCOL
B2) and of the JWTs (tokend/jwt.h).

Written from those descriptions alone, with Python's own HMAC and a P-256 of
its own, so that it is a second implementation.
regress/unit/test_remember_vectors.c checks the files:
    python3 regress/vectors/make_remember.py
"""
import base64
import hashlib
import hmac
import json
import pathlib

HERE = pathlib.Path(__file__).parent
KEYS = {1: bytes(range(32)), 513: bytes(range(255, 223, -1))}
TOKEN, USER = "0123456789abcdefghijklmnopqrstuv", "alice@example.com"
EXPORTER = bytes(range(32))

# P-256 (FIPS 186-4, D.1.2.3).
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551
G = (0x6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296,
     0x4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5)


def add(a, b):
    if a is None or b is None:
        return a or b
    if a[0] == b[0]:
        if (a[1] + b[1]) % P == 0:
            return None
        slope = (3 * a[0] * a[0] - 3) * pow(2 * a[1], -1, P)
    else:
        slope = (b[1] - a[1]) * pow(b[0] - a[0], -1, P)
    x = (slope * slope - a[0] - b[0]) % P
    return x, (slope * (a[0] - x) - a[1]) % P


def multiply(scalar, point):
    result = None
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point, scalar = add(point, point), scalar >> 1
    return result


def mac(key, *parts):
    return hmac.digest(key, b"".join(parts), "sha256")


def nonce(scalar, digest):
    """RFC 6979 3.2, where the hash is as long as the order."""
    seed = scalar.to_bytes(32, "big") + (
        int.from_bytes(digest, "big") % N).to_bytes(32, "big")
    v, k = b"\1" * 32, b"\0" * 32
    for octet in b"\0", b"\1":
        k = mac(k, v, octet, seed)
        v = mac(k, v)
    while True:
        v = mac(k, v)
        if 1 <= int.from_bytes(v, "big") < N:
            return int.from_bytes(v, "big")
        k = mac(k, v, b"\0")
        v = mac(k, v)


def sign(scalar, message):
    digest = hashlib.sha256(message).digest()
    k = nonce(scalar, digest)
    r = multiply(k, G)[0] % N
    s = pow(k, -1, N) * (int.from_bytes(digest, "big") + r * scalar) % N
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def url(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def b64(octets):
    return base64.b64encode(octets).decode()


def compact(value):
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def scalar_of(key):
    return int.from_bytes(mac(key, b"\x12\x00ES256"), "big")


def point_of(key):
    return [x.to_bytes(32, "big") for x in multiply(scalar_of(key), G)]


def kid_of(key):
    x, y = map(url, point_of(key))
    text = compact({"crv": "P-256", "kty": "EC", "x": x, "y": y})
    return url(hashlib.sha256(text.encode()).digest())[:10]


# Tokens that are no JWT: ID "." HMAC(key, 10 | ID).

def random_token(key, number):
    return url(number) + "." + url(mac(KEYS[key], b"\x10", number))


def remember():
    for key in KEYS:
        for number in (bytes(range(9)), b"\xff" * 9, b"\0" * 9,
                       hashlib.sha256(b"an id").digest()[:9]):
            yield {"key": key, "id": number.hex(), "name": url(number),
                   "token": random_token(key, number)}


# HT2.

def ht2_mac(side, token, binding, pairs, digest="sha256"):
    return hmac.digest(token.encode(), side + binding + pairs.encode(), digest)


def ht2_good(mechanism, binding, pairs="", answer="", token=TOKEN, user=USER,
             digest="sha256"):
    first = user.encode() + b"\0" + pairs.encode() + b"\0" + \
        ht2_mac(b"Initiator", token, binding, pairs, digest)
    last = b"\0" + answer.encode() + b"\0" + \
        ht2_mac(b"Responder", token, binding, answer, digest)
    return {"mechanism": mechanism, "result": "good", "token": token,
            "authcid": user, "binding": binding.hex(), "pairs": pairs,
            "answer_pairs": answer, "initiator": b64(first),
            "responder": b64(last)}


def ht2_bad(name, result, message, binding=b""):
    return {"name": name, "result": result, "token": TOKEN,
            "binding": binding.hex(), "initiator": b64(message)}


def ht2():
    yield ht2_good("HT2-SHA-256-NONE", b"")
    yield ht2_good("HT2-SHA-256-NONE", b"", "d=abc,x=1", "y=2")
    yield ht2_good("HT2-SHA-256-EXPR", EXPORTER)
    yield ht2_good("HT2-SHA-256-EXPR", EXPORTER, "d=abc,x=1", "y=2")
    yield ht2_good("HT2-SHA-256-ENDP", hashlib.sha384(b"cert").digest())
    yield ht2_good("HT2-SHA-256-NONE", b"", token="k\u00f6nig-mit-genug-"
                   "octets-als-text")
    yield ht2_good("HT2-SHA-256-NONE", b"",
                   token=random_token(1, bytes(range(9))))
    # Not offered here, for other implementers: to us its MAC is too long.
    yield ht2_good("HT2-SHA-512-NONE", b"", digest="sha512")
    right = ht2_mac(b"Initiator", TOKEN, b"", "")
    user = USER.encode()
    for bit in range(0, 256, 5):
        flipped = bytearray(right)
        flipped[bit // 8] ^= 0x80 >> bit % 8
        yield ht2_bad("bit %d of the MAC flipped" % bit, "wrong",
                      user + b"\0\0" + bytes(flipped))
    yield ht2_bad("another binding", "wrong", user + b"\0\0" + right,
                  EXPORTER)
    yield ht2_bad("pairs that the MAC does not cover", "wrong",
                  user + b"\0d=abc\0" + right)
    yield ht2_bad("the responder's MAC", "wrong", user + b"\0\0" +
                  ht2_mac(b"Responder", TOKEN, b"", ""))
    yield ht2_bad("the first generation: one NUL", "malformed",
                  base64.b64decode("YWxpY2VAZXhhbXBsZS5jb20A3xW5Pqb2I9iq5V1D"
                                   "sng5M8vaGmIldkZZR5RFcLE44tA="))
    yield ht2_bad("no name", "malformed", b"\0\0" + right)
    yield ht2_bad("an octet more", "malformed", user + b"\0\0" + right + b"x")
    yield ht2_bad("an octet less", "malformed", user + b"\0\0" + right[:-1])
    for pairs in "d", "d=", "=d", "d=a,", ",d=a", "d=a,,e=b", "d=a=b", "d=a b":
        yield ht2_bad("pairs " + pairs, "malformed",
                      user + b"\0" + pairs.encode() + b"\0" + right)


# JWTs.

def jwt_good(key=1, issuer="mx.a.example", subject="alice@a.example",
             issued=1700000000, expires=1707776000, number=bytes(range(9)),
             **header):
    octets = KEYS[key]
    head = {"alg": "ES256", "typ": "JWT", "kid": kid_of(octets)}
    head.update(header)
    text = url(compact(head).encode()) + "." + url(compact({
        "iss": issuer, "sub": subject, "aud": "smtp", "iat": issued,
        "exp": expires, "jti": url(number)}).encode())
    text += "." + url(sign(scalar_of(octets), text.encode()))
    return {"result": "good", "key": key, "issuer": issuer,
            "subject": subject, "issued": issued, "expires": expires,
            "id": url(number), "jwt": text}


def jwt_bad(name, text):
    return {"result": "refused", "name": name, "jwt": text}


def jwt():
    base = jwt_good()
    yield base
    yield jwt_good(513)
    yield jwt_good(subject="j\u00fcrgen@a.example")
    yield jwt_good(number=b"\xff" * 9)
    yield jwt_good(subject='"a\\\\b"@a.example')
    for alg in "none", "HS256", "ES384", "es256", "":
        yield jwt_bad("alg " + alg, jwt_good(alg=alg)["jwt"])
    yield jwt_bad("a key that is not there", jwt_good(kid="AAAAAAAAAA")["jwt"])
    yield jwt_bad("the kid of the other key",
                  jwt_good(kid=kid_of(KEYS[513]))["jwt"])
    yield jwt_bad("a member more", jwt_good(jku="https://x.example")["jwt"])
    head, claims, signature = base["jwt"].split(".")
    yield jwt_bad("no signature", head + "." + claims + ".")
    yield jwt_bad("two parts", head + "." + claims)
    yield jwt_bad("four parts", base["jwt"] + ".AA")
    yield jwt_bad("claims of another",
                  head + "." + jwt_good(513)["jwt"].split(".")[1][:-1] + "B." +
                  signature)
    hs = head + "." + claims  # HMAC under the public key, as text
    x, y = point_of(KEYS[1])
    yield jwt_bad("an HMAC under the public key", hs + "." + url(
        mac(b"\4" + x + y, hs.encode()) * 2))
    raw = base64.urlsafe_b64decode(signature + "==")
    s = int.from_bytes(raw[32:], "big")
    yield jwt_bad("r is zero", hs + "." + url(b"\0" * 32 + raw[32:]))
    yield jwt_bad("s is zero", hs + "." + url(raw[:32] + b"\0" * 32))
    yield jwt_bad("r and s exchanged", hs + "." + url(raw[32:] + raw[:32]))
    yield jwt_bad("s plus one", hs + "." + url(
        raw[:32] + ((s + 1) % N).to_bytes(32, "big")))


def write(name, form, vectors):
    keys = {str(i): k.hex() for i, k in KEYS.items()}
    head = json.dumps({"format": form, "keys": keys}, indent=1)[:-2]
    (HERE / name).write_text(head + ',\n "vectors": [\n' + ",\n".join(
        "  " + json.dumps(v, ensure_ascii=False) for v in vectors) +
        "\n ]\n}\n", "utf-8")


def check():
    """Against RFC 6979 A.2.5 and PROTOCOL App. T, before anything is written."""
    scalar = int("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F"
                 "6721", 16)
    assert sign(scalar, b"sample").hex().upper() == (
        "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
        "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8")
    found = [(v["initiator"], v["responder"]) for v in list(ht2())[:4]]
    assert found == [
        ("YWxpY2VAZXhhbXBsZS5jb20AAN8VuT6m9iPYquVdQ7J4OTPL2hpiJXZGWUeURXCxOOLQ",
         "AABnOe1cwdTvNxkxE/Z0iQBAZgKHbbUUs/6YXw6QA1Mpjw=="),
        ("YWxpY2VAZXhhbXBsZS5jb20AZD1hYmMseD0xADSpL0x+yJ4IsexvjEfFObcTfZVvELoV"
         "Bc6BXXay0xPs",
         "AHk9MgC8XqUoRNoDGp5afBgA6UBvH63mDWmRkm0fU6urfTyzzw=="),
        ("YWxpY2VAZXhhbXBsZS5jb20AANXBz/NCxp53gvyu1N/+nN9duuR7uRMCj9DS7Unzfr+9",
         "AAAOgraHEb6IH5VwXsrJya/P4eTW8P2jlbIbFYaeUoR2ag=="),
        ("YWxpY2VAZXhhbXBsZS5jb20AZD1hYmMseD0xAIC0BypHYquYfrdmjckXdcUMRAleEejm"
         "PTjKfdUf+4ln",
         "AHk9MgAReJH6b3fk8WgMa4G/Z/dXbYky5mWucNnXNg31yf7crQ=="),
    ], found
    assert ht2_mac(b"Initiator", TOKEN, b"", "", "sha512").hex() == (
        "252bcee4a9ef0aa54310986531887c2dee203fa00f8a820d02d640cc4a5fd0f7f437f"
        "65b3eb4e01c3014813726c4c5ee636470c2e5abcab21529066ca12adf64")
    assert ht2_mac(b"Responder", TOKEN, b"", "", "sha512").hex() == (
        "a09bb2ad3286237c77dbf7469670f698360fe06789b02d866ba33047f5cf7e116b0ae"
        "f4c98eee0ff784e08e6559d6fc05e040590d77802a4d694de39c3115ca4")


check()
write("remember.json", "smtpd-stoken re-authentication token", remember())
write("ht2.json", "HT2-SHA-256 (draft-ietf-kitten-sasl-ht-02)", ht2())
write("jwt.json", "smtpd-stoken JWT, ES256", jwt())
