#!/bin/sh
# seen.sh FILE: what a process does wrong behind its sandbox, with no standard
# error, is found in the file of the reports.
set -u
cd "$(dirname "$0")/../.." || exit 1
reports=$1 passed=0 failed=0
mkdir -p out/sanitize
sh regress/hostile/build.sh out/sanitize/wrong regress/sanitize/wrong.c || exit 1

# try NAME TEXT: the report has the text; or, without one, there is no report.
try() {
	: > "$reports"
	env -i ./out/sanitize/wrong "$1"
	if [ -n "$2" ]; then
		grep -q "$2" "$reports"
	else
		[ ! -s "$reports" ]
	fi
	if [ $? -eq 0 ]; then
		passed=$((passed + 1))
	else
		echo "FAIL $1: the report is not as it should be"
		cat "$reports"
		failed=$((failed + 1))
	fi
}

try overflow heap-buffer-overflow
try sum "signed integer overflow"
[ "$SANITIZE" != leaks ] || try leak "detected memory leaks"
try fine ""
: > "$reports"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
