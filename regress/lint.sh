#!/bin/sh
# What can be said of the source without running it: format, manual pages,
# cppcheck, no system conditionals outside compat/ and imsg/, files and
# functions of a size that can be read, layers that do not leak.
set -u
cd "$(dirname "$0")/.." || exit 1
# At the end of a pipe a function cannot count: what it says is counted.
said=$(mktemp) || exit 1
trap 'rm -f "$said"' EXIT

# verdict NAME: the lines on standard input are faults.
verdict() {
	faults=$(cat)
	if [ -z "$faults" ]; then
		echo "ok   $1" | tee -a "$said"
	else
		echo "FAIL $1" | tee -a "$said"
		echo "$faults" | sed 's/^/    /' | head -n 40
	fi
}

skip() {
	echo "SKIP $1: $2 is not installed" | tee -a "$said"
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
	*.[1578]) mandoc -T lint -W warning "$page" ;;
	esac
done 2>&1 | verdict "manual pages"

if command -v cppcheck > /dev/null; then
	# There are no threads here, which is what ...Called is about; the keys
	# of RB_FIND are filled only as far as the comparison looks at them.
	macros=
	for header in /usr/include/bsd/sys/queue.h /usr/include/bsd/sys/tree.h; do
		[ ! -f $header ] || macros="$macros --include=$header"
	done
	cppcheck -q --enable=warning,portability --inline-suppr $macros \
	    --suppress=missingInclude --suppress=missingIncludeSystem \
	    --suppress=getpwuidCalled --suppress=getgrnamCalled --suppress=getpwnamCalled \
	    --suppress=readdirCalled --suppress=cryptCalled \
	    --suppress=ctuuninitvar --suppress=*:compat/prove.c \
	    --suppress=shiftTooManyBitsSigned:compat/timingsafe.c \
	    --library=posix -I . -I compat/include -D__linux__ \
	    lib imsg compat smtpd-stoken tokend lmtpd tokenctl tokensend 2>&1 |
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

for file in $(files '*.c' | grep -v '^regress/'); do
	awk -v file="$file" '/^{/ { start = NR }
	/^}/ { if (start && NR - start > 70)
			print file ":" start ": " NR - start " lines"
		start = 0 }' "$file"
done | verdict "functions that can be read"

{
	grep -nE '#include [<"](event|tls|imsg/|openssl|db)' \
	    $(files 'smtpd-stoken/engine/smtp/*')
	grep -nE '#include [<"](event|tls|imsg/|openssl/ssl|db)' \
	    $(files 'smtpd-stoken/relay/smtp/*')
} 2>/dev/null | grep -v 'imsg/verdicts.h' | verdict "smtp/ is pure"

grep -nE '#include "(smtpd-stoken|tokend|lmtpd|tokenctl|tokensend)/' \
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

/usr/bin/python3 regress/clauses.py 2>&1 | grep -v '^[0-9]* clauses:' | verdict clauses

failed=$(grep -c '^FAIL' "$said")
echo "$(grep -c '^ok ' "$said") passed, $failed failed, $(grep -c '^SKIP' "$said") skipped"
[ "$failed" -eq 0 ]
