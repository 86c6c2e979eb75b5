# SPDX-License-Identifier: ISC
"""The relay process alone, its engines played by the test (relay.py)."""
import os
import pathlib
import threading

import pytest

import relay
from clause import clauses
from relay import (LMTP, NOT_TRIED, REFUSED, SENT, SMTPS, STARTTLS, Process,
                   Sink)
from server import P256, certificate

BOB, CAROL, DAVE = "bob@b.example", "carol@c.example", "dave@d.example"
TEXT = b"Subject: x\n\nhello\n.dot\n"
WIRE = b"Subject: x\r\n\r\nhello\r\n.dot\r\n"
OK = (SENT, 250, "taken")


@pytest.fixture
def sink():
    with Sink() as one:
        yield one


@pytest.fixture
def process(sink):
    with Process(relay_host="127.0.0.1", relay_port=sink.port) as one:
        yield one


@pytest.fixture
def engine(process):
    return process.engine()


def send(engine, session, address=BOB, **more):
    engine.open(session, 1, address, **more)
    code, _, _ = engine.opened(1)
    assert code == 250
    engine.data(session, TEXT)
    return engine.results(1)[1]


def verbs(sink):
    return [x.split()[0].decode() for x in sink.lines]


def test_one_message(engine, sink):
    engine.open(7, 1, BOB)
    assert engine.opened(1) == (250, "2.1.5", "ok")
    engine.head(7, 1, "Received: from x\nSubmission-Token: abc\n")
    engine.data(7, b"Return-Path: <x>\n" + TEXT, offset=17)
    assert engine.results(1) == {1: OK}
    assert sink.messages == [([b"bob@b.example"],
                              b"Received: from x\r\nSubmission-Token: abc\r\n"
                              + WIRE)]


def test_connections_are_kept(engine, sink):
    for session in range(1, 6):
        assert send(engine, session) == OK
    assert sink.connections == 1 and len(sink.messages) == 5
    assert verbs(sink).count("EHLO") == 1


def test_refusal_of_a_recipient_is_passed_on(engine, sink):
    sink.answers["RCPT"] = lambda s, c, line: \
        b"550-5.1.1 no such\r\n550 5.1.1 user" if b"bob" in line else True
    engine.open(7, 1, BOB, shared=1)
    assert engine.opened(1) == (550, "5.1.1", "no such user")
    engine.open(7, 2, CAROL, shared=1)
    assert engine.opened(2)[0] == 250
    engine.data(7, TEXT)
    assert engine.results(1) == {2: OK}
    assert sink.messages == [([b"carol@c.example"], WIRE)]


def test_shared_recipients_go_in_one_transaction(engine, sink):
    for number, address in enumerate((BOB, CAROL, DAVE)):
        engine.open(7, number, address, shared=1)
    assert sorted(engine.opened()[0] for _ in range(3)) == [250] * 3
    engine.data(7, TEXT)
    assert engine.results(3) == {0: OK, 1: OK, 2: OK}
    assert len(sink.messages) == 1 and len(sink.messages[0][0]) == 3


