# SPDX-License-Identifier: ISC
"""The demo: two private sites on loopback that come to deliver to each other by
token, and then a token's life on the wire of a third."""
import os
import pathlib
import shutil
import subprocess
import sys
import time

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "protocol"))

import client  # noqa: E402
import server  # noqa: E402
import story as chapters  # noqa: E402

FRIEND = "friend@b.example"
ALICE = "alice@a.example"
KEEP = HERE.parents[1] / "out"


def title(text):
    print("\n== %s" % text, flush=True)


class Talking(client.Client):
    """The client of the tests, which shows what goes over the wire."""

    quiet = False

    def send(self, data):
        super().send(data)
        text = data if isinstance(data, str) else data.decode("utf-8")
        lines = text.split("\r\n")[:-1]
        if len(lines) > 8:
            lines = lines[:3] + ["... %d more lines" % (len(lines) - 4), "."]
        for line in lines:
            print("  C: %s" % line)

    def reply(self, bare=False):
        reply = super().reply(bare)
        for number, line in enumerate(reply.lines):
            last = number + 1 == len(reply.lines)
            print("  S: %d%s%s" % (reply.code, " " if last else "-", line))
        return reply


def deliver(one, token, message):
    """One delivery: connection, TLS, token, message, answer."""
    start = time.monotonic()
    c = Talking(("127.0.0.1", one.ports["smtps"]), tls=True,
                sni="mx.a.example", version="1.3")
    print("  -- %s, %s" % (c.sock.version(), c.sock.cipher()[0]))
    c.lhlo()
    reply = c.token_login(ALICE, token)
    if reply.code != 235:
        c.quit()
        return reply, None, time.monotonic() - start
    c.want("MAIL FROM:<%s>" % FRIEND, "250 2.1.0")
    reply = c.rcpt(ALICE, token)
    if reply.code == 250:
        before = time.monotonic()
        reply = c.data(message)[0]
        took = time.monotonic() - before
    else:
        took = None
    whole = time.monotonic() - start
    c.quit()
    return reply, took, whole


def show_times(took, whole):
    print("  -- %.1f ms from DATA to durable on disk, %.1f ms in all, with "
          "connection and TLS" % (took * 1000, whole * 1000))


def processes(one):
    """The tree with users and what the kernel says of each sandbox."""
    print("  %7s %-8s %-12s %-8s %s" % (
        "PID", "USER", "PROCESS", "SECCOMP", "NO NEW PRIVILEGES"))
    for pid, role in [(one.pid, "smtpd-stoken"), *sorted(
            one.roles().items())]:
        status = dict(
            line.split(":", 1) for line in pathlib.Path(
                "/proc/%d/status" % pid).read_text().splitlines())
        uid = int(status["Uid"].split()[0])
        try:
            import pwd
            user = pwd.getpwuid(uid).pw_name
        except KeyError:
            user = str(uid)
        print("  %7d %-8s %-12s %-8s %s" % (
            pid, user, role,
            "filter" if status["Seccomp"].strip() == "2" else "no",
            "yes" if status["NoNewPrivs"].strip() == "1" else "no"))
    text = subprocess.run(one.command("-n", "-v"), capture_output=True,
                          text=True).stdout
    for line in text.splitlines():
        if line.startswith("# sandbox:"):
            print("  " + line[2:])


def letter():
    message = (HERE / "message.eml").read_bytes()
    return message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def life(one):
    message = letter()

    title("A token's life on the wire: the processes of a server")
    processes(one)

    title("Alice gives her friend a temporary token")
    print("  $ tokenctl generate temporary %s %s" % (FRIEND, ALICE))
    token = one.temporary(FRIEND, ALICE)
    print("  " + token)

    title("The friend delivers with it, and is given the permanent one")
    reply, took, whole = deliver(one, token, message)
    assert reply.status == "250 2.1.13", reply
    show_times(took, whole)
    permanent = reply.text.split()[1]

    title("The friend delivers again, with the permanent token")
    reply, took, whole = deliver(one, permanent, message)
    assert reply.status == "250 2.1.12", reply
    show_times(took, whole)

    title("Alice revokes")
    print("  $ tokenctl revoke pair %s %s" % (FRIEND, ALICE))
    one.ctl("revoke", "pair", FRIEND, ALICE, check=True)

    title("The next try is refused")
    reply, _, _ = deliver(one, permanent, message)
    assert reply.code == 535, reply

    mail = one.mail(ALICE)
    assert len(mail) == 2, mail
    title("What lies in the mailbox: %d messages; the first one's header"
          % len(mail))
    for line in mail[0].read_bytes().split(b"\n\n", 1)[0].decode().split("\n"):
        print("  " + line)


def keep(mailboxes):
    """Copies all mail to where it can be looked at, by whoever ran this."""
    kept = KEEP / "demo-mail"
    shutil.rmtree(kept, ignore_errors=True)
    for domain, files in mailboxes:
        for name, octets in files.items():
            (kept / name).parent.mkdir(parents=True, exist_ok=True)
            (kept / name).write_bytes(octets)
    owner = [int(os.environ.get(x, -1)) for x in ("SUDO_UID", "SUDO_GID")]
    for path in [kept, *kept.rglob("*")]:
        os.chown(path, *owner)
    return kept


def main():
    mailboxes = chapters.tell(title, Talking)
    with server.Server() as one:
        life(one)
    title("Done. The mailboxes of the first part are in %s; all servers are "
          "gone" % keep(mailboxes))


if __name__ == "__main__":
    main()
