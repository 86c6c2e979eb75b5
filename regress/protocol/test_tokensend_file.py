# SPDX-License-Identifier: ISC
"""The file of tokensend(1): what is sent from it, what becomes of it, and
that it is whole whatever happens."""
import collections
import contextlib
import fcntl
import os
import pathlib
import re
import resource
import shutil
import subprocess
import sys
import threading

import pytest

import server
from clause import clauses
from relay_sink import reply
from token_sender import (
    ALICE, BOB, FROM, MESSAGE, NOPERM, OK, OLD, PROGRAM, TEMPFAIL, Sender,
    liar, lines, ports, token_in)
from test_token_sites import two  # noqa: F401
from token_sender import liars_certificate, sender, site  # noqa: F401

sys.path.append(str(pathlib.Path(__file__).parent.parent / "faults"))

import straced  # noqa: E402

PAIR = "%s %s " % (FROM, ALICE)
MINE = "0ur-own-token"
STRUCK = r"# refused \d{4}-\d\d-\d\d: "
NEW = reply("250 2.1.13 <%s> new-token id Saved" % ALICE)


def authority(where):
    return where / "a.example.crt"


def commands(sink, verb):
    return [x for x in sink.commands() if x.startswith(verb)]


@clauses("S1-14", "S1-74")
def test_our_own_token_goes_along(site, sender):
    """The last line of the pair counts; the other side holds it then."""
    sender.tokens("mine %s %s wrong\n%s%s\nmine %s %s %s\n" % (
        FROM, ALICE, PAIR, site.permanent(FROM, ALICE), FROM, ALICE, MINE))
    done = sender.run(ports(site), [ALICE], site.ca)
    assert done.returncode == OK, done
    assert MINE.encode() not in done.stdout + done.stderr
    assert [row["local"] for row in site.show("held")
            if row["remote"] == FROM] == [ALICE]


@clauses("S1-14", "S1-74")
def test_the_answer_comes_by_our_token(two, sender):  # noqa: F811
    """What tokenctl made on our side serves the other side's server."""
    me, friend = two.b.user, two.a.user
    sender.tokens("%s %s %s\nmine %s %s %s\n" % (
        me, friend, two.a.temporary(remote=me, local=friend),
        me, friend, two.b.permanent(remote=friend, local=me)))
    done = sender.run(two.a.ports["smtps"], [friend], two.a.authority.file,
                      "-f", me)
    assert done.returncode == OK, done
    assert two.a.send(me, "answer").status == "250 2.0.0"
    assert two.b.subjects() == ["answer"] and two.hop.tried == []


@clauses("S1-14", "S1-28")
def test_our_own_token_goes_with_his_alone(sender, liars_certificate):
    """For whom there is none, or who gave none, nothing is said of it."""
    sender.tokens("%s%s\nmine %s %s %s\n%s %s their-token\n"
                  "mine %s carol@a.example no-way\n" % (
                      PAIR, OLD, FROM, ALICE, MINE, FROM, BOB, FROM))
    with liar(liars_certificate) as sink:
        sink.fault("mail", reply("250 2.1.0 not " + MINE))
        sink.fault("rcpt", reply("250 2.1.5 not " + MINE))
        done = sender.run(sink.port, [ALICE, BOB, "carol@a.example"],
                          authority(liars_certificate))
        assert done.returncode == TEMPFAIL
        alice, bob = [x.split(b" ")[2:] for x in commands(sink, b"RCPT")]
        assert [x for x in alice if b"TOKEN=" in x] == [
            b"STOKEN=" + OLD.encode(), b"MYSTOKEN=" + MINE.encode()]
        assert [x for x in bob if b"TOKEN=" in x] == [b"STOKEN=their-token"]
        assert b"no-way" not in b"".join(sink.commands())
    assert MINE.encode() not in done.stdout + done.stderr


@clauses("S1-50", "S1-52")
@pytest.mark.parametrize("step,said", [
    ("auth", "535 5.7.8 no"), ("auth", "550 5.7.1 no"),
    ("rcpt", "550 5.7.1 no")])
