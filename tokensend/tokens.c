/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/address.h"
#include "smtpd-stoken/relay/smtp/delivered.h"
#include "tokensend/tokens.h"

struct word {
	size_t at, length;
};

/* A line's end; *next is where the one behind it begins. */
static size_t
line_end(const struct tokens *tokens, size_t at, size_t *next)
{
	const char *lf = memchr(tokens->text + at, '\n', tokens->length - at);
	size_t end = lf == NULL ? tokens->length : (size_t)(lf - tokens->text);

	*next = lf == NULL ? end : end + 1;
	if (end > at && tokens->text[end - 1] == '\r')
		end--;
	return end;
}

static int
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* How many words there are, of which at most three are told. */
static size_t
split(const struct tokens *tokens, size_t at, size_t end, struct word words[3])
{
	size_t count = 0, start;

	for (;;) {
		while (at < end && is_blank(tokens->text[at]))
			at++;
		if (at == end || (count == 0 && tokens->text[at] == '#'))
			return count;
		start = at;
		while (at < end && !is_blank(tokens->text[at]))
			at++;
		if (count < 3) {
			words[count].at = start;
			words[count].length = at - start;
		}
		count++;
	}
}

static int
is_token(const struct tokens *tokens, const struct word *word)
{
	char text[TOKEN_SIZE];
	int is;

	if (word->length >= sizeof(text))
		return 0;
	memcpy(text, tokens->text + word->at, word->length);
	text[word->length] = '\0';
	is = strlen(text) == word->length && delivered_is_token(text);
	explicit_bzero(text, sizeof(text));
	return is;
}

static int
is_address(const struct tokens *tokens, const struct word *word,
    char out[ADDRESS_SIZE])
{
	return address_canonical_text(
		   tokens->text + word->at, word->length, out) == 0;
}

size_t
tokens_check(const struct tokens *tokens)
{
	char address[ADDRESS_SIZE];
	struct word words[3];
	size_t at, end, next, count, number = 0;

	for (at = 0; at < tokens->length; at = next) {
		number++;
		end = line_end(tokens, at, &next);
		count = split(tokens, at, end, words);
		if (count == 0)
			continue;
		if (count != 3 || !is_address(tokens, &words[0], address) ||
		    !is_address(tokens, &words[1], address) ||
		    !is_token(tokens, &words[2]))
			return number;
	}
	return 0;
}

/* The token's place on the last line of the pair. */
static int
find(const struct tokens *tokens, const char *local, const char *remote,
    struct word *found)
{
	char address[ADDRESS_SIZE];
	struct word words[3];
	size_t at, end, next;
	int is = 0;

	for (at = 0; at < tokens->length; at = next) {
		end = line_end(tokens, at, &next);
		if (split(tokens, at, end, words) != 3 ||
		    !is_address(tokens, &words[0], address) ||
		    strcmp(address, local) != 0 ||
		    !is_address(tokens, &words[1], address) ||
		    strcmp(address, remote) != 0 ||
		    !is_token(tokens, &words[2]))
			continue;
		*found = words[2];
		is = 1;
	}
	return is;
}

int
tokens_find(const struct tokens *tokens, const char *local, const char *remote,
    char token[TOKEN_SIZE])
{
	struct word word;

	if (!find(tokens, local, remote, &word))
		return 0;
	memcpy(token, tokens->text + word.at, word.length);
	token[word.length] = '\0';
	return 1;
}

/* Behind what there is, on a line of its own. */
static int
append(struct tokens *to, const struct tokens *from, const char *local,
    const char *remote, const char *token)
{
	size_t size =
	    from->length + strlen(local) + strlen(remote) + strlen(token) + 5;
	const char *before =
	    from->length == 0 || from->text[from->length - 1] == '\n' ? ""
								      : "\n";

	if ((to->text = malloc(size)) == NULL)
		return -1;
	if (from->length > 0)
		memcpy(to->text, from->text, from->length);
	to->length = from->length +
	    (size_t)snprintf(to->text + from->length, size - from->length,
		"%s%s %s %s\n", before, local, remote, token);
	return 0;
}

int
tokens_replace(struct tokens *to, const struct tokens *from, const char *local,
    const char *remote, const char *token)
{
	size_t length = strlen(token), behind;
	struct word word;

	if (from->length + ADDRESS_SIZE * 2 + TOKEN_SIZE > TOKENS_MOST)
		return -1;
	if (!find(from, local, remote, &word))
		return append(to, from, local, remote, token);
	behind = word.at + word.length;
	to->length = from->length - word.length + length;
	if ((to->text = malloc(to->length)) == NULL)
		return -1;
	memcpy(to->text, from->text, word.at);
	memcpy(to->text + word.at, token, length);
	memcpy(to->text + word.at + length, from->text + behind,
	    from->length - behind);
	return 0;
}

void
tokens_free(struct tokens *tokens)
{
	freezero(tokens->text, tokens->length);
	tokens->text = NULL;
	tokens->length = 0;
}
