/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "tokend/auth/name_map.h"

/* FNV-1a. The names are the site's own, so nobody can aim at one slot. */
static uint32_t
hash_of(const char *name)
{
	uint32_t hash = 2166136261U;

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619U;
	return hash;
}

/* The slot of the name, or the free one where it belongs. */
static struct name_slot *
slot_of(const struct name_map *map, const char *name, uint32_t hash)
{
	size_t i = hash & (map->size - 1);

	while (map->slots[i].name != NULL &&
	    (map->slots[i].hash != hash ||
		strcmp(map->slots[i].name, name) != 0))
		i = (i + 1) & (map->size - 1);
	return &map->slots[i];
}

static int
grow(struct name_map *map)
{
	struct name_map wider = {
	    NULL, map->size == 0 ? 64 : map->size * 2, map->used};
	size_t i;

	if ((wider.slots = calloc(wider.size, sizeof(*wider.slots))) == NULL)
		return -1;
	for (i = 0; i < map->size; i++) {
		if (map->slots[i].name != NULL)
			*slot_of(&wider, map->slots[i].name,
			    map->slots[i].hash) = map->slots[i];
	}
	free(map->slots);
	*map = wider;
	return 0;
}

size_t
name_map_add(struct name_map *map, const char *name, size_t index)
{
	struct name_slot *slot;
	uint32_t hash = hash_of(name);

	if ((map->used + 1) * 2 > map->size && grow(map) == -1)
		return NAME_ABSENT;
	slot = slot_of(map, name, hash);
	if (slot->name != NULL)
		return slot->index;
	slot->name = name;
	slot->hash = hash;
	slot->index = (uint32_t)index;
	map->used++;
	return index;
}

size_t
name_map_find(const struct name_map *map, const char *name)
{
	const struct name_slot *slot;

	if (map->size == 0)
		return NAME_ABSENT;
	slot = slot_of(map, name, hash_of(name));
	return slot->name == NULL ? NAME_ABSENT : slot->index;
}

void
name_map_free(struct name_map *map)
{
	free(map->slots);
	memset(map, 0, sizeof(*map));
}
