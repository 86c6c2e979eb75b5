/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/socket.h>
#include <arpa/inet.h>

#include <idn2.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"

/* atext of RFC 5322 section 3.2.3; RFC 6531 adds everything above ASCII. */
static int
is_atext(unsigned char c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c >= 0x80)
		return 1;
	return c != '\0' && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL;
}

static int
is_let_dig(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9') || c >= 0x80;
}

static char
lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int
all_ascii(const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		if ((unsigned char)text[i] >= 0x80)
			return 0;
	return 1;
}

/* The octets of the UTF-8 sequence at text, 0 when it is none. */
static size_t
utf8_sequence(const unsigned char *text, size_t left)
{
	static const struct {
		unsigned char first, last, low, high;
		size_t octets;
	} rows[] = {/* RFC 3629 section 4 */
	    {0x01, 0x7f, 0, 0, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2},
	    {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
	    {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
	    {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4},
	    {0xf4, 0xf4, 0x80, 0x8f, 4}};
	size_t i, j;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (text[0] < rows[i].first || text[0] > rows[i].last)
			continue;
		if (rows[i].octets > left)
			return 0;
		if (rows[i].octets > 1 &&
		    (text[1] < rows[i].low || text[1] > rows[i].high))
			return 0;
		for (j = 2; j < rows[i].octets; j++)
			if ((text[j] & 0xc0) != 0x80)
				return 0;
		return rows[i].octets;
	}
	return 0;
}

int
utf8_valid(const char *text, size_t length)
{
	size_t i, n;

	for (i = 0; i < length; i += n)
		if ((n = utf8_sequence(
			 (const unsigned char *)text + i, length - i)) == 0)
			return 0;
	return 1;
}

/* Quoted-string (RFC 5321 section 4.1.2) at text; its octets, or 0. */
static size_t
scan_quoted(const char *text, size_t length)
{
	size_t i;
	unsigned char c;

	for (i = 1; i < length; i++) {
		c = (unsigned char)text[i];
		if (c == '"')
			return i + 1;
		if (c == '\\') {
			if (++i == length)
				return 0;
			c = (unsigned char)text[i];
			if (c >= 0x80)
				return 0;
		}
		if (c < 0x20 || c == 0x7f)
			return 0;
	}
	return 0;
}

/* Dot-string at text; its octets, or 0. */
static size_t
scan_dot_string(const char *text, size_t length)
{
	size_t i;
	int atom = 0;

	for (i = 0; i < length; i++) {
		if (is_atext((unsigned char)text[i]))
			atom = 1;
		else if (text[i] == '.' && atom)
			atom = 0;
		else
			break;
	}
	return atom ? i : 0;
}

/* Domain at text, without a dot at its end; its octets, or 0. */
static size_t
scan_domain(const char *text, size_t length)
{
	size_t i, label = 0;
	unsigned char c, before = '.';
	int ascii = 1;

	for (i = 0; i < length; i++) {
		c = (unsigned char)text[i];
		if (c == '.') {
			if (label == 0 || before == '-')
				return 0;
			label = 0;
		} else if (is_let_dig(c) || (c == '-' && label > 0)) {
			ascii = ascii && c < 0x80;
			if (++label > 63 && ascii)
				return 0;
		} else
			break;
		before = c;
	}
	return label > 0 && before != '-' ? i : 0;
}

/* Address literal (RFC 5321 section 4.1.3) at text; its octets, or 0. */
static size_t
scan_literal(const char *text, size_t length)
{
	char name[INET6_ADDRSTRLEN + 8];
	unsigned char address[16];
	const char *end;
	size_t n;

	if ((end = memchr(text, ']', length)) == NULL)
		return 0;
	n = (size_t)(end - text) - 1;
	if (n >= sizeof(name) || memchr(text, '\0', n + 1) != NULL)
		return 0;
	memcpy(name, text + 1, n);
	name[n] = '\0';
	if (strncasecmp(name, "IPv6:", 5) == 0) {
		if (inet_pton(AF_INET6, name + 5, address) != 1)
			return 0;
	} else if (inet_pton(AF_INET, name, address) != 1)
		return 0;
	return n + 2;
}

/* Mailbox at the start of text; its octets, or 0. */
static size_t
scan_mailbox(struct address *address, const char *text, size_t length)
{
	size_t n, local;

	memset(address, 0, sizeof(*address));
	if (length == 0)
		return 0;
	if (text[0] == '"')
		local = scan_quoted(text, length);
	else
		local = scan_dot_string(text, length);
	if (local == 0 || local > ADDRESS_LOCAL_MAX)
		return 0;
	address->text = text;
	address->local = text;
	address->local_length = local;
	n = local;
	if (n < length && text[n] == '@' && ++n < length) {
		address->domain = text + n;
		address->literal = text[n] == '[';
		address->domain_length = address->literal
		    ? scan_literal(text + n, length - n)
		    : scan_domain(text + n, length - n);
		if (address->domain_length == 0 ||
		    address->domain_length > ADDRESS_DOMAIN_MAX)
			return 0;
		n += address->domain_length;
	} else if (n < length && text[n - 1] == '@')
		return 0;
	if (n > ADDRESS_MAX || text[n - 1] == '@' || !utf8_valid(text, n))
		return 0;
	address->length = n;
	address->ascii = all_ascii(text, n);
	return n;
}

int
address_parse(struct address *address, const char *text, size_t length)
{
	if (scan_mailbox(address, text, length) != length || length == 0 ||
	    address->domain_length == 0)
		return -1;
	return 0;
}

/* Source route "@a,@b:" at text, with its colon; its octets, 0 if none. */
static size_t
scan_route(const char *text, size_t length)
{
	size_t n, i = 0;

	while (i < length && text[i] == '@') {
		i++;
		if ((n = scan_domain(text + i, length - i)) == 0)
			return 0;
		i += n;
		if (i < length && text[i] == ':')
			return i + 1;
		if (i < length && text[i] == ',')
			i++;
	}
	return 0;
}

size_t
path_parse(struct address *address, const char *text, size_t length)
{
	size_t n, i = 1;

	memset(address, 0, sizeof(*address));
	if (length < 2 || text[0] != '<')
		return 0;
	if (text[1] == '>') {
		address->text = text + 1;
		address->ascii = 1;
		return 2;
	}
	if (text[1] == '@') {
		if ((n = scan_route(text + 1, length - 1)) == 0)
			return 0;
		i += n;
	}
	n = scan_mailbox(address, text + i, length - i);
	if (n == 0 || i + n >= length || text[i + n] != '>')
		return 0;
	if (address->domain_length == 0 &&
	    (address->local_length != 10 ||
		strncasecmp(address->local, "postmaster", 10) != 0))
		return 0;
	return i + n + 1;
}

/* A-labels of a domain that has others (RFC 5891, mapped as in UTS 46). */
static int
domain_to_ascii(
    const char *text, size_t length, char out[ADDRESS_DOMAIN_MAX + 1])
{
	uint8_t name[ADDRESS_DOMAIN_MAX + 1], *labels;
	size_t n;

	memcpy(name, text, length);
	name[length] = '\0';
	if (idn2_lookup_u8(name, &labels,
		IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return -1;
	n = strlen((char *)labels);
	if (n == 0 || n > ADDRESS_DOMAIN_MAX) {
		idn2_free(labels);
		return -1;
	}
	memcpy(out, labels, n + 1);
	idn2_free(labels);
	return all_ascii(out, n) ? 0 : -1;
}

int
domain_canonical(
    const char *text, size_t length, char out[ADDRESS_DOMAIN_MAX + 1])
{
	size_t i;

	if (length > 1 && text[length - 1] == '.')
		length--;
	if (length == 0 || length > ADDRESS_DOMAIN_MAX ||
	    scan_domain(text, length) != length)
		return -1;
	if (all_ascii(text, length)) {
		memcpy(out, text, length);
		out[length] = '\0';
	} else if (!utf8_valid(text, length) ||
	    domain_to_ascii(text, length, out) == -1)
		return -1;
	length = strlen(out);
	if (length == 0 || scan_domain(out, length) != length)
		return -1;
	for (i = 0; i < length; i++)
		out[i] = lower(out[i]);
	return 0;
}

/* Content of a quoted string, lower-cased; out is as large as the text. */
static size_t
unquote(const char *text, size_t length, char *out)
{
	size_t i, n = 0;

	for (i = 1; i + 1 < length; i++) {
		if (text[i] == '\\')
			i++;
		out[n++] = lower(text[i]);
	}
	return n;
}

/* Writes content as the shortest quoted string; its octets. */
static size_t
quote(const char *content, size_t length, char *out)
{
	size_t i, n = 0;

	out[n++] = '"';
	for (i = 0; i < length; i++) {
		if (content[i] == '"' || content[i] == '\\')
			out[n++] = '\\';
		out[n++] = content[i];
	}
	out[n++] = '"';
	return n;
}

int
address_canonical(const struct address *address, char out[ADDRESS_SIZE])
{
	char domain[ADDRESS_DOMAIN_MAX + 1], content[ADDRESS_LOCAL_MAX];
	size_t i, n;

	if (address->literal ||
	    domain_canonical(address->domain, address->domain_length, domain) ==
		-1)
		return -1;
	if (address->local[0] == '"') {
		n = unquote(address->local, address->local_length, content);
		if (n > 0 && scan_dot_string(content, n) == n)
			memcpy(out, content, n);
		else
			n = quote(content, n, out);
	} else {
		n = address->local_length;
		for (i = 0; i < n; i++)
			out[i] = lower(address->local[i]);
	}
	if (n + 1 + strlen(domain) > ADDRESS_MAX)
		return -1;
	out[n++] = '@';
	memcpy(out + n, domain, strlen(domain) + 1);
	return 0;
}

int
address_canonical_text(const char *text, size_t length, char out[ADDRESS_SIZE])
{
	struct address address;

	if (address_parse(&address, text, length) == -1)
		return -1;
	return address_canonical(&address, out);
}

int
address_base(const char *canonical, char out[ADDRESS_SIZE])
{
	const char *plus, *at;
	size_t n = strlen(canonical), head;

	if (n > ADDRESS_MAX)
		n = ADDRESS_MAX;
	memcpy(out, canonical, n);
	out[n] = '\0';
	at = strrchr(out, '@');
	plus = strchr(out, '+');
	if (out[0] == '"' || at == NULL || plus == NULL || plus == out ||
	    plus[-1] == '.' || plus > at)
		return 0;
	head = (size_t)(plus - out);
	memmove(out + head, at, strlen(at) + 1);
	return 1;
}
