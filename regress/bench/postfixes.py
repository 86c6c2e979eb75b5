# SPDX-License-Identifier: ISC
"""The ordinary way of W9: two of Debian's Postfix as Debian sets them up, in
name spaces: main.cf as the package makes it and its master.cf, and no more
than names, a certificate, and what domains they have. The first is the relay
host of the sender's server; it finds the second by MX, in a DNS on port 53 of
a loopback address that is only theirs, and talks STARTTLS to it. Both hand
what is for the recipient's server to its LMTP socket. Only root can run them.
"""
import os
import pathlib
import secrets
import subprocess
import sys
import time

import bench

sys.path.insert(0, str(bench.HERE.parent / "peers"))

import jail  # noqa: E402
import mta  # noqa: E402
import postfix  # noqa: E402
import token_world  # noqa: E402

# As Debian has it, TLS sessions are resumed, and 40 ms pass behind each such
# handshake: its last octets and EHLO are two writes, Nagle keeps the second
# back, and the other side, which has nothing to say, acknowledges late. A new
# session each time does not have that; BENCH_RESUME=1 leaves Debian's.
ANEW = "" if "BENCH_RESUME" in os.environ else \
    "smtp_tls_session_cache_database =\n"
MAIN = """
myhostname = {name}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
maillog_file = /var/log/mail.log
smtpd_tls_cert_file = {cert}.crt
smtpd_tls_key_file = {cert}.key
"""


def trouble():
    """Why they cannot be run here, or None."""
    return jail.trouble("postfix")


def own_address():
    """One of the loopback that nobody else has."""
    return "127.%d.%d.%d" % tuple(1 + secrets.randbelow(250)
                                  for _ in range(3))


class Dns:
    """The name server's zone, once more, where a resolver looks for it."""

    def __init__(self, nsd, address):
        text = (nsd.dir / "nsd.conf").read_text()
        for old, new in (("ip-address: 127.0.0.1", "ip-address: " + address),
                         ("port: %d" % nsd.port, "port: 53"),
                         ("/pid", "/pid2"), ("/xfrd.state", "/xfrd.state2"),
                         ("/zone.list", "/zone.list2")):
            assert old in text, text
            text = text.replace(old, new)
        conf = nsd.dir / "second.conf"
        conf.write_text(text)
        program, environment = token_world.find_nsd(nsd.dir / "..")
        with open(nsd.dir / "second.log", "wb") as log:
            self.process = subprocess.Popen(
                [program, "-d", "-c", str(conf)], env=environment,
                stdout=log, stderr=subprocess.STDOUT)
        until = time.monotonic() + token_world.WAIT
        while b"nsd started" not in (nsd.dir / "second.log").read_bytes():
            assert self.process.poll() is None and \
                time.monotonic() < until, log
            time.sleep(0.02)

    def close(self):
        self.process.terminate()
        self.process.wait(token_world.WAIT)


class Postfix(mta.Mta):
    """`listens` is address:port."""

    def __init__(self, name, dns, listens, certificate):
        super().__init__("postfix", postfix.ACCOUNTS)
        self.write("etc/resolv.conf", "nameserver %s\n" % dns)
        share = self.root / "usr/share/postfix"
        self.write("etc/postfix/master.cf",
                   (share / "master.cf.dist").read_text()
                   .replace("smtp      inet", listens + " inet")
                   .replace("lmtp      unix  -       -       y",
                            "lmtp      unix  -       -       n"))
        for end in (".crt", ".key"):
            self.write("etc/postfix/mta" + end,
                       pathlib.Path(certificate + end).read_text(), 0o600)
        self.main = "".join(
            (share / ("main.cf." + part)).read_text()
            for part in ("debian", "tls"))
        for line in ("smtpd_tls_cert_file", "smtpd_tls_key_file"):
            self.main = self.main.replace("\n%s=" % line, "\n#%s=" % line)
        self.main += MAIN.format(name=name, cert="/etc/postfix/mta")
        self.ours = self.port = int(listens.rsplit(":")[1])

    def serve(self, domains, socket):
        self.write("etc/postfix/main.cf", self.main + ANEW +
                   "virtual_mailbox_domains = %s\n"
                   "virtual_transport = lmtp:unix:%s\n" % (
                       " ".join(domains), socket))
        postfix.directories(self)
        self.start()

    def start(self):
        jail.Jail.start(self)
        self.run("postfix", "start")

    @property
    def pid(self):
        return self.unshare.pid
