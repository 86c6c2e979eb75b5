#!/bin/sh
# The Makefile works with BSD make as well: build a copy of the tree with it.
set -u
# Those of the make that runs the tests mean something else to bmake.
unset MAKEFLAGS MFLAGS MAKELEVEL
cd "$(dirname "$0")/.." || exit 1
if ! command -v bmake > /dev/null; then
	echo "SKIP bmake: not installed"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi
copy=$(mktemp -d) || exit 1
trap 'rm -rf "$copy"' EXIT
git ls-files -co --exclude-standard | tar -cf - -T - | tar -xf - -C "$copy"
log=$copy/../bmake-$$.log
if (cd "$copy" && bmake -j2 all && test -x out/sbin/smtpd-stoken &&
    test -x out/libexec/smtpd-stoken/lmtpd && bmake clean &&
    test ! -e out) > "$log" 2>&1; then
	echo "ok   bmake"
	echo "1 passed, 0 failed, 0 skipped"
	rm -f "$log"
	exit 0
fi
echo "FAIL bmake"
tail -n 30 "$log" | sed 's/^/    /'
rm -f "$log"
echo "0 passed, 1 failed, 0 skipped"
exit 1
