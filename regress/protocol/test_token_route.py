# SPDX-License-Identifier: ISC
"""The token route: a user's message goes straight to the recipient's server,
by the token that he holds, and else by the relay host."""
import re
import socket
import time

import pytest

from clause import clauses
from relay_sink import (close, close_after, endless, half, raw, reply, reset,
                        stall)
from server import P256, certificate, free_port
from token_world import ALICE, MESSAGE, TokenSink, srv, token_world


@pytest.fixture(scope="module")
def shared():
    with token_world() as world:
        yield world


@pytest.fixture
def world(shared):
    shared.clear()
    yield shared
    shared.server.check()


def route_line(world, friend, start):
    return world.server.wait_log(
        r"token-route to=<%s> .*" % re.escape(friend), start, 30).group(0)


def log_size(world):
    return len(world.server.log_text())


@clauses("S1-52", "S1-53", "S1-14", "S1-19", "S1-31", "S1-60", "S1-74")
def test_straight_to_the_server(world):
    friend, start = world.friend(), log_size(world)
    reply = world.submit(friend)
    assert reply.status == "250 2.0.0"
    message, = world.sink.messages
    assert world.relay.tried == []
    session = message.session
    assert [x.split()[0] for x in session.commands[:4]] == [
        b"LHLO", b"AUTH", b"MAIL", b"RCPT"]
    assert world.sink.shown == [(friend, "HELD-token_0")] * 2
    rcpt, = message.recipients
    mine = re.search(rb" MYSTOKEN=(\S+)", rcpt).group(1).decode()
    assert mine == world.server.permanent(friend, ALICE)
    assert message.data.endswith(b"\r\n\r\nText.\r\n.dot\r\n")
    line = route_line(world, friend, start)
    assert "stat=delivered new-token=kept" in line
    world.server.wait_log(
        r"delivery .*to=<%s> relay=token:host.example\[127.0.0.1\]:%d .*"
        r"dsn=2.1.13 stat=Sent" % (friend, world.sink.port), start, 30)
    # The new token is the one that is used from now on.
    assert world.submit(friend).status == "250 2.0.0"
    assert world.sink.shown[-1] == (friend, "NEW-token_1")


@clauses("S1-61", "F-101", "F-07")
def test_success_is_told_by_us(world):
    """A token server's 250 is that of the last one (RFC 2033): delivered. It
    knows no NOTIFY, and the relay host, which does, is not asked."""
    friend, stranger = world.friend(), "stranger@" + world.domain()
    with world.server.login(ALICE) as c:
        c.mail(ALICE)
        for one in (friend, stranger):
            c.want("RCPT TO:<%s> NOTIFY=SUCCESS" % one, "250 2.1.5")
        assert c.data(MESSAGE)[0].status == "250 2.0.0"
    assert len(world.sink.messages) == 1
    copy, report = world.relay.messages
    assert b"NOTIFY=SUCCESS" in copy.recipients[0]
    text = report.data.decode()
    assert "\r\nFinal-Recipient: rfc822;%s\r\nAction: delivered\r\n" % friend \
        in text
    assert text.count("Final-Recipient:") == 1
    assert "token" not in text.partition("rfc822-headers")[0].lower()


def test_no_token_no_route(world):
    stranger = "stranger@" + world.domain()
    assert world.submit(stranger).status == "250 2.0.0"
    assert world.sink.sessions == [] or world.sink.messages == []
    assert len(world.relay.messages) == 1


# What a token server may do wrong, and where; and whether the domain is left
# alone afterwards.
LIES = {
    "421 at once": ("connect", close_after("421 4.3.2 not now"), True),
    "554 at once": ("connect", reply("554 5.3.2 never"), True),
    "nothing said": ("connect", close(), True),
    "LHLO refused": ("ehlo", reply("500 5.5.1 what?"), True),
    "LHLO endless": ("ehlo", endless(), True),
    "LHLO half": ("ehlo", half(9), True),
    "AUTH 454": ("auth", reply("454 4.7.0 later"), False),
    "AUTH 421": ("auth", close_after("421 4.7.0 too many"), None),
    "AUTH closed": ("auth", close(), True),
    "AUTH goes on": ("auth", reply("334 "), True),
    "AUTH nonsense": ("auth", raw("hello\r\n"), True),
    "MAIL refused": ("mail", reply("451 4.3.0 later"), False),
    "RCPT 450": ("rcpt", reply("450 4.2.1 later"), False),
    "RCPT 452": ("rcpt", reply("452 4.2.2 full"), False),
    "RCPT 421": ("rcpt", close_after("421 4.3.2 going"), True),
    "RCPT closed": ("rcpt", close(), True),
    "RCPT reset": ("rcpt", reset(), True),
    "RCPT 354": ("rcpt", reply("354 what"), True),
    "RCPT half": ("rcpt", half(5), True),
    "RCPT endless": ("rcpt", endless("250 and so on\r\n"), None),
    "body 421": ("body", close_after("421 4.3.2 going"), True),
    "body closed": ("body", close(), True),
    "end 451": ("end", reply("451 4.3.0 later"), False),
    "end 452": ("end", reply("452 4.2.2 full"), False),
    "end 554": ("end", reply("554 5.6.0 no"), False),
}


