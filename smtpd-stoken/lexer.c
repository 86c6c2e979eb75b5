/* SPDX-License-Identifier: ISC */
/*
 * The lexer keeps a stack of sources: the file, a file that it includes, the
 * value of a macro. At the end of one it goes on with the one below.
 */
#include <sys/queue.h>
#include <sys/stat.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "smtpd-stoken/config-file.h"
#include "smtpd-stoken/lexer.h"

#define DEPTH_MAX 16 /* included files and nested macros */
#define FILE_SIZE_MAX (1 << 20) /* octets of one file */
#define WORD_ENDS " \t\r\n{},=#\"'" /* what a word cannot hold */

struct source {
	SLIST_ENTRY(source) entry;
	char *text;
	const char *position;
	const char *file;
	int line;
	int macro;
};

struct name {
	SLIST_ENTRY(name) entry;
	char *text;
};

struct definition {
	SLIST_ENTRY(definition) entry;
	char *name;
	char *value;
	int fixed;
};

struct lexer {
	SLIST_HEAD(source_list, source) sources;
	SLIST_HEAD(name_list, name) names; /* of files: lexemes point to them */
	SLIST_HEAD(definition_list, definition) macros;
	int depth;
};

struct lexer *
lexer_new(void)
{
	return calloc(1, sizeof(struct lexer));
}

static void
pop(struct lexer *lexer)
{
	struct source *source = SLIST_FIRST(&lexer->sources);

	SLIST_REMOVE_HEAD(&lexer->sources, entry);
	lexer->depth--;
	free(source->text);
	free(source);
}

void
lexer_free(struct lexer *lexer)
{
	struct definition *macro;
	struct name *name;

	if (lexer == NULL)
		return;
	while (!SLIST_EMPTY(&lexer->sources))
		pop(lexer);
	while ((name = SLIST_FIRST(&lexer->names)) != NULL) {
		SLIST_REMOVE_HEAD(&lexer->names, entry);
		free(name->text);
		free(name);
	}
	while ((macro = SLIST_FIRST(&lexer->macros)) != NULL) {
		SLIST_REMOVE_HEAD(&lexer->macros, entry);
		free(macro->name);
		free(macro->value);
		free(macro);
	}
	free(lexer);
}

/* Takes `text` over, also when it fails. */
static int
push(struct lexer *lexer, char *text, const char *file, int line, int macro)
{
	struct source *source = NULL;

	if (text == NULL || lexer->depth == DEPTH_MAX ||
	    (source = calloc(1, sizeof(*source))) == NULL) {
		free(text);
		return -1;
	}
	source->text = text;
	source->position = text;
	source->file = file;
	source->line = line;
	source->macro = macro;
	SLIST_INSERT_HEAD(&lexer->sources, source, entry);
	lexer->depth++;
	return 0;
}

static const char *
keep_name(struct lexer *lexer, const char *text)
{
	struct name *name;

	if ((name = calloc(1, sizeof(*name))) == NULL)
		return NULL;
	if ((name->text = strdup(text)) == NULL) {
		free(name);
		return NULL;
	}
	SLIST_INSERT_HEAD(&lexer->names, name, entry);
	return name->text;
}

int
lexer_push_text(struct lexer *lexer, const char *name, const char *text)
{
	const char *kept = keep_name(lexer, name);

	if (kept == NULL)
		return -1;
	return push(lexer, strdup(text), kept, 1, 0);
}

static char *
read_all(int fd, char *why, size_t size)
{
	char *text;
	size_t length = 0;
	ssize_t n;

	if ((text = malloc(FILE_SIZE_MAX + 1)) == NULL) {
		strlcpy(why, "no memory", size);
		return NULL;
	}
	while ((n = read(fd, text + length, FILE_SIZE_MAX + 1 - length)) > 0)
		length += (size_t)n;
	if (n == -1)
		snprintf(why, size, "cannot read it: %s", strerror(errno));
	else if (length > FILE_SIZE_MAX)
		strlcpy(why, "longer than 1M, expected a text", size);
	else if (memchr(text, '\0', length) != NULL)
		strlcpy(why, "holds a NUL, expected a text", size);
	else {
		text[length] = '\0';
		return text;
	}
	free(text);
	return NULL;
}

int
lexer_push_file(struct lexer *lexer, const char *path, char *why, size_t size)
{
	const char *kept;
	char *text;
	int fd;

	if (lexer->depth == DEPTH_MAX) {
		strlcpy(why, "too many files include each other", size);
		return -1;
	}
	if ((fd = config_file_open(path, CONFIG_FILE_OWN, why, size)) == -1)
		return -1;
	text = read_all(fd, why, size);
	close(fd);
	if (text == NULL)
		return -1;
	if ((kept = keep_name(lexer, path)) == NULL) {
		free(text);
		strlcpy(why, "no memory", size);
		return -1;
	}
	return push(lexer, text, kept, 1, 0);
}

static struct definition *
find_macro(struct lexer *lexer, const char *name, size_t length)
{
	struct definition *macro;

	SLIST_FOREACH (macro, &lexer->macros, entry)
		if (strlen(macro->name) == length &&
		    memcmp(macro->name, name, length) == 0)
			return macro;
	return NULL;
}

static size_t
name_length(const char *text)
{
	size_t length = 0;

	while (isalnum((unsigned char)text[length]) || text[length] == '_')
		length++;
	return length;
}