def test_a_refused_token_is_struck_out(sender, liars_certificate, step,
                                       said):
    """The one before it is taken, and its successor stands in its place."""
    sender.tokens("%sgood\n%sbad\nmine %sbad\n%sbad\n# end\n" % (
        (PAIR,) * 4))
    with liar(liars_certificate) as sink:
        sink.clear()
        if step == "auth":
            sink.fault("auth", reply(said), nth=1)
        sink.fault("auth", reply("235 2.7.0 yes"))
        if step == "rcpt":
            sink.fault("rcpt", reply(said), nth=1)
        sink.fault("end", NEW)
        done = sender.run(sink.port, [ALICE], authority(liars_certificate))
        assert done.returncode == OK, done
        assert len(sink.tried) == 1
    assert re.fullmatch("%snew-token\n%s%sbad\nmine %sbad\n%s%sbad\n# end\n" %
                        (PAIR, STRUCK, PAIR, PAIR, STRUCK, PAIR),
                        sender.file.read_text())
    assert len(lines(done)) == 1


@clauses("S1-01")
def test_all_are_refused(sender, liars_certificate):
    """Four are tried, then the ordinary route."""
    sender.tokens("".join("%st%d\n" % (PAIR, i) for i in range(6)))
    with liar(liars_certificate) as sink:
        sink.clear()
        sink.fault("auth", reply("535 5.7.8 no"))
        done = sender.run(sink.port, [ALICE], authority(liars_certificate))
        assert done.returncode == TEMPFAIL and len(lines(done)) == 1
        assert len(commands(sink, b"AUTH")) == 4
    assert re.fullmatch("%st0\n%st1\n" % (PAIR, PAIR) + "".join(
        "%s%st%d\n" % (STRUCK, PAIR, i) for i in range(2, 6)),
        sender.file.read_text())


def test_a_refused_token_beside_a_good_one(sender, liars_certificate):
    """One transaction goes on; the other gets one of its own."""
    sender.tokens("%s%s\n%s %s older\n%s %s newer\n" % (
        PAIR, OLD, FROM, BOB, FROM, BOB))
    with liar(liars_certificate) as sink:
        sink.fault("rcpt", reply("550 5.7.1 no"), nth=2)
        done = sender.run(sink.port, [ALICE, BOB],
                          authority(liars_certificate))
        assert done.returncode == OK, done
        assert [len(x.addresses) for x in sink.messages] == [1, 1]
    assert [x.split()[0] for x in lines(done)] == [ALICE, BOB]
    assert re.fullmatch("%s%s\n%s %s older\n%s%s %s newer\n" % (
        PAIR, OLD, FROM, BOB, STRUCK, FROM, BOB), sender.file.read_text())


def test_who_is_named_twice_gets_it_once(sender, liars_certificate):
    sender.tokens(PAIR + OLD)
    names = [ALICE, "ALICE@A.example", "<%s>" % ALICE, "nobody@a.example",
             "Nobody@a.example"]
    with liar(liars_certificate) as sink:
        done = sender.run(sink.port, names, authority(liars_certificate))
        assert len(commands(sink, b"RCPT")) == 1
    assert done.returncode == TEMPFAIL
    assert [x.split()[:2] for x in lines(done)] == [
        ["nobody@a.example", "451"], ["Nobody@a.example", "451"],
        [ALICE, "250"], ["ALICE@A.example", "250"], [ALICE, "250"]]


@pytest.mark.parametrize("before", (None, "", "# mine\n", PAIR + "x\n"))
def test_new_tokens_are_kept_elsewhere(sender, liars_certificate, before):
    """-k: the tokens come from standard input, or a file left alone."""
    keep = sender.dir / "keep"
    if before is not None:
        keep.write_text(before)
        keep.chmod(0o600)
    with liar(liars_certificate) as sink:
        sink.fault("end", NEW)
        done = sender.run(
            sink.port, [ALICE], authority(liars_certificate), "-t", "-",
            "-k", str(keep),
            message=b"%s%s\n\n" % (PAIR.encode(), OLD.encode()) + MESSAGE)
    assert done.returncode == OK and b"lost" not in done.stderr, done
    assert keep.read_text() == (
        before if before == "# mine\n" else "") + PAIR + "new-token\n"
    assert keep.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("option", ("-t", "-k"))