def delivered(world):
    """Messages that any server has taken: exactly one each."""
    return world.sink.messages + world.relay.messages


@clauses("S1-01")
@pytest.mark.parametrize("lie", LIES)
def test_liar(world, lie):
    """Not lost, not doubled, and his sender sees nothing of it."""
    step, behaviour, blamed = LIES[lie]
    friend, start = world.friend(), log_size(world)
    world.sink.fault(step, behaviour)
    assert world.submit(friend).status == "250 2.0.0"
    assert world.sink.messages == []
    message, = world.relay.messages
    assert message.addresses == [friend]
    assert message.data.endswith(b"\r\n\r\nText.\r\n.dot\r\n")
    line = route_line(world, friend, start)
    assert "stat=relay-host" in line and "HELD-token" not in line
    assert world.held(friend)
    # The next message: is the server left alone?
    world.sink.clear()
    before = len(world.sink.sessions)
    assert world.submit(friend).status == "250 2.0.0"
    assert len(delivered(world)) == 2
    if blamed is not None:
        assert (len(world.sink.messages) == 0) == blamed
    if blamed:
        assert len(world.sink.sessions) == before


@clauses("S1-01")
@pytest.mark.parametrize("end", [close(), reset(), half(7),
                                 close_after("421 4.3.2 going"),
                                 raw("nonsense\r\n"), reply("354 what")])
def test_answer_lost_behind_the_end(world, end):
    """The only case that may bring a message twice, and the log says so."""
    friend, start = world.friend(), log_size(world)
    world.sink.fault("end", end)
    assert world.submit(friend).status == "250 2.0.0"
    assert len(world.sink.tried) == 1 and len(world.relay.messages) == 1
    assert "it may come twice" in route_line(world, friend, start) or \
        "421" in route_line(world, friend, start)


@pytest.mark.parametrize("step,code", [
    ("auth", "535 5.7.8 no"), ("auth", "550 5.7.1 no"),
    ("rcpt", "550 5.7.1 no"), ("rcpt", "550 no"),
    ("end", "550 5.7.1 revoked")])
def test_refused_token_is_forgotten(world, step, code):
    friend = world.friend()
    world.sink.fault(step, reply(code))
    assert world.submit(friend).status == "250 2.0.0"
    assert len(world.relay.messages) == 1
    until(lambda: not world.held(friend))
    # There is none now: nothing is tried.
    seen = len(world.sink.sessions)
    assert world.submit(friend).status == "250 2.0.0"
    assert len(world.relay.messages) == 2
    assert len(world.sink.sessions) == seen
    # A new token finds the server again: an answer about a token is no blame.
    world.sink.clear()
    world.hold(friend, "another_token")
    assert world.submit(friend).status == "250 2.0.0"
    assert world.sink.shown[-1] == (friend, "another_token")
    assert len(world.sink.messages) == 1


@pytest.mark.parametrize("step,code", [
    ("auth", "454 4.7.0 later"), ("rcpt", "550 5.1.1 no such user"),
    ("rcpt", "550 5.2.1 closed"), ("end", "550 5.6.0 a virus"),
    ("end", "550 no"), ("end", "554 5.7.1 spam"),
    ("end", "550 5.7.9 a policy")])
def test_refusal_of_something_else(world, step, code):
    """About the mailbox or the message: the token is as good as before."""
    friend = world.friend()
    world.sink.fault(step, reply(code))
    assert world.submit(friend).status == "250 2.0.0"
    message, = world.relay.messages
    # Whoever answers is not left alone either.
    world.sink.clear()
    assert world.submit(friend).status == "250 2.0.0"
    message, = world.sink.messages
    assert b" STOKEN=HELD-token_0" in message.recipients[0]


