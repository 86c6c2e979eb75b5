# SPDX-License-Identifier: ISC
"""The script by which an MTA tries tokens first, with a real tokensend and a
sendmail that writes down what it is told."""
import os
import signal
import subprocess
import time

import pytest

import server
from relay_sink import close, reply, stall
from token_sender import ALICE, BOB, FROM, OK, TEMPFAIL, liar
from token_sender import liars_certificate, sender  # noqa: F401

SCRIPT = str(server.TOP / "etc/tokensend-or-sendmail.sh")
OCTETS = b"A: b\n\n.\nx\xe9\ny"
CAROL = "carol@c.example"


class Script:
    def __init__(self, sender, where):
        self.sender, self.ca = sender, where / "a.example.crt"
        self.log, self.got = sender.dir / "log", sender.dir / "got"
        self.code = 0
        sender.tokens("".join("%s %s token-of-%s\n" % (FROM, x, x[0])
                              for x in (ALICE, BOB)))
        self.program = sender.dir / "sendmail"
        self.program.write_text('#!/bin/sh\necho "$@" >> %s\n'
                                'cat > %s\nexit $CODE\n' % (self.log,
                                                            self.got))
        self.program.chmod(0o755)
        self.tmp = sender.dir / "tmp"
        self.tmp.mkdir()

    def environment(self, port, **more):
        tokensend = self.sender.arguments(port, [], self.ca)
        return dict(os.environ, SENDMAIL="%s -i" % self.program,
                    TOKENSEND=" ".join(tokensend), CODE=str(self.code),
                    TMPDIR=str(self.tmp), **more)

    def run(self, port, *arguments, **more):
        done = subprocess.run([SCRIPT, *arguments], input=OCTETS,
                              capture_output=True, timeout=60,
                              env=self.environment(port, **more))
        assert list(self.tmp.iterdir()) == []
        return done

    def sent(self):
        """The recipients of each call, whose message was the same."""
        if not self.log.exists():
            return []
        assert self.got.read_bytes() == OCTETS
        return [x.split(" -- ")[1].split()
                for x in self.log.read_text().splitlines()]


@pytest.fixture
def script(sender, liars_certificate):
    return Script(sender, liars_certificate)


def test_all_by_token(script, liars_certificate):
    with liar(liars_certificate) as sink:
        assert script.run(sink.port, FROM, ALICE, BOB).returncode == OK
        assert sink.messages[0].addresses == [ALICE, BOB]
    assert script.sent() == []


@pytest.mark.parametrize("step,behaviour,nth,left", [
    ("connect", close(), None, [ALICE, BOB]),
    ("rcpt", reply("450 4.2.1 no"), 2, [BOB]),
    ("end", reply("452 4.3.1 no"), 1, [ALICE]),
    ("end", close(), 2, [BOB])])
def test_the_others_by_sendmail(script, liars_certificate, step, behaviour,
                                nth, left):
    """Nobody twice, and nobody not at all."""
    with liar(liars_certificate) as sink:
        sink.fault(step, behaviour, nth=nth)
        assert script.run(sink.port, FROM, ALICE, CAROL,
                          "<%s>" % BOB).returncode == OK
    bare = [x.strip("<>") for x in script.sent()[0]]
    assert sorted(bare) == sorted(left + [CAROL])
    assert len(script.sent()) == 1


def test_tokensend_is_killed_between_two_answers(script, liars_certificate):
    """What it has said counts, not how it ended."""
    said, pid = script.sender.dir / "said", script.sender.dir / "pid"
    with liar(liars_certificate) as sink:
        sink.fault("end", stall(), nth=2)
        environment = script.environment(sink.port)
        wrapper = script.sender.dir / "wrapper"
        wrapper.write_text(
            '#!/bin/sh\nexec 5<&0\n%s "$@" > %s <&5 &\n'
            'echo $! > %s.new\nmv %s.new %s\nwait $!\ncode=$?\n'
            'cat %s\nexit $code\n' % (
                environment["TOKENSEND"], said, pid, pid, pid, said))
        wrapper.chmod(0o755)
        with subprocess.Popen(
                [SCRIPT, FROM, ALICE, BOB], stdin=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(environment, TOKENSEND=str(wrapper))) as process:
            process.stdin.write(OCTETS)
            process.stdin.close()
            sink.wait_stalled()
            until = time.monotonic() + 60
            while not pid.exists() or \
                    not said.read_text().startswith(ALICE + " 250 "):
                assert time.monotonic() < until
                time.sleep(0.02)
            os.kill(int(pid.read_text()), signal.SIGKILL)
            assert process.wait(60) == OK
    assert script.sent() == [[BOB]]


@pytest.mark.parametrize("code,result", [
    (0, OK), (67, 67), (75, TEMPFAIL), (127, TEMPFAIL), (137, TEMPFAIL)])
def test_what_sendmail_says(script, code, result):
    """What is no word of its own is tried again."""
    script.code = code
    assert script.run(1, FROM, CAROL).returncode == result


def test_by_the_environment(script):
    """As OpenSMTPD and Exim name them; a report has no sender."""
    for sender_address in (FROM, ""):
        assert script.run(1, SENDER=sender_address,
                          RECIPIENT=CAROL).returncode == OK
    assert [x.split(" -- ")[0] for x in script.log.read_text().splitlines()
            ] == ["-i -f " + FROM, "-i -f "]
    assert script.sent() == [[CAROL], [CAROL]]


def test_names_are_no_patterns(script, liars_certificate):
    """An asterisk is a letter, and a name with `-` no option."""
    names = ["*@a.example", "-x@c.example"]
    with liar(liars_certificate) as sink:
        assert script.run(sink.port, FROM, ALICE, *names).returncode == OK
    assert script.sent() == [names]


@pytest.mark.parametrize("arguments", [(), (FROM,), (FROM, "")])
def test_who_names_nobody(script, arguments):
    done = script.run(1, *arguments)
    assert done.returncode == TEMPFAIL
    assert b"there is no recipient" in done.stderr
    assert script.sent() == []


def test_no_temporary_file(script):
    script.tmp = script.sender.dir
    done = subprocess.run(
        [SCRIPT, FROM, CAROL], input=OCTETS, capture_output=True, timeout=60,
        env=dict(script.environment(1), TMPDIR="/nonexistent"))
    assert done.returncode == TEMPFAIL and script.sent() == []
