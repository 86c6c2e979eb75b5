# SPDX-License-Identifier: ISC
"""The submission part of make bench (W7): a client logs in, and what it sends
goes through to one next hop, the same small sink for every server.  Counted
is what the sink has taken, so a server that queues gains nothing by answering
early; the time is until the last of it is there.
"""
import os
import pathlib
import subprocess
import sys
import time

import bench
import server

SUBMISSION = pathlib.Path("/usr/lib/dovecot/submission")
TEXT = "submission: 100 messages a connection, 32 clients, to one next hop"
LOAD = "-S -c 32 -k 100 -a plain"
LEAST, MOST = 2, 1 / 2  # of the better one's rate; of its CPU


class Sink:
    def __init__(self):
        self.process = subprocess.Popen(
            [str(bench.TOOLS / "sink")], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, preexec_fn=bench.unlimited)
        self.port = int(self.process.stdout.readline())

    def taken(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(20)


def accounts():
    """For the load client: login, password, and the recipient elsewhere."""
    return "".join("u%d@a.example %s friend%d@b.example\n" % (
        i, bench.PASSWORD, i) for i in range(bench.USERS))


def user_lines():
    """The users file, the same for all."""
    line = server.crypt_line(bench.PASSWORD)
    return ["u%d@a.example:%s" % (i, line) for i in range(bench.USERS)]


class Ours(bench.Yardstick):
    name = "ours"

    def __init__(self, sink):
        self.one = server.Server(
            users=user_lines(), prefork=bench.PREFORK,
            extra='relay host "smtp://127.0.0.1:%d"' % sink.port,
            limits={"sessions-per-address": 20000, "sessions": 20000})
        self.one.start()
        self.port = self.one.ports["smtps"]
        self.pid = self.one.pid
        self.file = self.one.dir / "submitters"
        self.file.write_text(accounts())

    def login(self, _):
        return ["-f", str(self.file)]

    def stop(self):
        self.one.stop()


DOVECOT = """\
base_dir = {dir}/run
state_dir = {dir}/state
log_path = {dir}/log
protocols = submission
listen = 127.0.0.1
hostname = mx.a.example
ssl = required
ssl_cert = <{dir}/mx.a.example.crt
ssl_key = <{dir}/mx.a.example.key
mail_location = maildir:{dir}/mail/%d/%n
first_valid_uid = 1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
submission_relay_host = 127.0.0.1
submission_relay_port = {relay}
submission_relay_trusted = no
mail_max_userip_connections = 1000
passdb {{
  driver = passwd-file
  args = {dir}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}/mail/%d/%n allow_all_users=yes
}}
service submission-login {{
  chroot =
  service_count = 0
  process_min_avail = 2
  inet_listener submission {{
    port = 0
  }}
  inet_listener submissions {{
    port = {port}
    ssl = yes
  }}
}}
service submission {{
  process_limit = 2000
}}
service anvil {{
  chroot =
  client_limit = 4000
}}
service stats {{
  chroot =
  client_limit = 4000
}}
service auth {{
  client_limit = 4000
  inet_listener {{
    port = {auth}
  }}
}}
"""
# Submission over TLS by Postfix's own means; Dovecot says who logs in.
MAIN = """
relayhost = [127.0.0.1]:%(sink)d
defer_transports =
header_checks =
default_process_limit = 200
smtpd_client_connection_count_limit = 0
smtp_tls_security_level = none
smtpd_tls_cert_file = %(dir)s/mx.a.example.crt
smtpd_tls_key_file = %(dir)s/mx.a.example.key
"""
MASTER = """
127.0.0.1:%(port)d inet n - n - - smtpd
  -o smtpd_tls_wrappermode=yes -o smtpd_sasl_auth_enable=yes
  -o smtpd_sasl_type=dovecot -o smtpd_sasl_path=inet:127.0.0.1:%(auth)d
  -o smtpd_recipient_restrictions=permit_sasl_authenticated,reject
  -o smtpd_relay_restrictions=permit_sasl_authenticated,reject
"""


class Dovecot(bench.Dovecot):
    name = "Dovecot"

    def __init__(self, sink):
        self.relay, self.auth = sink.port, server.free_port()
        super().__init__()

    def configuration(self, values):
        self.accounts.write_text(accounts())
        (self.dir / "users").write_text("\n".join(user_lines()) + "\n")
        return DOVECOT.format(relay=self.relay, auth=self.auth, **values)

    def login(self, _):
        return ["-S", "-a", "plain", "-f", str(self.accounts)]


class Postfix(bench.Yardstick):
    """Unpacked beside the machine's packages, in name spaces: needs root."""
    name = "Postfix"

    def __init__(self, sink):
        sys.path.insert(0, str(bench.HERE.parent / "peers"))
        import jail
        import postfix
        if jail.trouble("postfix"):
            raise RuntimeError(jail.trouble("postfix"))
        self.who = Dovecot(sink)
        self.port = server.free_port()
        values = {"sink": sink.port, "dir": self.who.dir, "port": self.port,
                  "auth": self.who.auth}
        self.mta = postfix.Postfix(MAIN % values, MASTER % values)
        self.mta.start()
        self.mta.wait(lambda: self.answers(), "an answer")
        self.pid = self.mta.unshare.pid

    def login(self, _):
        return ["-S", "-a", "plain", "-f", str(self.who.accounts)]

    def answers(self):
        return bench.run_load(self, "W3", ["-m", "login", "-t", "0.1"])[0]

    def stop(self):
        self.mta.stop()
        self.who.stop()


def measure(one, sink):
    """(rate, CPU microseconds, median milliseconds, errors)."""
    before, taken = bench.cpu_seconds(one.pid), sink.taken()
    roles = bench.cpu_by_role(one.pid)
    begin = time.monotonic()
    said, errors, _, p50, _ = bench.run_load(
        one, "W7", LOAD.split() + ["-t", str(bench.SECONDS)])
    while sink.taken() - taken < said and time.monotonic() - begin < 60:
        time.sleep(0.01)
    seconds, count = time.monotonic() - begin, sink.taken() - taken
    time.sleep(0.3)
    used = bench.cpu_seconds(one.pid) - before
    if bench.DETAIL and one.name == "ours" and count:
        print("   " + "  ".join(
            "%s %.0f" % (role, (spent - roles[role]) / count * 1e6)
            for role, spent in bench.cpu_by_role(one.pid).items()))
    if count == 0:
        return 0, 0, 0, int(errors)
    return count / seconds, used / count * 1e6, p50, int(errors)


def show(results):
    print(TEXT)
    for who, (rate, used, p50, errors) in results.items():
        print("   %-8s %9.0f/s      %7.0f CPU-us  p50 %7.2f ms%s" % (
            who, rate, used, p50, "  %d errors" % errors if errors else ""))
    others = [r for who, r in results.items() if who != "ours" and r[0]]
    if "ours" not in results or not others or not results["ours"][0]:
        return
    ours, rate = results["ours"], max(r[0] for r in others)
    used = min(r[1] for r in others)
    print("   rate %.1f x the better one's, target >= %.1f: %s" % (
        ours[0] / rate, LEAST, bench.yes(ours[0] / rate >= LEAST)))
    print("   CPU  1/%.1f of the better one's, target <= 1/%.0f: %s" % (
        used / ours[1], 1 / MOST, bench.yes(ours[1] / used <= MOST)))


def main():
    sink = Sink()
    kinds = [Ours]
    if SUBMISSION.exists():
        kinds += [Dovecot, Postfix]
    wanted = os.environ.get("BENCH_SERVERS", "ours Dovecot Postfix").split()
    servers = bench.start(
        [kind for kind in kinds if kind.name in wanted], sink)
    try:
        rounds = {one.name: [] for one in servers}
        for _ in range(bench.ROUNDS):
            for one in servers:
                rounds[one.name].append(measure(one, sink))
        show({who: bench.median(r) for who, r in rounds.items()})
    finally:
        for one in servers:
            one.stop()
        sink.stop()


if __name__ == "__main__":
    main()
