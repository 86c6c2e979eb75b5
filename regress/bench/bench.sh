#!/bin/sh
# make bench: builds the tools, installs Dovecot's LMTP as a yardstick where
# that can be done, and measures. See README beside this file.
set -eu
cd "$(dirname "$0")/../.."

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	else
		sudo -n "$@"
	fi
}

# Debian would start the daemon that it installs; policy-rc.d says no.
install_dovecot() {
	policy=/usr/sbin/policy-rc.d
	ours=no
	if [ ! -e $policy ]; then
		ours=yes
		printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
		as_root chmod 755 $policy
	fi
	as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	    --no-install-recommends dovecot-core dovecot-lmtpd dovecot-submissiond \
	    >/dev/null 2>&1 || echo "bench: Dovecot cannot be installed" >&2
	[ $ours = no ] || as_root rm -f $policy
}

if [ ! -x /usr/lib/dovecot/lmtp -o ! -x /usr/lib/dovecot/submission ] && command -v apt-get >/dev/null 2>&1; then
	echo "bench: installing Dovecot" >&2
	install_dovecot
fi

# Postfix is unpacked, not installed; it can be run by root alone.
[ "$(id -u)" -ne 0 ] || sh regress/peers/unpack.sh postfix nsd >&2

mkdir -p out/bench
: "${CC:=cc}"
for tool in load floor raw sink logins routes far; do
	$CC -D_GNU_SOURCE -O2 -Wall -Wextra -o out/bench/$tool \
	    regress/bench/$tool.c -lssl -lcrypto -lpthread
done
exec python3 regress/bench/bench.py "$@"
