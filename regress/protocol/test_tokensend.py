# SPDX-License-Identifier: ISC
"""tokensend(1) against our server, and against peers that lie."""
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

import pytest

import server
import token_world
from clause import clauses
from relay_sink import RelaySink, close, close_after, endless, reply, stall
from token_sender import (
    ALICE, BOB, DATAERR, FROM, LMTP, MESSAGE, NOINPUT, NOPERM, OK, OLD,
    PROGRAM, TEMPFAIL, USAGE, liar, lines, ports, token_in)
from token_sender import liars_certificate, sender, site  # noqa: F401

@clauses("S1-19", "S1-31", "S1-52", "S1-60")
def test_a_temporary_token_delivers_and_becomes_a_permanent_one(site, sender):
    temporary = site.temporary(FROM, ALICE)
    before = len(site.mail(ALICE))
    sender.tokens("# mine\n\n%s %s %s\n%s other@c.example another-one\n" % (
        FROM, ALICE, temporary, FROM))
    done = sender.run(ports(site), [ALICE], site.ca)
    assert done.returncode == OK, done
    assert re.fullmatch(r"%s 250 2\.1\.13 <%s> \S+ .*" % (ALICE, ALICE),
                        *lines(done))
    permanent = token_in(sender)
    assert permanent == site.permanent(FROM, ALICE)
    assert sender.file.read_text() == (
        "# mine\n\n%s %s %s\n%s other@c.example another-one\n" % (
            FROM, ALICE, permanent, FROM))
    assert sender.file.stat().st_mode & 0o777 == 0o600
    assert temporary.encode() not in done.stdout + done.stderr
    done = sender.run(ports(site), ["<%s>" % ALICE.upper()], site.ca)
    assert done.returncode == OK and token_in(sender) == permanent, done
    assert " 250 2.1.12 " in lines(done)[0]
    mail = site.mail(ALICE)[before:]
    assert len(mail) == 2
    assert mail[0].read_bytes().endswith(b"\n\n.dots\nand so on\n")


def test_starttls_and_line_ends(site, sender):
    sender.tokens("%s %s %s\n" % (FROM, ALICE, site.permanent(FROM, ALICE)))
    before = len(site.mail(ALICE))
    done = subprocess.run(
        [PROGRAM, "-f", FROM, "-t", sender.file, "-C", site.ca, "-s",
         "smtp+tls://127.0.0.1:%d" % site.ports["tls-require"], ALICE],
        input=b"Subject: x\r\n\r\na\r\nb\rc", capture_output=True, timeout=60)
    assert done.returncode == OK and done.stderr == b"", done
    assert site.mail(ALICE)[before].read_bytes().endswith(
        b"Subject: x\n\na\nb\nc\n")


def test_tokens_on_standard_input(site, sender):
    text = "%s %s %s\n\n" % (FROM, ALICE, site.temporary(FROM, ALICE))
    done = subprocess.run(
        [PROGRAM, "-f", FROM, "-t", "-", "-C", site.ca, "-s",
         "127.0.0.1:%d" % ports(site), ALICE],
        input=text.encode() + MESSAGE, capture_output=True, timeout=60)
    assert done.returncode == OK, done
    assert b"the new token is lost: there is no file" in done.stderr
    assert site.permanent(FROM, ALICE).encode() not in \
        done.stdout + done.stderr


def test_recipients_have_their_own_fates(site, sender):
    """One has no token, one's is revoked, one's is another's."""
    carol = "carol@a.example"
    sender.tokens("".join("%s %s %s\n" % (FROM, local, token) for
                          local, token in (
        (BOB, site.permanent(FROM, BOB)), (ALICE, OLD),
        (carol, site.temporary(FROM, carol)))))
    site.ctl("revoke", "pair", FROM, BOB, check=True)
    counts = [len(site.mail(x)) for x in (ALICE, BOB, carol)]
    done = sender.run(ports(site), [BOB, ALICE, "x@c.example", carol],
                      site.ca)
    assert done.returncode == TEMPFAIL
    said = dict(line.split(" ", 1) for line in lines(done))
    assert set(said) == {BOB, ALICE, carol, "x@c.example"}
    assert said[carol].startswith("250 2.1.13 ")
    for name in (BOB, ALICE, "x@c.example"):
        assert said[name].startswith("451 4.7.0 The ordinary route: ")
        assert name.encode() + b": the ordinary route" in done.stderr
    assert [len(site.mail(x)) for x in (ALICE, BOB, carol)] == [
        counts[0], counts[1], counts[2] + 1]


