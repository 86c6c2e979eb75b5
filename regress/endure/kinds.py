# SPDX-License-Identifier: ISC
"""What clients do with a server, a kind a function: kind(world, count) does it
`count` times. Used where the server is watched meanwhile: by growth.py, many
times over, and under valgrind by under_valgrind.py, a few times."""
import os
import signal
import time

from client import Client, b64
from remember import ht2, remember, rememberme
from server import PASSWORDS

ALICE, BOB, HANS = "alice@a.example", "bob@a.example", "j\u00fcrgen@a.example"
OUTSIDE, FRIEND = "someone@outside.example", "friend@b.example"
TEXT = "From: <alice@a.example>\r\nSubject: x\r\n\r\nText.\r\n.dot\r\n"
EACH = 50  # messages a session
LIMITS = {"auth-failures": 100}
EXTRA = "remember types { random jwt ht2-sha-256-expr }"


def sessions(count):
    """Numbers of messages that add up to `count`."""
    return [min(EACH, count - done) for done in range(0, count, EACH)]


def want(reply, code):
    assert reply.code == code, reply


def submit(world, recipients, count):
    for number in sessions(count):
        with world.server.login(BOB) as c:
            for _ in range(number):
                want(c.mail(BOB), 250)
                for one in recipients:
                    want(c.rcpt(one), 250)
                want(c.data(TEXT)[0], 250)


def greet(world, count):
    for _ in range(count):
        world.server.hello("EHLO").quit()


def starttls(world, count):
    for _ in range(count):
        with world.server.connect("tls-require") as c:
            c.ehlo()
            c.starttls()
            c.ehlo()


def local(world, count):
    submit(world, [ALICE], count)


def relayed(world, count):
    submit(world, [OUTSIDE], count)
    world.relay.forget()


def both(world, count):
    """In chunks, with a container of metadata."""
    for number in sessions(count):
        with world.server.login(BOB) as c:
            for _ in range(number):
                want(c.mail(BOB, " BODY=8BITMIME"), 250)
                want(c.rcpt(ALICE), 250)
                want(c.rcpt(OUTSIDE), 250)
                want(c.container(1, b"$Forwarded")[0], 250)
                want(c.chunk(b"Subject: x\r\n\r\n")[0], 250)
                want(c.chunk(b"octets\r\n", True)[0], 250)
    world.relay.forget()


def by_token(world, count):
    token = world.server.temporary(FRIEND, ALICE)
    for number in sessions(count):
        with world.server.token_session(ALICE, token) as c:
            for _ in range(number):
                want(c.mail(FRIEND), 250)
                want(c.rcpt(ALICE, token, "MINE-" + str(number)), 250)
                want(c.data(TEXT)[0], 250)


def by_socket(world, count):
    for number in sessions(count):
        with world.server.trusted() as c:
            for _ in range(number):
                want(c.mail(FRIEND), 250)
                want(c.rcpt(ALICE), 250)
                want(c.rcpt(BOB), 250)
                for reply in c.data(TEXT, 2):
                    want(reply, 250)


def by_held_token(world, count):
    """Straight to the recipient's token server."""
    if not hasattr(world, "held_friend"):
        world.held_friend = world.friend()
    for number in sessions(count):
        with world.server.login(ALICE) as c:
            for _ in range(number):
                want(c.mail(ALICE), 250)
                want(c.rcpt(world.held_friend), 250)
                want(c.data(TEXT)[0], 250)
    world.sink.forget()
    world.relay.forget()


