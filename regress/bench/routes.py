# SPDX-License-Identifier: ISC
"""The ways of a message in make bench (W9): from one server of ours straight
to the other by token, and the ordinary way, by Postfix and its queue; the
world of the demo. The time is from the sender's final dot to the file in the
recipient's mailbox.  BENCH_MESSAGES (200) for the times, as many again, by 8
senders at once, for the rate.
"""
import os
import statistics
import sys
import threading
import time

import bench

sys.path.insert(0, str(bench.HERE.parent / "demo"))

import sites  # noqa: E402
import story  # noqa: E402

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "200"))
SENDERS = 8
WAYS = (("ordinary", story.CAROL, story.DAVE),
        ("by token", story.ALICE, story.BOB))
TIMES = 10  # the p50 by token is to be so many times lower


def meet(teller, a, b):
    """Alice and Bob learn each other's tokens."""
    teller.send(a, story.ALICE, b, story.BOB, "first")
    b.held(1)
    way, _, _ = teller.send(b, story.BOB, a, story.ALICE, "answer")
    assert way == "token", b.log_tail()
    a.held(1)


def submit(site, sender, recipient, count):
    with site.submission(sender) as c:
        for _ in range(count):
            c.mail(sender)
            c.rcpt(recipient)
            reply, = c.data("From: <%s>\r\nSubject: x\r\n\r\nx\r\n" % sender)
            assert reply.code == 250, reply


def rate(a, b, sender, recipient):
    """Messages a second, until the last of them is in the mailbox."""
    before, begin = len(b.mail(recipient)), time.monotonic()
    threads = [threading.Thread(target=submit, args=(
        a, sender, recipient, MESSAGES // SENDERS)) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wanted = before + MESSAGES // SENDERS * SENDERS
    while len(b.mail(recipient)) < wanted and time.monotonic() - begin < 120:
        time.sleep(0.01)
    return (len(b.mail(recipient)) - before) / (time.monotonic() - begin)


def main():
    with sites.world() as (a, b, between, why):
        print("W9 one server to another, %d messages; between them %s" % (
            MESSAGES, between.name))
        teller = story.Teller(print, None)
        meet(teller, a, b)
        times = {way: [] for way, _, _ in WAYS}
        for i in range(MESSAGES):
            for way, sender, recipient in WAYS:
                _, took, _ = teller.send(a, sender, b, recipient, str(i))
                times[way].append(took)
        for way, sender, recipient in WAYS:
            row = sorted(times[way])
            print("   %-8s p50 %7.2f ms  p99 %7.2f ms  %7.0f/s" % (
                way, statistics.median(row), row[len(row) * 99 // 100],
                rate(a, b, sender, recipient)))
        ratio = statistics.median(times["ordinary"]) / statistics.median(
            times["by token"])
        print("   p50 %.1f times lower by token, target >= %d: %s%s" % (
            ratio, TIMES, bench.yes(ratio >= TIMES),
            "" if why is None else " (no Postfix: %s)" % why))


if __name__ == "__main__":
    main()
