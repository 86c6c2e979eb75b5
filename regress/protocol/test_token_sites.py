# SPDX-License-Identifier: ISC
"""Two sites of ours, a name server, and a relay host between them: what one
issues the other uses, in both directions, until it is revoked."""
import contextlib
import os
import re
import shutil
import signal
import tempfile
import threading
import time

import pytest

import relay_sink
import token_world
from clause import clauses
from server import Server, crypt_line, free_port
from test_token_route import log_size, until

ALICE, BOB = "alice@a.example", "bob@b.example"
PASSWORD = "a word for both"


class Site(Server):
    """One domain, whose certificate is of the authority."""

    def __init__(self, user, authority, **more):
        self.user, self.authority = user, authority
        self.domain = user.split("@")[1]
        super().__init__(users=["%s:%s" % (user, crypt_line(PASSWORD))],
                         aliases="", **more)

    def write_users(self, users=None):
        super().write_users(users)
        files = self.authority.issue("mx." + self.domain, self.domain)
        for path, kind in zip(files, ("crt", "key")):
            shutil.copy(path, self.dir / ("site." + kind))

    def config_lines(self):
        for kind, name in (("cert", "crt"), ("key", "key")):
            yield 'pki site %s "%s/site.%s"' % (kind, self.dir, name)
        for line in super().config_lines():
            if line.startswith("domain "):
                line = "domain " + self.domain
            elif line.startswith("hostname "):
                line = "hostname mx." + self.domain
            elif line.startswith("listen on 127"):
                line = re.sub(" pki .*", " pki site", line)
            if not line.startswith("pki mx.") and \
                    not line.startswith("pki rsa."):
                yield line

    def send(self, recipient, subject):
        """The user writes; returns the reply."""
        with self.hello("EHLO") as c:
            assert c.plain_login(self.user, PASSWORD).code == 235
            c.mail(self.user)
            assert c.rcpt(recipient).code == 250
            reply, = c.data("From: %s\r\nSubject: %s\r\n\r\nText.\r\n" % (
                self.user, subject))
            return reply

    def subjects(self):
        return [re.search(r"^Subject: (.*)$", x.read_text(), re.M).group(1)
                for x in self.mail(self.user)]


class Two:
    pass