def remembered(world, count):
    """Asked for, used, and used up; a tenth as often, for tokenctl's sake."""
    for _ in range(max(count // 10, 1)):
        with world.server.login(BOB) as c:
            token = remember(c)
        with world.server.hello("EHLO") as c:
            want(rememberme(c, token), 235)
        world.server.ctl("revoke", "reauth", token.split(".")[0])


def bound_remembered(world, count):
    with world.server.login(BOB) as c:
        token = remember(c, "HT2-SHA-256-EXPR")
    for _ in range(count):
        with world.server.hello("EHLO") as c:
            ht2(c, BOB, token)


def logins(world, count):
    for number in range(count):
        with world.server.hello("EHLO") as c:
            if number % 2:
                c.scram(BOB, PASSWORDS[BOB])
            else:
                want(c.login_login(BOB, PASSWORDS[BOB]), 235)


def failed(world, count):
    """Each in its own way; the limit of a connection is higher."""
    wrong = ["AUTH PLAIN " + b64("\0%s\0wrong" % BOB),
             "AUTH PLAIN " + b64("\0nobody@a.example\0wrong"),
             "AUTH PLAIN =", "AUTH PLAIN !",
             "AUTH REMEMBERME " + b64("nothing"),
             "AUTH SCRAM-SHA-256 " + b64("n,,n=nobody,r=abc") + "\r\n*",
             "AUTH SCRAM-SHA-256 " + b64("n,,n=%s,r=abc" % BOB) + "\r\n" +
             b64("c=biws,r=abc,p=AAAA"),
             "AUTH NONSENSE", "AUTH OAUTHBEARER " + b64("n,,\1\1") + "\r\n*"]
    for first in range(0, count, EACH):
        with world.server.hello("EHLO") as c:
            for number in range(first, min(first + EACH, count)):
                for line in wrong[number % len(wrong)].split("\r\n"):
                    reply = c.cmd(line)
                    if reply.code != 334:
                        break
                assert reply.code >= 400, reply
        with world.server.hello("LHLO") as c:
            for number in range(first, min(first + EACH, count), 10):
                assert c.token_login(ALICE, "x%d" % number).code >= 400


# How far a session goes before the client is gone.
STEPS = [None, b"EHLO c\r\n", b"AUTH PLAIN\r\n", "login", b"MAIL FROM:<%s>\r\n",
         b"RCPT TO:<alice@a.example>\r\n",
         b"RCPT TO:<someone@outside.example>\r\n", b"DATA\r\n", b"Subject: x\r\n",
         b"\r\nText"]
CHUNKS = [b"BMTD 5\r\n\0\1", b"abc", b"BDAT 100\r\n", b"x" * 100,
          b"BDAT 1000\r\n", b"y" * 900]


def go(world, steps):
    c = world.server.connect("smtps")
    for step in steps:
        if step == "login":
            want(c.reply(bare=True), 250)
            want(c.reply(), 334)
            want(c.cmd(b64("\0%s\0%s" % (BOB, PASSWORDS[BOB]))), 235)
        elif step is not None:
            c.send(step.replace(b"%s", BOB.encode()))
    return c


def aborted(world, count):
    """At every step, by a reset or an end, with TLS half done, or none."""
    ways = [STEPS[:n] for n in range(1, len(STEPS) + 1)]
    ways += [STEPS[:7] + CHUNKS[:n] for n in range(1, len(CHUNKS) + 1)]
    for number in range(count):
        if number % 10 == 0:
            kind = "smtps" if number % 20 else "tls-require"
            c = Client(("127.0.0.1", world.server.ports[kind]), greet=False)
            c.send(b"\x16\x03\x01\x00" if number % 20 else b"STARTTLS\r\n")
        else:
            c = go(world, ways[number % len(ways)])
        c.abort() if number % 3 else c.close()
    world.relay.forget()
    world.sink.forget()


def controlled(world, count):
    """tokenctl; a tenth as often, as it is a process each time."""
    for number in range(max(count // 10, 1)):
        remote = "c%d@c.example" % number
        world.server.generate("permanent", remote, ALICE)
        for words in (["show", "tokens"], ["show", "stats"],
                      ["show", "sessions"], ["log", "verbose"], ["log", "brief"],
                      ["revoke", "pair", remote, ALICE], ["show", "nothing"]):
            world.server.ctl(*words)


def reloaded(world, count):
    """A hundredth as often: every process has every setting anew."""
    for number in range(max(count // 100, 2)):
        start = len(world.server.log_text())
        if number % 2:
            assert world.server.ctl("reload").returncode == 0
        else:
            os.kill(world.server.pid, signal.SIGHUP)
        world.server.wait_log("configuration reloaded", start, 120)
        world.server.hello("EHLO").quit()


KINDS = {kind.__name__: kind for kind in (
    greet, starttls, logins, failed, remembered, bound_remembered, local,
    relayed, both, by_token, by_socket, by_held_token, aborted, controlled,
    reloaded)}


def settle(server, seconds=60):
    """Until every session of the clients has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not server.show("sessions"):
            return
        time.sleep(0.1)
    raise AssertionError("sessions remain: %r" % server.show("sessions"))
