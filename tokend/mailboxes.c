/* SPDX-License-Identifier: ISC */
#include "tokend/mailboxes.h"

#include <stdlib.h>
#include <string.h>

#include "lib/address.h"

#define PLACES 256
#define LIST_MAX 512

/* An address has one place; another one that belongs there takes it over. */
struct place {
	uint64_t until;
	size_t address_length;
	size_t list_length;
	uint8_t address[ADDRESS_SIZE];
	uint8_t list[LIST_MAX];
};

static struct place *places[PLACES];

static struct place **
place_of(struct bytes address)
{
	uint32_t hash = 2166136261U; /* FNV-1a: our own addresses, no foe */
	size_t i;

	for (i = 0; i < address.length; i++)
		hash = (hash ^ address.data[i]) * 16777619U;
	return &places[hash % PLACES];
}

void
mailboxes_learn(struct bytes address, struct bytes list, uint64_t now)
{
	struct place **at = place_of(address), *place = *at;

	if (address.length > sizeof(place->address) || list.length > LIST_MAX)
		return;
	if (place == NULL && (place = *at = malloc(sizeof(*place))) == NULL)
		return;
	memcpy(place->address, address.data, address.length);
	place->address_length = address.length;
	memcpy(place->list, list.data, list.length);
	place->list_length = list.length;
	place->until = now + KNOWN_MS;
}

int
mailboxes_known(struct bytes address, struct bytes *list, uint64_t now)
{
	const struct place *place = *place_of(address);

	if (place == NULL || place->until <= now ||
	    !bytes_equal(
		address, bytes_of(place->address, place->address_length)))
		return 0;
	*list = bytes_of(place->list, place->list_length);
	return 1;
}

void
mailboxes_forget_all(void)
{
	size_t i;

	for (i = 0; i < PLACES; i++) {
		free(places[i]);
		places[i] = NULL;
	}
}