def test_a_token_of_another_recipient(site, sender):
    """The first logs in; RCPT refuses the second alone."""
    sender.tokens("%s %s %s\n%s %s %s\n" % (
        FROM, ALICE, site.permanent(FROM, ALICE),
        FROM, BOB, site.permanent("else@b.example", BOB)))
    done = sender.run(ports(site), [ALICE, BOB], site.ca)
    assert done.returncode == TEMPFAIL
    said = dict(line.split(" ", 1) for line in lines(done))
    assert said[ALICE].startswith("250 2.1.1")
    assert said[BOB].startswith("451 4.7.0 The ordinary route: 550 5.7.1")


@clauses("S1-01")
def test_the_server_is_away(site, sender):
    sender.tokens("%s %s %s\n" % (FROM, ALICE, OLD))
    done = sender.run(server.free_port(), [ALICE], site.ca)
    assert done.returncode == TEMPFAIL
    assert lines(done)[0].startswith(ALICE + " 451 4.7.0 ")


@clauses("S1-59")
@pytest.mark.parametrize("name,ca", [
    ("other.example", "other.example"), ("a.example", "other.example")])
def test_a_wrong_certificate_gets_no_token(sender, liars_certificate, name,
                                           ca):
    sender.tokens("%s %s %s\n" % (FROM, ALICE, OLD))
    pair = [str(liars_certificate / (name + x)) for x in (".crt", ".key")]
    with RelaySink(lmtp=True, keywords=LMTP, certificate=pair,
                   implicit=True) as sink:
        done = sender.run(sink.port, [ALICE],
                          liars_certificate / (ca + ".crt"))
        assert done.returncode == TEMPFAIL
        assert sink.commands() == [], sink.transcript()
        assert b"certificate" in done.stderr


@clauses("S1-64")
@pytest.mark.parametrize("keywords", [
    ["PIPELINING"], ["STOKEN"], ["AUTH STOKEN"], ["STOKEN", "AUTH PLAIN"]])
def test_stoken_is_not_offered(sender, liars_certificate, keywords):
    sender.tokens("%s %s %s\n" % (FROM, ALICE, OLD))
    with liar(liars_certificate, keywords) as sink:
        done = sender.run(sink.port, [ALICE],
                          liars_certificate / "a.example.crt")
        assert done.returncode == TEMPFAIL
        sink.wait(lambda s: s.sessions[0].over)
        assert [x.split()[0] for x in sink.commands()] == [b"LHLO", b"QUIT"]


REFUSALS = [("auth", reply("535 5.7.8 not " + OLD)),
            ("mail", reply("550 5.7.1 no " + OLD)),
            ("rcpt", reply("550 5.7.1 no " + OLD)),
            ("rcpt", reply("550 no " + OLD))]
FAULTS = REFUSALS + [
    ("connect", reply("421 4.3.2 no")), ("connect", reply("554 5.0.0 no")),
    ("connect", close()), ("connect", endless("220-a\r\n")),
    ("ehlo", reply("500 5.5.1 no")), ("ehlo", close()),
    ("auth", reply("334 ")),
    ("auth", reply("454 4.7.0 later")), ("auth", close()),
    ("mail", close()),
    ("rcpt", reply("451 4.2.1 no")), ("rcpt", reply("550 5.1.1 who?")),
    ("rcpt", reply("554 5.7.1 no")), ("end", reply("550 5.7.1 spam")),
    ("mail", reply("553 5.1.8 no")),
    ("rcpt", close_after("421 4.3.2 bye")), ("rcpt", close()),
    ("end", reply("452 4.3.1 full")), ("end", close()),
    ("end", close_after("421 4.3.2 bye")), ("end", reply("what?")),
    ("end", endless()),
]


@pytest.mark.parametrize("chunking", (True, False))
@pytest.mark.parametrize("number", range(len(FAULTS)))
def test_a_hostile_server(sender, liars_certificate, number, chunking):
    """His word on a token strikes it out; nothing else does."""
    step, behaviour = FAULTS[number]
    sender.tokens("%s %s %s\n" % (FROM, ALICE, OLD))
    before = sender.file.read_text()
    with liar(liars_certificate, [x for x in LMTP if
                                  x != "CHUNKING" or chunking]) as sink:
        if step == "auth":
            sink.clear()
        sink.fault(step, behaviour)
        done = sender.run(sink.port, [ALICE],
                          liars_certificate / "a.example.crt")
    assert done.returncode == TEMPFAIL, done
    assert len(lines(done)) == 1
    struck = re.fullmatch(r"# refused \d{4}-\d\d-\d\d: (.*\n)",
                          sender.file.read_text())
    if FAULTS[number] in REFUSALS:
        assert struck and struck.group(1) == before
    else:
        assert sender.file.read_text() == before


