/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>
#include <sys/wait.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/process.h"
#include "lmtpd/deliver.h"
#include "lmtpd/maildir.h"
#include "lmtpd/system.h"

#define CHILDREN 16 /* at a time */
#define CHILD_SECONDS 120 /* then it is killed: a dead NFS server, say */

/* A child at work. */
struct child {
	pid_t pid;
	struct recipient *to;
};

/* Gives root up so that it cannot come back. Returns 0 or -1. */
static int
become(const struct passwd *pw)
{
	if (setgroups(1, &pw->pw_gid) == -1 ||
	    setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == -1 ||
	    setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == -1)
		return -1;
	if (getuid() == 0 || geteuid() == 0 || setuid(0) == 0) {
		errno = EPERM;
		return -1;
	}
	return 0;
}

static void
deliver_as_user(const struct deliver_settings *set,
    const struct message_file *message, struct recipient *to, int in)
{
	struct mailbox_path path;
	struct maildir maildir;
	char name[MAILDIR_NAME];

	to->result = DELIVERY_OK;
	if (mailbox_expand(
		&path, &set->template, to->mailbox, to->mailbox_length) == -1 ||
	    maildir_open(&maildir, set->root, &path) == -1) {
		deliver_failed(to, "mailbox", errno);
		return;
	}
	maildir_name(name, to->delivery, set->host, message->size);
	if (message->flags != NULL)
		maildir_flag(&maildir, message->flags, name);
	if (maildir_copy(&maildir, in, message->size, name) == -1)
		deliver_failed(to, "copy", errno);
	else if (!deliver_in_time(message, to))
		maildir_discard(&maildir, name);
	else if (maildir_show(&maildir, name) == -1)
		deliver_failed(to, "rename", errno);
	else if (maildir_flush(&maildir, set->root) == -1) {
		deliver_failed(to, "fsync of the directory", errno);
		maildir_remove(&maildir, name);
	}
	maildir_close(&maildir);
}

__attribute__((noreturn)) static void
child_main(const struct deliver_settings *set,
    const struct message_file *message, struct recipient *to,
    const struct passwd *pw, int in)
{
	process_forked();
	/* Its owner may look at this process, but not at the ticket key. */
	if (set->ticket_key != NULL)
		explicit_bzero(set->ticket_key, TICKET_KEY_LENGTH);
	(void)signal(SIGALRM, SIG_DFL);
	(void)alarm(CHILD_SECONDS);
	(void)umask(S_IRWXG | S_IRWXO);
	if (become(pw) == -1)
		deliver_failed(to, "setresuid", errno);
	else
		deliver_as_user(set, message, to, in);
	_exit((int)to->result);
}

/*
 * The account of a recipient; NULL with an errno. Root gets no mail here: an
 * alias says who reads it.
 */
static const struct passwd *
account(const struct recipient *to)
{
	char user[MAILBOX_NAME], domain[MAILBOX_NAME];
	const struct passwd *pw;

	if (mailbox_split(user, domain, to->mailbox, to->mailbox_length) ==
	    -1) {
		errno = EINVAL;
		return NULL;
	}
	errno = 0;
	pw = getpwnam(user);
	if (pw != NULL && pw->pw_uid != 0)
		return pw;
	/* Not found is EINVAL, "no such mailbox"; trouble is trouble. */
	if (pw != NULL || errno == 0 || errno == ENOENT || errno == ESRCH)
		errno = EINVAL;
	else
		errno = EIO;
	return NULL;
}

/*
 * It belongs to the user, who may stop it, also for good: its alarm would not
 * end it then, and nobody would get mail any more.
 */
static void
wait_for(struct child *child)
{
	pid_t pid;
	int status = 0;

	for (;;) {
		pid = waitpid(child->pid, &status, WUNTRACED);
		if (pid != -1 && WIFSTOPPED(status))
			(void)kill(child->pid, SIGKILL);
		else if (pid != -1 || errno != EINTR)
			break;
	}
	if (pid == -1 || !WIFEXITED(status) ||
	    WEXITSTATUS(status) < DELIVERY_OK ||
	    WEXITSTATUS(status) > DELIVERY_FAILED)
		deliver_failed(child->to, "child", ETIMEDOUT);
	else
		child->to->result = (enum delivery_result)WEXITSTATUS(status);
}

/* Returns 1 when a child was started. */
static int
start_child(const struct deliver_settings *set,
    const struct message_file *message, struct recipient *to, int in,
    struct child *child)
{
	const struct passwd *pw;

	if (!deliver_allowed(set, message, to))
		return 0;
	if ((pw = account(to)) == NULL) {
		deliver_failed(to, "account", errno);
		return 0;
	}
	child->to = to;
	child->pid = fork();
	if (child->pid == -1) {
		deliver_failed(to, "fork", errno);
		return 0;
	}
	if (child->pid == 0)
		child_main(set, message, to, pw, in);
	return 1;
}

void
system_deliver(const struct deliver_settings *set, struct message_file *message)
{
	struct child children[CHILDREN];
	size_t count = 0;
	int in = compat_tmpfile_reader(&message->file);
	int error = errno;

	for (size_t i = 0; i < message->count; i++) {
		if (in == -1) {
			deliver_failed(&message->recipients[i], "file", error);
			continue;
		}
		count += (size_t)start_child(set, message,
		    &message->recipients[i], in, &children[count]);
		if (count == CHILDREN || i + 1 == message->count) {
			while (count > 0)
				wait_for(&children[--count]);
		}
	}
	if (in != -1)
		(void)close(in);
}
