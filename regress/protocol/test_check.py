# SPDX-License-Identifier: ISC
"""tokenctl check: one command that says what is wrong, and what to do."""
import contextlib
import json
import os
import re
import signal
import subprocess
import time

import pytest

import relay_sink
from server import NOBODY, P256, Server, certificate
from test_dns import NAMES, all_records, quiet_port
from token_world import Nsd

STATES = ("ok", "warning", "problem", "unchecked")


class Said:
    """What `tokenctl check` said."""

    def __init__(self, server):
        done = server.ctl("check")
        self.status, self.text = done.returncode, done.stdout
        assert done.stderr == "", done
        self.rows = []
        for line in self.text.splitlines():
            state, rest = re.fullmatch(r"(\w+) +(.*)", line).groups()
            item, text = rest.split(": ", 1)
            assert state in STATES and text, line
            self.rows.append((state, item, text))
        assert self.status == int(bool(self.of("problem"))), done

    def of(self, *states, item=None):
        return [row for row in self.rows if row[0] in states and
                (item is None or row[1] == item)]

    def one(self, state, item, words):
        """There is such a line, which says these words."""
        found = [row for row in self.of(state, item=item) if words in row[2]]
        assert found, (state, item, words, self.text)


@contextlib.contextmanager
def relay(extra="", host="smtp://127.0.0.1:%d", **options):
    with relay_sink.RelaySink(**options) as hop:
        with Server(extra=('relay host "%s"\n%s' % (host, extra)) %
                    hop.port) as server:
            server.hop = hop
            yield server


def test_all_is_well():
    port = quiet_port()
    with relay_sink.RelaySink() as hop:
        server = Server(extra='relay host "smtp://127.0.0.1:%d"\n'
                        'resolver "127.0.0.1:%d"' % (hop.port, port))
        certificate(server.dir, "mx.a.example", P256, NAMES)
        server.own()
        with server:
            nsd = Nsd(all_records(server), port=port)
            try:
                said = Said(server)
                done = server.ctl("check", flags=("-j",), check=True)
            finally:
                nsd.close()
        assert not hop.messages and not hop.tried
    assert said.status == 0
    assert not said.of("problem", "unchecked"), said.text
    # The certificates are made for three days; the disk may be full.
    assert {row[1] for row in said.of("warning")} <= {
        "certificate mx.a.example", "certificate rsa.a.example", "store",
        "mailboxes"}, said.text
    said.one("ok", "control", "answers")
    for role in ("frontend", "engine", "relay", "tokend", "tokend-sign",
                 "tokend-auth", "lmtpd"):
        said.one("ok", "process " + role, "run")
    said.one("ok", "users", "5 can log in")
    said.one("ok", "mailboxes", "could be written")
    said.one("ok", "store", "records are sound")
    for item in ("store", "mailboxes"):
        assert [x for x in said.rows if x[1] == item and "free" in x[2]]
    said.one("ok", "keys", "can be read")
    said.one("ok", "clock", "")
    said.one("ok", "relay host", "answers at 127.0.0.1:%d" % hop.port)
    said.one("ok", "port %d" % server.ports["smtps"], "mx.a.example")
    said.one("ok", "dns _submissions._tcp.a.example", "mx.a.example.")
    said.one("ok", "dns mx.a.example", "192.0.2.1")
    rows = json.loads(done.stdout)
    assert [(r["state"], r["item"]) for r in rows] == [
        row[:2] for row in said.rows]


def test_what_cannot_be_checked_is_said(server):
    said = Said(server)
    assert said.status == 0
    assert "relay host" not in [row[1] for row in said.rows]
    said.one("unchecked", "dns _submissions._tcp.a.example",
             "without a relay host")
    said.one("warning", "port %d for a.example" % server.ports["smtps"],
             "no certificate")


def test_relay_host_is_away():
    with relay() as server:
        server.hop.close()
        said = Said(server)
        said.one("problem", "relay host", "takes no mail")
        assert said.status == 1
        done = server.ctl("check", flags=("-j",))
        assert done.returncode == 1
        assert "problem" in {r["state"] for r in json.loads(done.stdout)}


def test_relay_host_that_never_answers():
    with relay() as server:
        server.hop.fault("connect", relay_sink.stall())
        Said(server).one("problem", "relay host", "takes no mail")


