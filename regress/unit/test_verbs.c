/* SPDX-License-Identifier: ISC */
/*
 * objects: tokenctl/verbs.o
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <cmocka.h>

#include "imsg/control.h"
#include "tokenctl/verbs.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define WORDS_MAX 10

static struct command command;
static char problem[256];

/* Parses a line whose words stand apart by one space; "_" is an empty one. */
static int
parse(const char *line)
{
	static char text[256]; /* the values point into it */
	char *rest = text, *words[WORDS_MAX];
	int n = 0;

	(void)strlcpy(text, line, sizeof(text));
	while (rest != NULL && n < WORDS_MAX) {
		words[n] = strsep(&rest, " ");
		if (strcmp(words[n], "_") == 0)
			words[n][0] = '\0';
		n++;
	}
	problem[0] = '\0';
	return verb_parse(&command, n, words, problem, sizeof(problem));
}

static const struct {
	const char *line;
	uint16_t number;
	const char *values; /* joined by commas */
} good[] = {
    {"generate temporary al@b.example bob@a.example",
	CONTROL_VERB_GENERATE_TEMPORARY, "al@b.example,bob@a.example"},
    {"generate permanent a b", CONTROL_VERB_GENERATE_PERMANENT, "a,b"},
    {"revoke pair a b", CONTROL_VERB_REVOKE_PAIR, "a,b"},
    {"revoke all", CONTROL_VERB_REVOKE_ALL, ""},
    {"show tokens", CONTROL_VERB_SHOW_TOKENS, ","},
    {"show tokens local l", CONTROL_VERB_SHOW_TOKENS, "l,"},
    {"show tokens remote r", CONTROL_VERB_SHOW_TOKENS, ",r"},
    {"show tokens remote r local l", CONTROL_VERB_SHOW_TOKENS, "l,r"},
    {"show token l", CONTROL_VERB_SHOW_TOKEN, "l,"},
    {"show token l r", CONTROL_VERB_SHOW_TOKEN, "l,r"},
    {"retire key 3", CONTROL_VERB_RETIRE_KEY, "3"},
    {"reload", CONTROL_VERB_RELOAD, ""},
    {"log brief", CONTROL_VERB_LOG_BRIEF, ""},
    {"encrypt", VERB_ENCRYPT, ",,"},
    {"encrypt bob", VERB_ENCRYPT, ",,bob"},
    {"encrypt bob scheme blf-crypt", VERB_ENCRYPT, "blf-crypt,,bob"},
    {"encrypt rounds 5 scheme s bob", VERB_ENCRYPT, "s,5,bob"},
};

static void
understands_words_and_arguments(void **state)
{
	char joined[256];
	size_t i, k;

	(void)state;
	for (i = 0; i < COUNT(good); i++) {
		assert_int_equal(parse(good[i].line), 0);
		assert_int_equal(command.verb->number, good[i].number);
		joined[0] = '\0';
		for (k = 0; k < command.count; k++) {
			if (k > 0)
				(void)strlcat(joined, ",", sizeof(joined));
			(void)strlcat(
			    joined, command.values[k], sizeof(joined));
		}
		assert_string_equal(joined, good[i].values);
	}
}

static const struct {
	const char *line, *problem;
} bad[] = {
    {"revoke pair a", "usage: tokenctl revoke pair REMOTE LOCAL"},
    {"revoke pair a b c", "usage: tokenctl revoke pair REMOTE LOCAL"},
    {"revoke pair a _", "usage: tokenctl revoke pair REMOTE LOCAL"},
    {"revoke all x", "usage: tokenctl revoke all"},
    {"show token", "usage: tokenctl show token LOCAL [REMOTE]"},
    {"show tokens local",
	"usage: tokenctl show tokens [local LOCAL] [remote REMOTE]"},
    {"show tokens local a local b",
	"usage: tokenctl show tokens [local LOCAL] [remote REMOTE]"},
    {"show tokens x",
	"usage: tokenctl show tokens [local LOCAL] [remote REMOTE]"},
    {"shwo tokens", "no such command; the nearest is: tokenctl show tokens"},
    {"show stat", "no such command; the nearest is: tokenctl show stats"},
    {"rotate", "no such command; the nearest is: tokenctl rotate key"},
    {"log", "log what? one of: brief verbose"},
    {"roatte keys", "no such command; the nearest is: tokenctl rotate key"},
    {"encript bob", "no such command; the nearest is: tokenctl encrypt"},
    {"relaod", "no such command; the nearest is: tokenctl reload"},
    {"revoke par a b", "no such command; the nearest is: tokenctl revoke pair"},
    {"retire", "no such command; the nearest is: tokenctl retire key"},
    {"log loud", "log what? one of: brief verbose"},
    {"key rotate", "no such command; tokenctl alone lists them"},
    {"_", "no such command; tokenctl alone lists them"},
};

