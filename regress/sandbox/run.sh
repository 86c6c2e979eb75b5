#!/bin/sh
# Builds and runs the sandbox tests (make sandbox). Each program prints a line
# for each case and `N passed, N failed, N skipped`; this adds them up. With -v
# the lines of the cases that passed are shown as well.
set -u
cd "$(dirname "$0")/../.." || exit 1
[ -n "${CC:-}" ] || exec "${MAKE:-make}" -s sandbox
[ "${1:-}" = -v ] && show=. || show='^(FAIL|SKIP)'
passed=0 failed=0 skipped=0
out=out/sandbox
mkdir -p $out

# build NAME SOURCES LIBRARIES
build() {
	sources=
	for source in $2; do
		sources="$sources regress/sandbox/$source.c"
	done
	if ! $CC $CPPFLAGS $CFLAGS -o "$out/$1" $sources \
	    regress/sandbox/harness.c $LIBS $3 > "$out/$1.log" 2>&1; then
		sed 's/^/    /' "$out/$1.log"
		echo "FAIL $1: does not build"
		failed=$((failed + 1))
		return 1
	fi
}

# run LABEL PROGRAM [ARGUMENT ...]
run() {
	label=$1
	shift
	program=$1
	shift
	timeout 300 "$program" "$@" > "$out/log" 2>&1
	status=$?
	grep -E "$show" "$out/log" | sed "s/^/    /"
	line=$(grep -E '^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$' \
	    "$out/log" | tail -n 1)
	set -- ${line:-0 . 0 . 0}
	if [ $status -ne 0 ] && [ "$3" -eq 0 ]; then
		tail -n 20 "$out/log"
		set -- "$1" . 1 . "$5"
	fi
	[ "$3" -eq 0 ] && verdict=ok || verdict=FAIL
	printf '%-4s %s: %s passed, %s failed, %s skipped\n' \
	    "$verdict" "$label" "$1" "$3" "$5"
	passed=$((passed + $1)) failed=$((failed + $3)) skipped=$((skipped + $5))
}

# The same as an ordinary user, where root: other errors come first then.
run_as_nobody() {
	label="$1 (ordinary user)"
	if [ "$(id -u)" -ne 0 ] || ! command -v setpriv > /dev/null; then
		return 0
	fi
	copy=$(mktemp -d /tmp/sandbox.XXXXXXXX) && chmod 755 "$copy" &&
	    cp "$2" "$copy/program" && chmod 755 "$copy/program" || return 1
	run "$label" setpriv --reuid 65534 --regid 65534 --clear-groups \
	    "$copy/program"
	rm -rf "$copy"
}

# Without the sandbox the tests must fail, or they show nothing.
must_fail() {
	if "$@" > "$out/log" 2>&1; then
		echo "FAIL $* succeeds without a sandbox"
		failed=$((failed + 1))
	else
		echo "ok   the cases fail without a sandbox:" \
		    "$(grep -c '^FAIL' "$out/log")"
		passed=$((passed + 1))
	fi
}

if build matrix "matrix common files net process" ""; then
	# Beside its own roles all promises that stand in the source.
	grep -rhoE '"stdio[^"]*"' --include='*.c' smtpd-stoken tokend lmtpd \
	    tokenctl | tr -d '"' | sed 's/ *$//' | sort -u > "$out/promises"
	set --
	while read -r promises; do
		set -- "$@" "$promises"
	done < "$out/promises"
	run matrix "$out/matrix" "$@"
	run_as_nobody matrix "$out/matrix"
	run "matrix (no Landlock)" "$out/matrix" -l
	must_fail "$out/matrix" -n
fi
if build behaviour behaviour ""; then
	run behaviour "$out/behaviour"
	run_as_nobody behaviour "$out/behaviour"
	run "behaviour (no Landlock)" "$out/behaviour" -l
fi
if build libraries libraries "$LIBS_TLS $LIBS_DB $LIBS_CRYPT"; then
	run libraries "$out/libraries"
	run_as_nobody libraries "$out/libraries"
fi

# A whole instance: pytest counts otherwise.
python=$(command -v /usr/bin/python3 || command -v python3)
"$python" -B -m pytest -q -p no:cacheprovider regress/sandbox > $out/log 2>&1
status=$?
number() {
	sed -n "\$s/^\(.* \)*\([0-9][0-9]*\) $1.*/\2/p" $out/log
}
p=$(number passed) f=$(number failed) e=$(number error) s=$(number skipped)
f=$((${f:-0} + ${e:-0}))
[ $status -eq 0 ] || [ $f -gt 0 ] || f=1
[ $f -eq 0 ] && verdict=ok || verdict=FAIL
[ $f -eq 0 ] || tail -n 60 $out/log
printf '%-4s %s: %s passed, %s failed, %s skipped\n' \
    $verdict live "${p:-0}" $f "${s:-0}"
passed=$((passed + ${p:-0})) failed=$((failed + f))
skipped=$((skipped + ${s:-0}))

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
