# SPDX-License-Identifier: ISC
"""Flags and keywords that came by METADATA, as Dovecot's IMAP shows them."""
import re

import sample
from clause import clauses
from test_beside_dovecot import ALICE, BOB, fetch, maildir, there  # noqa: F401


def deliver(ours, recipients, flags, subject):
    with ours.trusted() as c:
        c.want("MAIL FROM:<friend@b.example>", "250 2.1.0")
        for one in recipients:
            assert c.rcpt(one).status == "250 2.1.5"
        assert c.container(1, flags)[0].status == "250 2.1.0"
        octets = sample.message(subject, recipients, sender="friend@b.example")
        for reply in c.chunk(octets, True, replies=len(recipients)):
            assert reply.status == "250 2.1.12", reply
        c.quit()


def flags_of(imap, number):
    words, _ = fetch(imap, number, "FLAGS")
    return set(re.search(rb"FLAGS \((.*?)\)", words)[1].decode().split())


@clauses("M-22", "M-23")
def test_imap_shows_them(maildir):  # noqa: F811
    dovecot_, ours = maildir
    deliver(ours, [BOB, ALICE], b"\\Seen $Forwarded NonJunk \\Recent",
            sample.word())
    for user in (BOB, ALICE):
        with dovecot_.imap(user) as imap:
            count = int(imap.select("INBOX")[1][0])
            assert flags_of(imap, count) - {"\\Recent"} == {
                "\\Seen", "$Forwarded", "NonJunk"}


@clauses("M-22")
def test_both_add_keywords(maildir):  # noqa: F811
    """Dovecot adds some, we add some, in a session that stays open; letters
    differ between mailboxes, and what was set stays set."""
    dovecot_, ours = maildir
    with dovecot_.imap(ALICE) as imap:
        deliver(ours, [ALICE], b"First", sample.word())
        first = int(imap.select("INBOX")[1][0])
        assert imap.store(b"%d" % first, "+FLAGS", "(Dovecots)")[0] == "OK"
        deliver(ours, [BOB, ALICE], b"dovecots Ours \\Flagged", sample.word())
        imap.noop()
        count = int(imap.response("EXISTS")[1][-1])
        assert count == first + 1
        assert flags_of(imap, count) - {"\\Recent"} == {
            "Dovecots", "Ours", "\\Flagged"}
        assert imap.store(b"%d" % first, "+FLAGS", "(Later ours)")[0] == "OK"
        deliver(ours, [ALICE], b"later Last", sample.word())
        imap.noop()
        assert flags_of(imap, first) - {"\\Recent"} == {
            "First", "Dovecots", "Later", "Ours"}
    with dovecot_.imap(ALICE) as imap:
        count = int(imap.select("INBOX")[1][0])
        assert flags_of(imap, count) - {"\\Recent"} == {"Later", "Last"}
        assert flags_of(imap, first) - {"\\Recent"} == {
            "First", "Dovecots", "Later", "Ours"}
    with dovecot_.imap(BOB) as imap:
        count = int(imap.select("INBOX")[1][0])
        assert {x.lower() for x in flags_of(imap, count)} - {"\\recent"} == {
            "dovecots", "ours", "\\flagged"}
