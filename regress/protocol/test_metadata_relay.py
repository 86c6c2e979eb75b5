# SPDX-License-Identifier: ISC
"""METADATA on the way to others: a recording next hop, and another one of
ourselves behind `deliver lmtp`."""
import re
import threading

import pytest

from clause import clauses
from relay_sink import ALL, RelaySink, hold, reply
from server import Server
from test_metadata import FLAGS, TRACE, names, placed

ALICE, BOB = "alice@a.example", "bob@a.example"
OUT = "outside@a.example"
ALIASES = "outside@a.example: someone@elsewhere.example\n" \
    "mixed@a.example: bob@a.example, someone@elsewhere.example\n"
TEXT = b"Subject: x\r\n\r\nbody\r\n"
DESCRIBED = ALL + ["METADATA"]
FIELDS = [b"Received: from first\r\n\tby x; y\r\nX-A: 1\r\n", b"X-B: 2\r\n"]
LATE = b"X-Late: 3\r\n"
# As a client may send them: of every type, in this order.
CONTAINERS = [b"\0\0" + FIELDS[0], b"\1\2\0\r\n.\r\nunknown", b"\0\1$Label1 Own",
              b"\xff\xff", b"\0\0" + FIELDS[1], b"\7\7" + b"x" * 65534]


def hop(keywords):
    with RelaySink(keywords=keywords) as sink:
        with Server(aliases=ALIASES, extra='relay host "smtp://127.0.0.1:%d"'
                    % sink.port) as server:
            yield server, sink
            server.check()


@pytest.fixture(scope="module")
def described():
    yield from hop(DESCRIBED)


@pytest.fixture(scope="module")
def plain():
    yield from hop(ALL)


@pytest.fixture(scope="module")
def bare():
    yield from hop(["SIZE", "8BITMIME"])


def forward(server, recipients=(OUT,), parameters="", text=TEXT):
    """From the socket, containers and all; one comes late."""
    with server.trusted() as c:
        assert c.mail("friend@b.example", parameters).status == "250 2.1.0"
        for one in recipients:
            assert c.rcpt(one).status == "250 2.1.5"
        for one in CONTAINERS:
            assert c.chunk(one, verb="BMTD")[0].status == "250 2.1.0"
        assert c.chunk(text)[0].status == "250 2.0.0"
        return c.chunk(b"\0\0" + LATE, True, "BMTD", len(recipients))


def last(sink, count):
    return sink.wait(lambda s: len(s.messages) > count and s.messages)[-1]


@clauses("M-26", "M-27", "M-28", "M-29", "M-16", "D-M13")
def test_all_go_on(described):
    server, sink = described
    count = len(sink.messages)
    assert forward(server)[0].status == "250 2.1.12"
    message = last(sink, count)
    ours, *others = message.containers
    assert re.fullmatch(rb"\0\0Received: from (.|\r\n\t)*\r\n", ours)
    assert others == CONTAINERS + [b"\0\0" + LATE]
    assert message.data == TEXT


@clauses("M-26")
def test_our_trace_alone(described):
    """Where nothing came in containers; a user's message, with its token."""
    server, sink = described
    count = len(sink.messages)
    with server.login(ALICE) as c:
        c.mail(ALICE)
        assert c.rcpt("x@b.example").status == "250 2.1.5"
        assert c.data(TEXT)[0].status == "250 2.0.0"
    message = last(sink, count)
    ours, = message.containers
    assert ours.startswith(b"\0\0Received: ") and b"Token" not in ours
    assert message.data.startswith(b"Submission-Token: ")
    assert b"Received:" not in message.data


def many(server, recipient, number):
    """So many containers, which is the most or one more."""
    with server.trusted() as c:
        c.mail("friend@b.example")
        assert c.rcpt(recipient).status == "250 2.1.5"
        for n in range(number):
            assert c.container(300, b"%d" % n)[0].status == "250 2.1.0"
        assert c.chunk(TEXT, True)[0].status == "250 2.1.12"


