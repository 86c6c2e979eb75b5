/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tokensend/fail.h"

static int is_verbose;

static void
line(const char *format, va_list arguments)
{
	char text[2048], *c;

	(void)vsnprintf(text, sizeof(text), format, arguments);
	for (c = text; *c != '\0'; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
	(void)fprintf(stderr, "tokensend: %s\n", text);
}

void
complain(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	line(format, arguments);
	va_end(arguments);
}

void
tell_all(int verbose)
{
	is_verbose = verbose;
}

void
tell(const char *format, ...)
{
	va_list arguments;

	if (!is_verbose)
		return;
	va_start(arguments, format);
	line(format, arguments);
	va_end(arguments);
}

void
fail(int code, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	line(format, arguments);
	va_end(arguments);
	(void)fflush(stdout);
	exit(code);
}
