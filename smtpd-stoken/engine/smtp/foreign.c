/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/engine/smtp/foreign.h"

static int
is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

int
smtp_announces_octets(const char *line, size_t length)
{
	while (length > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		length--;
	}
	return length >= 4 && (length == 4 || !is_letter(line[4])) &&
	    (strncasecmp(line, "BDAT", 4) == 0 ||
		strncasecmp(line, "BMTD", 4) == 0);
}

int
smtp_is_foreign(const char *line, size_t length)
{
	size_t i, verb;

	for (verb = 0; verb < length && line[verb] != ' '; verb++)
		if (!is_letter(line[verb]) &&
		    !(line[verb] >= '0' && line[verb] <= '9') &&
		    line[verb] != '-' && line[verb] != '_')
			return 1;
	for (i = length; i > verb && line[i - 1] != ' '; i--)
		;
	return i > verb && length - i >= 5 && memcmp(line + i, "HTTP/", 5) == 0;
}
