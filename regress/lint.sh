#!/bin/sh
# What can be said of the source without running it: format, manual pages,
# cppcheck, no system conditionals outside compat/ and imsg/, files and
# functions of a size that can be read, layers that do not leak.
set -u
cd "$(dirname "$0")/.." || exit 1
passed=0 failed=0 skipped=0

# verdict NAME: the lines on standard input are faults.
verdict() {
	faults=$(cat)
	if [ -z "$faults" ]; then
		echo "ok   $1"
		passed=$((passed + 1))
	else
		echo "FAIL $1"
		echo "$faults" | sed 's/^/    /' | head -n 40
		failed=$((failed + 1))
	fi
}

skip() {
	echo "SKIP $1: $2 is not installed"
	skipped=$((skipped + 1))
}

files() {
	if [ -d .git ] || [ -f .git ]; then
		git ls-files "$@"
	else
		for pattern in "$@"; do
			find . -name "$(basename "$pattern")" -not -path './out*'
		done | sed 's|^\./||'
	fi
}

format=$(command -v clang-format-14 || command -v clang-format)
if [ -n "$format" ]; then
	for file in $(files '*.c' '*.h'); do
		"$format" "$file" | cmp -s - "$file" || echo "$file: make format"
	done | verdict format
else
	skip format clang-format
fi

for page in $(files '*.[1-9]') out/stoken-imsg.7; do
	case $page in
	*.[578]) mandoc -T lint -W warning "$page" ;;
	esac
done 2>&1 | verdict "manual pages"

if command -v cppcheck > /dev/null; then
	cppcheck -q --enable=warning,portability --inline-suppr \
	    --suppress=missingInclude --suppress=missingIncludeSystem \
	    --suppress=getgrnamCalled --suppress=getpwnamCalled \
	    --suppress=readdirCalled --suppress=cryptCalled \
	    --library=posix -I . -I compat/include -D__linux__ \
	    -D'RB_PROTOTYPE(a,b,c,d)=' -D'RB_GENERATE(a,b,c,d)=' \
	    lib imsg compat smtpd-stoken tokend lmtpd tokenctl 2>&1 |
	    verdict cppcheck
else
	skip cppcheck cppcheck
fi

grep -nE '#[[:space:]]*if.*(__linux__|__OpenBSD__)' $(files '*.c' '*.h' |
    grep -vE '^(compat|imsg|regress)/') 2>/dev/null | verdict "no system conditionals"

for file in $(files '*.c' '*.h' | grep -v '^regress/'); do
	lines=$(wc -l < "$file")
	case $file in
	*.c) [ "$lines" -le 500 ] || echo "$file: $lines lines" ;;
	*.h) [ "$lines" -le 200 ] || echo "$file: $lines lines" ;;
	esac
done | verdict "files that can be read"

grep -nE '#include [<"](event|tls|imsg/|openssl|db)' \
    $(files 'smtpd-stoken/engine/smtp/*') 2>/dev/null |
    grep -v 'imsg/verdicts.h' | verdict "smtp/ is pure"

grep -nE '#include "(smtpd-stoken|tokend|lmtpd|tokenctl)/' \
    $(files 'lib/*' 'imsg/*' 'compat/*') 2>/dev/null |
    verdict "lib, imsg and compat know nothing above them"

for program in engine; do
	ldd out/libexec/smtpd-stoken/$program 2>/dev/null |
	    grep -E 'libtls|libssl|libcrypto|libdb'
done | verdict "the engine links neither TLS nor a database"

if command -v shellcheck > /dev/null; then
	shellcheck -S error $(files '*.sh') configure .ci/run 2>&1 |
	    verdict shellcheck
fi

/usr/bin/python3 regress/clauses.py 2>&1 | grep -v '^clauses:' | verdict clauses

echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
