/* SPDX-License-Identifier: ISC */
/*
 * Maildir delivery: DESIGN section 7, PEERS T27 and U25.
 * objects: lmtpd/look.o lmtpd/arrange.o lmtpd/flags.o lmtpd/keywords.o lmtpd/deliver.o lmtpd/boxes.o lmtpd/copy.o lmtpd/flush.o lmtpd/maildir.o lmtpd/maildir_put.o lmtpd/message.o lmtpd/place.o lmtpd/system.o
 * libs: -lcrypto -Wl,--wrap=fsync,--wrap=compat_syncfs,--wrap=compat_tmpfile_link
 */
#include <sys/stat.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "compat/tmpfile.h"
#include "lmtpd/deliver.h"
#include "lmtpd/flush.h"
#include "lmtpd/maildir.h"

#define HELLO "Subject: hello\n\nhello\n"

int __real_fsync(int);
int __wrap_fsync(int);
int __real_compat_syncfs(int);
int __wrap_compat_syncfs(int);
int __real_compat_tmpfile_link(const struct tmpfile *, int, const char *);
int __wrap_compat_tmpfile_link(const struct tmpfile *, int, const char *);

/* What happened, in order: f file flushed, d directory, a all, l link. */
static char events[4096];
static size_t event_count;
static int fail_all, fail_file, fail_directory, fail_link, fail_link_after;

static void
event(char c)
{
	if (event_count + 1 < sizeof(events))
		events[event_count++] = c;
	events[event_count] = '\0';
}

int
__wrap_fsync(int fd)
{
	struct stat st;
	int error;

	assert_int_equal(fstat(fd, &st), 0);
	event(S_ISDIR(st.st_mode) ? 'd' : 'f');
	error = S_ISDIR(st.st_mode) ? fail_directory : fail_file;
	if (error == 0)
		return __real_fsync(fd);
	errno = error;
	return -1;
}

int
__wrap_compat_syncfs(int fd)
{
	event('a');
	if (fail_all == 0)
		return __real_compat_syncfs(fd);
	errno = fail_all;
	return -1;
}

int
__wrap_compat_tmpfile_link(
    const struct tmpfile *file, int directory, const char *name)
{
	event('l');
	if (fail_link == 0 || fail_link_after-- > 0)
		return __real_compat_tmpfile_link(file, directory, name);
	errno = fail_link;
	return -1;
}

static struct deliver_settings set;
static struct message_files list;
static uint8_t key[TICKET_KEY_LENGTH] = "the ticket key";
static char top[64];

static int
setup(void **state)
{
	struct stat st;

	(void)state;
	(void)snprintf(top, sizeof(top), "/tmp/lmtpd-test-XXXXXX");
	assert_non_null(mkdtemp(top));
	assert_int_equal(chmod(top, 0755), 0);
	assert_null(
	    mailbox_template_parse(&set.template, "/x/%{domain}/%{user}"));
	set.root = open(top, O_RDONLY | O_DIRECTORY);
	assert_true(set.root >= 0);
	assert_int_equal(fstat(set.root, &st), 0);
	set.device = st.st_dev;
	set.system_accounts = 0;
	set.ticket_key = key;
	maildir_host(set.host, sizeof(set.host), "mx.a.example");
	compat_tmpfile_prepare();
	TAILQ_INIT(&list);
	fail_all = fail_file = fail_directory = fail_link = 0;
	fail_link_after = 0;
	event_count = 0;
	events[0] = '\0';
	flush_forget(); /* a busy disk must not choose for the tests */
	return 0;
}

static int
teardown(void **state)
{
	char command[128];
	struct message_file *message;

	(void)state;
	while ((message = TAILQ_FIRST(&list)) != NULL) {
		TAILQ_REMOVE(&list, message, entry);
		message_free(message);
	}
	(void)close(set.root);
	(void)snprintf(command, sizeof(command), "rm -rf %s", top);
	return system(command) == 0 ? 0 : -1;
}

static const char *
path(const char *name)
{
	static char out[4][600];
	static int i;

	i = (i + 1) % 4;
	(void)snprintf(out[i], sizeof(out[i]), "%s/%s", top, name);
	return out[i];
}

static struct message_file *
new_message(const char *text)
{
	struct message_file *message = message_new(set.root);

	assert_non_null(message);
	assert_int_equal(
	    write(message->file.fd, text, strlen(text)), strlen(text));
	message->size = strlen(text);
	message->expires = ticket_clock() + TICKET_LIFE;
	(void)snprintf(message->message, sizeof(message->message), "Mid12345");
	TAILQ_INSERT_TAIL(&list, message, entry);
	return message;
}

