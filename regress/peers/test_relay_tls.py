# SPDX-License-Identifier: ISC
"""A relay host at some distance: Postfix with TLS, and logins that Dovecot
checks for it. We verify its name and log in, or nothing is sent."""
import pytest

import dovecot
import jail
import postfix
import sample
import server
import site_of_ours as site

ALICE, OUTSIDE = "alice@a.example", "someone@out.example"
NAME, USER, WORD = "mta.a.example", "submitter", "relay: secret=1"
MAIN = """
smtpd_tls_cert_file = /var/lib/tls/mta.a.example.crt
smtpd_tls_key_file = /var/lib/tls/mta.a.example.key
smtpd_tls_security_level = may
smtpd_tls_auth_only = yes
smtpd_tls_received_header = yes
smtpd_sasl_auth_enable = yes
smtpd_sasl_authenticated_header = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = private/auth
smtpd_sasl_security_options = noanonymous
"""
# Two ports: implicit TLS, and STARTTLS; each only for those who log in.
MASTER = """
127.0.0.1:%d inet n - y - - smtpd
    -o smtpd_tls_wrappermode=yes
    -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
127.0.0.1:%d inet n - y - - smtpd
    -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
"""
AUTH = """\
protocols =
ssl = no
log_path = /var/log/dovecot.log
auth_mechanisms = %s
auth_failure_delay = 0
passdb {
  driver = passwd-file
  args = /etc/dovecot/passwd
}
userdb {
  driver = static
  args = uid=vmail gid=vmail home=/
}
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service auth {
  unix_listener /var/spool/postfix/private/auth {
    mode = 0660
    user = postfix
    group = postfix
  }
}
"""


class Distant(postfix.Postfix):

    def __init__(self, mechanisms):
        self.smtps, self.starttls = server.free_ports(2)
        super().__init__(MAIN, MASTER % (self.smtps, self.starttls),
                         also=("dovecot",), accounts={
                             "dovecot": 61104, "dovenull": 61105})
        where = self.directory("var/lib/tls")
        server.certificate(where, NAME, server.P256)
        self.ca = "/var/lib/tls/%s.crt" % NAME
        self.directory("var/lib/dovecot")
        self.write("etc/dovecot/dovecot.conf", AUTH % mechanisms)
        self.write("etc/dovecot/passwd", "%s:%s\n" % (
            USER, server.scram_line(WORD)))
        self.secrets = self.write("etc/smtpd-stoken/secrets", "site %s:%s\n"
                                  "wrong %s:not that\n" % (USER, WORD, USER),
                                  0o600)

    def launch(self):
        super().launch()
        self.spawn("/usr/sbin/dovecot", "-F")
        auth = self.var / "spool/postfix/private/auth"
        self.wait(auth.exists, "Dovecot's socket")
        self.wait_port(self.starttls)


@pytest.fixture(scope="module", params=["plain", "scram-sha-256"])
def distant(request):
    reason = jail.trouble("postfix") or jail.trouble("dovecot")
    if reason:
        pytest.skip(reason)
    with Distant(request.param) as one:
        one.mechanism = request.param.upper()
        yield one


def relay(distant, scheme, label="site", host=NAME, words=""):
    port = distant.smtps if scheme == "smtps" else distant.starttls
    return 'relay host "%s://%s@%s:%d" auth "/etc/smtpd-stoken/secrets"%s' % (
        scheme, label, host, port, words)


def attempt(ours, octets):
    """The replies of RCPT and, if that is 250, of the message."""
    with ours.login(ALICE) as c:
        c.want("MAIL FROM:<%s>" % ALICE, "250 2.1.0")
        replies = [c.rcpt(OUTSIDE)]
        if replies[0].code == 250:
            replies += c.data(octets)
    return replies


@pytest.mark.parametrize("scheme", ["smtps", "smtp+tls"])
def test_verified_and_logged_in(distant, scheme):
    subject = sample.word()
    octets = sample.message(subject, [OUTSIDE])
    with site.Site(distant, relay(distant, scheme),
                   'ca "%s"' % distant.ca) as ours:
        assert [x.code for x in attempt(ours, octets)] == [250, 250]
    copy, = distant.waiting(subject, 1)
    assert copy.octets.endswith(b"\n" + sample.unix(octets))
    theirs = copy.head.get_all("Received")[0]
    assert "with ESMTPSA" in theirs and "TLSv1.3" in theirs
    assert "(Authenticated sender: %s)" % USER in theirs
    assert "sasl_method=" + distant.mechanism in distant.logs()


@pytest.mark.parametrize("distant", ["plain"], indirect=True)
def test_no_verify(distant):
    subject = sample.word()
    octets = sample.message(subject, [OUTSIDE])
    with site.Site(distant, relay(distant, "smtps", host="localhost",
                                  words=" no-verify")) as ours:
        assert [x.code for x in attempt(ours, octets)] == [250, 250]
    distant.waiting(subject, 1)


@pytest.mark.parametrize("options", [
    {"host": "localhost"}, {"label": "wrong"}], ids=["name", "password"])
@pytest.mark.parametrize("scheme", ["smtps", "smtp+tls"])
def test_nothing_is_sent(distant, scheme, options):
    """Another name than the certificate's; a wrong password."""
    before = distant.ids()
    with site.Site(distant, relay(distant, scheme, **options),
                   'ca "%s"' % distant.ca) as ours:
        reply, = attempt(ours, b"")
        assert reply.code // 100 == 4, reply
    assert distant.ids() == before


@pytest.mark.parametrize("distant", ["plain"], indirect=True)
def test_an_unknown_authority(distant):
    before = distant.ids()
    with site.Site(distant, relay(distant, "smtps")) as ours:
        reply, = attempt(ours, b"")
        assert reply.code // 100 == 4, reply
    assert distant.ids() == before
