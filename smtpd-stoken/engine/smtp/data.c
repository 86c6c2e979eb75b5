/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "lib/address.h"
#include "smtpd-stoken/engine/smtp/header.h"
#include "smtpd-stoken/engine/smtp/session.h"

/*
 * The octets of a message, however they are framed. They are rewritten where
 * they lie: CR LF becomes LF, a stuffed dot goes, so that the body never
 * grows, and the pieces go out in one write. After DATA, CR LF "." CR LF is
 * the only thing that ends it (F-110, F-111).
 */
struct scan {
	struct smtp_session *session;
	struct smtp_data *data;
	uint8_t *in;
	size_t length;
	size_t read; /* octets taken off in */
	uint8_t *out; /* where in `in` the output begins */
	size_t kept; /* octets of output */
	int exact; /* any octet may be in them */
};

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
	else if (!scan->exact && memchr(scan->out, '\0', scan->kept) != NULL)
		verdict = SMTP_NUL;
	else if (scan->kept > 0 && scan->data->failed == SMTP_OK)
		verdict = session->actions->write(
		    session->owner, scan->out, scan->kept);
	if (verdict != SMTP_OK)
		fail(session, verdict);
	scan->data->written += scan->kept;
	scan->out = scan->in + scan->read;
	scan->kept = 0;
}

/* Octets from elsewhere, which may not fit where octets were taken off. */
static void
insert(void *context, const void *text, size_t length)
{
	struct scan *scan = context;
	struct smtp_session *session = scan->session;
	enum smtp_verdict verdict = SMTP_OK;
	uint8_t *to = scan->out + scan->kept;

	if ((size_t)(scan->in + scan->read - to) >= length) {
		memcpy(to, text, length);
		scan->kept += length;
		return;
	}
	flush(scan);
	if (memchr(text, '\0', length) != NULL)
		verdict = SMTP_NUL;
	else if (scan->data->failed == SMTP_OK)
		verdict = session->actions->write(session->owner, text, length);
	if (verdict != SMTP_OK)
		fail(session, verdict);
	scan->data->written += length;
}

/* What the header lets through; most of it lies where it came from. */
static void
pass(void *context, const void *text, size_t length)
{
	struct scan *scan = context;
	uintptr_t at = (uintptr_t)text, in = (uintptr_t)scan->in;

	if (at < in + scan->read || at >= in + scan->length) {
		insert(scan, text, length);
		return;
	}
	if (scan->out + scan->kept != text)
		memmove(scan->out + scan->kept, text, length);
	scan->kept += length;
}

static void
keep(struct scan *scan, size_t length)
{
	struct smtp_data *data = scan->data;
	uint8_t *text = scan->in + scan->read;

	data->received += length;
	if (data->body) {
		if (scan->out + scan->kept != text)
			memmove(scan->out + scan->kept, text, length);
		scan->kept += length;
	} else if (length > 0) {
		if (memchr(text, '\0', length) != NULL)
			fail(scan->session, SMTP_NUL);
		data->body = (uint8_t)header_text(
		    data->header, (char *)text, length, pass, scan);
	}
	scan->read += length;
}

