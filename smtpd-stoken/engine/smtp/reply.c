/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "smtpd-stoken/engine/smtp/reply.h"

const struct smtp_refusal refusal_arguments = {
    501, "5.5.4", "Invalid arguments"};
const struct smtp_refusal refusal_unknown = {
    500, "5.5.1", "Command unrecognized"};
const struct smtp_refusal refusal_sequence = {
    503, "5.5.1", "Bad sequence of commands"};
/* */
const struct smtp_refusal refusal_tls = {
    530, "5.7.0", "Must issue a STARTTLS command first"};
const struct smtp_refusal refusal_auth = {
    530, "5.7.0", "Authentication required"};
const struct smtp_refusal refusal_parameter = {
    555, "5.5.4", "Parameter not recognized or not implemented"};
const struct smtp_refusal refusal_recipients = {
    554, "5.5.1", "No valid recipients"};

/* One text for all that a token can lack (D-S17), so that none is told. */
static const struct smtp_refusal verdicts[SMTP_VERDICTS] = {
    [SMTP_TEMPORARY] = {451, "4.3.0", "Temporary failure, try again later"},
    [SMTP_REFUSED] = {550, "5.7.1", "Not permitted"},
    [SMTP_UNKNOWN] = {550, "5.1.1", "No such recipient"},
    [SMTP_NOT_OWNER] = {550, "5.7.1", "Sender address is not yours"},
    [SMTP_NO_RELAY] = {550, "5.7.1", "Relaying is not permitted"},
    [SMTP_INDIRECT] = {550, "5.7.1",
	"Not delivered here directly, use the normal route"},
    [SMTP_BAD_REMOTE] = {501, "5.1.3", "Incorrect remote address"},
    [SMTP_BAD_LOCAL] = {501, "5.1.7", "Incorrect local address"},
    [SMTP_NO_SPACE] = {452, "4.3.1", "Insufficient system storage"},
    [SMTP_FULL] = {452, "4.2.2", "Mailbox full"},
    [SMTP_MAILBOX] = {451, "4.2.0", "Mailbox cannot be written now"},
    [SMTP_DISABLED] = {550, "5.2.1", "Mailbox disabled"},
    [SMTP_TOO_MANY] = {452, "4.5.3", "Too many recipients"},
    [SMTP_TOO_LARGE] = {552, "5.3.4", "Message too large"},
    [SMTP_LOOP] = {554, "5.4.6", "Too many hops, mail loop"},
    [SMTP_BARE_NEWLINE] = {550, "5.5.2", "Bare CR or LF in message"},
    [SMTP_NUL] = {554, "5.6.0", "NUL in message"},
    [SMTP_LIMIT] = {450, "4.7.1", "Too much mail in an hour, try later"},
    [SMTP_NOT_ALLOWED] = {550, "5.7.1", "This user may not send mail"},
    [SMTP_PASSED] = {451, "4.3.0", "Temporary failure, try again later"},
};

static void
say(struct smtp_session *session, const char *start, const char *format,
    va_list ap)
{
	char line[SMTP_REPLY_MAX];
	int n, more;

	n = snprintf(line, sizeof(line) - 2, "%s", start);
	more = vsnprintf(line + n, sizeof(line) - 2 - (size_t)n, format, ap);
	if (more > 0)
		n += more;
	if (n > (int)sizeof(line) - 3)
		n = sizeof(line) - 3;
	line[n++] = '\r';
	line[n++] = '\n';
	session->actions->reply(session->owner, line, (size_t)n);
	explicit_bzero(line, (size_t)n); /* a token may have been in it */
}

void
smtp_reply(struct smtp_session *session, int code, const char *enhanced,
    const char *format, ...)
{
	char start[24];
	va_list ap;

	if (enhanced != NULL)
		snprintf(start, sizeof(start), "%d %s ", code, enhanced);
	else
		snprintf(start, sizeof(start), "%d ", code);
	va_start(ap, format);
	say(session, start, format, ap);
	va_end(ap);
}

void
smtp_say(struct smtp_session *session, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	say(session, "", format, ap);
	va_end(ap);
}

void
smtp_refusal_reply(
    struct smtp_session *session, const struct smtp_refusal *refusal)
{
	smtp_reply(
	    session, refusal->code, refusal->enhanced, "%s", refusal->text);
	if (refusal->code < 500 || ++session->errors < SMTP_ERRORS_MAX)
		return;
	smtp_reply(session, 421, "4.7.0", "%s Too many errors, closing",
	    session->settings->hostname);
	smtp_close(session, "errors");
}

const struct smtp_refusal *
smtp_verdict_refusal(
    const struct smtp_session *session, enum smtp_verdict verdict)
{
	if (verdict <= SMTP_OK || verdict >= SMTP_VERDICTS)
		verdict = SMTP_TEMPORARY;
	/* A correspondent learns nothing of who exists here (section 11). */
	if (verdict == SMTP_UNKNOWN && session->login == SMTP_TOKEN)
		verdict = SMTP_REFUSED;
	return &verdicts[verdict];
}

const char *
smtp_verdict_status(const struct smtp_session *session,
    enum smtp_verdict verdict, const char **text)
{
	const struct smtp_refusal *refusal;

	refusal = smtp_verdict_refusal(session, verdict);
	*text = refusal->text;
	return refusal->enhanced;
}
