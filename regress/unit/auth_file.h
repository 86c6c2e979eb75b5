/* SPDX-License-Identifier: ISC */
/* What the tests of tokend-auth share: a file to write to, faults to read. */
#include <sys/stat.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/settings.h"
#include "tokend/auth/source.h"

static char *domain_names[] = {(char *)"a.example", (char *)"b.example"};
static const struct text_list one_domain = {domain_names, 1};
static const struct text_list two_domains = {domain_names, 2};

/* All faults, one a line: LINE: text. */
static char faults[4096];

static void
take_fault(void *context, const char *path, size_t line, const char *what)
{
	size_t have = strlen(faults);

	(void)context;
	assert_non_null(path);
	(void)snprintf(
	    faults + have, sizeof(faults) - have, "%zu: %s\n", line, what);
}

static const struct source_report report = {take_fault, NULL};

static char *
new_file(const char *text)
{
	char *path = strdup("/tmp/stoken-auth-XXXXXX");
	int fd = mkstemp(path);

	assert_true(fd != -1);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
	faults[0] = '\0';
	return path;
}

/* As an editor does it: another file takes the name. */
static inline void
replace_file(const char *path, const char *text)
{
	char *other = new_file(text);

	assert_int_equal(rename(other, path), 0);
	free(other);
}

static void
drop_file(char *path)
{
	(void)unlink(path);
	free(path);
}
