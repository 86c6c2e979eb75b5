# SPDX-License-Identifier: ISC
"""The relay process against next hops that are broken, hostile, or gone at
the worst moment (T25): every recipient gets one truthful answer, and the next
message goes its way."""
import smtplib
import ssl
import threading

import pytest

import relay
from relay import LMTP, REFUSED, SENT, SMTPS, STARTTLS, Process
from relay_sink import (ALL, BARE, OPENSMTPD, POSTFIX, RelaySink, also,
                        bare_newlines, close, close_after, drip, endless,
                        half, hold, raw, reply, reset, stall)
from server import P256, certificate

BOB, CAROL, DAVE = "bob@b.example", "carol@c.example", "dave@d.example"
TEXT = b"Subject: x\n\nhello\n.dot\n"
WIRE = b"Subject: x\r\n\r\nhello\r\n.dot\r\n"
KEYWORDS = {"bare": BARE, "opensmtpd": OPENSMTPD, "postfix": POSTFIX,
            "all": ALL}


@pytest.fixture(params=sorted(KEYWORDS))
def sink(request):
    with RelaySink(keywords=KEYWORDS[request.param]) as one:
        yield one


@pytest.fixture
def lmtp(tmp_path_factory):
    with RelaySink(lmtp=True) as one:
        yield one


@pytest.fixture
def engine(sink):
    with Process(relay_host="127.0.0.1", relay_port=sink.port) as process:
        yield process.engine()


@pytest.fixture
def lmtp_engine(lmtp):
    with Process(lmtp_address="127.0.0.1:%d" % lmtp.port) as process:
        yield process.engine()


def answers(engine, session, addresses, hop=relay.RELAY):
    """What RCPT gets: {number: (code, enhanced, text)}."""
    for number, address in enumerate(addresses):
        engine.open(session, number, address, shared=1, hop=hop)
    found = {}
    for _ in addresses:
        name, values = engine.channel.hear()
        assert name == "RELAY_OPENED", (name, values)
        assert values["recipient"] not in found
        found[values["recipient"]] = (
            values["code"], values["enhanced"].decode(),
            values["text"].decode())
    return found


def results(engine, session, addresses, text=TEXT, hop=relay.RELAY):
    found = answers(engine, session, addresses, hop)
    accepted = [n for n, x in found.items() if x[0] == 250]
    engine.data(session, text, hop=hop)
    return engine.results(len(accepted)), found


def goes_on(engine, sink, hop=relay.RELAY, session=1000):
    """Nothing of it is left: the next message is sent."""
    sink.clear()
    found, _ = results(engine, session, [BOB], hop=hop)
    assert found[0][:2] == (SENT, 250), (found, sink.transcript()[-3000:])


def test_messages_are_whole(engine, sink):
    """T04: whatever the peer offers, and whatever is in the message."""
    text = b"A: b\n\n.\n..\n\n.x\r\ny\rz\n" + b".long\n" * 40000 + b"."
    want = b"A: b\r\n\r\n.\r\n..\r\n\r\n.x\r\ny\r\nz\r\n" \
        + b".long\r\n" * 40000 + b".\r\n"
    found, _ = results(engine, 1, [BOB, CAROL], text)
    assert {x[0] for x in found.values()} == {SENT}
    message, = sink.messages
    assert message.data == want
    assert message.addresses == [BOB, CAROL]
    assert bare_newlines(message.session.received) == []
    assert bool(message.chunks) == ("CHUNKING" in sink.keywords)


# At these steps: no recipient was accepted, and all are told so.
BEFORE = [("connect", close()), ("connect", reset()),
          ("connect", reply("554 5.3.2 go away")),
          ("connect", reply("hello")), ("connect", raw(b"220 \0\r\n")),
          ("connect", raw(b"\r\n")), ("connect", endless("220-x\r\n")),
          ("connect", endless("x")), ("connect", close_after("421 busy")),
          ("connect", also(b"220 again\r\n")),
          ("ehlo", close()), ("ehlo", half(20)),
          ("ehlo", endless("250-x\r\n")), ("ehlo", reply("421 4.3.2 no")),
          ("ehlo", reply("250-a", "251 b")), ("ehlo", reply("120 wait")),
          ("ehlo", also(b"250 and more\r\n")),
          ("mail", close()), ("mail", reply("354 go")),
          ("mail", reply("999 x")), ("mail", reply("451 4.3.0 later")),
          ("mail", endless()), ("mail", reply("530 5.7.0 log in")),
          ("rcpt", close()), ("rcpt", reset()), ("rcpt", reply("250-a",
                                                               "550 b")),
          ("rcpt", endless("450-x\r\n")), ("rcpt", close_after("421 no"))]


