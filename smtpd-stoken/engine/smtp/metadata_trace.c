/* SPDX-License-Identifier: ISC */
/*
 * Container type 0: trace header fields, in the syntax of a header. They are
 * put on top of the message in the order of the commands (D-M05), so nothing
 * that ends the header may be in them: whole fields with CR LF at the end of
 * each line, no empty line, no bare CR or LF, no NUL (D-M09).
 */
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/engine/smtp/container.h"

static const struct smtp_refusal bad_fields = {
    554, "5.6.0", "Not a list of header fields"};

static int
is(const uint8_t *name, size_t length, const char *text)
{
	return strlen(text) == length &&
	    strncasecmp((const char *)name, text, length) == 0;
}

/* One line up to and with its CR LF; 0 when it is not well-formed. */
static size_t
line_length(const uint8_t *line, size_t length)
{
	const uint8_t *cr = memchr(line, '\r', length);
	size_t n;

	if (cr == NULL)
		return 0;
	n = (size_t)(cr - line);
	if (n + 1 >= length || cr[1] != '\n' || memchr(line, '\n', n) != NULL ||
	    memchr(line, '\0', n) != NULL)
		return 0;
	return n + 2;
}

/* A line that goes on with a field holds more than blanks. */
static int
continues(const uint8_t *line, size_t length)
{
	size_t i = 0;

	while (i < length && (line[i] == ' ' || line[i] == '\t'))
		i++;
	return i > 0 && line[i] != '\r';
}

/* RFC 5322 section 2.2: printable ASCII without colon. 0 when it is none. */
static size_t
name_length(const uint8_t *line, size_t length)
{
	size_t i;

	for (i = 0; i < length && line[i] > ' ' && line[i] < 127; i++)
		if (line[i] == ':')
			return i;
	return 0;
}

/* A field with the lines that it goes on with; 0 when there is none. */
static size_t
field_length(const uint8_t *field, size_t length)
{
	size_t all, n;

	if (name_length(field, length) == 0 ||
	    (all = line_length(field, length)) == 0)
		return 0;
	while (all < length && (field[all] == ' ' || field[all] == '\t')) {
		n = line_length(field + all, length - all);
		if (n == 0 || !continues(field + all, n))
			return 0;
		all += n;
	}
	return all;
}

/*
 * Section 11: the site's own MTA may give everything but Return-Path, which
 * is ours; who comes with a token Received alone; a user nothing.
 */
static int
allowed(const struct smtp_session *session, const uint8_t *name, size_t length)
{
	switch (session->login) {
	case SMTP_TRUSTED:
		return !is(name, length, "Return-Path");
	case SMTP_TOKEN:
		return is(name, length, "Received");
	default:
		return 0;
	}
}

const struct smtp_refusal *
metadata_trace_take(struct smtp_session *session, struct container *container)
{
	struct smtp_data *data = &session->transaction->data;
	uint8_t *fields = container->data;
	size_t i, n, name, kept = 0;

	for (i = 0; i < container->length; i += n) {
		n = field_length(fields + i, container->length - i);
		if (n == 0)
			return &bad_fields;
		name = name_length(fields + i, n);
		if (!allowed(session, fields + i, name))
			continue;
		if (is(fields + i, name, "Received") &&
		    ++data->hops > SMTP_HOPS_MAX)
			return smtp_verdict_refusal(session, SMTP_LOOP);
		memmove(fields + kept, fields + i, n);
		kept += n;
	}
	container->length = (uint32_t)kept;
	return NULL;
}

/* With LF line ends, as everything on disk. */
enum smtp_verdict
metadata_trace_write(
    struct smtp_session *session, const struct container *container)
{
	static uint8_t lines[CONTAINER_SIZE];
	struct smtp_data *data = &session->transaction->data;
	size_t i, n = 0;

	for (i = 0; i < container->length; i++)
		if (container->data[i] != '\r')
			lines[n++] = container->data[i];
	data->written += n;
	return n == 0 ? SMTP_OK
		      : session->actions->write(session->owner, lines, n);
}
