# SPDX-License-Identifier: ISC
"""The sandbox of a whole running instance, seen from outside; and, under
`sandbox log`, that nothing of its daily work is stopped."""
import os
import pathlib
import signal
import subprocess

import pytest

import client
import server as instance

ALICE, BOB, FRIEND = "alice@a.example", "bob@a.example", "friend@b.example"
MESSAGE = b"Subject: x\r\n\r\n" + b"line\r\n" * 2000

# The wide and the narrow promises are two filters each, beside the parent's.
FILTERS = {role: 5 for role in instance.ROLES}


def status(pid):
    lines = pathlib.Path("/proc/%d/status" % pid).read_text().splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


def descriptors(pid):
    """But for the file that sanitizers write to, in their builds."""
    folder = pathlib.Path("/proc/%d/fd" % pid)
    return [x for x in (os.readlink(x) for x in folder.iterdir())
            if not x.startswith("/var/tmp/stoken-reports-")]


@pytest.mark.parametrize("role", instance.ROLES)
def test_every_process_is_bound(server, role):
    pids = server.pids(role)
    assert pids
    for pid in pids:
        found = status(pid)
        assert found["Seccomp"].strip() == "2"
        assert found["NoNewPrivs"].strip() == "1"
        if "Seccomp_filters" in found:
            assert int(found["Seccomp_filters"]) >= FILTERS[role]
        assert int(found["CapEff"], 16) == 0 or os.getuid() == 0


def test_relay_is_bound(own):
    """It reads files, those of the resolver; none of them stays open."""
    one = own(extra='relay host "smtp://127.0.0.1:9"')
    pid, = one.pids("relay")
    found = status(pid)
    assert found["Seccomp"].strip() == "2"
    if "Seccomp_filters" in found:
        assert int(found["Seccomp_filters"]) >= 5
    if os.getuid() != 0:
        pytest.skip("only root sees the descriptors of such a process")
    paths = [x for x in descriptors(pid) if x.startswith("/")]
    assert all(x == "/dev/null" or x == str(one.log) for x in paths), paths


def test_parent_is_bound(server):
    found = status(server.pid)
    assert found["Seccomp"].strip() == "2"
    assert found["NoNewPrivs"].strip() == "1"


@pytest.mark.parametrize("role", ["engine", "frontend"])
def test_no_file_is_open(server, role):
    """But the log, and what every process has: no file, nor a directory."""
    if os.getuid() != 0:
        pytest.skip("only root sees the descriptors of such a process")
    for pid in server.pids(role):
        paths = [x for x in descriptors(pid) if x.startswith("/")]
        assert all(x == "/dev/null" or x == str(server.log)
                   for x in paths), paths


def test_nobody_may_look_inside(server):
    """The same user can neither trace a process nor read its memory."""
    for role in instance.ROLES:
        pid = server.pids(role)[0]
        command = ["cat", "/proc/%d/environ" % pid]
        if os.getuid() == 0:
            command = ["setpriv", "--reuid", "65534", "--regid", "65534",
                       "--clear-groups"] + command
        done = subprocess.run(command, capture_output=True, check=False)
        assert done.returncode != 0 and b"Permission denied" in done.stderr


def deliver(one, pair, kind):
    token = one.generate(kind, *pair)
    with one.token_session(pair[1], token) as c:
        assert c.mail(pair[0]).status == "250 2.1.0"
        assert c.rcpt(pair[1], token).status == "250 2.1.5"
        reply, = c.data(MESSAGE)
        assert reply.code == 250


def daily_work(one):
    """Something of everything that a site does on a normal day."""
    deliver(one, (FRIEND, ALICE), "temporary")
    deliver(one, (FRIEND, BOB), "permanent")
    for user, word in instance.PASSWORDS.items():
        with one.hello("EHLO") as c:
            c.plain_login(user, word)
    for version in ("1.2", "1.3"):
        with one.hello("EHLO", version=version) as c:
            assert c.scram(BOB, instance.PASSWORDS[BOB],
                           plus="tls-server-end-point").code == 235
    with one.login(ALICE) as c:
        assert c.mail(ALICE).code == 250
        assert c.rcpt(BOB).code == 250
        assert c.data(MESSAGE)[0].code == 250
    with one.connect("tls-require") as c:
        c.ehlo()
        c.starttls()
        c.ehlo()
    for verb in ("tokens", "keys", "sessions", "stats"):
        one.ctl("show", verb, check=True)
    one.ctl("revoke", "pair", FRIEND, ALICE, check=True)
    one.ctl("rotate", "key", check=True)
    backup = one.dir / "db" / "backup"
    one.ctl("backup", str(backup))
    deliver(one, (FRIEND, ALICE), "temporary")


def test_daily_work_is_not_stopped(own):
    one = own(extra="sandbox log")
    daily_work(one)
    start = len(one.log_text())
    os.kill(one.pid, signal.SIGHUP)
    one.wait_log("reload|configuration", start)
    daily_work(one)
    stopped = [x for x in one.log_text().splitlines() if "sandbox:" in x]
    assert stopped == []


def test_a_killed_role_comes_back_bound(own):
    one = own()
    before = set(one.pids("engine"))
    victim = before.pop()
    os.kill(victim, signal.SIGSYS)
    one.accept_new_family()
    with one.hello("EHLO") as c:
        assert c.cmd("NOOP").code == 250
    for pid in one.pids("engine"):
        assert status(pid)["Seccomp"].strip() == "2"
