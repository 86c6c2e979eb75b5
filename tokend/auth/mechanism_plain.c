/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "tokend/auth/mechanisms.h"

/* Cuts what stands before the next NUL off *rest. Returns -1 without one. */
static int
before_nul(struct bytes *rest, struct bytes *part)
{
	const uint8_t *nul;

	if (rest->length == 0 ||
	    (nul = memchr(rest->data, '\0', rest->length)) == NULL)
		return -1;
	part->data = rest->data;
	part->length = (size_t)(nul - rest->data);
	rest->data = nul + 1;
	rest->length -= part->length + 1;
	return 0;
}

/* RFC 4616 section 2: [authzid] NUL authcid NUL passwd, and no third NUL. */
enum step_result
plain_step(struct exchange *exchange, const struct bytes *response)
{
	struct bytes authzid, authcid, password;

	if (response == NULL)
		return exchange->step == 0 ? exchange_challenge(exchange, "")
					   : STEP_MALFORMED;
	/* "AUTH PLAIN =": well formed for SMTP (F-34), and nobody's name. */
	if (response->length == 0)
		return exchange_fail(exchange, AUTH_REASON_PROTOCOL);
	password = *response;
	if (before_nul(&password, &authzid) == -1 ||
	    before_nul(&password, &authcid) == -1 ||
	    (password.length > 0 &&
		memchr(password.data, '\0', password.length) != NULL))
		return STEP_MALFORMED;
	exchange_name(exchange, authcid);
	if (!exchange_authzid(exchange, authzid))
		return exchange_fail(exchange, AUTH_REASON_PROTOCOL);
	return exchange_password(exchange, password);
}
