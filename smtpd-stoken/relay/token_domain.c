/* SPDX-License-Identifier: ISC */
/* Apart from the rest: its struct address is not that of the network. */
#include <string.h>

#include "lib/address.h"
#include "smtpd-stoken/relay/token_domain.h"

int
token_domain(const char *recipient, char domain[TOKEN_DOMAIN_SIZE])
{
	const char *at = strrchr(recipient, '@');

	_Static_assert(TOKEN_DOMAIN_SIZE > ADDRESS_DOMAIN_MAX, "room");
	if (at == NULL)
		return -1;
	return domain_canonical(at + 1, strlen(at + 1), domain);
}
