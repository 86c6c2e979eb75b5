/* SPDX-License-Identifier: ISC */
#include "tokend/auth/backend.h"

/* The first one that is chosen counts; the last one always is. */
static const struct backend *const backends[] = {
    &backend_dovecot,
    &backend_system,
    &backend_file,
};

const struct backend *
backend_choose(const struct settings *settings)
{
	size_t i = 0;

	while (!backends[i]->is_chosen(settings))
		i++;
	return backends[i];
}
