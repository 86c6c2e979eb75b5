# SPDX-License-Identifier: ISC
"""GENSTOKEN and REVSTOKEN (S1-33 ... S1-47, D-S05 ... D-S09)."""
import re

import pytest

from clause import clauses
from server import IDN, IDN_ASCII

USER = "alice@a.example"
GENERATED, REVOKED = "250 2.1.11", "250 2.1.0"


def generated(reply):
    assert reply.status == GENERATED, reply
    token, _, text = reply.text.partition(" ")
    assert re.fullmatch("[A-Za-z0-9_-]{16,114}", token)
    assert text, "no human text: %s" % reply
    return token


@clauses("S1-33", "S1-34", "S1-35", "S1-41", "S1-43",
         "D-S05", "D-S07", "D-S08")
@pytest.mark.parametrize("verb", ["EHLO", "LHLO"])
def test_generate(server, pair, verb):
    remote, local = pair
    with server.login(verb=verb) as c:
        line = "GENSTOKEN %s " + remote + " " + local
        first = generated(c.cmd(line % "TEMP"))
        second = generated(c.cmd(line % "TEMP"))
        assert first != second
        lasting = generated(c.cmd(line % "PERM"))
        assert generated(c.cmd(line % "PERM")) == lasting
        assert server.permanent(remote, local) == lasting
        assert generated(c.cmd(line.lower() % "perm")) == lasting
    for token in (first, second, lasting):
        server.token_session(local, token).quit()


@clauses("S1-40", "S1-47", "D-S06")
def test_local_address_is_optional(server, pair):
    remote, local = pair
    with server.login() as c:
        lasting = generated(c.cmd("GENSTOKEN PERM " + remote))
        assert generated(c.cmd("GENSTOKEN PERM %s %s" % pair)) == lasting
        c.want("REVSTOKEN " + remote, REVOKED)
        assert generated(c.cmd("GENSTOKEN PERM " + remote)) != lasting


BAD_REMOTE = ["remoteuser..@example.com", "user", "@b.example", "user@",
              "user@b..example", "a b@b.example", "user@-b.example",
              ".a@b.example",
              "x" * 65 + "@b.example", "user@" + "d" * 64 + ".example",
              "<user@b.example>", "user@b.example>", "user@b_.example"]


@clauses("S1-37", "S1-46")
@pytest.mark.parametrize("address", BAD_REMOTE)
def test_bad_remote_address(server, address):
    with server.login() as c:
        for line in ("GENSTOKEN TEMP %s", "GENSTOKEN PERM %s", "REVSTOKEN %s"):
            reply = c.cmd(line % address)
            if " " in address:
                assert reply.status in ("501 5.5.4", "501 5.1.3", "501 5.1.7")
            else:
                assert reply.status == "501 5.1.3", reply
        c.want("NOOP", "250 2.0.0")


@clauses("S1-38", "S1-46", "D-S06", "X-2")
@pytest.mark.parametrize("address", [
    "bad..@a.example", "alice", "alice@", "bob@a.example",
    "nobody-here@a.example", "team@a.example", "alice@elsewhere.example",
    "outside@a.example", "alice@sub.a.example"])
def test_bad_local_address(server, address):
    """T15.  Not one's own: the same answer whether it exists or not."""
    with server.login() as c:
        expected = c.cmd("GENSTOKEN TEMP x@b.example nobody@a.example")
        assert expected.status == "501 5.1.7"
        for line in ("GENSTOKEN TEMP x@b.example %s",
                     "GENSTOKEN PERM x@b.example %s",
                     "REVSTOKEN x@b.example %s"):
            assert c.cmd(line % address).status == "501 5.1.7"
        if "@a.example" in address and ".." not in address:
            assert c.cmd("GENSTOKEN TEMP x@b.example " + address) == expected


@clauses("D-S06")
@pytest.mark.parametrize("address", [
    "alice+news@a.example", "sales@a.example", "ALICE@A.EXAMPLE"])
def test_own_addresses(server, address):
    """The login, +detail of it, an alias whose only target is the user."""
    with server.login() as c:
        token = generated(c.cmd("GENSTOKEN TEMP x@b.example " + address))
        c.want("REVSTOKEN x-other@b.example " + address, REVOKED)
    server.token_session(address, token).quit()


