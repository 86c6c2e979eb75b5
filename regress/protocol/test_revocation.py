# SPDX-License-Identifier: ISC
"""Revocation is final (DESIGN 11): at AUTH, at RCPT, at the end of data."""
import threading
import time

import pytest

from clause import clauses

LOCAL = "alice@a.example"
MESSAGE = b"Subject: revoked?\r\n\r\nText.\r\n"
REVOKED, REFUSED = "250 2.1.0", "550 5.7.1"


def revoke_by_verb(server, remote, local):
    with server.login() as c:
        c.want("REVSTOKEN %s %s" % (remote, local), REVOKED)


def revoke_by_tool(server, remote, local):
    server.ctl("revoke", "pair", remote, local, check=True)


REVOKERS = [revoke_by_verb, revoke_by_tool]


@clauses("S1-44")
@pytest.mark.parametrize("revoke", REVOKERS)
@pytest.mark.parametrize("kind", ["temporary", "permanent"])
def test_at_login(server, pair, kind, revoke):
    token = server.generate(kind, *pair)
    server.token_session(LOCAL, token).quit()
    revoke(server, *pair)
    with server.hello("LHLO") as c:
        assert c.token_login(LOCAL, token).status == "535 5.7.8"


@clauses("S1-44")
@pytest.mark.parametrize("revoke", REVOKERS)
@pytest.mark.parametrize("kind", ["temporary", "permanent"])
def test_at_rcpt_in_an_old_session(server, pair, kind, revoke):
    token = server.generate(kind, *pair)
    with server.token_session(LOCAL, token) as c:
        assert c.mail(pair[0]).status == "250 2.1.0"
        revoke(server, *pair)
        assert c.rcpt(LOCAL, token).status == REFUSED


@clauses("S1-44")
@pytest.mark.parametrize("revoke", REVOKERS)
@pytest.mark.parametrize("kind", ["temporary", "permanent"])
@pytest.mark.parametrize("when", ["before DATA", "in DATA", "before the dot"])
def test_at_the_end_of_data(server, pair, kind, revoke, when):
    remote, local = pair
    token = server.generate(kind, remote, local)
    before = server.mail(local)
    with server.token_session(local, token) as c:
        c.mail(remote)
        assert c.rcpt(local, token).status == "250 2.1.5"
        if when == "before DATA":
            revoke(server, remote, local)
        c.want("DATA", "354")
        if when == "in DATA":
            c.send(MESSAGE[:20])
            revoke(server, remote, local)
            c.send(MESSAGE[20:] + b".\r\n")
        else:
            c.send(MESSAGE + b".")
            if when == "before the dot":
                revoke(server, remote, local)
            c.send(b"\r\n")
        assert c.reply().status == REFUSED
        c.want("NOOP", "250 2.0.0")
    assert server.mail(local) == before


@clauses("S1-44", "F-02", "S1-77")
def test_only_the_revoked_recipient(server, pair):
    """Two recipients, one revoked in the middle: the other is delivered."""
    remote, local = pair
    token = server.temporary(remote, local)
    other = server.temporary(remote, "bob@a.example")
    before = len(server.mail(local)), len(server.mail("bob@a.example"))
    with server.token_session(local, token) as c:
        c.mail(remote)
        assert c.rcpt(local, token).status == "250 2.1.5"
        assert c.rcpt("bob@a.example", other).status == "250 2.1.5"
        c.want("DATA", "354")
        revoke_by_tool(server, remote, local)
        c.send(MESSAGE + b".\r\n")
        first, second = c.replies(2)
        assert first.status == REFUSED
        assert second.status == "250 2.1.13"
    assert len(server.mail(local)) == before[0]
    assert len(server.mail("bob@a.example")) == before[1] + 1


SCOPES = [("pair", ("{remote}", LOCAL)), ("local", (LOCAL,)),
          ("remote", ("{remote}",)), ("domain", ("{domain}",))]


@clauses("X-1")
@pytest.mark.parametrize("scope,arguments", SCOPES)
@pytest.mark.parametrize("kind", ["temporary", "permanent"])
def test_scopes(server, scope, arguments, kind, request):
    """Every scope, in a session that is already logged in."""
    domain = "d%s-%s.example" % (scope, kind[:4])
    remote = "friend@" + domain
    token = server.generate(kind, remote, LOCAL)
    unrelated = server.temporary("x@unrelated.example", "bob@a.example")
    text = [x.format(remote=remote, domain=domain) for x in arguments]
    with server.token_session(LOCAL, token) as c:
        c.mail(remote)
        assert c.rcpt(LOCAL, token).status == "250 2.1.5"
        c.want("DATA", "354")
        server.ctl("revoke", scope, *text, check=True)
        c.send(MESSAGE + b".\r\n")
        assert c.reply().status == REFUSED
        c.mail(remote)
        assert c.rcpt(LOCAL, token).status == REFUSED
    server.token_session("bob@a.example", unrelated).quit()
    fresh = server.generate(kind, remote, LOCAL)
    with server.token_session(LOCAL, fresh) as c:
        c.mail(remote)
        assert c.rcpt(LOCAL, fresh).status == "250 2.1.5"


