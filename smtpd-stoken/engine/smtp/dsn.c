/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/engine/smtp/dsn.h"
#include "smtpd-stoken/engine/smtp/dsn_text.h"
#include "smtpd-stoken/engine/smtp/session.h"
#include "smtpd-stoken/engine/smtp/trace.h"
#include "smtpd-stoken/engine/smtp/xtext.h"

/* Octets of one put(), and what is gathered before it goes out. */
#define PIECE_MAX 2048
#define GATHER (4 * PIECE_MAX)

struct report {
	const struct dsn *dsn;
	dsn_emit *emit;
	void *context;
	int utf8;
	int failed;
	size_t length;
	char text[GATHER];
};

static void
flush(struct report *report)
{
	if (report->length > 0 && !report->failed &&
	    report->emit(report->context, report->text, report->length) == -1)
		report->failed = 1;
	report->length = 0;
}

/* A piece of fewer than PIECE_MAX octets. */
static void __attribute__((__format__(printf, 2, 3)))
put(struct report *report, const char *format, ...)
{
	va_list ap;
	int n;

	if (report->length > GATHER - PIECE_MAX)
		flush(report);
	va_start(ap, format);
	n = vsnprintf(report->text + report->length, PIECE_MAX, format, ap);
	va_end(ap);
	if (n < 0 || n >= PIECE_MAX)
		report->failed = 1;
	else
		report->length += (size_t)n;
}

int
dsn_names(const char *notify, const char *occasion)
{
	const char *p = notify;

	for (; p != NULL; p = strchr(p, ',')) {
		p += *p == ',';
		if (strncasecmp(p, occasion, strlen(occasion)) == 0)
			return 1;
	}
	return 0;
}

/* RFC 3461 section 4.1: without NOTIFY, failures alone. */
static int
is_wanted(const struct dsn_recipient *recipient)
{
	if (recipient->action != DSN_FAILED)
		return dsn_names(recipient->notify, "SUCCESS");
	return recipient->notify == NULL ||
	    dsn_names(recipient->notify, "FAILURE");
}

/* How many of those that are spoken of it is so with. */
static size_t
count(const struct dsn *dsn, enum dsn_action action)
{
	size_t i, n = 0;

	for (i = 0; i < dsn->count; i++)
		n += (size_t)(is_wanted(&dsn->recipients[i]) &&
		    dsn->recipients[i].action == action);
	return n;
}

size_t
dsn_failed(const struct dsn *dsn)
{
	return count(dsn, DSN_FAILED);
}

size_t
dsn_wanted(const struct dsn *dsn)
{
	size_t i, n = 0;

	for (i = 0; i < dsn->count; i++)
		n += (size_t)is_wanted(&dsn->recipients[i]);
	return n;
}

static int
is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text > 0x7f)
			return 0;
	return 1;
}

/* What other servers said is no reason: that is made ASCII where it must. */
int
dsn_is_utf8(const struct dsn *dsn)
{
	const struct dsn_recipient *r;
	size_t i;

	if (!dsn->utf8)
		return 0;
	if (dsn->eight_bit || !is_ascii(dsn->sender))
		return 1;
	for (i = 0; i < dsn->count; i++) {
		r = &dsn->recipients[i];
		if (is_wanted(r) &&
		    (!is_ascii(r->address) ||
			(r->orcpt != NULL && !is_ascii(r->orcpt))))
			return 1;
	}
	return 0;
}

static const char *
reason(const struct report *report, const struct dsn_recipient *recipient,
    char text[DSN_REASON_SIZE])
{
	dsn_clean(text, DSN_REASON_SIZE, recipient->text, report->utf8);
	return text;
}

static void
put_header(struct report *report, size_t wanted)
{
	const struct dsn *dsn = report->dsn;
	size_t i = 0, failed = dsn_failed(dsn);
	const char *what = failed > 0     ? "Not delivered"
	    : count(dsn, DSN_RELAYED) > 0 ? "Passed on"
					  : "Delivered";

	while (!is_wanted(&dsn->recipients[i]) ||
	    (failed > 0 && dsn->recipients[i].action != DSN_FAILED))
		i++;
	if (failed > 0)
		wanted = failed;
	put(report,
	    "From: \"Mail server %s\" <postmaster@%s>\n"
	    "To: <%s>\n",
	    dsn->hostname, dsn->domain, dsn->sender);
	if (wanted == 1 &&
	    (report->utf8 || is_ascii(dsn->recipients[i].address)))
		put(report, "Subject: %s to %s\n", what,
		    dsn->recipients[i].address);
	else
		put(report, "Subject: %s to %zu recipient%s\n", what, wanted,
		    wanted == 1 ? "" : "s");
	put(report,
	    "Date: %s\n"
	    "Message-ID: <%s@%s>\n"
	    "Auto-Submitted: auto-replied\n"
	    "MIME-Version: 1.0\n"
	    "Content-Type: multipart/report; report-type=delivery-status;\n"
	    "\tboundary=\"=_%s\"\n\n",
	    trace_date(dsn->now), dsn->id, dsn->hostname, dsn->boundary);
}

