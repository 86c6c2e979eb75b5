# SPDX-License-Identifier: ISC
"""A zone that is signed, and a resolver (unbound) that validates it; no
network, and no root but the zone's own key."""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time

from server import drop, free_port
from token_world import WAIT, find_program


class Signer:
    """Called with the file of a zone: signs it.  `anchor` is its key then.
    What `spoil` maps from, a regular expression, is changed afterwards."""

    def __init__(self, spoil=None):
        self.spoil, self.anchor = spoil or {}, None

    def run(self, directory, program, *arguments):
        path, environment = find_program(program, directory, "unbound")
        return subprocess.run(
            [path, *map(str, arguments)], check=True, env=environment,
            cwd=directory, capture_output=True, text=True).stdout

    def __call__(self, file, zone):
        with tempfile.TemporaryDirectory(prefix="stoken-sign-") as directory:
            directory = pathlib.Path(directory)
            key = self.run(directory, "ldns-keygen", "-a", "ECDSAP256SHA256",
                           "-k", zone).strip()
            self.run(directory, "ldns-signzone", "-f", directory / "signed",
                     file, key)
            self.anchor = (directory / (key + ".key")).read_text()
            text = (directory / "signed").read_text()
        for old, new in self.spoil.items():
            text, count = re.subn(old, new, text)
            assert count == 1, (old, text)
        file.write_text(text)


class Unbound:
    """A resolver on 127.0.0.1 that asks these name servers for their zones,
    and validates below the anchors."""

    def __init__(self, servers, anchors):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="stoken-unbound-"))
        self.dir.chmod(0o755)
        self.port = free_port()
        (self.dir / "anchors").write_text("".join(anchors))
        (self.dir / "unbound.conf").write_text("""\
server:
    interface: 127.0.0.1@%d
    do-ip6: no
    do-daemonize: no
    do-not-query-localhost: no
    use-syslog: no
    logfile: ""
    verbosity: 1
    val-log-level: 2
    username: ""
    chroot: ""
    directory: "%s"
    pidfile: "%s/pid"
    trust-anchor-file: "%s/anchors"
    num-threads: 1
remote-control:
    control-enable: no
%s""" % (self.port, self.dir, self.dir, self.dir, "".join("""\
stub-zone:
    name: "%s"
    stub-addr: 127.0.0.1@%d
""" % (x.zone, x.port) for x in servers)))
        program, environment = find_program("unbound", self.dir)
        for path in [self.dir, *self.dir.iterdir()]:
            if os.getuid() == 0:
                os.chown(path, 65534, 65534)
        self.process = subprocess.Popen(
            [program, "-d", "-p", "-c", str(self.dir / "unbound.conf")],
            stdout=open(self.dir / "log", "wb"), stderr=subprocess.STDOUT,
            preexec_fn=drop(), env=environment)
        until = time.monotonic() + WAIT
        while "start of service" not in self.log():
            assert self.process.poll() is None and \
                time.monotonic() < until, self.log()
            time.sleep(0.02)

    def log(self):
        return (self.dir / "log").read_text()

    def close(self):
        self.process.terminate()
        self.process.wait(WAIT)
        shutil.rmtree(self.dir, ignore_errors=True)