@pytest.mark.parametrize("at", range(len(BEFORE)))
def test_before_a_recipient(engine, sink, at):
    step, behaviour = BEFORE[at]
    sink.fault(step, behaviour)
    for code, enhanced, _ in answers(engine, 1, [BOB, CAROL]).values():
        assert code == 451 and enhanced[0] == "4"
    engine.abandon(1)
    goes_on(engine, sink)


def test_one_of_the_recipients(engine, sink):
    sink.fault("rcpt", reply("550-5.1.1 no", "550 5.1.1 body"), nth=2)
    found, opened = results(engine, 1, [BOB, CAROL, DAVE])
    assert opened[1] == (550, "5.1.1", "no body")
    assert {n: x[:2] for n, x in found.items()} == {
        0: (SENT, 250), 2: (SENT, 250)}
    assert sink.messages[0].addresses == [BOB, DAVE]
    goes_on(engine, sink)


# With two recipients accepted: the message is not sent, and that is said.
# The step is that of DATA and of BDAT; the code None: whatever is temporary.
DURING = [("data", close(), None), ("data", reply("250 ok"), None),
          ("data", reply("452 4.3.1 full"), 452),
          ("data", reply("554 5.5.1 no"), 554),
          ("data", also(b"250 2.0.0 taken\r\n"), None),
          ("data", also(b"552 5.3.4 large\r\n"), None),
          ("data", close_after("354 go"), None),
          ("data", endless("354-x\r\n"), None),
          ("end", reply("452 4.3.1 full"), 452),
          ("end", reply("554 5.6.0 bad"), 554),
          ("end", reply("421 4.3.2 down"), 451),
          ("end", close(), None), ("end", reset(), None),
          ("end", half(5), None), ("end", half(16), None),
          ("end", reply("354 go"), None), ("end", raw(b"ok\r\n"), None),
          ("end", endless(), None), ("end", reply("100 wait"), None)]


def possible(rows):
    """Each row with each kind of sink: DATA or BDAT comes at each."""
    return pytest.mark.parametrize("sink, at", [
        (kind, at) for kind, words in KEYWORDS.items()
        for at, row in enumerate(rows)
        if row[0] != ("data" if "CHUNKING" in words else "bdat")],
        indirect=["sink"])


@possible(DURING)
def test_during_a_message(engine, sink, at):
    step, behaviour, code = DURING[at]
    sink.fault(step, behaviour)
    found, _ = results(engine, 1, [BOB, CAROL])
    for outcome, said, _ in found.values():
        assert outcome == REFUSED
        assert said == code if code else 400 <= said < 600
        if step == "end" and code is None:
            assert said == 451, "it may have been accepted"
    assert len(found) == 2 and sink.messages == []
    goes_on(engine, sink)


def test_outcome_unknown_is_said(engine, sink):
    sink.fault("end", close())
    found, _ = results(engine, 1, [BOB])
    assert found[0][:2] == (REFUSED, 451) and "may have been" in found[0][2]


MIDDLE = [("body", raw(b"552 5.3.4 too large\r\n")), ("body", close()),
          ("bdat", reply("452 4.3.1 full")), ("bdat", close())]


@possible(MIDDLE)
def test_in_the_middle_of_a_message(engine, sink, at):
    step, behaviour = MIDDLE[at]
    sink.fault(step, behaviour)
    # More than all buffers hold: a reply to the whole would be in order.
    found, _ = results(engine, 1, [BOB, CAROL], TEXT * 800000)
    assert {x[0] for x in found.values()} == {REFUSED}
    assert all(400 <= x[1] < 600 for x in found.values())
    goes_on(engine, sink)