@clauses("S1-36")
@pytest.mark.parametrize("line", [
    "GENSTOKEN", "GENSTOKEN ", "GENSTOKEN TEMP", "GENSTOKEN BOTH x@b.example",
    "GENSTOKEN x@b.example", "GENSTOKEN TEMPORARY x@b.example",
    "GENSTOKEN TEMP x@b.example alice@a.example more",
    "GENSTOKEN  x@b.example", "REVSTOKEN",
    "REVSTOKEN x@b.example alice@a.example more"])
def test_arguments(server, line):
    with server.login() as c:
        c.want(line, "501 5.5.4")
        c.want("NOOP", "250 2.0.0")


@clauses("D-S05")
def test_inside_a_transaction(server):
    with server.login() as c:
        c.mail(USER)
        c.want("GENSTOKEN TEMP x@b.example", "503 5.5.1")
        c.want("REVSTOKEN x@b.example", "503 5.5.1")
        c.want("RCPT TO:<bob@a.example>", "250 2.1.5")


def test_not_on_the_socket(server):
    """Nobody is logged in there."""
    with server.trusted() as c:
        assert c.cmd("GENSTOKEN TEMP x@b.example").code in (500, 502, 530)
        assert c.cmd("REVSTOKEN x@b.example").code in (500, 502, 530)


def test_utf8_addresses(server):
    """Taken without SMTPUTF8; U-label and A-label are one domain."""
    user = "hans@" + IDN_ASCII
    with server.login(user) as c:
        for remote in ("fr\u00e4nz@b.example", "x@" + IDN):
            token = generated(c.cmd("GENSTOKEN PERM " + remote))
            remote = remote.replace(IDN, IDN_ASCII)
            assert generated(c.cmd("GENSTOKEN PERM %s hans@%s" % (
                remote, IDN))) == token
            c.want("REVSTOKEN %s hans@%s" % (remote, IDN_ASCII), REVOKED)


def test_longest_line(server):
    """Two mailboxes of 254 octets: 526 octets, over the usual 512 (B1.4)."""
    domain = ".".join(["d" * 62] * 3) + ".ex"
    remote = "r" * (253 - len(domain)) + "@" + domain
    assert len(remote) == 254 and len(remote.split("@")[0]) <= 64
    local = "alice+" + "n" * 58 + "@a.example"
    with server.login() as c:
        generated(c.cmd("GENSTOKEN TEMP %s %s" % (remote, local)))
        c.want("REVSTOKEN %s %s" % (remote, local), REVOKED)
        foreign = "l" * (253 - len(domain)) + "@" + domain
        c.want("GENSTOKEN TEMP %s %s" % (remote, foreign), "501 5.1.7")


@clauses("S1-45", "D-S09")
def test_revoking_nothing(server):
    with server.login() as c:
        for _ in range(2):
            c.want("REVSTOKEN never-seen@b.example", REVOKED)


@clauses("S1-44")
def test_revocation_takes_all_of_the_pair(server, pair):
    remote, local = pair
    tokens = [server.temporary(remote, local), server.temporary(remote, local),
              server.permanent(remote, local)]
    others = [server.temporary("other-" + remote, local),
              server.temporary(remote, "bob@a.example"),
              server.temporary(remote, "alice+x@a.example")]
    with server.login() as c:
        c.want("REVSTOKEN %s %s" % pair, REVOKED)
    with server.hello("LHLO") as c:
        for token in tokens:
            assert c.token_login(local, token).status == "535 5.7.8"
    for token, address in zip(others, (local, "bob@a.example",
                                       "alice+x@a.example")):
        server.token_session(address, token).quit()
    # And what is made afterwards is good, from the first millisecond on.
    token = server.temporary(remote, local)
    server.token_session(local, token).quit()


@clauses("S1-24")
def test_temporary_tokens_leave_no_record(server, pair):
    with server.login() as c:
        for n in range(200):
            generated(c.cmd("GENSTOKEN TEMP gen%d@b.example" % n))
    shown = server.show("tokens")
    assert not [x for x in shown if x["remote"].startswith("gen")]


def test_feature_switched_off(own):
    """`token no`: its verbs answer 500 5.5.1, STOKEN is not listed."""
    server = own(extra="token no")
    with server.login() as c:
        c.want("GENSTOKEN TEMP x@b.example", "500 5.5.1")
        c.want("REVSTOKEN x@b.example", "500 5.5.1")
    with server.connect() as c:
        words = c.lhlo()
        assert "STOKEN" not in words
        assert "STOKEN" not in words["AUTH"].split()
