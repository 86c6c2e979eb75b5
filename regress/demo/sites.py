# SPDX-License-Identifier: ISC
"""The demo's world: two complete instances, a.example and b.example, with a
name server that knows where they are, an authority for their certificates,
and an MTA between them; all of it on loopback, in temporary directories."""
import contextlib
import os
import pathlib
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
for part in ("peers", "protocol"):
    sys.path.insert(0, str(HERE.parent / part))

import client  # noqa: E402
import jail  # noqa: E402
import relay_sink  # noqa: E402
import server  # noqa: E402
import token_world  # noqa: E402

PASSWORD = "for a demo only"


class Clock:
    """From the sender's final dot to the file in the mailbox."""

    def __init__(self, site, address):
        self.new = site.mailbox(address) / "new"
        self.before = self.names()
        self.found = queue.Queue()
        threading.Thread(target=self.look, daemon=True).start()

    def names(self):
        with contextlib.suppress(OSError):
            return set(os.listdir(self.new))
        return set()

    def look(self):
        until = time.monotonic() + 60
        while time.monotonic() < until:
            fresh = self.names() - self.before
            if fresh:
                self.found.put((time.monotonic(), self.new / fresh.pop()))
                return
            time.sleep(0.0002)
        self.found.put((None, None))

    def wait(self, start):
        """(milliseconds, the file)"""
        when, file = self.found.get()
        assert file is not None, "%s: nothing came" % self.new
        return (when - start) * 1000, file


class Site(server.Server):
    """A domain with its users, token keys, store and mailboxes."""

    def __init__(self, domain, users, authority, dns, mta_port):
        self.domain, self.host = domain, "mx." + domain
        self.users = ["%s@%s" % (x, domain) for x in users]
        self.authority = authority
        super().__init__(
            prefork=(1, 1, 2), aliases="",
            users=["%s:%s" % (x, server.scram_line(PASSWORD))
                   for x in self.users],
            replace={"hostname": "hostname " + self.host,
                     "domain": "domain " + domain},
            extra='relay host "smtp://127.0.0.1:%d"\n'
            'ca "%s"\nresolver "127.0.0.1:%d"\ntoken learn any\n' % (
                mta_port, authority.file, dns))

    def own(self):
        """Its certificate is for the domain: that is what is verified."""
        pair = self.authority.issue(self.host, self.domain, self.host)
        for made, name in zip(pair, ("crt", "key")):
            shutil.copy(made, self.dir / ("mx.a.example." + name))
        super().own()

    def opened(self):
        """The MTA is another user: let it at the socket."""
        subprocess.run(["chmod", "0777", self.socket], check=True)

    def submission(self, user, kind=client.Client):
        c = kind(("127.0.0.1", self.ports["smtps"]), tls=True,
                          sni=self.host, version="1.3")
        c.ehlo()
        reply = c.plain_login(user, PASSWORD)
        assert reply.code == 235, reply
        return c

    def held(self, count):
        """What it holds, when it is so many: that comes behind the file."""
        until = time.monotonic() + 30
        while len(self.show("held")) < count and time.monotonic() < until:
            time.sleep(0.02)
        return self.show("held")

    def route(self, id_, to):
        """What the log says of the way that a message went."""
        line = self.wait_log(r"^.* delivery id=%s\S* .*to=<%s> .*$" % (
            id_, to), seconds=30).group(0)
        return line.split(" delivery ", 1)[1]


class StandIn:
    """Where Postfix cannot be run: takes a message, answers, and hands it to
    the other side's LMTP socket a moment later, as an MTA with a queue."""

    name = "a stand-in for an MTA, which has no queue on disk"

    def __init__(self):
        self.sink = relay_sink.RelaySink(keywords=relay_sink.POSTFIX)
        self.port, self.sites = self.sink.port, {}
        self.ends = threading.Event()

    def __enter__(self):
        self.worker = threading.Thread(target=self.work, daemon=True)
        self.worker.start()
        return self

    def __exit__(self, *unused):
        self.ends.set()
        self.sink.close()
        self.worker.join()

    def serve(self, *sites):
        self.sites = {x.domain: x for x in sites}

    def work(self):
        done = 0
        while not self.ends.is_set():
            with self.sink.changed:
                self.sink.changed.wait_for(
                    lambda: len(self.sink.messages) > done, 0.2)
                fresh = self.sink.messages[done:]
            for message in fresh:
                done += 1
                for address in message.addresses:
                    self.deliver(message, address)

    def deliver(self, message, address):
        with self.sites[address.split("@")[1]].trusted() as c:
            c.want("MAIL FROM:<%s>" % message.sender, "250 2.1.0")
            c.want("RCPT TO:<%s>" % address, "250 2.1.5")
            c.data(message.data)


class Postfix:
    """Debian's own, unpacked, in name spaces: the MTA of both sides."""

    name = "Debian's Postfix, unpacked, in a name space"

    def __init__(self):
        import postfix
        self.postfix = postfix.Postfix()
        self.port = self.postfix.ours

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.postfix.stop()

    def serve(self, *sites):
        """Its queue first, then the LMTP socket of the domain's server."""
        for site in sites:
            site.opened()
        etc = self.postfix.etc / "postfix"
        text = (etc / "master.cf").read_text().splitlines()
        for i, line in enumerate(text):
            if line.startswith("lmtp "):  # it is to see the sockets
                text[i] = "lmtp unix - - n - - lmtp"
        (etc / "master.cf").write_text("\n".join(text) + "\n")
        with open(etc / "main.cf", "a") as main:
            main.write("virtual_mailbox_domains = %s\n" % " ".join(
                x.domain for x in sites))
            main.write("transport_maps = inline:{ %s }\n" % ", ".join(
                "{ %s = lmtp:unix:%s }" % (x.domain, x.socket)
                for x in sites))
        self.postfix.start()


def mta():
    """Postfix where it can be run, else why not, and a stand-in."""
    why = jail.trouble("postfix")
    if why is None:
        return Postfix(), None
    return StandIn(), why


@contextlib.contextmanager
def world():
    """(alice's site, bob's site, the MTA, why it is not Postfix)"""
    directory = tempfile.mkdtemp(prefix="stoken-ca-", dir="/var/tmp")
    os.chmod(directory, 0o755)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        authority = token_world.Authority(directory)
        between, why = mta()
        stack.enter_context(between)
        ports = dict(zip("ab", server.free_ports(2)))
        records = []
        for name, port in ports.items():
            records += [
                token_world.srv(name + ".example", port,
                                host="mx.%s.example." % name),
                "%s MX 10 mta" % name, "mx.%s A 127.0.0.1" % name]
        nsd = token_world.Nsd(records + ["mta A 127.0.0.1"])
        stack.callback(nsd.close)
        sites = []
        for name, users in (("a", ("alice", "carol")),
                            ("b", ("bob", "dave"))):
            site = Site(name + ".example", users, authority, nsd.port,
                        between.port)
            site.ports["smtps"] = ports[name]
            site.write_config()
            site.own()
            sites.append(stack.enter_context(site))
        between.serve(*sites)
        print("  DNS, by nsd on port %d:" % nsd.port)
        for record in records:
            print("    " + record)
        yield (*sites, between, why)
