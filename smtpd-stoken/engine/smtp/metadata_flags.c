/* SPDX-License-Identifier: ISC */
/*
 * Container type 1: IMAP flags and keywords, separated by spaces, at most
 * one in a transaction. It is never refused for what is in it: what is no
 * flag, and what this session may not set, is left out (M-23).
 */
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/engine/smtp/container.h"

/* Who may set a flag of the system; what is not here nobody may. */
static const struct {
	const char *name;
	int trusted; /* the site's own MTA alone: it can hide mail */
} system_flags[] = {
    {"\\Answered", 0},
    {"\\Flagged", 0},
    {"\\Draft", 0},
    {"\\Seen", 1},
    {"\\Deleted", 1},
};

/* `metadata flags from`: may this session give any? */
static int
may_give(const struct smtp_session *session)
{
	static const unsigned int bits[] = {[SMTP_NOBODY] = 0,
	    [SMTP_USER] = SMTP_FLAGS_SUBMISSION,
	    [SMTP_TOKEN] = SMTP_FLAGS_TOKEN,
	    [SMTP_TRUSTED] = SMTP_FLAGS_SOCKET};

	return (session->settings->flags_from & bits[session->login]) != 0;
}

/* atom of RFC 3501: none of these, nor blanks and controls. */
static int
is_atom(const uint8_t *word, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (word[i] <= ' ' || word[i] >= 127 ||
		    strchr("(){%*\"\\]", word[i]) != NULL)
			return 0;
	return length > 0;
}

static int
allowed(const struct smtp_session *session, const uint8_t *word, size_t length)
{
	size_t i;

	if (length == 0 || length > FLAG_LENGTH)
		return 0;
	if (word[0] != '\\')
		return is_atom(word, length);
	for (i = 0; i < sizeof(system_flags) / sizeof(system_flags[0]); i++)
		if (strlen(system_flags[i].name) == length &&
		    strncasecmp(
			system_flags[i].name, (const char *)word, length) == 0)
			return !system_flags[i].trusted ||
			    session->login == SMTP_TRUSTED;
	return 0;
}

/* Whether the word is in the list already; case does not count (D-M14). */
static int
listed(const char *list, const uint8_t *word, size_t length)
{
	size_t n;

	for (; *list != '\0'; list += n + (list[n] == ' ')) {
		n = strcspn(list, " ");
		if (n == length &&
		    strncasecmp(list, (const char *)word, n) == 0)
			return 1;
	}
	return 0;
}

const struct smtp_refusal *
metadata_flags_take(struct smtp_session *session, struct container *container)
{
	struct smtp_containers *containers = session->transaction->containers;
	const uint8_t *text = container->data, *space;
	size_t i, n, used = 0, keywords = 0;

	if (!may_give(session)) {
		container->length = 0;
		container->withheld = 1;
		return NULL;
	}
	for (i = 0; i < container->length; i += n + 1) {
		space = memchr(text + i, ' ', container->length - i);
		n = (space != NULL ? (size_t)(space - text)
				   : container->length) -
		    i;
		if (!allowed(session, text + i, n) ||
		    listed(containers->flags, text + i, n))
			continue;
		/* Those of the system are few, and have room behind them. */
		if (text[i] != '\\' && keywords++ >= KEYWORDS_COUNT)
			continue;
		if (used > 0)
			containers->flags[used++] = ' ';
		memcpy(containers->flags + used, text + i, n);
		used += n;
		containers->flags[used] = '\0';
	}
	/* Others may trust us more than we trust this session. */
	if (session->login != SMTP_TRUSTED) {
		if (used > 0) /* else there may be no data at all */
			memcpy(container->data, containers->flags, used);
		container->length = (uint32_t)used;
		container->withheld = used == 0;
	}
	return NULL;
}
