/* SPDX-License-Identifier: ISC */
/*
 * lmtpd: opens files for the engines to write messages to, and makes these
 * durable and visible in the mailboxes. It knows files and tickets, and
 * nothing of SMTP.
 */
#include <sys/time.h>

#include <errno.h>
#include <event.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/channel.h"
#include "lib/log.h"
#include "lib/process.h"
#include "lmtpd/deliver.h"
#include "lmtpd/open_files.h"
#include "lmtpd/root.h"

/* Messages that are delivered together. */
#define BATCH 128

#define SETUP "stdio rpath wpath cpath fattr flock sendfd recvfd getpw unveil"
#define PROMISES "stdio rpath wpath cpath fattr flock sendfd recvfd"
#define PROMISES_SYSTEM PROMISES " id proc getpw"

static struct deliver_settings set = {.root = -1};
static uint8_t ticket_key[TICKET_KEY_LENGTH];
static uint8_t instance;
static struct message_files waiting = TAILQ_HEAD_INITIALIZER(waiting);
static struct event batch_event, deadline_event;
static size_t engines;
static int ends;

static struct message_file *
find(struct channel *c, uint64_t id)
{
	return open_files_find(channel_context(c), id);
}

static void
forget(struct message_file *message)
{
	open_files_remove(channel_context(message->owner), message);
	if (message->waits)
		TAILQ_REMOVE(&waiting, message, entry);
	message_free(message);
}

static struct message_file *
open_file(struct channel *c, uint64_t id)
{
	struct message_file *message =
	    open_files_add(channel_context(c), root_spool(), id);

	if (message != NULL) {
		message->owner = c;
		message->trusted = channel_trusted(c);
	}
	return message;
}

static void
on_open(struct channel *c, const union message *m, int fd)
{
	union message answer = {
	    .file_opened = {.file = m->file_open.file, .result = DELIVERY_OK}};
	struct message_file *message;

	(void)fd;
	if (find(c, m->file_open.file) != NULL) {
		process_complain(c, "FILE_OPEN of an open file");
		return;
	}
	if ((message = open_file(c, m->file_open.file)) != NULL &&
	    (fd = fcntl(message->file.fd, F_DUPFD_CLOEXEC, 0)) != -1) {
		(void)channel_send(c, MSG_FILE_OPENED, &answer, fd);
		return;
	}
	answer.file_opened.result = (uint8_t)deliver_result(errno);
	log_warn("cannot open a file for a message");
	if (message != NULL)
		forget(message);
	(void)channel_send(c, MSG_FILE_OPENED, &answer, -1);
}

static void
on_discard(struct channel *c, const union message *m, int fd)
{
	struct message_file *message = find(c, m->file_discard.file);

	(void)fd;
	/* Not one that waits: its answer is on its way. */
	if (message == NULL || message->waits)
		process_complain(c, "FILE_DISCARD of no open file");
	else
		forget(message);
}

static void
on_recipient(struct channel *c, const union message *m, int fd)
{
	const struct msg_deliver_recipient *r = &m->deliver_recipient;
	struct message_file *message = find(c, r->file);

	(void)fd;
	if (message == NULL || message->waits)
		process_complain(c, "DELIVER_RECIPIENT for no open file");
	else if (message_add(message, r->mailbox.data, r->mailbox.length,
		     r->delivery.data, r->delivery.length, r->ticket.data,
		     r->ticket.length) == -1)
		process_complain(c, "DELIVER_RECIPIENT that cannot be");
}

static void
on_flags(struct channel *c, const union message *m, int fd)
{
	const struct bytes *flags = &m->file_flags.flags;
	struct message_file *message = find(c, m->file_flags.file);

	(void)fd;
	if (message == NULL || message->waits || message->flags != NULL ||
	    flags->length == 0 ||
	    memchr(flags->data, '\0', flags->length) != NULL)
		process_complain(c, "FILE_FLAGS that cannot be");
	else if ((message->flags = strndup(
		      (const char *)flags->data, flags->length)) == NULL)
		log_warn("flags");
}

static void
on_arrange(struct channel *c, const union message *m, int fd)
{
	const struct msg_file_arrange *a = &m->file_arrange;
	struct message_file *message = find(c, a->file);

	(void)fd;
	if (message == NULL || message->waits) {
		process_complain(c, "FILE_ARRANGE that cannot be");
		return;
	}
	if (message_arrange(
		message, root_spool(), a->offset, a->from, a->length) == 0)
		return;
	if (errno == EINVAL)
		process_complain(c, "FILE_ARRANGE of what is not there");
	else
		log_warn("cannot arrange a message");
	message->broken = 1;
}

