# SPDX-License-Identifier: ISC
"""tokenctl show metrics: what all processes count, as Prometheus takes it."""
import os
import re
import signal
import socket
import subprocess
import time

import pytest

import relay_sink
from server import TOP, Server
from token_world import TokenSink, srv, token_world

ALICE, BOB = "alice@a.example", "bob@a.example"
MESSAGE = "From: <friend@b.example>\r\nSubject: x\r\n\r\nText.\r\n"
PROMTOOL = TOP / "out/peers/prometheus/root/usr/bin/promtool"
SAMPLE = re.compile(
    r'([a-z][a-z0-9_]*)(?:\{((?:[a-z]+="[^"\\\n]*",?)+)\})? ([0-9.]+)\Z')


def read(text):
    """{(name, (label, word), ...): value}"""
    found = {}
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        match = SAMPLE.match(line)
        assert match, line
        labels = re.findall(r'([a-z]+)="([^"]*)"', match.group(2) or "")
        key = (match.group(1),) + tuple(labels)
        assert key not in found, key
        found[key] = float(match.group(3))
    return found


def metrics(server):
    return read(server.ctl("show", "metrics", check=True).stdout)


def wait_for(server, wanted, seconds=30):
    """Until the numbers are as `wanted` says; sessions end in their time."""
    end = time.monotonic() + seconds
    while True:
        now = metrics(server)
        if wanted(now) or time.monotonic() > end:
            assert wanted(now), now
            return now
        time.sleep(0.1)


def deliver(server, pair, token=None):
    remote, local = pair
    token = token or server.temporary(remote, local)
    with server.token_session(local, token) as session:
        session.mail(remote)
        session.rcpt(local, token)
        assert session.data(MESSAGE)[0].code == 250
        session.quit()


def test_a_delivery_is_counted(server, pair):
    before = metrics(server)
    deliver(server, pair)
    after = wait_for(server, lambda now: now[
        "stoken_sessions", ("listener", "smtps")] == before[
        "stoken_sessions", ("listener", "smtps")])

    def more(*key):
        return after[key] - before[key]

    smtps = ("listener", "smtps")
    assert more("stoken_connections_total", smtps) == 1
    assert more("stoken_tls_handshakes_total", smtps, ("result", "ok")) == 1
    assert more("stoken_tls_signatures_total", ("result", "ok")) >= 1
    assert more("stoken_sessions_total", smtps) == 1
    assert more("stoken_auth_total", ("mechanism", "stoken"),
                ("result", "ok")) == 1
    assert more("stoken_recipients_total", ("login", "token"),
                ("result", "accepted")) == 1
    assert more("stoken_messages_total", ("login", "token"),
                ("result", "sent")) == 1
    assert more("stoken_message_bytes_total", ("login", "token")) > len(
        "Text.\n")
    assert more("stoken_deliveries_total", ("way", "maildir"),
                ("result", "sent")) == 1
    assert more("stoken_delivery_seconds_count", ("way", "maildir")) == 1
    assert more("stoken_delivery_seconds_bucket", ("way", "maildir"),
                ("le", "+Inf")) == 1
    assert more("stoken_flush_seconds_count") >= 1
    assert more("stoken_tokens_issued_total", ("kind", "temporary")) == 1
    assert more("stoken_tokens_issued_total", ("kind", "permanent")) == 1
    assert more("stoken_store_commits_total") >= 1
    assert after["stoken_messages_in_flight",] == 0
    assert abs(after["stoken_start_time_seconds",] - time.time()) < 3600
    for key, value in after.items():  # a histogram's buckets grow
        if key[0].endswith("_bucket") and key[-1][1] == "+Inf":
            assert value == after[(key[0][:-7] + "_count",) + key[1:-1]]


def test_failures_are_counted(server, pair):
    remote, local = pair
    before = metrics(server)
    with server.hello("LHLO") as session:
        assert session.token_login(local, "wrong").code == 535
        session.quit()
    with server.login(ALICE) as session:
        session.mail(ALICE)
        assert session.cmd("RCPT TO:<nobody-here@a.example>").code == 550
        assert session.cmd("RCPT TO:<x@elsewhere.example>").code == 550
        session.quit()
    with socket.create_connection(
            ("127.0.0.1", server.ports["smtps"])) as raw:
        raw.sendall(b"EHLO in-clear.example\r\n" * 10)
        raw.recv(100)
    after = wait_for(server, lambda now: now[
        "stoken_tls_handshakes_total", ("listener", "smtps"),
        ("result", "failed")] > before[
        "stoken_tls_handshakes_total", ("listener", "smtps"),
        ("result", "failed")])

    def more(*key):
        return after[key] - before[key]

    assert more("stoken_auth_total", ("mechanism", "stoken"),
                ("result", "failed")) == 1
    assert more("stoken_auth_total", ("mechanism", "plain"),
                ("result", "ok")) == 1
    assert more("stoken_recipients_total", ("login", "user"),
                ("result", "unknown")) == 1
    assert more("stoken_recipients_total", ("login", "user"),
                ("result", "no-relay")) == 1


def test_certificates_processes_and_build(server):
    now = metrics(server)
    ends = [value for key, value in now.items()
            if key[0] == "stoken_certificate_expiry_seconds"]
    assert ends
    for value in ends:  # made for three days
        assert 0 < value - time.time() < 4 * 86400
    assert [k for k in now if k[0] == "stoken_build_info"]
    for role in ("frontend", "engine", "tokend", "tokend-sign", "tokend-auth",
                 "lmtpd"):
        name = ("process", role)
        assert now["stoken_processes", name] == len(server.pids(role))
        assert now["stoken_processes_silent", name] == 0
    assert now["stoken_processes_configured", ("process", "relay")] == 0
    assert now["stoken_reloads_total", ("result", "failed")] == 0


