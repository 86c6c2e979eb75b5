# SPDX-License-Identifier: ISC
"""Each secret is in the memory of one process and of no other."""
import base64
import os
import re
import subprocess

import pytest

from client import b64
from clause import clauses
from server import PASSWORDS

ALICE, BOB = "alice@a.example", "bob@a.example"
pytestmark = pytest.mark.skipif(
    os.getuid() != 0 or bool(os.environ.get("SANITIZE")),
    reason="needs root to read the memory of processes; a sanitizer's is too "
    "large")


def memory(pid):
    """All that a process can read, but for special mappings."""
    parts = []
    with open("/proc/%d/maps" % pid) as maps, \
            open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for line in maps:
            words = line.split()
            if "r" not in words[1] or words[-1] in ("[vvar]", "[vsyscall]",
                                                     "[vvar_vclock]"):
                continue
            begin, end = (int(x, 16) for x in words[0].split("-"))
            try:
                mem.seek(begin)
                parts.append(mem.read(end - begin))
            except OSError:
                continue
    assert parts, "nothing could be read of %d" % pid
    return b"\n".join(parts)


def numbers(path):
    """The secret numbers of a private key, by name."""
    text = subprocess.run(
        ["openssl", "pkey", "-in", str(path), "-noout", "-text"],
        check=True, capture_output=True, text=True).stdout
    found = {}
    for name, digits in re.findall(
            r"^(priv|prime1|prime2|privateExponent|coefficient):\n"
            r"((?:    [0-9a-f:]+\n)+)", text, re.M):
        value = bytes.fromhex(re.sub(r"[^0-9a-f]", "", digits)).lstrip(b"\0")
        found[name] = value
    assert found
    return found


def patterns(server):
    """{what it is: (octets to look for, the roles that may hold it)}."""
    secret = {}
    for name in ("mx.a.example", "rsa.a.example"):
        path = server.dir / (name + ".key")
        for part, value in numbers(path).items():
            label = "%s of %s" % (part, name)
            secret[label] = (value, ("tokend-sign",))
            secret[label + ", little-endian"] = (value[::-1],
                                                 ("tokend-sign",))
        lines = path.read_text().splitlines()
        secret["PEM of " + name] = (lines[2].encode(), ("tokend-sign",))
    for number, line in enumerate(
            (server.dir / "db/keys").read_text().splitlines()):
        text = line.split()[-1]
        secret["token key %d" % number] = (base64.b64decode(text),
                                           ("tokend",))
        secret["token key %d, as text" % number] = (text.encode(),
                                                    ("tokend",))
    for number, line in enumerate(
            (server.dir / "users").read_text().splitlines()):
        value = line.split("}", 1)[1]
        if value.startswith("$"):
            secret["hash of user %d" % number] = (value.encode()[-60:],
                                                  ("tokend-auth",))
        else:
            for part, text in zip(("StoredKey", "ServerKey"),
                                  value.split(",")[2:]):
                label = "%s of user %d" % (part, number)
                secret[label] = (base64.b64decode(text), ("tokend-auth",))
                secret[label + ", as text"] = (text.encode(),
                                               ("tokend-auth",))
    return secret


def scan(server, secret):
    """{what it is: roles in whose memory it was found}."""
    found = {name: set() for name in secret}
    everyone = dict(server.roles())
    everyone[server.pid] = "parent"
    for pid, role in everyone.items():
        content = memory(pid)
        for name, (value, _) in secret.items():
            if value in content:
                found[name].add(role)
    return found


def traffic(server):
    """Everything that makes a secret be used."""
    for name in ("mx.a.example", "rsa.a.example"):
        for version in ("1.2", "1.3"):
            with server.connect(sni=name, version=version) as c:
                c.ehlo()
                c.quit()
    for user in (ALICE, BOB):
        for _ in range(4):
            with server.login(user) as c:
                c.mail(user)
                c.rcpt(BOB)
                c.data("Subject: x\r\n\r\n")
                c.quit()
    with server.hello("EHLO") as c:
        assert c.scram(BOB, PASSWORDS[BOB], plus="tls-exporter").code == 235
        c.quit()
    with server.hello("EHLO") as c:
        assert c.login_login(ALICE, PASSWORDS[ALICE]).code == 235
        c.quit()
    token = server.temporary()
    with server.token_session(ALICE, token) as c:
        c.mail("friend@b.example")
        c.rcpt(ALICE, token)
        c.data("Subject: x\r\n\r\n")
        c.quit()


@clauses("D-S19", "S1-28")
def test_keys_stay_put(own):
    server = own()
    traffic(server)
    secret = patterns(server)
    found = scan(server, secret)
    wrong = {name: roles - set(secret[name][1])
             for name, roles in found.items()
             if roles - set(secret[name][1])}
    assert not wrong, wrong
    # The scan must be able to find: the holder does hold them.
    for name in ("priv of mx.a.example", "prime1 of rsa.a.example"):
        assert found[name] or found[name + ", little-endian"], name
    assert found["token key 0"] == {"tokend"}
    assert any(roles == {"tokend-auth"} for name, roles in found.items()
               if "user" in name)


@clauses("D-S19")
def test_passwords_are_wiped(own):
    """T21: after the logins no process holds a password that was sent.

    The marker in the MAIL command shows that memory of the same sessions is
    looked at: what is not wiped does stay.
    """
    server = own()
    traffic(server)
    secret = {}
    for user in (ALICE, BOB):
        word = PASSWORDS[user]
        secret["password of " + user] = (word.encode(), ())
        message = "\0%s\0%s" % (user, word)
        secret["PLAIN message of " + user] = (b64(message).encode()[:-4], ())
        secret["LOGIN answer of " + user] = (
            b64(word).encode().rstrip(b"=")[:-1], ())
    found = {name: roles for name, roles in scan(server, secret).items()
             if roles}
    assert not found, found
    # Long ones: what comes after a login does not happen to overwrite them.
    for n, command in enumerate((b"", b"NOOP\r\n" * 3)):
        word = base64.b32encode(os.urandom(500)).decode()
        message = b64("\0%s\0%s" % (ALICE, word))
        with server.hello("EHLO") as c:
            c.send(command + b"AUTH PLAIN " + message.encode() + b"\r\n")
            for _ in range(command.count(b"\n")):
                c.reply()
            assert c.reply().code == 535
            secret["password sent %d" % n] = (word[-200:].encode(), ())
            secret["line sent %d" % n] = (message[-200:].encode(), ())
    found = {name: roles for name, roles in scan(server, secret).items()
             if roles}
    assert not found, found
    held = server.login(ALICE)
    held.mail("alice+findme-findme@a.example")
    control = scan(server, {"sender": (b"findme-findme", ())})
    held.close()
    assert "engine" in control["sender"]


@clauses("D-S19")
def test_no_core_and_no_tracing(own):
    """No core files, not dumpable."""
    server = own()
    for pid, role in server.roles().items():
        limits = open("/proc/%d/limits" % pid).read()
        assert re.search(r"Max core file size +0 +0", limits), role
        owner = os.stat("/proc/%d/mem" % pid).st_uid
        assert owner == 0, "%s is dumpable" % role
        status = open("/proc/%d/status" % pid).read()
        assert re.search(r"Seccomp:\t2", status), role
        assert re.search(r"NoNewPrivs:\t1", status), role
