# SPDX-License-Identifier: ISC
"""The order of system calls of a delivery, proved from strace:
write < flush of the file < link or rename into new/ < flush of the directory
< the reply.  The last write of data is the engine's, the rest is lmtpd's.
"""
import re
import shutil
import sys
import pathlib

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from clause import clauses  # noqa: E402
from server import UNBOUND, Server, as_nobody  # noqa: E402
from straced import parse  # noqa: E402

ALICE, BOB = "alice@a.example", "bob@a.example"
TRACED = ("write,writev,pwrite64,sendmsg,sendto,fsync,fdatasync,syncfs,link,"
          "linkat,rename,renameat,renameat2,openat")
FLUSH = ("fsync", "fdatasync", "syncfs")
APPEAR = ("link", "linkat", "rename", "renameat", "renameat2")
WRITE = ("write", "writev", "pwrite64")
TELL = ("write", "writev", "sendmsg", "sendto")


def path_of(call):
    """The path of the descriptor that is the first argument (strace -y)."""
    match = re.match(r"-?\w+<(.*?)(?:>|, )", call.text)
    return match.group(1) if match else ""


def appearances(calls, delivery):
    """The calls that made the file of a delivery id visible."""
    return [x for x in calls if x.name in APPEAR and x.result == "0" and
            re.search(r'"[^"]*%s[^"]*"' % re.escape(delivery), x.text)]


def check_order(calls, delivery, mark, mailroot):
    """Raises AssertionError unless the order holds for one delivery."""
    replies = [x for x in calls if x.name in TELL and
               "250 2." in x.text and delivery in x.text]
    assert replies, "no reply for %s seen" % delivery
    reply = min(x.begin for x in replies)
    link, = appearances(calls, delivery)
    writes = [x for x in calls if x.name in WRITE and mark in x.text and
              path_of(x).startswith(mailroot)]
    assert writes, "no write of the data seen"
    last = max(x.end for x in writes)
    data = path_of(writes[0])
    flushed = [x for x in calls if x.name in FLUSH and x.result == "0" and
               last < x.begin and x.end < link.begin and
               same_file(path_of(x), data)]
    assert flushed, "no flush of the file before it became visible"
    where = directory_of(link)
    durable = [x for x in calls if x.name in FLUSH and x.result == "0" and
               link.end < x.begin and x.end < reply and
               covers(x, where)]
    assert durable, "no flush of %s before the reply" % where


def covers(flush, directory):
    """fsync of the directory, or syncfs of the file system it is in."""
    path = path_of(flush).rstrip("/")
    return path == directory or (
        flush.name == "syncfs" and directory.startswith(path + "/"))


def same_file(one, other):
    strip = lambda x: x.replace(" (deleted)", "")
    return strip(one) == strip(other)


def directory_of(link):
    """The directory that a link or rename put the file into."""
    named = re.findall(r'(?:\w+<([^>]*)>, )?"([^"]*)"', link.text)
    folder, name = named[-1]
    if name.startswith("/"):
        return name.rsplit("/", 1)[0]
    return (folder + "/" + name).rsplit("/", 1)[0] if "/" in name else folder


@pytest.fixture
def traced(own):
    if shutil.which("strace") is None or UNBOUND:
        pytest.skip("no strace, or one that looks for leaks")
    one = Server(prefork=(1, 1, 2))
    output = one.dir / "strace"
    one.wrap = ["strace", "-f", "-y", "-s", "400", "-qq", "-o", str(output),
                "-e", "trace=" + TRACED] + as_nobody()
    with one:
        yield one, output


def deliveries(server):
    """Some messages of different kinds: [(delivery ids, mark)]."""
    done = []
    token = server.temporary("x@b.example", ALICE)
    with server.token_session(ALICE, token) as c:
        for number in range(3):
            mark = "order-mark-token-%d" % number
            c.mail("x@b.example")
            c.rcpt(ALICE, token)
            reply, = c.data("Subject: x\r\n\r\n%s\r\n" % mark)
            words = reply.text.split()
            done.append(([words[2 if reply.enhanced == "2.1.13" else 1]],
                         mark))
    with server.trusted() as c:
        c.mail("x@b.example")
        for address in (ALICE, BOB, ALICE):
            c.rcpt(address)
        mark = "order-mark-several"
        replies = c.data("Subject: x\r\n\r\n%s\r\n" % mark, 3)
        done.append(([x.text.split()[1] for x in replies], mark))
    return done


@clauses("F-07", "S1-61")
def test_durable_before_visible_before_answered(traced):
    server, output = traced
    done = deliveries(server)
    calls = parse(output.read_text())
    for identifiers, mark in done:
        for identifier in identifiers:
            check_order(calls, identifier, mark, str(server.mailroot))
    # The check must be able to fail: take away what it looks for.
    identifier, mark = done[0][0][0], done[0][1]
    for missing in (FLUSH[:1], FLUSH):
        fewer = [x for x in calls if x.name not in missing]
        if len(fewer) == len(calls):
            continue
        with pytest.raises(AssertionError):
            check_order(fewer, identifier, mark, str(server.mailroot))
    late = [x for x in calls]
    for call in late:
        if call.name in TELL and identifier in call.text:
            call.begin = -1
    with pytest.raises(AssertionError):
        check_order(late, identifier, mark, str(server.mailroot))


@clauses("S1-26")
def test_no_shell_no_exec(own):
    """T05: after the start nothing is ever executed."""
    if shutil.which("strace") is None or UNBOUND:
        pytest.skip("no strace, or one that looks for leaks")
    one = Server(prefork=(1, 1, 1))
    output = one.dir / "strace"
    one.wrap = ["strace", "-f", "-qq", "-o", str(output), "-e",
                "trace=execve,execveat"] + as_nobody()
    with one:
        before = len(output.read_text().splitlines())
        with one.trusted() as c:
            c.mail("`id`@b.example")
            c.cmd('MAIL FROM:<"; id"@b.example>')
            c.cmd("RSET")
            c.mail("x@b.example")
            for address in ("|id@a.example", "$(id)@a.example", ALICE):
                c.rcpt(address)
            c.data("Subject: `id`\r\n\r\n$(id)\r\n")
        with one.login(ALICE) as c:
            c.quit()
        assert len(output.read_text().splitlines()) == before
