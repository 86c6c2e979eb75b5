# SPDX-License-Identifier: ISC
"""The ways of a message in make bench (W9), from one server of ours to the
mailboxes of another, in the world of the demo:

token     straight to the other server, by token
first     the same with all to do that later messages need not: look up where,
          connect, TLS, log in (after a reload): all that is in the envelope
one       by one Postfix, which has the other server's LMTP socket
two       by the sender's Postfix and the recipient's, which is what there is
          between two sites: MX, STARTTLS, two queues (postfixes.py)
far-...   the same where the sites are so far apart (far.c)

The times are from the sender's final dot to the file in the recipient's
mailbox and to the sender's reply, and that of the envelope, MAIL to the answer
to RCPT. The messages take turns, with a pause after each that what it set off
may end. Beside them: a file made durable with its name, and an octet to and
fro over TLS. Then the rates, each until the last message is in the mailbox,
and the CPU of all servers that had a part.

BENCH_MESSAGES (200) are timed each way, BENCH_RATE_SECONDS (2) is one rate,
BENCH_RTT (10) milliseconds are there and back; BENCH_BESIDE=DIR compares with
the programs in DIR (another tree's out).
"""
import contextlib
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile

import bench

sys.path.insert(0, str(bench.HERE.parent / "demo"))

import postfixes  # noqa: E402
import server  # noqa: E402
import sites  # noqa: E402
import story  # noqa: E402
import token_world  # noqa: E402

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "200"))
RATE_SECONDS = os.environ.get("BENCH_RATE_SECONDS", "2")
RTT = int(os.environ.get("BENCH_RTT", "10"))
BESIDE = os.environ.get("BENCH_BESIDE")
FIRST = 20
ERIN = "erin@c.example"  # in a domain of its own: by MX
FRANK = "frank@d.example"  # the same server, far away
GRACE = "grace@e.example"  # by MX, far away
DOMAINS = {"b": ["b.example", "c.example", "d.example", "e.example"]}
TIMES = 10  # the p50 by token is to be so many times lower


def meet(teller, a, b, friend=story.BOB, count=1):
    """Alice and her friend learn each other's tokens."""
    teller.send(a, story.ALICE, b, friend, "first")
    b.held(count)
    way, _, _ = teller.send(b, friend, a, story.ALICE, "answer")
    assert way == "token", b.log_tail()
    a.held(count)
    way, _, _ = teller.send(a, story.ALICE, b, friend, "once more")
    assert way == "token", a.log_tail()


