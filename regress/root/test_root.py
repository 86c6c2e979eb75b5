# SPDX-License-Identifier: ISC
"""The real root mode: chroot, a user for each domain of trust, delivery as
the mail user and to system accounts. In a mount namespace with a passwd file
of its own, so that the machine keeps its users. Needs root."""
import os
import pathlib
import shutil
import subprocess

import pytest

import client
import server

UIDS = {"_smtpdst": 61001, "_tokend": 61002, "vmail": 61003,
        "alice": 61004, "bob": 61005}

pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or subprocess.run(
        ["unshare", "-m", "true"], capture_output=True).returncode != 0,
    reason="needs root and mount namespaces")


class RootServer(server.Server):
    """As installed: started by root, with users of its own."""

    def __init__(self, system=False, **options):
        self.system = system
        super().__init__(**options)

    def accounts(self):
        passwd, group = "root:x:0:0::/root:/bin/sh\n", "root:x:0:\n"
        for name, uid in UIDS.items():
            passwd += "%s:x:%d:%d::%s/home/%s:/bin/false\n" % (
                name, uid, uid, self.dir, name)
            group += "%s:x:%d:\n" % (name, uid)
        passwd += "nobody:x:65534:65534::/:/bin/false\n"
        group += "nogroup:x:65534:\n"
        (self.dir / "passwd").write_text(passwd)
        (self.dir / "group").write_text(group)

    def config_lines(self):
        for line in super().config_lines():
            if not line.startswith("deliver"):
                yield line
        if self.system:
            yield 'deliver maildir "%s/home/%%{user}/Maildir"' % self.dir
        else:
            yield 'deliver maildir "%s/%%{domain}/%%{user}" user vmail' % (
                self.mailroot)

    def find_programs(self):
        for part in ("sbin", "libexec"):
            shutil.copytree(server.BUILD / part, self.dir / "programs" / part)
        return self.dir / "programs"

    def own(self):
        self.accounts()
        self.wrap = ["unshare", "-m", "--propagation", "private", "sh", "-c",
                     "mount --bind %s/passwd /etc/passwd && "
                     "mount --bind %s/group /etc/group && exec \"$@\"" % (
                         self.dir, self.dir), "sh"]
        for name in ("alice", "bob"):
            home = self.dir / "home" / name
            home.mkdir(parents=True)
            os.chown(home, UIDS[name], UIDS[name])
            home.chmod(0o700)
        os.chown(self.mailroot, UIDS["vmail"], UIDS["vmail"])
        self.mailroot.chmod(0o700)
        for name in ("users", "aliases"):
            os.chown(self.dir / name, 0, UIDS["_tokend"])
            (self.dir / name).chmod(0o640)
        (self.dir / "db").mkdir(mode=0o700)
        os.chown(self.dir / "db", UIDS["_tokend"], UIDS["_tokend"])

    @property
    def pid(self):
        # sh and unshare replace themselves: the process is the parent.
        return self.process.pid


@pytest.fixture(scope="session", autouse=True)
def empty_directory():
    """The directory of the chroots may be made, and must not stay."""
    there = os.path.isdir("/var/empty")
    yield
    if not there and os.path.isdir("/var/empty"):
        os.rmdir("/var/empty")


@pytest.fixture(scope="module", params=[False, True],
                ids=["mail-user", "system-accounts"])
def root_server(request):
    with RootServer(system=request.param) as one:
        yield one


def status(pid):
    return dict(line.split(":\t", 1) for line in pathlib.Path(
        "/proc/%d/status" % pid).read_text().splitlines() if ":\t" in line)


WANT = {"frontend": "_smtpdst", "engine": "_smtpdst", "tokend": "_tokend",
        "tokend-sign": "_tokend", "tokend-auth": "_tokend"}


def test_every_process_is_its_user_and_sandboxed(root_server):
    for pid, role in root_server.roles().items():
        facts = status(pid)
        uid = UIDS[WANT[role]] if role in WANT else (
            0 if root_server.system else UIDS["vmail"])
        assert facts["Uid"].split() == [str(uid)] * 4, (role, facts["Uid"])
        if uid:
            assert facts["Groups"].split() == [str(uid)], (role, facts)
            assert int(facts["CapEff"], 16) == 0, role
        if not server.UNBOUND:
            assert facts["Seccomp"].strip() == "2", role
            assert facts["NoNewPrivs"].strip() == "1", role


def test_those_that_need_no_files_see_none(root_server):
    for pid, role in root_server.roles().items():
        if role in ("frontend", "engine", "tokend-sign"):
            assert os.listdir("/proc/%d/root" % pid) == [], role


def deliver(one, sender, recipient, token, text):
    c = one.token_session(recipient, token)
    c.want("MAIL FROM:<%s>" % sender, "250 2.1.0")
    assert c.rcpt(recipient, token).status == "250 2.1.5"
    reply = c.data(text)[0]
    c.quit()
    return reply


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_delivery_is_the_mail_users_or_the_accounts(root_server, name):
    recipient = name + "@a.example"
    token = root_server.temporary("friend@b.example", recipient)
    reply = deliver(root_server, "friend@b.example", recipient, token,
                    "Subject: root mode\r\n\r\nfor %s\r\n" % name)
    assert reply.status == "250 2.1.13", reply
    if root_server.system:
        box, owner = root_server.dir / "home" / name / "Maildir", UIDS[name]
    else:
        box, owner = root_server.mailbox(recipient), UIDS["vmail"]
    files = list((box / "new").iterdir())
    assert len(files) == 1
    facts = files[0].stat()
    assert (facts.st_uid, facts.st_gid) == (owner, owner)
    assert facts.st_mode & 0o077 == 0
    assert b"for " + name.encode() in files[0].read_bytes()
    assert (box / "new").stat().st_uid == owner
    assert not list((box / "tmp").iterdir())


def test_the_store_is_tokends_alone(root_server):
    keys = root_server.dir / "db" / "keys"
    facts = keys.stat()
    assert facts.st_uid == UIDS["_tokend"]
    assert facts.st_mode & 0o777 == 0o600


def test_check_and_metrics(root_server):
    """Each process may look at what it has to, as the user that it is."""
    done = subprocess.run(
        [str(root_server.programs / "sbin/tokenctl"), "-s",
         root_server.control, "check"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done
    for line in ("mailboxes: ", "users: ", "store: ", "keys: ", "port "):
        assert "\nok         " + line in done.stdout, done.stdout
    done = subprocess.run(
        [str(root_server.programs / "sbin/tokenctl"), "-s",
         root_server.control, "show", "metrics"], capture_output=True,
        text=True, check=True)
    assert 'stoken_processes_silent{process="lmtpd"} 0\n' in done.stdout
    assert "stoken_certificate_expiry_seconds{" in done.stdout


def test_a_stranger_may_not_use_the_control_socket(root_server):
    done = subprocess.run(
        [str(root_server.programs / "sbin/tokenctl"), "-s",
         root_server.control, "show", "stats"], capture_output=True,
        text=True, preexec_fn=server.drop())
    assert done.returncode == 77, done
    assert done.stderr.count("\n") == 1


def test_without_its_users_it_does_not_start(tmp_path):
    one = RootServer()
    try:
        (one.dir / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
        done = subprocess.run(one.wrap + one.command("-d"), text=True,
                              capture_output=True, timeout=30)
        assert done.returncode == 1
        assert "useradd" in done.stderr
    finally:
        shutil.rmtree(one.dir, ignore_errors=True)
