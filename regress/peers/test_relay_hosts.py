# SPDX-License-Identifier: ISC
"""What our users submit to others goes to the site's MTA, with the samples in
etc/; its own queue shows it, octet for octet."""
import re

import pytest

import mtas
import sample
import site_of_ours as site

ALICE, BOB = "alice@a.example", "bob@a.example"
ONE, TWO, THREE = ("%s@out.example" % x for x in ("one", "two", "three"))
GREEK = "\u03b1\u03b2\u03b3@out.example"

@pytest.fixture(scope="module", params=mtas.MTAS)
def relayed(request):
    """(the MTA, our server); two recipients get tokens, more do not."""
    with mtas.make(request.param) as mta:
        line, = site.directives(mtas.MTAS[request.param][2], "relay host")
        assert ":10025" in line
        line = line.replace("10025", str(mta.ours))
        socket, = site.directives(mtas.MTAS[request.param][1],
                                  "listen on socket")
        with site.Site(mta, socket, line,
                       "token header recipients 2") as ours:
            yield mta, ours
            ours.check()

def submit(ours, recipients, octets, mail="", words=None):
    """Alice sends it; {recipient: parameters of RCPT}. All must be taken."""
    with ours.login(ALICE) as c:
        c.utf8 = "SMTPUTF8" in mail
        c.want("MAIL FROM:<%s>%s" % (ALICE, mail), "250 2.1.0")
        for to in recipients:
            reply = c.cmd("RCPT TO:<%s>%s" % (to, (words or {}).get(to, "")))
            assert reply.code == 250, (to, reply)
        reply, = c.data(octets)
        assert reply.status == "250 2.0.0", reply
        c.quit()
    return reply.text.split()[0]

def whole(waiting, octets, recipient=None):
    """The MTA's Received, ours, perhaps a token, and what was sent."""
    assert waiting.octets.endswith(b"\n" + sample.unix(octets)), \
        waiting.octets[:3000]
    assert waiting.sender == ALICE
    head = waiting.octets[:-len(sample.unix(octets))].decode()
    head = re.sub(r"\n[ \t]+", " ", head)
    names = re.findall("^([A-Za-z-]+):", head, re.M)
    assert names[:2] == ["Received"] * 2, head
    assert set(names[2:]) <= {"Submission-Token"}, head
    theirs, ours = re.findall("^Received: (.*)$", head, re.M)
    assert "by mta.a.example" in theirs
    assert re.search("by mx.a.example with (UTF8SMTPSA|ESMTPSA) id ", ours)
    if recipient:
        assert "for <%s>" % recipient in ours
    tokens = re.findall("^Submission-Token: (.*)$", head, re.M)
    assert len(tokens) < 2, head
    return tokens[0] if tokens else None

def test_each_recipient_has_a_token_that_works(relayed):
    mta, ours = relayed
    subject = sample.word()
    octets = sample.message(subject, [ONE, TWO])
    submit(ours, [TWO, ONE], octets)
    for copy, to in zip(mta.waiting(subject, 2), (ONE, TWO)):
        assert copy.recipients == [to]
        token = whole(copy, octets, to)
        back = sample.word()
        with ours.token_session(ALICE, token) as c:
            c.want("MAIL FROM:<%s>" % to, "250 2.1.0")
            assert c.rcpt(ALICE, token).status == "250 2.1.5"
            reply, = c.data(sample.message(back, [ALICE], sender=to))
            assert reply.code == 250, reply
        sample.one(ours, ALICE, back)
        with ours.token_session(ALICE, token) as c:
            c.want("MAIL FROM:<stranger@out.example>", "250 2.1.0")
            assert c.rcpt(ALICE, token).code == 550

def test_local_and_outside(relayed):
    mta, ours = relayed
    subject = sample.word()
    octets = sample.message(subject, [BOB, ONE])
    name = submit(ours, [BOB, ONE], octets)
    copy, = mta.waiting(subject, 1)
    assert copy.recipients == [ONE] and whole(copy, octets)
    text = sample.one(ours, BOB, subject)
    sample.same(text, octets)
    assert name.encode() in text and name.encode() in copy.octets
    assert b"Submission-Token" not in text

def test_too_many_for_tokens(relayed):
    mta, ours = relayed
    subject = sample.word()
    octets = sample.message(subject, [ONE, TWO, THREE])
    submit(ours, [ONE, TWO, THREE], octets)
    copies = mta.waiting(subject, 3)
    assert [x.recipients for x in copies] == [[ONE], [THREE], [TWO]]
    assert not any(whole(x, octets) for x in copies)

def test_what_the_submitter_wants_to_be_told(relayed):
    """DSN (RFC 3461). Each recipient has a transaction of its own, so that
    OpenSMTPD 6.8, which mixes up the words of several, does not."""
    mta, ours = relayed
    subject = sample.word()
    octets = sample.message(subject, [ONE, TWO])
    submit(ours, [ONE, TWO], octets, mail=" RET=HDRS ENVID=QQ314159", words={
        ONE: " NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;first@old.example",
        TWO: " NOTIFY=NEVER"})
    one, two = mta.waiting(subject, 2)
    assert whole(one, octets) and whole(two, octets)
    for copy in (one, two):
        assert (copy.ret, copy.envid) == ("HDRS", "QQ314159")
    assert one.notify == {ONE: "SUCCESS,FAILURE"}
    assert two.notify == {TWO: "NEVER"}
    assert one.orcpt == {ONE: "rfc822;first@old.example"}