def test_octet_by_octet(engine, sink):
    for step in ("connect", "ehlo", "mail", "rcpt", "data", "end"):
        sink.fault(step, drip())
    found, _ = results(engine, 1, [BOB])
    assert found[0][:2] == (SENT, 250)
    assert sink.messages[0].data == WIRE


def test_a_kept_connection_that_was_closed(engine, sink):
    goes_on(engine, sink, session=1)
    sink.drop()
    sink.wait(lambda s: s.sessions[0].over)
    goes_on(engine, sink, session=2)
    assert len(sink.messages) == 2


@pytest.mark.parametrize("step", ["connect", "ehlo", "mail", "rcpt", "data",
                                  "end"])
def test_time_out(step):
    with RelaySink(keywords=POSTFIX[:-1]) as sink, Process(
            relay_host="127.0.0.1", relay_port=sink.port,
            timeout_relay=1) as process:
        engine = process.engine()
        sink.fault(step, stall(3))
        found = answers(engine, 1, [BOB])
        if step in ("data", "end"):
            assert found[0][0] == 250
            engine.data(1, TEXT)
            assert engine.results(1)[0][:2] == (REFUSED, 451)
        else:
            assert found[0][:2] == (451, "4.4.2")
            engine.abandon(1)
        goes_on(engine, sink)


class TestLmtp:
    """A reply for each recipient, if the server is kind."""

    def results(self, engine, session=1):
        return results(engine, session, [BOB, CAROL, DAVE], hop=LMTP)[0]

    def test_each_its_own(self, lmtp_engine, lmtp):
        lmtp.fault("end", reply("452 4.2.2 full"), nth=2)
        lmtp.fault("end", reply("550 5.7.1 never"), nth=3)
        found = self.results(lmtp_engine)
        assert found[0][:2] == (SENT, 250)
        assert found[1] == (REFUSED, 452, "full")
        assert found[2] == (REFUSED, 550, "never")
        goes_on(lmtp_engine, lmtp, LMTP)

    def test_too_few(self, lmtp_engine, lmtp):
        lmtp.fault("end", close(), nth=2)
        found = self.results(lmtp_engine)
        assert found[0][:2] == (SENT, 250)
        assert found[1][:2] == found[2][:2] == (REFUSED, 451)
        goes_on(lmtp_engine, lmtp, LMTP)

    def test_too_many(self, lmtp_engine, lmtp):
        lmtp.fault("end", also(b"250 2.0.0 one more\r\n"), nth=3)
        found = self.results(lmtp_engine)
        assert {x[:2] for x in found.values()} == {(SENT, 250)}
        goes_on(lmtp_engine, lmtp, LMTP)

    def test_421_in_between(self, lmtp_engine, lmtp):
        lmtp.fault("end", close_after("421 4.3.2 down"), nth=2)
        found = self.results(lmtp_engine)
        assert found[0][:2] == (SENT, 250)
        assert found[1] == (REFUSED, 451, "down")
        assert found[2][:2] == (REFUSED, 451)
        goes_on(lmtp_engine, lmtp, LMTP)

    def test_no_lhlo(self, lmtp_engine, lmtp):
        lmtp.fault("ehlo", reply("500 5.5.1 what"))
        found = answers(lmtp_engine, 1, [BOB], LMTP)
        assert found[0][0] == 451