@clauses("S1-50")
@pytest.mark.parametrize("step", ["auth", "rcpt"])
def test_alternatives(world, step):
    """The newest is tried first; another when that is refused."""
    friend = world.friend("older_token")
    world.hold(friend, "newer_token")
    world.sink.fault(step, lambda session, due: b"550 5.7.1 no\r\n"
                     if world.sink.shown[-1][1] == "newer_token" else due)
    assert world.submit(friend).status == "250 2.0.0"
    message, = world.sink.messages
    assert b" STOKEN=older_token" in message.recipients[0]
    assert world.relay.tried == []
    assert "newer_token" in [token for _, token in world.sink.shown]


@clauses("S1-64")
def test_stoken_is_not_listed(world):
    friend = world.friend()
    world.sink.stoken = False
    assert world.submit(friend).status == "250 2.0.0"
    assert len(world.relay.messages) == 1
    assert world.sink.shown == []
    world.sink.wait(lambda s: b"QUIT" in s.sessions[-1].commands)


@clauses("S1-19", "D-S02")
@pytest.mark.parametrize("token", ["a=b", "a\x7fb", "t\u00fc", "x" * 256, ""])
def test_illegal_new_token(world, token):
    """It is delivered all the same, and the token is not kept."""
    friend = world.friend()
    world.sink.gives = token
    world.sink.fault("end", reply("250 2.1.13 <%s> %s id delivered" % (
        friend, token)))
    assert world.submit(friend).status == "250 2.0.0"
    assert len(world.sink.messages) == 1 and world.relay.tried == []
    assert world.submit(friend).status == "250 2.0.0"
    assert world.sink.shown[-1] == (friend, "HELD-token_0")


def test_no_new_token(world):
    friend, start = world.friend(), log_size(world)
    world.sink.gives = ""
    assert world.submit(friend).status == "250 2.0.0"
    assert "new-token=no" in route_line(world, friend, start)
    assert len(world.sink.messages) == 1 and world.relay.tried == []


def test_connection_is_used_again(world):
    """By several messages, and for several recipients of a domain (S1-68)."""
    domain = world.domain()
    first = world.friend("HELD_1", domain)
    second = "second@" + domain
    world.hold(second, "HELD_2")
    for friend in (first, second, first):
        assert world.submit(friend).status == "250 2.0.0"
    session, = {m.session.number for m in world.sink.messages}
    commands = world.sink.messages[0].session.commands
    assert [x.split()[0] for x in commands].count(b"AUTH") == 1
    assert len(world.sink.messages) == 3
    world.sink.forget()
    # All at once need a connection each, since their ends are held.
    assert world.submit(first, second).status == "250 2.0.0"
    assert len(world.sink.messages) == 2
    assert len({m.session.number for m in world.sink.messages}) == 2
    assert world.relay.tried == []


def test_kept_connection_was_lost(world):
    friend = world.friend()
    assert world.submit(friend).status == "250 2.0.0"
    world.sink.drop()
    assert world.submit(friend).status == "250 2.0.0"
    assert len(world.sink.messages) == 2 and world.relay.tried == []


def test_some_by_token_some_not(world):
    """One message; each recipient goes his own way, once."""
    friend, refused = world.friend(), world.friend("HELD_2")
    stranger = "stranger@" + world.domain()
    world.sink.fault("rcpt", lambda session, due:
                     b"550 5.1.1 no\r\n" if session.commands[-1].find(
                         refused.encode()) > 0 else due)
    reply = world.submit(friend, refused, stranger)
    assert reply.status == "250 2.0.0"
    message, = world.sink.messages
    assert message.addresses == [friend]
    assert sorted(m.addresses for m in world.relay.messages) == sorted(
        [[refused], [stranger]])


@pytest.mark.parametrize("code", ["550 5.1.1 no such", "450 4.2.1 later"])
def test_relay_host_refuses_who_fell_back_at_the_end(world, code):
    """RCPT was answered 250: it becomes the answer to the message."""
    friend = world.friend()
    world.sink.fault("end", reply("451 4.3.0 later"))
    world.relay.fault("rcpt", reply(code))
    assert world.submit(friend).status == code[:9]
    assert delivered(world) == []


def test_relay_host_refuses_who_fell_back_at_rcpt(world):
    friend = world.friend()
    world.sink.fault("rcpt", reply("451 4.3.0 later"))
    world.relay.fault("rcpt", reply("550 5.1.1 no such"))
    with world.server.login() as c:
        c.mail(ALICE)
        assert c.rcpt(friend).status == "550 5.1.1"
    assert delivered(world) == []


