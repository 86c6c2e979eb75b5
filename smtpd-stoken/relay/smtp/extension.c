/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/relay/smtp/extension.h"
#include "smtpd-stoken/relay/smtp/login.h"

/* RFC 1870: a number of at most 20 digits; 0 is no limit. */
static void
take_size(struct extensions *extensions, const char *text, size_t length)
{
	uint64_t size = 0;
	size_t i;

	for (i = 0; i < length && text[i] != ' '; i++) {
		if (text[i] < '0' || text[i] > '9')
			return;
		if (size > (UINT64_MAX - 9) / 10)
			return;
		size = size * 10 + (uint64_t)(text[i] - '0');
	}
	extensions->size = size;
}

static void
take_mechanisms(struct extensions *extensions, const char *text, size_t length)
{
	size_t n;

	while (length > 0) {
		for (n = 0; n < length && text[n] != ' '; n++)
			continue;
		extensions->mechanisms |= login_bit(text, n);
		if (n < length)
			n++;
		text += n;
		length -= n;
	}
}

static const struct {
	const char *keyword;
	unsigned int bit;
	void (*take)(struct extensions *, const char *, size_t);
} table[] = {
    {"PIPELINING", EXTENSION_PIPELINING, NULL},
    {"SIZE", EXTENSION_SIZE, take_size},
    {"8BITMIME", EXTENSION_8BITMIME, NULL},
    {"SMTPUTF8", EXTENSION_SMTPUTF8, NULL},
    {"DSN", EXTENSION_DSN, NULL},
    {"CHUNKING", EXTENSION_CHUNKING, NULL},
    {"BINARYMIME", EXTENSION_BINARYMIME, NULL},
    {"STARTTLS", EXTENSION_STARTTLS, NULL},
    {"AUTH", EXTENSION_AUTH, take_mechanisms},
    {"METADATA", EXTENSION_METADATA, NULL},
    {"STOKEN", EXTENSION_STOKEN, NULL},
};

#define COUNT (sizeof(table) / sizeof(table[0]))

static size_t
find(const char *keyword, size_t length)
{
	size_t i;

	for (i = 0; i < COUNT; i++) {
		if (strlen(table[i].keyword) == length &&
		    strncasecmp(table[i].keyword, keyword, length) == 0)
			break;
	}
	return i;
}

unsigned int
extension_bit(const char *keyword, size_t length)
{
	size_t i = find(keyword, length);

	return i == COUNT ? 0 : table[i].bit;
}

void
extension_line(struct extensions *extensions, const char *text, size_t length)
{
	size_t i, n = 0;

	/* "AUTH=PLAIN" is how it was written before RFC 2554. */
	while (n < length && text[n] != ' ' && text[n] != '=')
		n++;
	if ((i = find(text, n)) == COUNT)
		return;
	extensions->offered |= table[i].bit;
	if (n < length)
		n++;
	if (table[i].take != NULL)
		table[i].take(extensions, text + n, length - n);
}
