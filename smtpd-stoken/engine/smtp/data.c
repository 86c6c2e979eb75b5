/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/engine/smtp/session.h"

/*
 * The message between 354 and CR LF "." CR LF, the only thing that ends it
 * (F-110, F-111). It is rewritten where it lies: CR LF becomes LF, a stuffed
 * dot goes, so that it never grows, and the pieces go out in one write.
 */
struct scan {
	struct smtp_session *session;
	struct smtp_data *data;
	uint8_t *in;
	size_t length;
	size_t read; /* octets taken off in */
	size_t kept; /* octets of in that are output */
	int exact; /* any octet may be in them */
};

static const char received[] = "received:";

/* From the first failure on nothing is kept (F-12: it is still consumed). */
static void
fail(struct smtp_session *session, enum smtp_verdict verdict)
{
	struct smtp_data *data = &session->transaction->data;

	if (data->failed != SMTP_OK)
		return;
	data->failed = (uint8_t)verdict;
	session->transaction->open = 0;
	session->actions->abandon(session->owner);
}

void
smtp_message_lost(struct smtp_session *session, enum smtp_verdict verdict)
{
	if (session->transaction != NULL && session->transaction->open)
		fail(session, verdict);
}

/* Writes what is kept so far. */
static void
flush(struct scan *scan)
{
	struct smtp_session *session = scan->session;
	uint64_t most = session->settings->message_size;
	enum smtp_verdict verdict = SMTP_OK;

	if (most > 0 && scan->data->received > most)
		verdict = SMTP_TOO_LARGE;
	else if (!scan->exact && memchr(scan->in, '\0', scan->kept) != NULL)
		verdict = SMTP_NUL;
	else if (scan->kept > 0 && scan->data->failed == SMTP_OK)
		verdict = session->actions->write(
		    session->owner, scan->in, scan->kept);
	if (verdict != SMTP_OK)
		fail(session, verdict);
	scan->data->written += scan->kept;
	scan->kept = 0;
}

/* Looks at the start of header lines for Received (section 6.3 of 5321). */
static void
watch_header(struct smtp_data *data, const uint8_t *text, size_t length)
{
	size_t left;

	if (data->matched >= sizeof(received) - 1)
		return;
	left = sizeof(received) - 1 - data->matched;
	if (length < left)
		left = length;
	if (strncasecmp((const char *)text, received + data->matched, left) !=
	    0)
		data->matched = sizeof(received); /* another field */
	else
		data->matched += (uint8_t)left;
}

/* At the end of a line: an empty one ends the header. */
static void
end_header_line(struct smtp_session *session, struct smtp_data *data)
{
	if (data->matched == 0)
		data->body = 1;
	else if (data->matched == sizeof(received) - 1 &&
	    ++data->hops > SMTP_HOPS_MAX)
		fail(session, SMTP_LOOP);
	data->matched = 0;
}

static void
keep(struct scan *scan, size_t length)
{
	uint8_t *text = scan->in + scan->read;

	if (!scan->data->body)
		watch_header(scan->data, text, length);
	if (scan->kept != scan->read)
		memmove(scan->in + scan->kept, text, length);
	scan->kept += length;
	scan->read += length;
	scan->data->received += length;
}

static void
keep_newline(struct scan *scan)
{
	static const uint8_t newline = '\n';
	struct smtp_session *session = scan->session;

	if (!scan->data->body)
		end_header_line(session, scan->data);
	scan->data->received += 2;
	if (scan->kept < scan->read) {
		scan->in[scan->kept++] = newline;
		return;
	}
	/* Only at the very start, after a bare CR that ended the last piece. */
	if (scan->data->failed == SMTP_OK &&
	    session->actions->write(session->owner, &newline, 1) != SMTP_OK)
		fail(session, SMTP_TEMPORARY);
	scan->data->written++;
}

/* A CR or LF alone: refused, or a line end that ends nothing else (F-111). */
static void
bare_newline(struct scan *scan)
{
	if (!scan->session->settings->normalize)
		fail(scan->session, SMTP_BARE_NEWLINE);
	keep_newline(scan);
	scan->data->position = IN_LINE;
}

