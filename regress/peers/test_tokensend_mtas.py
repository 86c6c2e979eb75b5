# SPDX-License-Identifier: ISC
"""The MTAs with the samples by which they try tokens first: what a user
submits is in the mailbox of who gave him a token, and in the MTA's own queue
for everybody else, and never both."""
import os
import shutil
import smtplib
import time

import pytest

import jail
import exim
import opensmtpd
import postfix
import sample
import server
import token_world

FROM, ALICE, OUTSIDE = "friend@b.example", "alice@a.example", \
    "friend@out.example"
USER = {"tokensend": 61106}
PLACE = "/var/lib/tokensend/"
SHIPPED = "/usr/local/share/smtpd-stoken/tokensend-or-sendmail.sh"
SCRIPT = PLACE + "tokensend-or-sendmail.sh"


def set_group(package, program, number):
    file = jail.PEERS / package / "root/usr/sbin" / program
    os.chown(file, 0, number)
    file.chmod(0o2755)


def make_postfix():
    # As its package makes it when it is installed.
    set_group("postfix", "postdrop", postfix.ACCOUNTS["postdrop"])
    return postfix.Postfix(
        "tokensend_destination_recipient_limit = 1\n",
        "    -o content_filter=tokensend:\n" + jail.snippet(
            "tokensend-postfix.cf", {SHIPPED: SCRIPT}), accounts=USER)


def make_exim():
    one = exim.Exim()
    one.accounts.update(USER)
    one.write_accounts()
    text = jail.snippet("tokensend-exim.conf", {
        SHIPPED: SCRIPT, "exim4 -i": "exim4 -odq -i",
        "{def:authenticated_id}":
        "{eq{$received_port}{%d}}" % one.ours})
    _, router, transport = text.split("\ntokensend:\n")
    router = router.split("\n#")[0]
    file = one.etc / "exim4/exim4.conf"
    whole = file.read_text()
    for old, new in (
            ("begin routers\n", "begin routers\ntokensend:\n%s\n" % router.
             replace("domains = ! +local_domains", "domains = *")),
            ("begin transports\n", "begin transports\ntokensend:\n%s\n" %
             transport)):
        assert old in whole
        whole = whole.replace(old, new)
    # Our router comes first; what is handed in again waits (-odq).
    file.write_text("trusted_users = tokensend\n" + whole.replace(
        "queue_domains = ! a.example\n", ""))
    return one


def make_opensmtpd():
    one = opensmtpd.OpenSMTPD()
    one.accounts.update(USER)
    one.write_accounts()
    set_group("opensmtpd", "smtpctl", opensmtpd.ACCOUNTS["opensmtpq"])
    text = jail.snippet("tokensend-opensmtpd.conf", {
        SHIPPED: SCRIPT, "match auth from any": "match tag submitted "
        "from any"})
    conf = one.write("etc/smtpd.conf", text + "\n")
    conf.write_text(
        "listen on 127.0.0.1 port %d\nlisten on 127.0.0.1 port %d tag "
        "submitted\n" % (one.port, one.ours) + text)
    return one


@pytest.fixture(scope="module")
def world():
    """A site with a certificate for its domain, and a name server."""
    site = server.Server()
    server.certificate(site.dir, "mx.a.example", server.P256,
                       san="a.example")
    site.own()
    with site:
        nsd = token_world.Nsd([token_world.srv("a.example",
                                               site.ports["smtps"])])
        yield site, nsd
        nsd.close()


@pytest.fixture(scope="module", params=("postfix", "exim", "opensmtpd"))
def mta(request, world):
    site, nsd = world
    reason = jail.trouble(request.param)
    if reason:
        pytest.skip(reason)
    one = {"postfix": make_postfix, "exim": make_exim,
           "opensmtpd": make_opensmtpd}[request.param]()
    where = one.directory(PLACE[1:], "tokensend", mode=0o755)
    shutil.copy(server.BUILD / "bin/tokensend", where)
    shutil.copy(site.dir / "mx.a.example.crt", where / "ca")
    tokens = one.directory(PLACE[1:] + "own", "tokensend", mode=0o700)
    one.write(str((tokens / "tokens").relative_to(one.dir)), "%s %s %s\n" % (
        FROM, ALICE, site.temporary(FROM, ALICE)), 0o600)
    shutil.chown(tokens / "tokens", USER["tokensend"], USER["tokensend"])
    one.write(PLACE[1:] + "run", "#!/bin/sh\nexec %stokensend -r 127.0.0.1:%d"
              " -C %sca -t %sown/tokens \"$@\"\n" % (
                  PLACE, nsd.port, PLACE, PLACE), 0o755)
    one.write(SCRIPT[1:], jail.snippet("tokensend-or-sendmail.sh", {
        "${TOKENSEND:-/usr/local/bin/tokensend}": PLACE + "run"}), 0o755)
    with one:
        one.tokens = tokens / "tokens"
        yield one


def arrived(site, mta, subject):
    until = time.monotonic() + 60
    while True:
        found = [x for x in site.mail(ALICE)
                 if b"\nSubject: %s\n" % subject.encode() in x.read_bytes()]
        if found:
            return found
        assert time.monotonic() < until, mta.logs()
        time.sleep(0.05)


def submit(mta, recipients, octets):
    with smtplib.SMTP("127.0.0.1", mta.ours, "client.example",
                      timeout=60) as session:
        session.sendmail(FROM, recipients, octets)


def test_token_first_then_the_ordinary_way(world, mta):
    site, _ = world
    subject = sample.word()
    octets = sample.message(subject, [ALICE, OUTSIDE], sender=FROM)
    submit(mta, [ALICE, OUTSIDE], octets)
    file, = arrived(site, mta, subject)
    assert file.read_bytes().endswith(
        octets.split(b"\r\n\r\n", 1)[1].replace(b"\r\n", b"\n"))
    waiting, = mta.waiting(subject, 1)
    assert waiting.recipients == [OUTSIDE] and waiting.sender == FROM
    # The temporary token has become a permanent one.
    assert site.permanent(FROM, ALICE) in mta.tokens.read_text()
