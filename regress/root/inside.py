# SPDX-License-Identifier: ISC
"""Run by boot.sh beside a systemd of its own: installs the tree, starts the
unit as it is, and does with the server what clients and operators do."""
import os
import pathlib
import subprocess
import sys
import time

TREE = pathlib.Path("/run/tree")
sys.path.insert(0, str(TREE / "regress/protocol"))

from client import Client  # noqa: E402

UNIT = "smtpd-stoken"
CONFIG = """\
pki mx.a.example cert "/etc/ssl/stoken.crt"
pki mx.a.example key "/etc/ssl/private/stoken.key"
hostname mx.a.example
domain a.example
listen on 127.0.0.1 port 465 smtps pki mx.a.example
listen on 127.0.0.1 port 587 tls-require pki mx.a.example
listen on socket "/var/run/smtpd-stoken-lmtp.sock"
relay host "smtp://127.0.0.1:25"
resolver "127.0.0.1:53"
"""
FILE = """\
users file "/etc/smtpd-stoken/users"
deliver maildir "/var/vmail/%{domain}/%{user}" user vmail
"""
SYSTEM = """\
users system
deliver maildir "/home/%{user}/Maildir"
"""
ALICE, FRIEND, WORD = "alice@a.example", "friend@b.example", "wonderland"


def run(*command, **options):
    done = subprocess.run(command, stdin=subprocess.DEVNULL
                          if "input" not in options else None,
                          capture_output=True, text=True, timeout=300,
                          **options)
    if done.returncode != 0:
        raise AssertionError("%s: %d\n%s%s" % (
            " ".join(command), done.returncode, done.stdout, done.stderr))
    return done.stdout


def wait_for(condition, what):
    deadline = time.monotonic() + 120
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError("waited for " + what)
        time.sleep(0.1)


def install():
    """As README and smtpd-stoken(8) say."""
    for part in ("sbin", "libexec"):
        run("cp", "-R", str(TREE / "out" / part), "/usr/local/" + part)
    run("systemd-sysusers", str(TREE / "etc/sysusers.d/smtpd-stoken.conf"))
    run("useradd", "--create-home", "--shell", "/bin/sh", "alice")
    run("useradd", "--system", "--home-dir", "/var/vmail", "vmail")
    run("chpasswd", input="alice:%s\n" % WORD)
    run("install", "-d", "-o", "vmail", "-g", "vmail", "-m", "700",
        "/var/vmail")
    run("install", "-d", "/etc/smtpd-stoken", "/etc/ssl/private")
    run("openssl", "req", "-x509", "-nodes", "-days", "3", "-newkey", "ec",
        "-pkeyopt", "ec_paramgen_curve:P-256", "-subj", "/CN=mx.a.example",
        "-keyout", "/etc/ssl/private/stoken.key", "-out",
        "/etc/ssl/stoken.crt")
    line = run("/usr/local/sbin/tokenctl", "encrypt", ALICE, input=WORD)
    users = pathlib.Path("/etc/smtpd-stoken/users")
    users.write_text(line)
    users.chmod(0o640)
    run("chgrp", "_tokend", str(users))
    run("install", "-m", "644", str(TREE / "etc/pam.d/smtpd-stoken"),
        "/etc/pam.d/smtpd-stoken")


def deliveries(place):
    return list(pathlib.Path(place).glob("new/*"))


def look(unit, place):
    """One start of the unit, used and stopped."""
    name = "alice@a.example"
    run("systemctl", "start", unit)
    before = len(deliveries(place))
    with Client(("127.0.0.1", 465), tls=True) as c:
        c.ehlo()
        assert c.plain_login(name, "wrong").code == 535
        assert c.plain_login(name, WORD).code == 235
        assert c.mail(name).code == 250
        assert c.rcpt(name).code == 250
        assert c.data("Subject: x\r\n\r\nx\r\n")[0].code == 250
    token = run("/usr/local/sbin/tokenctl", "generate", "temporary", FRIEND,
                name).strip()
    with Client(("127.0.0.1", 587)) as c:
        c.lhlo()
        c.starttls()
        c.lhlo()
        assert c.token_login(name, token).code == 235
        assert c.mail(FRIEND).code == 250
        assert c.rcpt(name, token).code == 250
        assert c.data("Subject: x\r\n\r\nx\r\n")[0].status == "250 2.1.13"
    with Client("/run/smtpd-stoken-lmtp.sock") as c:
        c.lhlo()
        assert c.mail(FRIEND).code == 250
        assert c.rcpt(name).code == 250
        assert c.data("Subject: x\r\n\r\nx\r\n")[0].code == 250
    assert len(deliveries(place)) == before + 3, deliveries(place)
    run("systemctl", "reload", unit)
    with Client(("127.0.0.1", 465), tls=True) as c:
        c.ehlo()
        assert c.plain_login(name, WORD).code == 235
    # One that dies is replaced under the unit's restrictions too.
    pids = [x for x in os.listdir("/proc") if x.isdigit() and
            b"smtpd-stoken: " in pathlib.Path(
                "/proc", x, "cmdline").read_bytes()]
    assert len(pids) >= 7, pids
    for pid in pids:
        status = pathlib.Path("/proc", pid, "status").read_text()
        assert "NoNewPrivs:\t1" in status and "Seccomp:\t2" in status
    for pid in pids:
        title = pathlib.Path("/proc", pid, "cmdline").read_bytes()
        if b": engine" in title or b": lmtpd" in title:
            os.kill(int(pid), 9)

    def works():
        try:
            with Client("/run/smtpd-stoken-lmtp.sock") as c:
                c.lhlo()
                return (c.mail(FRIEND).code, c.rcpt(name).code,
                        c.data("Subject: x\r\n\r\nx\r\n")[0].code) == (
                            250, 250, 250)
        except (OSError, AssertionError):
            return False

    wait_for(works, "the replaced processes")
    run("systemctl", "stop", unit)
    state = run("systemctl", "show", "-p", "Result,ExecMainStatus", unit)
    assert "Result=success" in state and "ExecMainStatus=0" in state, state


def main():
    wait_for(lambda: os.path.exists("/run/systemd/private"), "systemd")
    install()
    pathlib.Path("/etc/smtpd-stoken.conf").write_text(CONFIG + FILE)
    look(UNIT, "/var/vmail/a.example/alice")
    print("mail-user ok")
    pathlib.Path("/etc/smtpd-stoken.conf").write_text(CONFIG + SYSTEM)
    home = pathlib.Path("/run/dir/units/smtpd-stoken.service.d/home.conf")
    home.write_text("[Service]\nProtectHome=no\n")
    run("systemctl", "daemon-reload")
    look(UNIT, "/home/alice/Maildir")
    print("system-accounts ok")


try:
    main()
    print("done")
except BaseException as error:
    print("failed: %s %s" % (type(error).__name__, error))
    raise
finally:
    pathlib.Path("/run/dir/ended").write_text("")
