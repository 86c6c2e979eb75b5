# SPDX-License-Identifier: ISC
"""tokenctl show dns: what should be published, and whether it is."""
import contextlib
import random
import socket

from clause import clauses
from server import IDN_ASCII, P256, Server, certificate
from token_world import Nsd, srv

DOMAINS = ("a.example", IDN_ASCII)


def quiet_port():
    """One that no connection outward takes while nobody listens on it."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as tcp, \
                socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


@contextlib.contextmanager
def site(records, names=None, extra="", resolver=None):
    """A server, and a name server with records(server)."""
    port = quiet_port()
    server = Server(extra='relay host "smtp://127.0.0.1:%d"\n'
                    'resolver "127.0.0.1:%d"\n%s' % (
                        quiet_port(), resolver or port, extra))
    if names:
        certificate(server.dir, "mx.a.example", P256, names)
        server.own()
    with server:
        nsd = Nsd(records(server), port=port)
        try:
            yield server
        finally:
            nsd.close()


def all_records(server, host="mx.a.example."):
    found = ["mx.a.example. A 192.0.2.1", "mx.a.example. AAAA 2001:db8::1"]
    for domain in DOMAINS:
        found.append(srv(domain, server.ports["smtps"], host=host, weight=1))
        found.append(srv(domain, server.ports["tls-require"], "_submission",
                         host=host, priority=10, weight=1))
    return found


NAMES = ",DNS:".join(("mx.a.example",) + DOMAINS)


@clauses("S1-10", "D-S21")
def test_all_is_there():
    with site(all_records, NAMES) as server:
        rows = server.show("dns")
        text = server.ctl("show", "dns", check=True).stdout
        ports = server.ports
    assert [r["state"] for r in rows] == ["published"] * 5, rows
    assert [r["certificate"] for r in rows] == ["ok"] * 4 + [None]
    assert [r["advice"] for r in rows] == [None] * 5
    assert rows[0]["domain"] == "a.example"
    assert rows[0]["record"] == \
        "_submissions._tcp.a.example. 3600 IN SRV 0 1 %d mx.a.example." % (
            ports["smtps"])
    assert rows[0]["found"] == "0 1 %d mx.a.example." % ports["smtps"]
    assert rows[3]["record"] == \
        "_submission._tcp.%s. 3600 IN SRV 10 1 %d mx.a.example." % (
            IDN_ASCII, ports["tls-require"])
    assert rows[4]["domain"] == "mx.a.example" and rows[4]["record"] is None
    assert set(rows[4]["found"].split(", ")) == {"192.0.2.1", "[2001:db8::1]"}
    lines = [x for x in text.splitlines() if not x.startswith(";")]
    assert lines == [r["record"] for r in rows[:4]]


def test_what_is_printed_can_be_published():
    """Pasted as it is into the zone, it is what the server looks for."""
    port = quiet_port()
    server = Server(extra='relay host "smtp://127.0.0.1:%d"\n'
                    'resolver "127.0.0.1:%d"\n' % (quiet_port(), port))
    certificate(server.dir, "mx.a.example", P256, NAMES)
    server.own()
    with server:
        nsd = Nsd(["x A 192.0.2.1"], port=port)
        try:
            rows = server.show("dns")
            text = server.ctl("show", "dns", check=True).stdout
        finally:
            nsd.close()
        assert {r["state"] for r in rows} == {"missing"}, rows
        assert "publish this record" in rows[0]["advice"]
        assert "A or AAAA" in rows[-1]["advice"]
        nsd = Nsd(text.splitlines() + ["mx.a.example. A 192.0.2.1"],
                  port=port)
        try:
            rows = server.show("dns")
        finally:
            nsd.close()
        assert {r["state"] for r in rows} == {"published"}, rows


def test_other_records_and_other_certificates():
    def records(server):
        return ["mx.a.example. A 192.0.2.1",
                srv("a.example", 1, host="elsewhere.example."),
                srv("a.example", server.ports["tls-require"], "_submission",
                    host="MX.a.example.", priority=3, weight=3),
                srv("a.example", 9, "_submission", host="b.example."),
                srv(IDN_ASCII, 0, host=".")]

    with site(records) as server:
        rows = server.show("dns")
        text = server.ctl("show", "dns", check=True).stdout
    assert [r["state"] for r in rows] == [
        "different", "published", "different", "missing", "published"], rows
    assert "elsewhere.example." in rows[0]["found"]
    assert [r["certificate"] for r in rows] == ["other"] * 4 + [None]
    for row in rows[:4]:
        assert "no certificate of port" in row["advice"]
        assert "is for " + row["domain"] in row["advice"]
    assert "another record" in text and ";   " in text


def test_name_server_does_not_answer():
    with site(all_records, NAMES, resolver=quiet_port()) as server:
        rows = server.show("dns")
    assert {r["state"] for r in rows[:4]} == {"unchecked"}, rows
    assert "not checked" in rows[0]["advice"]


def test_without_relay(server):
    rows = server.show("dns")
    assert {r["state"] for r in rows} == {"unchecked"}
    assert "without a relay host" in rows[0]["advice"]
    assert rows[0]["certificate"] == "other"
