/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_NAME_MAP_H
#define TOKEND_AUTH_NAME_MAP_H

#include <stddef.h>
#include <stdint.h>

/*
 * Finds the index of a name: open addressing, at most half full. The names
 * stay where they are; the map holds pointers to them.
 */
struct name_map {
	struct name_slot {
		const char *name; /* NULL: free */
		uint32_t hash;
		uint32_t index;
	} * slots;
	size_t size; /* a power of two, or 0 */
	size_t used;
};

#define NAME_ABSENT SIZE_MAX

/*
 * Adds a name. Returns `index`, or the index of the same name that was there
 * already, or NAME_ABSENT when memory is short.
 */
size_t name_map_add(struct name_map *map, const char *name, size_t index);

/* The index of a name, or NAME_ABSENT. */
size_t name_map_find(const struct name_map *map, const char *name);

void name_map_free(struct name_map *map);

#endif
