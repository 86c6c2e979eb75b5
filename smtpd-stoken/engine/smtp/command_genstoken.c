/* SPDX-License-Identifier: ISC */
#include "lib/address.h"
#include "smtpd-stoken/engine/smtp/command.h"

static const struct smtp_refusal cannot_generate = {
    451, "4.5.0", "Cannot generate a token now"};
static const struct smtp_refusal cannot_revoke = {
    451, "4.5.0", "Cannot revoke now"};

/* GENSTOKEN (PERM | TEMP) remote [local] */
int
command_genstoken(struct smtp_session *session, const char *text, size_t length)
{
	char remote[ADDRESS_SIZE], local[ADDRESS_SIZE];
	struct smtp_word words[4];
	int count, permanent;

	if (session->login == SMTP_TOKEN) { /* S1-15 */
		smtp_refusal_reply(
		    session, smtp_verdict_refusal(session, SMTP_REFUSED));
		return 1;
	}
	count = smtp_words(text, length, words, 4);
	permanent = count > 0 && smtp_word_is(&words[0], "PERM");
	if (count < 2 || count > 3 ||
	    (!permanent && !smtp_word_is(&words[0], "TEMP"))) { /* S1-36 */
		smtp_refusal_reply(session, &refusal_arguments);
		return 1;
	}
	if (smtp_pair(session, words + 1, count - 1, remote, local) == -1)
		return 1;
	session->waiting = WAIT_GENERATE;
	session->actions->generate(
	    session->owner, permanent, remote, local[0] != '\0' ? local : NULL);
	return 1;
}

/* One answer for both commands; the texts differ. */
void
smtp_on_token(
    struct smtp_session *session, enum smtp_verdict verdict, const char *token)
{
	int generated = session->waiting == WAIT_GENERATE;

	if (!generated && session->waiting != WAIT_REVOKE)
		return;
	session->waiting = WAIT_NONE;
	if (verdict == SMTP_OK && generated && token != NULL) /* S1-43 */
		smtp_reply(session, 250, "2.1.11", "%s Token generated", token);
	else if (verdict == SMTP_OK && !generated)
		smtp_reply(session, 250, "2.1.0",
		    "All tokens successfully revoked"); /* S1-45 */
	else if (verdict == SMTP_TEMPORARY || verdict == SMTP_OK)
		smtp_refusal_reply(
		    session, generated ? &cannot_generate : &cannot_revoke);
	else
		smtp_refusal_reply(
		    session, smtp_verdict_refusal(session, verdict));
}
