# SPDX-License-Identifier: ISC
"""The delivered file, octet for octet: trace, line ends, name."""
import datetime
import email.utils
import os
import pathlib
import re

import pytest

from clause import clauses

ALICE, BOB = "alice@a.example", "bob@a.example"
DEMO = pathlib.Path(__file__).parents[1] / "demo/message.eml"
CIPHER = r"TLS_[A-Z0-9_]+"


def new_file(server, address, before):
    files = [x for x in server.mail(address) if x not in before]
    assert len(files) == 1
    return files[0]


def by_token(server, pair, message, parameters=""):
    """Delivers by a permanent token: (file, delivery id, reply)."""
    remote, local = pair
    token = server.permanent(remote, local)
    before = server.mail(local)
    with server.token_session(local, token) as c:
        assert c.mail(remote, parameters).status == "250 2.1.0"
        assert c.rcpt(local, token).status == "250 2.1.5"
        reply, = c.data(message)
        assert reply.status == "250 2.1.12", reply
    return new_file(server, local, before), reply.text.split()[1]


def fields(content):
    """The header as a list of (name, unfolded value), and the body."""
    head, _, body = content.partition(b"\n\n")
    text = re.sub(rb"\n(?=[ \t])", b"", head).decode()
    return [tuple(x.split(": ", 1)) for x in text.split("\n")], body


BODIES = [
    b"", b"Subject: x\r\n\r\n", b"Subject: x\r\n\r\n.\r\n..\r\n...x\r\n",
    b".leading dot\r\n\r\n.\r\n",
    b"Subject: x\r\n\r\n" + b"y" * 5000 + b"\r\n",
    b"Subject: x\r\n\r\n" + b"line\r\n" * 40000,
    b"Subject: \xc3\xa4\r\n\r\n\xff\xfe 8 bit\r\n", b"\r\n\r\n\r\n",
    b"From x\r\nFrom y\r\n\r\nFrom z\r\n", b"\x01\x7f\t\x0b\r\n"]


@clauses("S1-61", "F-95", "F-112")
@pytest.mark.parametrize("message", BODIES)
def test_every_octet(server, pair, message):
    path, _ = by_token(server, pair, message)
    content = path.read_bytes()
    assert b"\r" not in content
    assert content.endswith(message.replace(b"\r\n", b"\n"))


@clauses("S1-09", "D-S18", "D-S20", "F-61", "F-75", "F-105", "S1-20")
def test_trace_of_a_token_delivery(server, pair):
    message = DEMO.read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    path, identifier = by_token(server, pair, message)
    content = path.read_bytes()
    own = content[:-len(message.replace(b"\r\n", b"\n"))]
    found, _ = fields(own + b"\n")
    found = [x for x in found if x != ("",)]
    assert [x[0] for x in found] == [
        "Return-Path", "Received", "Authentication-Results"]
    values = dict(found)
    assert values["Return-Path"] == "<%s>" % pair[0]
    received = " ".join(values["Received"].split())
    body, _, date = received.rpartition("; ")
    assert re.match(r"from client\.example \(.*\[127\.0\.0\.1\]\)", body), body
    assert " by mx.a.example " in body
    assert " with LMTPSA " in body
    assert re.search(r" id %s( |$)" % re.escape(identifier[:16]), body)
    assert re.search(r"tls %s" % CIPHER, body)
    when = email.utils.parsedate_to_datetime(date)
    now = datetime.datetime.now(datetime.timezone.utc)
    assert abs((now - when).total_seconds()) < 120
    result = values["Authentication-Results"]
    assert result.startswith("mx.a.example;")
    assert "auth=pass" in result and "perm" in result
    for line in own.decode().split("\n"):
        assert len(line) <= 998


@clauses("S1-20", "D-S18")
def test_kind_of_token_is_named(server, pair):
    token = server.temporary(*pair)
    before = server.mail(ALICE)
    with server.token_session(ALICE, token) as c:
        c.mail(pair[0])
        c.rcpt(ALICE, token)
        c.data("Subject: x\r\n\r\n")
    text = new_file(server, ALICE, before).read_text()
    assert re.search("auth=pass.*temp", text.split("\n\n")[0], re.DOTALL)


@clauses("D-S20", "F-75")
def test_utf8lmtpsa(server, pair):
    path, _ = by_token(server, pair, b"Subject: x\r\n\r\n", " SMTPUTF8")
    assert b" with UTF8LMTPSA " in path.read_bytes().replace(b"\n\t", b" ")


