#!/bin/sh
# make check: installs what the tests need, builds, runs everything, and ends
# with one line: N passed, N failed, N skipped. Each part prints its own such
# line at its end. PARTS="unit protocol" runs some parts alone.
set -u
cd "$(dirname "$0")/.."
make=${MAKE:-make}
python=$(command -v /usr/bin/python3 || command -v python3)
parts=${PARTS:-"build unit config sandbox clauses protocol faults hostile root peers install bmake lint fuzz"}
passed=0 failed=0 skipped=0 broken=

if [ -n "${SANITIZE:-}" ]; then
	. regress/sanitize/enter.sh
fi

pytest() {
	"$python" -B -m pytest -q -p no:cacheprovider "$@"
}

run_build() { $make -s all && echo "1 passed, 0 failed, 0 skipped"; }
run_unit() { $make -s unit; }
run_config() { sh regress/config/run.sh; }
run_sandbox() { sh regress/sandbox/run.sh; }
run_clauses() { sh regress/clauses.sh; }
run_protocol() { pytest regress/protocol; }
run_faults() { pytest regress/faults; }
run_hostile() { pytest regress/hostile; }
run_root() { pytest regress/root; }
run_peers() { pytest regress/peers; }
run_install() { sh regress/install.sh; }
run_bmake() { sh regress/bmake.sh; }
run_lint() { sh regress/lint.sh; }
run_fuzz() { $make -s fuzz; }
# These two with SANITIZE alone: are reports seen, and were there any?
run_seen() { sh regress/sanitize/seen.sh "$reports"; }
run_reports() { sh regress/sanitize/reports.sh "$reports"; }

# The last counting line of a part, ours or pytest's, as three numbers.
count() {
	awk '
	function number(word,   m) {
		if (match($0, "[0-9]+ " word)) {
			m = substr($0, RSTART, RLENGTH)
			sub(" .*", "", m)
			return m + 0
		}
		return 0
	}
	/[0-9]+ (passed|failed|skipped|error)/ {
		p = number("passed"); f = number("failed") + number("error")
		s = number("skipped"); seen = 1
	}
	END { if (seen) print p, f, s; else print "0 1 0" }' "$1"
}

sh regress/deps.sh all || echo "check: some packages are missing"
mkdir -p out
for part in $parts; do
	echo "== $part"
	log=out/check-$part.log
	{ "run_$part" 2>&1; echo "exit $?"; } | tee "$log" | grep -v '^exit [0-9]*$'
	status=$(sed -n 's/^exit \([0-9]*\)$/\1/p' "$log" | tail -n 1)
	set -- $(count "$log")
	if [ "$status" -ne 0 ] && [ "$2" -eq 0 ]; then
		set -- "$1" 1 "$3"
	fi
	[ "$2" -eq 0 ] || broken="$broken $part"
	passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
done
[ -z "$broken" ] || echo "failed in:$broken"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
