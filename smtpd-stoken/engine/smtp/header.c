/* SPDX-License-Identifier: ISC */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/engine/smtp/field.h"
#include "smtpd-stoken/engine/smtp/header.h"
#include "smtpd-stoken/engine/smtp/results.h"
#include "smtpd-stoken/engine/smtp/smtp.h"
#include "smtpd-stoken/engine/smtp/trace.h"

/* Octets of a field that are looked at; the rest of it shares its fate. */
#define FIELD_MAX 2048
/* Fields of rules.authserv that are kept: so many filters has no site. */
#define RESULTS_MAX 8

/* What happens to the octets of the field under way. */
enum field_way {
	WAY_NONE, /* there is none yet */
	WAY_NAMING, /* withheld: its name is not complete */
	WAY_PASSING,
	WAY_READING, /* passes, and is kept to be read */
	WAY_HOLDING, /* withheld until it can be judged */
	WAY_DROPPING
};

struct header {
	struct header_rules rules;
	char *tokens[SMTP_SUPPLIED_MAX];
	size_t token_count;
	char *results[RESULTS_MAX]; /* of rules.authserv */
	size_t results_length[RESULTS_MAX], results_count;
	int below_received; /* they are */
	unsigned int hops;
	uint8_t seen[FIELD_NONE]; /* how many of a kind came */
	uint8_t kind, way; /* of the field under way */
	uint8_t fresh; /* at the start of a line */
	uint8_t later; /* not the first line */
	uint8_t excess; /* there is more of it than is kept in field */
	uint8_t judged; /* all that count of rules.authserv came */
	size_t length;
	char field[FIELD_MAX];
	char from[ADDRESS_MAX + 1];
};

/* Where octets go to, with the header that they come from. */
struct flow {
	struct header *header;
	header_emit *emit;
	void *context;
};

struct header *
header_new(const struct header_rules *rules)
{
	struct header *header;

	if ((header = malloc(sizeof(*header))) == NULL)
		return NULL;
	memset(header, 0, offsetof(struct header, field));
	header->rules = *rules;
	header->fresh = 1;
	header->from[0] = '\0';
	return header;
}

static void
drop_results(struct header *header)
{
	while (header->results_count > 0)
		free(header->results[--header->results_count]);
}

void
header_free(struct header *header)
{
	size_t i;

	if (header == NULL)
		return;
	for (i = 0; i < header->token_count; i++)
		free(header->tokens[i]);
	drop_results(header);
	free(header);
}

static void
emit(const struct flow *flow, const char *text, size_t length)
{
	if (length > 0)
		flow->emit(flow->context, text, length);
}

/* Keeps what there is room for; returns how much. */
static size_t
hold(struct header *header, const char *text, size_t length)
{
	size_t room = sizeof(header->field) - header->length;

	if (length > room) {
		length = room;
		header->excess = 1;
	}
	memcpy(header->field + header->length, text, length);
	header->length += length;
	return length;
}

static int
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void
keep_token(struct header *header, const char *value, size_t length)
{
	char token[FIELD_TOKEN_MAX + 1];

	if (header->token_count == SMTP_SUPPLIED_MAX || header->excess ||
	    field_token(value, length, token) == 0)
		return;
	if ((header->tokens[header->token_count] = strdup(token)) != NULL)
		header->token_count++;
}

/*
 * Those in its name that count: the topmost, and what the site's other filters
 * wrote beside it, until a Received field (begin_field): what is below that
 * was there when the site got the message, and may be anybody's. One that is
 * too long may have said anything.
 */
static void
keep_results(struct header *header)
{
	size_t n = header->results_count;

	if (header->judged || n == RESULTS_MAX ||
	    field_authserv_is(
		header->field, header->length, header->rules.authserv) != 1)
		return;
	if (header->excess ||
	    (header->results[n] = malloc(header->length)) == NULL) {
		drop_results(header);
		header->judged = 1;
		return;
	}
	memcpy(header->results[n], header->field, header->length);
	header->results_length[n] = header->length;
	header->below_received = header->hops > 0;
	header->results_count++;
}

/* A field that passed, and was to be read. */
static void
read_field(struct header *header)
{
	if (header->kind == FIELD_TOKEN)
		keep_token(header, header->field, header->length);
	else if (header->kind == FIELD_RESULTS)
		keep_results(header);
	else if (header->seen[FIELD_FROM] > 1)
		header->from[0] = '\0';
	else if (!header->excess)
		field_mailbox(header->field, header->length, header->from);
}

