/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "lib/log.h"
#include "smtpd-stoken/engine/delivery_log.h"

/* Octets of an address, every one of them escaped. */
#define SAFE_SIZE 1100

/* The enhanced code of the reply, and what is said of it. */
static const char *
describe(const struct session *s, const struct smtp_result *result,
    const char **text)
{
	if (result->verdict != SMTP_OK)
		return smtp_verdict_status(s->smtp, result->verdict, text);
	*text = NULL;
	if (!smtp_is_lmtp(s->smtp))
		return "2.0.0";
	return result->token != NULL ? "2.1.13" : "2.1.12";
}

void
delivery_log(
    const struct session *s, size_t n, const struct smtp_result *result)
{
	char from[SAFE_SIZE], to[SAFE_SIZE], stat[128];
	double delay = (double)(engine_now() - s->mail_time) / 1000;
	const char *text, *status = describe(s, result, &text);

	if (text != NULL)
		snprintf(stat, sizeof(stat), "\"%s\"", text);
	else
		snprintf(stat, sizeof(stat), "Sent");
	log_safe(from, sizeof(from), bytes_text(smtp_sender(s->smtp)));
	log_safe(to, sizeof(to), bytes_text(smtp_recipient(s->smtp, n, NULL)));
	log_info("%08x delivery id=%s from=<%s> to=<%s> relay=maildir"
		 " delay=%.3f dsn=%s stat=%s",
	    (unsigned int)s->id, result->id, from, to, delay, status, stat);
}

void
delivery_log_refused(
    const struct session *s, const char *message, enum smtp_verdict verdict)
{
	struct smtp_result result = {.verdict = verdict};
	char id[64];
	size_t i;

	result.id = id;
	for (i = 0; i < smtp_accepted(s->smtp); i++) {
		snprintf(id, sizeof(id), "%s-%zu", message, i + 1);
		delivery_log(s, i, &result);
	}
}
