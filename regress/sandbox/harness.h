/* SPDX-License-Identifier: ISC */
/* What the sandbox tests share: a case is a function in a pledged child. */
#ifndef SANDBOX_HARNESS_H
#define SANDBOX_HARNESS_H

#include <stdbool.h>
#include <sys/types.h>

enum outcome {
	RUNS,
	REFUSED,
	KILLED
};

/* Descriptors and paths that cases use, made by harness_start(). */
struct world {
	char directory[64]; /* scratch; the working directory too */
	int dirfd;
	int read_fd; /* a file of 100 octets */
	int write_fd; /* another, for reading and writing */
	int append_fd; /* a third, write-only and append-only */
	int listener; /* TCP on the loopback, listening */
	int port; /* its port */
	int pair[2]; /* a stream socketpair */
	pid_t tester;
};
extern struct world world;

/*
 * Makes the world; -n means that no case pledges, so that those which must be
 * stopped fail; -l that the kernel has no Landlock. Returns the index of the first argument that is no option.
 */
int harness_start(int argc, char *argv[]);

/* Counts one case and prints its line. Returns `ok`. */
bool harness_result(bool ok, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void
harness_skip(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Runs `function` in a child, pledged to `promises` (NULL: not at all). It
 * returns 0, or -1 with errno. Returns the child's wait status: exit code 0
 * or the errno, 255 when pledge() failed.
 */
int harness_run(const char *promises, int (*function)(void));

/* The same for two sets of promises, the second after the first. */
int
harness_run_twice(const char *wide, const char *narrow, int (*function)(void));

/* Whether that status is the outcome. */
bool harness_is(int status, enum outcome outcome);
const char *harness_status(int status);

/* Prints the counting line. Returns the exit code of the program. */
int harness_end(void);

#endif
