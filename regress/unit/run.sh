#!/bin/sh
# Builds and runs the unit tests: run.sh [NAME ...]. A test is one file,
# test_NAME.c, that says in a comment near its top what it is linked with:
#   objects: tokend/token.o tokend/keyring.o
#   libs: -lcrypto
# The environment brings CC, CPPFLAGS, CFLAGS and LIBS (see build.mk). Prints a line per program and
# at the end `N passed, N failed, N skipped`, counted in test functions.
set -u
cd "$(dirname "$0")/../.." || exit 1
mkdir -p out/unit
passed=0 failed=0 skipped=0

field() {
	sed -n "1,20s/^.*$1: *\\(.*[^ *\\/]\\)[ *\\/]*\$/\\1/p" "$2"
}

tests=
if [ $# -gt 0 ]; then
	for name in "$@"; do
		tests="$tests regress/unit/test_$name.c"
	done
else
	tests=$(ls regress/unit/test_*.c)
fi
for source in $tests; do
	name=$(basename "$source" .c)
	program=out/unit/$name
	if ! $CC $CPPFLAGS $CFLAGS -o "$program" "$source" \
	    $(field objects "$source") $LIBS $(field libs "$source") -lcmocka \
	    > "$program.log" 2>&1; then
		echo "FAIL $name: does not build"
		sed 's/^/    /' "$program.log"
		failed=$((failed + 1))
		continue
	fi
	timeout 120 "./$program" > "$program.log" 2>&1
	status=$?
	p=$(grep -c '^\[       OK \]' "$program.log")
	f=$(grep -c '^\[  FAILED  \] [a-zA-Z_0-9]*$' "$program.log")
	s=$(grep -c '^\[  SKIPPED \] [a-zA-Z_0-9]*$' "$program.log")
	grep -q '^\[  SKIPPED \] [0-9]* test' "$program.log" && s=$((s / 2))
	grep -q '^\[  FAILED  \] [0-9]* test' "$program.log" && f=$((f / 2))
	if [ $status -ne 0 ] && [ "$f" -eq 0 ]; then
		f=1
	fi
	if [ $status -eq 0 ] && [ "$p" -eq 0 ] && [ "$s" -eq 0 ]; then
		f=1
	fi
	if [ "$f" -gt 0 ]; then
		echo "FAIL $name: $f failed, exit $status"
		sed 's/^/    /' "$program.log" | tail -n 60
	else
		echo "ok   $name: $p passed, $s skipped"
	fi
	passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
