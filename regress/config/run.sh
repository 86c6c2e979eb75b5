#!/bin/sh
# smtpd-stoken -n, and the files in etc/. The pairs N.in and N.ok beside this
# script are read by regress/unit/test_config.c.
set -u
cd "$(dirname "$0")/../.." || exit 1
python=$(command -v /usr/bin/python3 || command -v python3)
server=${OUT:-out}/sbin/smtpd-stoken
if [ -x out/peers/bin/fail2ban-regex ]; then # regress/deps.sh put it there
	PATH=$PWD/out/peers/bin:$PATH
	FAIL2BAN_CONFIG=$PWD/out/peers/fail2ban/etc/fail2ban
	export PATH FAIL2BAN_CONFIG
fi
base=$(mktemp -d) || exit 1
trap 'rm -rf "$base"' EXIT
passed=0 failed=0 skipped=0

# try NAME STATUS COMMAND ...: its output goes to $base/said.
try() {
	what=$1 wanted=$2
	shift 2
	"$@" > "$base/said" 2>&1
	status=$?
	if [ "$status" -eq "$wanted" ]; then
		echo "ok   $what"
		passed=$((passed + 1))
	else
		echo "FAIL $what: exit $status, expected $wanted"
		sed 's/^/    /' "$base/said" | tail -n 20
		failed=$((failed + 1))
	fi
}

said() {
	try "... and says: $1" 0 grep -qF -- "$1" "$base/last"
}

# server STATUS ARGUMENTS: the same, and keeps what was said.
run() {
	what=$1 wanted=$2
	shift 2
	try "$what" "$wanted" "$server" "$@"
	cp "$base/said" "$base/last"
}

skip() {
	echo "SKIP $1"
	skipped=$((skipped + 1))
}

umask 022
sed 's/^#\([a-z]\)/\1/' etc/smtpd-stoken.conf > "$base/good.conf"
printf 'lisen on x\nlimit sessions 0\n' > "$base/bad.conf"
printf 'hostname $host\n' > "$base/macro.conf"
grep -v '^hostname' "$base/good.conf" >> "$base/macro.conf"
cp "$base/good.conf" "$base/open.conf"
chmod 664 "$base/open.conf"

run "-n takes the sample" 0 -n -f "$base/good.conf"
try "... and says that alone" 0 test "$(cat "$base/last")" = "configuration OK"
run "-n refuses errors" 1 -n -f "$base/bad.conf"
said "bad.conf:1: \"lisen\" is no directive, expected \"listen\"?"
said "bad.conf:2: found \"0\", expected a number from 1 to 1000000"
run "-D defines a macro" 0 -n -D host=mx.a.example -f "$base/macro.conf"
run "without it the file is wrong" 1 -n -f "$base/macro.conf"
said "macro \$host is not defined"
run "-D wants name=value" 1 -n -D host -f "$base/macro.conf"
run "a file that the group may write is refused" 1 -n -f "$base/open.conf"
said "mode 0664"
run "an unknown option is refused" 1 -x
said "usage: smtpd-stoken [-dnv] [-D macro=value] [-f file]"
run "no file, no server" 1 -f "$base/absent.conf"
said "absent.conf: cannot open it"

try "the rc.d script is a script" 0 sh -n etc/rc.d/smtpd_stoken

try "bash completes every verb of tokenctl" 0 bash regress/config/completion.sh
if command -v doveconf > /dev/null; then
	{ echo "protocols = imap"; cat etc/dovecot.conf; } > "$base/dovecot.conf"
	try "the snippet for Dovecot" 0 env DOVECOT_HOSTNAME=mx \
	    DOVECOT_HOSTDOMAIN=mx.a.example doveconf -n -c "$base/dovecot.conf"
fi

if command -v systemd-analyze > /dev/null; then
	sed 's|/usr/local/sbin/[a-z-]*|/bin/true|' \
	    etc/systemd/smtpd-stoken.service > "$base/smtpd-stoken.service"
	sed 's|/usr/local/sbin/[a-z-]*|/bin/true|' \
	    etc/prometheus/smtpd-stoken-metrics.service \
	    > "$base/smtpd-stoken-metrics.service"
	cp etc/prometheus/smtpd-stoken-metrics.timer "$base"
	try "the timer of the metrics" 0 systemd-analyze verify --man=no \
	    "$base/smtpd-stoken-metrics.timer"
	try "... has nothing unknown in it" 0 test ! -s "$base/said"
	# Its own manual pages are not installed where this is tested.
	try "the unit" 0 systemd-analyze verify --man=no \
	    "$base/smtpd-stoken.service"
	try "... has nothing unknown in it" 0 test ! -s "$base/said"
	try "the unit's exposure is 3.0 at most" 0 systemd-analyze security \
	    --offline=true --threshold=30 "$base/smtpd-stoken.service"
else
	skip "the systemd unit: systemd-analyze is not installed"
fi
if command -v systemd-sysusers > /dev/null; then
	mkdir -p "$base/root/etc"
	try "sysusers.d" 0 systemd-sysusers --root="$base/root" \
	    "$PWD/etc/sysusers.d/smtpd-stoken.conf"
	try "... makes the users" 0 test \
	    "$(grep -c '^_smtpdst:\|^_tokend:' "$base/root/etc/passwd")" = 2
else
	skip "sysusers.d: systemd-sysusers is not installed"
fi

for script in pictures fail2ban; do
	"$python" -B regress/config/$script.py > "$base/said" 2>&1
	status=$?
	cat "$base/said"
	passed=$((passed + $(grep -c '^ok ' "$base/said")))
	failed=$((failed + $(grep -c '^FAIL ' "$base/said")))
	[ $status -eq 0 ] || grep -q '^FAIL ' "$base/said" ||
	    failed=$((failed + 1))
done
command -v fail2ban-regex > /dev/null || skip "fail2ban-regex is not installed"

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
