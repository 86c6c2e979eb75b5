#!/bin/sh
# SPDX-License-Identifier: ISC
# tokensend-or-sendmail.sh [SENDER RECIPIENT] < message
# Without arguments they are the variables SENDER and RECIPIENT. By token, or
# else by the MTA's sendmail, as it would have gone without. For a single
# recipient: with more, some would get it twice. The tokens are in the file
# ~/.tokensend of the user that this runs as (see tokensend(1)). SENDMAIL and
# TOKENSEND may be set: programs with arguments.
set -u
sender=${1-$SENDER} recipient=${2-$RECIPIENT}
umask 077
message=$(mktemp) || exit 75
trap 'rm -f "$message"' EXIT
cat > "$message" || exit 75
# shellcheck disable=SC2086
${TOKENSEND:-/usr/local/bin/tokensend} -f "$sender" -- "$recipient" < "$message" \
    > /dev/null && exit 0
# shellcheck disable=SC2086
${SENDMAIL:-/usr/sbin/sendmail -G -i} -f "$sender" -- "$recipient" \
    < "$message"
