/* SPDX-License-Identifier: ISC */
/* Unnamed files and compares in constant time: compat/. */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "compat/sandbox.h"
#include "compat/tmpfile.h"

static char directory[64];
static int dirfd;

static int
make_directory(void **state)
{
	(void)state;
	(void)strlcpy(
	    directory, "/tmp/test_compat.XXXXXXXXXX", sizeof(directory));
	if (mkdtemp(directory) == NULL)
		return -1;
	dirfd = open(directory, O_RDONLY | O_DIRECTORY);
	return dirfd == -1 || mkdirat(dirfd, "new", 0700) == -1 ? -1 : 0;
}

static int
remove_directory(void **state)
{
	char command[128];

	(void)state;
	close(dirfd);
	(void)snprintf(command, sizeof(command), "rm -rf %s", directory);
	return system(command);
}

/* The names in the directory, without its own subdirectory. */
static int
names(void)
{
	struct stat st;
	char command[160];
	FILE *list;
	int n = 0;

	(void)snprintf(
	    command, sizeof(command), "ls -A %s | grep -vc '^new$'", directory);
	list = popen(command, "r");
	assert_non_null(list);
	assert_int_equal(fscanf(list, "%d", &n), 1);
	(void)pclose(list);
	assert_int_equal(fstat(dirfd, &st), 0);
	return n;
}

static void
write_and_link(int named)
{
	struct tmpfile file;
	char text[16];
	int new_fd = openat(dirfd, "new", O_RDONLY | O_DIRECTORY), in;
	struct stat st;

	assert_int_equal(compat_tmpfile_open(&file, dirfd), 0);
	assert_int_equal(file.name[0] != '\0', named);
	assert_int_equal(fcntl(file.fd, F_GETFL) & O_ACCMODE, O_WRONLY);
	assert_true(fcntl(file.fd, F_GETFL) & O_APPEND);
	assert_int_equal(fcntl(file.fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(names(), named);
	assert_int_equal(write(file.fd, "hello", 5), 5);
	assert_int_equal(fsync(file.fd), 0);
	assert_int_equal(fstat(file.fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);

	in = compat_tmpfile_reader(&file);
	assert_int_not_equal(in, -1);
	assert_int_equal(read(in, text, sizeof(text)), 5);
	assert_int_equal(write(in, "x", 1), -1);
	close(in);

	assert_int_equal(compat_tmpfile_link(&file, new_fd, "one"), 0);
	assert_int_equal(compat_tmpfile_link(&file, new_fd, "two"), 0);
	assert_int_equal(compat_tmpfile_link(&file, new_fd, "one"), -1);
	assert_int_equal(errno, EEXIST);
	compat_tmpfile_close(&file);
	compat_tmpfile_close(&file);
	assert_int_equal(names(), 0);
	assert_int_equal(fstatat(new_fd, "one", &st, 0), 0);
	assert_int_equal(st.st_nlink, 2);
	assert_int_equal(st.st_size, 5);
	assert_int_equal(unlinkat(new_fd, "one", 0), 0);
	assert_int_equal(unlinkat(new_fd, "two", 0), 0);
	close(new_fd);
}

/* What is not linked leaves nothing behind. */
static void
closed_file_is_gone(void **state)
{
	struct tmpfile file;

	(void)state;
	assert_int_equal(compat_tmpfile_open(&file, dirfd), 0);
	assert_int_equal(write(file.fd, "hello", 5), 5);
	compat_tmpfile_close(&file);
	assert_int_equal(file.fd, -1);
	assert_int_equal(names(), 0);
}

/* Runs first: without compat_tmpfile_prepare() files have names. */
static void
named(void **state)
{
	(void)state;
	write_and_link(1);
}

static void
unnamed(void **state)
{
	(void)state;
	compat_tmpfile_prepare();
#ifdef O_TMPFILE
	write_and_link(0);
#else
	write_and_link(1);
#endif
}

static void
killed_process_leaves_names(void **state)
{
	struct tmpfile file;

	(void)state;
	assert_int_equal(compat_tmpfile_open(&file, dirfd), 0);
	assert_int_equal(names(), 1);
	close(file.fd);
	assert_int_equal(close(openat(dirfd, "other", O_CREAT, 0600)), 0);
	assert_int_equal(compat_tmpfile_sweep(dirfd), 1);
	assert_int_equal(names(), 1);
	assert_int_equal(unlinkat(dirfd, "other", 0), 0);
}

static void
missing_directory(void **state)
{
	struct tmpfile file;

	(void)state;
	assert_int_equal(compat_tmpfile_open(&file, -1), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(compat_tmpfile_sweep(-1), -1);
}

/* As lmtpd: undumpable, unveiled, pledged. */
static void
in_the_sandbox(void **state)
{
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0) {
		struct tmpfile file;
		int new_fd = openat(dirfd, "new", O_RDONLY | O_DIRECTORY);

		sandbox_undumpable();
		if (unveil(directory, "rwc") == -1 ||
		    unveil(NULL, NULL) == -1 ||
		    pledge("stdio rpath wpath cpath flock sendfd", NULL) == -1)
			_exit(1);
		if (compat_tmpfile_open(&file, dirfd) == -1 ||
		    file.name[0] != '\0')
			_exit(2);
		if (compat_tmpfile_reader(&file) == -1)
			_exit(3);
		if (compat_tmpfile_link(&file, new_fd, "one") == -1)
			_exit(4);
		_exit(unlinkat(new_fd, "one", 0) == 0 ? 0 : 5);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void
compares(void **state)
{
	static const struct {
		const char *one, *two;
		int order;
	} cases[] = {
	    {"", "", 0},
	    {"a", "a", 0},
	    {"a", "b", -1},
	    {"b", "a", 1},
	    {"ab", "ba", -1},
	    {"ba", "ab", 1},
	    {"aaaaaaab", "aaaaaaaa", 1},
	    {"\xff", "\x01", 1},
	    {"\x01\xff", "\xff\x01", -1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t length = strlen(cases[i].one);
		int order =
		    timingsafe_memcmp(cases[i].one, cases[i].two, length);

		assert_int_equal((order > 0) - (order < 0), cases[i].order);
		assert_int_equal(
		    timingsafe_bcmp(cases[i].one, cases[i].two, length) != 0,
		    cases[i].order != 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(named),
	    cmocka_unit_test(killed_process_leaves_names),
	    cmocka_unit_test(unnamed),
	    cmocka_unit_test(closed_file_is_gone),
	    cmocka_unit_test(missing_directory),
	    cmocka_unit_test(in_the_sandbox),
	    cmocka_unit_test(compares),
	};

	return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
