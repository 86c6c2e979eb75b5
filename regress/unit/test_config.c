/* SPDX-License-Identifier: ISC */
/*
 * smtpd-stoken.conf(5): regress/config holds pairs: N.in is a configuration,
 * N.ok what is said about it: its errors, or its canonical form, which must
 * read back to itself. With UPDATE in the environment N.ok is written anew.
 *
 * objects: smtpd-stoken/lexer.o smtpd-stoken/config.o smtpd-stoken/config-check.o smtpd-stoken/config-directives.o smtpd-stoken/config-file.o smtpd-stoken/config-listen.o smtpd-stoken/config-metadata.o smtpd-stoken/config-parse.o smtpd-stoken/config-print.o smtpd-stoken/config-remember.o smtpd-stoken/config-relay.o smtpd-stoken/config-table.o smtpd-stoken/config-token.o smtpd-stoken/config-users.o
 * libs: -lidn2
 */
#include <sys/stat.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "smtpd-stoken/config-parse.h"
#include "smtpd-stoken/config.h"

#define TEXT_MAX 65536

static char directory[] = "/tmp/test_config.XXXXXX";
static int top; /* the tree */

static size_t
read_from(int at, const char *name, char *text)
{
	int fd = openat(at, name, O_RDONLY);
	ssize_t n;

	if (fd == -1)
		return 0;
	n = read(fd, text, TEXT_MAX - 1);
	close(fd);
	assert_true(n >= 0);
	text[n] = '\0';
	return (size_t)n;
}

