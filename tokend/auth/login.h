/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_LOGIN_H
#define TOKEND_AUTH_LOGIN_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/address.h"

struct text_list;

/*
 * The canonical address (PROTOCOL D-S04) that a name in a file or in a login
 * stands for. A bare name belongs to the site's domain when there is only one
 * (DESIGN section 11). Returns 0, or -1 when it is no address.
 */
int login_canonical(const struct text_list *domains, const char *text,
    size_t length, char out[ADDRESS_SIZE]);

/* Is a canonical address in one of the site's domains? */
bool login_is_local(const struct text_list *domains, const char *canonical);

#endif