@clauses("F-75")
@pytest.mark.parametrize("kind,word", [("EHLO", "ESMTPSA"), ("LHLO", "LMTPSA"),
                                       ("socket", "LMTP")])
def test_with_of_other_ways(server, kind, word):
    before = server.mail(BOB)
    c = server.trusted() if kind == "socket" else server.login(ALICE, kind)
    with c:
        c.mail(ALICE)
        c.rcpt(BOB)
        c.data("Subject: x\r\n\r\n")
    text = new_file(server, BOB, before).read_text().replace("\n\t", " ")
    assert re.search(r"^Received: .* with %s[ ;]" % word, text, re.M)
    assert text.startswith("Return-Path: <%s>\n" % ALICE)


@clauses("S1-28")
def test_no_token_in_the_file(server, pair):
    token = server.permanent(*pair)
    path, _ = by_token(server, pair, b"Subject: x\r\n\r\n")
    assert token.encode() not in path.read_bytes()


@clauses("F-105")
def test_old_trace_is_kept(server, pair):
    """Received lines are never changed, dropped or reordered."""
    old = (b"Received: from one by two; x\r\nReceived: from zero by one; y\r\n"
           b"Subject: x\r\n\r\nbody\r\n")
    path, _ = by_token(server, pair, old)
    assert path.read_bytes().endswith(old.replace(b"\r\n", b"\n"))


@clauses("D-S18")
def test_forged_results_are_not_believed(server, pair):
    """RFC 8601 section 5: our name in a message from outside is removed."""
    forged = (b"Authentication-Results: mx.a.example; auth=pass\r\n"
              b"Subject: x\r\n\r\nbody\r\n")
    path, _ = by_token(server, pair, forged)
    lines = re.findall(rb"^Authentication-Results: *mx\.a\.example",
                       path.read_bytes(), re.M)
    assert len(lines) in (1, 2)
    assert path.read_bytes().find(b"Authentication-Results") < \
        path.read_bytes().find(b"Subject")


def test_file_name(server, pair):
    path, identifier = by_token(server, pair, b"Subject: x\r\n\r\nbody\r\n")
    assert path.parent.name == "new"
    assert identifier in path.name
    assert re.search(r",S=(\d+)", path.name)
    assert int(re.search(r",S=(\d+)", path.name).group(1)) == \
        path.stat().st_size
    assert ":" not in path.name and "/" not in path.name
    size = re.search(r",W=(\d+)", path.name)
    if size:
        content = path.read_bytes()
        assert int(size.group(1)) == len(content) + content.count(b"\n")


def test_modes(server, pair):
    path, _ = by_token(server, pair, b"Subject: x\r\n\r\nbody\r\n")
    assert path.stat().st_mode & 0o077 == 0
    box = server.mailbox(ALICE)
    for part in (box, box / "new", box / "cur", box / "tmp"):
        assert part.stat().st_mode & 0o777 == 0o700, part
    assert os.path.isdir(box / "cur")


def test_nothing_is_left_behind(server, pair):
    by_token(server, pair, b"Subject: x\r\n\r\nbody\r\n")
    left = [x for x in server.leftovers()
            if x.parent.name == "tmp" and x.parent.parent.parent.parent
            == server.mailroot]
    assert left == []


def test_one_file_for_equal_copies(server):
    """Several recipients: equal content may be one file with many links."""
    before = {x: server.mail(x) for x in (ALICE, BOB)}
    with server.trusted() as c:
        c.mail("x@b.example")
        c.rcpt(ALICE)
        c.rcpt(BOB)
        replies = c.data("Subject: x\r\n\r\nbody\r\n", 2)
    files = [new_file(server, x, before[x]) for x in (ALICE, BOB)]
    assert files[0].read_bytes() == files[1].read_bytes()
    for path, reply in zip(files, replies):
        assert reply.text.split()[1] in path.name


def test_id_is_in_reply_name_header_and_log(server, pair):
    path, identifier = by_token(server, pair, b"Subject: x\r\n\r\nbody\r\n")
    assert identifier in path.name
    assert identifier[:16].encode() in path.read_bytes()
    line = server.wait_log(r"^.*delivery id=%s .*$" % re.escape(identifier))
    for word in ("from=<%s>" % pair[0], "to=<%s>" % ALICE, "stat=Sent",
                 "dsn=2.1.12"):
        assert word in line.group(0)
