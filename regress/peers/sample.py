# SPDX-License-Identifier: ISC
"""Messages to send with other people's software, and a look at what came."""
import email
import email.policy
import hashlib
import itertools
import os
import time

_count = itertools.count(1)


def word():
    """A word that is in no other message."""
    return "w%d-%s" % (next(_count), os.urandom(6).hex())


def message(subject, recipients, sender="alice@a.example", body=None):
    """A complete message of octets, CRLF; with lines that test transparency."""
    lines = ["From: <%s>" % sender, "To: " + ", ".join(
        "<%s>" % x for x in recipients), "Subject: " + subject,
        "Date: Sun, 22 Nov 2026 10:00:00 +0000",
        "Message-ID: <%s@client.example>" % subject, "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=utf-8",
        "Content-Transfer-Encoding: 8bit", ""]
    lines += body or ["A line.", ".", "..two dots", ". a dot and a blank", "",
                      "From the start of a line", "gr\u00fc\u00df", "x" * 900,
                      "the last line"]
    return "\r\n".join(lines).encode() + b"\r\n"


def big(subject, recipients, size):
    """As message(), with `size` octets of text that repeats nowhere."""
    lines = [hashlib.sha256(b"%d" % n).hexdigest()
             for n in range(size // 66 + 1)]
    return message(subject, recipients, body=lines)


def unix(octets):
    return octets.replace(b"\r\n", b"\n")


def arrived(server, address, subject, count=1, seconds=30):
    """The octets of the messages in a mailbox that have this subject."""
    wanted = b"\nSubject: " + subject.encode()
    deadline = time.monotonic() + seconds
    while True:
        found = [text for text in
                 (f.read_bytes() for f in server.mail(address))
                 if wanted in text.split(b"\n\n", 1)[0]]
        if len(found) >= count or time.monotonic() > deadline:
            break
        time.sleep(0.05)
    assert len(found) == count, "%d messages, wanted %d\n%s" % (
        len(found), count, server.log_tail())
    return found


def one(server, address, subject):
    return arrived(server, address, subject)[0]


def fields(text):
    return email.message_from_bytes(text, policy=email.policy.default)


def same(text, sent):
    """What was delivered is our trace, and then exactly what was sent."""
    head = len(text) - len(unix(sent))
    assert head > 0 and text[head:] == unix(sent), \
        "sent %r ... and got %r ..." % (sent[:800], text[:1600])
    trace = email.message_from_bytes(text[:head] + b"\n")
    assert set(trace.keys()) <= {"Return-Path", "Received",
                                 "Authentication-Results"}, trace.keys()
    return trace


def protocol(trace):
    """The word after `with` of our Received field (RFC 3848)."""
    return str(trace["Received"]).split(" with ", 1)[1].split()[0]