def test_binary_and_large_bodies(world):
    friend = world.friend()
    text = "From: alice@a.example\r\nSubject: large\r\n\r\n" + "".join(
        "%06d some words of a line that is not short\r\n" % n
        for n in range(40000))
    assert world.submit(friend, message=text).status == "250 2.0.0"
    message, = world.sink.messages
    assert message.data.endswith(text.split("\r\n\r\n")[1].encode())
    assert len(message.chunks) > 1


def test_client_gives_up(world):
    friend = world.friend()
    with world.server.login() as c:
        c.mail(ALICE)
        assert c.rcpt(friend).code == 250
        c.cmd("RSET")
        c.mail(ALICE)
        assert c.rcpt(friend).code == 250
    world.sink.wait(lambda s: [x for x in s.commands() if x == b"RSET"])
    assert delivered(world) == []


def test_no_own_token():
    with token_world(extra="token mine no") as world:
        friend = world.friend()
        assert world.submit(friend).status == "250 2.0.0"
        message, = world.sink.messages
        assert b"MYSTOKEN" not in message.recipients[0]


@clauses("S1-57", "S1-58")
def test_starttls():
    """_submission: nothing of a token before TLS."""
    with token_world(sink_options={"implicit": False}) as world:
        friend = world.friend()
        assert world.submit(friend).status == "250 2.0.0"
        message, = world.sink.messages
        commands = [x.split()[0] for x in message.session.commands]
        assert commands[:5] == [b"LHLO", b"STARTTLS", b"LHLO", b"AUTH",
                                b"MAIL"]
        other = world.friend()
        world.sink.fault("starttls", reply("454 4.7.0 no TLS now"))
        shown = len(world.sink.shown)
        assert world.submit(other).status == "250 2.0.0"
        assert len(world.relay.messages) == 1
        assert len(world.sink.shown) == shown


# A server may repeat what it was told, wherever it closes.
ECHOES = [(step, close_after("421 4.3.2 not with HELD-token_0 here"))
          for step in ("mail", "rcpt", "body", "end")]
ECHOES += [("auth", reply("535 5.7.8 HELD-token_0")),
           ("rcpt", reply("450 4.2.1 HELD-token_0")),
           ("end", reply("554 5.6.0 HELD-token_0"))]


@pytest.mark.parametrize("step, behaviour", ECHOES)
def test_repeated_token_is_not_logged(world, step, behaviour):
    friend, start = world.friend(), log_size(world)
    world.sink.fault(step, behaviour)
    assert world.submit(friend).status == "250 2.0.0"
    line = route_line(world, friend, start)
    assert "stat=relay-host" in line
    assert "HELD-token" not in world.server.log_text()[start:]
    # 421 in the middle, and for an answer, says that it was not delivered.
    assert "may come twice" not in line


TOKEN = "AW9xQkV5cGl2dzhKfRzLmJ0d3N1oUhjT7v-Xa_YgE4sM6nP2bCqDZrtFkHuIylOe"


def test_token_in_parts_is_not_logged(world):
    """Cut at every octet over two lines of a reply (see test_hide.c)."""
    friend, start = world.friend(TOKEN), log_size(world)
    with world.server.login() as c:
        for cut in range(len(TOKEN) + 1):
            world.sink.clear()
            world.sink.fault("rcpt", reply("450-4.2.1 not " + TOKEN[:cut],
                                           "450 4.2.1 " + TOKEN[cut:]))
            c.mail(ALICE)
            assert c.rcpt(friend).code == 250
            assert c.data(MESSAGE)[0].code == 250
    assert len(world.relay.messages) == len(TOKEN) + 1
    text = world.server.log_text()[start:]
    assert text.count("4.2.1 not") == len(TOKEN) + 1
    for i in range(len(TOKEN) - 5):
        assert TOKEN[i:i + 6] not in text


@clauses("S1-31")
def test_new_token_in_another_250(world):
    """251 says delivered, too: what is in it is kept, and not logged."""
    friend, start = world.friend(), log_size(world)
    world.sink.fault("end", reply("251 2.1.13 <%s> NEW-token_2 x" % friend))
    assert world.submit(friend).status == "250 2.0.0"
    assert "new-token=kept" in route_line(world, friend, start)
    world.server.wait_log(r"delivery .*to=<%s> .*stat=Sent" %
                          re.escape(friend), start, 30)
    assert "NEW-token" not in world.server.log_text()[start:]


def test_stalling_server_is_left_alone():
    """Also one that lets everybody log in first."""
    with token_world(extra="timeout relay 2s") as world:
        for step in ("auth", "mail", "rcpt"):
            world.clear()
            friend, start = world.friend(), log_size(world)
            world.sink.fault(step, stall())
            assert world.submit(friend).status == "250 2.0.0"
            assert "stat=relay-host" in route_line(world, friend, start)
            sessions, start = len(world.sink.sessions), log_size(world)
            assert world.submit(friend).status == "250 2.0.0"
            assert "at=dns" in route_line(world, friend, start), step
            assert len(world.sink.sessions) == sessions
            assert len(world.relay.messages) == 2


