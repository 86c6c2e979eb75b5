#!/bin/sh
# valgrind.sh [KIND ...]: builds a copy of the tree without the sandbox, whose
# filters permit no translation of code, and runs under_valgrind.py with it.
set -u
cd "$(dirname "$0")/../.." || exit 1
if ! command -v valgrind > /dev/null; then
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi
python=$(command -v /usr/bin/python3 || command -v python3)
copy=$PWD/out-valgrind
mkdir -p "$copy"
git ls-files -co --exclude-standard | tar -cf - -T - | tar -xf - -C "$copy"
mkdir -p out/peers "$copy/out"
[ -e "$copy/out/peers" ] || ln -s "$PWD/out/peers" "$copy/out/peers"
cd "$copy" || exit 1
if [ ! -f config.mk ] || [ configure -nt config.mk ]; then
	CFLAGS="-O1 -g -DSANDBOX_OFF" ./configure > /dev/null || exit 1
fi
"${MAKE:-make}" -s all || exit 1
exec "$python" -B regress/endure/under_valgrind.py "$@"
