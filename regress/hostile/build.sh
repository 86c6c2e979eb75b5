#!/bin/sh
# Builds the programs of this folder that are linked with imsg/:
# build.sh OUTPUT SOURCE ...
set -eu
cd "$(dirname "$0")/../.."
get() {
	sed -n "s/^$1 = //p" config.mk
}
output=$1
shift
$(get CC) -I. -Icompat/include $(get CPPFLAGS_OS) $(get CFLAGS) -Wall -Wextra \
    -o "$output" "$@" out/libcommon.a $(get LIBS_EVENT) $(get LIBS_BASE) \
    $(get LIBS_SECCOMP)