@pytest.mark.parametrize("said,kept", [
    ("250 2.1.13 <%s> new-token id Saved", "new-token"),
    ("250 2.1.13 <%s> new=token id Saved", OLD),
    ("250 2.1.13 <%s> %s id Saved" % ("%s", "x" * 256), OLD),
    ("250 2.1.13 <%s>", OLD), ("250 2.1.13", OLD),
    ("250 2.1.12 <%s> id Saved", OLD), ("250 2.0.0 ok", OLD),
    ("250 2.1.13 <x@a.example> theirs id Saved", OLD)])
def test_what_a_server_says_of_a_new_token(sender, liars_certificate, said,
                                           kept):
    """Delivered it is, whatever stands behind 250."""
    sender.tokens("%s %s %s\n" % (FROM, ALICE, OLD))
    with liar(liars_certificate) as sink:
        sink.fault("end", reply(said.replace("%s", ALICE)))
        done = sender.run(sink.port, [ALICE],
                          liars_certificate / "a.example.crt")
    assert done.returncode == OK, done
    assert token_in(sender) == kept


def test_it_does_not_wait_for_ever(sender, liars_certificate):
    """10 s in all until the recipients are answered; nobody hangs."""
    sender.tokens("%s %s %s\n" % (FROM, ALICE, OLD))
    with liar(liars_certificate) as sink:
        sink.fault("rcpt", stall())
        done = sender.run(sink.port, [ALICE],
                          liars_certificate / "a.example.crt")
    assert done.returncode == TEMPFAIL, done