static void
keep_newline(struct scan *scan)
{
	struct smtp_data *data = scan->data;

	data->received += 2;
	if (data->body) {
		if (scan->out + scan->kept < scan->in + scan->read)
			scan->out[scan->kept++] = '\n';
		else
			insert(scan, "\n", 1);
		return;
	}
	data->body = (uint8_t)header_newline(data->header, insert, scan);
	if (data->hops + header_hops(data->header) > SMTP_HOPS_MAX)
		fail(scan->session, SMTP_LOOP);
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

/*
 * Whole lines of the body, ended as they must be, which is what most octets
 * are in: for each one look for its LF, and one move. What is special in any
 * way is left to others. Returns whether there was one.
 */
static int
whole_lines(struct scan *scan)
{
	struct smtp_data *data = scan->data;
	uint8_t *first = scan->out + scan->kept, *out = first;
	const uint8_t *start = scan->in + scan->read, *line = start, *lf;
	const uint8_t *end = scan->in + scan->length;
	int dots = !data->chunked, at_start = data->position == AT_LINE_START;

	if (!data->body || data->position > IN_LINE ||
	    scan->session->settings->normalize)
		return 0;
	while (line < end && !(dots && at_start && *line == '.') &&
	    (lf = memchr(line, '\n', (size_t)(end - line))) != NULL &&
	    lf > line && lf[-1] == '\r') {
		memmove(out, line, (size_t)(lf - line) - 1);
		out += lf - line;
		out[-1] = '\n';
		line = lf + 1;
		at_start = 1;
	}
	if (line == start)
		return 0;
	if (memchr(first, '\r', (size_t)(out - first)) != NULL)
		fail(scan->session, SMTP_BARE_NEWLINE);
	scan->kept += (size_t)(out - first);
	scan->read += (size_t)(line - start);
	data->received += (uint64_t)(line - start);
	data->position = AT_LINE_START;
	return 1;
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
	/* The header may have ended within a line. */
	if (scan->data->position == AFTER_CR)
		insert(scan, "\r", 1);
	scan->data->position = IN_LINE;
	flush(scan); /* the end of the header, which is text */
	scan->exact = 1;
	scan->kept = scan->length - scan->read;
	scan->data->received += scan->kept;
	scan->read = scan->length;
}

int
smtp_message_begin(struct smtp_session *session, int chunked)
{
	struct smtp_transaction *transaction = session->transaction;
	struct smtp_data *data = &transaction->data;
	const struct smtp_settings *settings = session->settings;
	struct header_rules rules = {.submission = session->login == SMTP_USER,
	    .tokens = session->login == SMTP_USER || transaction->outside,
	    .results = session->login != SMTP_TRUSTED,
	    .learn = session->login != SMTP_USER && settings->tokens &&
		settings->learn != SMTP_LEARN_NONE,
	    .hostname = session->settings->hostname,
	    .id = transaction->id,
	    .now = transaction->opened};

	if (rules.learn && session->login == SMTP_TRUSTED &&
	    settings->learn == SMTP_LEARN_AUTHENTICATED)
		rules.authserv = settings->authserv;
	header_free(data->header);
	memset(data, 0, sizeof(*data));
	data->chunked = chunked != 0;
	data->binary =
	    chunked && transaction->mail.body == SMTP_BODY_BINARYMIME;
	rules.binary = data->binary;
	data->header = header_new(&rules);
	data->body = data->header == NULL;
	return data->header != NULL ? 0 : -1;
}

/* The last line may lack its end; so may the header. */
void
smtp_content_end(struct smtp_session *session)
{
	struct smtp_data *data = &session->transaction->data;
	uint8_t none = 0;
	struct scan scan = {session, data, &none, 0, 0, &none, 0, 0};

	if (data->position == AFTER_CR && data->binary && data->body)
		insert(&scan, "\r", 1);
	else if (data->position == AFTER_CR) /* which nothing follows: bare */
		bare_newline(&scan);
	if (!data->body)
		header_end(data->header, insert, &scan);
	flush(&scan);
}

static void
finish(struct smtp_session *session)
{
	struct smtp_transaction *transaction = session->transaction;
	const struct smtp_data *data = &transaction->data;

	session->reading = READ_COMMAND;
	session->waiting = WAIT_DELIVERY;
	if (data->failed == SMTP_OK)
		smtp_content_end(session);
	transaction->layout.top = transaction->trace;
	transaction->layout.end = data->written;
	if (data->failed == SMTP_OK)
		session->actions->finish(session->owner, data->written);
	else {
		session->actions->refused(session->owner, transaction->id,
		    (enum smtp_verdict)data->failed);
		smtp_on_delivered(session, NULL, 0);
	}
}

size_t
smtp_data_input(struct smtp_session *session, uint8_t *in, size_t length)
{
	struct scan scan = {
	    session, &session->transaction->data, in, length, 0, in, 0, 0};
	int over = 0;

	while (scan.read < length && !over) {
		if (whole_lines(&scan))
			continue;
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
	    session, &session->transaction->data, in, length, 0, in, 0, 0};

	while (scan.read < scan.length) {
		if (scan.data->binary && scan.data->body)
			binary(&scan);
		else if (scan.data->position == AFTER_CR)
			after_cr(&scan);
		else if (!whole_lines(&scan))
			in_line(&scan);
	}
	flush(&scan);
}

size_t
smtp_supplied_tokens(
    const struct smtp_session *session, const char *tokens[SMTP_SUPPLIED_MAX])
{
	const struct smtp_transaction *transaction = session->transaction;
	size_t n = 0;

	if (transaction == NULL || transaction->data.header == NULL)
		return 0;
	while (n < SMTP_SUPPLIED_MAX &&
	    (tokens[n] = header_token(transaction->data.header, n)) != NULL)
		n++;
	return n;
}

const char *
smtp_header_from(const struct smtp_session *session)
{
	const struct smtp_transaction *transaction = session->transaction;

	if (transaction == NULL || transaction->data.header == NULL)
		return "";
	return header_from(transaction->data.header);
}

/* A token session shows who it is by the token, for its sender alone. */
static int
is_own(const struct smtp_session *session, const char *from)
{
	char ours[ADDRESS_SIZE], sender[ADDRESS_SIZE];
	const char *said = smtp_sender(session);

	return address_canonical_text(from, strlen(from), ours) == 0 &&
	    address_canonical_text(said, strlen(said), sender) == 0 &&
	    strcmp(ours, sender) == 0;
}

size_t
smtp_learned_tokens(const struct smtp_session *session,
    const char *tokens[SMTP_SUPPLIED_MAX], const char **from)
{
	size_t n;

	if (session->login != SMTP_TOKEN && session->login != SMTP_TRUSTED)
		return 0;
	n = smtp_supplied_tokens(session, tokens);
	*from = smtp_header_from(session);
	if (n == 0 || (*from)[0] == '\0')
		return 0;
	if (session->login == SMTP_TOKEN)
		return is_own(session, *from) ? n : 0;
	return session->settings->learn == SMTP_LEARN_ANY ||
		header_is_authentic(session->transaction->data.header)
	    ? n
	    : 0;
}
