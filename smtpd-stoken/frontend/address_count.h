/* SPDX-License-Identifier: ISC */
#ifndef FRONTEND_ADDRESS_COUNT_H
#define FRONTEND_ADDRESS_COUNT_H

#include <stddef.h>
#include <stdint.h>

/*
 * How many half-open sessions an address has. 16 octets; IPv6 is counted by
 * its /64, which is what one customer has; IPv4 (mapped) by address. The
 * caller bounds the number of sessions, and so the memory.
 */

/* Counts one more, unless there are `most`. Returns 0, or -1 when there are
 * (or memory is short). */
int address_count_add(const uint8_t address[16], size_t most);

/* One less; it was counted before. */
void address_count_remove(const uint8_t address[16]);

#endif