class TestOneByOne:
    """DESIGN section 11: one reply for many outcomes."""

    def open(self, engine):
        for number, address in enumerate((BOB, CAROL, DAVE)):
            engine.open(7, number, address)
            assert engine.opened(number)[0] == 250
            engine.head(7, number, "Submission-Token: %d\n" % number)
        engine.data(7, TEXT, one_by_one=1)

    def test_all_are_accepted(self, engine, sink):
        self.open(engine)
        assert engine.results(3) == {0: OK, 1: OK, 2: OK}
        assert sink.messages[0][0] == [b"bob@b.example"]
        found = {x[0][0]: x[1] for x in sink.messages}
        for number, address in enumerate((BOB, CAROL, DAVE)):
            token = b"Submission-Token: %d\r\n" % number
            assert found[address.encode()] == token + WIRE

    def test_first_is_refused(self, engine, sink):
        """Then nothing else goes out, whatever the others would say."""
        sink.answers["end"] = lambda s, c, address: \
            b"554 5.7.1 spam" if address == BOB.encode() else True
        self.open(engine)
        results = engine.results(3)
        assert results.pop(0) == (REFUSED, 554, "spam")
        assert {x[0] for x in results.values()} == {NOT_TRIED}
        assert sink.messages == []

    def test_another_is_refused(self, engine, sink):
        sink.answers["end"] = lambda s, c, address: \
            b"554 5.7.1 spam" if address == CAROL.encode() else True
        self.open(engine)
        assert engine.results(3) == {0: OK, 1: (REFUSED, 554, "spam"), 2: OK}
        assert len(sink.messages) == 2

    def test_the_first_is_alone(self, engine, sink):
        """While its answer is awaited no other's end is out."""
        seen, going = [], threading.Event()

        def end(_, session, address):
            seen.append(address)
            if address == BOB.encode():
                assert going.wait(relay.WAIT)
            return True
        sink.answers["end"] = end
        self.open(engine)
        sink.wait(lambda s: seen)
        assert engine.channel.quiet() and seen == [BOB.encode()]
        going.set()
        assert engine.results(3) == {0: OK, 1: OK, 2: OK}
        assert seen[0] == BOB.encode()

    def test_one_fails_before_any_is_out(self, engine, sink):
        """The connection of one is lost in the middle: all can be undone."""
        def data(_, session, line):
            return None if session.recipients == [DAVE.encode()] else True
        sink.answers["DATA"] = sink.answers["BDAT"] = data
        self.open(engine)
        results = engine.results(3)
        assert results[2][0] == REFUSED and results[2][1] // 100 == 4
        assert results[0][0] == results[1][0] == NOT_TRIED
        assert sink.messages == []

    def test_first_is_lost_behind_its_end(self, engine, sink):
        """It may have been delivered, so it is no success; the others stay."""
        sink.answers["end"] = lambda s, c, address: None
        self.open(engine)
        results = engine.results(3)
        assert results[0][0] == REFUSED and results[0][1] == 451
        assert results[1][0] == results[2][0] == NOT_TRIED


@clauses("S1-15")
class TestTickets:
    @pytest.mark.parametrize("wrong", [
        {"ticket": b""}, {"ticket": bytes(16)}, {"life": -1},
        {"expires": 1 << 63}, {"ticket": "other sender"},
        {"ticket": "other address"}, {"ticket": "other session"}])
    def test_without_one(self, engine, sink, wrong):
        words = {"other sender": (7, "eve@a.example", BOB),
                 "other address": (7, "alice@a.example", CAROL),
                 "other session": (8, "alice@a.example", BOB)}
        if wrong.get("ticket") in words:
            expires = relay.monotonic() + 60000
            wrong = {"expires": expires, "ticket": engine.ticket(
                *words[wrong["ticket"]], expires)}
        elif "expires" in wrong:  # with the MAC of another time
            wrong = dict(wrong, ticket=engine.ticket(
                7, "alice@a.example", BOB, 1))
        engine.open(7, 1, BOB, **wrong)
        assert engine.opened(1)[:2] == (451, "4.3.0")
        assert sink.connections == 0

    def test_another_sender_does_not_slip_in(self, process, engine):
        engine.open(7, 1, BOB, shared=1)
        assert engine.opened(1)[0] == 250
        engine.open(7, 2, CAROL, sender="eve@a.example", shared=1)
        name, values = process.parent.hear()
        assert name == "COMPLAINT" and values["role"] == relay.ROLE_ENGINE