def test_killed_before_the_answer(sender, liars_certificate):
    """The file with the tokens is whole, and the next one works."""
    text = "%s %s %s\n" % (FROM, ALICE, OLD)
    sender.tokens(text)
    with liar(liars_certificate) as sink:
        sink.fault("end", stall(), nth=1)
        ca = liars_certificate / "a.example.crt"
        process = subprocess.Popen(
            sender.arguments(sink.port, [ALICE], ca), stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        process.stdin.write(MESSAGE)
        process.stdin.close()
        sink.wait_stalled()
        process.send_signal(signal.SIGKILL)
        assert process.stdout.read() == b""
        process.wait(60)
        process.stdout.close()
        assert sender.file.read_text() == text
        sink.clear()
        sink.fault("auth", reply("235 2.7.0 yes"))
        sink.fault("end", reply("250 2.1.13 <%s> another id x" % ALICE))
        assert sender.run(sink.port, [ALICE], ca).returncode == OK
    assert token_in(sender) == "another"


def test_several_at_a_time_lose_no_token(sender, liars_certificate):
    """Each writes the file as the others left it."""
    names = ["u%d@a.example" % i for i in range(6)]
    sender.tokens("".join("%s %s old-%d\n" % (FROM, name, i)
                          for i, name in enumerate(names)))
    ca = liars_certificate / "a.example.crt"
    with contextlib.ExitStack() as stack:
        runs = []
        for i, name in enumerate(names):
            sink = stack.enter_context(liar(liars_certificate))
            sink.fault("end", reply("250 2.1.13 <%s> new-%d id x" % (name,
                                                                     i)))
            runs.append(threading.Thread(target=subprocess.run, args=(
                sender.arguments(sink.port, [name], ca),), kwargs={
                    "input": MESSAGE, "stdout": subprocess.DEVNULL,
                    "stderr": subprocess.DEVNULL, "timeout": 60}))
            runs[-1].start()
        for run in runs:
            run.join()
    assert sender.file.read_text() == "".join(
        "%s %s new-%d\n" % (FROM, name, i) for i, name in enumerate(names))


@pytest.fixture(scope="module")
def names(site, liars_certificate):
    """A name server, in which a.example is our server."""
    nsd = token_world.Nsd([
        token_world.srv("a.example", site.ports["smtps"]),
        token_world.srv("nowhere.example", 0, host="."),
        token_world.srv("starttls.example", site.ports["tls-require"],
                        "_submission"),
        token_world.srv("other.example", site.ports["smtps"])])
    yield nsd
    nsd.close()


def by_name(names, sender, to, ca, *more):
    return subprocess.run(
        [PROGRAM, "-v", "-f", FROM, "-t", sender.file, "-C", ca, "-r",
         "127.0.0.1:%d" % names.port, *more, to],
        input=MESSAGE, capture_output=True, timeout=60)


def test_the_server_is_found_by_srv(names, site, sender):
    sender.tokens("%s %s %s\n" % (FROM, ALICE, site.permanent(FROM, ALICE)))
    before = len(site.mail(ALICE))
    done = by_name(names, sender, ALICE, site.ca)
    assert done.returncode == OK, done
    assert len(site.mail(ALICE)) == before + 1


@pytest.mark.parametrize("domain,why", [
    ("nowhere.example", b""), ("absent.example", b""),
    ("other.example", b"certificate"), ("starttls.example", b"certificate")])
@pytest.mark.parametrize("more", [(), ("-m",)])
def test_domains_without_a_server_of_their_own(names, site, sender, domain,
                                               why, more):
    """A certificate for a.example is none for them."""
    to = "x@" + domain
    sender.tokens("%s %s %s\n" % (FROM, to, OLD))
    done = by_name(names, sender, to, site.ca, *more)
    assert done.returncode == TEMPFAIL and why in done.stderr, done
    assert done.stdout.startswith(to.encode() + b" 451 4.7.0 ")


def test_a_dns_that_says_nothing(sender, site):
    """It costs the time limit at most."""
    sender.tokens("%s %s %s\n" % (FROM, ALICE, OLD))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        done = subprocess.run(
            [PROGRAM, "-f", FROM, "-t", sender.file, "-C", site.ca, "-r",
             "127.0.0.1:%d" % deaf.getsockname()[1], ALICE],
            input=MESSAGE, capture_output=True, timeout=60)
    assert done.returncode == TEMPFAIL, done


def test_arguments(sender, site):
    def code(*arguments, message=MESSAGE, **environment):
        return subprocess.run(
            [PROGRAM, *arguments], input=message, capture_output=True,
            timeout=60, env=dict(os.environ, HOME=str(sender.dir),
                                 **environment)).returncode
    file = str(sender.file)
    sender.tokens("")
    assert code() == USAGE
    assert code("-f", FROM) == USAGE
    assert code(ALICE) == USAGE
    assert code("-x", "-f", FROM, ALICE) == USAGE
    assert code("-f", FROM, "-s", "a b:1", ALICE) == USAGE
    assert code("-f", FROM, "-s", "a:99999", ALICE) == USAGE
    assert code("-f", "nobody", ALICE) == DATAERR
    assert code("-f", FROM, "-t", file, "nobody") == DATAERR
    assert code("-f", FROM, "-t", file, ALICE, message=b"") == DATAERR
    assert code("-f", FROM, "-t", file, ALICE, message=b"a\0b") == DATAERR
    assert code("-f", FROM, "-t", file + ".no", ALICE) == NOINPUT
    assert code("-f", FROM, "-t", file, "-C", file, ALICE) == NOINPUT
    assert code("-f", FROM, "-C", str(site.ca), ALICE) == TEMPFAIL
    assert code("-f", "<>", "-C", str(site.ca), ALICE) == TEMPFAIL
    sender.tokens("one two\n")
    assert code("-f", FROM, "-t", file, ALICE) == DATAERR
    for mode in (0o640, 0o604, 0o660):
        sender.tokens("", mode)
        assert code("-f", FROM, "-t", file, ALICE) == NOPERM
    (sender.dir / ".tokensend").write_text("")
    (sender.dir / ".tokensend").chmod(0o644)
    assert code("-f", FROM, ALICE) == NOPERM
    assert code("-f", FROM, "-t", str(sender.dir), ALICE) == NOPERM


def test_a_link_to_the_file_stays_one(sender, liars_certificate):
    sender.tokens("%s %s %s\n" % (FROM, ALICE, OLD))
    link = sender.dir / "link"
    link.symlink_to(sender.file)
    with liar(liars_certificate) as sink:
        sink.fault("end", reply("250 2.1.13 <%s> another id x" % ALICE))
        done = sender.run(sink.port, [ALICE],
                          liars_certificate / "a.example.crt", "-t",
                          str(link))
    assert done.returncode == OK and link.is_symlink()
    assert token_in(sender) == "another"


def test_undumpable_while_it_reads(sender):
    """Who has tokens leaves no core file, also before he connects."""
    program = sender.dir / "tokensend"
    shutil.copy(PROGRAM, program)
    sender.dir.chmod(0o755)
    process = subprocess.Popen(
        [program, "-f", FROM, "-t", "-", ALICE], stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=server.drop())
    with process:
        process.stdin.write(b"%s %s %s\n\nFrom: x\n" % (
            FROM.encode(), ALICE.encode(), OLD.encode()))
        process.stdin.flush()
        deadline = time.monotonic() + 30
        # Files of a process that cannot be dumped are root's (proc(5)).
        while os.stat("/proc/%d/environ" % process.pid).st_uid != 0:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.kill()