static void
schedule(void)
{
	struct timeval now = {0, 0};

	if (!evtimer_pending(&batch_event, NULL))
		(void)evtimer_add(&batch_event, &now);
}

static void
on_deliver(struct channel *c, const union message *m, int fd)
{
	const struct msg_deliver *d = &m->deliver;
	struct message_file *message = find(c, d->file);

	(void)fd;
	if (set.spools || message == NULL || message->waits ||
	    d->count != message->count ||
	    bytes_copy(
		message->message, sizeof(message->message), d->message) == -1) {
		process_complain(c, "DELIVER that cannot be");
		return;
	}
	message->size = d->size;
	message->expires = d->expires;
	message->waits = 1;
	TAILQ_INSERT_TAIL(&waiting, message, entry);
	schedule();
}

/* Made durable with the deliveries of the batch; answered alone. */
static void
on_flush(struct channel *c, const union message *m, int fd)
{
	struct message_file *message = find(c, m->file_flush.file);

	(void)fd;
	if (message == NULL || message->waits) {
		process_complain(c, "FILE_FLUSH of no open file");
		return;
	}
	message->size = m->file_flush.size;
	message->prepares = 1;
	message->waits = 1;
	TAILQ_INSERT_TAIL(&waiting, message, entry);
	schedule();
}

/* One that waits is flushed soon enough. */
static void
on_hasten(struct channel *c, const union message *m, int fd)
{
	struct message_file *message = find(c, m->file_hasten.file);

	(void)fd;
	if (message == NULL || message->waits)
		process_complain(c, "FILE_HASTEN of no open file");
	else
		deliver_hasten(message, m->file_hasten.size);
}

/* What is written to the file can be read, and nothing else. */
static void
on_read(struct channel *c, const union message *m, int fd)
{
	union message out = {
	    .file_reader = {.file = m->file_read.file, .result = DELIVERY_OK}};
	struct message_file *message = find(c, m->file_read.file);

	if (message == NULL) {
		process_complain(c, "FILE_READ of no open file");
		return;
	}
	if ((fd = compat_tmpfile_reader(&message->file)) == -1) {
		log_warn("cannot read the file of a message");
		out.file_reader.result = (uint8_t)deliver_result(errno);
	}
	(void)channel_send(c, MSG_FILE_READER, &out, fd);
}

static void
on_look(struct channel *c, const union message *m, int fd)
{
	const struct msg_delivery_look *l = &m->delivery_look;
	union message answer = {
	    .delivery_seen = {.look = l->look, .nth = l->nth}};

	(void)fd;
	if (set.spools) {
		process_complain(c, "DELIVERY_LOOK without mailboxes");
		return;
	}
	answer.delivery_seen.result =
	    (uint8_t)deliver_look(&set, l->mailbox.data, l->mailbox.length,
		l->delivery.data, l->delivery.length);
	(void)channel_send(c, MSG_DELIVERY_SEEN, &answer, -1);
}

static void
answer(struct message_file *message)
{
	uint8_t results[DELIVER_RECIPIENTS];
	union message m = {.delivered = {.file = message->id}};

	if (message->prepares) {
		m.file_flushed.file = message->id;
		m.file_flushed.result = (uint8_t)message->result;
		(void)channel_send(message->owner, MSG_FILE_FLUSHED, &m, -1);
		message->prepares = 0;
		return;
	}
	for (size_t i = 0; i < message->count; i++)
		results[i] = (uint8_t)message->recipients[i].result;
	m.delivered.results = bytes_of(results, message->count);
	(void)channel_send(message->owner, MSG_DELIVERED, &m, -1);
}

/*
 * Runs when the messages of all channels that were ready have been read. What
 * comes in while the disk works is the next batch.
 */
static void
run_batch(int fd, short what, void *unused)
{
	struct message_files batch = TAILQ_HEAD_INITIALIZER(batch);
	struct message_file *message;
	int prepared;

	(void)fd;
	(void)what;
	(void)unused;
	for (size_t i = 0; i < BATCH; i++) {
		if ((message = TAILQ_FIRST(&waiting)) == NULL)
			break;
		TAILQ_REMOVE(&waiting, message, entry);
		TAILQ_INSERT_TAIL(&batch, message, entry);
		message->waits = 0;
	}
	deliver(&set, &batch);
	while ((message = TAILQ_FIRST(&batch)) != NULL) {
		TAILQ_REMOVE(&batch, message, entry);
		prepared = message->prepares;
		answer(message);
		if (!prepared)
			forget(message);
	}
	if (!TAILQ_EMPTY(&waiting))
		schedule();
}

