# SPDX-License-Identifier: ISC
"""MTAs of other machines that submit all their mail to us, as one of our
users: each verifies our certificate and logs in. Exim sends with BDAT."""
import pytest

import exim
import jail
import mta
import opensmtpd
import postfix
import sample
import server

ALICE, CAROL = "alice@a.example", "carol@a.example"
# Cyrus's library, which Postfix logs in with, takes the strongest mechanism
# that is listed and nothing else: SCRAM-SHA-256, so Bob has to be able to.
USER = "bob@a.example"


class Satellite(mta.Mta):
    """Mail that it is given on `port` goes to our server's `kind`."""

    def __init__(self, ours, kind):
        super().__init__(self.NAME, self.ACCOUNTS)
        self.ours = self.port  # there is one way in
        (self.etc / "mx.crt").write_bytes(
            (ours.dir / "mx.a.example.crt").read_bytes())
        self.configure(ours.ports[kind], kind == "smtps")


class Postfix(Satellite):
    NAME, ACCOUNTS = "postfix", postfix.ACCOUNTS
    launch = postfix.Postfix.launch

    def configure(self, port, wrapped):
        share = self.root / "usr/share/postfix"
        self.write("etc/postfix/master.cf", (share / "master.cf.dist")
                   .read_text().replace(
                       "smtp      inet", "127.0.0.1:%d inet" % self.port))
        self.write("etc/postfix/passwords", "[mx.a.example]:%d %s:%s\n" % (
            port, USER, server.PASSWORDS[USER]))
        self.write("etc/postfix/main.cf", (share / "main.cf.debian")
                   .read_text() + """
myhostname = mta.a.example
mydestination =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
maillog_file = /var/log/mail.log
relayhost = [mx.a.example]:%d
smtp_host_lookup = native
smtp_tls_wrappermode = %s
smtp_tls_security_level = secure
smtp_tls_secure_cert_match = mx.a.example
smtp_tls_CAfile = /etc/mx.crt
smtp_sasl_auth_enable = yes
smtp_sasl_password_maps = texthash:/etc/postfix/passwords
smtp_sasl_security_options = noanonymous
smtp_sasl_tls_security_options = noanonymous
""" % (port, "yes" if wrapped else "no"))
        postfix.directories(self)


class Exim(Satellite):
    NAME, ACCOUNTS = "exim", exim.ACCOUNTS
    launch = exim.Exim.launch

    def configure(self, port, wrapped):
        self.write("etc/exim4/exim4.conf", """\
primary_hostname = mta.a.example
log_file_path = /var/log/exim4/%%slog
log_selector = +smtp_confirmation
tls_advertise_hosts =
keep_environment =
acl_smtp_rcpt = accept
disable_ipv6
local_interfaces = 127.0.0.1.%d
begin routers
all:
  driver = manualroute
  route_list = * mx.a.example byname
  self = send
  transport = submission
begin transports
submission:
  driver = smtp
  port = %d
  protocol = %s
  hosts_require_auth = *
  hosts_require_tls = *
  tls_verify_hosts = *
  tls_verify_certificates = /etc/mx.crt
  tls_sni = mx.a.example
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  client_send = ^%s^%s
""" % (self.port, port, "smtps" if wrapped else "smtp", USER,
            server.PASSWORDS[USER]))
        for part in ("spool", "log"):
            self.directory("var/%s/exim4" % part, "Debian-exim", mode=0o750)


class OpenSMTPD(Satellite):
    NAME, ACCOUNTS = "opensmtpd", opensmtpd.ACCOUNTS

    def configure(self, port, wrapped):
        self.write("etc/smtpd.conf", """\
table secrets { ours = "%s:%s" }
listen on 127.0.0.1 port %d
action "submit" relay host %s://ours@mx.a.example:%d auth <secrets>
match from any for any action "submit"
""" % (USER, server.PASSWORDS[USER], self.port,
            "smtps" if wrapped else "smtp+tls", port))
        # It trusts the system's authorities, so that has to be one.
        self.write("etc/ssl/certs/ca-certificates.crt",
                   (self.etc / "mx.crt").read_text())
        self.write("etc/ssl/cert.pem", (self.etc / "mx.crt").read_text())
        self.directory("var/lib/opensmtpd/empty")

    def launch(self):
        self.spawn("/usr/sbin/smtpd", "-d")


@pytest.fixture(scope="module", params=["smtps", "tls-require"])
def kind(request):
    return request.param


@pytest.fixture(scope="module", params=[Postfix, Exim, OpenSMTPD],
                ids=lambda x: x.NAME)
def satellite(request, shared, kind):
    reason = jail.trouble(request.param.NAME)
    if reason:
        pytest.skip(reason)
    with request.param(shared, kind) as one:
        yield one


@pytest.mark.parametrize("size", [1, 2 * 1024 * 1024], ids=["small", "big"])
def test_satellite(server, satellite, size):
    subject = sample.word()
    octets = sample.message(subject, [ALICE, CAROL]) if size == 1 else \
        sample.big(subject, [ALICE, CAROL], size)
    satellite.hand([ALICE, CAROL], octets, USER)
    try:
        texts = [sample.one(server, x, subject) for x in (ALICE, CAROL)]
    except AssertionError:
        print(satellite.logs())
        raise
    for text in texts:
        assert text.endswith(b"\n" + sample.unix(octets))
        head = sample.fields(text)
        assert "with ESMTPSA" in head.get_all("Received")[0]
        assert "auth=pass" in head["Authentication-Results"]
    if satellite.name == "exim":
        # K in its log is for CHUNKING.
        assert " K C=\"250 2.0.0 " in satellite.logs()
    mechanism = "SCRAM-SHA-256" if satellite.name == "postfix" else "PLAIN"
    assert "mech=%s user" % mechanism in server.log_text()


def test_a_refusal_becomes_a_bounce(server, satellite):
    """Which the satellite sends through us as well, with an empty sender."""
    subject = sample.word()
    octets = sample.message(subject, ["nobody-here@a.example"])
    start = len(server.log_text())
    satellite.hand(["nobody-here@a.example"], octets, USER)
    try:
        server.wait_log("delivery .* from=<> to=<%s>" % USER, start, 60)
    except AssertionError:
        print(satellite.logs())
        raise
    text = server.mail(USER)[-1].read_bytes()
    assert b"nobody-here@a.example" in text and subject.encode() in text
