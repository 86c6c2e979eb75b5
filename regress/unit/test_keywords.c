/* SPDX-License-Identifier: ISC */
/*
 * Flags and keywords as Dovecot reads them (PROTOCOL B9, M-22, M-23).
 * objects: lmtpd/keywords.o lmtpd/flags.o
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "lmtpd/keywords.h"

static char top[64];
static int maildir = -1;

static int
setup(void **state)
{
	(void)state;
	(void)snprintf(top, sizeof(top), "/tmp/keywords-test-XXXXXX");
	assert_non_null(mkdtemp(top));
	maildir = open(top, O_RDONLY | O_DIRECTORY);
	return maildir == -1 ? -1 : 0;
}

static int
teardown(void **state)
{
	char command[128];

	(void)state;
	(void)close(maildir);
	(void)snprintf(command, sizeof(command), "rm -rf %s", top);
	return system(command) == 0 ? 0 : -1;
}

static void
put(const char *name, const char *text)
{
	int fd = openat(maildir, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	(void)close(fd);
}

static const char *
get(void)
{
	static char text[8192];
	int fd = openat(maildir, "dovecot-keywords", O_RDONLY);
	ssize_t n = fd == -1 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd != -1)
		(void)close(fd);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

static const char *
named(const char *flags)
{
	static char name[256];

	(void)snprintf(name, sizeof(name), "1.M2P3Q4_Id-1.host,S=9");
	flags_append(maildir, flags, name, sizeof(name));
	return name + 22;
}

static void
letters(void **state)
{
	(void)state;
	assert_string_equal(named(""), "");
	assert_string_equal(named("   "), "");
	assert_string_equal(named("\\Recent \\Odd"), "");
	assert_string_equal(get(), "");
	assert_string_equal(named("\\seen"), ":2,S");
	assert_string_equal(
	    named("\\Deleted \\Seen \\Answered \\Flagged \\Draft"), ":2,DFRST");
	assert_string_equal(named("$Forwarded"), ":2,a");
	assert_string_equal(
	    named("NonJunk \\Seen $forwarded nonjunk"), ":2,Sab");
	assert_string_equal(get(), "0 $Forwarded\n1 NonJunk\n");
}

/* What is there stays; gaps are used; strange lines and doubles do no harm. */
static void
existing_file(void **state)
{
	(void)state;
	put("dovecot-keywords",
	    "3 Old\n99 x\n-1 y\nnothing\n 4 z\n5\n6 \n25 Last\n0 cut off");
	assert_string_equal(named("old LAST New"), ":2,adz");
	assert_string_equal(get(), "0 New\n3 Old\n25 Last\n");
}

/* M-23: the 27th is ignored, and what is there is still found. */
static void
too_many(void **state)
{
	char many[27 * 4 + 1] = "", word[8];
	int i;

	(void)state;
	for (i = 0; i < 27; i++) {
		(void)snprintf(word, sizeof(word), "k%02d ", i);
		(void)strlcat(many, word, sizeof(many));
	}
	assert_string_equal(named(many), ":2,abcdefghijklmnopqrstuvwxyz");
	assert_string_equal(named("k26"), "");
	assert_string_equal(named("more k25 \\Seen"), ":2,Sz");
	assert_string_equal(
	    named("012345678901234567890123456789012345678901234"
		  "567890"),
	    "");
}

/* A name that would not fit is one without flags. */
static void
long_names(void **state)
{
	char name[32] = "123456789012345678901234567";

	(void)state;
	flags_append(maildir, "\\Seen \\Draft", name, sizeof(name));
	assert_int_equal(strlen(name), 27);
	flags_append(maildir, "\\Seen", name, sizeof(name));
	assert_string_equal(name + 27, ":2,S");
}

static void
age(const char *name, long seconds)
{
	struct timespec times[2] = {{0, UTIME_OMIT}, {time(NULL) - seconds, 0}};

	assert_int_equal(utimensat(maildir, name, times, 0), 0);
}

/* Another holds the lock: known ones alone; a dead one's is taken. */
static void
locks(void **state)
{
	struct stat st;

	(void)state;
	assert_string_equal(named("known"), ":2,a");
	put("dovecot-uidlist.lock", "");
	assert_string_equal(named("known new \\Seen"), ":2,Sa");
	assert_string_equal(get(), "0 known\n");
	assert_int_equal(fstatat(maildir, "dovecot-uidlist.lock", &st, 0), 0);
	age("dovecot-uidlist.lock", 1000);
	put("dovecot-keywords.lock", "left by a crash");
	assert_string_equal(named("known new"), ":2,ab");
	assert_int_equal(fstatat(maildir, "dovecot-uidlist.lock", &st, 0), -1);
	assert_int_equal(fstatat(maildir, "dovecot-keywords.lock", &st, 0), -1);
}

/* Dovecot sees a change by the time in seconds. */
static void
time_grows(void **state)
{
	struct stat st;
	time_t before = 0;
	char word[8];
	int i;

	(void)state;
	for (i = 0; i < 5; i++) {
		(void)snprintf(word, sizeof(word), "t%d", i);
		assert_string_not_equal(named(word), "");
		assert_int_equal(
		    fstatat(maildir, "dovecot-keywords", &st, 0), 0);
		assert_true(st.st_mtime > before);
		before = st.st_mtime;
	}
}

static void
unsafe_files(void **state)
{
	(void)state;
	assert_int_equal(
	    symlinkat("/etc/passwd", maildir, "dovecot-keywords"), 0);
	assert_string_equal(named("x \\Seen"), ":2,S");
	assert_int_equal(unlinkat(maildir, "dovecot-keywords", 0), 0);
	put("dovecot-uidlist.lock", "");
	age("dovecot-uidlist.lock", 1000);
	assert_int_equal(
	    symlinkat("/etc/passwd", maildir, "dovecot-keywords.lock"), 0);
	assert_string_equal(named("x \\Seen"), ":2,Sa");
}

#define CHILDREN 8

/* Deliveries at once: every letter given out means one keyword for good. */
static void
many_at_once(void **state)
{
	char word[16];
	struct keywords keywords;
	pid_t children[CHILDREN];
	const char *text, *name;
	int i, j, status, added = 0;

	(void)state;
	for (i = 0; i < CHILDREN; i++) {
		children[i] = fork();
		if (children[i] != 0)
			continue;
		for (j = 0; j < 12; j++) {
			(void)snprintf(word, sizeof(word), "c%d", (i + j) % 20);
			do /* the lock is waited for, not for ever */
				name = named(word);
			while (name[0] == '\0');
			text = get();
			keywords_read(&keywords, text, strlen(text));
			if (strlen(name) != 4 ||
			    strcmp(keywords.name[name[3] - 'a'], word) != 0)
				_exit(1);
		}
		_exit(0);
	}
	for (i = 0; i < CHILDREN; i++) {
		assert_int_equal(waitpid(children[i], &status, 0), children[i]);
		assert_int_equal(status, 0);
	}
	text = get();
	keywords_read(&keywords, text, strlen(text));
	for (i = 0; i < 19; i++) {
		(void)snprintf(word, sizeof(word), "C%d", i);
		assert_int_not_equal(
		    keywords_add(&keywords, word, strlen(word), &added), -1);
	}
	assert_int_equal(added, 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(letters),
	    TEST(existing_file),
	    TEST(too_many),
	    TEST(long_names),
	    TEST(locks),
	    TEST(time_grows),
	    TEST(unsafe_files),
	    TEST(many_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
