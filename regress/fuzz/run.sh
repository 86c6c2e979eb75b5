#!/bin/sh
# Builds every fuzz target and runs each for a while: run.sh [SECONDS].
# A target is one file, fuzz_NAME.c, that says near its top which sources it
# is built with, and a folder corpus/NAME with octets to start from:
#   sources: lib/base64.c lib/address.c
#   libs: -lidn2
# A dictionary is NAME.dict. What a run finds that is new is thrown away;
# a crash is kept in out/fuzz.
set -u
seconds=${1:-10}
cd "$(dirname "$0")/../.." || exit 1
passed=0 failed=0

cc=
for name in clang clang-14 clang-16 clang-17; do
	command -v $name > /dev/null && cc=$name && break
done
if [ -z "$cc" ]; then
	echo "SKIP fuzz: clang is not installed"
	echo "0 passed, 0 failed, 1 skipped"
	exit 0
fi
mkdir -p out/fuzz

field() {
	sed -n "1,20s/^.*$1: *\\(.*[^ *\\/]\\)[ *\\/]*\$/\\1/p" "$2"
}

fuzz() {
	source=$1
	name=$(basename "$source" .c)
	name=${name#fuzz_}
	program=out/fuzz/fuzz_$name
	corpus=$(mktemp -d) || return 1
	options=
	[ ! -f "regress/fuzz/$name.dict" ] || options="-dict=regress/fuzz/$name.dict"
	if ! $cc -g -O1 -fsanitize=fuzzer,address,undefined \
	    -fno-sanitize-recover=undefined $CPPFLAGS -o "$program" "$source" \
	    $(field sources "$source") $LIBS $(field libs "$source") \
	    > "$program.log" 2>&1; then
		echo "FAIL fuzz_$name: does not build"
		tail -n 20 "$program.log" | sed 's/^/    /'
		rm -rf "$corpus"
		return 1
	fi
	seeds=
	[ ! -d "regress/fuzz/corpus/$name" ] || seeds=regress/fuzz/corpus/$name
	ASAN_OPTIONS=detect_leaks=1 "$program" -max_total_time="$seconds" \
	    -timeout=10 -rss_limit_mb=2048 -artifact_prefix="out/fuzz/$name-" \
	    $options "$corpus" $seeds > "$program.log" 2>&1
	status=$?
	rm -rf "$corpus"
	runs=$(sed -n 's/^Done \([0-9]*\) runs.*/\1/p' "$program.log" | tail -n 1)
	if [ $status -ne 0 ] || [ "${runs:-0}" -eq 0 ]; then
		echo "FAIL fuzz_$name: exit $status"
		tail -n 40 "$program.log" | sed 's/^/    /'
		return 1
	fi
	echo "ok   fuzz_$name: $runs runs in $seconds s"
}

for source in regress/fuzz/fuzz_*.c; do
	if fuzz "$source"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ]