static void
add(struct message_file *message, const char *mailbox)
{
	struct ticket_subject subject = {.kind = TICKET_DELIVER,
	    .message = message->message,
	    .message_length = strlen(message->message),
	    .mailbox = mailbox,
	    .mailbox_length = strlen(mailbox),
	    .expires = message->expires};
	uint8_t ticket[TICKET_LENGTH];
	char id[32];

	assert_int_equal(ticket_make(ticket, key, &subject), 0);
	(void)snprintf(id, sizeof(id), "Mid12345-%zu", message->count + 1);
	assert_int_equal(message_add(message, mailbox, strlen(mailbox), id,
			     strlen(id), ticket, sizeof(ticket)),
	    0);
}

/* How many files are in a directory; the last one's path is left in `file`. */
static size_t
files_in(const char *name, char file[1024])
{
	struct dirent *entry;
	size_t count = 0;
	DIR *dir = opendir(path(name));

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		count++;
		(void)snprintf(file, 1024, "%s/%s", path(name), entry->d_name);
	}
	(void)closedir(dir);
	return count;
}

static void
assert_content(const char *file, const char *text)
{
	char data[4096];
	ssize_t n;
	int fd = open(file, O_RDONLY);

	assert_true(fd >= 0);
	n = read(fd, data, sizeof(data));
	(void)close(fd);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(data, text, strlen(text));
}

static void
delivers(void **state)
{
	struct message_file *message = new_message(HELLO);
	char file[1024], end[64];
	struct stat st;

	(void)state;
	add(message, "alice@a.example");
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_OK);
	assert_int_equal(files_in("a.example/alice/new", file), 1);
	assert_content(file, HELLO);
	assert_non_null(strstr(file, "_Mid12345-1.mx.a.example,S="));
	(void)snprintf(end, sizeof(end), ",S=%zu", strlen(HELLO));
	assert_string_equal(strstr(file, ",S="), end);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	/* The mailbox was made: whole, and for its owner alone. */
	assert_int_equal(files_in("a.example/alice", file), 3);
	assert_int_equal(stat(path("a.example"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(path("a.example/alice/tmp"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(files_in("a.example/alice/tmp", file), 0);
}

/* U25: data, then the name, then the directory. */
static void
order_of_events(void **state)
{
	struct message_file *message = new_message(HELLO);

	(void)state;
	add(message, "alice@a.example");
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_OK);
	/* The first time, what is above the mailbox is flushed too. */
	assert_true(
	    strcmp(events, "fla") == 0 || strcmp(events, "fladddd") == 0);
	/* What is durable stays so. */
	event_count = 0;
	deliver(&set, &list);
	assert_string_equal(events, "ld");
}

/* The file is flushed ahead, if it is the file that is delivered then. */
static void
hastened(void **state)
{
	struct message_file *message = new_message(HELLO);

	(void)state;
	add(message, "alice@a.example");
	deliver_hasten(message, message->size + 1);
	assert_string_equal(events, "");
	deliver_hasten(message, message->size);
	assert_string_equal(events, "f");
	assert_int_equal(write(message->file.fd, "x", 1), 1);
	/* Once: who says so of each octet keeps the disk from others. */
	deliver_hasten(message, message->size + 1);
	assert_string_equal(events, "f");
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_FAILED);
	assert_string_equal(events, "f");
	message->size++;
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_OK);
	assert_memory_equal(events, "ffl", 3);
}

/* The kernel says so once: a second fsync() may be fine with it. */
static void
hastened_in_vain(void **state)
{
	struct message_file *message = new_message(HELLO);

	(void)state;
	add(message, "alice@a.example");
	fail_file = EIO;
	deliver_hasten(message, message->size);
	fail_file = 0;
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_FAILED);
	assert_null(strchr(events, 'l'));
}