/* The head of a part; everything in it is as its first argument says. */
static void
put_part(struct report *report, const char *type, int eight_bit)
{
	put(report,
	    "\n--=_%s\n"
	    "Content-Type: %s\n"
	    "Content-Transfer-Encoding: %dbit\n\n",
	    report->dsn->boundary, type, eight_bit ? 8 : 7);
}

static const char *
shown(const struct report *report, const char *address, char *out, size_t size)
{
	dsn_clean(out, size, address, report->utf8);
	return out;
}

static void
put_explanation(struct report *report, const struct dsn_recipient *recipient)
{
	char text[DSN_REASON_SIZE], code[16] = "", address[400];
	const char *line, *end;
	size_t width;

	put(report, "  %s\n    %s\n",
	    shown(report, recipient->address, address, sizeof(address)),
	    dsn_explain(recipient->status));
	reason(report, recipient, text);
	if (recipient->code > 0)
		snprintf(code, sizeof(code), "%d ", recipient->code);
	put(report, "    %s said: %s%s\n",
	    recipient->remote != NULL ? "The next server" : "This server", code,
	    dsn_status(recipient->status, 1));
	for (line = text; *line != '\0'; line = end) {
		width = dsn_wrap(line, 66);
		put(report, "      %.*s\n", (int)width, line);
		end = line + width;
		while (*end == ' ')
			end++;
	}
	put(report, "\n");
}

/* Those who have it, of those who asked. */
static void
put_names(struct report *report, enum dsn_action action)
{
	const struct dsn *dsn = report->dsn;
	const struct dsn_recipient *r;
	char address[400];
	size_t i;

	for (i = 0; i < dsn->count; i++) {
		r = &dsn->recipients[i];
		if (r->action == action && is_wanted(r))
			put(report, "  %s\n",
			    shown(
				report, r->address, address, sizeof(address)));
	}
}

/* In sentences, the first of which has begun with the message. */
static void
put_successes(struct report *report)
{
	static const struct {
		enum dsn_action action;
		const char *words;
	} lists[] = {{DSN_DELIVERED, "was delivered to:\n\n"},
	    {DSN_RELAYED,
		"was passed on to a server that does not tell what becomes of"
		"\nit, for:\n\n"}};
	int more = dsn_failed(report->dsn) > 0;
	size_t i;

	for (i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
		if (count(report->dsn, lists[i].action) == 0)
			continue;
		put(report, "%s%s", more ? "\nIt " : "", lists[i].words);
		put_names(report, lists[i].action);
		more = 1;
	}
}

/* Who has not, why, and what can be done. */
static void
put_failed(struct report *report)
{
	const struct dsn *dsn = report->dsn;
	int temporary = 0;
	size_t i;

	put(report, "was NOT delivered to:\n\n");
	for (i = 0; i < dsn->count; i++) {
		if (!is_wanted(&dsn->recipients[i]) ||
		    dsn->recipients[i].action != DSN_FAILED)
			continue;
		put_explanation(report, &dsn->recipients[i]);
		temporary |= dsn->recipients[i].status[0] == '4';
	}
	put(report, "It will not be tried again. Other recipients have it.\n");
	if (temporary)
		put(report,
		    "\nWhere the reason may pass, send the message again later"
		    " to those who\nare named above, and to nobody else.\n");
}

/* The same in plain words. */
static void
put_words(struct report *report)
{
	const struct dsn *dsn = report->dsn;
	size_t failed = dsn_failed(dsn);

	put_part(report,
	    report->utf8 ? "text/plain; charset=utf-8"
			 : "text/plain; charset=us-ascii",
	    report->utf8);
	put(report,
	    "This is the mail server %s.\n\n"
	    "Your message of %s\n",
	    dsn->hostname, trace_date(dsn->arrived));
	if (failed > 0)
		put_failed(report);
	put_successes(report);
	put(report, "\n%s follows.\n",
	    dsn->whole ? "Your message" : "The header of your message");
}

/* RFC 3464 section 2.3.1: the type, and what xtext had hidden. */
static void
put_original(struct report *report, const char *orcpt)
{
	const char *semicolon = strchr(orcpt, ';');
	char text[SMTP_ORCPT_MAX + 1], address[SMTP_ORCPT_MAX + 1];

	if (semicolon == NULL ||
	    xtext_decode(
		semicolon + 1, strlen(semicolon + 1), text, sizeof(text)) == -1)
		return;
	put(report, "Original-Recipient: %.*s;%s\n", (int)(semicolon - orcpt),
	    orcpt, shown(report, text, address, sizeof(address)));
}

