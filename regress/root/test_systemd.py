# SPDX-License-Identifier: ISC
"""etc/systemd/smtpd-stoken.service as it is, by a real systemd in namespaces
of its own: starts, serves, reloads, replaces what dies, stops."""
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

TREE = pathlib.Path(__file__).resolve().parents[2]
SYSTEMD = "/lib/systemd/systemd"
# What a service waits for, and this systemd has nothing of.
TARGETS = ("sysinit", "basic", "shutdown", "multi-user", "network-online",
           "nss-lookup")


def cgroup2():
    """Where a directory for the processes can be made; None: nowhere."""
    for line in pathlib.Path("/proc/mounts").read_text().splitlines():
        words = line.split()
        if words[2] == "cgroup2" and "rw" in words[3].split(","):
            return pathlib.Path(words[1])
    return None


pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or not os.path.exists(SYSTEMD) or cgroup2() is None or
    bool(os.environ.get("SANITIZE")),
    reason="needs root, systemd and a cgroup2; nobody would see the reports")


@pytest.fixture
def directory(tmp_path):
    units = tmp_path / "units"
    units.mkdir()
    for name in TARGETS:
        (units / (name + ".target")).write_text(
            "[Unit]\nDefaultDependencies=no\n")
    shutil.copy(TREE / "etc/systemd/smtpd-stoken.service", units)
    more = units / "smtpd-stoken.service.d"
    more.mkdir()
    # There is no journal here.
    (more / "log.conf").write_text("[Service]\nStandardOutput=append:"
                                   "/run/dir/log\nStandardError=inherit\n")
    return tmp_path


@pytest.fixture
def group():
    path = cgroup2() / ("stoken-%d" % os.getpid())
    try:
        path.mkdir()
    except OSError as error:
        pytest.skip("cgroup2: %s" % error)
    yield path
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            for top, folders, _ in os.walk(path, topdown=False):
                os.rmdir(top)
            return
        except OSError:
            time.sleep(0.1)


def test_the_unit(directory, group):
    console = directory / "console"
    with open(console, "wb") as out:
        process = subprocess.Popen(
            ["sh", "-c", "echo $$ > %s/cgroup.procs && exec unshare --pid "
             "--fork --kill-child --mount --cgroup --ipc --uts --net "
             "--mount-proc sh %s/boot.sh %s %s" % (
                 group, pathlib.Path(__file__).parent, TREE, directory)],
            stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True)
    deadline = time.monotonic() + 300
    try:
        while not (directory / "ended").exists():
            if process.poll() is not None:
                text = console.read_text("utf-8", "replace")
                if not (directory / "result").exists():
                    pytest.skip("no namespaces here: " + text[-400:])
                break
            assert time.monotonic() < deadline, console.read_text()
            time.sleep(0.1)
    finally:
        # --kill-child: with unshare goes its systemd, and all with that.
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(60)
    said = [(directory / name).read_text("utf-8", "replace")
            if (directory / name).exists() else ""
            for name in ("result", "log", "console")]
    assert said[0].splitlines()[-1:] == ["done"], "\n".join(said)