static void
many_recipients(void **state)
{
	struct message_file *message = new_message(HELLO);
	char name[64], file[1024];
	struct stat first, st;

	(void)state;
	for (int i = 0; i < 50; i++) {
		(void)snprintf(name, sizeof(name), "user%d@a.example", i);
		add(message, name);
	}
	deliver(&set, &list);
	for (int i = 0; i < 50; i++) {
		assert_int_equal(message->recipients[i].result, DELIVERY_OK);
		(void)snprintf(name, sizeof(name), "a.example/user%d/new", i);
		assert_int_equal(files_in(name, file), 1);
		(void)snprintf(name, sizeof(name), "_Mid12345-%d.", i + 1);
		assert_non_null(strstr(file, name));
		assert_int_equal(stat(file, &st), 0);
		if (i == 0)
			first = st;
		assert_int_equal(st.st_ino, first.st_ino);
	}
	assert_int_equal(st.st_nlink, 50);
}

/* More mailboxes than are open at a time, and several messages. */
static void
large_batch(void **state)
{
	struct message_file *message;
	char name[64], file[1024];

	(void)state;
	for (int m = 0; m < 3; m++) {
		message = new_message(HELLO);
		for (int i = 0; i < 300; i++) {
			(void)snprintf(name, sizeof(name), "u%d@a.example", i);
			add(message, name);
		}
	}
	deliver(&set, &list);
	TAILQ_FOREACH (message, &list, entry) {
		for (size_t i = 0; i < message->count; i++)
			assert_int_equal(
			    message->recipients[i].result, DELIVERY_OK);
	}
	for (int i = 0; i < 300; i++) {
		(void)snprintf(name, sizeof(name), "a.example/u%d/new", i);
		assert_int_equal(files_in(name, file), 3);
	}
}

/* DESIGN 11: the same recipient twice: two ids, two files. */
static void
same_mailbox_twice(void **state)
{
	struct message_file *message = new_message(HELLO);
	char file[1024];
	struct stat st;

	(void)state;
	add(message, "alice@a.example");
	add(message, "alice@a.example");
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_OK);
	assert_int_equal(message->recipients[1].result, DELIVERY_OK);
	assert_int_equal(files_in("a.example/alice/new", file), 2);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_nlink, 2);
}

static void
size_must_be_right(void **state)
{
	struct message_file *message = new_message(HELLO), *other;
	char file[1024];

	(void)state;
	add(message, "alice@a.example");
	message->size++;
	other = new_message(HELLO);
	add(other, "bob@a.example");
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_FAILED);
	assert_int_equal(other->recipients[0].result, DELIVERY_OK);
	assert_int_equal(access(path("a.example/alice"), F_OK), -1);
	assert_int_equal(files_in("a.example/bob/new", file), 1);
}

/* DESIGN 2: without a ticket nothing is even made. */
static void
tickets_are_demanded(void **state)
{
	struct message_file *message = new_message(HELLO);

	(void)state;
	add(message, "alice@a.example");
	add(message, "bob@a.example");
	add(message, "carol@a.example");
	message->recipients[1].ticket[3] ^= 1;
	message->recipients[2].ticket_length = 0;
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_OK);
	assert_int_equal(message->recipients[1].result, DELIVERY_TICKET);
	assert_int_equal(message->recipients[2].result, DELIVERY_TICKET);
	assert_int_equal(access(path("a.example/bob"), F_OK), -1);
	assert_int_equal(access(path("a.example/carol"), F_OK), -1);
}

static void
tickets_expire(void **state)
{
	struct message_file *message = new_message(HELLO);

	(void)state;
	message->expires = ticket_clock() - 1;
	add(message, "alice@a.example");
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_TICKET);
	assert_int_equal(access(path("a.example"), F_OK), -1);
	/* The trusted engine has no token to show: it needs none. */
	message->trusted = 1;
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_OK);
}

/* T27: nothing odd is followed or written into. */
static void
odd_mailboxes(void **state)
{
	static const struct {
		const char *user, *command;
	} odd[] = {
	    {"new-link@a.example", "ln -s ../../etc new-link/new"},
	    {"new-loop@a.example", "ln -s new new-loop/new"},
	    {"tmp-link@a.example", "ln -s /etc tmp-link/tmp"},
	    {"cur-link@a.example", "ln -s /etc cur-link/cur"},
	    {"new-fifo@a.example", "mkfifo new-fifo/new"},
	    {"new-file@a.example", "touch new-file/new"},
	    {"new-wide@a.example", "mkdir -m 777 new-wide/new"},
	    {"wide@a.example", "chmod 777 wide"},
	    {"box-link@a.example", "rmdir box-link; ln -s wide box-link"},
	};
	char command[256], user[64];
	struct message_file *message = new_message(HELLO);

	(void)state;
	assert_int_equal(mkdir(path("a.example"), 0700), 0);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		(void)snprintf(user, sizeof(user), "%s", odd[i].user);
		user[strcspn(user, "@")] = '\0';
		(void)snprintf(command, sizeof(command),
		    "cd %s/a.example && mkdir -m 700 %s && %s", top, user,
		    odd[i].command);
		assert_int_equal(system(command), 0);
		add(message, odd[i].user);
	}
	add(message, "good@a.example");
	deliver(&set, &list);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
		if (message->recipients[i].result != DELIVERY_PERMISSION)
			fail_msg("%s: %d", odd[i].user,
			    message->recipients[i].result);
	}
	assert_int_equal(
	    message->recipients[message->count - 1].result, DELIVERY_OK);
}