/*
 * What was withheld goes on or not. RFC 8601 section 5: results in our name
 * are ours alone to give; what hides the name is taken for one.
 */
static int
may_pass(struct header *header, const char *value, size_t length)
{
	int ours;

	if (header->kind == FIELD_TOKEN) {
		keep_token(header, value, length);
		return 0;
	}
	ours = field_authserv_is(value, length, header->rules.hostname);
	return ours == 0 || (ours == -1 && !header->excess);
}

static void
judge(const struct flow *flow)
{
	struct header *header = flow->header;
	const char *colon = memchr(header->field, ':', header->length);
	size_t name = header->length;

	if (colon != NULL) /* else blanks that go on without an end */
		name = (size_t)(colon - header->field) + 1;
	if (may_pass(header, header->field + name, header->length - name)) {
		emit(flow, header->field, header->length);
		header->way = WAY_PASSING;
	} else
		header->way = WAY_DROPPING;
}

/* The field under way is over. */
static void
end_field(const struct flow *flow)
{
	struct header *header = flow->header;

	if (header->way == WAY_HOLDING)
		judge(flow);
	else if (header->way == WAY_NAMING)
		emit(flow, header->field, header->length);
	else if (header->way == WAY_READING)
		read_field(header);
	header->way = WAY_NONE;
	header->length = 0;
	header->excess = 0;
}

/* RFC 6409 section 8: what a message from a user may lack. */
static void
add_fields(const struct flow *flow)
{
	const struct header *header = flow->header;
	char text[512];
	int n;

	if (!header->rules.submission)
		return;
	if (!header->seen[FIELD_DATE]) {
		n = snprintf(text, sizeof(text), "Date: %s\n",
		    trace_date(header->rules.now));
		emit(flow, text, (size_t)n);
	}
	if (!header->seen[FIELD_MESSAGE_ID]) {
		n = snprintf(text, sizeof(text), "Message-ID: <%s@%s>\n",
		    header->rules.id, header->rules.hostname);
		emit(flow, text, (size_t)n);
	}
}

/* The line that files of mail put in front, as RFC 4155 has it. */
static int
is_separator(const struct header *header)
{
	size_t quote = header->length > 0 && header->field[0] == '>';

	return !header->later && header->length >= quote + 5 &&
	    memcmp(header->field + quote, "From ", 5) == 0;
}

/*
 * A first line that would go on with the field above it, which is one of our
 * own: whoever sends it would write on in our Authentication-Results.
 */
static int
is_continuation(const struct header *header)
{
	return !header->later && header->length > 0 &&
	    is_blank(header->field[0]);
}

/*
 * A line that is no field, of which the first `held` octets are in field. A
 * user's header ends before it, so that nobody reads on in it, and anybody's
 * before a continuation of nothing; others pass as they are. Returns 1 when
 * the header is over.
 */
static int
no_field(const struct flow *flow, size_t held)
{
	struct header *header = flow->header;
	int separator = is_separator(header);
	int over = header->rules.submission || is_continuation(header);

	header->length = 0;
	header->excess = 0;
	if (header->rules.submission && separator) {
		header->way = WAY_DROPPING;
		return 0;
	}
	header->way = WAY_PASSING;
	if (over) {
		add_fields(flow);
		emit(flow, "\n", 1);
	}
	emit(flow, header->field, held);
	return over;
}

static int
is_judged(const struct header *header, enum field_kind kind)
{
	return (kind == FIELD_TOKEN && header->rules.tokens) ||
	    (kind == FIELD_RESULTS && header->rules.results);
}

/* The way of a field, now that its name is known. */
static void
begin_field(struct header *header, enum field_kind kind)
{
	const struct header_rules *rules = &header->rules;

	header->way = WAY_PASSING;
	header->kind = (uint8_t)kind;
	if (kind == FIELD_RECEIVED) {
		header->hops++;
		header->judged |= header->results_count > 0;
	} else if (is_judged(header, kind))
		header->way = WAY_HOLDING;
	else if ((kind == FIELD_FROM &&
		     (rules->learn ||
			 (rules->submission && !header->seen[kind]))) ||
	    (kind == FIELD_TOKEN && rules->learn) ||
	    (kind == FIELD_RESULTS && rules->authserv != NULL))
		header->way = WAY_READING;
	if (header->seen[kind] < UINT8_MAX)
		header->seen[kind]++;
}