@clauses("M-26", "M-29", "D-M08")
@pytest.mark.parametrize("number", [63, 64])
def test_as_many_as_may_be(described, number):
    """One of ours with 64 that came would be one too many for another one of
    ourselves: then our trace stays in the header."""
    server, sink = described
    count = len(sink.messages)
    many(server, OUT, number)
    message = last(sink, count)
    assert message.containers[-number:] == [
        b"\1\x2c%d" % n for n in range(number)]
    assert len(message.containers) == 64
    assert (b"Received: from " in message.containers[0]) == (number == 63)
    assert message.data.startswith(b"Received: from ") == (number == 64)
    assert message.data.endswith(TEXT)


@clauses("M-11", "M-14")
@pytest.mark.parametrize("nth", [1, 3])
def test_rset_after_a_refusal(described, nth):
    """RSET, or the end, before anything else is begun on that connection;
    and no container behind the answer."""
    server, sink = described
    sink.drop()
    sink.clear()
    sink.fault("bdat", reply("552 5.3.4 too much for me"), nth=nth)
    sink.fault("end", reply("503 5.5.1 not behind that"))
    known = len(sink.sessions)
    try:
        # What was on its way by then is refused, too (M-15).
        assert forward(server)[0].status in ("552 5.3.4", "503 5.5.1")
    finally:
        sink.clear()
    count = len(sink.messages)
    assert forward(server)[0].status == "250 2.1.12"
    last(sink, count)
    commands = [line.split()[0].upper() for session in sink.sessions[known:]
                for line in [b"CONNECT"] + session.commands]
    mails = [n for n, verb in enumerate(commands) if verb == b"MAIL"]
    assert len(mails) == 2
    assert commands[mails[1] - 1] in (b"RSET", b"EHLO", b"LHLO")


@clauses("D-M09")
def test_what_a_user_may_give(described):
    server, sink = described
    count = len(sink.messages)
    with server.login(ALICE) as c:
        c.mail(ALICE)
        assert c.rcpt("x@b.example").status == "250 2.1.5"
        c.container(TRACE, FIELDS[0])
        c.container(FLAGS, b"\\Seen Own \\Flagged")
        c.container(300, b"other")
        assert c.chunk(TEXT, True)[0].status == "250 2.0.0"
    message = last(sink, count)
    assert message.containers[1:] == [b"\0\1Own \\Flagged", b"\1\x2cother"]


@clauses("M-30", "M-31", "D-M05", "D-M06")
@pytest.mark.parametrize("which", ["plain", "bare"])
def test_fields_in_the_header(request, which):
    server, sink = request.getfixturevalue(which)
    count = len(sink.messages)
    assert forward(server)[0].status == "250 2.1.12"
    message = last(sink, count)
    assert message.containers == []
    assert message.data.startswith(b"Received: from ")
    assert message.data.endswith(b"".join(FIELDS) + LATE + TEXT)
    assert b"unknown" not in message.data and b"Label" not in message.data


@clauses("M-29", "M-34", "M-22")
def test_here_and_there(described):
    """One alias, one mailbox of which is here: both have it all."""
    server, sink = described
    count, before = len(sink.messages), server.all_mail()
    assert forward(server, ["mixed@a.example"])[0].status == "250 2.1.12"
    assert last(sink, count).containers[1:] == CONTAINERS + [b"\0\0" + LATE]
    file, letters = placed(server, BOB, before)
    assert names(server, BOB, letters) == {"$Label1", "Own"}
    text = file.read_bytes()
    assert text.endswith(
        (b"".join(FIELDS) + LATE + TEXT).replace(b"\r\n", b"\n"))
    assert ",S=%d:" % len(text) in file.name


def test_here_and_there_without_late_fields(described):
    server, sink = described
    count, before = len(sink.messages), server.all_mail()
    with server.trusted() as c:
        c.mail("friend@b.example")
        assert c.rcpt("mixed@a.example").status == "250 2.1.5"
        c.container(300, b"x" * 60000)
        assert c.chunk(TEXT, True)[0].status == "250 2.1.12"
    assert last(sink, count).containers[1:] == [b"\1\x2c" + b"x" * 60000]
    file, _ = placed(server, BOB, before)
    assert file.read_bytes().endswith(TEXT.replace(b"\r\n", b"\n"))


