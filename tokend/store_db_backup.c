/* SPDX-License-Identifier: ISC */
/*
 * Hot backup. First the data file, as it is on disk, then every log file:
 * recovery of the copy replays the log since the last checkpoint, which
 * brings the data file, read over some time, to one state. That needs that
 * no checkpoint is made meanwhile: store_checkpoint() waits for us.
 */
#include "tokend/store_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct store_backup {
	struct store *store;
	char **logs; /* paths, as Berkeley DB allocates them */
	size_t next;
	char name[NAME_MAX + 1];
	int fd;
	int data_done;
};

static int
failed(struct store_backup *backup, const char *path)
{
	problem_set(
	    &backup->store->problem, "backup: %s: %s", path, strerror(errno));
	return -1;
}

struct store_backup *
store_backup_start(struct store *store)
{
	struct store_backup *backup;

	if (store->backup != NULL) {
		problem_set(&store->problem, "a backup is being made already");
		return NULL;
	}
	/* The checkpoint makes the log that must be copied short. */
	if (store_commit(store) == -1 || store_checkpoint(store, 1) == -1)
		return NULL;
	if ((backup = calloc(1, sizeof(*backup))) == NULL) {
		problem_set(&store->problem, "backup: no memory");
		return NULL;
	}
	backup->store = store;
	backup->fd = -1;
	store->backup = backup;
	return backup;
}

static int
file_open(struct store_backup *backup, const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", backup->store->dir, name);
	strlcpy(backup->name, name, sizeof(backup->name));
	backup->fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	return backup->fd == -1 ? failed(backup, path) : 1;
}

/* Opens the next file. Returns 1, 0 when there is none, -1 on error. */
static int
file_next(struct store_backup *backup)
{
	DB_ENV *env = backup->store->env;
	const char *base;

	if (!backup->data_done) {
		backup->data_done = 1;
		return file_open(backup, STORE_FILE);
	}
	/* Only now: the log of what happened meanwhile belongs to it. */
	if (backup->logs == NULL &&
	    (env->log_flush(env, NULL) != 0 ||
		env->log_archive(env, &backup->logs, DB_ARCH_LOG) != 0))
		return failed(backup, "log");
	if (backup->logs == NULL || backup->logs[backup->next] == NULL)
		return 0;
	base = strrchr(backup->logs[backup->next], '/');
	base = base == NULL ? backup->logs[backup->next] : base + 1;
	backup->next++;
	return file_open(backup, base);
}

int
store_backup_next(struct store_backup *backup, const char **name, uint8_t *data,
    size_t size, size_t *length, int *last)
{
	ssize_t n;
	size_t total = 0;
	int result;

	if (backup->fd == -1 && (result = file_next(backup)) != 1)
		return result;
	while (total < size) {
		n = read(backup->fd, data + total, size - total);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return failed(backup, backup->name);
		if (n == 0)
			break;
		total += (size_t)n;
	}
	*name = backup->name;
	*length = total;
	*last = total < size;
	if (*last) {
		close(backup->fd);
		backup->fd = -1;
	}
	return 1;
}

void
store_backup_end(struct store_backup *backup)
{
	if (backup == NULL)
		return;
	if (backup->fd != -1)
		close(backup->fd);
	free(backup->logs);
	backup->store->backup = NULL;
	free(backup);
}
