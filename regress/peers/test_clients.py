# SPDX-License-Identifier: ISC
"""Programs that people send their mail with, against a running server.

Each verifies the server's certificate by the name mx.a.example where it can.
"""
import base64
import json
import os
import pathlib
import re
import shutil
import smtplib
import socket
import ssl
import subprocess

import pytest

import sample
from server import PASSWORDS

ALICE, BOB, CAROL = "alice@a.example", "bob@a.example", "carol@a.example"
UMLAUT = "j\u00fcrgen@a.example"
NAME = "mx.a.example"
HERE = pathlib.Path(__file__).parent


def needs(program):
    return pytest.mark.skipif(shutil.which(program) is None,
                              reason=program + " is not installed")


def run(*command, **options):
    done = subprocess.run([str(x) for x in command], capture_output=True,
                          timeout=120, **options)
    assert done.returncode == 0, "%s: exit %d\n%s\n%s" % (
        command[0], done.returncode, done.stdout.decode("utf-8", "replace"),
        done.stderr.decode("utf-8", "replace"))
    return done.stdout.decode("utf-8", "replace")


@pytest.fixture
def certificate(server):
    return str(server.dir / (NAME + ".crt"))


@pytest.fixture
def sent(tmp_path):
    """sent(recipients): a message, its subject, and the file it lies in."""
    def make(*recipients):
        subject = sample.word()
        octets = sample.message(subject, recipients)
        path = tmp_path / "message"
        path.write_bytes(octets)
        return octets, subject, path
    return make


# swaks.

def swaks(server, path, recipient, *options):
    # It makes CRLF of LF, and adds one at the end.
    text = sample.unix(path.read_bytes()).decode().removesuffix("\n")
    return run("swaks", "--ehlo", "client.example", "--from", ALICE,
               "--to", recipient, "--data", text, "--timeout", "60", *options)


def password(mechanism="PLAIN", user=ALICE):
    return ("--auth", mechanism, "--auth-user", user,
            "--auth-password", PASSWORDS[user])


@needs("swaks")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks_implicit_tls(server, sent, certificate, mechanism):
    octets, subject, path = sent(BOB)
    said = swaks(server, path, BOB, "--tls-on-connect", "--server",
                 "127.0.0.1:%d" % server.ports["smtps"],
                 *password(mechanism))
    assert "250 2.0.0" in said
    trace = sample.same(sample.one(server, BOB, subject), octets)
    assert sample.protocol(trace) == "ESMTPSA"


@needs("swaks")
def test_swaks_starttls_and_pipelining(server, sent):
    octets, subject, path = sent(BOB)
    said = swaks(server, path, BOB, "--tls", "--pipeline", "--server",
                 "127.0.0.1:%d" % server.ports["tls-require"], *password())
    assert "220 2.0.0" in said
    sample.same(sample.one(server, BOB, subject), octets)


@needs("swaks")
def test_swaks_without_login_is_refused(server, sent):
    _, _, path = sent(BOB)
    with pytest.raises(AssertionError, match="530 5.7.0"):
        swaks(server, path, BOB, "--server", "127.0.0.1:%d" %
              server.ports["tls-require"])


@needs("swaks")
def test_swaks_lmtp_on_the_socket(server, sent):
    octets, subject, path = sent(BOB, CAROL)
    said = swaks(server, path, BOB + "," + CAROL, "--protocol", "LMTP",
                 "--socket", server.socket)
    assert "LHLO client.example" in said
    for address in (BOB, CAROL):
        assert "250 2.1.12 <%s>" % address in said
        trace = sample.same(sample.one(server, address, subject), octets)
        assert sample.protocol(trace) == "LMTP"


@needs("swaks")
def test_swaks_lmtp_over_tls_with_a_login(server, sent):
    octets, subject, path = sent(BOB)
    said = swaks(server, path, BOB, "--protocol", "LMTPSA", "--server",
                 "127.0.0.1:%d" % server.ports["tls-require"], *password())
    assert "250 2.1.12 <%s>" % BOB in said
    trace = sample.same(sample.one(server, BOB, subject), octets)
    assert sample.protocol(trace) == "LMTPSA"


# curl.

def curl(server, kind, certificate, path, *recipients):
    scheme = "smtps" if kind == "smtps" else "smtp"
    port = server.ports[kind]
    options = [x for to in recipients for x in ("--mail-rcpt", to)]
    return run("curl", "-sS", "--ssl-reqd", "--cacert", certificate,
               "--resolve", "%s:%d:127.0.0.1" % (NAME, port),
               "--url", "%s://%s:%d/client.example" % (scheme, NAME, port),
               "--user", "%s:%s" % (ALICE, PASSWORDS[ALICE]), "--mail-from",
               ALICE, *options, "-T", path)


@needs("curl")
@pytest.mark.parametrize("kind", ["smtps", "tls-require"])
def test_curl(server, sent, certificate, kind):
    octets, subject, path = sent(BOB, CAROL)
    curl(server, kind, certificate, path, BOB, CAROL)
    for address in (BOB, CAROL):
        sample.same(sample.one(server, address, subject), octets)


# msmtp.

@needs("msmtp")
@pytest.mark.parametrize("mechanism,user", [
    ("plain", ALICE), ("login", ALICE), ("plain", BOB),
    ("scram-sha-256", BOB)])