/* RFC 3464 section 2.1.2: a domain name, or an address in brackets. */
static void
put_remote(struct report *report, const char *remote)
{
	char name[400];

	shown(report, remote, name, sizeof(name));
	if (strchr(name, ':') != NULL)
		put(report, "Remote-MTA: dns;[IPv6:%s]\n", name);
	else if (strspn(name, "0123456789.") == strlen(name))
		put(report, "Remote-MTA: dns;[%s]\n", name);
	else
		put(report, "Remote-MTA: dns;%s\n", name);
}

static void
put_recipient(struct report *report, const struct dsn_recipient *recipient)
{
	static const char *const actions[] = {[DSN_FAILED] = "failed",
	    [DSN_DELIVERED] = "delivered",
	    [DSN_RELAYED] = "relayed"};
	char text[DSN_REASON_SIZE], address[400];
	const char *status =
	    dsn_status(recipient->status, recipient->action == DSN_FAILED);

	put(report, "\n");
	if (recipient->orcpt != NULL)
		put_original(report, recipient->orcpt);
	put(report,
	    "Final-Recipient: %s;%s\n"
	    "Action: %s\n"
	    "Status: %s\n",
	    is_ascii(recipient->address) ? "rfc822" : "utf-8",
	    shown(report, recipient->address, address, sizeof(address)),
	    actions[recipient->action], status);
	if (recipient->remote != NULL)
		put_remote(report, recipient->remote);
	if (recipient->remote != NULL && recipient->code > 0)
		put(report, "Diagnostic-Code: smtp;%d %s %s\n", recipient->code,
		    status, reason(report, recipient, text));
	put(report, "Last-Attempt-Date: %s\n", trace_date(report->dsn->now));
}

static void
put_status(struct report *report)
{
	const struct dsn *dsn = report->dsn;
	char envid[SMTP_ENVID_MAX + 1];
	size_t i;

	put_part(report,
	    report->utf8 ? "message/global-delivery-status"
			 : "message/delivery-status",
	    report->utf8);
	put(report, "Reporting-MTA: dns;%s\n", dsn->hostname);
	if (dsn->envid != NULL &&
	    xtext_decode(dsn->envid, strlen(dsn->envid), envid, sizeof(envid)) >
		0)
		put(report, "Original-Envelope-Id: %s\n", envid);
	put(report, "Arrival-Date: %s\n", trace_date(dsn->arrived));
	for (i = 0; i < dsn->count; i++)
		if (is_wanted(&dsn->recipients[i]))
			put_recipient(report, &dsn->recipients[i]);
}

/* By whether it is whole, then by UTF-8. */
static const char *const originals[2][2] = {
    {"text/rfc822-headers", "message/global-headers"},
    {"message/rfc822", "message/global"},
};

int
dsn_begin(const struct dsn *dsn, dsn_emit *emit, void *context)
{
	struct report report = {.dsn = dsn,
	    .emit = emit,
	    .context = context,
	    .utf8 = dsn_is_utf8(dsn)};
	size_t wanted = dsn_wanted(dsn);

	if (wanted == 0)
		return -1;
	put_header(&report, wanted);
	put_words(&report);
	put_status(&report);
	put_part(
	    &report, originals[dsn->whole != 0][report.utf8], dsn->eight_bit);
	flush(&report);
	return report.failed ? -1 : 0;
}

int
dsn_end(const struct dsn *dsn, int newline, dsn_emit *emit, void *context)
{
	struct report report = {.dsn = dsn, .emit = emit, .context = context};

	put(&report, "%s\n--=_%s--\n", newline ? "" : "\n", dsn->boundary);
	flush(&report);
	return report.failed ? -1 : 0;
}

/* What is binary cannot come back in a message that is not. */
int
dsn_is_whole(const struct smtp_mail *mail, uint64_t size)
{
	return mail->ret != NULL && strcmp(mail->ret, "FULL") == 0 &&
	    size <= DSN_WHOLE_MAX && mail->body != SMTP_BODY_BINARYMIME;
}

size_t
dsn_header(const char *text, size_t length, int *eight_bit)
{
	const char *end;
	size_t i, n = 0;

	if (length > DSN_HEADER_MAX)
		length = DSN_HEADER_MAX;
	while (n < length && text[n] != '\n') {
		end = memchr(text + n, '\n', length - n);
		if (end == NULL)
			break;
		n = (size_t)(end - text) + 1;
	}
	*eight_bit = 0;
	for (i = 0; i < n; i++)
		*eight_bit |= (unsigned char)text[i] > 0x7f;
	return n;
}
