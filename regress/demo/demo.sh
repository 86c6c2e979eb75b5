#!/bin/sh
# make demo: installs what is missing, builds, and shows two sites that come to
# deliver to each other by token. Everything lies in temporary directories.
# Postfix and nsd are unpacked, not installed; Postfix wants root, since it
# runs in name spaces.
set -eu
cd "$(dirname "$0")/../.."
sh regress/deps.sh demo
${MAKE:-make} -s all
sh regress/peers/unpack.sh postfix nsd
if [ "$(id -u)" -ne 0 ] && sudo -n true 2> /dev/null; then
	exec sudo "$(command -v /usr/bin/python3 || command -v python3)" \
	    regress/demo/demo.py "$@"
fi
exec "$(command -v /usr/bin/python3 || command -v python3)" regress/demo/demo.py "$@"