class TestLostConnections:
    def test_nobody_listens(self, engine, sink):
        sink.close()
        engine.open(7, 1, BOB)
        assert engine.opened(1)[:2] == (451, "4.4.1")

    def test_a_kept_one_was_closed(self, engine, sink):
        assert send(engine, 1) == OK
        sink.drop()
        for session in range(2, 5):
            assert send(engine, session) == OK
        assert sink.connections == 2

    @pytest.mark.parametrize("reply", [None, b"421 4.4.2 too long"])
    def test_a_kept_one_is_closed_now(self, engine, sink, reply):
        """In answer to MAIL, nothing of which was said before."""
        assert send(engine, 1) == OK
        sink.answers["MAIL"] = lambda s, session, line: \
            sink.answers.pop("MAIL") and reply
        assert send(engine, 2) == OK
        assert sink.connections == 2

    def test_in_the_middle_of_a_transaction(self, engine, sink):
        engine.open(7, 1, BOB)
        assert engine.opened(1)[0] == 250
        sink.drop()
        sink.wait(lambda s: s.live == 0)
        engine.data(7, TEXT)
        outcome, code, _ = engine.results(1)[1]
        assert outcome == REFUSED and code == 451
        assert send(engine, 8) == OK

    @pytest.mark.parametrize("reply", [b"421 4.3.2 busy", b"554 5.3.2 closed",
                                       None, b"nonsense", b"999 x"])
    def test_greeting(self, engine, sink, reply):
        sink.answers["connect"] = reply
        engine.open(7, 1, BOB)
        code, enhanced, _ = engine.opened(1)
        assert code // 100 in (4, 5) and enhanced[0] == str(code)[0]
        del sink.answers["connect"]
        assert send(engine, 8) == OK

    def test_peer_takes_fewer_connections(self, engine, sink):
        """One of many is told 421: the mails wait for the others."""
        sink.answers["connect"] = lambda s, session, line: \
            b"421 4.7.0 too many" if s.live > 2 else True
        for session in range(1, 9):
            engine.open(session, 1, BOB)
            if session == 2:
                for _ in range(2):
                    assert engine.opened(1)[0] == 250
                for x in (1, 2):
                    engine.data(x, TEXT)
                    assert engine.results(1) == {1: OK}
        opened = {}
        while len(opened) < 6:
            name, values = engine.channel.hear()
            if name == "RELAY_OPENED":
                assert values["code"] == 250
                opened[values["session"]] = 1
                engine.data(values["session"], TEXT)
            else:
                assert values["outcome"] == SENT


class TestAbandon:
    def test_before_the_data(self, engine, sink):
        engine.open(7, 1, BOB)
        assert engine.opened(1)[0] == 250
        engine.abandon(7)
        sink.wait(lambda s: "RSET" in verbs(s))
        assert send(engine, 8) == OK
        assert len(sink.messages) == 1

    def test_after_it(self, engine, sink):
        going = threading.Event()
        sink.answers["end"] = lambda s, c, line: going.wait(relay.WAIT)
        engine.open(7, 1, BOB)
        assert engine.opened(1)[0] == 250
        engine.data(7, TEXT)
        sink.wait(lambda s: s.messages)
        engine.abandon(7)
        going.set()
        assert send(engine, 8) == OK

    def test_unknown(self, engine):
        engine.abandon(99)
        engine.data(98, TEXT)
        assert send(engine, 1) == OK

    def test_the_engine_dies(self, process, sink):
        first = process.engine()
        for number in range(5):
            first.open(7, number, BOB)
            assert first.opened(number)[0] == 250
        first.channel.socket.close()
        assert send(process.engine(), 8) == OK
        sink.wait(lambda s: verbs(s).count("RSET") == 5)
        assert len(sink.messages) == 1


