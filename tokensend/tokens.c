/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "smtpd-stoken/relay/smtp/delivered.h"
#include "tokensend/tokens.h"

#define WORDS 4

struct word {
	size_t at, length;
};

struct row {
	struct word local, remote, token;
	int mine;
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

/* How many words there are, of which the first ones are told. */
static size_t
split(const struct tokens *tokens, size_t at, size_t end,
    struct word words[WORDS])
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
		if (count < WORDS) {
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

/* Returns 1 and what stands on the line; 0: nothing; -1: it is wrong. */
static int
read_row(const struct tokens *tokens, size_t at, size_t end, struct row *row)
{
	struct word words[WORDS], *first = words;
	size_t count = split(tokens, at, end, words);

	if (count == 0)
		return 0;
	row->mine = words[0].length == 4 &&
	    memcmp(tokens->text + words[0].at, "mine", 4) == 0;
	if (row->mine) {
		first++;
		count--;
	}
	if (count != 3)
		return -1;
	row->local = first[0];
	row->remote = first[1];
	row->token = first[2];
	return 1;
}

static int
is_good(const struct tokens *tokens, const struct row *row)
{
	char address[ADDRESS_SIZE];

	return is_address(tokens, &row->local, address) &&
	    is_address(tokens, &row->remote, address) &&
	    is_token(tokens, &row->token);
}

size_t
tokens_check(const struct tokens *tokens)
{
	struct row row;
	size_t at, end, next, number = 0;
	int is;

	for (at = 0; at < tokens->length; at = next) {
		number++;
		end = line_end(tokens, at, &next);
		is = read_row(tokens, at, end, &row);
		if (is == -1 || (is == 1 && !is_good(tokens, &row)))
			return number;
	}
	return 0;
}

/* What is ASCII and has no quotes is canonical but for its case. */
static int
is_same(
    const struct tokens *tokens, const struct word *word, const char *address)
{
	const char *text = tokens->text + word->at;
	char canonical[ADDRESS_SIZE];
	size_t i;

	for (i = 0; i < word->length; i++) {
		if ((text[i] & 0x80) != 0 || text[i] == '"')
			return is_address(tokens, word, canonical) &&
			    strcmp(canonical, address) == 0;
	}
	return word->length == strlen(address) &&
	    strncasecmp(text, address, word->length) == 0;
}

static int
is_of(const struct tokens *tokens, const struct row *row, const char *local,
    const char *remote)
{
	return is_same(tokens, &row->remote, remote) &&
	    is_same(tokens, &row->local, local) && is_good(tokens, row);
}

/* The token's place on the last line of the pair and the kind. */
static int
find(const struct tokens *tokens, const char *local, const char *remote,
    int mine, struct word *found)
{
	struct row row;
	size_t at, end, next;
	int is = 0;

	for (at = 0; at < tokens->length; at = next) {
		end = line_end(tokens, at, &next);
		if (read_row(tokens, at, end, &row) != 1 || row.mine != mine ||
		    !is_of(tokens, &row, local, remote))
			continue;
		*found = row.token;
		is = 1;
	}
	return is;
}

static int
copy(const struct tokens *tokens, const char *local, const char *remote,
    int mine, char token[TOKEN_SIZE])
{
	struct word word;

	token[0] = '\0';
	if (!find(tokens, local, remote, mine, &word))
		return 0;
	memcpy(token, tokens->text + word.at, word.length);
	token[word.length] = '\0';
	return 1;
}

int
tokens_find(const struct tokens *tokens, const char *local, const char *remote,
    char token[TOKEN_SIZE])
{
	return copy(tokens, local, remote, 0, token);
}

int
tokens_find_mine(const struct tokens *tokens, const char *local,
    const char *remote, char token[TOKEN_SIZE])
{
	return copy(tokens, local, remote, 1, token);
}

/* `length` octets, behind what there is. */
static void
put(struct tokens *to, const char *text, size_t length)
{
	memcpy(to->text + to->length, text, length);
	to->length += length;
}

static void
put_text(struct tokens *to, const char *text)
{
	put(to, text, strlen(text));
}

/* Behind what there is, on a line of its own. */
static void
append(struct tokens *to, const struct tokens *from,
    const struct tokens_change *change)
{
	if (from->length > 0)
		put(to, from->text, from->length);
	if (from->length > 0 && from->text[from->length - 1] != '\n')
		put_text(to, "\n");
	put_text(to, change->local);
	put_text(to, " ");
	put_text(to, change->remote);
	put_text(to, " ");
	put_text(to, change->token);
	put_text(to, "\n");
}

static int
is_text(const struct tokens *tokens, const struct word *word, const char *text)
{
	return word->length == strlen(text) &&
	    memcmp(tokens->text + word->at, text, word->length) == 0;
}

static int
renew(struct tokens *to, const struct tokens *from,
    const struct tokens_change *change)
{
	struct word word;
	size_t behind;

	if (!find(from, change->local, change->remote, 0, &word)) {
		append(to, from, change);
		return 1;
	}
	if (is_text(from, &word, change->token))
		return 0;
	behind = word.at + word.length;
	put(to, from->text, word.at);
	put_text(to, change->token);
	put(to, from->text + behind, from->length - behind);
	return 1;
}

static int
strike(struct tokens *to, const struct tokens *from,
    const struct tokens_change *change)
{
	struct row row;
	size_t at, end, next;
	int some = 0;

	for (at = 0; at < from->length; at = next) {
		end = line_end(from, at, &next);
		if (read_row(from, at, end, &row) == 1 && !row.mine &&
		    is_text(from, &row.token, change->token) &&
		    is_of(from, &row, change->local, change->remote)) {
			put_text(to, "# refused ");
			put_text(to, change->refused);
			put_text(to, ": ");
			some = 1;
		}
		put(to, from->text + at, next - at);
	}
	return some;
}

/* What a copy may need: each line may get a note. */
static size_t
room(const struct tokens *from, const struct tokens_change *change)
{
	struct row row;
	size_t at, end, next, count = 0;

	if (change->refused == NULL)
		return from->length + 2 * ADDRESS_SIZE + TOKEN_SIZE +
		    4; /* blanks and newlines */
	for (at = 0; at < from->length; at = next) {
		end = line_end(from, at, &next);
		count += read_row(from, at, end, &row) == 1;
	}
	return from->length + count * (strlen(change->refused) + 16) + 1;
}

int
tokens_change(struct tokens *to, const struct tokens *from,
    const struct tokens_change *change)
{
	size_t size = room(from, change);
	int result;

	to->length = 0;
	to->text = NULL;
	if (size > TOKENS_MOST) {
		errno = EFBIG;
		return -1;
	}
	if ((to->text = malloc(size)) == NULL)
		return -1;
	if (change->refused == NULL)
		result = renew(to, from, change);
	else
		result = strike(to, from, change);
	if (result == 0)
		tokens_free(to);
	return result;
}

void
tokens_free(struct tokens *tokens)
{
	freezero(tokens->text, tokens->length);
	tokens->text = NULL;
	tokens->length = 0;
}