class Far:
    """A program of far.c between two addresses."""

    def __init__(self, here, there):
        self.process = subprocess.Popen(
            [str(bench.TOOLS / "far"), str(RTT // 2), here, there],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)


class Site(sites.Site):
    """Perhaps for several domains."""

    def own(self):
        names = DOMAINS.get(self.domain.split(".")[0], [self.domain])
        pair = self.authority.issue(self.host, *names, self.host)
        for made, name in zip(pair, ("crt", "key")):
            shutil.copy(made, self.dir / ("mx.a.example." + name))
        server.Server.own(self)


class Pair:
    """Two servers of ours, with names of their own; the ways between."""

    def __init__(self, stack, authority, addresses, relay):
        ports = dict(zip("abd", server.free_ports(3)))
        self.far = "127.0.0.1:%d" % ports["d"]
        records = ["c MX 10 mta.c", "mta.c A " + addresses[0],
                   "d MX 10 mta.c", "e MX 10 mta.e",
                   "mta.e A " + addresses[1]]
        for name, port in ports.items():
            records += [token_world.srv(name + ".example", port,
                                        host="mx.%s.example." % name),
                        "mx.%s A 127.0.0.1" % name]
        self.nsd = token_world.Nsd(records)
        stack.callback(self.nsd.close)
        self.sites = []
        for name, users in (("a", ("alice", "carol")),
                            ("b", ("bob", "dave"))):
            site = Site(name + ".example", users, authority,
                              self.nsd.port, relay)
            site.ports["smtps"] = ports[name]
            if name == "b":
                site.replace["domain"] = "domain { %s }" % " ".join(
                    DOMAINS[name])
                with (site.dir / "users").open("a") as users:
                    for user in (ERIN, FRANK, GRACE):
                        users.write("%s:%s\n" % (
                            user, server.scram_line(sites.PASSWORD)))
            site.write_config()
            site.own()
            self.sites.append(stack.enter_context(site))
        self.pids = [x.pid for x in self.sites]

    def way(self, name, sender, recipient):
        a, b = self.sites
        new = b.mailbox(recipient) / "new"
        return " ".join([name, str(a.ports["smtps"]), sender,
                         sites.PASSWORD.replace(" ", "-"), recipient,
                         str(new)])


def tool(*arguments):
    done = subprocess.run([str(bench.TOOLS / "routes"), *arguments],
                          stdout=subprocess.PIPE, text=True, check=True)
    return done.stdout.splitlines()


def table(lines):
    """{name: ([us to the file], [to the reply], [envelope])}, sorted"""
    found = {}
    for line in lines:
        name, *times = line.split()
        for row, time in zip(found.setdefault(name, ([], [], [])), times):
            row.append(int(time))
    for rows in found.values():
        for row in rows:
            row.sort()
    return found


def first(pair, ways):
    """As the first message ever: a reload forgets connections and names."""
    lines = []
    for _ in range(FIRST):
        pair.sites[0].ctl("reload", check=True)
        lines += tool("-w", ways, "-n", "1")
    return lines


def spent(pids):
    return sum(bench.cpu_seconds(pid) for pid in pids)


def rate(ways, name, clients, pids):
    """(messages a second, CPU microseconds for each, errors)"""
    before = spent(pids)
    count, errors, seconds, _, _ = map(float, tool(
        "-w", ways, "-y", name, "-c", str(clients), "-t", RATE_SECONDS)[0]
        .split())
    return (count / seconds, (spent(pids) - before) / count * 1e6,
            int(errors))


def milliseconds(row, part):
    return "%7.2f" % (row[int(len(row) * part)] / 1000) if row[-1] else \
        " " * 7


def show(times, rates):
    print("   %-10s %16s  %16s  %8s  %21s  %5s" % (
        "", "to the file, ms", "to the reply, ms", "envelope",
        "messages/s, clients:", "CPU"))
    print("   %-10s %7s  %7s  %7s  %7s  %8s  %10s %10s  %5s" % (
        "", "p50", "p99", "p50", "p99", "p50", "1", "32", "us"))
    for name, (file, reply, envelope) in times.items():
        cells = [milliseconds(row, part) for row, part in (
            (file, 0.5), (file, 0.99), (reply, 0.5), (reply, 0.99),
            (envelope, 0.5))]
        text = "   %-10s %s  %s  %s  %s  %s" % (name, *cells)
        if name in rates:
            (one, _, errors), (many, cpu, more) = rates[name]
            text += " %10.0f %10.0f  %5.0f" % (one, many, cpu)
            if errors + more:
                text += "  %d ERRORS" % (errors + more)
        print(text.rstrip())


def compare(times):
    def half(name, nth=0):
        return statistics.median(times[name][nth])

    if "two" not in times:
        return
    for text, two, token in (
            ("on one machine", "two", "token"),
            ("%d ms apart" % RTT, "far-two", "far-token")):
        ratio = half(two) / half(token)
        print("   p50 by token, %s: %.1f times lower than by the two MTAs "
              "there are between sites, target >= %d: %s" % (
                  text, ratio, TIMES, bench.yes(ratio >= TIMES)))
    print("   than by one MTA (which both sites would share): %.1f times; the "
          "bare file and its name: 1/%.1f of its reply" % (
              half("one") / half("token"), half("token", 1) / half("disk")))


@contextlib.contextmanager
def world():
    """({way: (line for the tool, pids that have a part)}, pair, directory)"""
    with contextlib.ExitStack() as stack:
        directory = pathlib.Path(tempfile.mkdtemp(
            prefix="stoken-ca-", dir="/var/tmp"))
        directory.chmod(0o755)
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        authority = token_world.Authority(str(directory))
        addresses, ways = [postfixes.own_address() for _ in range(2)], {}
        why = postfixes.trouble()
        if why is None:
            relay = server.free_port()
        else:
            print("   no Postfix: %s" % why)
            stand_in = stack.enter_context(sites.StandIn())
            relay = stand_in.port
        pair = Pair(stack, authority, addresses, relay)
        a, b = pair.sites
        ways["token"] = (pair.way("token", story.ALICE, story.BOB),
                         pair.pids)
        if why is None:
            dns = postfixes.Dns(pair.nsd, addresses[0])
            stack.callback(dns.close)
            mtas = []
            for name, listens in (("a", "127.0.0.1:%d" % relay),
                                  ("c", addresses[0] + ":25")):
                certificate, _ = authority.issue("mta.%s.example" % name)
                mtas.append(postfixes.Postfix(
                    "mta.%s.example" % name, addresses[0], listens,
                    certificate.removesuffix(".crt")))
                stack.callback(mtas[-1].stop)
            b.opened()
            mtas[0].serve(["b.example"], b.socket)
            mtas[1].serve(DOMAINS["b"][1:], b.socket)
            for here, there in ((addresses[1] + ":25", addresses[0] + ":25"),
                                (pair.far, "127.0.0.1:%d" % b.ports["smtps"])):
                far = Far(here, there)
                stack.callback(far.close)
            ways["one"] = (pair.way("one", "carol@a.example", story.DAVE),
                           pair.pids + [mtas[0].pid])
            ways["two"] = (pair.way("two", "carol@a.example", ERIN),
                           pair.pids + [x.pid for x in mtas])
            ways["far-token"] = (pair.way("far-token", story.ALICE, FRANK), [])
            ways["far-two"] = (pair.way("far-two", "carol@a.example", GRACE),
                               [])
        else:
            stand_in.serve(a, b)
        teller = story.Teller(print, None)
        meet(teller, a, b)
        if why is None:
            meet(teller, a, b, FRANK, 2)
        if BESIDE is not None:
            ways["beside"] = beside(stack, authority, addresses, teller)
        yield ways, pair, directory


def beside(stack, authority, addresses, teller):
    stand_in = stack.enter_context(sites.StandIn())
    server.BUILD = pathlib.Path(BESIDE)
    other = Pair(stack, authority, addresses, stand_in.port)
    stand_in.serve(*other.sites)
    meet(teller, *other.sites)
    return other.way("beside", story.ALICE, story.BOB), other.pids


def main():
    sites.PASSWORD = sites.PASSWORD.replace(" ", "-")
    print("W9 one server to another, %d messages of 4 KiB" % MESSAGES)
    with world() as (ways, pair, directory):
        listed, alone = directory / "ways", directory / "token"
        listed.write_text("".join(x + "\n" for x, _ in ways.values()))
        alone.write_text(ways["token"][0].replace("token", "first", 1))
        for way in ways:  # the mailboxes are made, the connections are up
            tool("-w", str(listed), "-y", way, "-t", "0.2")
        certificate = str(directory / "authority.example")
        disk = directory / "disk"
        disk.mkdir()
        times = table(tool(
            "-w", str(listed), "-n", str(MESSAGES), "-d", str(disk),
            "-C", certificate + ".crt", "-K", certificate + ".key")
            + first(pair, str(alone)))
        rates = {way: [rate(str(listed), way, clients, pids)
                       for clients in (1, 32)]
                 for way, (_, pids) in ways.items() if pids}
        show(times, rates)
        compare(times)


if __name__ == "__main__":
    main()
