/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "smtpd-stoken/engine/smtp/parameter.h"

static int
is_keyword(const struct smtp_word *word)
{
	size_t i;
	char c;

	for (i = 0; i < word->length; i++) {
		c = word->text[i];
		if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		    (c >= '0' && c <= '9') || (c == '-' && i > 0))
			continue;
		return 0;
	}
	return word->length > 0;
}

/* esmtp-value: no control, space or "="; most of it ASCII. */
static int
is_value(const struct smtp_word *word, int utf8)
{
	size_t i;
	unsigned char c;

	for (i = 0; i < word->length; i++) {
		c = (unsigned char)word->text[i];
		if (c <= ' ' || c == '=' || c == 0x7f || (c > 0x7f && !utf8))
			return 0;
	}
	return word->length > 0;
}

/* One parameter; seen holds a bit for each row that came before. */
static const struct smtp_refusal *
take(const struct smtp_session *session, const struct smtp_parameter *table,
    size_t count, void *into, const struct smtp_word *word, uint32_t *seen)
{
	struct smtp_word keyword = *word, value = {"", 0};
	const char *equals;
	size_t i;

	if ((equals = memchr(word->text, '=', word->length)) != NULL) {
		keyword.length = (size_t)(equals - word->text);
		value.text = equals + 1;
		value.length = word->length - keyword.length - 1;
	}
	for (i = 0; i < count; i++)
		if (smtp_word_is(&keyword, table[i].keyword))
			break;
	if (!is_keyword(&keyword) ||
	    (equals != NULL && !is_value(&value, i < count && table[i].utf8)))
		return &refusal_arguments;
	if (i == count)
		return &refusal_parameter;
	if ((*seen & 1U << i) || table[i].valued != (equals != NULL))
		return &refusal_arguments;
	*seen |= 1U << i;
	return table[i].take(session, into, value.text, value.length);
}

const struct smtp_refusal *
smtp_parameters(const struct smtp_session *session,
    const struct smtp_parameter *table, size_t count, void *into,
    const char *text, size_t length)
{
	const struct smtp_refusal *refusal = NULL;
	struct smtp_word word;
	uint32_t seen = 0;
	const char *space;

	while (length > 0 && refusal == NULL) {
		if (text[0] != ' ')
			return &refusal_arguments;
		text++;
		length--;
		word.text = text;
		space = memchr(text, ' ', length);
		word.length = space != NULL ? (size_t)(space - text) : length;
		if (word.length == 0)
			continue; /* more spaces than one */
		refusal = take(session, table, count, into, &word, &seen);
		text += word.length;
		length -= word.length;
	}
	return refusal;
}
