# SPDX-License-Identifier: ISC
"""Start, -n, reload, SIGTERM, background: the life of the daemon."""
import os
import shutil
import signal
import subprocess
import time

import pytest

import server as module
from client import ProtocolError
from clause import clauses
from server import PASSWORDS, drop

ALICE, BOB = "alice@a.example", "bob@a.example"
MESSAGE = "Subject: x\r\n\r\nText.\r\n"


def test_n_says_ok(server):
    done = subprocess.run(server.command("-n"), capture_output=True,
                          text=True, preexec_fn=drop())
    assert done.returncode == 0
    assert (done.stdout + done.stderr).strip() == "configuration OK"


def test_n_reports_all_errors(server):
    bad = server.dir / "bad.conf"
    bad.write_text("hostname mx.a.example\nfrobnicate\nlisten on nowhere\n"
                   "limit sessions many\n")
    server.own()
    done = subprocess.run([server.program, "-n", "-f", str(bad)],
                          capture_output=True, text=True, preexec_fn=drop())
    assert done.returncode == 1
    for line in (2, 3, 4):
        assert "%s:%d: " % (bad, line) in done.stderr, done.stderr


def test_port_in_use(server):
    """A second instance on the same ports: exit 1, with a reason."""
    done = subprocess.run(server.command("-d"), capture_output=True,
                          text=True, timeout=20, preexec_fn=drop())
    assert done.returncode == 1 and done.stderr


def test_reload_keeps_sessions(own):
    server = own()
    with server.login(ALICE) as c:
        c.mail(ALICE)
        c.rcpt(BOB)
        c.want("DATA", "354")
        c.send("Subject: over a reload\r\n\r\n")
        server.ctl("reload", check=True)
        os.kill(server.pid, signal.SIGHUP)
        c.send(".\r\n")
        assert c.reply().status == "250 2.0.0"
        with server.login(BOB) as other:
            other.want("NOOP", "250 2.0.0")
        c.mail(ALICE)
        c.rcpt(BOB)
        assert c.data(MESSAGE)[0].status == "250 2.0.0"
    server.check()
    assert len(server.mail(BOB)) == 2


def test_reload_takes_new_certificates(own):
    server = own()
    with server.hello("EHLO") as old:
        before = old.sock.getpeercert(True)
        module.certificate(server.dir, "mx.a.example", module.P256)
        server.own()
        server.ctl("reload", check=True)
        with server.hello("EHLO") as new:
            assert new.sock.getpeercert(True) != before
            user = "bob@a.example"
            assert new.scram(user, PASSWORDS[user],
                             plus="tls-server-end-point").code == 235
        old.want("NOOP", "250 2.0.0")
    server.check()


def test_reload_refuses_the_wrong_key(own):
    """However often: the old key is still in use."""
    server = own()
    key = server.dir / "mx.a.example.key"
    good = key.read_bytes()
    key.write_bytes((server.dir / "rsa.a.example.key").read_bytes())
    for _ in range(3):
        done = server.ctl("reload")
        assert done.returncode == 70 and "mx.a.example" in done.stderr
        with server.login(ALICE) as c:
            c.want("NOOP", "250 2.0.0")
    key.write_bytes(good)
    server.ctl("reload", check=True)
    with server.login(ALICE) as c:
        c.want("NOOP", "250 2.0.0")
    server.check()


def test_reload_takes_new_users_and_limits(own):
    server = own()
    server.write_users(["new@a.example:" + module.crypt_line("x y")])
    server.limits["message-size"] = "1M"
    server.write_config()
    server.ctl("reload", check=True)
    with server.hello("EHLO") as c:
        assert c.plain_login("new@a.example", "x y").status == "235 2.7.0"
    with server.connect() as c:
        assert c.ehlo()["SIZE"] == "1048576"
        assert c.plain_login(ALICE, PASSWORDS[ALICE]).status == "535 5.7.8"


@pytest.mark.parametrize("breakage", [
    "frobnicate", "pki x.example cert \"/none\"", "limit sessions none"])
