# SPDX-License-Identifier: ISC
"""users system: real PAM, with accounts, passwords and a service file of the
test's own in its mount namespace."""
import os
import subprocess

import pytest

import remember
import server
import test_root

pytestmark = test_root.pytestmark

PASSWORD = "Passw\u00f6rt 1"
# What is said in passing shows the client's address, and that a module may
# start a program.
PAM = """\
auth     required  pam_unix.so nodelay
auth     optional  pam_exec.so quiet log=%s /usr/bin/env
account  required  pam_unix.so
"""


def crypted(password):
    return subprocess.run(
        ["openssl", "passwd", "-6", "-salt", "saltsalt", "-stdin"],
        input=password, text=True, check=True,
        stdout=subprocess.PIPE).stdout.strip()


class SystemServer(test_root.RootServer):

    def __init__(self):
        super().__init__(system=True, replace={
            "users file": "users system", "aliases file": None})

    def accounts(self):
        super().accounts()
        word = crypted(PASSWORD)
        lines = ["root:%s:19000::::::" % word,
                 "vmail:%s:19000:0:99999:7:::" % word,
                 "alice:%s:19000:0:99999:7:::" % word,
                 "bob:%s:19000:0:99999:7::2:" % word]  # expired in 1970
        (self.dir / "shadow").write_text("\n".join(lines) + "\n")
        (self.dir / "shadow").chmod(0o600)
        (self.dir / "pam.d").mkdir()
        (self.dir / "pam.d/smtpd-stoken").write_text(
            PAM % (self.dir / "said"))
        with open(self.dir / "passwd", "a") as file:
            file.write("daemon:x:1:1::/:/bin/false\n")

    def own(self):
        super().own()
        mounts = "".join(
            "mount --bind %s/%s /etc/%s && " % (self.dir, name, name)
            for name in ("shadow", "pam.d"))
        self.wrap[-2] = mounts + self.wrap[-2]


@pytest.fixture(scope="module")
def system():
    with SystemServer() as one:
        yield one


def test_only_plain_and_login_are_offered(system):
    with system.connect("smtps") as c:
        assert server.of_passwords(c.ehlo()["AUTH"]) == ["PLAIN", "LOGIN"]


def test_a_password_of_the_system_logs_in(system):
    for login in ("plain_login", "login_login"):
        with system.connect("smtps") as c:
            c.ehlo()
            reply = getattr(c, login)("alice@a.example", PASSWORD)
            assert reply.status == "235 2.7.0", reply
    assert "PAM_RHOST=127.0.0.1" in (system.dir / "said").read_text()
    assert 'user="alice@a.example"' in system.log_text()


@pytest.mark.parametrize("user, password, reason", [
    ("alice@a.example", "wrong", "badcred"),
    ("nosuch@a.example", PASSWORD, "unknown-user"),
    ("alice@elsewhere.example", PASSWORD, "unknown-user"),
    ("-alice@a.example", PASSWORD, "unknown-user"),
    ("root@a.example", PASSWORD, "unknown-user"),
    ("daemon@a.example", PASSWORD, "unknown-user"),
    ("nobody@a.example", PASSWORD, "unknown-user"),
    ("bob@a.example", PASSWORD, "expired"),
])
def test_everything_else_does_not(system, user, password, reason):
    with system.connect("smtps") as c:
        c.ehlo()
        assert c.plain_login(user, password).status == "535 5.7.8"
    line = [x for x in system.log_text().splitlines() if "auth failed" in x][-1]
    assert "reason=%s " % reason in line and user in line


def test_scram_is_not_there(system):
    with system.connect("smtps") as c:
        c.ehlo()
        assert c.cmd("AUTH SCRAM-SHA-256").status == "504 5.5.4"


def test_recipients_are_accounts(system):
    with system.connect("smtps") as c:
        c.ehlo()
        c.plain_login("alice@a.example", PASSWORD)
        c.want("MAIL FROM:<alice+x@a.example>", "250 2.1.0")
        for name in ("root", "daemon", "nobody", "nosuch", "x/alice"):
            assert c.rcpt(name + "@a.example").status == "550 5.1.1"
        c.want("RCPT TO:<bob+list@a.example>", "250 2.1.5")
        reply, = c.data("Subject: system\r\n\r\nhello\r\n")
        assert reply.status == "250 2.0.0"
    box = system.dir / "home/bob/Maildir/new"
    assert len(list(box.iterdir())) == 1
    with system.connect("smtps") as c:
        c.ehlo()
        c.plain_login("alice@a.example", PASSWORD)
        c.want("MAIL FROM:<bob@a.example>", "550 5.7.1")


def test_a_new_password_ends_tokens(system):
    """R-16, D-R05: it is another hash in /etc/shadow; an account whose
    password is not there keeps them."""
    shadow = system.dir / "shadow"
    before = shadow.read_text()
    try:
        with system.connect("smtps") as c:
            c.ehlo()
            c.plain_login("alice@a.example", PASSWORD)
            tokens = [remember.remember(c, x) for x in ("RANDOM", "JWT")]
        for token in tokens * 2:
            with system.connect("smtps") as c:
                c.ehlo()
                assert remember.rememberme(c, token).status == "235 2.7.0"
        shadow.write_text(before.replace(
            "alice:" + crypted(PASSWORD), "alice:" + crypted("another")))
        for token in tokens:
            with system.connect("smtps") as c:
                c.ehlo()
                assert remember.rememberme(c, token).status == "535 5.7.8"
                assert c.plain_login("alice@a.example",
                                     "another").status == "235 2.7.0"
    finally:
        shadow.write_text(before)


def test_its_process_is_root_and_tokend_auth_is_not(system):
    auth, = system.pids("tokend-auth")
    assert test_root.status(auth)["Uid"].split()[0] == str(
        test_root.UIDS["_tokend"])
    (pid, name), = server.children(auth).items()
    assert name == "tokend-auth: system"
    assert test_root.status(pid)["Uid"].split()[0] == "0"


def test_it_goes_on_after_the_process_died(system):
    auth, = system.pids("tokend-auth")
    (pid, _), = server.children(auth).items()
    os.kill(pid, 9)
    system.accept_new_family(30)
    with system.connect("smtps") as c:
        c.ehlo()
        reply = c.plain_login("alice@a.example", PASSWORD)
        assert reply.status == "235 2.7.0", reply


def test_who_is_not_root_is_told_so():
    one = server.Server(replace={"users file": "users system"})
    try:
        done = subprocess.run(one.command("-d"), text=True, timeout=60,
                              capture_output=True, preexec_fn=server.drop())
        assert done.returncode == 1
        assert "only root may ask the system" in done.stderr
    finally:
        one.kill()