static void
on_ticket_key(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	if (m->setup_ticket_key.key.length != sizeof(ticket_key))
		fatalx("parent: a ticket key of the wrong length");
	memcpy(ticket_key, m->setup_ticket_key.key.data, sizeof(ticket_key));
	set.ticket_key = ticket_key;
}

static void
peer_new(struct channel *c)
{
	struct open_files *open = open_files_new();

	if (open == NULL)
		fatal("engine");
	channel_set_context(c, open);
	engines++;
}

/* What it had open vanishes: an unnamed file lives by its descriptors. */
static void
peer_gone(struct channel *c)
{
	struct message_file *message;

	while ((message = open_files_any(channel_context(c))) != NULL)
		forget(message);
	open_files_free(channel_context(c));
	engines--;
	if (ends && engines == 0)
		process_exit();
}

static void
deadline(int fd, short what, void *unused)
{
	(void)fd;
	(void)what;
	(void)unused;
	process_exit();
}

/* The engines end first, each when its sessions have. */
static void
shut_down(uint32_t seconds)
{
	struct timeval wait = {.tv_sec = seconds};

	if (engines == 0)
		process_exit();
	ends = 1;
	(void)evtimer_add(&deadline_event, &wait);
}

static const struct channel_handler engine_handlers[] = {
    {MSG_FILE_OPEN, on_open},
    {MSG_FILE_DISCARD, on_discard},
    {MSG_DELIVER_RECIPIENT, on_recipient},
    {MSG_FILE_FLAGS, on_flags},
    {MSG_FILE_ARRANGE, on_arrange},
    {MSG_FILE_HASTEN, on_hasten},
    {MSG_DELIVER, on_deliver},
    {MSG_DELIVERY_LOOK, on_look},
    {MSG_FILE_READ, on_read},
    {MSG_FILE_FLUSH, on_flush},
    {0, NULL},
};

static const struct channel_handler parent_handlers[] = {
    {MSG_SETUP_TICKET_KEY, on_ticket_key},
    {0, NULL},
};

static const struct process_peer peers[] = {
    {ROLE_ENGINE, engine_handlers},
    {ROLE_NONE, NULL},
};

static struct process_role role;

static void
start(const struct process_start *s)
{
	instance = s->instance;
	/* Promises can only become fewer: root may need these afterwards. */
	if (geteuid() == 0)
		role.setup_promises = SETUP " id proc";
	compat_tmpfile_prepare();
	evtimer_set(&batch_event, run_batch, NULL);
	evtimer_set(&deadline_event, deadline, NULL);
}

static int commit(const struct settings *, int, char *, size_t);
static void narrow(const struct settings *);

/* One speaks for all: they write to the same place. */
static void
measure(int check)
{
	if (check && instance == 0)
		root_report(&set);
}

static struct process_role role = {.role = ROLE_LMTPD,
    .name = "lmtpd",
    .title = "lmtpd",
    .setup_promises = SETUP,
    .promises = PROMISES,
    .start = start,
    .parent_handlers = parent_handlers,
    .peers = peers,
    .commit = commit,
    .unveil = narrow,
    .peer_new = peer_new,
    .peer_gone = peer_gone,
    .measure = measure,
    .shutdown = shut_down};

static int
commit(const struct settings *settings, int first, char *problem, size_t size)
{
	if (set.ticket_key == NULL) {
		(void)snprintf(problem, size, "there is no ticket key");
		return -1;
	}
	if (root_take(&set, settings, instance, problem, size) == -1)
		return -1;
	if (first && set.system_accounts) {
		if (geteuid() != 0) {
			(void)snprintf(problem, size,
			    "only root can deliver to system accounts");
			return -1;
		}
		role.promises = PROMISES_SYSTEM;
		/* Loads what looking up users needs. */
		(void)getpwnam("root");
	}
	return 0;
}

static void
narrow(const struct settings *settings)
{
	(void)settings;
	root_unveil(&set);
}

int
main(void)
{
	process_main(&role);
}
