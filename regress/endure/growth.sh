#!/bin/sh
# growth.sh [COUNT [KIND ...]]: see growth.py.
cd "$(dirname "$0")/../.." || exit 1
sh regress/peers/unpack.sh nsd
python=$(command -v /usr/bin/python3 || command -v python3)
exec "$python" -B regress/endure/growth.py "$@"
