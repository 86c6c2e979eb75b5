/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "imsg/control.h"
#include "tokenctl/verbs.h"

const struct verb verbs[] = {
#define CONTROL(NAME, number, may, words, arguments, meaning) \
	{number, words, arguments, meaning},
#include "imsg/control.def"
#undef CONTROL
    {VERB_ENCRYPT, "encrypt", "[scheme SCHEME] [rounds N] [USER]",
	"read a password from standard input and print the users line"},
};
const size_t verb_count = sizeof(verbs) / sizeof(verbs[0]);

/* What is not here is SHAPE_OBJECT. */
static const struct {
	uint16_t number;
	enum shape shape;
} shapes[] = {
    {CONTROL_VERB_GENERATE_TEMPORARY, SHAPE_VALUE},
    {CONTROL_VERB_GENERATE_PERMANENT, SHAPE_VALUE},
    {CONTROL_VERB_SHOW_TOKENS, SHAPE_LIST},
    {CONTROL_VERB_SHOW_HELD, SHAPE_LIST},
    {CONTROL_VERB_SHOW_KEYS, SHAPE_LIST},
    {CONTROL_VERB_SHOW_SESSIONS, SHAPE_LIST},
    {CONTROL_VERB_SHOW_REAUTH, SHAPE_LIST},
    {CONTROL_VERB_SHOW_JWKS, SHAPE_JWKS},
    {CONTROL_VERB_SHOW_METRICS, SHAPE_METRICS},
    {CONTROL_VERB_SHOW_DNS, SHAPE_ZONE},
    {CONTROL_VERB_CHECK, SHAPE_FINDINGS},
};

enum shape
verb_shape(const struct verb *verb)
{
	size_t i;

	for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
		if (shapes[i].number == verb->number)
			return shapes[i].shape;
	}
	return SHAPE_OBJECT;
}

/* Cuts the next word off *text; returns its octets, 0 at the end. */
static size_t
next_word(const char **text, const char **word)
{
	size_t n;

	*text += strspn(*text, " ");
	*word = *text;
	n = strcspn(*text, " ");
	*text += n;
	return n;
}

/* How many words of the command line are the verb's words; 0: not it. */
static int
match_words(const struct verb *verb, int argc, char *const *argv)
{
	const char *text = verb->words, *word;
	int i = 0;
	size_t n;

	while ((n = next_word(&text, &word)) > 0) {
		if (i == argc || strlen(argv[i]) != n ||
		    memcmp(argv[i], word, n) != 0)
			return 0;
		i++;
	}
	return i;
}

/* One argument of a verb. */
struct argument {
	const char *keyword; /* not terminated; NULL: by its place */
	size_t keyword_length;
	int optional;
};

static size_t
list_arguments(const struct verb *verb, struct argument *list)
{
	const char *text = verb->arguments, *word;
	size_t length, n = 0;

	while ((length = next_word(&text, &word)) > 0) {
		memset(&list[n], 0, sizeof(list[n]));
		list[n].optional = word[0] == '[';
		if (word[0] == '[' && word[length - 1] != ']') {
			list[n].keyword = word + 1;
			list[n].keyword_length = length - 1;
			(void)next_word(&text, &word); /* "NAME]" */
		}
		n++;
	}
	return n;
}

/* Where a value goes that is given by its place: the next one without. */
static size_t
next_place(const struct command *command, const struct argument *list)
{
	size_t i;

	for (i = 0; i < command->count; i++) {
		if (list[i].keyword == NULL && command->values[i][0] == '\0')
			break;
	}
	return i;
}

/* The argument behind this keyword, or command->count. */
static size_t
find_keyword(const struct command *command, const struct argument *list,
    const char *word)
{
	size_t i;

	for (i = 0; i < command->count; i++) {
		if (list[i].keyword != NULL &&
		    strlen(word) == list[i].keyword_length &&
		    memcmp(word, list[i].keyword, strlen(word)) == 0)
			break;
	}
	return i;
}

