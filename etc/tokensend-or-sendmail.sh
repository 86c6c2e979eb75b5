#!/bin/sh
# SPDX-License-Identifier: ISC
# tokensend-or-sendmail.sh [SENDER RECIPIENT ...] < message
# Without arguments they are the variables SENDER and RECIPIENT. By token, or
# else by the MTA's sendmail, as it would have gone without. There may be
# several recipients; but an MTA should name one at a time, since it runs a
# command that was killed again for all of them. The tokens are in the file
# ~/.tokensend of the user that this runs as (see tokensend(1)). TOKENSEND and
# SENDMAIL may be set: programs with arguments.
#
# -w: tokensend gives up before the MTA kills it (Postfix does after 1000 s,
# Exim after an hour, and each time that they try again).
set -u
umask 077
newline='
'

later() {
	echo "tokensend-or-sendmail: $1" >&2
	exit 75
}

by_sendmail() {
	# shellcheck disable=SC2086
	${SENDMAIL:-/usr/sbin/sendmail -G -i} -f "$sender" -- "$@" <&4
	code=$?
	# One that was killed, or is not there, is no word on the message.
	[ $code -lt 126 ] || later "sendmail: exit $code"
	exit $code
}

# Descriptors 3 and 4 are the message; who is killed leaves no file behind.
deliver() {
	rm -f "$message"
	trap - HUP INT TERM
	# shellcheck disable=SC2086
	said=$(${TOKENSEND:-/usr/local/bin/tokensend -w 600} -f "$sender" \
	    -- "$@" <&3) && exit 0
	# Who was told 250 has it, however tokensend ended.
	for recipient; do
		shift
		bare=${recipient#<}
		case $newline$said in
		*"$newline${bare%>} 250 "*) ;;
		*) set -- "$@" "$recipient" ;;
		esac
	done
	[ $# -gt 0 ] || exit 0
	by_sendmail "$@"
}

[ $# -gt 0 ] || set -- "${SENDER-}" "${RECIPIENT-}"
sender=$1
shift
[ -n "${1-}" ] || later "there is no recipient"
message=$(mktemp) || later "there is no temporary file"
trap 'rm -f "$message"; exit 75' HUP INT TERM
if cat > "$message"; then
	deliver "$@" 3< "$message" 4< "$message"
fi
rm -f "$message"
later "the message cannot be read"
