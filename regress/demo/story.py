# SPDX-License-Identifier: ISC
"""Two sites that never met, and how they come to deliver to each other: the
story that the demo tells (DESIGN, section 8 of the house plan)."""
import email
import re
import statistics
import time

import client
import sites

ALICE, CAROL = "alice@a.example", "carol@a.example"
BOB, DAVE = "bob@b.example", "dave@b.example"
ROUNDS = 10


class Teller:

    def __init__(self, title, talking):
        self.title, self.talking = title, talking
        self.rows = []  # (what, way, milliseconds)

    def send(self, site, sender, there, recipient, subject, quiet=True,
             kind=client.Client):
        """Submits a message; the time until it lies in the mailbox."""
        c = site.submission(sender, kind)
        c.mail(sender)
        reply = c.rcpt(recipient)
        assert reply.code == 250, reply
        clock = sites.Clock(there, recipient)
        c.want("DATA", "354")
        text = client.stuff(
            ("From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\n\r\nDear friend,\r\n"
             "this is what I had to say.\r\n" % (sender, recipient, subject)))
        c.send(text[:-3])
        start = time.monotonic()
        c.send(text[-3:])
        reply, = c.replies(1)
        answered = (time.monotonic() - start) * 1000
        c.quit()
        assert reply.status == "250 2.0.0", reply
        took, file = clock.wait(start)
        line = site.route(reply.text.split()[0], recipient)
        way = "token" if "relay=token:" in line else "ordinary"
        if not quiet:
            print("  S: %s   (the answer to %s's final dot, after %.1f ms)" % (
                reply, sender.split("@")[0], answered))
            print("  log of %s: %s" % (site.host, line))
        return way, took, file

    def step(self, what, *arguments, **more):
        way, took, file = self.send(*arguments, quiet=False, **more)
        print("  -- %s: %.1f ms from %s's final dot to the file in %s's "
              "mailbox" % ("STRAIGHT TO THE OTHER SERVER, BY TOKEN"
                           if way == "token" else "THE ORDINARY WAY",
                           took, *[x.split("@")[0] for x in (
                               arguments[1], arguments[3])]))
        self.rows.append((what, way, took))
        return way, file

    def log(self, site, pattern, start):
        """What the site has logged since, of the lines that matter."""
        for line in site.log_text()[start:].splitlines():
            if re.search(pattern, line):
                print("  log of %s: %s" % (site.host,
                                           line.split("]: ", 1)[-1]))

    def held(self, site):
        rows = site.held(1)
        assert rows, site.log_tail()
        print("  $ tokenctl show held   # on %s" % site.host)
        for row in rows:
            print("    " + "  ".join("%s=%s" % x for x in row.items()))

    def table(self):
        self.title("All messages, the two ways side by side")
        print("  %-46s %14s %14s" % ("", "ordinary way", "by token"))
        for what, way, took in self.rows:
            text = "%.1f ms" % took
            print("  %-46s %14s %14s" % (
                what, *((text, "") if way == "ordinary" else ("", text))))

    def side_by_side(self, a, b):
        """Carol knows nobody's token, Alice has Bob's."""
        self.title("%d messages each way, one after the other" % ROUNDS)
        times = {"ordinary": [], "token": []}
        for i in range(ROUNDS):
            for sender, recipient in ((CAROL, DAVE), (ALICE, BOB)):
                way, took, _ = self.send(a, sender, b, recipient,
                                         "number %d" % i)
                times[way].append(took)
        for way, row in sorted(times.items()):
            assert len(row) == ROUNDS, times
            print("  %-9s %s ms" % (way, " ".join("%.1f" % x for x in row)))
        ordinary, token = (statistics.median(times[x])
                           for x in ("ordinary", "token"))
        print("  -- median: %.1f ms the ordinary way, %.1f ms by token: "
              "%.1f times" % (ordinary, token, ordinary / token))
        self.rows += [
            ("  Carol to Dave, median of %d" % ROUNDS, "ordinary", ordinary),
            ("  Alice to Bob, median of %d" % ROUNDS, "token", token)]


def tell(title, talking):
    title("Two sites, a DNS, and an MTA between them")
    with sites.world() as (a, b, between, why):
        if why is not None:
            print("  There is no Postfix here (%s): what goes the ordinary "
                  "way goes by\n  %s, which is faster than an MTA." % (
                      why, between.name))
        else:
            print("  The MTA: %s." % between.name)
        teller = Teller(title, talking)
        chapters(teller, a, b)
        teller.table()
        return [(x.domain, keep(x)) for x in (a, b)]


def keep(site):
    """The mailboxes, as they are now."""
    return {file.relative_to(site.mailroot): file.read_bytes()
            for file in site.all_mail()}


def chapters(teller, a, b):
    title = teller.title
    title("1. Alice writes to Bob; nobody knows anybody's tokens")
    _, file = teller.step("1 Alice to Bob", a, ALICE, b, BOB, "lunch?",
                          kind=teller.talking)
    head = email.message_from_bytes(file.read_bytes())
    for name in ("Received", "Submission-Token"):
        for value in head.get_all(name, []):
            print("  in Bob's copy: %s: %s" % (name, " ".join(
                value.split())))
    print("  Bob's server keeps the token that came in the header:")
    teller.held(b)

    title("2. Bob answers: his server finds Alice's by its SRV record")
    start = b.log.stat().st_size
    way, _ = teller.step("2 Bob to Alice, her temporary token", b, BOB, a,
                         ALICE, "Re: lunch?")
    assert way == "token", b.log_tail()
    teller.log(b, "token", start)
    print("  His server was given a permanent token with the answer, and "
          "left its own:")
    teller.held(a)

    title("3. Alice writes again")
    way, _ = teller.step("3 Alice to Bob, his permanent token", a, ALICE, b,
                         BOB, "at one")
    assert way == "token", a.log_tail()
    way, _ = teller.step("  Bob to Alice, her permanent token", b, BOB, a,
                         ALICE, "Re: at one")
    assert way == "token", b.log_tail()
    teller.side_by_side(a, b)

    title("4. Alice revokes Bob's tokens; he writes once more")
    print("  $ tokenctl revoke pair %s %s" % (BOB, ALICE))
    a.ctl("revoke", "pair", BOB, ALICE, check=True)
    start = b.log.stat().st_size
    way, _ = teller.step("4 Bob to Alice, revoked", b, BOB, a, ALICE,
                         "dinner?")
    assert way == "ordinary", b.log_tail()
    teller.log(b, "token", start)