@pytest.fixture(scope="module")
def two():
    directory = tempfile.mkdtemp(prefix="stoken-ca-")
    os.chmod(directory, 0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        authority = token_world.Authority(directory)
        world = Two()
        world.hop = stack.enter_context(relay_sink.RelaySink())
        port = free_port()
        extra = 'relay host "smtp://127.0.0.1:%d"\nca "%s"\n' \
            'resolver "127.0.0.1:%d"\n' % (
                world.hop.port, authority.file, port)
        world.a = Site(ALICE, authority, extra=extra)
        world.b = Site(BOB, authority, extra=extra)
        nsd = token_world.Nsd([
            token_world.srv(x.domain, x.ports["smtps"])
            for x in (world.a, world.b)], port=port)
        stack.callback(nsd.close)
        stack.enter_context(world.a)
        stack.enter_context(world.b)
        yield world


@clauses("S1-52", "S1-74", "S1-31", "S1-14", "S1-01")
def test_story(two):
    """By hand alice gets a first token of bob's; the rest is the servers'."""
    first = two.b.temporary(remote=ALICE, local=BOB)
    ours = two.a.temporary(remote=BOB, local=ALICE)
    with two.a.token_session(ALICE, ours) as c:
        c.mail(BOB)
        assert c.rcpt(ALICE, ours, first).code == 250
        assert c.data("Subject: hello\r\n\r\nx\r\n")[0].code == 250
    # Straight to bob; his server gives a permanent token back, and alice's
    # gave hers along.
    start = log_size(Of(two.a))
    assert two.a.send(BOB, "one").status == "250 2.0.0"
    assert two.b.subjects() == ["one"] and two.hop.tried == []
    two.a.wait_log("token-route .*stat=delivered new-token=kept", start, 30)
    two.b.wait_log("token ok .*kind=temporary", 0, 30)
    # He answers straight to her.
    assert two.b.send(ALICE, "two").status == "250 2.0.0"
    assert two.a.subjects() == ["hello", "two"] and two.hop.tried == []
    # She has a permanent token now.
    start = log_size(Of(two.b))
    assert two.a.send(BOB, "three").status == "250 2.0.0"
    assert two.b.subjects() == ["one", "three"] and two.hop.tried == []
    # She revokes him: his next goes the ordinary way, and no token is left.
    two.a.ctl("revoke", "pair", BOB, ALICE, check=True)
    start = log_size(Of(two.b))
    assert two.b.send(ALICE, "four").status == "250 2.0.0"
    message, = two.hop.messages
    assert message.addresses == [ALICE]
    assert two.a.subjects() == ["hello", "two"]
    two.b.wait_log("token-route .*stat=relay-host", start, 30)
    # All that he holds were tried.
    until(lambda: not two.b.show("held"))
    # Hers is as good as before.
    assert two.a.send(BOB, "five").status == "250 2.0.0"
    assert two.b.subjects() == ["one", "three", "five"]
    assert len(two.hop.tried) == 1


class Of:
    """A server as log_size() wants it."""

    def __init__(self, server):
        self.server = server


def test_reload_and_restart(two):
    """Held tokens survive; a new configuration forgets connections."""
    two.a.ctl("reload", check=True)
    assert two.a.send(BOB, "after a reload").status == "250 2.0.0"
    two.a.terminate()
    two.a.start()
    assert two.a.send(BOB, "after a restart").status == "250 2.0.0"
    assert two.b.subjects()[-2:] == ["after a reload", "after a restart"]


def test_server_is_away(two):
    """Nothing is lost while bob's server does not run."""
    two.hop.forget()
    two.b.terminate()
    assert two.a.send(BOB, "nobody is there").status == "250 2.0.0"
    message, = two.hop.messages
    assert message.addresses == [BOB]
    two.b.start()


def switches(site):
    """How often all of its processes have waited, together."""
    total = 0
    for pid in site.roles():
        with contextlib.suppress(OSError):
            text = open("/proc/%d/status" % pid).read()
            total += int(re.search(r"^voluntary\S+\s+(\d+)", text,
                                   re.M).group(1))
    return total


def wait_quiet(site):
    """Nothing moves there any more: everything waits for who is stopped. A
    guess, on which nothing hangs but how far things have come."""
    last, since = None, time.monotonic()
    until = since + 30
    while time.monotonic() < min(since + 0.3, until):
        now = switches(site)
        if now != last:
            last, since = now, time.monotonic()
        time.sleep(0.02)


@clauses("F-07", "S1-61")
@pytest.mark.restarts
@pytest.mark.parametrize("still", ["lmtpd", "tokend", "engine"])
@pytest.mark.parametrize("victim", ["lmtpd", "tokend", "engine", "frontend"])
def test_killed_at_the_other_site(two, still, victim):
    """One process of bob's site stands still while alice's message comes in,
    and one dies then: it reaches him, by whichever way, and twice only when
    the answer of the first was lost."""
    subject = "%s stands, %s dies" % (still, victim)
    two.hop.forget()
    # Both are ready for it: a token, and nothing that was noted before.
    first = two.b.temporary(remote=ALICE, local=BOB)
    ours = two.a.temporary(remote=BOB, local=ALICE)
    with two.a.token_session(ALICE, ours) as c:
        c.mail(BOB)
        assert c.rcpt(ALICE, ours, first).code == 250
        assert c.data("Subject: hello\r\n\r\nx\r\n")[0].code == 250
    two.a.ctl("reload", check=True)
    replies = []
    thread = threading.Thread(
        target=lambda: replies.append(two.a.send(BOB, subject)))
    pids = two.b.pids(still)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        thread.start()
        wait_quiet(two.b)
        for pid in two.b.pids(victim):
            two.b.kill_one(pid)
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
    thread.join(120)
    two.b.accept_new_family(60)
    reply, = replies
    assert reply.status == "250 2.0.0"
    here = two.b.subjects().count(subject)
    there = len(two.hop.messages)
    assert 1 <= here + there <= 2 and here <= 1 and there <= 1
    if here and there:
        log = two.a.log_text()
        assert "it may come twice" in log[log.rindex("token-route"):]
