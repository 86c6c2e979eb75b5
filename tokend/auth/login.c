/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/settings.h"
#include "tokend/auth/login.h"

int
login_canonical(const struct text_list *domains, const char *text,
    size_t length, char out[ADDRESS_SIZE])
{
	char whole[ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX];
	size_t domain;

	if (length == 0)
		return -1;
	if (memchr(text, '@', length) != NULL)
		return address_canonical_text(text, length, out);
	if (domains->count != 1 || length > ADDRESS_LOCAL_MAX)
		return -1;
	domain = strlen(domains->items[0]);
	if (domain > ADDRESS_DOMAIN_MAX)
		return -1;
	memcpy(whole, text, length);
	whole[length] = '@';
	memcpy(whole + length + 1, domains->items[0], domain);
	return address_canonical_text(whole, length + 1 + domain, out);
}

bool
login_is_local(const struct text_list *domains, const char *canonical)
{
	char domain[ADDRESS_DOMAIN_MAX + 1];
	const char *at = strrchr(canonical, '@');
	size_t i;

	if (at == NULL)
		return false;
	for (i = 0; i < domains->count; i++) {
		if (domain_canonical(domains->items[i],
			strlen(domains->items[i]), domain) == 0 &&
		    strcmp(at + 1, domain) == 0)
			return true;
	}
	return false;
}