def test_bad_reload_changes_nothing(own, breakage):
    """Whole or not at all; tokenctl says that it failed."""
    server = own()
    text = server.conf.read_text()
    server.conf.write_text(text.replace("mx.a.example\ndomain",
                                        "changed.example\ndomain")
                           + breakage + "\n")
    done = server.ctl("reload")
    assert done.returncode != 0 and done.stderr
    with server.connect() as c:
        assert c.greeting.lines[0].startswith("mx.a.example")
        c.ehlo()
        assert c.plain_login(ALICE, PASSWORDS[ALICE]).status == "235 2.7.0"
    server.check()


def test_many_reloads_under_load(own):
    """T35: no refused session, tokens stay good."""
    server = own()
    token = server.permanent()
    for number in range(10):
        if number % 3 == 0:
            module.certificate(server.dir, "mx.a.example", module.P256)
            server.own()
        server.ctl("reload", check=True)
        for _ in range(3):
            with server.token_session(ALICE, token) as c:
                c.mail("friend@b.example")
                c.rcpt(ALICE, token)
                assert c.data(MESSAGE)[0].status == "250 2.1.12"
    server.check()
    assert len(server.mail(ALICE)) == 30


def test_sigterm_says_goodbye(own):
    """Idle sessions 421 4.3.2 at once; one in a transfer may finish."""
    server = own(extra="timeout shutdown 30s")
    idle = server.hello("EHLO")
    busy = server.login(ALICE)
    busy.mail(ALICE)
    busy.rcpt(BOB)
    busy.want("DATA", "354")
    busy.send("Subject: in flight\r\n\r\n")
    os.kill(server.pid, signal.SIGTERM)
    assert idle.reply().status == "421 4.3.2"
    assert idle.at_end()
    time.sleep(0.3)
    busy.send("the rest\r\n.\r\n")
    assert busy.reply().status == "250 2.0.0"
    try:
        assert busy.reply().status == "421 4.3.2"
    except ProtocolError:
        pass
    assert server.process.wait(60) == 0
    assert server.mail(BOB)[0].read_text().endswith("the rest\n")
    assert not os.path.exists("/proc/%d" % server.process.pid)


def test_sigterm_does_not_wait_for_ever(own):
    server = own(extra="timeout shutdown 1s")
    stuck = server.login(ALICE)
    stuck.mail(ALICE)
    stuck.rcpt(BOB)
    stuck.want("DATA", "354")
    begin = time.monotonic()
    assert server.terminate() == 0
    assert time.monotonic() - begin < 30 # and not timeout data, 5m
    assert server.mail(BOB) == []


def test_nothing_is_left_after_the_end(own):
    server = own()
    pids = [server.pid, *server.roles()]
    assert server.terminate() == 0
    for pid in pids:
        assert not os.path.exists("/proc/%d" % pid)
    assert not os.path.exists(server.control)
    server.start()
    server.login(ALICE).quit()


def test_start_over_stale_sockets(own):
    """After kill -9 the sockets lie about: the next start takes them over."""
    server = own()
    token = server.permanent()
    server.kill()
    assert os.path.exists(server.control)
    server.start()
    server.token_session(ALICE, token).quit()


def test_background():
    """Without -d: 0 only when ready; the sessions work at once."""
    one = module.Server()
    try:
        done = subprocess.run(one.command(), capture_output=True, text=True,
                              timeout=40, cwd=one.dir, preexec_fn=drop())
        assert done.returncode == 0, done
        with one.login(ALICE) as c:
            c.quit()
        pid = parent_of(one)
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 60
        while os.path.exists("/proc/%d" % pid):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        shutil.rmtree(one.dir, ignore_errors=True)


def parent_of(one):
    """The daemon that was started with the configuration of this one."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                with open("/proc/%s/cmdline" % entry, "rb") as words:
                    if str(one.conf).encode() in words.read():
                        found.append(int(entry))
            except OSError:
                continue
    assert len(found) == 1, found
    return found[0]


def test_background_failure(server):
    """Not ready is not 0: the ports are taken."""
    done = subprocess.run(server.command(), capture_output=True, text=True,
                          timeout=40, preexec_fn=drop())
    assert done.returncode == 1


@clauses("S1-02")
def test_roles_and_titles(server):
    """Each process is its own executable, with its own title."""
    names = sorted(set(server.roles().values()))
    assert names == sorted(module.ROLES)
    for pid, role in server.roles().items():
        with open("/proc/%d/cmdline" % pid, "rb") as words:
            title = words.read().replace(b"\0", b" ").decode()
        assert title.startswith("smtpd-stoken: " + role), title
