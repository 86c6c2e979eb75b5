/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/engine/smtp/foreign.h"

/* Octets that are letters, from the start. */
static size_t
letters(const char *line, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (!(line[i] >= 'A' && line[i] <= 'Z') &&
		    !(line[i] >= 'a' && line[i] <= 'z'))
			break;
	return i;
}

int
smtp_announces_octets(const char *line, size_t length)
{
	while (length > 0 && (*line == ' ' || *line == '\t')) {
		line++;
		length--;
	}
	return letters(line, length) == 4 &&
	    (strncasecmp(line, "BDAT", 4) == 0 ||
		strncasecmp(line, "BMTD", 4) == 0);
}

int
smtp_is_foreign(const char *line, size_t length)
{
	size_t i, verb = letters(line, length);

	if (length == 0)
		return 0;
	if (verb == 0 || (verb < length && line[verb] != ' '))
		return 1;
	for (i = length; line[i - 1] != ' ' && i > verb; i--)
		;
	return length - i >= 5 && memcmp(line + i, "HTTP/", 5) == 0;
}
