# SPDX-License-Identifier: ISC
"""Counters of failed logins: per connection and per address."""
import time

import pytest

from client import ProtocolError, b64
from clause import clauses
from server import PASSWORDS

USER = "alice@a.example"


@pytest.fixture(scope="module")
def strict():
    from server import Server
    with Server(limits={"auth-failures": 4,
                        "auth-failures-per-address": 6}) as one:
        yield one
        one.check()


def try_login(server, source, word):
    """One connection, one attempt: its status, or 421 at the greeting."""
    with server.connect(source=source, greet=False) as c:
        greeting = c.reply(bare=True)
        if greeting.code == 421:
            assert c.at_end()
            return greeting.lines[0].split()[0]
        c.ehlo()
        return c.plain_login(USER, word).status


@clauses("F-39", "D-S19")
def test_fourth_failure_ends_the_connection(strict):
    with strict.hello("EHLO", source="127.0.1.1") as c:
        for n in range(4):
            assert c.plain_login(USER, "same wrong").status == "535 5.7.8"
        assert c.reply().status == "421 4.7.0"
        assert c.at_end()


@clauses("D-S19")
def test_stoken_counts_too(strict):
    with strict.hello("LHLO", source="127.0.1.2") as c:
        for n in range(4):
            assert c.token_login(USER, "wrong").status == "535 5.7.8"
        assert c.reply().status == "421 4.7.0"
        assert c.at_end()


def test_repeats_of_one_secret_count_once(strict):
    for _ in range(12):
        assert try_login(strict, "127.0.1.3", "same wrong") == "535 5.7.8"
    assert try_login(strict, "127.0.1.3", PASSWORDS[USER]) == "235 2.7.0"


@clauses("D-S19")
def test_address_over_its_limit(strict):
    """T13: refused at connect; other addresses and the account are not."""
    seen = [try_login(strict, "127.0.1.4", "guess %d" % n) for n in range(12)]
    assert seen[:6] == ["535 5.7.8"] * 6
    assert seen[-1] == "4.7.0"
    assert "4.7.0" in seen[6:8]
    assert try_login(strict, "127.0.1.4", PASSWORDS[USER]) == "4.7.0"
    assert try_login(strict, "127.0.1.5", PASSWORDS[USER]) == "235 2.7.0"


def test_no_account_is_locked(strict):
    for n in range(30):
        try_login(strict, "127.0.2.%d" % (n + 1), "guess %d" % n)
    assert try_login(strict, "127.0.1.6", PASSWORDS[USER]) == "235 2.7.0"


def test_default_limits(own):
    """Four failures a connection; 300 a minute for an address."""
    server = own(replace={"limit auth-failures": None})
    for n in range(3):
        with server.hello("EHLO") as c:
            for k in range(4):
                reply = c.plain_login(USER, "guess %d.%d" % (n, k))
                assert reply.status == "535 5.7.8"
            assert c.reply().status == "421 4.7.0"
    assert try_login(server, None, PASSWORDS[USER]) == "235 2.7.0"


def test_cancelled_login_then_good(strict):
    with strict.hello("EHLO", source="127.0.1.7") as c:
        for _ in range(3):
            c.want("AUTH LOGIN", "334")
            assert c.cmd("*").code == 501
        assert c.plain_login(USER, PASSWORDS[USER]).status == "235 2.7.0"


def test_endless_attempts_cannot_go_on(strict):
    """Whatever fails, one connection does not get unlimited tries."""
    with strict.hello("EHLO", source="127.0.1.8") as c:
        begin, count = time.monotonic(), 0
        try:
            while time.monotonic() - begin < 10:
                c.cmd("AUTH SCRAM-SHA-256 " + b64("n,,n=x,r="))
                c.cmd("AUTH PLAIN " + b64("\0x\0guess %d" % count))
                count += 1
        except (ProtocolError, OSError):
            pass
        assert count <= 4