@pytest.mark.parametrize("kind", ["smtps", "tls-require"])
def test_msmtp(server, tmp_path, certificate, kind, mechanism, user):
    subject = sample.word()
    octets = sample.message(subject, [CAROL], sender=user)
    conf = tmp_path / "msmtprc"
    conf.write_text("""\
account default
host 127.0.0.1
port %d
tls on
tls_starttls %s
tls_trust_file %s
tls_host_override %s
domain client.example
from %s
auth %s
user %s
password %s
set_date_header off
set_msgid_header off
logfile %s
""" % (server.ports[kind], "off" if kind == "smtps" else "on", certificate,
       NAME, user, mechanism, user, PASSWORDS[user], tmp_path / "log"))
    conf.chmod(0o600)
    run("msmtp", "-C", conf, CAROL, input=sample.unix(octets))
    sample.same(sample.one(server, CAROL, subject), octets)
    log = (tmp_path / "log").read_text()
    assert "exitcode=EX_OK" in log and "smtpstatus=250" in log
    with server.logged():
        assert re.search("auth ok .*mech=%s user=\"%s\"" % (
            mechanism.upper(), user), server.log_text())


# gsasl.

@needs("gsasl")
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "SCRAM-SHA-256",
                                       "SCRAM-SHA-256-PLUS"])
def test_gsasl(server, certificate, mechanism):
    """gsasl 2.2.0 binds with tls-exporter (RFC 9266) over TLS 1.3. With that
    at hand it does not take SCRAM without -PLUS, unless told."""
    start = len(server.log_text())
    binding = ["--no-cb"] if mechanism == "SCRAM-SHA-256" else []
    said = run("gsasl", "--client", "--smtp", "--verbose", "--connect",
               "127.0.0.1:%d" % server.ports["tls-require"],
               "--x509-ca-file=",
               "-m", mechanism, "-a", BOB, "-p", PASSWORDS[BOB],
               *binding, input=b"")
    if mechanism == "SCRAM-SHA-256-PLUS":
        first = base64.b64decode(
            re.search(r"^334 \r?\n(\S+)", said, re.M).group(1))
        assert first.startswith(b"p=tls-exporter,,n=" + BOB.encode()), said
    assert "235 2.7.0" in said
    assert server.wait_log("auth ok .*mech=%s user=\"%s\"" % (
        mechanism, BOB), start)


# Python.

class Resolved:
    """smtplib verifies NAME, and finds it on the loopback."""

    def _get_socket(self, host, port, timeout):
        sock = socket.create_connection(("127.0.0.1", port), timeout)
        if isinstance(self, smtplib.SMTP_SSL):
            sock = self.context.wrap_socket(sock, server_hostname=NAME)
        return sock


class Implicit(Resolved, smtplib.SMTP_SSL):
    pass


class Upgraded(Resolved, smtplib.SMTP):
    pass


@pytest.fixture(params=["smtps", "tls-require"])
def library(request, server, certificate):
    """A session of smtplib that is logged in."""
    context = ssl.create_default_context(cafile=certificate)
    port = server.ports[request.param]
    if request.param == "smtps":
        session = Implicit(NAME, port, "client.example", timeout=60,
                           context=context)
    else:
        session = Upgraded(NAME, port, "client.example", timeout=60)
        session.starttls(context=context)
    with session:
        session.login(ALICE, PASSWORDS[ALICE])
        yield session


def test_smtplib_several_recipients(server, library, sent):
    octets, subject, _ = sent(BOB, CAROL)
    for _ in range(2):  # the same session again
        refused = library.sendmail(
            ALICE, [BOB, CAROL, "nobody-here@a.example"], octets)
        assert list(refused) == ["nobody-here@a.example"]
        assert refused["nobody-here@a.example"][0] == 550
    for address in (BOB, CAROL):
        for text in sample.arrived(server, address, subject, count=2):
            sample.same(text, octets)


def test_smtplib_utf8_address(server, library):
    subject = sample.word()
    octets = sample.message(subject, [UMLAUT])
    library.command_encoding = "utf-8"
    library.sendmail(ALICE, [UMLAUT], octets,
                     mail_options=["SMTPUTF8", "BODY=8BITMIME"])
    trace = sample.same(sample.one(server, UMLAUT, subject), octets)
    assert sample.protocol(trace) == "UTF8SMTPSA"


def test_smtplib_ten_megabytes(server, library):
    subject = sample.word()
    octets = sample.big(subject, [BOB], 10 * 1024 * 1024)
    library.sendmail(ALICE, [BOB], octets)
    sample.same(sample.one(server, BOB, subject), octets)


def test_smtplib_too_big_is_told_at_once(server, library):
    with pytest.raises(smtplib.SMTPSenderRefused) as refusal:
        library.sendmail(ALICE, [BOB], b"x" * 36700161)
    assert refusal.value.smtp_code == 552


# nodemailer.

@needs("node")
@pytest.mark.parametrize("kind", ["smtps", "tls-require"])
def test_nodemailer(server, certificate, kind):
    subjects = [sample.word() for _ in range(8)]
    data = os.urandom(100000)
    job = {"port": server.ports[kind], "secure": kind == "smtps",
           "ca": pathlib.Path(certificate).read_text(), "name": NAME,
           "user": ALICE, "password": PASSWORDS[ALICE],
           "recipients": [BOB, CAROL], "subjects": subjects,
           "attachment": data.hex()}
    said = json.loads(run(
        "node", HERE / "nodemailer.js", input=json.dumps(job).encode(),
        env=dict(os.environ, NODE_PATH="/usr/share/nodejs")))
    assert len(said) == len(subjects)
    for answer in said:
        assert answer["response"].startswith("250 2.0.0")
        assert answer["accepted"] == [BOB, CAROL]
    for subject in subjects:
        for address in (BOB, CAROL):
            got = sample.fields(sample.one(server, address, subject))
            parts = list(got.iter_attachments())
            assert [x.get_filename() for x in parts] == ["gr\u00fc\u00df.bin"]
            assert parts[0].get_content() == data
            assert "<p>" in got.get_body(("html",)).get_content()
