/* SPDX-License-Identifier: ISC */
/*
 * The disk of make bench: what a Maildir delivery costs without a server.
 *	raw DIRECTORY WRITERS SECONDS SIZE LINKS
 * Each writer has a Maildir of its own and does: write tmp/, fsync, rename to
 * new/, fsync new/; with LINKS above 1 the file gets so many names in new/
 * and the directory is flushed once. Prints names per second.
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
deliver(int maildir, int new, const char *data, size_t size, int links,
    unsigned long number)
{
	char from[64], to[64];
	int fd;

	(void)snprintf(from, sizeof(from), "tmp/%lu", number);
	(void)snprintf(to, sizeof(to), "new/%lu", number);
	fd = openat(maildir, from, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd == -1 || write(fd, data, size) != (ssize_t)size ||
	    fsync(fd) == -1 || close(fd) == -1 ||
	    renameat(maildir, from, maildir, to) == -1)
		err(1, "%s", from);
	for (int i = 1; i < links; i++) {
		(void)snprintf(from, sizeof(from), "new/%lu.%d", number, i);
		if (linkat(maildir, to, maildir, from, 0) == -1)
			err(1, "%s", from);
	}
	if (fsync(new) == -1)
		err(1, "fsync");
}

static unsigned long
run(const char *directory, int writer, double seconds, size_t size, int links)
{
	char name[64], *data = malloc(size);
	unsigned long count = 0;
	double deadline = now() + seconds;
	int maildir, new;

	(void)snprintf(name, sizeof(name), "raw%d", writer);
	if (data == NULL || chdir(directory) == -1 || mkdir(name, 0700) == -1 ||
	    chdir(name) == -1 || mkdir("tmp", 0700) == -1 ||
	    mkdir("new", 0700) == -1)
		err(1, "%s/%s", directory, name);
	memset(data, 'x', size);
	maildir = open(".", O_RDONLY | O_DIRECTORY);
	new = open("new", O_RDONLY | O_DIRECTORY);
	if (maildir == -1 || new == -1)
		err(1, "%s", name);
	while (now() < deadline)
		deliver(maildir, new, data, size, links, count++);
	return count * (unsigned long)links;
}

int
main(int argc, char *argv[])
{
	unsigned long count, total = 0;
	int writers, results[2];
	double seconds, start;

	if (argc != 6)
		errx(1, "usage: raw DIRECTORY WRITERS SECONDS SIZE LINKS");
	writers = atoi(argv[2]);
	seconds = atof(argv[3]);
	if (pipe(results) == -1)
		err(1, "pipe");
	start = now();
	for (int i = 0; i < writers; i++) {
		if (fork() != 0)
			continue;
		count = run(
		    argv[1], i, seconds, (size_t)atol(argv[4]), atoi(argv[5]));
		_exit(
		    write(results[1], &count, sizeof(count)) != sizeof(count));
	}
	for (int i = 0; i < writers; i++) {
		if (read(results[0], &count, sizeof(count)) != sizeof(count))
			err(1, "a writer failed");
		total += count;
	}
	while (wait(NULL) > 0)
		;
	printf("%.0f\n", (double)total / (now() - start));
	return 0;
}
