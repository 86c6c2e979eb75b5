# SPDX-License-Identifier: ISC
"""A name server that lies, floods, drips and is silent: it costs a message the
time limit at most, and nobody else anything."""
import contextlib
import socket
import struct
import threading
import time

import pytest

from clause import clauses
from dns_liar import (A, AAAA, CNAME, MX, RESPONSE, SOA, SRV, TRUNCATED,
                      DnsLiar, record, srv_data, wire)
from test_token_route import route_line
from token_world import TokenSink, token_world

HOST = "host.example"
LOOP = b"\xc0\x0c"  # the question's name


def right(query, port):
    query.send(query.answer([record(query.name, SRV, srv_data(port, HOST))]))


def with_answers(make, **options):
    return lambda query, port: query.send(query.answer(
        make(query, port), **options))


def code(number):
    return lambda query, port: query.send(query.answer(
        flags=RESPONSE | number))


def silent(query, port):
    pass


def another_id(query, port):
    for number in range(1, 100):
        query.send(query.answer([record(query.name, SRV,
                                        srv_data(port, HOST))],
                                number=query.id ^ number))


def first(*others):
    """... and then the right answer."""
    def run(query, port):
        for other in others:
            other(query, port)
        right(query, port)
    return run


def another_question(query, port):
    query.send(query.answer([record(query.name, SRV, srv_data(port, HOST))],
                            question=wire("x." + query.name) +
                            struct.pack(">HH", SRV, 1)))


def another_address(query, port):
    """Another port is one, too."""
    answer = query.answer([record(query.name, SRV, srv_data(port, HOST))])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        query.send(answer, other)


def garbage(query, port):
    for size in (0, 1, 2, 11, 12, 13, 300, 4096):
        query.send(query.data[:2] + bytes(size))
        query.send(query.data[:2] + b"\xff" * size)
        query.send(query.answer([b"\xff" * size]))


def flood(query, port):
    for _ in range(20000):
        query.send(b"\xff" * 4096)


def by_tcp(then):
    """What comes by UDP is cut off."""
    def run(query, port):
        if query.tcp is None:
            query.send(query.answer(flags=RESPONSE | TRUNCATED))
        else:
            then(query, port)
    return run


def hang_up(query, port):
    query.tcp.shutdown(socket.SHUT_RDWR)


def drip(query, port):
    query.tcp.sendall(b"\xff\xff")
    for _ in range(2000):
        query.tcp.sendall(b"\0")
        time.sleep(0.01)


def endless(query, port):
    block = (struct.pack(">H", 65535) + b"\xff" * 65535) * 16
    for _ in range(64):
        query.tcp.sendall(block)


def many(query, port):
    return [record(LOOP, SRV, srv_data(port, "n%d.nowhere.example" % n))
            for n in range(1500)]


def aliases(query, port):
    names = [query.name] + ["a%d.example" % n for n in range(50)]
    return [record(x, CNAME, wire(y)) for x, y in zip(names, names[1:])] + \
        [record(names[-1], SRV, srv_data(port, HOST))]


# What is answered to the question for the SRV record, and whether that is a
# server to be found. What others put into their domains:
CONTENTS = {
    "silent": (silent, False),
    "form error": (code(1), False),
    "server failure": (code(2), False),
    "no such name": (code(3), False),
    "not implemented": (code(4), False),
    "refused": (code(5), False),
    "code 15": (code(15), False),
    "nothing": (with_answers(lambda query, port: []), False),
    "of another name": (with_answers(lambda query, port: [
        record("x." + query.name, SRV, srv_data(port, HOST)),
        record("example", SRV, srv_data(port, HOST)),
        record("", SRV, srv_data(port, HOST))]), False),
    "of another type": (with_answers(lambda query, port: [
        record(LOOP, MX, srv_data(port, HOST))]), False),
    "in another section": (lambda query, port: query.send(query.answer(
        [], [record(LOOP, SRV, srv_data(port, HOST))])), False),
    "alias": (with_answers(lambda query, port: [
        record(LOOP, CNAME, wire("other.example")),
        record("other.example", SRV, srv_data(port, HOST))]), True),
    "alias of itself": (with_answers(lambda query, port: [
        record(LOOP, CNAME, LOOP)]), False),
    "fifty aliases": (with_answers(aliases), False),
    "pointers in circles": (with_answers(lambda query, port: [
        record(LOOP, SRV, struct.pack(">HHH", 0, 0, port) +
               struct.pack(">H", 0xc000 + 12 + len(query.question) + 18))]),
        False),
    "an address as name": (with_answers(lambda query, port: [
        record(LOOP, SRV, srv_data(port, "127.0.0.1"))]), False),
    "TTL of 136 years": (with_answers(lambda query, port: [
        record(LOOP, SRV, srv_data(port, HOST), 0xffffffff)]), True),
    "cut off, TCP is right": (by_tcp(right), True),
    "cut off, TCP cut off": (by_tcp(with_answers(
        lambda query, port: [record(LOOP, SRV, srv_data(port, HOST))],
        flags=RESPONSE | TRUNCATED)), False),
    "1500 records": (by_tcp(with_answers(many)), False),
}

