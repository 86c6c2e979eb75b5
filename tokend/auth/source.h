/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_SOURCE_H
#define TOKEND_AUTH_SOURCE_H

#include <sys/types.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/*
 * A text file that is read whole, and again when it has changed: the users
 * file and the aliases file.
 */

#define SOURCE_SIZE_MAX (64 * 1024 * 1024)

struct source {
	const char *path;
	bool seen; /* the fields below say what was read */
	dev_t device;
	ino_t inode;
	off_t size;
	struct timespec modified;
	struct timespec changed;
};

/* Where the faults of a file go: one call a fault. */
struct source_report {
	void (*fault)(
	    void *context, const char *path, size_t line, const char *what);
	void *context;
};

struct text_list;

/* What a file is read into: one table at a time. */
struct source_kind {
	/*
	 * Reads the file, or makes an empty table where `source` has no path.
	 * NULL when there was a fault; all are reported in one run.
	 */
	void *(*read)(struct source *source, const struct text_list *domains,
	    const struct source_report *report);
	void (*free)(void *table); /* NULL is allowed */
};

struct source_file {
	struct source source;
	const struct text_list *domains;
	const struct source_kind *kind;
	void *table;
};

/*
 * Opens a file of a site with these domains; path and domains stay the
 * caller's, and must live on. With path NULL there is none, and an empty
 * table. Returns 0, or -1 when there is a fault.
 */
int source_open(struct source_file *file, const struct source_kind *kind,
    const char *path, const struct text_list *domains,
    const struct source_report *report);

/*
 * Reads the file again if it is another one than before. One with a fault is
 * reported once and changes nothing. Call it before each question.
 */
void
source_refresh(struct source_file *file, const struct source_report *report);

/* Where in a file one is. */
struct source_place {
	const struct source_report *report;
	const char *path;
	size_t line; /* 0: the file as a whole */
};

/* Reports what is wrong there and what was expected (printf format). */
void source_fault(const struct source_place *place, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Is the file another one than source_read() last read? Costs one stat(2).
 * A file that cannot be looked at counts as unchanged once that was seen.
 */
bool source_changed(struct source *);

/*
 * Reads the whole file into new memory with a NUL after it, and remembers
 * which file it was. The caller wipes and frees *data (length + 1 octets).
 * Returns 0, or -1 after a report.
 */
int source_read(
    struct source *, const struct source_report *, char **data, size_t *length);

/*
 * Cuts the next line off *rest, which has *left octets: NUL instead of LF (or
 * CR LF) at its end. Returns NULL at the end. A line with a NUL inside ends
 * there, which `*length` (octets up to the line's end) tells.
 */
char *source_line(char **rest, size_t *left, size_t *length);

#endif
