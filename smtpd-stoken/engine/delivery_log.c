/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "smtpd-stoken/engine/delivery_log.h"
#include "smtpd-stoken/engine/numbers.h"

/* Octets of an address, every one of them escaped; and of a reply. */
#define SAFE_SIZE 1100
#define REPLY_SIZE 512
#define ROUTE_SIZE 136

/* The enhanced code of our own doing, and what is said of it. */
static const char *
describe(const struct session *s, enum smtp_verdict verdict, int token,
    const char **text)
{
	if (verdict != SMTP_OK)
		return smtp_verdict_status(s->smtp, verdict, text);
	*text = NULL;
	if (!smtp_is_lmtp(s->smtp))
		return "2.0.0";
	return token ? "2.1.13" : "2.1.12";
}

static void
write_line(const struct session *s, const char *id, const char *recipient,
    const char *route, const char *status, const char *stat, const char *reply)
{
	char from[SAFE_SIZE], to[SAFE_SIZE];
	double delay = (double)(engine_now() - s->mail_time) / 1000;

	log_safe(from, sizeof(from), bytes_text(smtp_sender(s->smtp)));
	log_safe(to, sizeof(to), bytes_text(recipient));
	log_info("%08x delivery id=%s from=<%s> to=<%s> relay=%s"
		 " delay=%.3f dsn=%s stat=%s%s",
	    (unsigned int)s->id, id, from, to, route, delay, status, stat,
	    reply);
}

static void
log_own(const struct session *s, const char *id, const char *recipient,
    const char *route, enum smtp_verdict verdict, int token)
{
	const char *text, *status = describe(s, verdict, token, &text);
	char stat[128];

	if (text != NULL)
		snprintf(stat, sizeof(stat), "\"%s\"", text);
	else
		snprintf(stat, sizeof(stat), "Sent");
	write_line(s, id, recipient, route, status, stat, "");
}

/* In quotes a blank is no danger. */
static void
restore_blanks(char *text)
{
	char *p;

	while ((p = strstr(text, "\\040")) != NULL) {
		*p = ' ';
		memmove(p + 1, p + 4, strlen(p + 4) + 1);
	}
}

/* What the next hop has said, word for word. */
static void
log_said(const struct session *s, const char *id, const char *recipient,
    const struct part *part)
{
	struct smtp_passed said;
	char safe[4 * REPLY_SIZE], reply[5 * REPLY_SIZE], status[64];
	char route[4 * ROUTE_SIZE];
	int sent = part->verdict == SMTP_OK;

	outlet_passed(part->said, &said);
	log_safe(safe, sizeof(safe), bytes_text(said.text));
	restore_blanks(safe);
	snprintf(reply, sizeof(reply), " reply=\"%d%s%s %s\"", said.code,
	    said.enhanced[0] != '\0' ? " " : "", said.enhanced, safe);
	log_safe(status, sizeof(status), bytes_text(said.enhanced));
	if (status[0] == '\0')
		snprintf(status, sizeof(status), "%d.0.0", said.code / 100);
	if (part->said->route != NULL)
		log_safe(route, sizeof(route), bytes_text(part->said->route));
	write_line(s, id, recipient,
	    part->said->route != NULL ? route : part->route, status,
	    sent ? "Sent" : "Refused", reply);
}

void
delivery_log(const struct transfer *t, const struct part *part,
    const struct smtp_result *result)
{
	const struct session *s = t->session;
	const char *to = part->address;

	if (to == NULL)
		to = smtp_recipient(s->smtp, part->fate, NULL);
	if (part->said != NULL)
		log_said(s, result->id, to, part);
	else
		log_own(s, result->id, to, part->route, part->verdict,
		    result->token != NULL);
}

void
delivery_log_refused(
    const struct session *s, const char *message, enum smtp_verdict verdict)
{
	char id[64];
	size_t i;

	numbers_message(s, verdict);
	for (i = 0; i < smtp_accepted(s->smtp); i++) {
		snprintf(id, sizeof(id), "%s-%zu", message, i + 1);
		log_own(s, id, smtp_recipient(s->smtp, i, NULL), "maildir",
		    verdict, 0);
	}
}