@pytest.mark.parametrize("mode", (0o640, 0o604, 0o620, 0o602))
def test_others_may_have_nothing_to_do_with_it(sender, option, mode):
    sender.tokens(PAIR + OLD)
    other = sender.dir / "other"
    other.write_text("")
    other.chmod(mode)
    done = sender.run(1, [ALICE], "/dev/null", option, str(other))
    assert done.returncode == NOPERM and b"chmod 600" in done.stderr


def test_who_holds_the_lock_does_not_hold_the_message(sender,
                                                      liars_certificate):
    """Delivered is told, in spite of one that was stopped in the middle."""
    sender.tokens(PAIR + OLD)
    with liar(liars_certificate) as sink, \
            open(str(sender.file) + ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        sink.fault("end", NEW)
        done = sender.run(sink.port, [ALICE], authority(liars_certificate))
    assert done.returncode == OK and " 250 " in lines(done)[0]
    assert b"the new token is lost" in done.stderr
    assert token_in(sender) == OLD


def test_several_at_a_time(sender, liars_certificate):
    """New ones and refused ones, and one who adds a line under the lock."""
    names = ["u%d@a.example" % i for i in range(8)]
    sender.tokens("".join("%s %s old-%d\n" % (FROM, name, i)
                          for i, name in enumerate(names)))
    with contextlib.ExitStack() as stack:
        runs = []
        for i, name in enumerate(names):
            sink = stack.enter_context(liar(liars_certificate))
            sink.fault(*(("rcpt", reply("550 5.7.1 no")), (
                "end", reply("250 2.1.13 <%s> new-%d id x" % (name, i)))
                         )[i % 2])
            runs.append(threading.Thread(target=sender.run, args=(
                sink.port, [name], authority(liars_certificate))))
            runs[-1].start()
        for i in range(8):
            subprocess.run(["flock", str(sender.file) + ".lock", "sh", "-c",
                            'echo "# %d" >> "$0"' % i, str(sender.file)],
                           check=True)
        for run in runs:
            run.join()
    rows = sender.file.read_text().splitlines()
    assert rows[8:] == ["# %d" % i for i in range(8)]
    for i, row in enumerate(rows[:8]):
        assert re.fullmatch("(%s)?%s %s (old|new)-%d" % (
            STRUCK, FROM, names[i], i), row)
        assert ("old" in row) == ("refused" in row) == (i % 2 == 0)


def traced(sender, sink, ca, *options):
    """A run under strace, of what concerns the file and its folder."""
    output = sender.dir / "strace"
    paths = [sender.file, *(str(sender.file) + x for x in (".new", ".lock")),
             sender.dir]
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", str(output), *options,
         *sum((["-P", str(x)] for x in paths), []),
         *sender.arguments(sink.port, [ALICE], ca)],
        input=MESSAGE, capture_output=True, timeout=60)
    sender.look(done.stdout, done.stderr)
    return done, straced.parse(output.read_text())


def steps(calls):
    """Those from the lock on, each with its number among its kind."""
    counts, found = collections.Counter(), []
    for call in calls:
        counts[call.name] += 1
        if found or ".lock" in call.text:
            found.append((call.name, counts[call.name]))
    return found


def looked_at(sender, ours):
    """The file is the old one or the new one, and as private as ever."""
    text, st = sender.file.read_text(), sender.file.stat()
    assert text in (PAIR + OLD + "\n", PAIR + "new-token\n")
    assert (st.st_mode, st.st_uid, st.st_gid) == ours
    return text == PAIR + "new-token\n"


# Who is traced cannot look for his own leaks.
TRACES = pytest.mark.skipif(not server.may_trace() or server.UNBOUND,
                            reason="needs root and strace")


