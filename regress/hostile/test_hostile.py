# SPDX-License-Identifier: ISC
"""T20: one process of the house was taken over.  What do the others do?"""
import os
import pathlib
import shutil
import subprocess
import time

import pytest

import server as module
from clause import clauses
from server import ALL_ROLES, BUILD, drop

HERE = pathlib.Path(__file__).parent
ALICE, BOB = "alice@a.example", "bob@a.example"
SEEDS = [1, 2]


def build(name, *sources):
    output = BUILD / name
    done = subprocess.run(
        ["sh", str(HERE / "build.sh"), str(output), *sources],
        capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return output


@pytest.fixture(scope="module")
def liar():
    return build("liar", *("regress/hostile/%s.c" % x
                           for x in ("liar", "victim", "talk")))


@pytest.fixture(scope="module")
def tickets():
    return build("tickets", *("regress/hostile/%s.c" % x
                              for x in ("tickets", "victim", "talk")),
                 "lib/ticket.o", "-lcrypto")


@pytest.fixture(scope="module")
def imposter():
    return build("imposter", "regress/hostile/imposter.c")


@pytest.fixture
def scene(liar):
    """Files that a process needs, and programs that `nobody` may run."""
    one = module.Server()
    (one.dir / "db").mkdir(mode=0o700)
    shutil.copy(liar, one.dir / "liar")
    one.own()
    yield one
    shutil.rmtree(one.dir, ignore_errors=True)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("role", ALL_ROLES)
def test_every_pair_and_every_message(scene, role, seed):
    """All peers of a role lie, with every message of the contract."""
    done = subprocess.run(
        [str(scene.dir / "liar"), str(scene.programs / "libexec/smtpd-stoken"),
         role, str(scene.dir), str(seed)], capture_output=True, text=True,
        timeout=120, preexec_fn=drop())
    assert done.returncode == 0, done.stderr[-3000:]
    assert "complaints" in done.stdout


@clauses("S1-15", "S1-61")
def test_no_delivery_without_a_ticket(tickets, scene):
    """lmtpd and an engine that was taken over."""
    shutil.copy(tickets, scene.dir / "tickets")
    done = subprocess.run(
        [str(scene.dir / "tickets"),
         str(scene.programs / "libexec/smtpd-stoken"), str(scene.dir)],
        capture_output=True, text=True, timeout=60, preexec_fn=drop())
    assert done.returncode == 0, done.stderr[-3000:]
    box = scene.mailbox(ALICE) / "new"
    assert len(list(box.iterdir())) == 2


LIES = ["junk", "type 0x0110", "type 0x0123", "type 0x0500", "type 0x0701",
        "type 0x0a00", "type 0x7fff", "type 0x0111", "exit 0", "exit 1",
        "exit 70", "close"]


@pytest.fixture
def stage(imposter):
    """An instance in which one role may be replaced by an imposter."""
    one = module.Server(prefork=(2, 2, 2),
                        extra='relay host "smtp://127.0.0.1:9"')
    if one.programs == BUILD:
        one.programs = one.dir / "programs"
        for part in ("sbin", "libexec"):
            shutil.copytree(BUILD / part, one.programs / part)
    libexec = one.programs / "libexec/smtpd-stoken"
    for role in ALL_ROLES:
        (libexec / role).rename(libexec / (role + ".real"))
        shutil.copy(imposter, libexec / role)
    one.own()
    with one:
        yield one


def say(stage, role, what):
    path = stage.programs / "libexec/smtpd-stoken" / (role + ".lie")
    path.write_text(what)
    if os.getuid() == 0:
        os.chown(path, module.NOBODY, module.NOBODY)
    return path


@pytest.mark.restarts
@pytest.mark.parametrize("role", ALL_ROLES)
def test_lies_to_the_parent(stage, role):
    """It is killed and replaced; sessions of others go on; none of it ends
    the parent."""
    family = sorted(stage.roles().values())
    parent = stage.pid
    for what in LIES if role == "engine" else LIES[:3]:
        path = say(stage, role, what)
        stage.kill_one(stage.pids(role)[0])
        deadline = time.monotonic() + 60
        while path.exists() or not stage.answers() or \
                sorted(stage.roles().values()) != family:
            assert time.monotonic() < deadline, stage.log_tail()
            assert stage.process.poll() is None, stage.log_tail()
            time.sleep(0.05)
        assert stage.pid == parent
    with stage.login(ALICE) as c:
        c.mail(ALICE)
        c.rcpt(BOB)
        assert c.data("Subject: x\r\n\r\n")[0].code == 250
    stage.family = stage.roles()


TOKEND, SIGN = 5, 6  # enum role


@pytest.mark.restarts
@pytest.mark.parametrize("what, victim", [
    ("complain %d 1" % SIGN, None), ("complain %d 6" % TOKEND, "tokend")])
def test_who_complains_too_much_is_replaced(stage, what, victim):
    """Of somebody that it has no edge to: that one stays.  Of a peer, again
    and again: it goes too."""
    family = sorted(stage.roles().values())
    before = {role: stage.pids(role) for role in ("tokend", "tokend-sign")}
    path = say(stage, "engine", what)
    stage.kill_one(stage.pids("engine")[0])
    deadline = time.monotonic() + 60
    while path.exists() or not stage.answers() or \
            sorted(stage.roles().values()) != family:
        assert time.monotonic() < deadline, stage.log_tail()
        time.sleep(0.05)
    for role, pids in before.items():
        assert (stage.pids(role) == pids) == (role != victim), role
    stage.family = stage.roles()


@pytest.mark.parametrize("role", ALL_ROLES)
@pytest.mark.parametrize("what", ["exit 1", "junk"])
def test_lies_at_the_start(stage, role, what):
    """A role that fails at the first start: exit 1, and nothing is left."""
    assert stage.terminate() == 0
    say(stage, role, what)
    done = subprocess.run(stage.command("-d"), capture_output=True, text=True,
                          timeout=30, preexec_fn=drop())
    assert done.returncode == 1
    assert role in done.stderr
    stage.start()