def test_no_address_and_no_secret(server, pair):
    remote, local = pair
    token = server.permanent(remote, local)
    deliver(server, pair, token)
    text = server.ctl("show", "metrics", check=True).stdout
    assert "@" not in text and token not in text
    assert remote.split("@")[0] not in text


def test_json(server):
    rows = server.show("metrics")
    text = metrics(server)
    assert len(rows) == len(text)
    row, = [r for r in rows if r["sample"] == "stoken_sessions_total"
            and r["listener"] == "socket"]
    assert row["metric"] == "stoken_sessions_total"
    assert row["type"] == "counter" and row["help"] and row["value"] >= 0


def test_promtool_takes_it(server, pair):
    if not PROMTOOL.exists():
        pytest.skip("no promtool: regress/peers/unpack.sh prometheus")
    deliver(server, pair)
    text = server.ctl("show", "metrics", check=True).stdout
    done = subprocess.run([str(PROMTOOL), "check", "metrics"], input=text,
                          capture_output=True, text=True)
    assert done.returncode == 0 and done.stderr == "", done
    assert done.stdout == "", done
    rules = TOP / "etc/prometheus/smtpd-stoken.rules.yml"
    subprocess.run([str(PROMTOOL), "check", "rules", str(rules)], check=True,
                   stdout=subprocess.DEVNULL)
    known = {row["sample"] for row in server.show("metrics")}
    used = set(re.findall(r"stoken_[a-z_]+", rules.read_text()))
    assert used <= known, used - known


def test_a_count_never_falls():
    """What a process counted stays when it is replaced."""
    pair = "friend@b.example", ALICE
    with Server() as server:
        deliver(server, pair)
        before = metrics(server)
        for role in ("engine", "frontend", "lmtpd", "tokend"):
            server.kill_one(server.pids(role)[0])
        server.accept_new_family()
        after = wait_for(server, lambda now: sum(
            v for k, v in now.items()
            if k[0] == "stoken_process_restarts_total") >= 4)
        kinds = {row["sample"]: row["type"] for row in server.show("metrics")}
        for key, value in before.items():
            if kinds[key[0]] != "gauge":
                assert after[key] >= value, key
        deliver(server, pair)
        again = metrics(server)
        key = ("stoken_deliveries_total", ("way", "maildir"),
               ("result", "sent"))
        assert again[key] == before[key] + 1


def test_token_routes():
    """How each ended; only what goes by token is counted as such."""
    wrong = []

    def impostor(authority, stack):
        wrong.append(stack.enter_context(TokenSink(
            authority.issue("wrong-cert", "elsewhere.example"))))
        return srv("wrong.example", wrong[0].port)

    with token_world(records=[impostor]) as world:
        def routes():
            found = metrics(world.server)
            return {dict(key[1:])["result"]: value
                    for key, value in found.items()
                    if key[0] == "stoken_token_routes_total"}, found

        before, numbers = routes()
        token = ("stoken_deliveries_total", ("way", "token"),
                 ("result", "sent"))
        ordinary = ("stoken_deliveries_total", ("way", "relay"),
                    ("result", "sent"))
        for friend, result in (
                (world.friend(), "delivered"),
                ("stranger@" + world.domain(), "no-token"),
                (world.friend(domain="wrong.example"), "certificate"),
                (world.friend(domain="nothing.example"), "dns")):
            assert world.submit(friend).status == "250 2.0.0"
            after, now = routes()
            changed = {x for x in after if after[x] != before[x]}
            assert changed == {result} and \
                after[result] == before[result] + 1, (friend, after)
            way, other = (token, ordinary) if result == "delivered" else (
                ordinary, token)
            assert now[way] == numbers[way] + 1
            assert now[other] == numbers[other]
            before, numbers = after, now
        world.sink.fault("auth", relay_sink.reply("535 5.7.8 no"))
        assert world.submit(world.friend()).status == "250 2.0.0"
        after, now = routes()
        assert after["token-refused"] == before["token-refused"] + 1
        assert now["stoken_held_tokens_kept_total",] >= 3


def test_a_process_that_hangs_holds_nobody_up():
    with Server() as server:
        deliver(server, ("friend@b.example", ALICE))
        before = metrics(server)
        victim = server.pids("engine")[0]
        os.kill(victim, signal.SIGSTOP)
        try:
            now = metrics(server)
            assert now["stoken_processes_silent", ("process", "engine")] == 1
            for key, value in before.items():
                if key[0].endswith("_total"):
                    assert now[key] >= value, key
        finally:
            os.kill(victim, signal.SIGCONT)
        wait_for(server, lambda n: n[
            "stoken_processes_silent", ("process", "engine")] == 0)


def test_many_ask_at_once(server):
    command = [str(server.programs / "sbin/tokenctl"), "-s", server.control,
               "show", "metrics"]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
               for _ in range(8)]
    for one in running:
        text = one.communicate(timeout=60)[0]
        assert one.returncode == 0 and "stoken_sessions_total" in text


def test_every_metric_is_in_the_manual():
    page = (TOP / "tokenctl/tokenctl.8").read_text()
    names = re.findall(r'"(stoken_[a-z_]+)"', (TOP / "lib/metrics.def").read_text()
                       + (TOP / "tokend/control_metrics.c").read_text())
    assert len(names) > 30
    for name in names:
        assert name in page, name
