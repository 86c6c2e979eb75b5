/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "tokenctl/fail.h"

void
fail(int code, const char *format, ...)
{
	char text[4608], *c;
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	for (c = text; *c != '\0'; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
	(void)fflush(stdout);
	(void)fprintf(stderr, "tokenctl: %s\n", text);
	exit(code);
}
