/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/tree.h>

#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/frontend/address_count.h"

struct address_count {
	RB_ENTRY(address_count) entry;
	uint8_t prefix[16];
	size_t count;
};

static int
compare(const struct address_count *a, const struct address_count *b)
{
	return memcmp(a->prefix, b->prefix, sizeof(a->prefix));
}

static RB_HEAD(address_counts, address_count)
counts = RB_INITIALIZER(&counts);
RB_PROTOTYPE(address_counts, address_count, entry, compare)
RB_GENERATE(address_counts, address_count, entry, compare)

static void
set_prefix(struct address_count *key, const uint8_t address[16])
{
	static const uint8_t mapped[12] = {
	    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	memset(key->prefix, 0, sizeof(key->prefix));
	memcpy(key->prefix, address,
	    memcmp(address, mapped, sizeof(mapped)) == 0 ? 16 : 8);
}

int
address_count_add(const uint8_t address[16], size_t most)
{
	struct address_count key, *found;

	set_prefix(&key, address);
	if ((found = RB_FIND(address_counts, &counts, &key)) == NULL) {
		if (most == 0 || (found = malloc(sizeof(*found))) == NULL)
			return -1;
		*found = key;
		found->count = 0;
		RB_INSERT(address_counts, &counts, found);
	}
	if (found->count >= most)
		return -1;
	found->count++;
	return 0;
}

void
address_count_remove(const uint8_t address[16])
{
	struct address_count key, *found;

	set_prefix(&key, address);
	if ((found = RB_FIND(address_counts, &counts, &key)) == NULL)
		return;
	if (--found->count == 0) {
		RB_REMOVE(address_counts, &counts, found);
		free(found);
	}
}
