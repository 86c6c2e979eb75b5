/* SPDX-License-Identifier: ISC */
/*
 * A client of BDAT and BMTD whose steps are picked by the input, two octets
 * each, against the automaton of regress/unit/chunk_model.h.
 * sources: smtpd-stoken/engine/smtp/?*.c lib/address.c lib/base64.c
 * libs: -lidn2
 */
#include "regress/unit/chunk_walk.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct walk *walk;
	size_t i;

	if (size == 0 || size > 4096)
		return 0;
	walk = walk_new(data[0] & 1, data[0] >> 1 & 1, data[0] >> 2 & 1);
	for (i = 1; i + 3 <= size && !walk->world->closed; i += 3)
		if (walk_step(walk, data[i],
			(unsigned int)(data[i + 1] | data[i + 2] << 8)) == -1)
			abort();
	walk_free(walk);
	return 0;
}