static int go_on(const struct flow *, const char *, size_t);

/* Looks for the colon; until it is there, nothing goes on. */
static int
naming(const struct flow *flow, const char *text, size_t length)
{
	struct header *header = flow->header;
	size_t before = header->length, taken;
	const char *colon = memchr(text, ':', length);
	enum field_kind kind;

	taken = colon != NULL ? (size_t)(colon - text) : length;
	taken = hold(header, text, taken);
	if (colon == NULL && !header->excess)
		return 0;
	kind = field_kind(header->field, header->length);
	/* A name that is not over yet has to be one with blanks behind it. */
	if (header->excess && kind == FIELD_OTHER)
		kind = FIELD_NONE;
	if (kind == FIELD_NONE) {
		if (no_field(flow, before)) {
			emit(flow, text, length);
			return 1;
		}
		return go_on(flow, text, length);
	}
	begin_field(header, kind);
	if (header->way == WAY_HOLDING)
		return go_on(flow, text + taken, length - taken);
	emit(flow, header->field, before);
	if (header->way == WAY_PASSING) {
		emit(flow, text, length);
		return 0;
	}
	emit(flow, text, taken + 1); /* with its colon, if it is there */
	header->length = 0;
	return go_on(flow, text + taken + 1, length - taken - 1);
}

static void
holding(const struct flow *flow, const char *text, size_t length)
{
	struct header *header = flow->header;
	size_t taken = hold(header, text, length);

	if (!header->excess)
		return;
	judge(flow);
	if (header->way == WAY_PASSING)
		emit(flow, text + taken, length - taken);
}

/* More of the field under way. Returns 1 when the header is over. */
static int
go_on(const struct flow *flow, const char *text, size_t length)
{
	struct header *header = flow->header;

	if (length == 0)
		return 0;
	if (header->way == WAY_NAMING)
		return naming(flow, text, length);
	if (header->way == WAY_HOLDING) {
		holding(flow, text, length);
		return 0;
	}
	if (header->way == WAY_READING)
		hold(header, text, length);
	if (header->way == WAY_PASSING || header->way == WAY_READING)
		emit(flow, text, length);
	return 0;
}

int
header_text(struct header *header, const char *text, size_t length,
    header_emit *function, void *context)
{
	struct flow flow = {header, function, context};

	if (header->fresh && (!is_blank(text[0]) || header->way == WAY_NONE)) {
		end_field(&flow);
		header->way = WAY_NAMING;
	}
	header->fresh = 0;
	return go_on(&flow, text, length);
}

int
header_newline(struct header *header, header_emit *function, void *context)
{
	struct flow flow = {header, function, context};

	if (header->fresh) {
		end_field(&flow);
		add_fields(&flow);
		emit(&flow, "\n", 1);
		return 1;
	}
	header->fresh = 1;
	/* The name of one that is to be judged may go on in the next line. */
	if (header->way == WAY_NAMING &&
	    (header->rules.submission ||
		!is_judged(
		    header, field_kind(header->field, header->length))) &&
	    no_field(&flow, header->length)) {
		if (header->rules.binary)
			emit(&flow, "\r\n", 2);
		else
			emit(&flow, "\n", 1);
		return 1;
	}
	header->later = 1;
	return go_on(&flow, "\n", 1);
}

void
header_end(struct header *header, header_emit *function, void *context)
{
	struct flow flow = {header, function, context};

	/* Others' last line stays as it is, be it a line or not. */
	if (header->rules.submission && !header->fresh &&
	    header_newline(header, function, context))
		return;
	end_field(&flow);
	add_fields(&flow);
}

unsigned int
header_hops(const struct header *header)
{
	return header->hops;
}

const char *
header_token(const struct header *header, size_t n)
{
	return n < header->token_count ? header->tokens[n] : NULL;
}

const char *
header_from(const struct header *header)
{
	return header->from;
}

int
header_is_authentic(const struct header *header)
{
	struct results_field fields[RESULTS_MAX];
	struct results results = {
	    fields, header->results_count, header->below_received};
	size_t i;

	for (i = 0; i < header->results_count; i++) {
		fields[i].value = header->results[i];
		fields[i].length = header->results_length[i];
	}
	return header->from[0] != '\0' &&
	    results_vouch(&results, header->rules.authserv, header->from);
}
