# SPDX-License-Identifier: ISC
"""Deliveries from many clients, and the one question after any fault:
what was answered 250 is there exactly once and whole, what was not is not.
"""
import collections
import itertools
import re
import threading
import time

import client

ALICE, BOB = "alice@a.example", "bob@a.example"
SENDER = "load@b.example"
SIZES = (200, 3000, 20000)


class Load:
    """Threads that deliver marked messages by token until stopped."""

    def __init__(self, server, threads=4, local=BOB):
        self.server, self.local = server, local
        self.token = server.permanent(SENDER, local)
        self.lock, self.stop_now = threading.Lock(), threading.Event()
        self.accepted, self.refused = {}, {}
        self.unknown, self.wrong = {}, []
        self.numbers = itertools.count()
        self.threads = [threading.Thread(target=self.run, args=(n,))
                        for n in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        self.stop_now.set()
        for thread in self.threads:
            thread.join(60)
        assert not any(x.is_alive() for x in self.threads), "a client hangs"

    def run(self, number):
        while not self.stop_now.is_set():
            try:
                self.session(number)
            except (OSError, client.Closed):
                time.sleep(0.01)
            except Exception as error:
                self.wrong.append(error)
                return

    def session(self, number):
        """One connection with some messages."""
        kind = ("smtps", "tls-require")[number % 2]
        with self.server.connect(kind, timeout=30) as c:
            if c.greeting.code != 220:
                return
            hello = "LHLO load.example"
            if c.cmd(hello, bare=True).code != 250:
                return
            if kind == "tls-require":
                if c.cmd("STARTTLS").code != 220:
                    return
                c.handshake()
                if c.cmd(hello, bare=True).code != 250:
                    return
            if c.token_login(self.local, self.token).code != 235:
                return
            for _ in range(5):
                if self.stop_now.is_set():
                    break
                count = next(self.numbers)
                if not self.message(c, "%d-%d" % (number, count),
                                    SIZES[count % len(SIZES)]):
                    break

    def message(self, c, mark, size):
        """Sends one message; its fate is unknown from the dot on."""
        if c.mail(SENDER).code != 250 or \
                c.rcpt(self.local, self.token).code != 250:
            return False
        if c.cmd("DATA").code != 354:
            return False
        text = "Subject: mark=%s.\r\n\r\n" % mark + "x" * size + "\r\nend\r\n"
        c.send(text)
        with self.lock:
            self.unknown[mark] = size
        c.send(".\r\n")
        reply = c.reply()
        with self.lock:
            del self.unknown[mark]
            if reply.code == 250:
                self.accepted[mark] = size
            else:
                self.refused[mark] = size
        return reply.code == 250

    def wait(self, count, seconds=30):
        """Waits until so many more messages were accepted."""
        goal = len(self.accepted) + count
        deadline = time.monotonic() + seconds
        while len(self.accepted) < goal:
            if self.wrong:
                raise self.wrong[0]
            if time.monotonic() > deadline:
                raise AssertionError("only %d of %d delivered\n%s" % (
                    len(self.accepted), goal, self.server.log_tail()))
            time.sleep(0.01)

    def verify(self):
        """The question."""
        assert not self.wrong, self.wrong
        found = collections.Counter()
        for path in self.server.mail(self.local):
            content = path.read_bytes()
            mark = re.search(rb"mark=([0-9-]+)\.", content)
            if not mark:
                continue
            mark = mark.group(1).decode()
            found[mark] += 1
            size = self.accepted.get(mark) or self.unknown.get(mark)
            assert size, "%s is visible, but was not answered 250" % mark
            assert content.endswith(b"\n\n" + b"x" * size + b"\nend\n"), \
                "%s is not whole" % mark
            stated = re.search(r",S=(\d+)", path.name)
            assert int(stated.group(1)) == len(content)
        lost = [x for x in self.accepted if found[x] == 0]
        assert not lost, "answered 250 and lost: %s" % lost
        twice = [x for x in found if found[x] > 1]
        assert not twice, "delivered twice: %s" % twice
        return found
