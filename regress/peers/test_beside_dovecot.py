# SPDX-License-Identifier: ISC
"""Dovecot beside us, with the sample in etc/: its IMAP shows what we put into
the Maildir, by the same users file; or it delivers for us, and answers."""
import re

import pytest

import dovecot
import jail
import sample
import site_of_ours as site
from server import PASSWORDS

ALICE, BOB, CAROL = ("%s@a.example" % x for x in ("alice", "bob", "carol"))
FRIEND = "friend@b.example"


@pytest.fixture(scope="module")
def there():
    reason = jail.trouble("dovecot")
    if reason:
        pytest.skip(reason)
    with dovecot.Dovecot() as one:
        yield one


@pytest.fixture(scope="module")
def maildir(there):
    """(Dovecot, our server, which delivers into Maildirs)"""
    line, = site.directives(dovecot.SAMPLE, "deliver maildir")
    with site.Site(there, line) as ours:
        there.share_users(ours)
        yield there, ours
        ours.check()


def deliver(ours, octets, recipient):
    """By token, which is what we are for."""
    token = ours.permanent(FRIEND, recipient)
    with ours.token_session(recipient, token) as c:
        c.want("MAIL FROM:<%s>" % FRIEND, "250 2.1.0")
        assert c.rcpt(recipient, token).status == "250 2.1.5"
        reply, = c.data(octets)
        assert reply.status == "250 2.1.12", reply
        c.quit()


def fetch(imap, number, *items):
    """{item: value} of one message; a literal is octets."""
    status, answer = imap.fetch(b"%d" % number, "(%s)" % " ".join(items))
    assert status == "OK"
    flat = b" ".join(x if isinstance(x, bytes) else x[0] for x in answer)
    texts = [x[1] for x in answer if not isinstance(x, bytes)]
    return flat, texts[0] if texts else b""


def test_what_we_delivered_is_in_the_inbox(maildir):
    dovecot_, ours = maildir
    subject = sample.word()
    octets = sample.message(subject, [BOB], sender=FRIEND)
    deliver(ours, octets, BOB)
    file = sample.one(ours, BOB, subject)
    with dovecot_.imap(BOB) as imap:
        count = int(imap.select("INBOX")[1][0])
        words, text = fetch(imap, count, "FLAGS", "RFC822.SIZE", "BODY.PEEK[]")
        assert text == file.replace(b"\n", b"\r\n")
        assert text.endswith(octets)
        assert int(re.search(rb"RFC822.SIZE (\d+)", words)[1]) == len(text)
        assert re.search(rb"FLAGS \(\\Recent\)", words), words


def test_flags_stay_and_new_mail_is_seen(maildir):
    """Dovecot moves what was read from new/ to cur/; the next delivery is
    announced in the open session."""
    dovecot_, ours = maildir
    first, second = sample.word(), sample.word()
    deliver(ours, sample.message(first, [ALICE], sender=FRIEND), ALICE)
    with dovecot_.imap(ALICE) as imap:
        count = int(imap.select("INBOX")[1][0])
        assert imap.store(b"%d" % count, "+FLAGS",
                          r"(\Seen \Flagged)")[0] == "OK"
        files = list((ours.mailbox(ALICE) / "cur").glob("*:2,FS"))
        assert first.encode() in files[-1].read_bytes()
        deliver(ours, sample.message(second, [ALICE], sender=FRIEND), ALICE)
        imap.noop()
        assert imap.response("EXISTS")[1][-1] == b"%d" % (count + 1)
    with dovecot_.imap(ALICE) as imap:
        imap.select("INBOX")
        assert rb"\Flagged \Seen" in fetch(imap, count, "FLAGS")[0]
        words, text = fetch(imap, count + 1, "FLAGS", "BODY.PEEK[]")
        assert second.encode() in text and b"Seen" not in words
        found = imap.search(None, "SUBJECT", second)[1][0]
        assert found == b"%d" % (count + 1)


def test_a_big_message(maildir):
    dovecot_, ours = maildir
    subject = sample.word()
    octets = sample.big(subject, [BOB], 3 * 1024 * 1024)
    deliver(ours, octets, BOB)
    with dovecot_.imap(BOB) as imap:
        count = int(imap.select("INBOX")[1][0])
        assert fetch(imap, count, "BODY.PEEK[]")[1].endswith(octets)


@pytest.fixture(scope="module")
def lmtp(there):
    """(Dovecot, our server, which hands all over to its LMTP)"""
    line, = site.directives(dovecot.SAMPLE, "deliver lmtp")
    with site.Site(there, line) as ours:
        there.share_users(ours)
        yield there, ours
        ours.check()


