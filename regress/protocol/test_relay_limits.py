# SPDX-License-Identifier: ISC
"""How much a user may send, and who may not send or receive at all."""
import pytest

from clause import clauses
from server import Server, crypt_line
from test_relay_fates import ALICE, BOB, MESSAGE, X, Y, site

DORA, EVE, FINN = "dora@a.example", "eve@a.example", "finn@a.example"


def users():
    word = crypt_line("wonderland 1")
    return ["%s:%s::::::%s" % (name, word, extra) for name, extra in (
        (ALICE, ""), (BOB, ""), (DORA, "submit=no"), (EVE, "receive=no"),
        (FINN, "messages_per_hour=1 recipients_per_hour=0"))]


@pytest.fixture(scope="module")
def world():
    with site(users=users(), aliases="both@a.example: bob@a.example, "
              "eve@a.example\n",
              limits={"messages-per-hour": 3, "recipients-per-hour": 5}) as w:
        yield w


def login(world, user):
    c = world.server.hello("EHLO")
    assert c.plain_login(user, "wonderland 1").status == "235 2.7.0"
    return c


def test_messages_and_recipients(world):
    with login(world, ALICE) as c:
        # Refused recipients and MAIL alone count for nothing.
        for _ in range(4):
            assert c.mail(ALICE).status == "250 2.1.0"
            assert c.rcpt("nobody@a.example").status == "550 5.1.1"
            c.want("RSET", "250 2.0.0")
        c.mail(ALICE)
        assert [c.rcpt(x).status for x in (BOB, X, Y)] == ["250 2.1.5"] * 3
        assert c.data(MESSAGE)[0].status == "250 2.0.0"
        c.mail(ALICE)
        assert [c.rcpt(x).status for x in (BOB, X, Y)] == [
            "250 2.1.5", "250 2.1.5", "450 4.7.1"]
        assert c.data(MESSAGE)[0].status == "250 2.0.0"
    world.server.wait_log(
        'limit reached .* limit=recipients-per-hour user="%s"' % ALICE)
    # In another session it goes on; another user has a limit of his own.
    with login(world, ALICE) as c, login(world, BOB) as other:
        c.mail(ALICE)
        assert c.rcpt(BOB).status == "450 4.7.1"
        other.mail(BOB)
        assert other.rcpt(ALICE).status == "250 2.1.5"


def test_messages(world):
    with login(world, BOB) as c:
        for _ in range(2):
            c.mail(BOB)
            assert c.rcpt(ALICE).status == "250 2.1.5"
            assert c.data(MESSAGE)[0].status == "250 2.0.0"
        reply = c.mail(BOB)
        assert reply.status == "450 4.7.1"
        # Also as nobody.
        assert c.mail("").code in (250, 450)
        assert c.cmd("RCPT TO:<%s>" % ALICE).code in (450, 503)
    assert world.server.show("stats")["limited"] >= 2


def test_of_ones_own(world):
    with login(world, FINN) as c:
        c.mail(FINN)
        for i in range(7):
            assert c.rcpt("x%d@b.example" % i).status == "250 2.1.5"
        assert c.mail(FINN).code == 503
        assert c.data(MESSAGE)[0].status == "250 2.0.0"
        assert c.mail(FINN).status == "450 4.7.1"
    assert world.server.show("stats")["relayed"] >= 7


def test_who_may_not_send(world):
    with login(world, DORA) as c:
        assert c.mail(DORA).status == "550 5.7.1"
        assert c.mail("").status in ("250 2.1.0", "550 5.7.1")
        assert c.cmd("RCPT TO:<%s>" % BOB).code in (550, 503)
        c.want("RSET", "250 2.0.0")
        # The mailbox is open, and so are its tokens.
        assert c.cmd("NOOP").code == 250
    with login(world, ALICE) as c:
        c.mail(ALICE)
        assert c.rcpt(DORA).code in (250, 450)


def test_who_takes_no_mail(world):
    with world.server.trusted() as c:
        c.mail("friend@b.example")
        assert c.rcpt(EVE).status == "550 5.2.1"
        assert c.rcpt("both@a.example").status == "550 5.2.1"
        assert c.rcpt(BOB).status == "250 2.1.5"
    with login(world, EVE) as c:
        assert c.mail(EVE).status == "250 2.1.0"
        assert c.rcpt(EVE).status == "550 5.2.1"
        assert c.rcpt(X).status == "250 2.1.5"


@clauses("S1-15")
def test_tokens_tell_nothing_of_it(world):
    """A correspondent is refused like any other."""
    token = world.server.temporary(local=BOB)
    with world.server.token_session(BOB, token) as c:
        c.mail("friend@b.example")
        assert c.rcpt(EVE, world.server.temporary(local=BOB)).status == \
            "550 5.7.1"
        assert c.rcpt(BOB, token).status == "250 2.1.5"


def test_limits_need_no_relay():
    with Server(users=users(), limits={"messages-per-hour": 1}) as server:
        c = server.hello("LHLO")
        c.plain_login(ALICE, "wonderland 1")
        c.mail(ALICE)
        assert c.rcpt(BOB).status == "250 2.1.5"
        assert c.data(MESSAGE)[0].status == "250 2.1.12"
        assert c.mail(ALICE).status == "450 4.7.1"
        c.close()
