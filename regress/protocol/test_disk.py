# SPDX-License-Identifier: ISC
"""Disk full, unwritable mailboxes, vanished users, hostile mailboxes."""
import os
import shutil
import subprocess

import pytest

import server as module
from clause import clauses
from server import NOBODY

ALICE, BOB, CAROL = "alice@a.example", "bob@a.example", "carol@a.example"
MESSAGE = "Subject: disk\r\n\r\nText.\r\n"


def send(server, recipients, message=MESSAGE):
    with server.trusted() as c:
        c.mail("x@b.example")
        for recipient in recipients:
            assert c.rcpt(recipient).status == "250 2.1.5"
        replies = c.data(message, len(recipients))
        c.quit()
    return [r.status for r in replies]


def is_temporary(status):
    return status.startswith("4")


@clauses("S1-61", "D-S17", "F-07")
def test_unwritable_mailbox(own):
    """That recipient alone fails; the others of the message are delivered."""
    server = own()
    assert send(server, [ALICE, BOB]) == ["250 2.1.12"] * 2
    new = server.mailbox(ALICE) / "new"
    new.chmod(0o500)
    try:
        first, second, third = send(server, [BOB, ALICE, CAROL])
        assert first == third == "250 2.1.12"
        assert is_temporary(second)
    finally:
        new.chmod(0o700)
    assert len(server.mail(ALICE)) == 1
    assert len(server.mail(BOB)) == 2
    assert send(server, [ALICE]) == ["250 2.1.12"]


@clauses("D-S17")
def test_mailbox_is_made_when_missing(own):
    server = own()
    assert send(server, [ALICE]) == ["250 2.1.12"]
    shutil.rmtree(server.mailbox(ALICE))
    assert send(server, [ALICE]) == ["250 2.1.12"]
    assert len(server.mail(ALICE)) == 1


def test_vanished_root(own):
    """The directory of all mailboxes is away: no 250 for nothing."""
    server = own()
    away = server.dir / "away"
    server.mailroot.rename(away)
    try:
        status = send(server, [ALICE])[0]
        assert status == "250 2.1.12" or is_temporary(status)
    finally:
        away.rename(server.mailroot)
    assert send(server, [ALICE]) == ["250 2.1.12"]
    assert len(server.mail(ALICE)) == 1 + (status == "250 2.1.12")


def make_hostile(box, kind, outside):
    new = box / "new"
    shutil.rmtree(new)
    if kind == "symlink":
        new.symlink_to(outside)
    elif kind == "file":
        new.write_text("not a directory")
    elif kind == "fifo":
        os.mkfifo(new)
    elif kind == "dangling":
        new.symlink_to(box / "nowhere")


@pytest.mark.parametrize("kind", ["symlink", "file", "fifo", "dangling"])
def test_hostile_mailbox(own, kind):
    """T27: never through a symbolic link, never blocked by a fifo."""
    server = own()
    outside = server.dir / "outside"
    outside.mkdir()
    if os.getuid() == 0:
        os.chown(outside, NOBODY, NOBODY)
    assert send(server, [ALICE]) == ["250 2.1.12"]
    make_hostile(server.mailbox(ALICE), kind, outside)
    first, second = send(server, [ALICE, BOB])
    assert first[0] in "45" and second == "250 2.1.12"
    assert list(outside.iterdir()) == []


@clauses("S1-26", "S1-61", "D-S17")
def test_failed_delivery_mints_nothing(own):
    server = own()
    token = server.temporary()
    (server.mailroot / "a.example").mkdir(exist_ok=True)
    (server.mailroot / "a.example").chmod(0o500)
    server.own()
    (server.mailroot / "a.example").chmod(0o500)
    with server.token_session(ALICE, token) as c:
        c.mail("friend@b.example")
        assert c.rcpt(ALICE, token, "mine").status in (
            "250 2.1.5", "451 4.2.0", "451 4.3.0", "452 4.2.2")
        reply = c.cmd("DATA")
        if reply.code == 354:
            c.send(MESSAGE + ".\r\n")
            assert c.reply().code // 100 == 4
    assert server.show("tokens") == []
    assert server.show("held") == []
    (server.mailroot / "a.example").chmod(0o700)
    with server.token_session(ALICE, token) as c:
        c.mail("friend@b.example")
        c.rcpt(ALICE, token)
        assert c.data(MESSAGE)[0].status == "250 2.1.13"


@clauses("S1-73")
def test_vanished_user(own):
    """T17: gone from the users file: unknown at once after a reload."""
    server = own()
    token = server.temporary("friend@b.example", BOB)
    with server.token_session(BOB, token) as c:
        lines = (server.dir / "users").read_text().splitlines()
        server.write_users([x for x in lines if not x.startswith("bob@")])
        server.ctl("reload", check=True)
        c.mail("friend@b.example")
        assert c.rcpt(BOB, token).status == "550 5.7.1"
    with server.hello("LHLO") as c:
        assert c.token_login(BOB, token).status == "535 5.7.8"
    with server.trusted() as c:
        c.mail("x@b.example")
        assert c.rcpt(BOB).status == "550 5.1.1"
    with server.hello("EHLO") as c:
        assert c.plain_login(BOB, "builder,=2").status == "535 5.7.8"


@pytest.fixture
def tiny():
    """An instance whose mailboxes lie on a tmpfs of 1 MiB."""
    if os.getuid() != 0:
        pytest.skip("needs root to mount a small file system")
    probe = subprocess.run(["unshare", "-m", "true"], capture_output=True)
    if probe.returncode != 0:
        pytest.skip("needs the right to make a mount namespace")
    script = ('mount -t tmpfs -o size=1m,mode=0700,uid=%d,gid=%d tmpfs "$0" '
              '&& exec setpriv --reuid %d --regid %d --clear-groups "$@"'
              % (NOBODY, NOBODY, NOBODY, NOBODY))
    one = module.Server()
    one.wrap = ["unshare", "-m", "--propagation", "private", "sh", "-c",
                script, str(one.mailroot)]
    # unshare and sh become the program itself: no process in between.
    one.direct = True
    with one:
        inside = "/proc/%d/root" % one.pid
        one.mailroot = type(one.mailroot)(inside + str(one.mailroot))
        yield one


@clauses("D-S17", "F-07", "F-90")
def test_disk_full(tiny):
    """4xx for the recipient, nothing half visible, works again later."""
    big = "Subject: big\r\n\r\n" + ("b" * 70 + "\r\n") * 4000
    statuses = [send(tiny, [BOB], big)[0] for _ in range(6)]
    good = statuses.count("250 2.1.12")
    assert 1 <= good < 6
    assert all(x in ("452 4.3.1", "452 4.2.2", "451 4.2.0", "451 4.3.0")
               for x in statuses if x != "250 2.1.12"), statuses
    files = tiny.mail(BOB)
    assert len(files) == good
    for path in files:
        assert path.read_bytes().endswith(b"b" * 70 + b"\n")
        path.unlink()
    assert send(tiny, [BOB], big) == ["250 2.1.12"]


@clauses("F-07")
def test_disk_full_with_several_recipients(tiny):
    big = "Subject: big\r\n\r\n" + ("b" * 70 + "\r\n") * 9000
    statuses = send(tiny, [BOB, ALICE, CAROL], big)
    for box, status in zip((BOB, ALICE, CAROL), statuses):
        assert len(tiny.mail(box)) == (status == "250 2.1.12")