def test_relay_host_by_tls_with_a_login(tmp_path):
    certificate(tmp_path, "sink.example", P256)
    pair = str(tmp_path / "sink.example.crt"), \
        str(tmp_path / "sink.example.key")
    with relay_sink.RelaySink(certificate=pair, implicit=True,
                              logins={"user": "right"}) as hop:
        server = Server()
        server.extra = 'relay host "smtps://me@127.0.0.1:%d" auth ' \
            '"%s/secrets" no-verify' % (hop.port, server.dir)
        server.write_config()
        secrets = server.dir / "secrets"
        secrets.write_text("me user:right\n")
        secrets.chmod(0o600)
        server.own()
        with server:
            Said(server).one("ok", "relay host",
                             "by TLS, and takes our login")
            secrets.write_text("me user:wrong-password\n")
            server.ctl("reload", check=True)
            said = Said(server)
            said.one("problem", "relay host", "does not take our login")
            assert "wrong-password" not in said.text


def test_relay_host_without_address():
    with Server(extra='relay host "smtp://nowhere.invalid:25"\n'
                'resolver "127.0.0.1:%d"' % quiet_port()) as server:
        Said(server).one("problem", "relay host", "nowhere.invalid")


def test_deliver_lmtp():
    with relay_sink.RelaySink(lmtp=True) as down:
        with Server(replace={"deliver": 'deliver lmtp "127.0.0.1:%d"' %
                             down.port}) as server:
            Said(server).one("ok", "deliver lmtp", "answers")
            down.close()
            Said(server).one("problem", "deliver lmtp", "takes no mail")


def test_mailboxes_cannot_be_written():
    with Server() as server:
        private = server.mailroot / ".smtpd-stoken" / "0"
        assert private.is_dir()
        private.chmod(0o500)
        said = Said(server)
        said.one("problem", "mailboxes", "no mail can be delivered")
        private.chmod(0o700)
        assert not Said(server).of("problem", item="mailboxes")


def test_users_file_is_gone():
    with Server() as server:
        (server.dir / "users").rename(server.dir / "users.away")
        Said(server).one("problem", "users", "changes do not")


def test_processes():
    with Server() as server:
        server.kill_one(server.pids("engine")[0])
        server.accept_new_family()
        until = time.monotonic() + 30
        while not Said(server).of("warning", item="process engine"):
            assert time.monotonic() < until
            time.sleep(0.1)
        said = Said(server)
        said.one("warning", "process engine", "1 died since the start")
        victim = server.pids("lmtpd")[0]
        os.kill(victim, signal.SIGSTOP)
        try:
            said = Said(server)
            assert [row for row in said.of("warning")
                    if row[1].startswith("process lmtpd[") and
                    "does not answer" in row[2]], said.text
        finally:
            os.kill(victim, signal.SIGCONT)


def test_certificates():
    """Of another name, and renewed without a reload."""
    with Server(replace={"hostname": "hostname other.example"}) as server:
        said = Said(server)
        for port in server.ports.values():
            said.one("problem", "port %d" % port,
                     "no certificate is for other.example")
        assert not said.of("warning", item="certificates")
        file = server.dir / "rsa.a.example.crt"
        os.utime(file, (time.time() + 5,) * 2)
        Said(server).one("warning", "certificates", "tokenctl reload")
        file.rename(file.with_suffix(".away"))
        Said(server).one("warning", "certificates", "reload fails")


def test_keys_are_not_those_in_use():
    with Server() as server:
        (server.dir / "db/keys").rename(server.dir / "keys.away")
        Said(server).one("problem", "keys", "keys")


def test_the_group_may_check(server):
    if os.getuid() != 0:
        pytest.skip("needs root to become another user")
    group = os.stat(server.control).st_gid

    def member():
        os.setgroups([group])
        os.setgid(NOBODY - 1)
        os.setuid(NOBODY - 1)

    done = subprocess.run(
        [str(server.programs / "sbin/tokenctl"), "-s", server.control,
         "check"], capture_output=True, text=True, preexec_fn=member)
    assert done.returncode == 0 and "control: " in done.stdout


def test_relay_dies_while_it_tries():
    with relay() as server:
        server.hop.fault("connect", relay_sink.stall())
        running = subprocess.Popen(
            [str(server.programs / "sbin/tokenctl"), "-s", server.control,
             "check"], stdout=subprocess.PIPE, text=True)
        assert server.hop.stalled.acquire(timeout=30)
        server.kill_one(server.pids("relay")[0])
        text = running.communicate(timeout=60)[0]
        server.accept_new_family()
    assert running.returncode in (0, 1)
    assert re.search(r"^(unchecked|problem) +relay host: ", text, re.M), text
    assert re.search(r"^ok +store: .* sound", text, re.M), text