static void
in_line(struct scan *scan)
{
	const uint8_t *start = scan->in + scan->read, *cr, *lf;
	size_t length = scan->length - scan->read;

	if ((cr = memchr(start, '\r', length)) != NULL)
		length = (size_t)(cr - start);
	if ((lf = memchr(start, '\n', length)) != NULL) {
		keep(scan, (size_t)(lf - start));
		scan->read++;
		bare_newline(scan);
		return;
	}
	keep(scan, length);
	if (cr != NULL) {
		scan->read++;
		scan->data->position = AFTER_CR;
	}
}

static void
after_cr(struct scan *scan)
{
	if (scan->in[scan->read] != '\n') {
		bare_newline(scan);
		return;
	}
	scan->read++;
	keep_newline(scan);
	scan->data->position = AT_LINE_START;
}

/* RFC 5321 section 4.5.2. Returns 1 when the message is over. */
static int
dot(struct scan *scan)
{
	struct smtp_data *data = scan->data;
	uint8_t next = scan->in[scan->read];

	if (data->position == AFTER_DOT_CR) {
		if (next == '\n') {
			scan->read++;
			return 1;
		}
		bare_newline(scan);
	} else if (next == '\r') {
		scan->read++;
		data->position = AFTER_DOT_CR;
	} else
		data->position = IN_LINE;
	return 0;
}

static void
line_start(struct scan *scan)
{
	if (scan->in[scan->read] == '.' && !scan->data->chunked) {
		scan->read++;
		scan->data->position = AFTER_DOT;
	} else
		scan->data->position = IN_LINE;
}

/* F-17: the rest of the message as it is. */
static void
binary(struct scan *scan)
{
	flush(scan); /* the end of the header, which is text */
	scan->in += scan->read;
	scan->length -= scan->read;
	scan->exact = 1;
	scan->kept = scan->read = scan->length;
	scan->data->received += scan->length;
}

static void
finish(struct smtp_session *session)
{
	const struct smtp_data *data = &session->transaction->data;

	session->reading = READ_COMMAND;
	session->waiting = WAIT_DELIVERY;
	session->transaction->layout.top = session->transaction->trace;
	session->transaction->layout.end = data->written;
	if (data->failed == SMTP_OK)
		session->actions->finish(session->owner, data->written);
	else {
		session->actions->refused(session->owner,
		    session->transaction->id, (enum smtp_verdict)data->failed);
		smtp_on_delivered(session, NULL, 0);
	}
}

size_t
smtp_data_input(struct smtp_session *session, uint8_t *in, size_t length)
{
	struct scan scan = {
	    session, &session->transaction->data, in, length, 0, 0, 0};
	int over = 0;

	while (scan.read < length && !over) {
		switch (scan.data->position) {
		case AT_LINE_START:
			line_start(&scan);
			break;
		case IN_LINE:
			in_line(&scan);
			break;
		case AFTER_CR:
			after_cr(&scan);
			break;
		default:
			over = dot(&scan);
			break;
		}
	}
	flush(&scan);
	if (over)
		finish(session);
	return scan.read;
}

/* BDAT: no dots, and nothing in it ends it. */
void
smtp_content_input(struct smtp_session *session, uint8_t *in, size_t length)
{
	struct scan scan = {
	    session, &session->transaction->data, in, length, 0, 0, 0};

	while (scan.read < scan.length) {
		if (scan.data->binary && scan.data->body)
			binary(&scan);
		else if (scan.data->position == AFTER_CR)
			after_cr(&scan);
		else
			in_line(&scan);
	}
	flush(&scan);
}

/* A CR that nothing follows is a bare one. */
void
smtp_content_end(struct smtp_session *session)
{
	struct scan scan = {
	    session, &session->transaction->data, NULL, 0, 0, 0, 0};

	if (scan.data->position == AFTER_CR)
		bare_newline(&scan);
}
