#!/bin/sh
# make install into a directory of one's own, without root; what was installed
# runs from there.
set -u
cd "$(dirname "$0")/.." || exit 1
python=$(command -v /usr/bin/python3 || command -v python3)
base=$(mktemp -d /var/tmp/stoken-install.XXXXXX) || exit 1
trap 'rm -rf "$base"' EXIT
passed=0 failed=0

ordinary() {
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid=65534 --regid=65534 --clear-groups env HOME="$base" "$@"
	else
		"$@"
	fi
}

try() {
	what=$1
	shift
	if "$@" > "$base/log" 2>&1; then
		echo "ok   $what"
		passed=$((passed + 1))
	else
		echo "FAIL $what"
		tail -n 30 "$base/log" | sed 's/^/    /'
		failed=$((failed + 1))
	fi
}

mkdir "$base/tree"
git ls-files -co --exclude-standard | tar -cf - -T - | tar -xf - -C "$base/tree"
[ "$(id -u)" -ne 0 ] || chown -R 65534:65534 "$base"
cd "$base/tree" || exit 1
try "configure --prefix" ordinary ./configure --prefix="$base/prefix" \
    --sysconfdir="$base/etc" --localstatedir="$base/var"
try "make -j2" ordinary make -j2
try "make install" ordinary make install
for file in sbin/smtpd-stoken sbin/tokenctl bin/tokensend libexec/smtpd-stoken/frontend \
    libexec/smtpd-stoken/engine libexec/smtpd-stoken/tokend \
    libexec/smtpd-stoken/tokend-sign libexec/smtpd-stoken/tokend-auth \
    libexec/smtpd-stoken/lmtpd share/man/man8/smtpd-stoken.8 \
    share/man/man1/tokensend.1 \
    share/man/man5/smtpd-stoken.conf.5 share/man/man7/stoken-imsg.7 \
    share/man/man7/stoken-metadata.7 \
    share/smtpd-stoken/smtpd-stoken.conf share/smtpd-stoken/postfix-main.cf \
    share/smtpd-stoken/postfix-master.cf share/smtpd-stoken/exim.conf \
    share/smtpd-stoken/opensmtpd.conf share/smtpd-stoken/dovecot.conf \
    share/smtpd-stoken/tokensend-or-sendmail.sh \
    share/smtpd-stoken/tokensend-postfix.cf; do
	try "$file" test -s "$base/prefix/$file"
done
try "DESTDIR" ordinary make install DESTDIR="$base/dest"
try "DESTDIR holds the prefix" test -x "$base/dest$base/prefix/sbin/smtpd-stoken"
rm -rf "$base/tree/out"
cat > "$base/run.py" <<PY
import sys
sys.path.insert(0, "$base/tree/regress/protocol")
import server
with server.Server() as one:
    c = one.token_session("alice@a.example", one.temporary())
    c.want("MAIL FROM:<friend@b.example>", "250 2.1.0")
    c.want("QUIT", "221 2.0.0")
PY
try "it runs from there" ordinary env OUT="$base/prefix" "$python" -B "$base/run.py"
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