static void
odd_names(void **state)
{
	struct message_file *message = new_message(HELLO);

	(void)state;
	add(message, "../x@a.example");
	add(message, "a/b@a.example");
	add(message, "..@a.example");
	deliver(&set, &list);
	for (size_t i = 0; i < message->count; i++)
		assert_int_equal(
		    message->recipients[i].result, DELIVERY_NO_MAILBOX);
	/* An id becomes part of a file name: letters and digits only. */
	assert_int_equal(message_add(message, "a@b", 3, "../x", 4, "", 0), -1);
	assert_int_equal(message_add(message, "a@b", 3, "", 0, "", 0), -1);
}

/* A Maildir that somebody made by half is completed. */
static void
completes_a_maildir(void **state)
{
	struct message_file *message = new_message(HELLO);
	char file[1024];

	(void)state;
	assert_int_equal(mkdir(path("a.example"), 0700), 0);
	assert_int_equal(mkdir(path("a.example/alice"), 0700), 0);
	assert_int_equal(mkdir(path("a.example/alice/new"), 0700), 0);
	add(message, "alice@a.example");
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_OK);
	assert_int_equal(files_in("a.example/alice", file), 3);
}

/* EXDEV and EMLINK: a copy, through tmp/. */
static void
copies_where_it_cannot_link(void **state)
{
	struct message_file *message = new_message(HELLO);
	char file[1024];

	(void)state;
	add(message, "alice@a.example");
	fail_link = EXDEV;
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_OK);
	fail_link = EMLINK;
	deliver(&set, &list);
	assert_int_equal(files_in("a.example/alice/new", file), 2);
	assert_content(file, HELLO);
	assert_int_equal(files_in("a.example/alice/tmp", file), 0);
	/* A copy of a file that is too short is none. */
	fail_link = ENOSPC;
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_NO_SPACE);
	fail_link = EDQUOT;
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_QUOTA);
	assert_int_equal(files_in("a.example/alice/new", file), 2);
}

static void
file_that_cannot_be_flushed(void **state)
{
	struct message_file *message = new_message(HELLO);

	(void)state;
	add(message, "alice@a.example");
	fail_file = EIO;
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_FAILED);
	assert_null(strchr(events, 'l'));
	fail_file = ENOSPC;
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_NO_SPACE);
	assert_int_equal(access(path("a.example"), F_OK), -1);
}

/* No 250 for what is not in the directory on disk; and it is taken back. */
static void
directory_that_cannot_be_flushed(void **state)
{
	struct message_file *message = new_message(HELLO);
	char file[1024];

	(void)state;
	add(message, "alice@a.example");
	fail_all = fail_directory = EIO;
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_FAILED);
	assert_int_equal(files_in("a.example/alice/new", file), 0);
	/* It is not remembered as durable. */
	fail_all = fail_directory = 0;
	event_count = 0;
	TAILQ_REMOVE(&list, message, entry);
	message_free(message);
	message = new_message(HELLO);
	add(message, "alice@a.example");
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_OK);
	assert_true(event_count > 2);
	assert_string_not_equal(events, "fld");
}

/* When all at once fails, one by one finds out whose fault it was. */
static void
all_at_once_fails(void **state)
{
	struct message_file *message;
	char name[64];

	(void)state;
	fail_all = EIO;
	for (int i = 0; i < 5; i++) {
		message = new_message(HELLO);
		(void)snprintf(name, sizeof(name), "u%d@a.example", i);
		add(message, name);
	}
	deliver(&set, &list);
	assert_int_equal(strncmp(events, "afffff", 6), 0);
	TAILQ_FOREACH (message, &list, entry)
		assert_int_equal(message->recipients[0].result, DELIVERY_OK);
}

