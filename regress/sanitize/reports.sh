#!/bin/sh
# reports.sh FILE: no process of any test has reported anything. Otherwise: what,
# how often, and where, from the programs that lie in out/.
set -u
cd "$(dirname "$0")/../.." || exit 1
if [ -f "$1" ] && [ ! -s "$1" ]; then
	echo "1 passed, 0 failed, 0 skipped"
	exit 0
fi
python=$(command -v /usr/bin/python3 || command -v python3)
"$python" -B regress/sanitize/names.py < "$1"
echo "FAIL sanitizers have reported, see $1"
echo "0 passed, 1 failed, 0 skipped"
exit 1