static void
says_what_to_do_instead(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++) {
		assert_int_equal(parse(bad[i].line), -1);
		assert_string_equal(problem, bad[i].problem);
	}
	/* Long words do no harm. */
	assert_int_equal(
	    parse("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  " b"),
	    -1);
}

/* Every verb has another number, other words, and arguments that fit. */
static void
the_table_is_sound(void **state)
{
	const char *text;
	size_t i, k, arguments;

	(void)state;
	for (i = 0; i < verb_count; i++) {
		for (k = 0; k < i; k++) {
			assert_int_not_equal(verbs[i].number, verbs[k].number);
			assert_string_not_equal(verbs[i].words, verbs[k].words);
		}
		arguments = verbs[i].arguments[0] != '\0';
		for (text = verbs[i].arguments; *text != '\0'; text++)
			arguments += *text == ' ';
		assert_true(arguments <= 2 * VERB_ARGUMENTS_MAX);
		assert_true(strlen(verbs[i].meaning) > 0);
	}
}

/* Writes an item as the table has it: without macros, with brackets. */
static void
plain_item(char *out, size_t size, char *line)
{
	int open = 0;
	char *word, *rest;

	out[0] = '\0';
	for (word = strtok_r(line, " \n", &rest); word != NULL;
	     word = strtok_r(NULL, " \n", &rest)) {
		if (strcmp(word, "Ar") == 0 || strcmp(word, "Cm") == 0)
			continue;
		if (strcmp(word, "Oc") == 0) {
			(void)strlcat(out, "]", size);
			continue;
		}
		if (strcmp(word, "Oo") == 0) {
			open = 1;
			continue;
		}
		if (out[0] != '\0')
			(void)strlcat(out, " ", size);
		if (open)
			(void)strlcat(out, "[", size);
		(void)strlcat(out, word, size);
		open = 0;
	}
}

/* tokenctl.8 has an item for each verb, with its arguments, and no other. */
static void
the_manual_page_has_each_verb(void **state)
{
	FILE *page = fopen("tokenctl/tokenctl.8", "r");
	char line[512], item[256], expected[256];
	size_t i, found = 0, items = 0;

	(void)state;
	assert_non_null(page);
	while (fgets(line, sizeof(line), page) != NULL) {
		if (strncmp(line, ".It Ic ", 7) != 0)
			continue;
		items++;
		plain_item(item, sizeof(item), line + 7);
		for (i = 0; i < verb_count; i++) {
			(void)snprintf(expected, sizeof(expected), "%s%s%s",
			    verbs[i].words,
			    verbs[i].arguments[0] == '\0' ? "" : " ",
			    verbs[i].arguments);
			found += strcasecmp(expected, item) == 0;
		}
	}
	(void)fclose(page);
	assert_int_equal(found, verb_count);
	assert_int_equal(items, verb_count);
}

/* So has the completion for bash, which lists the first words. */
static void
the_completion_has_each_verb(void **state)
{
	FILE *file = fopen("etc/bash_completion/tokenctl", "r");
	char text[8192], words[128];
	size_t i, n;

	(void)state;
	assert_non_null(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	(void)fclose(file);
	text[n] = '\0';
	for (i = 0; i < verb_count; i++) {
		(void)snprintf(words, sizeof(words), "\n\t\"%s|%s\"\n",
		    verbs[i].words, verbs[i].arguments);
		if (strstr(text, words) == NULL)
			fail_msg(
			    "etc/bash_completion/tokenctl lacks %s", words);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(understands_words_and_arguments),
	    cmocka_unit_test(says_what_to_do_instead),
	    cmocka_unit_test(the_table_is_sound),
	    cmocka_unit_test(the_manual_page_has_each_verb),
	    cmocka_unit_test(the_completion_has_each_verb),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
