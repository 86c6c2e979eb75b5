/* SPDX-License-Identifier: ISC */
#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "smtpd-stoken/relay/smtp/hide.h"

/* A text, without its blanks, and what of it is to be hidden. */
struct look {
	size_t count;
	char octets[HIDE_TEXT];
	size_t places[HIDE_TEXT]; /* of the octets in the text */
	char hidden[HIDE_TEXT];
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

/* How many octets are the same, from these two on. */
static size_t
run(const struct look *look, size_t i, const char *secret)
{
	size_t n = 0;

	while (i + n < look->count && secret[n] != '\0' &&
	    same(look->octets[i + n], secret[n]))
		n++;
	return n;
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

static void
mark_secret(struct look *look, const char *text, const char *secret, int cut)
{
	size_t i, j, n, length = strlen(secret);

	for (i = 0; i < look->count; i++) {
		for (j = 0; j < length; j++) {
			n = run(look, i, secret + j);
			if (n >= HIDE_LEAST ||
			    (n > 0 && j == 0 && cut && i + n == look->count) ||
			    (n == length && is_word(look, text, i, n)))
				mark(look, i, n);
		}
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