# And what the server that we ask may do, or somebody on the way to it.
WAYS = {
    "another id": (another_id, False),
    "another id first": (first(another_id), True),
    "another question": (another_question, False),
    "another question first": (first(another_question), True),
    "another address": (another_address, False),
    "garbage": (garbage, False),
    "flood": (flood, False),
    "cut off, TCP hangs up": (by_tcp(hang_up), False),
    "cut off, TCP silent": (by_tcp(silent), False),
    "cut off, TCP drips": (by_tcp(drip), False),
    "cut off, TCP endless": (by_tcp(endless), False),
    "cut off, TCP garbage": (by_tcp(garbage), False),
}

LIES = {**CONTENTS, **WAYS}


class Liar(DnsLiar):
    """Answers for n0.example, n1.example ... as the table says, and for all
    others rightly."""

    def __init__(self, lies, port):
        self.lies, self.sink_port = lies, port
        super().__init__(self.lie)

    def lie(self, query):
        send = query.send
        query.send = lambda data, by=None: by.sendto(
            data, query.client) if by else send(data)
        if query.kind == SRV and query.name.startswith("_submissions."):
            name = query.name.split(".")[2]
            self.lies.get(name, right)(query, self.sink_port)
        elif query.name == HOST and query.kind == A:
            query.send(query.answer([record(LOOP, A, b"\x7f\0\0\1")]))
        elif query.name == HOST and query.kind == AAAA:
            query.send(query.answer())
        else:
            query.send(query.answer([], [record("example", SOA, wire(
                "ns") * 2 + struct.pack(">IIIII", 1, 1, 1, 1, 60))],
                flags=RESPONSE | 3))


HONEST = 40


@contextlib.contextmanager
def lying_world(extra=""):
    names = ["n%d" % n for n in range(len(LIES))] + \
        ["honest%d" % n for n in range(HONEST)]
    made = []

    def make(authority, stack):
        made.append(stack.enter_context(TokenSink(authority.issue(
            "all", *[x + ".example" for x in names]))))
        return "all A 127.0.0.1"

    def resolver(nsd, stack):
        made.append(Liar(dict(zip(names, (x for x, _ in LIES.values()))),
                         made[0].port))
        stack.callback(made[1].close)
        return made[1].port

    with token_world(records=[make], resolver=resolver, extra=extra,
                     limits={"sessions": 1000}) as world:
        world.tokens, world.liar = made
        yield world


@pytest.fixture(scope="module")
def world():
    with lying_world() as world:
        yield world


@pytest.fixture(scope="module")
def hasty():
    """One that loses its patience soon."""
    with lying_world("timeout relay 2s") as world:
        yield world


def check(world, name, friend):
    found = LIES[name][1]
    assert [sum(friend in m.addresses for m in sink.messages)
            for sink in (world.tokens, world.relay)] == \
        [found, not found], (name, route_line(world, friend, 0))


def submit_all(world, names):
    """At once."""
    friends = {name: world.friend(domain="n%d.example" % n)
               for n, name in enumerate(LIES) if name in names}
    replies = {}

    def submit(friend):
        replies[friend] = world.submit(friend).status

    threads = [threading.Thread(target=submit, args=(x,))
               for x in friends.values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert replies == {x: "250 2.0.0" for x in friends.values()}
    for name, friend in friends.items():
        check(world, name, friend)
    world.server.check()


@clauses("D-S12", "S1-54", "S1-56", "S1-01")
def test_contents(world):
    """Each message goes one way or the other, once; and a question that is
    not answered does nothing to others."""
    submit_all(world, CONTENTS)
    # Of 1500 hosts a few are asked for.
    assert world.liar.count("nowhere.example") <= 64


@clauses("D-S12", "S1-53")
@pytest.mark.parametrize("name", [x for x in WAYS if WAYS[x][1]])
def test_ways_that_lead_there(world, name):
    submit_all(world, [name])


@clauses("D-S12", "S1-56", "S1-01")
@pytest.mark.parametrize("name", [x for x in WAYS if not WAYS[x][1]])
def test_ways_that_lead_nowhere(hasty, name):
    submit_all(hasty, [name])


def test_the_truth_afterwards(hasty):
    """Whatever came before, who answers rightly is heard."""
    for number in range(HONEST):
        friend = hasty.friend(domain="honest%d.example" % number)
        assert hasty.submit(friend).status == "250 2.0.0"
        if hasty.tokens.messages:
            break
    assert hasty.tokens.messages[-1].addresses == [friend]
