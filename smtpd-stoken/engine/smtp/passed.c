/* SPDX-License-Identifier: ISC */
/* What another server said, said again: T25, nothing of it is trusted. */
#include <stdlib.h>
#include <string.h>

#include "lib/address.h"
#include "smtpd-stoken/engine/smtp/reply.h"

/* RFC 3463 section 2: class "." 1*3digit "." 1*3digit, of this class. */
static int
is_enhanced(const char *text, char class)
{
	size_t n;
	int i;

	if (text[0] != class)
		return 0;
	text++;
	for (i = 0; i < 2; i++) {
		if (*text++ != '.')
			return 0;
		n = strspn(text, "0123456789");
		if (n < 1 || n > 3)
			return 0;
		text += n;
	}
	return *text == '\0';
}

/* F-112: no control character; F-100: UTF-8 only where it may be. */
static void
clean_text(char *text, int utf8)
{
	size_t length = strlen(text), i;

	utf8 = utf8 && utf8_valid(text, length);
	for (i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = ' ';
		else if ((unsigned char)text[i] > 0x7f && !utf8)
			text[i] = '?';
	while (length > 0 && text[length - 1] == ' ')
		text[--length] = '\0';
}

void
smtp_passed_clean(const struct smtp_session *session, struct smtp_passed *clean,
    const struct smtp_passed *said)
{
	const struct smtp_transaction *transaction = session->transaction;

	*clean = *said;
	clean->enhanced[sizeof(clean->enhanced) - 1] = '\0';
	clean->text[sizeof(clean->text) - 1] = '\0';
	if (clean->code < 400 || clean->code > 599) {
		clean->code = 451;
		strlcpy(clean->enhanced, "4.3.0", sizeof(clean->enhanced));
	}
	if (clean->code == 421) /* it would end our own session */
		clean->code = 451;
	if (!is_enhanced(clean->enhanced, clean->code < 500 ? '4' : '5'))
		strlcpy(clean->enhanced, clean->code < 500 ? "4.0.0" : "5.0.0",
		    sizeof(clean->enhanced));
	clean_text(clean->text, transaction != NULL && transaction->mail.utf8);
	if (clean->text[0] == '\0')
		strlcpy(clean->text, "Refused by the next server",
		    sizeof(clean->text));
}

const struct smtp_refusal *
smtp_passed_refusal(const struct smtp_session *session,
    enum smtp_verdict verdict, const struct smtp_passed *clean,
    struct smtp_refusal *words)
{
	if (verdict != SMTP_PASSED || clean == NULL)
		return smtp_verdict_refusal(session, verdict);
	words->code = clean->code;
	words->enhanced = clean->enhanced;
	words->text = clean->text;
	return words;
}