def newest(dovecot_, user, subject):
    """The message that came last, as IMAP gives it; LF line ends."""
    with dovecot_.imap(user) as imap:
        count = int(imap.select("INBOX")[1][0])
        text = sample.unix(fetch(imap, count, "BODY.PEEK[]")[1])
    assert sample.fields(text)["Subject"] == subject
    return text


def test_dovecot_delivers_by_token(lmtp):
    dovecot_, ours = lmtp
    for subject, octets in (
            (x, sample.message(x, [BOB], sender=FRIEND))
            for x in (sample.word(), sample.word())):
        deliver(ours, octets, BOB)
        text = newest(dovecot_, BOB, subject)
        assert text.endswith(b"\n" + sample.unix(octets))
        head = sample.fields(text)
        assert head["Return-Path"] == "<%s>" % FRIEND
        assert head["Delivered-To"] == BOB
        assert len(head.get_all("Received")) == 2


def test_dovecot_delivers_a_big_message(lmtp):
    dovecot_, ours = lmtp
    subject = sample.word()
    octets = sample.big(subject, [ALICE], 3 * 1024 * 1024)
    deliver(ours, octets, ALICE)
    assert newest(dovecot_, ALICE, subject).endswith(
        b"\n" + sample.unix(octets))


def test_each_recipient_has_dovecots_answer(lmtp):
    dovecot_, ours = lmtp
    subject = sample.word()
    octets = sample.message(subject, [BOB, CAROL], sender=FRIEND)
    with ours.trusted() as c:
        c.want("MAIL FROM:<%s>" % FRIEND, "250 2.1.0")
        for address in (CAROL, BOB, ALICE):
            c.want("RCPT TO:<%s>" % address, "250 2.1.5")
        replies = c.data(octets, replies=3)
    assert [x.status for x in replies] == [
        "550 5.1.1", "250 2.1.12", "250 2.1.12"], replies
    assert CAROL in replies[0].text
    for address in (BOB, ALICE):
        newest(dovecot_, address, subject)


def test_a_submission_goes_to_dovecot(lmtp):
    dovecot_, ours = lmtp
    subject = sample.word()
    octets = sample.message(subject, [BOB])
    with ours.login(ALICE) as c:
        c.want("MAIL FROM:<%s>" % ALICE, "250 2.1.0")
        c.want("RCPT TO:<%s>" % BOB, "250 2.1.5")
        reply, = c.data(octets)
        assert reply.status == "250 2.0.0", reply
    assert newest(dovecot_, BOB, subject).endswith(
        b"\n" + sample.unix(octets))


@pytest.fixture(scope="module")
def users(there):
    """(Dovecot, our server, which asks it for users and passwords)"""
    line, = site.directives(dovecot.SAMPLE, "users dovecot")
    with site.Site(there, line) as ours:
        there.share_users(ours)
        yield there, ours
        ours.check()


@pytest.mark.parametrize("user", [ALICE, BOB])
def test_dovecot_checks_passwords(users, user):
    _, ours = users
    with ours.login(user) as c:
        c.quit()
    with ours.hello("EHLO") as c:
        assert c.login_login(user, PASSWORDS[user]).status == "235 2.7.0"
        c.quit()
    with ours.hello("EHLO") as c:
        assert c.plain_login(user, "not that").status == "535 5.7.8"
        assert c.plain_login(CAROL, PASSWORDS[CAROL]).status == "535 5.7.8"
        assert c.plain_login(user, PASSWORDS[user]).status == "235 2.7.0"
        c.quit()


def test_scram_is_between_the_client_and_dovecot(users):
    _, ours = users
    with ours.connect() as c:
        listed = set(c.ehlo()["AUTH"].split())
        assert listed >= {"PLAIN", "LOGIN", "SCRAM-SHA-256"}
        # Dovecot knows nothing of our TLS.
        assert "SCRAM-SHA-256-PLUS" not in listed
        assert c.scram(BOB, PASSWORDS[BOB]).status == "235 2.7.0"
        c.quit()
    with ours.hello("EHLO") as c:
        assert c.scram(BOB, "not that").status == "535 5.7.8"


def test_dovecot_knows_who_there_is(users):
    dovecot_, ours = users
    with ours.trusted() as c:
        c.want("MAIL FROM:<%s>" % FRIEND, "250 2.1.0")
        assert c.rcpt(CAROL).status == "550 5.1.1"
        assert c.rcpt(BOB).status == "250 2.1.5"
    subject = sample.word()
    deliver(ours, sample.message(subject, [BOB], sender=FRIEND), BOB)
    newest(dovecot_, BOB, subject)
    subject = sample.word()
    with ours.login(ALICE) as c:
        c.want("MAIL FROM:<%s>" % ALICE, "250 2.1.0")
        assert c.rcpt(BOB).status == "250 2.1.5"
        reply, = c.data(sample.message(subject, [BOB]))
        assert reply.status == "250 2.0.0", reply
    newest(dovecot_, BOB, subject)
