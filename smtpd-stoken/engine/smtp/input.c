/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/engine/smtp/chunk.h"
#include "smtpd-stoken/engine/smtp/command.h"
#include "smtpd-stoken/engine/smtp/foreign.h"

static const struct smtp_refusal too_long = {500, "5.5.2", "Line too long"};
static const struct smtp_refusal auth_too_long = {
    500, "5.5.6", "Authentication exchange line is too long"};
static const struct smtp_refusal bad_character = {
    500, "5.5.2", "Lines end with CR LF, and hold no CR, LF or NUL"};

/*
 * An octet of a line that is thrown away. Returns 1 when the line, or what
 * stands behind a CR or LF in it, which the client may take for a line, is
 * about octets that follow (D-M12).
 */
static int
announces(struct smtp_session *session, char c)
{
	int end = c == '\r' || c == '\n';

	if (!end && session->part_length < sizeof(session->part) &&
	    (session->part_length > 0 || (c != ' ' && c != '\t')))
		session->part[session->part_length++] = c;
	else if (!end)
		return 0;
	if (smtp_announces_octets(session->part, session->part_length) &&
	    (end || session->part_length == sizeof(session->part)))
		return 1;
	if (end)
		session->part_length = 0;
	return 0;
}

/*
 * A line that was refused is thrown away up to its CR LF, and to nothing
 * else: a bare LF that ended it would let the rest be read as a command
 * (F-111).
 */
static size_t
skip(struct smtp_session *session, const char *data, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++) {
		if (announces(session, data[i])) {
			smtp_close(session, "errors");
			return length;
		}
		if (data[i] == '\n' && session->skipped_cr) {
			session->skipping = 0;
			return i + 1;
		}
		session->skipped_cr = data[i] == '\r';
	}
	session->skipped += length;
	if (session->skipped > SMTP_SKIP_MAX) {
		smtp_reply(session, 421, "4.7.0", "%s Line without an end",
		    session->settings->hostname);
		smtp_close(session, "errors");
	}
	return length;
}

/* Refuses the line that data starts with; it is skipped from there. */
static void
refuse_line(struct smtp_session *session, const struct smtp_refusal *refusal)
{
	session->skipping = 1;
	session->skipped = 0;
	session->skipped_cr = 0;
	session->part_length = 0;
	if (session->reading == READ_AUTH) {
		session->reading = READ_COMMAND;
		session->actions->auth_abort(session->owner);
	}
	smtp_refusal_reply(session, refusal);
}

/* Why a line, or the start of one that has no end yet, is refused. */
static const struct smtp_refusal *
unfit(const struct smtp_session *session, const char *line, size_t length,
    const char *lf)
{
	size_t most = SMTP_LINE_MAX, n = length;

	if (session->reading == READ_AUTH)
		most = SMTP_AUTH_LINE_MAX;
	if (lf != NULL) {
		n = (size_t)(lf - line) + 1;
		if (n < 2 || lf[-1] != '\r' ||
		    memchr(line, '\r', n - 2) != NULL)
			return &bad_character;
	} else if (n > 1 && memchr(line, '\r', n - 1) != NULL)
		return &bad_character;
	if (memchr(line, '\0', n) != NULL) /* F-113 */
		return &bad_character;
	if (n <= most)
		return NULL;
	if (session->reading == READ_AUTH || strncasecmp(line, "AUTH ", 5) == 0)
		return &auth_too_long;
	return &too_long;
}

/* Reads one line; returns the octets used, 0 when it cannot be yet. */
static size_t
read_line(struct smtp_session *session, const char *data, size_t length)
{
	const struct smtp_refusal *refusal;
	const char *lf;
	size_t n;

	lf = memchr(data, '\n', length);
	if ((refusal = unfit(session, data, length, lf)) != NULL) {
		if (smtp_outstanding(session)) {
			session->stalled = 1;
			return 0;
		}
		refuse_line(session, refusal);
		return session->closed ? length : skip(session, data, length);
	}
	if (lf == NULL)
		return 0;
	n = (size_t)(lf - data) + 1;
	if (session->reading == READ_AUTH)
		smtp_auth_response(session, data, n - 2);
	else if (!smtp_command(session, data, n - 2)) {
		session->stalled = 1;
		return 0;
	} else
		session->commands++;
	return n;
}

size_t
smtp_input(struct smtp_session *session, uint8_t *data, size_t length)
{
	size_t n, used = 0;

	session->stalled = 0;
	while (used < length) {
		if (session->closed || session->waiting == WAIT_TLS)
			return length; /* F-64 */
		if (session->waiting != WAIT_NONE) {
			session->stalled = 1;
			break;
		}
		if (session->skipping)
			n = skip(session, (char *)data + used, length - used);
		else if (session->reading == READ_DATA)
			n = smtp_data_input(
			    session, data + used, length - used);
		else if (session->reading == READ_CHUNK)
			n = smtp_chunk_input(
			    session, data + used, length - used);
		else
			n = read_line(
			    session, (char *)data + used, length - used);
		if (n == 0)
			break;
		used += n;
	}
	return used;
}
