/* SPDX-License-Identifier: ISC */
/*
 * `tokenctl show metrics` and `check`: tokend asks the parent (MEASURE), the
 * parent all processes (COUNT), and what they say comes back.
 */
#ifndef LIB_MEASURE_H
#define LIB_MEASURE_H

#include "imsg/messages.h"

/* FINDING state. Never renumbered. */
enum finding_state {
	FINDING_OK = 1,
	FINDING_WARNING,
	FINDING_PROBLEM,
	FINDING_UNCHECKED
};

/* Handles COUNT; `measure` is the process', or NULL. */
void measure_answer(const struct msg_count *, void (*measure)(int check));

/*
 * Within `measure`: says how an item is, and what to do if it is not good.
 * Item and text are cut where they are too long.
 */
void measure_finding(enum finding_state state, const char *item,
    const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Within `measure`: the number of the request, for other messages. */
uint32_t measure_request(void);

#endif
