/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/engine/smtp/field.h"

static int
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

enum field_kind
field_kind(const char *name, size_t length)
{
	static const struct {
		const char *name;
		size_t length;
		enum field_kind kind;
	} names[] = {{"date", 4, FIELD_DATE}, {"from", 4, FIELD_FROM},
	    {"received", 8, FIELD_RECEIVED},
	    {"message-id", 10, FIELD_MESSAGE_ID},
	    {"submission-token", 16, FIELD_TOKEN},
	    {"authentication-results", 22, FIELD_RESULTS}};
	size_t i;

	while (length > 0 && is_blank(name[length - 1]))
		length--;
	for (i = 0; i < length; i++)
		if (name[i] <= ' ' || name[i] > '~')
			return FIELD_NONE;
	if (length == 0)
		return FIELD_NONE;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].length == length &&
		    strncasecmp(names[i].name, name, length) == 0)
			return names[i].kind;
	return FIELD_OTHER;
}

/* RFC 5322 section 3.2.2: where blanks and comments from i on end. */
static size_t
skip_blanks(const char *text, size_t length, size_t i)
{
	size_t depth = 0;

	for (; i < length; i++) {
		if (text[i] == '(')
			depth++;
		else if (depth > 0 && text[i] == '\\')
			i++;
		else if (depth > 0 && text[i] == ')')
			depth--;
		else if (depth == 0 && !is_blank(text[i]))
			break;
	}
	return i < length ? i : length;
}

/*
 * The quoted string at i, without quotes and backslashes unless `raw`, into
 * out, which has room for what is left of size and a NUL. Returns where it
 * ends; past the text when it does not.
 */
static size_t
quoted(const char *text, size_t length, size_t i, int raw, char *out,
    size_t size, size_t *n)
{
	size_t start = i;

	for (; i < length; i++) {
		if (raw || (text[i] != '"' && text[i] != '\\')) {
			if (*n + 1 < size)
				out[*n] = text[i];
			++*n;
		}
		if (text[i] == '"' && i > start)
			return i + 1;
		if (text[i] != '\\' || i + 1 == length)
			continue;
		i++;
		if (*n + 1 < size)
			out[*n] = text[i];
		++*n;
	}
	return length + 1;
}

int
field_authserv_is(const char *value, size_t length, const char *hostname)
{
	char name[ADDRESS_DOMAIN_MAX + 2], ours[ADDRESS_DOMAIN_MAX + 1],
	    theirs[ADDRESS_DOMAIN_MAX + 1];
	size_t i, n = 0;

	i = skip_blanks(value, length, 0);
	if (i == length)
		return -1;
	if (value[i] == '"')
		quoted(value, length, i, 0, name, sizeof(name), &n);
	else
		for (; i < length && !is_blank(value[i]) &&
		     strchr("()<>@,;:\\\"/[]?=", value[i]) == NULL;
		     i++, n++)
			if (n < sizeof(name) - 1)
				name[n] = value[i];
	if (n >= sizeof(name))
		return 0;
	name[n] = '\0';
	if (strcasecmp(name, hostname) == 0)
		return 1;
	return domain_canonical(name, n, theirs) == 0 &&
	    domain_canonical(hostname, strlen(hostname), ours) == 0 &&
	    strcmp(theirs, ours) == 0;
}

/* A mailbox being read. */
struct mailbox {
	char text[ADDRESS_MAX + 1];
	size_t length; /* too much when it does not fit */
	int angle; /* 1 within <>, 2 behind it */
	int split; /* two words side by side: no address */
	int blank; /* since the last octet */
	int listed; /* a comma came */
};

static void
add(struct mailbox *m, char c)
{
	char last = m->length > 0 && m->length < sizeof(m->text)
	    ? m->text[m->length - 1]
	    : '.';

	if (m->blank && last != '.' && last != '@' && c != '.' && c != '@')
		m->split = 1;
	m->blank = 0;
	if (m->length < sizeof(m->text) - 1)
		m->text[m->length] = c;
	m->length++;
}

/* A special octet outside of quotes; -1 when there is not one mailbox. */
static int
special(struct mailbox *m, char c)
{
	if (c == ',') {
		m->listed = m->length > 0;
		return m->angle == 1 ? -1 : 0;
	}
	if (c == '<' && m->angle == 0) {
		m->angle = 1;
		m->length = 0;
		m->split = m->blank = 0;
		return 0;
	}
	if (c == '>' && m->angle == 1) {
		m->angle = 2;
		return 0;
	}
	return -1; /* a group, a route, or nothing that is known */
}

size_t
field_mailbox(const char *value, size_t length, char out[ADDRESS_MAX + 1])
{
	struct mailbox m = {.length = 0};
	struct address address;
	size_t i, next;

	for (i = 0;; i++) {
		next = skip_blanks(value, length, i);
		m.blank |= next > i;
		i = next;
		if (i >= length)
			break;
		if (strchr("<>,:;", value[i]) != NULL) {
			if (special(&m, value[i]) == -1)
				return 0;
			continue;
		}
		if (m.listed || m.angle == 2)
			return 0; /* another one */
		if (value[i] == '"') {
			add(&m, '"');
			m.length--;
			i = quoted(value, length, i, 1, m.text, sizeof(m.text),
				&m.length) -
			    1;
		} else
			add(&m, value[i]);
	}
	if (m.angle == 1 || m.split || m.length >= sizeof(m.text) ||
	    address_parse(&address, m.text, m.length) == -1)
		return 0;
	memcpy(out, m.text, m.length);
	out[m.length] = '\0';
	return m.length;
}

size_t
field_token(const char *value, size_t length, char out[FIELD_TOKEN_MAX + 1])
{
	size_t i = 0, n = 0;

	while (i < length && is_blank(value[i]))
		i++;
	for (; i < length && !is_blank(value[i]) && value[i] != ';'; i++) {
		if (value[i] < '!' || value[i] > '~' || value[i] == '=' ||
		    n == FIELD_TOKEN_MAX)
			return 0;
		out[n++] = value[i];
	}
	out[n] = '\0';
	return n;
}
