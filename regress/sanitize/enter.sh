# shellcheck shell=sh
# Read by check.sh: a copy of the tree with other objects, and what is different
# there. SANITIZE=1: under the sandbox. SANITIZE=leaks: without it, and every
# process looks for leaks when it exits.
for clang in clang clang-14 clang-16 clang-17 ""; do
	command -v "$clang" > /dev/null && break
done
if [ -z "$clang" ]; then
	# gcc has two libraries for the two, and one would keep its reports.
	echo "check: the sanitizers need clang" >&2
	exit 1
fi
case $SANITIZE in
leaks)
	copy=$PWD/out-leaks without=-DSANDBOX_OFF
	parts=${PARTS:-"build seen unit config protocol faults hostile root"} ;;
*)
	copy=$PWD/out-sanitize without=
	parts=${PARTS:-"build seen unit config sandbox protocol faults hostile root"} ;;
esac
parts="$parts reports"
mkdir -p "$copy"
git ls-files -co --exclude-standard | tar -cf - -T - | tar -xf - -C "$copy"
# What was unpacked for the tests.
mkdir -p "$PWD/out/peers" "$copy/out"
[ -e "$copy/out/peers" ] || ln -s "$PWD/out/peers" "$copy/out/peers"
cd "$copy" || exit 1
export SANITIZE
# Where users of every kind may write, who run the processes.
reports=/var/tmp/stoken-reports-$(printf %s "$copy" | cksum | tr ' ' -)
rm -f "$reports"
: > "$reports" && chmod 666 "$reports" || exit 1
if [ ! -f config.mk ] || [ configure -nt config.mk ]; then
	CC=$clang CFLAGS="-O1 -g -fno-omit-frame-pointer \
	    -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	    $without" ./configure > /dev/null || exit 1
	echo "#define SANITIZER_REPORTS \"$reports\"" >> paths.h
fi
