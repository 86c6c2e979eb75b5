# SPDX-License-Identifier: ISC
"""The client's side of REMEMBERME and of the mechanisms that take its tokens."""
import base64
import hashlib
import hmac

from client import b64

FAILED = "535 5.7.8"
OK = "235 2.7.0"
TEXT = "Token not accepted: log in with your password"


def remember(c, kind="RANDOM"):
    """REMEMBERME; the token as text."""
    reply = c.want("REMEMBERME " + kind, OK)
    assert len(reply.lines) == 1 and " " not in reply.text
    token = base64.b64decode(reply.text, validate=True)
    assert len(token) <= 375
    return token.decode()


def token_id(token):
    """What tokenctl calls it."""
    if token.count(".") == 2:
        return claims(token)["jti"]
    return token.split(".")[0]


def unpad(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def claims(token):
    import json
    return json.loads(unpad(token.split(".")[1]))


def rememberme(c, token, initial=True):
    """AUTH REMEMBERME."""
    if initial:
        return c.cmd("AUTH REMEMBERME " + (b64(token) or "="))
    reply = c.cmd("AUTH REMEMBERME")
    assert reply.code == 334 and reply.lines == [""], reply
    return c.cmd(b64(token))


BINDINGS = {"EXPR": "tls-exporter", "ENDP": "tls-server-end-point"}


class Ht2:
    """HT2 (PROTOCOL B2), with seams to lie at."""

    def __init__(self, client, user, token, kind="EXPR", pairs="", binding=None,
                 mac=None, message=None, last="", initial=True,
                 digest=hashlib.sha256):
        self.client, self.user, self.kind = client, user, kind
        self.token, self.pairs, self.digest = token.encode(), pairs, digest
        if binding is None:
            binding = client.binding(BINDINGS[kind]) \
                if kind in BINDINGS else b""
        self.binding, self.mac, self.message = binding, mac, message
        self.last, self.initial, self.verified = last, initial, False

    def side(self, name, pairs):
        return hmac.digest(self.token, name.encode() + self.binding +
                           pairs, self.digest)

    def first(self):
        mac = self.mac if self.mac is not None else \
            self.side("Initiator", self.pairs.encode())
        return self.user.encode() + b"\0" + self.pairs.encode() + b"\0" + mac

    def run(self):
        message = self.message if self.message is not None else self.first()
        name = "AUTH HT2-SHA-256-" + self.kind
        if self.initial:
            reply = self.client.cmd("%s %s" % (name, b64(message)))
        else:
            reply = self.client.cmd(name)
            if reply.code == 334:
                reply = self.client.cmd(b64(message))
        if reply.code != 334:
            return reply
        answer = base64.b64decode(reply.lines[0], validate=True)
        assert answer[:1] == b"\0"
        pairs, _, mac = answer[1:].partition(b"\0")
        assert mac == self.side("Responder", pairs)  # H-06
        self.verified = True
        return self.client.cmd(self.last)


def ht2(c, user, token, kind="EXPR", **changes):
    return Ht2(c, user, token, kind, **changes).run()


def oauthbearer(c, token, user="", gs2=None, extra="host=mx\1port=465\1"):
    if gs2 is None:
        gs2 = "n,%s," % ("a=" + user if user else "")
    reply = c.cmd("AUTH OAUTHBEARER " + b64(
        "%s\1%sauth=Bearer %s\1\1" % (gs2, extra, token)))
    return after_problem(c, reply, "AQ==")


def xoauth2(c, token, user):
    reply = c.cmd("AUTH XOAUTH2 " + b64(
        "user=%s\1auth=Bearer %s\1\1" % (user, token)))
    return after_problem(c, reply, "")


def after_problem(c, reply, answer):
    """A failure is told in JSON first (RFC 7628 3.2.3)."""
    import json
    if reply.code == 334:
        assert "status" in json.loads(base64.b64decode(reply.lines[0]))
        reply = c.cmd(answer)
        assert reply.code != 235
    return reply