/* A mailbox that is known is not delivered to where it was, but where it is. */
static void
mailboxes_that_move(void **state)
{
	struct message_file *message = new_message(HELLO);
	char file[1024];

	(void)state;
	add(message, "alice@a.example");
	deliver(&set, &list);
	deliver(&set, &list);
	assert_int_equal(files_in("a.example/alice/new", file), 2);
	assert_int_equal(
	    rename(path("a.example/alice"), path("a.example/old")), 0);
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_OK);
	assert_int_equal(files_in("a.example/old/new", file), 2);
	assert_int_equal(files_in("a.example/alice/new", file), 1);
	/* Another directory in its place, and a link to the old one. */
	assert_int_equal(
	    rename(path("a.example/alice/new"), path("a.example/alice/older")),
	    0);
	deliver(&set, &list);
	assert_int_equal(files_in("a.example/alice/new", file), 1);
	assert_int_equal(files_in("a.example/alice/older", file), 1);
	assert_int_equal(
	    rename(path("a.example/alice/new"), path("a.example/alice/oldest")),
	    0);
	assert_int_equal(symlink("older", path("a.example/alice/new")), 0);
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_PERMISSION);
	assert_int_equal(files_in("a.example/alice/older", file), 1);
	/* It was made writable for everybody since. */
	assert_int_equal(unlink(path("a.example/alice/new")), 0);
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_OK);
	assert_int_equal(chmod(path("a.example/alice/new"), 0777), 0);
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_PERMISSION);
}

static void
add_as(struct message_file *message, const char *mailbox, const char *id)
{
	add(message, mailbox);
	(void)snprintf(message->recipients[message->count - 1].delivery,
	    sizeof(message->recipients[0].delivery), "%s", id);
}

/* DESIGN 11: the mailboxes behind an alias get it all, or none does. */
static void
all_targets_or_none(void **state)
{
	struct message_file *message = new_message(HELLO);
	char file[1024];

	(void)state;
	assert_int_equal(mkdir(path("a.example"), 0700), 0);
	assert_int_equal(symlink("/etc", path("a.example/bad")), 0);
	add_as(message, "a1@a.example", "Mid-1");
	add_as(message, "b1@a.example", "Mid-2");
	add_as(message, "bad@a.example", "Mid-2-2");
	add_as(message, "b3@a.example", "Mid-2-3");
	add_as(message, "c1@a.example", "Mid-22");
	add_as(message, "c2@a.example", "Mid-22-2");
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_OK);
	for (size_t i = 1; i < 4; i++)
		assert_int_equal(
		    message->recipients[i].result, DELIVERY_PERMISSION);
	assert_int_equal(message->recipients[4].result, DELIVERY_OK);
	assert_int_equal(message->recipients[5].result, DELIVERY_OK);
	assert_int_equal(files_in("a.example/a1/new", file), 1);
	assert_int_equal(files_in("a.example/b1/new", file), 0);
	assert_int_equal(files_in("a.example/b3/new", file), 0);
	assert_int_equal(files_in("a.example/c1/new", file), 1);
	assert_int_equal(files_in("a.example/c2/new", file), 1);
	assert_non_null(strstr(file, "_Mid-22-2."));
	/* A bad ticket counts for the group as well. */
	message->recipients[5].ticket[0] ^= 1;
	deliver(&set, &list);
	assert_int_equal(message->recipients[4].result, DELIVERY_TICKET);
	assert_int_equal(files_in("a.example/c1/new", file), 1);
	assert_int_equal(files_in("a.example/a1/new", file), 2);
}

/* One fails when others are visible already: they are taken back. */
static void
targets_are_taken_back(void **state)
{
	struct message_file *message = new_message(HELLO);
	char file[1024], id[32], name[32];

	(void)state;
	for (int i = 1; i <= 200; i++) {
		(void)snprintf(
		    id, sizeof(id), i == 1 ? "Mid-1" : "Mid-1-%d", i);
		(void)snprintf(name, sizeof(name), "u%d@a.example", i);
		add_as(message, name, id);
	}
	fail_link = EDQUOT;
	fail_link_after = 150;
	deliver(&set, &list);
	for (int i = 1; i <= 200; i++) {
		assert_int_equal(
		    message->recipients[i - 1].result, DELIVERY_QUOTA);
		(void)snprintf(name, sizeof(name), "a.example/u%d/new", i);
		assert_int_equal(files_in(name, file), 0);
	}
}