class TestTls:
    @pytest.fixture(scope="class")
    def pair(self, tmp_path_factory):
        directory = tmp_path_factory.mktemp("tls")
        certificate(directory, "localhost", P256)
        return (str(directory / "localhost.crt"),
                str(directory / "localhost.key"))

    def process(self, sink, pair, **more):
        with open(pair[0], "rb") as file:
            return Process(ca=file.read(), relay_host="localhost",
                           relay_port=sink.port,
                           **dict({"relay_scheme": STARTTLS}, **more))

    def test_octets_in_clear_behind_220(self, pair):
        """RFC 3207, CVE-2021-38371 and its kin: an injected reply."""
        with RelaySink(certificate=pair) as sink, \
                self.process(sink, pair) as process:
            engine = process.engine()
            sink.fault("starttls", also(b"250-mx\r\n250 CHUNKING\r\n"))
            found = answers(engine, 1, [BOB])
            assert found[0][0] == 451
            engine.abandon(1)
            goes_on(engine, sink)
            assert sink.messages[0].session.tls

    @pytest.mark.parametrize("step, behaviour", [
        ("starttls", reply("454 4.7.0 no")), ("starttls", close()),
        ("tls", close()), ("tls", raw(b"220 what\r\n"))])
    def test_no_mail_without_tls(self, pair, step, behaviour):
        with RelaySink(certificate=pair) as sink, \
                self.process(sink, pair) as process:
            engine = process.engine()
            sink.fault(step, behaviour)
            assert answers(engine, 1, [BOB])[0][0] == 451
            assert not [x for x in sink.commands() if x[:4] == b"MAIL"]
            engine.abandon(1)

    @pytest.mark.parametrize("mechanisms", [
        ["PLAIN", "LOGIN", "SCRAM-SHA-256"], ["LOGIN", "PLAIN"], ["LOGIN"]])
    def test_login(self, pair, mechanisms):
        with RelaySink(certificate=pair, implicit=True,
                       logins={"user": "pass,=word"},
                       mechanisms=mechanisms) as sink, \
                self.process(sink, pair, relay_scheme=SMTPS,
                             relay_label="label",
                             secrets=b"label user:pass,=word\n") as process:
            goes_on(process.engine(), sink)
            best = [x for x in ("SCRAM-SHA-256", "PLAIN", "LOGIN")
                    if x in mechanisms][0]
            assert sink.sessions[0].login == (best, "user")
            assert "pass,=word" not in process.said()

    def test_wrong_password(self, pair):
        with RelaySink(certificate=pair, implicit=True,
                       logins={"user": "other"}) as sink, \
                self.process(sink, pair, relay_scheme=SMTPS,
                             relay_label="label",
                             secrets=b"label user:password1\n") as process:
            engine = process.engine()
            found = answers(engine, 1, [BOB])
            assert found[0][0] == 451 and found[0][1][0] == "4"
            assert "password1" not in process.said()
            process.wait_said("535")


class TestSink:
    """The sink itself, used by others' tests."""

    def test_smtplib(self):
        with RelaySink(keywords=["SIZE", "8BITMIME"]) as sink:
            with smtplib.SMTP("127.0.0.1", sink.port) as client:
                client.sendmail(BOB, [CAROL, DAVE], WIRE.decode())
            message, = sink.messages
            assert message.data == WIRE and message.sender == BOB
            assert message.addresses == [CAROL, DAVE]
            assert message.field("subject") == ["x"]
            assert message.raw.endswith(b"\r\n..dot\r\n.\r\n")

    def test_lmtp(self):
        with RelaySink(lmtp=True, keywords=[]) as sink:
            sink.fault("end", reply("550 5.1.1 no"), nth=2)
            with smtplib.LMTP("127.0.0.1", sink.port) as client:
                client.ehlo()
                client.mail(BOB)
                client.rcpt(CAROL)
                client.rcpt(DAVE)
                assert client.data(WIRE)[0] == 250
                assert client.getreply()[0] == 550
            assert [x[:3] for x in sink.messages[0].replies] == [
                b"250", b"550"]

    def test_tls_and_login(self, tmp_path):
        certificate(tmp_path, "localhost", P256)
        pair = (str(tmp_path / "localhost.crt"),
                str(tmp_path / "localhost.key"))
        context = ssl.create_default_context(cafile=pair[0])
        with RelaySink(certificate=pair, logins={"u": "p"}) as sink:
            with smtplib.SMTP("localhost", sink.port) as client:
                client.starttls(context=context)
                client.login("u", "p")
                client.sendmail(BOB, [CAROL], WIRE.decode())
            assert sink.messages[0].session.login == ("PLAIN", "u")

    def test_faults(self):
        with RelaySink() as sink:
            event = threading.Event()
            sink.fault("mail", hold(event), nth=1)
            with smtplib.SMTP("127.0.0.1", sink.port) as client:
                client.ehlo()
                client.putcmd("MAIL FROM:<a@b>")
                sink.wait_stalled()
                event.set()
                assert client.getreply()[0] == 250
            sink.clear()
            sink.fault("connect", reset())
            with pytest.raises((OSError, smtplib.SMTPException)):
                smtplib.SMTP("127.0.0.1", sink.port)
