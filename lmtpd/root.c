/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/space.h"
#include "lmtpd/flush.h"
#include "lmtpd/maildir.h"
#include "lmtpd/root.h"

#define SPOOL ".smtpd-stoken"
#define DIRECTORY (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static int spool = -1;

int
root_spool(void)
{
	return spool;
}

/* A directory of our own: nobody else writes there, or reads. */
static int
private_directory(int parent, const char *name)
{
	struct stat st;
	int fd;

	if (mkdirat(parent, name, S_IRWXU) == -1 && errno != EEXIST)
		return -1;
	if ((fd = openat(parent, name, DIRECTORY)) == -1)
		return -1;
	if (fstat(fd, &st) == 0 && st.st_uid == geteuid() &&
	    (st.st_mode & (S_IRWXG | S_IRWXO)) == 0)
		return fd;
	(void)close(fd);
	errno = EPERM;
	return -1;
}

/*
 * One for each worker: a new worker sweeps away what its predecessor has
 * left, where unfinished files have names.
 */
static int
open_spool(int root, uint8_t instance)
{
	char name[8];
	int fd, parent = private_directory(root, SPOOL);

	if (parent == -1)
		return -1;
	(void)snprintf(name, sizeof(name), "%u", instance);
	fd = private_directory(parent, name);
	(void)close(parent);
	if (fd == -1)
		return -1;
	if (compat_tmpfile_sweep(fd) == -1)
		log_warn("cannot clean %s/%s", SPOOL, name);
	return fd;
}

/* What a delivery does. Returns NULL, or the step that failed, with errno. */
static const char *
try_steps(struct tmpfile *file, int root, int directory, dev_t device)
{
	static const char text[] = "self-test\n", name[] = "self-test";
	struct flush flush = {0};
	int error;

	(void)unlinkat(directory, name, 0);
	if (write(file->fd, text, sizeof(text) - 1) != sizeof(text) - 1)
		return "write";
	if (fsync(file->fd) == -1)
		return "fsync";
	if (compat_tmpfile_link(file, directory, name) == -1)
		return "link";
	/* Four, so that the way for many is tried too. */
	for (int i = 0; i < 4; i++) {
		if (flush_add(&flush, directory, device) == -1)
			return "flush";
	}
	flush_run(&flush, root, device);
	error = flush_error(&flush, 0, flush.count);
	flush_free(&flush);
	if (unlinkat(directory, name, 0) == -1)
		return "unlink";
	errno = error;
	return error == 0 ? NULL : "fsync of the directory";
}

/* NULL, or the step that failed, with errno. */
static const char *
try_all(int root, int directory, dev_t device)
{
	struct tmpfile file;
	const char *step;
	int error;

	if (compat_tmpfile_open(&file, directory) == -1)
		return "open";
	step = try_steps(&file, root, directory, device);
	error = errno;
	compat_tmpfile_close(&file);
	errno = error;
	return step;
}

void
root_report(const struct deliver_settings *set)
{
	const char *step, *root = set->template.root;
	enum finding_state state;
	char text[256];

	if ((step = try_all(set->root, spool, set->device)) != NULL)
		measure_finding(FINDING_PROBLEM, "mailboxes",
		    "%s: %s: %s: no mail can be delivered there", root, step,
		    strerror(errno));
	else
		measure_finding(FINDING_OK, "mailboxes",
		    "%s: a file could be written, flushed and linked", root);
	state = space_look(set->root, text, sizeof(text));
	measure_finding(state, "mailboxes", "%s: %s", root, text);
}

/* A full disk is told to each client (452); it is no reason not to start. */
static int
self_test(int root, int directory, dev_t device, const char **step)
{
	*step = try_all(root, directory, device);
	if (*step == NULL)
		return 0;
	if (errno != ENOSPC && errno != EDQUOT)
		return -1;
	log_warn("self-test: %s", *step);
	return 0;
}