static void
system_accounts(void **state)
{
	const struct passwd *pw = getpwnam("daemon");
	struct message_file *message = new_message(HELLO), *flagged;
	uid_t uid = pw != NULL ? pw->pw_uid : 0;
	gid_t gid = pw != NULL ? pw->pw_gid : 0;
	char file[1024];
	struct stat st;

	(void)state;
	if (geteuid() != 0 || uid == 0)
		skip();
	set.system_accounts = 1;
	assert_null(
	    mailbox_template_parse(&set.template, "/x/%{user}/Maildir"));
	assert_int_equal(mkdir(path("daemon"), 0700), 0);
	assert_int_equal(chown(path("daemon"), uid, gid), 0);
	assert_int_equal(mkdir(path("bin"), 0700), 0);
	add(message, "daemon@a.example");
	add(message, "daemon@a.example");
	add(message, "bin@a.example"); /* the directory is root's */
	add(message, "root@a.example");
	add(message, "nobody-of-this-name@a.example");
	add(message, "daemon@a.example");
	message->recipients[5].ticket[0] ^= 1;
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_OK);
	assert_int_equal(message->recipients[1].result, DELIVERY_OK);
	assert_int_equal(message->recipients[2].result, DELIVERY_PERMISSION);
	assert_int_equal(message->recipients[3].result, DELIVERY_NO_MAILBOX);
	assert_int_equal(message->recipients[4].result, DELIVERY_NO_MAILBOX);
	assert_int_equal(message->recipients[5].result, DELIVERY_TICKET);
	assert_int_equal(files_in("daemon/Maildir/new", file), 2);
	assert_content(file, HELLO);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_gid, gid);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(files_in("daemon/Maildir/tmp", file), 0);
	/* The keywords are the user's own too. */
	flagged = new_message(HELLO);
	flagged->flags = strdup("\\Seen New");
	add(flagged, "daemon@a.example");
	TAILQ_REMOVE(&list, message, entry);
	deliver(&set, &list);
	assert_int_equal(flagged->recipients[0].result, DELIVERY_OK);
	assert_int_equal(files_in("daemon/Maildir/cur", file), 1);
	assert_string_equal(strrchr(file, ':'), ":2,Sa");
	assert_int_equal(stat(path("daemon/Maildir/dovecot-keywords"), &st), 0);
	assert_int_equal(st.st_uid, uid);
	TAILQ_INSERT_HEAD(&list, message, entry);
	TAILQ_REMOVE(&list, flagged, entry);
	message_free(flagged);
	/* T27: the user points tmp at somebody else's directory. */
	(void)rmdir(path("daemon/Maildir/tmp"));
	assert_int_equal(symlink("/tmp", path("daemon/Maildir/tmp")), 0);
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_PERMISSION);
	assert_int_equal(files_in("daemon/Maildir/new", file), 2);
}

/* M-22: to cur/, with letters of each Maildir's own; one file for both. */
static void
flags(void **state)
{
	struct message_file *message;
	char first[1024], second[1024];
	struct stat a, b;

	(void)state;
	message = new_message(HELLO);
	message->flags = strdup("$Label1");
	add(message, "bob@a.example");
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_OK);
	assert_int_equal(files_in("a.example/bob/new", first), 0);
	assert_int_equal(files_in("a.example/bob/cur", first), 1);
	assert_string_equal(strrchr(first, ':'), ":2,a");
	TAILQ_REMOVE(&list, message, entry);
	message_free(message);

	message = new_message(HELLO);
	message->flags = strdup("NonJunk \\Seen");
	add(message, "bob@a.example");
	add(message, "carol@a.example");
	assert_int_equal(unlink(first), 0);
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_OK);
	assert_int_equal(message->recipients[1].result, DELIVERY_OK);
	assert_int_equal(files_in("a.example/bob/cur", first), 1);
	assert_int_equal(files_in("a.example/carol/cur", second), 1);
	assert_string_equal(strrchr(first, ':'), ":2,Sb");
	assert_string_equal(strrchr(second, ':'), ":2,Sa");
	assert_int_equal(stat(first, &a), 0);
	assert_int_equal(stat(second, &b), 0);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(
	    deliver_look(&set, "bob@a.example", 13, "Mid12345-1", 10),
	    DELIVERY_OK);
}