class TestContract:
    """What an engine that was taken over might say."""

    def breach(self, process, engine):
        name, values = process.parent.hear()
        assert name == "COMPLAINT" and values["role"] == relay.ROLE_ENGINE
        assert send(process.engine(), 1) == OK

    @pytest.mark.parametrize("address", [
        "", "a@b\r\nDATA", "a@b\n", "a\0@b", "a@b\x7f"])
    def test_addresses(self, process, engine, address):
        engine.open(7, 1, address)
        self.breach(process, engine)

    @pytest.mark.parametrize("more", [
        {"mail_parameters": "RET=HDRS\r\nRSET"}, {"body": 9}, {"hop": 3},
        {"rcpt_parameters": "NOTIFY=\nx"}, {"sender": "a\r@b"}])
    def test_parameters(self, process, engine, more):
        engine.open(7, 1, BOB, **more)
        self.breach(process, engine)

    def test_the_same_number_twice(self, process, engine):
        engine.open(7, 1, BOB)
        assert engine.opened(1)[0] == 250
        engine.open(7, 1, CAROL)
        self.breach(process, engine)

    @pytest.mark.parametrize("more", [
        {"size": 1000}, {"size": 1 << 63}, {"offset": 500, "size": 0},
        {"message": "another"}])
    def test_data(self, process, engine, more):
        engine.open(7, 1, BOB)
        assert engine.opened(1)[0] == 250
        engine.data(7, TEXT, **more)
        self.breach(process, engine)


def lmtp_process(where):
    return Process(lmtp_address=where)


class TestLmtp:
    """deliver lmtp: everything at once, an answer for each."""

    def deliver(self, engine, session=7, addresses=(BOB, CAROL, DAVE), **more):
        for number, address in enumerate(addresses):
            engine.open(session, number, address, hop=LMTP, shared=1, **more)
        engine.data(session, TEXT, hop=LMTP)

    def test_an_answer_for_each(self, sink):
        sink.answers["end"] = lambda s, c, address: \
            b"452 4.2.2 full" if address == CAROL.encode() else True
        sink.answers["RCPT"] = lambda s, c, line: \
            b"550 5.1.1 unknown" if b"dave" in line else True
        with lmtp_process("127.0.0.1:%d" % sink.port) as process:
            engine = process.engine()
            for session in (7, 8):
                self.deliver(engine, session)
                assert [engine.opened(x)[0] for x in range(3)] == [
                    250, 250, 550]
                assert engine.results(2) == {0: OK, 1: (REFUSED, 452, "full")}
        assert verbs(sink)[0] == "LHLO" and sink.connections == 1
        assert sink.messages[0][1] == WIRE

    def test_socket_of_the_file_system(self, tmp_path):
        tmp_path.chmod(0o755)
        for folder in tmp_path.parents[:2]:
            folder.chmod(0o755)
        path = str(tmp_path / "lmtp")
        with Sink(path=path) as sink, lmtp_process(path) as process:
            engine = process.engine()
            self.deliver(engine)
            assert [engine.opened()[0] for _ in range(3)] == [250] * 3
            assert engine.results(3) == {0: OK, 1: OK, 2: OK}
        with lmtp_process(path) as process:
            engine = process.engine()
            self.deliver(engine)
            assert [engine.opened()[0] for _ in range(3)] == [451] * 3

    def test_tickets(self, sink):
        with lmtp_process("127.0.0.1:%d" % sink.port) as process:
            engine, trusted = process.engine(), process.engine(trusted=1)
            engine.open(7, 1, BOB, hop=LMTP, ticket=bytes(16))
            assert engine.opened(1)[:2] == (451, "4.3.0")
            trusted.open(7, 1, BOB, hop=LMTP, ticket=b"", sender="")
            assert trusted.opened(1)[0] == 250

    def test_a_ticket_that_gets_late(self, sink):
        """As for lmtpd: it counts until the message is in others' hands."""
        going = threading.Event()
        sink.answers["DATA"] = lambda s, c, line: going.wait(relay.WAIT)
        sink.keywords = ["PIPELINING", "8BITMIME"]
        with lmtp_process("127.0.0.1:%d" % sink.port) as process:
            engine = process.engine()
            expires = relay.monotonic() + 1500
            self.deliver(engine, addresses=(BOB,), expires=expires)
            assert engine.opened(0)[0] == 250
            while relay.monotonic() <= expires:
                pass
            going.set()
            assert engine.results(1)[0][:2] == (REFUSED, 451)
        assert sink.messages == []