@TRACES
@clauses("S1-31")
def test_killed_at_each_step(sender, liars_certificate):
    """kill -9 in the middle; the next one is not disturbed by what is left."""
    ca, outcomes = authority(liars_certificate), set()
    sender.tokens("%s%s\n" % (PAIR, OLD))
    st = sender.file.stat()
    ours = (st.st_mode, st.st_uid, st.st_gid)
    with liar(liars_certificate) as sink:
        sink.fault("end", NEW)
        done, calls = traced(sender, sink, ca)
        assert done.returncode == OK and looked_at(sender, ours), done
        everything = steps(calls)
        assert {x for x, _ in everything} >= {"openat", "fsync"}
        for name, when in everything:
            sender.tokens("%s%s\n" % (PAIR, OLD))
            done, _ = traced(sender, sink, ca, "-e", "inject=%s:signal=KILL:"
                             "when=%d" % (name, when))
            assert done.returncode == -9, (name, when, done)
            assert done.stdout == b""
            outcomes.add(looked_at(sender, ours))
            done = sender.run(sink.port, [ALICE], ca)
            assert done.returncode == OK and done.stderr.count(b"lost") == 0
            assert looked_at(sender, ours)
            assert not (sender.dir / "tokens.new").exists()
    assert outcomes == {False, True}


@TRACES
@pytest.mark.parametrize("error", ("ENOSPC", "EIO", "EROFS", "EACCES"))
def test_each_step_fails(sender, liars_certificate, error):
    """Delivered is delivered; and it is said that the token is lost."""
    ca, lost = authority(liars_certificate), 0
    sender.tokens("%s%s\n" % (PAIR, OLD))
    st = sender.file.stat()
    ours = (st.st_mode, st.st_uid, st.st_gid)
    with liar(liars_certificate) as sink:
        sink.fault("end", NEW)
        _, calls = traced(sender, sink, ca)
        for name, when in steps(calls):
            if name in ("close", "fcntl"):
                continue
            sender.tokens("%s%s\n" % (PAIR, OLD))
            done, _ = traced(sender, sink, ca, "-e", "inject=%s:error=%s:"
                             "when=%d" % (name, error, when))
            assert done.returncode == OK, (name, when, done)
            assert lines(done)[0].startswith(ALICE + " 250 "), done
            said = b"delivered, but the new token is lost: " in done.stderr
            assert looked_at(sender, ours) or said, (name, when, done)
            lost += said
    assert lost > 3


def test_a_folder_that_cannot_be_written(liars_certificate):
    """So for an ordinary user; root is told nothing by a mode."""
    with Sender() as one, liar(liars_certificate) as sink:
        one.tokens(PAIR + OLD)
        ca = one.dir / "ca"
        ca.write_bytes(authority(liars_certificate).read_bytes())
        program = one.dir / "tokensend"
        shutil.copy(PROGRAM, program)
        if os.getuid() == 0:
            os.chown(one.file, server.NOBODY, server.NOBODY)
        one.dir.chmod(0o555)
        sink.fault("end", NEW)
        done = subprocess.run(
            [str(program), *one.arguments(sink.port, [ALICE], ca)[1:]],
            input=MESSAGE, capture_output=True, timeout=60,
            preexec_fn=server.drop())
        one.dir.chmod(0o755)
        assert done.returncode == OK and " 250 " in lines(done)[0], done
        assert b"the new token is lost: " in done.stderr
        assert b"Permission denied" in done.stderr


def test_a_limit_is_like_a_full_disk(sender, liars_certificate):
    """An MTA's limit on files: no signal ends it behind the delivery."""
    sender.tokens("#" * 4000 + "\n" + PAIR + OLD + "\n")
    before = sender.file.read_text()
    with liar(liars_certificate) as sink:
        sink.fault("end", NEW)
        done = subprocess.run(
            sender.arguments(sink.port, [ALICE],
                             authority(liars_certificate)),
            input=MESSAGE, capture_output=True, timeout=60,
            preexec_fn=lambda: resource.setrlimit(
                resource.RLIMIT_FSIZE, (2000, 2000)))
    assert done.returncode == OK and " 250 " in lines(done)[0], done
    assert b"the new token is lost: " in done.stderr
    assert sender.file.read_text() == before
    assert not (sender.dir / "tokens.new").exists()