static void
flags_are_taken_back(void **state)
{
	struct message_file *message = new_message(HELLO);
	char file[1024];

	(void)state;
	message->flags = strdup("\\Seen");
	add(message, "bob@a.example");
	fail_all = fail_directory = EIO;
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_FAILED);
	assert_int_equal(files_in("a.example/bob/cur", file), 0);
	assert_int_equal(files_in("a.example/bob/new", file), 0);
}

/* Fields that came late, and what is cut off. */
static void
arranged(void **state)
{
	struct message_file *message =
	    new_message("Top: 1\nSubject: x\n\nbody\nLate: 2\nmore");
	char file[1024];

	(void)state;
	errno = 0;
	assert_int_equal(message_arrange(message, set.root, 8, 7, 1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(message_arrange(message, set.root, 0, 36, 1), -1);
	assert_int_equal(
	    message_arrange(message, set.root, 0, 1, UINT64_MAX), -1);
	assert_int_equal(message_arrange(message, set.root, 7, 24, 8), 0);
	message->size = 32;
	add(message, "bob@a.example");
	deliver(&set, &list);
	assert_int_equal(message->recipients[0].result, DELIVERY_OK);
	assert_int_equal(files_in("a.example/bob/new", file), 1);
	assert_content(file, "Top: 1\nLate: 2\nSubject: x\n\nbody\n");
	message = new_message(HELLO "appendix");
	assert_int_equal(
	    message_arrange(message, set.root, 0, strlen(HELLO), 0), 0);
	message->size = strlen(HELLO);
	add(message, "carol@a.example");
	deliver(&set, &list);
	assert_int_equal(files_in("a.example/carol/new", file), 1);
	assert_content(file, HELLO);
}

/* Stops every child of its parent that is not itself. */
static void
stop_siblings(void)
{
	char name[64];
	FILE *children;
	int pid;

	(void)snprintf(name, sizeof(name), "/proc/%d/task/%d/children",
	    (int)getppid(), (int)getppid());
	for (;;) {
		if ((children = fopen(name, "r")) == NULL)
			_exit(0);
		while (fscanf(children, "%d", &pid) == 1)
			if (pid != (int)getpid())
				(void)kill(pid, SIGSTOP);
		(void)fclose(children);
	}
}

/* A user stops the process that delivers to him: only he gets no mail. */
static void
a_stopped_child_is_killed(void **state)
{
	const struct passwd *pw = getpwnam("daemon");
	struct message_file *message = new_message(HELLO);
	int status;
	pid_t stopper;

	(void)state;
	if (geteuid() != 0 || pw == NULL)
		skip();
	set.system_accounts = 1;
	assert_null(
	    mailbox_template_parse(&set.template, "/x/%{user}/Maildir"));
	assert_int_equal(mkdir(path("daemon"), 0700), 0);
	assert_int_equal(chown(path("daemon"), pw->pw_uid, pw->pw_gid), 0);
	for (int i = 0; i < 20; i++)
		add(message, "daemon@a.example");
	if ((stopper = fork()) == 0)
		stop_siblings();
	assert_int_not_equal(stopper, -1);
	(void)alarm(30); /* instead of waiting for ever */
	deliver(&set, &list);
	(void)alarm(0);
	(void)kill(stopper, SIGKILL);
	assert_int_equal(waitpid(stopper, &status, 0), stopper);
	for (int i = 0; i < 20; i++)
		assert_true(message->recipients[i].result == DELIVERY_OK ||
		    message->recipients[i].result == DELIVERY_FAILED);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(delivers),
	    TEST(order_of_events),
	    TEST(hastened),
	    TEST(hastened_in_vain),
	    TEST(many_recipients),
	    TEST(large_batch),
	    TEST(same_mailbox_twice),
	    TEST(size_must_be_right),
	    TEST(tickets_are_demanded),
	    TEST(tickets_expire),
	    TEST(odd_mailboxes),
	    TEST(odd_names),
	    TEST(completes_a_maildir),
	    TEST(copies_where_it_cannot_link),
	    TEST(file_that_cannot_be_flushed),
	    TEST(directory_that_cannot_be_flushed),
	    TEST(all_at_once_fails),
	    TEST(mailboxes_that_move),
	    TEST(all_targets_or_none),
	    TEST(targets_are_taken_back),
	    TEST(flags),
	    TEST(flags_are_taken_back),
	    TEST(arranged),
	    TEST(system_accounts),
	    TEST(a_stopped_child_is_killed),
	};

	(void)umask(022);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
