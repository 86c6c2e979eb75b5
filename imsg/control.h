/* SPDX-License-Identifier: ISC */
/* What tokenctl and tokend say to each other, beside control.def's rows. */
#ifndef IMSG_CONTROL_H
#define IMSG_CONTROL_H

#define CONTROL_VERSION 1

/* CONTROL_END status. */
enum control_status {
	CONTROL_OK = 1,
	CONTROL_USAGE, /* exit 64 */
	CONTROL_DATA, /* exit 65: bad address or token */
	CONTROL_AGAIN, /* exit 75 */
	CONTROL_REFUSED, /* exit 77 */
	CONTROL_FAILED /* exit 70 */
};

enum control_verb {
#define CONTROL(NAME, number, may, words, arguments, meaning) \
	CONTROL_VERB_##NAME = number,
#include "imsg/control.def"
#undef CONTROL
};

#endif
