# SPDX-License-Identifier: ISC
"""smtpd-stoken -n -v on a whole instance that does not run: what it prints
reads back, every process proves itself, and what is wrong with a file that
the configuration names is said, with the file's name."""
import contextlib
import os
import pwd
import shutil
import socket
import subprocess

import pytest

import client
from server import Server, drop, free_port


@pytest.fixture
def idle():
    """An instance that nobody starts."""
    one = Server()
    yield one
    with contextlib.suppress(OSError):
        shutil.rmtree(one.dir)


def check(one, *options):
    return subprocess.run(one.command("-n", *options), capture_output=True,
        text=True, timeout=60, preexec_fn=drop(), check=False)


def test_what_it_prints_reads_back(idle):
    first = check(idle, "-v")
    assert first.returncode == 0, first.stderr
    assert first.stderr.rstrip().endswith("configuration OK")
    for word in ("# processes", "# edges", "# sandbox", "tokend-sign"):
        assert word in first.stdout
    idle.conf.write_text(first.stdout)
    again = check(idle, "-v")
    assert again.returncode == 0, again.stderr
    assert again.stdout == first.stdout


def test_it_leaves_nobody_behind(idle):
    assert check(idle, "-v").returncode == 0
    assert not os.path.exists(idle.control)
    assert not os.path.exists(idle.socket)
    assert idle.roles() == {} if idle.process else True


@pytest.mark.parametrize("name, mode, wanted", [
    ("mx.a.example.key", 0o644, "expected mode 0640 or tighter"),
    ("users", 0o644, "expected mode 0640 or tighter"),
    ("aliases", 0o666, "expected mode 0644 or tighter"),
    ("mx.a.example.crt", 0o664, "expected mode 0644 or tighter")])
def test_files_that_are_too_open(idle, name, mode, wanted):
    path = idle.dir / name
    path.chmod(mode)
    done = check(idle, "-v")
    assert done.returncode == 1
    assert "%s: mode %04o" % (path, mode) in done.stderr
    assert wanted in done.stderr
    assert check(idle).returncode == 0  # the text is in order


@pytest.mark.parametrize("name", ["users", "aliases", "rsa.a.example.key",
                                  "rsa.a.example.crt"])
def test_files_that_are_not_there(idle, name):
    (idle.dir / name).unlink()
    done = check(idle, "-v")
    assert done.returncode == 1
    assert str(idle.dir / name) in done.stderr


@pytest.mark.parametrize("name", ["users", "aliases", "rsa.a.example.key",
                                  "rsa.a.example.crt"])
def test_files_that_are_garbage(idle, name):
    path = idle.dir / name
    path.write_text("this is not what belongs here\n")
    done = check(idle, "-v")
    assert done.returncode == 1
    assert "configuration OK" not in done.stderr


def test_a_key_of_another_certificate(idle):
    shutil.copy(idle.dir / "rsa.a.example.key", idle.dir / "mx.a.example.key")
    idle.own()
    done = check(idle, "-v")
    assert done.returncode == 1
    assert "mx.a.example" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_what_an_ordinary_user_may_not_read(idle):
    for name in ("mx.a.example.key", "rsa.a.example.key"):
        os.chown(idle.dir / name, 0, 0)
        (idle.dir / name).chmod(0o600)
    assert check(idle).returncode == 0
    assert "mx.a.example.key: cannot open it" in check(idle, "-v").stderr


def test_a_directory_that_cannot_be_made(idle):
    idle.replace = {"store": 'store db "/proc/nowhere"'}
    idle.write_config()
    done = check(idle, "-v")
    assert done.returncode == 1
    assert "/proc/nowhere" in done.stderr


def test_no_mailboxes(idle):
    """The root of the mailboxes has to exist (lmtpd makes only Maildirs)."""
    idle.mailroot.rmdir()
    done = check(idle, "-v")
    assert done.returncode == 1
    assert str(idle.mailroot) in done.stderr


def test_a_service_manager_is_told():
    """Type=notify of etc/systemd: READY=1 when listening, STOPPING=1."""
    path = "/var/tmp/stoken-notify-%d" % os.getpid()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(10)
        os.chmod(path, 0o777)
        try:
            with Server(environment={"NOTIFY_SOCKET": path}):
                assert manager.recv(100) == b"READY=1"
            assert manager.recv(100) == b"STOPPING=1"
        finally:
            os.unlink(path)


def test_both_families_on_one_port():
    """As in the sample: 0.0.0.0 and :: are two listeners."""
    port = free_port()
    lines = "".join("listen on %s port %d smtps pki mx.a.example\n" % (
        address, port) for address in ("0.0.0.0", "::"))
    with Server(extra=lines) as one:
        for address in ("127.0.0.1", "::1"):
            with client.Client((address, port), tls=True) as c:
                c.lhlo()
                c.quit()
        one.wait_log(r"connected address=::1 port=\d+ listener=%d" % port)


def test_reload_adds_and_removes_listeners():
    """Behind the parent's sandbox; a session on a removed one goes on."""
    old, new = free_port(), free_port()
    line = "listen on %s port %d smtps pki mx.a.example\n"
    with Server(extra=line % ("127.0.0.1", old)) as one:
        with client.Client(("127.0.0.1", old), tls=True) as held:
            held.lhlo()
            one.extra = line % ("::1", new)
            one.write_config()
            one.own()
            one.ctl("reload", check=True)
            with client.Client(("::1", new), tls=True) as c:
                c.lhlo()
                c.quit()
            with pytest.raises(ConnectionRefusedError):
                client.Client(("127.0.0.1", old), tls=True)
            held.want("NOOP", "250 2.0.0")
            held.quit()


@pytest.mark.parametrize("line, word", [
    ('store db "/somewhere/else"', "store"),
    ("prefork auth 7", "prefork"),
    ("prefork lmtpd 7", "prefork"),
    ("sandbox log", "sandbox")])
def test_reload_says_what_takes_a_restart(line, word):
    with Server() as one:
        start = " ".join(line.split()[:2])
        if start in one.conf.read_text():
            one.replace = {start: line}
        else:
            one.extra = line + "\n"
        one.write_config()
        one.own()
        done = one.ctl("reload")
        assert done.returncode != 0
        assert word in done.stderr and "already" not in done.stderr
        one.token_session("alice@a.example", one.temporary()).quit()


def test_a_mail_user_without_root(idle):
    """It must be left out, or be the user who starts it: a warning."""
    line = 'deliver maildir "%s/%%{domain}/%%{user}" user ' % idle.mailroot
    mine = pwd.getpwuid(os.getuid() or 65534).pw_name
    for name, warned in (("daemon", True), (mine, False)):
        idle.replace = {"deliver maildir": line + name}
        idle.write_config()
        done = check(idle, "-v")
        assert done.returncode == 0, done.stderr
        assert ("warning: not started as root" in done.stderr) == warned
