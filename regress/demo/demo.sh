#!/bin/sh
# make demo: installs what is missing, builds, and shows a correspondent
# delivering by token. Everything lies in one temporary directory.
set -eu
cd "$(dirname "$0")/../.."
sh regress/deps.sh demo
${MAKE:-make} -s all
exec "$(command -v /usr/bin/python3 || command -v python3)" regress/demo/demo.py "$@"