def impostor(name, *names):
    """A token server of the domain whose certificate is for others."""
    def make(authority, stack):
        sink = stack.enter_context(TokenSink(authority.issue(
            name + "-cert", *names)))
        IMPOSTORS[name] = sink
        return srv(name + ".example", sink.port)
    return make


def self_signed(authority, stack):
    """The right name, by an authority that is not ours."""
    certificate(authority.dir, "self.example", P256)
    IMPOSTORS["self"] = stack.enter_context(TokenSink(tuple(
        str(authority.dir / ("self.example." + x)) for x in ("crt", "key"))))
    return srv("self.example", IMPOSTORS["self"].port)


def common_name(authority, stack):
    """The right name as the CN only, by our authority."""
    IMPOSTORS["cn"] = stack.enter_context(TokenSink(
        authority.issue("cn.example", names=())))
    return srv("cn.example", IMPOSTORS["cn"].port)


IMPOSTORS = {}


@clauses("D-S14", "S1-59", "F-65")
def test_certificates():
    """The recipient's domain, whatever the host is called."""
    wrong = {"other": ["elsewhere.example"], "hosted": ["host.example"],
             "part": ["x.part.example", "p*.example"],
             "deep": ["*.deep.example"]}
    records = [impostor(name, *names) for name, names in wrong.items()]
    records += [self_signed, common_name]
    with token_world(records=records) as world:
        for count, name in enumerate([*wrong, "self", "cn"], 1):
            friend, start = world.friend(domain=name + ".example"), \
                log_size(world)
            assert world.submit(friend).status == "250 2.0.0"
            assert IMPOSTORS[name].shown == [], name
            assert "at=connect" in route_line(world, friend, start)
            assert len(world.relay.messages) == count


@clauses("S1-54", "S1-55", "S1-56", "D-S12")
def test_what_the_dns_says():
    """Priorities, dead ends, no service, null MX, none at all."""
    records = ["nothing A 127.0.0.1",
               "_submissions._tcp.none SRV 0 0 0 .", "none MX 10 host",
               "_submissions._tcp.lost SRV 0 0 465 nowhere",
               "_submissions._tcp.smtp SRV 0 0 25 host",
               "null MX 0 .", "mail MX 10 host",
               "_submissions._tcp.loop CNAME _submissions._tcp.loop"]
    with token_world(records=records, extra="relay mx-fallback yes") as world:
        names = ["nothing", "none", "lost", "smtp", "null", "loop"]
        for count, name in enumerate(names, 1):
            friend, start = world.friend(domain=name + ".example"), \
                log_size(world)
            assert world.submit(friend).status == "250 2.0.0"
            assert len(world.relay.messages) == count, name
            assert "at=dns" in route_line(world, friend, start)
        # MX: on 465 and 587 only, where nothing or something else listens.
        friend, start = world.friend(domain="mail.example"), log_size(world)
        assert world.submit(friend).status == "250 2.0.0"
        assert "at=connect" in route_line(world, friend, start)
        assert world.sink.sessions == []


@clauses("F-70")
def test_second_server_serves():
    """The first is not there: the next by priority."""
    closed = free_port()
    with token_world(records=[
            lambda authority, stack: srv("two.example", closed),
            lambda authority, stack: second(authority, stack)]) as world:
        friend = world.friend(domain="two.example")
        assert world.submit(friend).status == "250 2.0.0"
        assert len(IMPOSTORS["two"].messages) == 1
        assert world.relay.tried == []


def second(authority, stack):
    IMPOSTORS["two"] = stack.enter_context(
        TokenSink(authority.issue("two.example")))
    return srv("two.example", IMPOSTORS["two"].port, priority=5)


def test_name_server_is_silent():
    """A DNS server that does not answer costs the time limit, once."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        with token_world(extra="timeout relay 2s",
                         resolver=silent.getsockname()[1]) as world:
            friend, start = world.friend(), log_size(world)
            assert world.submit(friend).status == "250 2.0.0"
            assert "at=dns" in route_line(world, friend, start)
            start = log_size(world)
            assert world.submit(friend).status == "250 2.0.0"
            line = route_line(world, friend, start)
            assert float(re.search(r"seconds=(\S+)", line).group(1)) < 2
            assert len(world.relay.messages) == 2


def until(condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