int
lexer_define(
    struct lexer *lexer, const char *name, const char *value, int fixed)
{
	struct definition *macro;
	char *copy;

	if (name[0] == '\0' || name[name_length(name)] != '\0')
		return -1;
	macro = find_macro(lexer, name, strlen(name));
	if (macro != NULL && macro->fixed)
		return 0;
	if ((copy = strdup(value)) == NULL)
		return -1;
	if (macro == NULL) {
		if ((macro = calloc(1, sizeof(*macro))) == NULL ||
		    (macro->name = strdup(name)) == NULL) {
			free(macro);
			free(copy);
			return -1;
		}
		SLIST_INSERT_HEAD(&lexer->macros, macro, entry);
	}
	free(macro->value);
	macro->value = copy;
	macro->fixed = fixed;
	return 0;
}

static void
bad(struct lexeme *lexeme, const char *why)
{
	lexeme->kind = LEXEME_BAD;
	strlcpy(lexeme->text, why, sizeof(lexeme->text));
}

/* Blanks, a comment, and the end of a line after a backslash. */
static void
skip_blanks(struct source *source)
{
	for (;;) {
		source->position += strspn(source->position, " \t\r");
		if (source->position[0] == '#')
			source->position += strcspn(source->position, "\n");
		else if (source->position[0] == '\\' &&
		    source->position[1] == '\n') {
			source->position += 2;
			source->line++;
		} else
			return;
	}
}

/* `$name`. Returns 1 when the macro's value is to be read next. */
static int
expand(struct lexer *lexer, struct source *source, struct lexeme *lexeme)
{
	const char *name = source->position + 1;
	size_t length = name_length(name);
	struct definition *macro = find_macro(lexer, name, length);

	source->position = name + length;
	if (length > 0 && macro != NULL && lexer->depth < DEPTH_MAX &&
	    push(lexer, strdup(macro->value), source->file, source->line, 1) ==
		0)
		return 1;
	lexeme->kind = LEXEME_BAD;
	if (macro != NULL)
		snprintf(lexeme->text, sizeof(lexeme->text),
		    "macro $%.*s is defined by itself", (int)length, name);
	else
		snprintf(lexeme->text, sizeof(lexeme->text),
		    "macro $%.*s is not defined, expected \"%.*s = value\" "
		    "before its use",
		    (int)length, name, (int)length, name);
	return 0;
}

static void
quoted(struct source *source, struct lexeme *lexeme)
{
	char quote = *source->position++;
	size_t length = 0;
	char c;

	lexeme->kind = LEXEME_STRING;
	while ((c = *source->position) != quote) {
		if (c == '\0' || c == '\n') {
			bad(lexeme,
			    "a string is not closed, expected a quote "
			    "before the end of the line");
			return;
		}
		if (c == '\\' &&
		    (source->position[1] == quote ||
			source->position[1] == '\\'))
			c = *++source->position;
		if (length == sizeof(lexeme->text) - 1) {
			source->position += strcspn(source->position, "\n");
			bad(lexeme,
			    "a string is too long, expected at most "
			    "1023 octets");
			return;
		}
		lexeme->text[length++] = c;
		source->position++;
	}
	source->position++;
	lexeme->text[length] = '\0';
}

static void
word(struct source *source, struct lexeme *lexeme)
{
	size_t length = strcspn(source->position, WORD_ENDS);

	lexeme->kind = LEXEME_WORD;
	if (length < sizeof(lexeme->text)) {
		memcpy(lexeme->text, source->position, length);
		lexeme->text[length] = '\0';
	} else
		bad(lexeme, "a word is too long, expected at most 1023 octets");
	source->position += length;
}

/* The end of a source. Returns 1 when the one below is to be read next. */
static int
end(struct lexer *lexer, struct source *source, struct lexeme *lexeme)
{
	int macro = source->macro;

	pop(lexer);
	if (macro)
		return 1;
	lexeme->kind = LEXEME_NEWLINE; /* a file may lack the last one */
	return 0;
}

/* One lexeme from `source`, or 1: look again, the top source is another. */
static int
scan(struct lexer *lexer, struct source *source, struct lexeme *lexeme)
{
	static const struct {
		char c;
		enum lexeme_kind kind;
	} signs[] = {{'{', LEXEME_OPEN}, {'}', LEXEME_CLOSE},
	    {',', LEXEME_COMMA}, {'=', LEXEME_EQUALS}, {'\n', LEXEME_NEWLINE}};
	char c = *source->position;
	size_t i;

	for (i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
		if (c == signs[i].c) {
			source->position++;
			source->line += c == '\n';
			lexeme->kind = signs[i].kind;
			return 0;
		}
	if (c == '\0')
		return end(lexer, source, lexeme);
	if (c == '$')
		return expand(lexer, source, lexeme);
	if (c == '"' || c == '\'')
		quoted(source, lexeme);
	else
		word(source, lexeme);
	return 0;
}

void
lexer_next(struct lexer *lexer, struct lexeme *lexeme)
{
	struct source *source;

	do {
		lexeme->text[0] = '\0';
		lexeme->kind = LEXEME_EOF;
		if ((source = SLIST_FIRST(&lexer->sources)) == NULL)
			return;
		skip_blanks(source);
		lexeme->file = source->file;
		lexeme->line = source->line;
	} while (scan(lexer, source, lexeme));
}
