/* SPDX-License-Identifier: ISC */
#include "tokend/problem.h"

#include <stdarg.h>
#include <stdio.h>

void
problem_set(struct problem *problem, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(problem->text, sizeof(problem->text), format, ap);
	va_end(ap);
}
