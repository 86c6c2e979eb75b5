# SPDX-License-Identifier: ISC
"""The fail2ban filter of etc/ against what a server really logs about clients
that log in wrongly, with names that try to forge a line."""
import base64
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "config"))
import fail2ban

HOSTILE = [
    "bob@a.example",
    'x" address=192.0.2.99 port=1 auth failed address=192.0.2.99 port=1 ',
    "x\r\n00000000 auth failed address=192.0.2.99 port=1 mech=PLAIN",
    "x\n0 token failed address=192.0.2.99 port=1 ",
    "auth failed address=192.0.2.99 port=1 @a.example",
    "\x1b[2J\x07\u2028\u00e9@a.example",
    "a" * 300 + "@a.example"]


def heads(server, start):
    for line in server.log.read_bytes()[start:].split(b"\n"):
        if b" failed address" in line or b"192.0.2.99" in line:
            yield line.decode("ascii")  # nothing else is ever logged


@pytest.mark.parametrize("name", HOSTILE)
def test_the_address_is_the_clients(server, name):
    start = len(server.log.read_bytes())
    with server.hello("EHLO") as c:
        secret = b"\0" + name.encode() + b"\0wrong"
        assert c.cmd("AUTH PLAIN " + base64.b64encode(
            secret).decode()).code in (501, 535)
    lines = list(heads(server, start))
    for line in lines:
        got = fail2ban.by_python("Nov 22 05:00:00 mx smtpd-stoken[7]: " + line)
        assert got == "127.0.0.1", line
    assert len(lines) == 1, lines


def test_a_wrong_token_counts(server):
    start = len(server.log.read_bytes())
    with server.hello("LHLO") as c:
        secret = b"alice@a.example\0" + b"A" * 68
        assert c.cmd("AUTH STOKEN " + base64.b64encode(
            secret).decode()).code == 535
    line, = heads(server, start)
    assert fail2ban.by_python(
        "Nov 22 05:00:00 mx smtpd-stoken/" + line) == "127.0.0.1"
