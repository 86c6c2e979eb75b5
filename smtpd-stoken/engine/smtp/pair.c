/* SPDX-License-Identifier: ISC */
#include "lib/address.h"
#include "smtpd-stoken/engine/smtp/command.h"

/*
 * Remote, and perhaps local: UTF-8 is always accepted here (section 11), so
 * both travel in their canonical form.
 */
int
smtp_pair(struct smtp_session *session, const struct smtp_word *words,
    int count, char *remote, char *local)
{
	enum smtp_verdict verdict = SMTP_OK;

	local[0] = '\0';
	if (address_canonical_text(words[0].text, words[0].length, remote) ==
	    -1)
		verdict = SMTP_BAD_REMOTE; /* S1-37 */
	else if (count > 1 &&
	    address_canonical_text(words[1].text, words[1].length, local) == -1)
		verdict = SMTP_BAD_LOCAL; /* S1-38 */
	if (verdict == SMTP_OK)
		return 0;
	smtp_refusal_reply(session, smtp_verdict_refusal(session, verdict));
	return -1;
}