/* Into the test's own directory, with a mode that is not the checkout's. */
static void
write_file(const char *name, const char *text, size_t length, mode_t mode)
{
	int fd;

	(void)unlink(name); /* it may be read-only, and we not root */
	fd = open(name, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_int_not_equal(fd, -1);
	assert_int_equal(write(fd, text, length), (ssize_t)length);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* What config_load() says about a file: errors, or the canonical form. */
static int
load(const char *name, const struct macro *macros, char *said)
{
	FILE *file = fmemopen(said, TEXT_MAX, "w");
	struct config *config;
	int result;

	assert_non_null(file);
	said[0] = '\0';
	result = config_load(name, macros, file, &config);
	assert_int_equal(result == 0, config != NULL);
	if (result == 0)
		config_print(config, file);
	fclose(file);
	config_free(config);
	return result;
}

static int
load_text(const char *text, char *said)
{
	write_file("text.conf", text, strlen(text), 0600);
	return load("text.conf", NULL, said);
}

static void
check_pair(const char *name)
{
	static char in[TEXT_MAX], ok[TEXT_MAX], said[TEXT_MAX], again[TEXT_MAX];
	struct macro *macros = NULL;
	char path[512];
	size_t length;
	int fd;

	snprintf(path, sizeof(path), "regress/config/%s", name);
	length = read_from(top, path, in);
	write_file(name, in, length, 0600);
	if (strstr(name, ".inc") != NULL)
		return;
	assert_int_equal(config_macro_add(&macros, "host=mx.a.example"), 0);
	if (load(name, macros, said) == 0) {
		write_file("again.in", said, strlen(said), 0600);
		assert_int_equal(load("again.in", NULL, again), 0);
		assert_string_equal(said, again);
	}
	config_macro_free(macros);
	path[strlen(path) - 2] = '\0';
	strlcat(path, "ok", sizeof(path));
	if (getenv("UPDATE") != NULL) {
		fd = openat(top, path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
		assert_int_equal(
		    write(fd, said, strlen(said)), (ssize_t)strlen(said));
		close(fd);
	}
	ok[0] = '\0';
	read_from(top, path, ok);
	if (strcmp(said, ok) != 0)
		print_error("%s differs:\n", name);
	assert_string_equal(said, ok);
}

static void
test_pairs(void **state)
{
	struct dirent **names;
	int i, count, pass;

	(void)state;
	assert_int_equal(fchdir(top), 0);
	count = scandir("regress/config", &names, NULL, alphasort);
	assert_true(count > 10);
	assert_int_equal(chdir(directory), 0);
	/* What is included comes first. */
	for (pass = 0; pass < 2; pass++)
		for (i = 0; i < count; i++) {
			const char *dot = strrchr(names[i]->d_name, '.');

			if (dot != NULL &&
			    strcmp(dot, pass == 0 ? ".inc" : ".in") == 0)
				check_pair(names[i]->d_name);
		}
	for (i = 0; i < count; i++)
		free(names[i]);
	free(names);
}

static void
test_modes(void **state)
{
	static char said[TEXT_MAX];

	(void)state;
	write_file("open.conf", "", 0, 0664);
	assert_int_equal(load("open.conf", NULL, said), -1);
	assert_string_equal(said,
	    "open.conf: mode 0664: others may write it, "
	    "expected mode 0644 or tighter\n");
	assert_int_equal(load(".", NULL, said), -1);
	assert_non_null(strstr(said, "not a regular file"));
	assert_int_equal(load("absent", NULL, said), -1);
	assert_non_null(strstr(said, "absent: cannot open it"));
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(load("fifo", NULL, said), -1); /* and does not wait */
	write_file("nul", "a\0b", 3, 0600);
	assert_int_equal(load("nul", NULL, said), -1);
	assert_non_null(strstr(said, "NUL"));
	write_file("recursive", "include \"recursive\"\n", 20, 0600);
	assert_int_equal(load("recursive", NULL, said), -1);
	assert_non_null(strstr(said, "include each other"));
}

static void
test_secret_modes(void **state)
{
	static const struct {
		mode_t mode;
		int secret, public;
	} cases[] = {{0600, 1, 1}, {0640, 1, 1}, {0440, 1, 1}, {0644, 0, 1},
	    {0660, 0, 0}, {0604, 0, 1}, {0602, 0, 0}, {0650, 0, 1}};
	static char said[TEXT_MAX];
	size_t i;
	FILE *file;
	int fd;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_file("key", "x", 1, cases[i].mode);
		fd = config_open_file("key", 1, NULL);
		assert_int_equal(fd != -1, cases[i].secret);
		close(fd);
		fd = config_open_file("key", 0, NULL);
		assert_int_equal(fd != -1, cases[i].public);
		close(fd);
	}
	write_file("key", "x", 1, 0644);
	file = fmemopen(said, TEXT_MAX, "w");
	assert_int_equal(config_open_file("key", 1, file), -1);
	fclose(file);
	assert_string_equal(said,
	    "key: mode 0644: others may use it, "
	    "expected mode 0640 or tighter\n");
}

static void
test_check_files(void **state)
{
	static char said[TEXT_MAX], text[TEXT_MAX];
	struct config *config;
	FILE *file;

	(void)state;
	write_file("c.crt", "x", 1, 0644);
	write_file("c.key", "x", 1, 0644);
	write_file("users", "x", 1, 0600);
	snprintf(text, sizeof(text),
	    "hostname a.example\ndomain a.example\n"
	    "pki p cert \"%s/c.crt\"\npki p key \"%s/c.key\"\n"
	    "users file \"%s/users\"\naliases file \"%s/none\"\n"
	    "listen on ::1 smtps pki p\ncontrol \"/c\" group no-such-group\n"
	    "deliver maildir \"/v/%%{user}\" user no-such-user\n",
	    directory, directory, directory, directory);
	write_file("files.conf", text, strlen(text), 0600);
	assert_int_equal(config_load("files.conf", NULL, stderr, &config), 0);
	file = fmemopen(said, TEXT_MAX, "w");
	assert_int_equal(
	    config_check_files(config, file), geteuid() == 0 ? 4 : 3);
	fclose(file);
	assert_non_null(strstr(said, "c.key: mode 0644"));
	assert_non_null(strstr(said, "none: cannot open it"));
	assert_non_null(strstr(said, "no-such-group"));
	assert_non_null(strstr(said, "no-such-user"));
	assert_null(strstr(said, "c.crt"));
	config_free(config);
}

static void
test_macros(void **state)
{
	static const char *const bad[] = {"", "=", "=x", "a", "a b=c", "-=x"};
	struct macro *macros = NULL;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(config_macro_add(&macros, bad[i]), -1);
	assert_int_equal(config_macro_add(&macros, "port=465=466"), 0);
	assert_string_equal(macros->name, "port");
	assert_string_equal(macros->value, "465=466");
	config_macro_free(macros);
}

/* Long words and strings, many listeners, binary: errors, never a crash. */
static void
test_garbage(void **state)
{
	static char said[TEXT_MAX], text[TEXT_MAX];
	unsigned int seed = 7;
	size_t i, round;

	(void)state;
	for (round = 0; round < 300; round++) {
		static const char *const pieces[] = {"listen on ", "{", "}",
		    "\"", "'", "$a ", "a = ", "\n", "\n", "pki ", "p ",
		    "domain ", "include ", "\\", "#", ",", "limit sessions ",
		    "1", "token permanent ", "lifetime 1d ", "\x80", "socket "};

		text[0] = '\0';
		for (i = 0; i < 200; i++) {
			seed = seed * 1103515245 + 12345;
			strlcat(text,
			    pieces[(seed >> 16) %
				(sizeof(pieces) / sizeof(pieces[0]))],
			    sizeof(text));
		}
		assert_int_equal(load_text(text, said), -1);
	}
	memset(text, 'a', 5000);
	text[5000] = '\0';
	assert_int_equal(load_text(text, said), -1);
	assert_non_null(strstr(said, "a word is too long"));
	text[0] = '"';
	text[4999] = '"';
	assert_int_equal(load_text(text, said), -1);
	assert_non_null(strstr(said, "a string is too long"));
	assert_int_equal(load_text("", said), -1);
}

/* The rows agree with each other, and defaults are what the manual says. */
static void
test_table(void **state)
{
	static char said[TEXT_MAX];
	size_t i, j;

	(void)state;
	assert_true(directive_count < DIRECTIVES_MAX);
	for (i = 0; i < directive_count; i++)
		for (j = 0; j < i; j++)
			if (strcmp(directives[i].name, directives[j].name) == 0)
				assert_true(directives[i].word != NULL &&
				    directives[j].word != NULL &&
				    strcmp(directives[i].word,
					directives[j].word) != 0);
	assert_int_equal(load_text("hostname a.example\ndomain a.example\n"
				   "listen on socket \"/s\"\n"
				   "deliver maildir \"/v/%{user}\"\n",
			     said),
	    0);
	assert_non_null(strstr(said, "\ntoken temporary lifetime 7d\n"));
	assert_non_null(strstr(said, "\nlimit message-size 35M\n"));
	assert_non_null(strstr(
	    said, "\ntoken permanent lifetime 365d refresh 90d grace 7d\n"));
}

/* Does the manual have a line for this directive? */
static int
documented(const char *page, const struct directive *directive)
{
	static const char *const before[] = {"\n.It Ic ", "\n.Ic "};
	static const char after[] = " \n";
	char line[128];
	const char *found;
	size_t i;

	for (i = 0; i < 2; i++) {
		snprintf(line, sizeof(line), "%s%s%s%s", before[i],
		    directive->name, directive->word == NULL ? "" : " ",
		    directive->word == NULL ? "" : directive->word);
		found = strstr(page, line);
		if (found != NULL && strchr(after, found[strlen(line)]) != NULL)
			return 1;
	}
	return 0;
}

static const struct directive *
row_of(const char *text)
{
	char key[128];
	size_t i, length;

	for (i = 0; i < directive_count; i++) {
		snprintf(key, sizeof(key), "%s%s%s", directives[i].name,
		    directives[i].word == NULL ? "" : " ",
		    directives[i].word == NULL ? "" : directives[i].word);
		length = strlen(key);
		if (strncmp(text, key, length) == 0 &&
		    (text[length] == ' ' || text[length] == '\n'))
			return &directives[i];
	}
	return NULL;
}

/* smtpd-stoken.conf(5) has every row, no other, and its defaults. */
static void
test_manual(void **state)
{
	static char page[TEXT_MAX];
	const char *at;
	size_t i;

	(void)state;
	assert_true(
	    read_from(top, "smtpd-stoken/smtpd-stoken.conf.5", page) > 0);
	for (i = 0; i < directive_count; i++)
		if (!documented(page, &directives[i]))
			fail_msg("smtpd-stoken.conf(5) lacks %s %s",
			    directives[i].name, directives[i].word);
	for (at = page; (at = strstr(at, "\n.It Ic ")) != NULL; at++) {
		const struct directive *row = row_of(at + 8);
		const char *end = strstr(at + 1, "\n.It ");
		char stated[128];

		if (row == NULL)
			fail_msg("smtpd-stoken.conf(5) knows more: %.40s", at);
		if (row->print != print_count && row->print != print_size &&
		    row->print != print_duration)
			continue;
		snprintf(
		    stated, sizeof(stated), "default is %s", row->defaults);
		assert_non_null(end);
		at = strstr(at, stated);
		if (at == NULL || at > end)
			fail_msg("smtpd-stoken.conf(5): %s %s: not %s",
			    row->name, row->word, stated);
	}
}

/* The example of the manual and the sample in etc/ are configurations. */
static void
test_examples(void **state)
{
	static char page[TEXT_MAX], said[TEXT_MAX];
	char *start, *end;

	(void)state;
	read_from(top, "smtpd-stoken/smtpd-stoken.conf.5", page);
	start = strstr(page, "\n.Sh EXAMPLES");
	assert_non_null(start);
	start = strstr(start, "\n.Bd ");
	assert_non_null(start);
	start = strchr(start + 1, '\n');
	assert_non_null(start);
	end = strstr(start, "\n.Ed");
	assert_non_null(end);
	*end = '\0';
	if (load_text(start, said) == -1)
		fail_msg("%s", said);
	assert_true(read_from(top, "etc/smtpd-stoken.conf", page) > 0);
	if (load_text(page, said) == -1)
		fail_msg("%s", said);
	/* And with what it leaves as comments. */
	for (start = page; (start = strstr(start, "\n#")) != NULL; start++)
		if (start[2] != ' ')
			start[1] = ' ';
	if (load_text(page, said) == -1)
		fail_msg("%s", said);
}

static int
setup(void **state)
{
	(void)state;
	top = open(".", O_RDONLY | O_DIRECTORY);
	return top == -1 || mkdtemp(directory) == NULL || chdir(directory);
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return fchdir(top) || system(command);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_pairs),
	    cmocka_unit_test(test_modes),
	    cmocka_unit_test(test_secret_modes),
	    cmocka_unit_test(test_check_files),
	    cmocka_unit_test(test_macros),
	    cmocka_unit_test(test_garbage),
	    cmocka_unit_test(test_table),
	    cmocka_unit_test(test_manual),
	    cmocka_unit_test(test_examples),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
