/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lmtpd/keywords.h"

#define WORDS 64

/* In the order of the letters, as the Maildir rules say. */
static const struct {
	const char *flag;
	char letter;
} system_flags[] = {
    {"\\Draft", 'D'},
    {"\\Flagged", 'F'},
    {"\\Answered", 'R'},
    {"\\Seen", 'S'},
    {"\\Deleted", 'T'},
};

#define SYSTEM_FLAGS (sizeof(system_flags) / sizeof(system_flags[0]))

struct words {
	const char *name[WORDS]; /* keywords */
	size_t length[WORDS];
	size_t count;
	unsigned int system; /* bits of system_flags[] */
};

/* It becomes a line of a file: no blank, no control, ASCII alone. */
static int
is_plain(const char *word, size_t length)
{
	size_t i;

	for (i = 0; i < length; i++)
		if (word[i] <= ' ' || word[i] == 127)
			return 0;
	return 1;
}

static void
take_word(struct words *words, const char *word, size_t length)
{
	size_t i;

	if (length == 0 || !is_plain(word, length))
		return;
	if (word[0] != '\\') {
		if (words->count < WORDS) {
			words->name[words->count] = word;
			words->length[words->count++] = length;
		}
		return;
	}
	for (i = 0; i < SYSTEM_FLAGS; i++)
		if (strlen(system_flags[i].flag) == length &&
		    strncasecmp(system_flags[i].flag, word, length) == 0)
			words->system |= 1U << i;
}

void
flags_append(int maildir, const char *flags, char *name, size_t size)
{
	struct words words = {.count = 0};
	char info[4 + SYSTEM_FLAGS + KEYWORDS] = ":2,";
	uint32_t letters = 0;
	size_t i, n;

	for (; *flags != '\0'; flags += n + (flags[n] == ' ')) {
		n = strcspn(flags, " ");
		take_word(&words, flags, n);
	}
	n = 3;
	if (words.count > 0)
		letters = keywords_letters(
		    maildir, words.name, words.length, words.count);
	for (i = 0; i < SYSTEM_FLAGS; i++)
		if (words.system & 1U << i)
			info[n++] = system_flags[i].letter;
	for (i = 0; i < KEYWORDS; i++)
		if (letters & UINT32_C(1) << i)
			info[n++] = (char)('a' + i);
	info[n] = '\0';
	/* A name that would be too long is one without flags. */
	if (n > 3 && strlen(name) + n < size)
		(void)strlcat(name, info, size);
}
