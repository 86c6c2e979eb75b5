#!/bin/sh
# clauses.py as one test of check.sh.
set -u
cd "$(dirname "$0")/.." || exit 1
python=/usr/bin/python3
[ -x "$python" ] || python=python3
if "$python" -B regress/clauses.py; then
	echo "1 passed, 0 failed, 0 skipped"
else
	echo "0 passed, 1 failed, 0 skipped"
	exit 1
fi