/* Returns 0, or -1 when the arguments are not those of the verb. */
static int
parse_arguments(struct command *command, int argc, char *const *argv)
{
	struct argument list[VERB_ARGUMENTS_MAX];
	size_t place;
	int i;

	command->count = list_arguments(command->verb, list);
	for (place = 0; place < command->count; place++)
		command->values[place] = "";
	for (i = 0; i < argc; i++) {
		place = find_keyword(command, list, argv[i]);
		if (place == command->count)
			place = next_place(command, list);
		else if (++i == argc)
			return -1;
		if (place == command->count || argv[i][0] == '\0' ||
		    command->values[place][0] != '\0')
			return -1;
		command->values[place] = argv[i];
	}
	for (place = 0; place < command->count; place++) {
		if (!list[place].optional && command->values[place][0] == '\0')
			return -1;
	}
	return 0;
}

/* How many octets must change to make one text the other; both are short. */
static size_t
distance(const char *a, const char *b)
{
	size_t row[64], i, j, above, corner, least;
	size_t width = strlen(b);

	if (width >= sizeof(row) / sizeof(row[0]))
		return SIZE_MAX;
	for (j = 0; j <= width; j++)
		row[j] = j;
	for (i = 1; a[i - 1] != '\0'; i++) {
		corner = row[0];
		row[0] = i;
		for (j = 1; j <= width; j++) {
			above = row[j];
			least = corner + (a[i - 1] != b[j - 1]);
			if (above + 1 < least)
				least = above + 1;
			if (row[j - 1] + 1 < least)
				least = row[j - 1] + 1;
			row[j] = least;
			corner = above;
		}
	}
	return row[width];
}

/*
 * The verb whose words are nearest to the first words of the line, and not
 * so far that nobody can have meant it; or NULL.
 */
static const struct verb *
nearest(int argc, char *const *argv)
{
	const struct verb *best = NULL;
	size_t least = SIZE_MAX, d, v;
	char line[64];
	int words, i;

	for (v = 0; v < verb_count; v++) {
		words = strchr(verbs[v].words, ' ') == NULL ? 1 : 2;
		line[0] = '\0';
		for (i = 0; i < words && i < argc; i++) {
			if (i > 0)
				(void)strlcat(line, " ", sizeof(line));
			(void)strlcat(line, argv[i], sizeof(line));
		}
		d = distance(line, verbs[v].words);
		if (d < least && 3 * d <= strlen(verbs[v].words)) {
			least = d;
			best = &verbs[v];
		}
	}
	return best;
}

/* What is said about a line that begins with no command. */
static void
not_a_command(int argc, char *const *argv, char *problem, size_t size)
{
	const struct verb *verb = nearest(argc, argv);
	size_t i, length = strlen(argv[0]);
	int count = 0;

	if (argc > 1 && verb != NULL)
		count = -1; /* the second word is spelt wrongly */
	(void)snprintf(problem, size, "%s what? one of:", argv[0]);
	for (i = 0; count >= 0 && i < verb_count; i++) {
		if (strncmp(verbs[i].words, argv[0], length) != 0 ||
		    verbs[i].words[length] != ' ')
			continue;
		(void)strlcat(problem, verbs[i].words + length, size);
		verb = &verbs[i];
		count++;
	}
	if (count >= 2)
		return;
	(void)snprintf(problem, size, "no such command; %s%s",
	    verb == NULL ? "tokenctl alone lists them"
			 : "the nearest is: tokenctl ",
	    verb == NULL ? "" : verb->words);
}

int
verb_parse(struct command *command, int argc, char *const *argv, char *problem,
    size_t size)
{
	int used = 0, n;
	size_t i;

	for (i = 0; i < verb_count && used == 0; i++) {
		if ((n = match_words(&verbs[i], argc, argv)) > 0) {
			command->verb = &verbs[i];
			used = n;
		}
	}
	if (used == 0) {
		not_a_command(argc, argv, problem, size);
		return -1;
	}
	if (parse_arguments(command, argc - used, argv + used) == -1) {
		(void)snprintf(problem, size, "usage: tokenctl %s%s%s",
		    command->verb->words,
		    command->verb->arguments[0] == '\0' ? "" : " ",
		    command->verb->arguments);
		return -1;
	}
	return 0;
}
