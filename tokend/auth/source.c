/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tokend/auth/source.h"

/*
 * A file that is written to again within one tick of the file system's clock
 * keeps its time. One that was read so soon after its last change is
 * therefore read again at the next question.
 */
#define TICK_NANOSECONDS 20000000LL

void
source_fault(const struct source_place *place, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	place->report->fault(
	    place->report->context, place->path, place->line, text);
}

static bool
same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool
source_changed(struct source *source)
{
	struct stat st;

	if (stat(source->path, &st) == -1)
		memset(&st, 0, sizeof(st));
	return !source->seen || st.st_dev != source->device ||
	    st.st_ino != source->inode || st.st_size != source->size ||
	    !same_time(&st.st_mtim, &source->modified) ||
	    !same_time(&st.st_ctim, &source->changed);
}

static void
remember(struct source *source, const struct stat *st)
{
	struct timespec now;
	long long age;

	source->device = st->st_dev;
	source->inode = st->st_ino;
	source->size = st->st_size;
	source->modified = st->st_mtim;
	source->changed = st->st_ctim;
	source->seen = true;
	if (st->st_ino == 0 || clock_gettime(CLOCK_REALTIME, &now) == -1)
		return;
	age = ((long long)now.tv_sec - st->st_ctim.tv_sec) * 1000000000LL +
	    now.tv_nsec - st->st_ctim.tv_nsec;
	if (age >= 0 && age < TICK_NANOSECONDS)
		source->seen = false;
}

/* Reads up to `want` octets; a file that became shorter is no error. */
static ssize_t
read_all(int fd, char *data, size_t want)
{
	size_t have = 0;
	ssize_t n;

	while (have < want) {
		n = read(fd, data + have, want - have);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		if (n == 0)
			break;
		have += (size_t)n;
	}
	return (ssize_t)have;
}

static int
read_open_file(struct source *source, const struct source_place *at, int fd,
    char **data, size_t *length)
{
	struct stat st;
	size_t size;
	ssize_t n;

	if (fstat(fd, &st) == -1) {
		source_fault(at, "%s", strerror(errno));
		return -1;
	}
	remember(source, &st);
	if (!S_ISREG(st.st_mode) || st.st_size > SOURCE_SIZE_MAX) {
		source_fault(at, "expected a regular file of at most %d MiB",
		    SOURCE_SIZE_MAX / (1024 * 1024));
		return -1;
	}
	size = (size_t)st.st_size;
	if ((*data = malloc(size + 1)) == NULL ||
	    (n = read_all(fd, *data, size)) == -1) {
		source_fault(at, "%s", strerror(errno));
		freezero(*data, size + 1);
		*data = NULL;
		return -1;
	}
	memset(*data + n, 0, size + 1 - (size_t)n);
	*length = (size_t)n;
	return 0;
}

int
source_read(struct source *source, const struct source_report *report,
    char **data, size_t *length)
{
	struct source_place at = {report, source->path, 0};
	struct stat none;
	int fd, result;

	*data = NULL;
	*length = 0;
	fd = open(source->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd == -1) {
		source_fault(&at, "%s", strerror(errno));
		memset(&none, 0, sizeof(none));
		remember(source, &none);
		return -1;
	}
	result = read_open_file(source, &at, fd, data, length);
	(void)close(fd);
	return result;
}

char *
source_line(char **rest, size_t *left, size_t *length)
{
	char *line = *rest, *end;
	size_t n;

	if (*left == 0)
		return NULL;
	end = memchr(line, '\n', *left);
	n = end == NULL ? *left : (size_t)(end - line);
	*rest = line + n + (end != NULL);
	*left -= n + (end != NULL);
	if (n > 0 && line[n - 1] == '\r')
		n--;
	line[n] = '\0';
	*length = n;
	return line;
}

int
source_open(struct source_file *file, const struct source_kind *kind,
    const char *path, const struct text_list *domains,
    const struct source_report *report)
{
	memset(file, 0, sizeof(*file));
	file->source.path = path;
	file->domains = domains;
	file->kind = kind;
	file->table = kind->read(&file->source, domains, report);
	return file->table == NULL ? -1 : 0;
}

void
source_refresh(struct source_file *file, const struct source_report *report)
{
	void *table;

	if (file->source.path == NULL || !source_changed(&file->source))
		return;
	table = file->kind->read(&file->source, file->domains, report);
	if (table == NULL)
		return;
	file->kind->free(file->table);
	file->table = table;
}
