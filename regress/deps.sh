#!/bin/sh
# Installs the packages that are missing: deps.sh build|check|all.
# Debian through apt-get, OpenBSD through pkg_add. Silent when nothing is.
# demo needs what build does and python3 with openssl.
set -u
what=${1:-all}

build="gcc make pkg-config libbsd-dev libseccomp-dev libcrypt-dev libpam0g-dev libevent-dev libtls-dev libssl-dev libdb5.3-dev libidn2-dev libc-ares-dev"
demo="python3 openssl"
check="$demo python3-pytest libcmocka-dev mandoc bmake strace iproute2 procps
    util-linux valgrind clang-14 libclang-rt-14-dev clang-format-14 cppcheck
    shellcheck systemd
    swaks libnet-ssleay-perl curl msmtp gsasl nodejs node-nodemailer"

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null 2>&1; then
		sudo "$@"
	else
		echo "deps: not root and no sudo; run as root: $*" >&2
		return 1
	fi
}

# Only its tester of filters is wanted, not a service that bans: unpack it.
unpack_fail2ban() {
	top=$(cd "$(dirname "$0")/.." && pwd)/out/peers
	[ ! -x "$top/bin/fail2ban-regex" ] || return 0
	command -v fail2ban-regex > /dev/null && return 0
	mkdir -p "$top/bin" &&
	    (cd "$top" && apt-get download -qq fail2ban 2> /dev/null &&
	    dpkg -x fail2ban_*.deb fail2ban && rm -f fail2ban_*.deb) || return 0
	cat > "$top/bin/fail2ban-regex" <<-SH
		#!/bin/sh
		PYTHONPATH="$top/fail2ban/usr/lib/python3/dist-packages" \\
		    exec /usr/bin/python3 "$top/fail2ban/usr/bin/fail2ban-regex" "\$@"
	SH
	chmod +x "$top/bin/fail2ban-regex"
}

debian() {
	case $what in
	build) packages=$build ;;
	demo) packages="$build $demo" ;;
	*) packages="$build $check" ;;
	esac
	missing=
	for package in $packages; do
		status=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)
		[ "$status" = "install ok installed" ] || missing="$missing $package"
	done
	[ -n "$missing" ] || return 0
	echo "deps: installing$missing"
	as_root apt-get update -qq &&
	    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
	    --no-install-recommends $missing >/dev/null
}

openbsd() {
	packages="db%v4 libidn2 libcares"
	[ "$what" = build ] || packages="$packages py3-test cmocka"
	as_root pkg_add -I $packages
}

case $(uname -s) in
OpenBSD) openbsd ;;
Linux)
	if command -v apt-get >/dev/null 2>&1; then
		debian
		[ "$what" != all ] || {
			unpack_fail2ban
			sh "$(dirname "$0")/peers/unpack.sh"
		}
	else
		echo "deps: no apt-get here: install by hand: $build" >&2
	fi ;;
esac
