/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "smtpd-stoken/engine/report.h"
#include "smtpd-stoken/engine/smtp/dsn.h"

struct report {
	struct dsn dsn;
	struct dsn_recipient *recipients;
	size_t room;
	char boundary[MESSAGE_ID_LENGTH + 1];
	char *original; /* as much of it as comes back */
	size_t length;
};

static void
count_part(struct transfer *t, const struct part *part, void *context)
{
	struct report *report = context;

	report->room += !fates_is_told(t, part);
}

static const char *
remote_name(const struct session *s, const struct part *part)
{
	const char *name = s->configuration->relay_host;

	return strcmp(part->route, "smtp") == 0 && name != NULL ? name
								: "localhost";
}

/* Those of the next server. */
static void
add_words(
    struct dsn_recipient *r, const struct session *s, const struct part *part)
{
	r->remote = remote_name(s, part);
	r->code = part->said->code;
	r->status = part->said->enhanced;
	r->text = part->said->text != NULL ? part->said->text : "";
}

/*
 * One who has it in several ways is named once: as delivered, if it was in
 * all of them.
 */
static void
merge(struct report *report)
{
	struct dsn_recipient *r = &report->recipients[report->dsn.count - 1];

	if (report->dsn.count < 2 || r[-1].action == DSN_FAILED ||
	    r[-1].address != r->address)
		return;
	if (r->action == DSN_RELAYED)
		r[-1] = *r;
	report->dsn.count--;
}

static void
add_part(struct transfer *t, const struct part *part, void *context)
{
	const struct session *s = t->session;
	const struct grant *grant = t->fates[part->fate].grant;
	struct report *report = context;
	struct dsn_recipient *r;

	if (fates_is_told(t, part) || report->dsn.count == report->room)
		return;
	r = &report->recipients[report->dsn.count++];
	/* Which mailboxes an alias has is of interest when one of them fails. */
	r->address = part->address != NULL && part->verdict != SMTP_OK
	    ? part->address
	    : smtp_recipient(s->smtp, part->fate, NULL);
	r->orcpt = grant->orcpt;
	r->notify = grant->notify;
	if (part->verdict == SMTP_OK) {
		r->action = DSN_DELIVERED;
		if (part_is_elsewhere(part)) {
			r->action = DSN_RELAYED;
			add_words(r, s, part);
		}
		merge(report);
		return;
	}
	if (part->said == NULL) {
		r->status =
		    smtp_verdict_status(s->smtp, part->verdict, &r->text);
		return;
	}
	add_words(r, s, part);
	if (r->status[0] == '\0')
		r->status = r->code >= 500 ? "5.0.0" : "4.0.0";
}

struct report *
report_new(struct transfer *t, const char *id)
{
	const struct session *s = t->session;
	struct report *report;
	time_t now = time(NULL);

	if ((report = calloc(1, sizeof(*report))) == NULL)
		return NULL;
	fates_each_part(t, count_part, report);
	report->recipients =
	    calloc(report->room + 1, sizeof(*report->recipients));
	if (report->recipients == NULL) {
		free(report);
		return NULL;
	}
	message_id(report->boundary);
	report->dsn = (struct dsn) {.hostname = s->configuration->hostname,
	    .domain = s->configuration->domain,
	    .sender = smtp_sender(s->smtp),
	    .id = id,
	    .envid = smtp_mail(s->smtp)->envid,
	    .boundary = report->boundary,
	    .now = now,
	    .arrived = now - (time_t)((engine_now() - s->mail_time) / 1000),
	    .utf8 = smtp_mail(s->smtp)->utf8,
	    .recipients = report->recipients};
	fates_each_part(t, add_part, report);
	return report;
}

void
report_free(struct report *report)
{
	if (report == NULL)
		return;
	free(report->recipients);
	free(report->original);
	free(report);
}

size_t
report_wanted(const struct report *report)
{
	return dsn_wanted(&report->dsn);
}

int
report_is_utf8(const struct report *report)
{
	return dsn_is_utf8(&report->dsn);
}

/*
 * Nobody else moves the descriptor's offset, and the engine may not: what is
 * in front, our own trace, is read and overwritten.
 */
static int
read_original(struct report *report, int fd, uint64_t front, size_t most)
{
	uint64_t skipped = 0;
	size_t room;
	ssize_t n;

	if ((report->original = malloc(most + 1)) == NULL)
		return -1;
	while (report->length < most) {
		room = most - report->length;
		if (skipped < front && front - skipped < room)
			room = (size_t)(front - skipped);
		n = read(fd, report->original + report->length, room);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		if (skipped < front)
			skipped += (uint64_t)n;
		else
			report->length += (size_t)n;
	}
	return 0;
}

static int
is_eight_bit(const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		if ((unsigned char)text[i] > 0x7f)
			return 1;
	return 0;
}

void
report_take_original(struct report *report, const struct transfer *t)
{
	const struct session *s = t->session;
	uint64_t from = smtp_trace_length(s->smtp), size;
	size_t most = DSN_HEADER_MAX;

	if (t->original == -1 || from > t->size)
		return;
	size = t->size - from;
	/* RET is about failures (RFC 3461 section 4.3). */
	report->dsn.whole = dsn_is_whole(smtp_mail(s->smtp), size) &&
	    dsn_failed(&report->dsn) > 0;
	if (report->dsn.whole || size < most)
		most = (size_t)size;
	if (read_original(report, t->original, from, most) == -1 ||
	    report->length < most) {
		log_warnx("%08x message %s cannot be read for its report",
		    (unsigned int)s->id, t->id);
		report->dsn.whole = 0;
	}
	if (report->dsn.whole)
		report->dsn.eight_bit =
		    is_eight_bit(report->original, report->length);
	else
		report->length = dsn_header(
		    report->original, report->length, &report->dsn.eight_bit);
}

struct target {
	struct file *file;
	uint64_t *size;
};

static int
emit(void *context, const void *text, size_t length)
{
	struct target *target = context;

	*target->size += length;
	return length == 0 || file_write(target->file, text, length) == SMTP_OK
	    ? 0
	    : -1;
}

int
report_write(struct report *report, struct file *file, uint64_t *size)
{
	struct target target = {file, size};
	size_t length = report->length;

	if (dsn_begin(&report->dsn, emit, &target) == -1 ||
	    emit(&target, report->original, length) == -1)
		return -1;
	return dsn_end(&report->dsn,
	    length > 0 && report->original[length - 1] == '\n', emit, &target);
}
