# SPDX-License-Identifier: ISC
"""The site's own MTA delivers the domain's mail into our LMTP socket, with
the samples in etc/, both started as on a real machine."""
import pytest

import mtas
import sample
import site_of_ours as site

BOB, CAROL, UMLAUT = "bob@a.example", "carol@a.example", \
    "j\u00fcrgen@a.example"
FRIEND, NOBODY = "friend@b.example", "nobody-here@a.example"


@pytest.fixture(scope="module", params=mtas.MTAS)
def beside(request):
    """(the MTA, our server)"""
    with mtas.make(request.param) as mta:
        line, = site.directives(mtas.MTAS[request.param][1],
                                "listen on socket")
        with site.Site(mta, line) as ours:
            yield mta, ours
            ours.check()


def whole(mta, text, octets, sender=FRIEND, protocol="LMTP"):
    """Our trace, that of the MTA, and what was sent."""
    assert text.endswith(b"\n" + sample.unix(octets)), text[:2000]
    head = sample.fields(text)
    # OpenSMTPD writes a Return-Path, too, before it hands a message over, and
    # its lmtp agent says that it is `localhost`.
    other = mta.name == "opensmtpd"
    assert head.get_all("Return-Path") == ["<%s>" % sender] * (
        2 if other and sender else 1)
    ours, theirs = (" ".join(x.split()) for x in head.get_all("Received"))
    assert ours.startswith("from %s by mx.a.example with %s id " % (
        "localhost" if other else "mta.a.example", protocol)), ours
    assert "by mta.a.example" in theirs


def test_two_recipients(beside):
    mta, ours = beside
    subject = sample.word()
    octets = sample.message(subject, [BOB, CAROL], sender=FRIEND)
    mta.hand([BOB, CAROL], octets, FRIEND)
    for address in (BOB, CAROL):
        whole(mta, sample.one(ours, address, subject), octets)
        assert ours.mail(address)[-1].stat().st_uid == site.ACCOUNTS["vmail"]


def test_empty_sender_and_detail(beside):
    mta, ours = beside
    subject = sample.word()
    octets = sample.message(subject, [BOB], sender="mailer@b.example")
    mta.hand(["bob+lists@a.example"], octets, "")
    whole(mta, sample.one(ours, BOB, subject), octets, sender="")


def test_three_megabytes(beside):
    mta, ours = beside
    subject = sample.word()
    octets = sample.big(subject, [BOB], 3 * 1024 * 1024)
    mta.hand([BOB], octets, FRIEND)
    whole(mta, sample.one(ours, BOB, subject), octets)


def test_one_of_two_is_refused(beside):
    """Postfix asks us before it accepts, as its sample says; the others find
    out when they deliver, and tell the sender."""
    mta, ours = beside
    subject = sample.word()
    octets = sample.message(subject, [BOB, NOBODY], sender=FRIEND)
    refused = mta.hand([BOB, NOBODY], octets, FRIEND)
    whole(mta, sample.one(ours, BOB, subject), octets)
    if mta.name == "postfix":
        assert refused[NOBODY][0] == 550
    mta.wait(lambda: "5.1.1" in mta.logs() and NOBODY in mta.logs(),
             "our refusal")


@pytest.mark.parametrize("beside", ["postfix"], indirect=True)
def test_utf8_address(beside):
    """The other two know no SMTPUTF8 in LMTP."""
    mta, ours = beside
    subject = sample.word()
    octets = sample.message(subject, [UMLAUT], sender=FRIEND)
    mta.hand([UMLAUT], octets, FRIEND, options=["SMTPUTF8", "BODY=8BITMIME"])
    whole(mta, sample.one(ours, UMLAUT, subject), octets,
          protocol="UTF8LMTP")