def test_the_report_has_the_header(described):
    """The lmtpd that has the file dies when the next hop has the message: the
    report of the copy that is not here still says which message it was."""
    server, sink = described
    count, before = len(sink.messages), server.all_mail()
    go_on = threading.Event()
    sink.fault("end", hold(go_on))
    try:
        with server.login(ALICE) as c:
            c.mail(ALICE)
            assert c.rcpt("mixed@a.example").status == "250 2.1.5"
            c.send(b"BDAT %d LAST\r\n%s" % (len(TEXT), TEXT))
            sink.wait_stalled()
            for pid in server.pids("lmtpd"):
                server.kill_one(pid)
            server.accept_new_family(30)
            sink.clear()
            go_on.set()
            assert c.reply().status == "250 2.0.0"
    finally:
        go_on.set()
        sink.clear()
    report = sink.wait(lambda s: [x.data for x in s.messages[count:]
                                  if b"report-type" in x.data])[0]
    assert b"\r\nSubject: x\r\n" in report.partition(b"rfc822-headers")[2]
    assert server.all_mail() == before


@clauses("F-17", "F-112")
def test_binary_bodies(described, bare):
    body = b"Subject: x\r\n\r\n\0\n\r\r\nend"
    server, sink = described
    count = len(sink.messages)
    assert forward(server, parameters=" BODY=BINARYMIME", text=body)[
        0].status == "250 2.1.12"
    message = last(sink, count)
    assert message.data == body
    server, sink = bare
    with server.trusted() as c:
        c.mail("friend@b.example", " BODY=BINARYMIME")
        assert c.rcpt(OUT).status in ("550 5.6.1", "554 5.6.1")


@clauses("F-20", "F-112")
def test_chunks_go_out_by_data(bare):
    """Whatever came, CR LF "." CR LF ends it once, at its end."""
    server, sink = bare
    count = len(sink.messages)
    with server.trusted() as c:
        c.mail("friend@b.example")
        c.rcpt(OUT)
        assert c.chunk(b"Subject: x\r\n\r\n.\r\n..\r\n\r\n.")[0].code == 250
        assert c.chunk(b"\r\nMAIL FROM:<x>", True)[0].status == "250 2.1.12"
    assert last(sink, count).data.endswith(
        b"Subject: x\r\n\r\n.\r\n..\r\n\r\n.\r\nMAIL FROM:<x>\r\n")


@clauses("M-27", "M-34", "M-22", "M-33")
def test_another_one_of_ourselves():
    """deliver lmtp to the socket of a second instance."""
    with Server() as behind:
        replace = {"deliver": 'deliver lmtp "%s"' % behind.socket}
        with Server(replace=replace) as front:
            before = behind.all_mail()
            reply, = forward(front, [BOB])
            assert reply.status == "250 2.1.12"
            file, letters = placed(behind, BOB, before)
            assert names(behind, BOB, letters) == {"$Label1", "Own"}
            head = file.read_bytes().partition(b"\n\n")[0]
            fields = re.findall(rb"(?m)^([A-Za-z-]+):", head)
            assert fields == [b"Return-Path", b"Received", b"Received",
                              b"Received", b"X-A", b"X-B", b"X-Late",
                              b"Subject"]
            many(front, BOB, 64)
            token = front.permanent("friend@b.example", BOB)
            before = behind.all_mail()
            with front.token_session(BOB, token) as c:
                c.mail("friend@b.example")
                c.rcpt(BOB, token)
                c.container(TRACE, FIELDS[0])
                c.container(FLAGS, b"Not-mine")
                c.container(300, b"x")
                assert c.chunk(TEXT, True)[0].status == "250 2.1.12"
            file, letters = placed(behind, BOB, before)
            text = file.read_bytes()
            assert letters == "" and b"X-A" not in text
            assert text.count(b"Received: ") == 3
            assert b"Authentication-Results: mx.a.example;\n\tauth=pass (sto" \
                in text
