#!/bin/sh
# unpack.sh [NAME ...]: fetches Debian's Postfix, Exim, OpenSMTPD, Dovecot, nsd,
# unbound and Prometheus' promtool (or what is named) and unpacks each into
# out/peers/NAME. Nothing is installed: the three MTAs could not be together, and
# none of them is to start here. Silent when all is there.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)/out/peers

# The packages themselves, and what they need and this machine has not got.
wanted() {
	for package in "$@"; do
		echo "$package"
	done
	[ "$name" != prometheus ] || return 0 # promtool needs nothing
	apt-get -qq --print-uris --no-install-recommends install "$@" |
	    sed -n "s/^'[^']*' \([a-z0-9.+-]*\)_.*/\1/p"
}

# unpack NAME PACKAGE ...
unpack() {
	name=$1
	shift
	[ ! -e "$top/$name/done" ] || return 0
	echo "deps: unpacking $name"
	rm -rf "${top:?}/$name"
	mkdir -p "$top/$name/debs"
	for package in $(wanted "$@" | sort -u); do
		(cd "$top/$name/debs" && apt-get download -qq "$package") || return 1
	done 2> /dev/null
	for file in "$top/$name"/debs/*.deb; do
		dpkg -x "$file" "$top/$name/root" || return 1
	done
	rm -rf "$top/$name/debs"
	# The places that are laid over the machine's in a test's name space.
	mkdir -p "$top/$name/root/usr/lib" "$top/$name/root/etc"
	[ ! -d "$top/$name/root/lib" ] ||
	    cp -a "$top/$name/root/lib/." "$top/$name/root/usr/lib/"
	echo "$@" > "$top/$name/done"
}

command -v apt-get > /dev/null || exit 0
packages() {
	case $1 in
	postfix) echo postfix libsasl2-modules ;;
	exim) echo exim4-daemon-light exim4-base ;;
	dovecot) echo dovecot-core dovecot-imapd dovecot-lmtpd ;;
	unbound) echo unbound ldnsutils ;; # and to sign a zone for it
	*) echo "$1" ;;
	esac
}

[ $# -gt 0 ] || set -- postfix exim opensmtpd dovecot nsd unbound prometheus
for peer in "$@"; do
	# shellcheck disable=SC2046
	unpack "$peer" $(packages "$peer") || echo "deps: no $peer"
done
