# SPDX-License-Identifier: ISC
"""What the tests want of somebody's MTA: to take mail, and to show its queue.

port    where it is an MX: from 127.0.0.2 as a stranger
ours    where it takes our users' submissions
"""
import contextlib
import dataclasses
import email
import smtplib

import jail
import server


@dataclasses.dataclass
class Waiting:
    """A message in the queue. Addresses without <>, LF line ends; notify and
    orcpt by recipient, as the client wrote them."""
    id: str
    octets: bytes
    sender: str = ""
    recipients: list = dataclasses.field(default_factory=list)
    ret: str = ""
    envid: str = ""
    utf8: bool = False
    notify: dict = dataclasses.field(default_factory=dict)
    orcpt: dict = dataclasses.field(default_factory=dict)

    @property
    def head(self):
        return email.message_from_bytes(
            self.octets.split(b"\n\n")[0] + b"\n\n")


class Mta(jail.Jail):

    def __init__(self, name, accounts, also=()):
        super().__init__(name, accounts, also)
        self.port, self.ours = server.free_ports(2)
        self.looked = {}

    def start(self):
        super().start()
        self.launch()
        for port in (self.port, self.ours):
            self.wait_port(port)
        return self

    def launch(self):
        raise NotImplementedError

    def ids(self):
        """The names of the messages in the queue."""
        raise NotImplementedError

    def look(self, name):
        """The Waiting of that name."""
        raise NotImplementedError

    def waiting(self, subject, count):
        """Waits for so many messages with the subject; by recipients."""
        def there():
            for name in self.ids():
                # The MTA may be at it, or done with it: the next time.
                if name not in self.looked:
                    with contextlib.suppress(jail.Failed):
                        self.looked[name] = self.look(name)
            have = [x for x in self.looked.values()
                    if x.head["Subject"] == subject]
            return len(have) >= count and have
        have = self.wait(there, "%d of %s in the queue" % (count, subject))
        assert len(have) == count, have
        return sorted(have, key=lambda x: x.recipients)

    def hand(self, recipients, octets, sender, stranger=True, options=()):
        """Gives it a message over SMTP, as somebody from outside."""
        source = ("127.0.0.2", 0) if stranger else None
        with smtplib.SMTP("127.0.0.1", self.port, "client.example",
                          timeout=60, source_address=source) as session:
            session.command_encoding = "utf-8"
            return session.sendmail(sender, recipients, octets, options)
