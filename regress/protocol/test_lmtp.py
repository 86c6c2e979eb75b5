# SPDX-License-Identifier: ISC
"""LMTP: a reply for each recipient, aliases, details, the trusted socket."""
import os
import re

import pytest

from clause import clauses

ALICE, BOB = "alice@a.example", "bob@a.example"
MESSAGE = "Subject: lmtp\r\n\r\nText.\r\n"


def transaction(c, sender, recipients):
    """Sends one message; {recipient: status} of RCPT, list after the dot."""
    assert c.mail(sender).status == "250 2.1.0"
    asked = [c.rcpt(x).status for x in recipients]
    accepted = [x for x, status in zip(recipients, asked)
                if status == "250 2.1.5"]
    return asked, accepted, c.data(MESSAGE, len(accepted))


@clauses("F-02", "S1-77", "S1-75")
def test_replies_in_order(server):
    with server.trusted() as c:
        asked, accepted, replies = transaction(
            c, "x@b.example", [BOB, "nobody-here@a.example", ALICE, BOB])
        assert asked == ["250 2.1.5", "550 5.1.1", "250 2.1.5", "250 2.1.5"]
        names = [re.match("<([^>]*)> ([A-Za-z0-9_-]{1,64}) .", r.text)
                 for r in replies]
        assert [r.status for r in replies] == ["250 2.1.12"] * 3
        assert [m.group(1) for m in names] == accepted
        assert len({m.group(2) for m in names}) == 3
        c.quit()


@clauses("F-02")
def test_duplicates_are_not_merged(server):
    before = len(server.mail(BOB))
    with server.trusted() as c:
        _, _, replies = transaction(c, "x@b.example", [BOB] * 5)
        assert len({r.text.split()[1] for r in replies}) == 5
    assert len(server.mail(BOB)) == before + 5


def test_delivery_ids_share_the_message_id(server):
    with server.trusted() as c:
        _, _, replies = transaction(c, "x@b.example", [BOB, ALICE])
        one, two = (r.text.split()[1] for r in replies)
        assert one.endswith("-1") and two.endswith("-2")
        assert one[:-2] == two[:-2]
        assert re.fullmatch("[A-Za-z0-9]{16}", one[:-2])


@pytest.mark.parametrize("address,boxes", [
    ("sales@a.example", [ALICE]), ("team@a.example", [ALICE, BOB]),
    ("chain@a.example", [ALICE]), ("alice+news@a.example", [ALICE]),
    ("ALICE@A.EXAMPLE", [ALICE]), ("sales+x@a.example", [ALICE])])
def test_aliases_and_details(server, address, boxes):
    before = {x: len(server.mail(x)) for x in (ALICE, BOB)}
    with server.trusted() as c:
        asked, _, replies = transaction(c, "x@b.example", [address])
        assert asked == ["250 2.1.5"]
        assert replies[0].status == "250 2.1.12"
        assert replies[0].text.lower().startswith("<%s> " % address.lower())
    for box in (ALICE, BOB):
        assert len(server.mail(box)) == before[box] + (box in boxes)


@pytest.mark.parametrize("address", ["outside@a.example", "mixed@a.example",
                                     "x@elsewhere.example"])
def test_no_relay_without_relay_host(server, address):
    before = len(server.all_mail())
    with server.trusted() as c:
        c.mail("x@b.example")
        assert c.rcpt(address).status == "550 5.7.1"
    assert len(server.all_mail()) == before


@clauses("S1-15")
@pytest.mark.parametrize("sender", ["", "x@b.example", "MAILER@b.example",
                                    "alice@a.example", '"a b"@b.example'])
def test_any_sender_on_the_socket(server, sender):
    with server.trusted() as c:
        _, _, replies = transaction(c, sender, [ALICE])
        assert replies[0].status == "250 2.1.12"


def test_several_messages_in_a_session(server):
    before = len(server.mail(BOB))
    with server.trusted() as c:
        for _ in range(20):
            transaction(c, "x@b.example", [BOB])
        c.quit()
    assert len(server.mail(BOB)) == before + 20


def test_normal_login(server):
    """A user may deliver to local recipients from LHLO, and not relay."""
    with server.login(ALICE, "LHLO") as c:
        asked, _, replies = transaction(
            c, ALICE, [BOB, "x@elsewhere.example", ALICE])
        assert asked == ["250 2.1.5", "550 5.7.1", "250 2.1.5"]
        assert [r.status for r in replies] == ["250 2.1.12"] * 2


def test_normal_login_sender(server):
    with server.login(ALICE, "LHLO") as c:
        assert c.mail(BOB).status == "550 5.7.1"
        assert c.mail("").status == "250 2.1.0"


def test_failed_transaction_leaves_nothing(server):
    """After RSET, a new MAIL or a lost connection nothing is visible."""
    before = len(server.all_mail())
    with server.trusted() as c:
        c.mail("x@b.example")
        c.rcpt(BOB)
        c.want("RSET", "250 2.0.0")
        c.want("DATA", "503 5.5.1")
        c.mail("x@b.example")
        c.rcpt(BOB)
        c.want("DATA", "354")
        c.send("Subject: never ended\r\n\r\n.x\r\n")
    with server.trusted() as c:
        c.quit()
    assert len(server.all_mail()) == before


@clauses("F-80", "F-02")
def test_pipelined_group(server):
    with server.trusted() as c:
        c.send("MAIL FROM:<x@b.example>\r\nRCPT TO:<%s>\r\n"
               "RCPT TO:<nobody-here@a.example>\r\nRCPT TO:<%s>\r\nDATA\r\n"
               % (ALICE, BOB))
        codes = [c.reply().code for _ in range(5)]
        assert codes == [250, 250, 550, 250, 354]
        c.send(MESSAGE + ".\r\nMAIL FROM:<y@b.example>\r\nRSET\r\nQUIT\r\n")
        codes = [c.reply().code for _ in range(5)]
        assert codes == [250, 250, 250, 250, 221]


@clauses("F-95")
def test_a_hundred_recipients(server):
    before = len(server.mail(BOB))
    with server.trusted() as c:
        _, accepted, replies = transaction(c, "x@b.example", [BOB] * 100)
        assert len(accepted) == 100
        assert [r.status for r in replies] == ["250 2.1.12"] * 100
    assert len(server.mail(BOB)) == before + 100


def test_socket_is_for_the_site(server):
    """The mode of the socket lets the group in, not the world."""
    assert os.stat(server.socket).st_mode & 0o007 == 0
