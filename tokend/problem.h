/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_PROBLEM_H
#define TOKEND_PROBLEM_H

/* What went wrong, in words for the operator. */
struct problem {
	char text[512];
};

void problem_set(struct problem *problem, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
