/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "smtpd-stoken/relay/smtp/hide.h"

/* A text, without its blanks, and what of it is to be hidden. */
struct look {
	size_t count;
	char octets[HIDE_TEXT];
	size_t places[HIDE_TEXT]; /* of the octets in the text */
	char hidden[HIDE_TEXT];
};

/* What is looked for where. */
struct hunt {
	const struct look *look;
	const char *text;
	size_t length; /* of the secret */
	int cut;
};

static int
same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static void
look_at(struct look *look, const char *text)
{
	size_t i;

	memset(look, 0, sizeof(*look));
	for (i = 0; i < HIDE_TEXT && text[i] != '\0'; i++) {
		if (text[i] == ' ')
			continue;
		look->places[look->count] = i;
		look->octets[look->count++] = text[i];
	}
}

/* From one octet without blanks to another, with those between. */
static void
mark(struct look *look, size_t from, size_t count)
{
	size_t i;

	for (i = look->places[from]; i <= look->places[from + count - 1]; i++)
		look->hidden[i] = 1;
}

/* A short one says something only where it stands alone. */
static int
is_word(const struct look *look, const char *text, size_t i, size_t length)
{
	size_t from = look->places[i], to = look->places[i + length - 1] + 1;

	return to - from == length && (from == 0 || text[from - 1] == ' ') &&
	    (text[to] == '\0' || text[to] == ' ');
}

/* n octets of the secret from j on stand at i, and not more. */
static int
shows(const struct hunt *hunt, size_t i, size_t j, size_t n)
{
	return n >= HIDE_LEAST ||
	    (n > 0 && j == 0 && hunt->cut && i + n == hunt->look->count) ||
	    (n == hunt->length && is_word(hunt->look, hunt->text, i, n));
}

/*
 * From the end: where an octet is the same, one more is than behind it. Who
 * chose the secret may say it again, and must not make this long.
 */
static void
mark_secret(struct look *look, const char *text, const char *secret, int cut)
{
	struct hunt hunt = {look, text, strlen(secret), cut};
	uint16_t same_from[HIDE_TEXT + 1];
	size_t i, j, most;

	if (hunt.length > HIDE_TEXT)
		hunt.length = HIDE_TEXT;
	memset(same_from, 0, sizeof(same_from));
	for (i = look->count; i-- > 0;) {
		most = 0;
		for (j = 0; j < hunt.length; j++) {
			same_from[j] = same(look->octets[i], secret[j])
			    ? (uint16_t)(same_from[j + 1] + 1)
			    : 0;
			if (same_from[j] > most &&
			    shows(&hunt, i, j, same_from[j]))
				most = same_from[j];
		}
		if (most > 0)
			mark(look, i, most);
	}
}

/* "..." for each part that is hidden; what it was is not left behind. */
static unsigned int
replace(struct look *look, char *text)
{
	size_t i = 0, to = 0, length = strlen(text), next;
	char out[HIDE_TEXT + 1];
	unsigned int count = 0;

	while (i < length && i < HIDE_TEXT) {
		if (!look->hidden[i]) {
			out[to++] = text[i++];
			continue;
		}
		for (next = i;
		     next < length && next < HIDE_TEXT && look->hidden[next];
		     next++)
			continue;
		/* Not more than was there: it fits. */
		memcpy(out + to, "...", next - i < 3 ? next - i : 3);
		to += next - i < 3 ? next - i : 3;
		i = next;
		count++;
	}
	if (count > 0) {
		explicit_bzero(text, length);
		memcpy(text, out, to);
	}
	explicit_bzero(out, sizeof(out));
	explicit_bzero(look, sizeof(*look));
	return count;
}

unsigned int
hide_secret(char *text, const char *secret, int cut)
{
	struct look look;

	look_at(&look, text);
	mark_secret(&look, text, secret, cut);
	return replace(&look, text);
}

unsigned int
hide_long_words(char *text, size_t most)
{
	struct look look;
	size_t i, n;

	memset(&look, 0, sizeof(look));
	for (i = 0; i < HIDE_TEXT && text[i] != '\0'; i += n) {
		n = strcspn(text + i, " ");
		if (n > HIDE_TEXT - i)
			n = HIDE_TEXT - i;
		if (n > most && memchr(text + i, '@', n) == NULL)
			memset(look.hidden + i, 1, n);
		n += n == 0;
	}
	return replace(&look, text);
}

int
hide_finds(const char *text, const char *secret)
{
	char copy[HIDE_TEXT + 1];
	unsigned int count;

	(void)strlcpy(copy, text, sizeof(copy));
	count = hide_secret(copy, secret, 0);
	explicit_bzero(copy, sizeof(copy));
	return count > 0;
}