def test_utf8(relayed):
    mta, ours = relayed
    subject = sample.word()
    octets = sample.message(subject, [GREEK])
    if mta.name == "opensmtpd":
        # It has no SMTPUTF8, and that is what we say.
        with ours.login(ALICE) as c:
            c.utf8 = True
            c.want("MAIL FROM:<%s> SMTPUTF8" % ALICE, "250 2.1.0")
            reply = c.rcpt(GREEK)
            assert reply.code in (550, 553) and reply.enhanced == "5.6.7"
        return
    submit(ours, [GREEK], octets, mail=" SMTPUTF8 BODY=8BITMIME")
    copy, = mta.waiting(subject, 1)
    assert copy.utf8 and copy.recipients == [GREEK]
    assert whole(copy, octets)

def test_five_megabytes(relayed):
    mta, ours = relayed
    subject = sample.word()
    octets = sample.big(subject, [ONE, TWO], 5 * 1024 * 1024)
    submit(ours, [ONE, TWO], octets)
    for copy in mta.waiting(subject, 2):
        assert whole(copy, octets)

@pytest.mark.parametrize("relayed", ["postfix"], indirect=True)
def test_the_refusal_is_passed_through(relayed):
    """Of a size that Postfix does not take, of a recipient; the others of the
    same message are not concerned."""
    mta, ours = relayed
    with ours.login(ALICE) as c:
        c.want("MAIL FROM:<%s> SIZE=20000000" % ALICE, "250 2.1.0")
        reply = c.rcpt(ONE)
        assert reply.status == "552 5.3.4" and "large" in reply.text, reply
        assert c.rcpt(BOB).status == "250 2.1.5"
        c.want("RSET", "250 2.0.0")
        c.want("MAIL FROM:<%s>" % ALICE, "250 2.1.0")
        reply = c.rcpt("refused@out.example")
        assert reply.status == "550 5.1.6", reply
        assert "He has moved" in reply.text
        assert c.rcpt(ONE).status == "250 2.1.5"
        subject = sample.word()
        octets = sample.message(subject, [ONE])
        assert c.data(octets)[0].status == "250 2.0.0"
    copy, = mta.waiting(subject, 1)
    assert copy.recipients == [ONE] and whole(copy, octets)


@pytest.mark.parametrize("relayed", ["postfix"], indirect=True)
def test_the_refusal_of_the_message_is_passed_through(relayed):
    """And then nobody has it, not even those of our own."""
    mta, ours = relayed
    octets = sample.message("ham and spam", [ONE, BOB])
    with ours.login(ALICE) as c:
        c.want("MAIL FROM:<%s>" % ALICE, "250 2.1.0")
        for address in (ONE, BOB, TWO):
            assert c.rcpt(address).status == "250 2.1.5"
        reply, = c.data(octets)
        assert reply.status == "550 5.7.1", reply
        assert "Not with this subject" in reply.text
    assert not any(b"ham and spam" in f.read_bytes() for f in ours.mail(BOB))
    assert all(x.head["Subject"] != "ham and spam"
               for x in map(mta.look, mta.ids()))


def test_an_alias_leads_outside(relayed):
    """From the site's own MTA by LMTP, and back to it; no token, since the
    sender is none of ours."""
    mta, ours = relayed
    subject = sample.word()
    octets = sample.message(subject, [ALICE], sender="friend@b.example")
    with ours.trusted() as c:
        c.want("MAIL FROM:<friend@b.example>", "250 2.1.0")
        c.want("RCPT TO:<outside@a.example>", "250 2.1.5")
        reply, = c.data(octets)
        assert reply.code == 250, reply
    copy, = mta.waiting(subject, 1)
    assert copy.octets.endswith(b"\n" + sample.unix(octets))
    assert copy.sender == "friend@b.example"
    assert copy.recipients == ["someone@elsewhere.example"]
    assert copy.head["Submission-Token"] is None


@pytest.mark.parametrize("relayed", ["postfix"], indirect=True)
def test_the_relay_host_is_restarted(relayed):
    """Connections that were kept are gone; nobody's mail fails for that."""
    mta, ours = relayed
    first, second = sample.word(), sample.word()
    submit(ours, [ONE], sample.message(first, [ONE]))
    mta.run("postfix", "abort")
    with ours.login(ALICE) as c:
        c.want("MAIL FROM:<%s>" % ALICE, "250 2.1.0")
        reply = c.rcpt(ONE)
        assert reply.code // 10 == 45, reply
        assert c.rcpt(BOB).status == "250 2.1.5"
    mta.launch()
    mta.wait_port(mta.ours)
    octets = sample.message(second, [ONE, TWO])
    submit(ours, [ONE, TWO], octets)
    assert all(whole(x, octets) for x in mta.waiting(second, 2))
    assert len(mta.waiting(first, 1)) == 1


@pytest.mark.parametrize("relayed", ["postfix"], indirect=True)
def test_restarted_while_nobody_looked(relayed):
    mta, ours = relayed
    subject = sample.word()
    submit(ours, [ONE], sample.message(sample.word(), [ONE]))
    mta.run("postfix", "abort")
    mta.launch()
    mta.wait_port(mta.ours)
    octets = sample.message(subject, [ONE])
    submit(ours, [ONE], octets)
    copy, = mta.waiting(subject, 1)
    assert whole(copy, octets)
