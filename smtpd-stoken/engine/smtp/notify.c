/* SPDX-License-Identifier: ISC */
/*
 * The parameters of RFC 3461, by which a client says what reports it wants.
 * They are for the next servers: here they are read and passed on.
 */
#include <string.h>

#include "lib/address.h"
#include "smtpd-stoken/engine/smtp/notify.h"
#include "smtpd-stoken/engine/smtp/xtext.h"

/* F-101: not in LMTP, where no report comes later than the reply. */
int
smtp_offers_dsn(const struct smtp_session *session)
{
	return session->mode == MODE_SMTP && session->tls.active;
}

/* Printable ASCII and spaces, as what xtext hides has to be. */
static int
is_printable(const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' ||
		    (unsigned char)text[i] > '~')
			return 0;
	return length > 0;
}

const struct smtp_refusal *
smtp_take_ret(const struct smtp_session *session, const char **ret,
    const char *value, size_t length)
{
	struct smtp_word word = {value, length};

	if (!smtp_offers_dsn(session))
		return &refusal_parameter;
	if (smtp_word_is(&word, "FULL"))
		*ret = "FULL";
	else if (smtp_word_is(&word, "HDRS"))
		*ret = "HDRS";
	else
		return &refusal_arguments;
	return NULL;
}

const struct smtp_refusal *
smtp_take_envid(const struct smtp_session *session,
    char envid[SMTP_ENVID_MAX + 1], const char *value, size_t length)
{
	char text[SMTP_ENVID_MAX + 1];
	long n;

	if (!smtp_offers_dsn(session))
		return &refusal_parameter;
	if (length > SMTP_ENVID_MAX)
		return &refusal_arguments;
	n = xtext_decode(value, length, text, sizeof(text));
	if (n == -1 || !is_printable(text, (size_t)n))
		return &refusal_arguments;
	memcpy(envid, value, length);
	envid[length] = '\0';
	return NULL;
}

static const char *const occasions[] = {"NEVER", "SUCCESS", "FAILURE", "DELAY"};

#define OCCASIONS (sizeof(occasions) / sizeof(occasions[0]))
#define NEVER 0x1U

/* RFC 3461 section 4.1: NEVER alone, or a list of the others. */
const struct smtp_refusal *
smtp_take_notify(const struct smtp_session *session,
    char notify[SMTP_NOTIFY_MAX + 1], const char *value, size_t length)
{
	struct smtp_word word;
	unsigned int seen = 0;
	const char *end = value + length, *comma;
	size_t i;

	if (!smtp_offers_dsn(session))
		return &refusal_parameter;
	if (length > SMTP_NOTIFY_MAX)
		return &refusal_arguments;
	for (word.text = value; word.text <= end; word.text = comma + 1) {
		comma = memchr(word.text, ',', (size_t)(end - word.text));
		if (comma == NULL)
			comma = end;
		word.length = (size_t)(comma - word.text);
		for (i = 0; i < OCCASIONS; i++)
			if (smtp_word_is(&word, occasions[i]))
				break;
		if (i == OCCASIONS || (seen & 1U << i))
			return &refusal_arguments;
		seen |= 1U << i;
	}
	if ((seen & NEVER) && seen != NEVER)
		return &refusal_arguments;
	memcpy(notify, value, length);
	notify[length] = '\0';
	return NULL;
}

/* An atom of RFC 822: the type of an address. */
static int
is_type(const char *text, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (text[i] <= ' ' || text[i] == 0x7f ||
		    strchr("()<>@,;:\\\".[]", text[i]) != NULL)
			return 0;
	return length > 0;
}

/*
 * RFC 3461 section 4.2, and RFC 6533 section 3: a type, and an address in
 * xtext; UTF-8 as it is only of type utf-8 and after SMTPUTF8.
 */
const struct smtp_refusal *
smtp_take_orcpt(const struct smtp_session *session,
    char orcpt[SMTP_ORCPT_MAX + 1], const char *value, size_t length)
{
	struct smtp_word type = {value, 0};
	char text[SMTP_ORCPT_MAX + 1];
	const char *semicolon = memchr(value, ';', length);
	long n;

	if (!smtp_offers_dsn(session))
		return &refusal_parameter;
	if (semicolon == NULL || length > SMTP_ORCPT_MAX)
		return &refusal_arguments;
	type.length = (size_t)(semicolon - value);
	if (!is_type(type.text, type.length))
		return &refusal_arguments;
	n = xtext_decode(
	    semicolon + 1, length - type.length - 1, text, sizeof(text));
	if (n <= 0)
		return &refusal_arguments;
	if (!is_printable(text, (size_t)n) &&
	    (!smtp_word_is(&type, "utf-8") ||
		!session->transaction->mail.utf8 ||
		strpbrk(text, "\r\n\t") != NULL ||
		!utf8_valid(text, (size_t)n)))
		return &refusal_arguments;
	memcpy(orcpt, value, length);
	orcpt[length] = '\0';
	return NULL;
}