@clauses("X-1", "D-S09")
def test_sub_domains_are_other_domains(server):
    token = server.temporary("x@sub.revoked.example", LOCAL)
    server.ctl("revoke", "domain", "revoked.example", check=True)
    with server.token_session(LOCAL, token) as c:
        c.mail("x@sub.revoked.example")
        assert c.rcpt(LOCAL, token).status == "250 2.1.5"


@clauses("S1-44")
def test_many_rounds(server):
    """T16: issue, use, revoke, use: after the answer nothing gets in."""
    remote = "rounds@b.example"
    with server.login() as owner, server.hello("LHLO") as _:
        for number in range(150):
            kind = "PERM" if number % 2 else "TEMP"
            reply = owner.cmd("GENSTOKEN %s %s %s" % (kind, remote, LOCAL))
            assert reply.status == "250 2.1.11"
            token = reply.text.split()[0]
            with server.token_session(LOCAL, token) as c:
                c.mail(remote)
                assert c.rcpt(LOCAL, token).status == "250 2.1.5"
                c.want("RSET", "250 2.0.0")
                owner.want("REVSTOKEN %s %s" % (remote, LOCAL), REVOKED)
                c.mail(remote)
                assert c.rcpt(LOCAL, token).status == REFUSED, number
            with server.hello("LHLO") as late:
                assert late.token_login(LOCAL, token).status == "535 5.7.8"


@clauses("S1-44", "S1-61")
@pytest.mark.parametrize("seconds", [4])
def test_race_with_deliveries(server, seconds):
    """Clients deliver while the pair is revoked over and over.

    A file whose reply came later than the answer to the revocation of its
    token would be a breach; so would a file without a 250.
    """
    remote, local = "racer@b.example", "carol@a.example"
    stop = threading.Event()
    lock = threading.Lock()
    current = [server.temporary(remote, local)]
    revoked, accepted, wrong = {}, [], []

    def deliverer(number):
        count = 0
        try:
            while not stop.is_set():
                token = current[0]
                with server.hello("LHLO", source="127.0.6.%d" % number) as c:
                    if c.token_login(local, token).code != 235:
                        continue
                    c.mail(remote)
                    if c.rcpt(local, token).code != 250:
                        continue
                    c.want("DATA", "354")
                    mark = "racer-%d-%d" % (number, count)
                    count += 1
                    c.send("Subject: %s\r\n\r\nx\r\n" % mark)
                    begin = time.monotonic()
                    c.send(".\r\n")
                    if c.reply().code == 250:
                        with lock:
                            accepted.append((mark, token, begin))
        except Exception as error:
            wrong.append(error)

    threads = [threading.Thread(target=deliverer, args=(n + 1,))
               for n in range(4)]
    before = len(server.mail(local))
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    with server.login("alice@a.example") as _:
        while time.monotonic() < end:
            time.sleep(0.05)
            token = current[0]
            server.ctl("revoke", "pair", remote, local, check=True)
            revoked[token] = time.monotonic()
            current[0] = server.temporary(remote, local)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong
    assert accepted, "the race never got a delivery in"
    for mark, token, begin in accepted:
        assert begin < revoked.get(token, end + 60), (
            "%s was accepted after its token's revocation" % mark)
    assert len(server.mail(local)) == before + len(accepted)


@clauses("X-1")
def test_all_marks_survive_a_restart(own):
    server = own()
    token = server.permanent()
    kept = server.temporary("other@b.example", "bob@a.example")
    server.ctl("revoke", "pair", "friend@b.example", LOCAL, check=True)
    assert server.terminate() == 0
    server.start()
    with server.hello("LHLO") as c:
        assert c.token_login(LOCAL, token).status == "535 5.7.8"
    server.token_session("bob@a.example", kept).quit()


def test_address_forms_of_the_tool(server, pair):
    """What is revoked is the canonical address, however it was written."""
    remote, local = pair
    token = server.temporary(remote, local)
    server.ctl("revoke", "pair", remote.upper(), local.upper(), check=True)
    with server.hello("LHLO") as c:
        assert c.token_login(local, token).status == "535 5.7.8"


def test_no_reply_is_lost(server, pair):
    """A pipelined transaction behind a revocation still gets its answers."""
    remote, local = pair
    token = server.temporary(remote, local)
    with server.token_session(local, token) as c:
        revoke_by_verb(server, remote, local)
        c.send(b"".join([
            b"MAIL FROM:<%s>\r\n" % remote.encode(),
            b"RCPT TO:<%s> STOKEN=%s\r\n" % (local.encode(), token.encode()),
            b"DATA\r\n"]))
        replies = c.replies(3)
        assert [r.code for r in replies] == [250, 550, 503], replies
        c.want("NOOP", "250 2.0.0")
