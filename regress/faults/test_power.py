# SPDX-License-Identifier: ISC
"""Power loss: what is on the disk at the moment of the last 250.

The mailboxes lie on a file system in a file.  When all messages are answered
the file is copied, as a disk whose machine lost its power; only what was
flushed is in it.  The copy is mounted, its journal replayed, and looked at.
"""
import contextlib
import os
import pathlib
import shutil
import subprocess
import threading

import pytest

from clause import clauses
import server as instance

ALICE = "alice@a.example"
USERS = (ALICE, "bob@a.example", "carol@a.example")


def run(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True).stdout


@contextlib.contextmanager
def mounted(image, where):
    where.mkdir()
    run("mount", "-o", "loop", str(image), str(where))
    try:
        yield where
    finally:
        run("umount", str(where))


@pytest.fixture
def disk(tmp_path):
    """An ext4 file system in a file: (the file, where it is mounted)."""
    if os.getuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("needs root and mkfs.ext4")
    image = tmp_path / "disk"
    with image.open("wb") as out:
        out.truncate(96 << 20)
    run("mkfs.ext4", "-q", "-F", str(image))
    where = pathlib.Path("/var/tmp/stoken-power-%d" % os.getpid())
    try:
        with mounted(image, where):
            os.chown(where, instance.NOBODY, instance.NOBODY)
            yield image, where
    except subprocess.CalledProcessError as error:
        pytest.skip("cannot mount: " + error.output)
    finally:
        with contextlib.suppress(OSError):
            where.rmdir()


def after_power_loss(image, tmp_path):
    """{delivery id: content} of what a copy of the disk holds."""
    copy = tmp_path / "copy"
    shutil.copyfile(image, copy)
    found = {}
    with mounted(copy, tmp_path / "after") as where:
        for mail in where.glob("*/*/new/*"):
            found[mail.name.split("_")[1].split(".")[0]] = mail.read_bytes()
    (tmp_path / "after").rmdir()
    copy.unlink()
    return found


def unflushed_is_lost(image, where, tmp_path, attempt):
    """The test can fail: without a flush nothing is in the copy.  The kernel
    flushes every five seconds, so this may meet it."""
    name = "unflushed-%d" % attempt
    (where / name).mkdir()
    copy = tmp_path / "control-copy"
    shutil.copyfile(image, copy)
    with mounted(copy, tmp_path / name) as control:
        return not (control / name).exists()


def client(one, number, recipients, answered):
    """Some messages of one client; remembers what was answered 250."""
    with one.trusted() as c:
        for count in range(5):
            mark = "mark-%d-%d" % (number, count)
            c.mail("x@b.example")
            for address in recipients:
                c.rcpt(address)
            text = "Subject: x\r\n\r\n%s\r\n%s\r\n" % (
                mark, "y" * (100 * number))
            for reply in c.data(text, len(recipients)):
                assert reply.code == 250, reply
                answered[reply.text.split()[1]] = mark


def deliver(one, clients, recipients):
    answered = {}
    threads = [threading.Thread(target=client, args=(
        one, number, recipients, answered)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answered


@clauses("F-07", "S1-61")
@pytest.mark.parametrize("clients,recipients,lmtpds", [
    (1, USERS[:1], 1), (12, USERS[:1], 1), (12, USERS, 1), (12, USERS, 3)])
def test_answered_is_on_disk(disk, tmp_path, clients, recipients, lmtpds):
    """One at a time is flushed file by file, many are flushed together."""
    image, where = disk
    one = instance.Server(prefork=(1, 1, lmtpds), replace={
        "deliver maildir": 'deliver maildir "%s/%%{domain}/%%{user}"' % where})
    with one:
        answered = deliver(one, clients, recipients)
        found = after_power_loss(image, tmp_path)
        assert len(answered) == 5 * clients * len(recipients)
        lost = [x for x in answered if x not in found]
        assert not lost, "answered 250 and lost: %s" % lost
        for identifier, mark in answered.items():
            assert mark.encode() in found[identifier]
            assert found[identifier].endswith(b"y\n") or \
                mark.startswith("mark-0-")
        assert any(unflushed_is_lost(image, where, tmp_path, attempt)
                   for attempt in range(3))
