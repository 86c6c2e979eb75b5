#!/bin/sh
# make sanitize: every test with AddressSanitizer and UBSan, without the
# sandbox and with a search for leaks, then once more under the sandbox.
cd "$(dirname "$0")/../.." || exit 1
status=0
for kind in leaks 1; do
	echo "=== SANITIZE=$kind"
	SANITIZE=$kind sh regress/check.sh || status=1
done
exit $status
