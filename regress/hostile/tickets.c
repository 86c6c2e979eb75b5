/* SPDX-License-Identifier: ISC */
/*
 * An engine that was taken over, and lmtpd: without tokend's ticket for that
 * message and that mailbox nothing becomes visible. tickets LIBEXEC DIR.
 * Exit 0 when only the good ticket delivered, and that once.
 */
#include <sys/types.h>

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/ticket.h"
#include "regress/hostile/liar.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define MESSAGE_ID "ABCDEFGHIJKLMNOP"
#define MAILBOX "alice@a.example"
#define TEXT "Subject: x\n\nfrom a liar\n"

/* A ticket as it is made, and what it is then used for. */
struct
try {
	const char *what;
	const char *message, *mailbox; /* of the ticket */
	int64_t expires; /* from now, of the ticket */
	int64_t said; /* from now, as DELIVER says */
	uint8_t key_flip, ticket_flip;
	size_t length;
	uint64_t size; /* as DELIVER says; 0 is the true one */
	int good;
};

static const struct try tries[] = {
    {"good", MESSAGE_ID, MAILBOX, 9000, 9000, 0, 0, 16, 0, 1},
    {"another message", "AAAAAAAAAAAAAAAA", MAILBOX, 9000, 9000, 0, 0, 16, 0,
	0},
    {"another mailbox", MESSAGE_ID, "bob@a.example", 9000, 9000, 0, 0, 16, 0,
	0},
    {"another key", MESSAGE_ID, MAILBOX, 9000, 9000, 1, 0, 16, 0, 0},
    {"a flipped bit", MESSAGE_ID, MAILBOX, 9000, 9000, 0, 1, 16, 0, 0},
    {"too short", MESSAGE_ID, MAILBOX, 9000, 9000, 0, 0, 15, 0, 0},
    {"empty", MESSAGE_ID, MAILBOX, 9000, 9000, 0, 0, 0, 0, 0},
    {"too long", MESSAGE_ID, MAILBOX, 9000, 9000, 0, 0, 32, 0, 0},
    {"expired", MESSAGE_ID, MAILBOX, -1, -1, 0, 0, 16, 0, 0},
    {"a later time said", MESSAGE_ID, MAILBOX, -1, 9000, 0, 0, 16, 0, 0},
    {"a larger size said", MESSAGE_ID, MAILBOX, 9000, 9000, 0, 0, 16, 999, 0},
    {"a smaller size said", MESSAGE_ID, MAILBOX, 9000, 9000, 0, 0, 16, 3, 0},
    {"good again", MESSAGE_ID, MAILBOX, 9000, 9000, 0, 0, 16, 0, 1},
};

static struct victim victim;
static struct liar liar;
static int result; /* octet of DELIVERED, -1: none yet */

static int
files(const char *dir)
{
	struct dirent *entry;
	char path[1024];
	int count = 0;
	DIR *d;

	snprintf(path, sizeof(path), "%s/mail/a.example/alice/new", dir);
	if ((d = opendir(path)) == NULL)
		return 0;
	while ((entry = readdir(d)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(d);
	return count;
}

/* Asks for a file and writes the message into it. */
static void
open_and_write(uint64_t file)
{
	union message m = {.file_open = {.file = file}};
	struct imsg imsg;
	int fd = -1;

	liar_tell(&liar, MSG_FILE_OPEN, &m);
	while (imsg_get(&liar.buf, &imsg) == 0)
		if (imsgbuf_read(&liar.buf) != 1)
			fail("lmtpd went away");
	if (imsg_get_type(&imsg) != MSG_FILE_OPENED ||
	    (fd = imsg_get_fd(&imsg)) == -1)
		fail("no file");
	imsg_free(&imsg);
	if (write(fd, TEXT, sizeof(TEXT) - 1) != sizeof(TEXT) - 1)
		fail("write");
	close(fd);
}

static void
take_result(const struct message_row *row, const union message *m)
{
	if (row->number == MSG_DELIVERED && m->delivered.results.length == 1)
		result = m->delivered.results.data[0];
}

static void
attempt(const struct try *t, uint64_t file, uint64_t size)
{
	uint8_t key[TICKET_KEY_LENGTH] = TICKET_KEY, ticket[32] = {0};
	uint64_t now = ticket_clock();
	struct ticket_subject subject = {.kind = TICKET_DELIVER,
	    .message = t->message,
	    .message_length = strlen(t->message),
	    .mailbox = t->mailbox,
	    .mailbox_length = strlen(t->mailbox),
	    .expires = now + (uint64_t)t->expires};
	union message m;

	key[0] ^= t->key_flip;
	if (ticket_make(ticket, key, &subject) == -1)
		fail("ticket_make");
	ticket[7] ^= t->ticket_flip;
	memset(&m, 0, sizeof(m));
	m.deliver_recipient.file = file;
	m.deliver_recipient.mailbox = bytes_text(MAILBOX);
	m.deliver_recipient.delivery = bytes_text(MESSAGE_ID "-1");
	m.deliver_recipient.ticket = bytes_of(ticket, t->length);
	liar_tell(&liar, MSG_DELIVER_RECIPIENT, &m);
	memset(&m, 0, sizeof(m));
	m.deliver.file = file;
	m.deliver.size = t->size != 0 ? t->size : size;
	m.deliver.expires = now + (uint64_t)t->said;
	m.deliver.count = 1;
	m.deliver.message = bytes_text(MESSAGE_ID);
	result = -1;
	liar_tell(&liar, MSG_DELIVER, &m);
	liar_listen(&liar, 500, take_result);
}

int
main(int argc, char *argv[])
{
	int before, after;
	size_t i;

	if (argc != 3)
		fail("usage: tickets LIBEXEC DIR");
	victim_start(&victim, ROLE_LMTPD, argv[1], argv[2]);
	victim_join(&victim, &liar, ROLE_ENGINE);
	for (i = 0; i < COUNT(tries); i++) {
		if (liar.closed) {
			liar_end(&liar);
			victim_join(&victim, &liar, ROLE_ENGINE);
		}
		before = files(argv[2]);
		open_and_write(i + 1);
		attempt(&tries[i], i + 1, sizeof(TEXT) - 1);
		after = files(argv[2]);
		if ((result == DELIVERY_OK) != tries[i].good ||
		    after != before + tries[i].good)
			fail("%s: result %d, %d files after %d", tries[i].what,
			    result, after, before);
		if (!victim_alive(&victim))
			fail("%s: it died", tries[i].what);
	}
	if (victim_stop(&victim) != 0)
		fail("lmtpd does not end in order");
	printf("tickets: %zu tries\n", COUNT(tries));
	return 0;
}