class TestTls:
    @pytest.fixture(scope="class")
    def files(self, tmp_path_factory):
        folder = tmp_path_factory.mktemp("tls")
        certificate(folder, "localhost", P256, "localhost,IP:127.0.0.1")
        certificate(folder, "other.example", P256)
        return lambda name: (str(folder / (name + ".crt")),
                             str(folder / (name + ".key")))

    def ca(self, files, name="localhost"):
        return pathlib.Path(files(name)[0]).read_bytes()

    @pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
    @pytest.mark.parametrize("scheme", [STARTTLS, SMTPS])
    def test_verified_and_logged_in(self, files, scheme, host):
        with Sink(certificate=files("localhost"), implicit=scheme == SMTPS,
                  keywords=["AUTH PLAIN", "PIPELINING"]) as sink, \
                Process(relay_host=host, relay_port=sink.port,
                        relay_scheme=scheme, ca=self.ca(files),
                        relay_label="me", secrets=b"you a:b\n\nme\tal:p:w\r\n",
                        ) as process:
            engine = process.engine()
            for session in (1, 2):
                assert send(engine, session) == OK
            assert b"AUTH PLAIN AGFsAHA6dw==" in sink.lines
            assert sink.connections == 1

    @pytest.mark.parametrize("scheme", [STARTTLS, SMTPS])
    @pytest.mark.parametrize("name, ca", [
        ("localhost", "other.example"), ("other.example", "other.example")])
    def test_not_who_it_should_be(self, files, scheme, name, ca):
        with Sink(certificate=files(name), implicit=scheme == SMTPS) as sink:
            settings = dict(relay_host="127.0.0.1", relay_port=sink.port,
                            relay_scheme=scheme)
            with Process(ca=self.ca(files, ca), **settings) as process:
                engine = process.engine()
                engine.open(1, 1, BOB)
                assert engine.opened(1)[0] == 451
                process.wait_said("TLS: the certificate was not accepted: ")
            assert not any(x.startswith(b"MAIL") for x in sink.lines)
            with Process(relay_verify=0, **settings) as process:
                assert send(process.engine(), 1) == OK

    def test_demanded_but_not_there(self, files, sink):
        with Process(relay_host="127.0.0.1", relay_port=sink.port,
                     relay_scheme=STARTTLS, ca=self.ca(files)) as process:
            engine = process.engine()
            engine.open(1, 1, BOB)
            assert engine.opened(1)[0] == 451
        assert "MAIL" not in verbs(sink)

    def test_none_on_loopback(self, files):
        with Sink(certificate=files("localhost")) as sink, \
                Process(relay_host="127.0.0.1", relay_port=sink.port
                        ) as process:
            assert send(process.engine(), 1) == OK
            assert "STARTTLS" not in verbs(sink)

    def test_large(self, files):
        text = b"x" * 70 + b"\n"
        with Sink(certificate=files("localhost"), implicit=True) as sink, \
                Process(relay_host="localhost", relay_port=sink.port,
                        relay_scheme=SMTPS, ca=self.ca(files)) as process:
            engine = process.engine()
            engine.open(1, 1, BOB)
            assert engine.opened(1)[0] == 250
            engine.data(1, text * 60000)
            assert engine.results(1) == {1: OK}
        assert sink.messages[0][1] == text.replace(b"\n", b"\r\n") * 60000


@pytest.mark.parametrize("keywords", [
    [], ["PIPELINING"], ["CHUNKING"], ["PIPELINING", "CHUNKING", "BINARYMIME"]])
def test_large_message(sink, engine, keywords):
    """Line by line with dots and without, to a peer that takes its time."""
    sink.keywords = keywords
    text = (b".\n..a\n" + b"y" * 900 + b"\n\n") * 4000
    engine.open(1, 1, BOB)
    assert engine.opened(1)[0] == 250
    engine.data(1, text)
    assert engine.results(1) == {1: OK}
    assert sink.messages[0][1] == text.replace(b"\n", b"\r\n")


