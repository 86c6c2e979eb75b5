/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/relay/sharing.h"

#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/relay/connection.h"

static struct copy *
copy_new(struct mail *mail, int shared)
{
	struct copy *copy;

	if (mail->copy_count >= MAIL_COPIES_MOST ||
	    (copy = calloc(1, sizeof(*copy))) == NULL)
		return NULL;
	copy->mail = mail;
	copy->shared = (uint8_t)shared;
	TAILQ_INIT(&copy->recipients);
	TAILQ_INSERT_TAIL(&mail->copies, copy, entry);
	mail->copy_count++;
	return copy;
}

/* The shared one that goes by the next hop and takes recipients. */
static struct copy *
find_open(struct mail *mail, const struct copy *but)
{
	struct copy *copy;

	TAILQ_FOREACH (copy, &mail->copies, entry) {
		if (copy != but && copy->shared && copy->route == NULL &&
		    copy->count > 0 && copy->state <= COPY_OPEN)
			return copy;
	}
	return NULL;
}

struct copy *
copy_for(struct mail *mail, enum relay_sharing sharing)
{
	struct copy *copy = NULL;

	if (sharing == RELAY_APART)
		return copy_new(mail, 0);
	/* One place is left for those who share. */
	if (sharing == RELAY_SHARED_BUT_BY_TOKEN &&
	    mail->copy_count < MAIL_COPIES_MOST - 1)
		return copy_new(mail, 1);
	if ((copy = find_open(mail, NULL)) == NULL)
		copy = copy_new(mail, 1);
	return copy;
}

static void
move(struct recipient *recipient, struct copy *from, struct copy *to)
{
	TAILQ_REMOVE(&from->recipients, recipient, entry);
	from->count--;
	TAILQ_INSERT_TAIL(&to->recipients, recipient, entry);
	to->count++;
}

/*
 * Once the message is under way a copy stays what it is: the others may be
 * out already.
 */
int
copy_join(struct copy *copy)
{
	struct recipient *recipient;
	struct copy *to;

	if (!copy->shared || copy->mail->fd != -1 ||
	    (to = find_open(copy->mail, copy)) == NULL)
		return 0;
	while ((recipient = TAILQ_FIRST(&copy->recipients)) != NULL) {
		move(recipient, copy, to);
		if (to->state == COPY_OPEN)
			connection_recipient(to->connection, recipient);
	}
	return 1;
}

static int
set_head(struct copy *copy, struct bytes fields)
{
	free(copy->head);
	copy->head_length = fields.length;
	copy->head = malloc(fields.length + 1);
	if (copy->head == NULL)
		return -1;
	memcpy(copy->head, fields.data, fields.length);
	copy->head[fields.length] = '\0';
	return 0;
}

int
copy_set_head(struct copy *copy, struct bytes fields)
{
	struct copy *other;

	if (!copy->shared)
		return set_head(copy, fields);
	TAILQ_FOREACH (other, &copy->mail->copies, entry) {
		if (other->shared && set_head(other, fields) == -1)
			return -1;
	}
	return 0;
}
