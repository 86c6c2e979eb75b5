# SPDX-License-Identifier: ISC
"""The MTAs with the samples by which they try tokens first: what a user
submits is in the mailbox of who gave him a token, and in the MTA's own queue
for everybody else, and never both."""
import contextlib
import os
import pathlib
import shutil
import signal
import smtplib
import time

import pytest

import jail
import exim
import opensmtpd
import postfix
import relay_sink
import sample
import server
import token_world

FROM, ALICE, OUTSIDE = "friend@b.example", "alice@a.example", \
    "friend@out.example"
SLOW = "friend@slow.example"
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
        "queue_domains = ! a.example\n", "") +
                    "begin retry\n* * F,1h,1m\n")
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
def world(tmp_path_factory):
    """A site with a certificate for its domain, a token server that does what
    it is told, and a name server."""
    where = tmp_path_factory.mktemp("slow")
    site = server.Server()
    server.certificate(site.dir, "mx.a.example", server.P256,
                       san="a.example")
    server.certificate(where, "slow.example", server.P256)
    pair = [str(where / ("slow.example" + x)) for x in (".crt", ".key")]
    site.own()
    with site, token_world.TokenSink(pair) as slow:
        nsd = token_world.Nsd([
            token_world.srv("a.example", site.ports["smtps"]),
            token_world.srv("slow.example", slow.port)])
        site.ca = (site.dir / "mx.a.example.crt").read_text() + \
            pathlib.Path(pair[0]).read_text()
        yield site, nsd, slow
        nsd.close()


@pytest.fixture(scope="module", params=("postfix", "exim", "opensmtpd"))
def mta(request, world):
    site, nsd, _ = world
    reason = jail.trouble(request.param)
    if reason:
        pytest.skip(reason)
    one = {"postfix": make_postfix, "exim": make_exim,
           "opensmtpd": make_opensmtpd}[request.param]()
    where = one.directory(PLACE[1:], "tokensend", mode=0o755)
    shutil.copy(server.BUILD / "bin/tokensend", where)
    one.write(PLACE[1:] + "ca", site.ca)
    tokens = one.directory(PLACE[1:] + "own", "tokensend", mode=0o700)
    one.tokens = tokens / "tokens"
    one.write(PLACE[1:] + "run", "#!/bin/sh\nexec %stokensend -r 127.0.0.1:%d"
              " -C %sca -t %sown/tokens \"$@\"\n" % (
                  PLACE, nsd.port, PLACE, PLACE), 0o755)
    one.write(SCRIPT[1:], jail.snippet("tokensend-or-sendmail.sh", {
        "${TOKENSEND:-/usr/local/bin/tokensend -w 600}":
        PLACE + "run -w $(cat %spatience)" % PLACE}), 0o755)
    with one:
        yield one


@pytest.fixture
def tokens(world, mta):
    site, _, slow = world
    slow.clear()
    slow.forget()
    mta.write(str(mta.tokens.relative_to(mta.dir)), "%s %s %s\n%s %s %s\n" % (
        FROM, ALICE, site.temporary(FROM, ALICE), FROM, SLOW, "slow-token"),
        0o600)
    shutil.chown(mta.tokens, USER["tokensend"], USER["tokensend"])
    mta.write(PLACE[1:] + "patience", "60")
    return mta.tokens


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


def test_token_first_then_the_ordinary_way(world, mta, tokens):
    site, _, _ = world
    subject = sample.word()
    octets = sample.message(subject, [ALICE, OUTSIDE], sender=FROM)
    submit(mta, [ALICE, OUTSIDE], octets)
    file, = arrived(site, mta, subject)
    assert file.read_bytes().endswith(
        octets.split(b"\r\n\r\n", 1)[1].replace(b"\r\n", b"\n"))
    waiting, = mta.waiting(subject, 1)
    assert waiting.recipients == [OUTSIDE] and waiting.sender == FROM
    # The temporary token has become a permanent one.
    assert site.permanent(FROM, ALICE) in tokens.read_text()


def of(messages, subject):
    return [x for x in messages
            if b"Subject: %s\r\n" % subject.encode() in x.data]


@pytest.mark.parametrize("step,said", [
    ("auth", "535 5.7.8 no"), ("rcpt", "550 5.7.1 no"),
    ("end", "452 4.3.1 full"), ("end", "554 5.6.0 no")])
def test_the_token_does_not_do(world, mta, tokens, step, said):
    """75: the message is where it would have been without."""
    slow, subject = world[2], sample.word()
    slow.fault(step, relay_sink.reply(said))
    submit(mta, [SLOW], sample.message(subject, [SLOW], sender=FROM))
    waiting, = mta.waiting(subject, 1)
    assert waiting.recipients == [SLOW] and waiting.sender == FROM
    assert of(slow.messages, subject) == []
    assert ("# refused" in tokens.read_text()) == (step in ("auth", "rcpt"))


def test_the_answer_does_not_come(world, mta, tokens):
    """tokensend ends by itself, and then the MTA has the message once."""
    slow, subject = world[2], sample.word()
    mta.write(PLACE[1:] + "patience", "2")
    slow.fault("end", relay_sink.stall())
    submit(mta, [SLOW], sample.message(subject, [SLOW], sender=FROM))
    waiting, = mta.waiting(subject, 1)
    assert waiting.recipients == [SLOW]


def commands(mta):
    """Those of the delivery that is under way, the script first."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        with contextlib.suppress(OSError, ValueError):
            line = (entry / "cmdline").read_bytes()
            root = os.readlink(entry / "ns/mnt")
            if root == os.readlink("/proc/%d/ns/mnt" % mta.holder) and \
                    entry.stat().st_uid in (0, USER["tokensend"]) and \
                    (SCRIPT.encode() in line or line.startswith(
                        PLACE.encode() + b"tokensend\0")):
                found.append((SCRIPT.encode() not in line, int(entry.name)))
    return [pid for _, pid in sorted(found)]


def queued(mta):
    """What is in the queue, as far as it can be read just now."""
    found = []
    for name in mta.ids():
        with contextlib.suppress(jail.Failed):
            found.append(mta.look(name))
    return found


@pytest.mark.parametrize("number", (signal.SIGKILL, signal.SIGTERM))
def test_killed_in_the_middle(world, mta, tokens, number):
    """Neither lost nor returned; at the next try it is delivered, once."""
    slow, subject = world[2], sample.word()
    if mta.name == "exim" and number == signal.SIGTERM:
        return  # which its commands are told to ignore
    slow.fault("end", relay_sink.stall(), nth=1)
    submit(mta, [SLOW], sample.message(subject, [SLOW], sender=FROM))
    slow.wait(lambda s: of(s.tried, subject))
    for pid in commands(mta):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    until = time.monotonic() + 60
    while not of(slow.messages, subject) or [
            x for x in queued(mta) if x.head["Subject"] == subject]:
        assert time.monotonic() < until, mta.logs()
        mta.try_again()
        time.sleep(0.5)
    assert len(of(slow.messages, subject)) == 1
    assert not [x for x in queued(mta) if x.sender == ""]