/* Opens root and spool into `set`. Returns NULL or the step that failed. */
static const char *
open_root(struct deliver_settings *set, uint8_t instance)
{
	const char *step = "open";
	struct stat st;
	int root, directory;

	root = open(set->template.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (root == -1)
		return step;
	if (fstat(root, &st) == -1) {
		(void)close(root);
		return "stat";
	}
	if ((st.st_mode & S_IWOTH) != 0) {
		(void)close(root);
		errno = EPERM;
		return "everybody may write there";
	}
	directory = open_spool(root, instance);
	if (directory == -1 ||
	    self_test(root, directory, st.st_dev, &step) == -1) {
		if (directory == -1)
			step = "make " SPOOL;
		else
			(void)close(directory);
		(void)close(root);
		return step;
	}
	set->root = root;
	set->device = st.st_dev;
	spool = directory;
	return NULL;
}

static int
take_maildir(struct deliver_settings *wanted, const struct settings *settings,
    char *problem, size_t size)
{
	const char *wrong;

	if (settings->maildir == NULL) {
		(void)snprintf(problem, size, "deliver maildir is not set");
		return -1;
	}
	wrong = mailbox_template_parse(&wanted->template, settings->maildir);
	if (wrong == NULL)
		return 0;
	(void)snprintf(problem, size, "deliver maildir \"%s\": %s",
	    settings->maildir, wrong);
	return -1;
}

/*
 * The spool may be a directory that everybody writes to: what takes the place
 * of the mailboxes' root is a private one in it.
 */
static int
take_spool(struct deliver_settings *wanted, const struct settings *settings,
    char *problem, size_t size)
{
	char name[sizeof(SPOOL) + 24];
	int below = -1, spool_fd;

	(void)snprintf(
	    name, sizeof(name), "%s.%lu", SPOOL, (unsigned long)geteuid());
	(void)snprintf(wanted->template.root, sizeof(wanted->template.root),
	    "%s/%s", settings->spool, name);
	wanted->spools = 1;
	if (strlen(settings->spool) + strlen(name) + 2 > MAILBOX_ROOT) {
		(void)snprintf(problem, size, "spool: the path is too long");
		return -1;
	}
	spool_fd = open(settings->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (spool_fd != -1) {
		below = private_directory(spool_fd, name);
		(void)close(spool_fd);
	}
	if (below == -1) {
		(void)snprintf(problem, size, "spool %s: %s",
		    wanted->template.root, strerror(errno));
		return -1;
	}
	(void)close(below);
	return 0;
}

int
root_take(struct deliver_settings *set, const struct settings *settings,
    uint8_t instance, char *problem, size_t size)
{
	struct deliver_settings wanted = *set;
	const char *wrong;

	if (settings->hostname == NULL) {
		(void)snprintf(problem, size, "hostname is not set");
		return -1;
	}
	/* At a reload the sandbox forbids to look at the spool again. */
	if (settings->spool != NULL && set->root == -1) {
		if (take_spool(&wanted, settings, problem, size) == -1)
			return -1;
	} else if (settings->spool == NULL &&
	    take_maildir(&wanted, settings, problem, size) == -1)
		return -1;
	wanted.system_accounts = settings->system_accounts != 0;
	maildir_host(wanted.host, sizeof(wanted.host), settings->hostname);
	if (set->root != -1 &&
	    (strcmp(wanted.template.root, set->template.root) != 0 ||
		wanted.system_accounts != set->system_accounts)) {
		(void)snprintf(problem, size,
		    "deliver maildir: another root directory needs a restart");
		return -1;
	}
	if (set->root == -1 && (wrong = open_root(&wanted, instance)) != NULL) {
		(void)snprintf(problem, size, "mailboxes in %s: %s: %s",
		    wanted.template.root, wrong, strerror(errno));
		return -1;
	}
	*set = wanted;
	return 0;
}

void
root_unveil(const struct deliver_settings *set)
{
	if (unveil(set->template.root, "rwc") == -1)
		fatal("unveil %s", set->template.root);
	if (set->system_accounts &&
	    (unveil("/etc/passwd", "r") == -1 ||
		(unveil("/etc/nsswitch.conf", "r") == -1 && errno != ENOENT)))
		fatal("unveil /etc");
}