def test_many_mails(process, sink):
    """More than there are connections: all are sent, none is lost."""
    engines, count = [process.engine(), process.engine()], 150
    for session in range(1, count + 1):
        for engine in engines:
            engine.open(session, 1, BOB)
    told = 0
    while told < 2 * count:
        for engine in engines:
            engine.channel.poll(0.05)
            for name, values in engine.channel.heard:
                if name == "RELAY_OPENED":
                    assert values["code"] == 250
                    engine.data(values["session"], TEXT)
                else:
                    assert values["outcome"] == SENT and values["last"]
                    told += 1
            engine.channel.heard.clear()
    assert sink.connections <= 200 and len(sink.messages) == 2 * count


def test_many_copies_do_not_wait_for_one_another(process, sink):
    """Mails that need more connections than there are get them in the end."""
    engine = process.engine()
    for session in range(1, 31):
        for number in range(3):
            engine.open(session, number, BOB)
    opened, told = {}, 0
    while told < 90:
        name, values = engine.channel.hear()
        session = values["session"]
        if name == "RELAY_OPENED":
            assert values["code"] == 250
            opened[session] = opened.get(session, 0) + 1
            if opened[session] == 3:
                engine.data(session, TEXT, one_by_one=1)
        else:
            assert values["outcome"] == SENT
            told += 1


@pytest.mark.parametrize("verb", ["connect", "EHLO", "MAIL", "RCPT"])
def test_a_peer_that_says_nothing(sink, verb):
    sink.answers[verb] = b""
    with Process(relay_host="127.0.0.1", relay_port=sink.port,
                 timeout_relay=1) as process:
        engine = process.engine()
        engine.open(1, 1, BOB)
        assert engine.opened(1)[0] == 451


@pytest.mark.parametrize("verb", ["DATA", "end"])
def test_a_peer_that_says_nothing_to_data(sink, verb):
    sink.answers[verb] = b""
    with Process(relay_host="127.0.0.1", relay_port=sink.port,
                 timeout_relay=1) as process:
        engine = process.engine()
        engine.open(1, 1, BOB)
        assert engine.opened(1)[0] == 250
        engine.data(1, TEXT)
        outcome, code, _ = engine.results(1)[1]
        assert outcome == REFUSED and code == 451


def test_reload(process, engine, sink):
    """New mail goes where it is told; what was begun goes on."""
    assert send(engine, 1) == OK
    engine.open(2, 1, BOB)
    assert engine.opened(1)[0] == 250
    with Sink() as other:
        assert process.configure(relay_host="127.0.0.1",
                                 relay_port=other.port)["ok"] == 1
        assert send(engine, 3) == OK
        engine.data(2, TEXT)
        assert engine.results(1) == {1: OK}
        assert len(sink.messages) == 2 and len(other.messages) == 1
        sink.wait(lambda s: s.live == 0)
        refused = process.configure(
            relay_host="127.0.0.1", relay_port=other.port,
            relay_scheme=SMTPS)
        assert refused["ok"] == 0 and b"ca" in refused["problem"]
        assert send(engine, 4) == OK


def test_secrets_without_the_label(process, sink):
    refused = process.configure(
        relay_host="127.0.0.1", relay_port=sink.port, relay_scheme=SMTPS,
        relay_verify=0, relay_label="me", secrets=b"you a:b\nme nothing\n")
    assert refused["ok"] == 0 and b"me:" in refused["problem"]


def test_nothing_is_left_open(process, engine, sink):
    folder = "/proc/%d/fd" % process.process.pid
    if not os.access(folder, os.R_OK):
        pytest.skip("only root sees the descriptors of such a process")
    for session in range(1, 40):
        assert send(engine, session) == OK
        engine.open(1000 + session, 1, BOB)
        engine.opened(1)
        engine.abandon(1000 + session)
    assert len(os.listdir(folder)) < 30


def test_a_stop_says_goodbye(process, engine, sink):
    assert send(engine, 1) == OK
    process.parent.say("SHUTDOWN", seconds=30)
    sink.wait(lambda s: "QUIT" in verbs(s))
