/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_PUBLISH_ITEMS_H
#define TOKEND_PUBLISH_ITEMS_H

#include "tokend/publish.h"

/*
 * What should be published, by the settings, and how the certificates are;
 * malloc'ed. NULL: no memory.
 */
struct publish_item *
publish_items(const struct measured *measured, size_t *count);

#endif
