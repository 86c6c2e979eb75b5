/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_RESULTS_H
#define ENGINE_SMTP_RESULTS_H

#include <stddef.h>

/* The value of a field, as it stands behind the colon; folds end in "\n". */
struct results_field {
	const char *value;
	size_t length;
};

/* Those of one authserv-id that stand together, topmost first. */
struct results {
	const struct results_field *fields;
	size_t count;
	/*
	 * A Received field stands above them: where the message had none when
	 * the site got it, the lower ones may have been in it already. Then
	 * only dkim is taken from them, and only where the topmost speaks of
	 * dmarc: that filter has asked another one about dkim.
	 */
	int below_received;
};

/*
 * Whether Authentication-Results fields (RFC 8601) vouch for the address in
 * the From field: each filter of a site may have written one.
 *
 * They do when their authserv-id is `authserv`, and
 *   dmarc=pass, with header.from, if that is given, the domain of From; or
 *   dkim=pass, with header.d (without one: the domain of header.i) the domain
 *   of From, or one that it lies below. That one has a dot: not "com".
 * Of each method the topmost field that tells of it counts, and in that every
 * dkim is looked at. With dmarc=fail they vouch for nothing, and so they do
 * if anything is not as the RFC says: two of dmarc in a field, a version other
 * than 1, a comment or quoted string without an end, an octet
 * that has no place there. Only values of properties may hold what ought to
 * be quoted ("/", "=", ":"), since servers write them so.
 *
 * from: an address. Returns 1 or 0.
 */
int
results_vouch(const struct results *, const char *authserv, const char *from);

#endif
