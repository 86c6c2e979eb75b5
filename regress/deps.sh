#!/bin/sh
# Installs the packages that are missing: deps.sh build|check|all.
# Debian through apt-get, OpenBSD through pkg_add. Silent when nothing is.
set -u
what=${1:-all}

build="gcc make pkg-config libbsd-dev libseccomp-dev libcrypt-dev libevent-dev libtls-dev libssl-dev libdb5.3-dev libidn2-dev"
check="python3 python3-pytest libcmocka-dev openssl mandoc bmake strace iproute2 procps valgrind clang-14 libclang-rt-14-dev"

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

debian() {
	packages=$build
	[ "$what" = build ] || packages="$build $check"
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
	packages="db-- libidn2"
	[ "$what" = build ] || packages="$packages py3-test cmocka"
	as_root pkg_add -I $packages
}

case $(uname -s) in
OpenBSD) openbsd ;;
Linux)
	if command -v apt-get >/dev/null 2>&1; then
		debian
	else
		echo "deps: no apt-get here: install by hand: $build" >&2
	fi ;;
esac
