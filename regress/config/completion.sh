#!/bin/bash
# The bash completion against imsg/control.def: run by bash.
. etc/bash_completion/tokenctl || exit 1
failed=0

complete_words() {
	COMP_WORDS=("$@")
	COMP_CWORD=$(($# - 1))
	_tokenctl
	echo " ${COMPREPLY[*]} "
}

while read -r first second; do
	case $(complete_words tokenctl "") in
	*" $first "*) ;;
	*) echo "tokenctl $first is not completed"; failed=1 ;;
	esac
	[ -n "$second" ] || continue
	case $(complete_words tokenctl -j "$first" "") in
	*" $second "*) ;;
	*) echo "tokenctl $first $second is not completed"; failed=1 ;;
	esac
done < <(sed -n 's/^CONTROL([A-Z_]*, [0-9]*, [A-Z]*, "\([a-z ]*\)",.*/\1/p' imsg/control.def)
case $(complete_words tokenctl revoke p) in
" pair ") ;;
*) echo "revoke p is not pair"; failed=1 ;;
esac
. etc/bash_completion/tokensend || exit 1
for option in $(sed -n 's/.*getopt(argc, argv, "+\(.*\)").*/\1/p' \
    tokensend/options.c | tr -d : | fold -w 1); do
	COMP_WORDS=(tokensend -)
	COMP_CWORD=1
	_tokensend
	case " ${COMPREPLY[*]} " in
	*" -$option "*) ;;
	*) echo "tokensend -$option is not completed"; failed=1 ;;
	esac
done
exit $failed
