/* SPDX-License-Identifier: ISC */
#include <errno.h>

#include "lmtpd/boxes.h"
#include "lmtpd/maildir.h"
#include "lmtpd/place.h"

#define PLACED 512

/* A message made visible: taken back should the flush fail. */
static struct placed {
	struct recipient *to;
	struct box *box;
	size_t group; /* how many from here on stand or fall together */
	char name[MAILDIR_NAME];
} placed[PLACED];
static size_t placed_count;

/* Takes back what is visible of a group; the first error is everybody's. */
static void
take_back(struct placed *group, size_t visible, size_t count,
    enum delivery_result result)
{
	for (size_t i = 0; i < count; i++) {
		if (i < visible)
			maildir_remove(&group[i].box->maildir, group[i].name);
		if (group[i].to->result == 0)
			group[i].to->result = result;
	}
}

/* Opens the mailboxes. Returns 0, or the result of one that has failed. */
static enum delivery_result
prepare(const struct deliver_settings *set, struct message_file *message,
    struct placed *p)
{
	/* Before anything is made for it. */
	if (!deliver_allowed(set, message, p->to))
		return p->to->result;
	if ((p->box = boxes_open(set, p->to)) == NULL) {
		deliver_failed(p->to, "mailbox", errno);
		return p->to->result;
	}
	maildir_name(p->name, p->to->delivery, set->host, message->size);
	if (message->flags != NULL)
		maildir_flag(&p->box->maildir, message->flags, p->name);
	return 0;
}

/* The ticket's time once more, right before the name. As prepare(). */
static enum delivery_result
show(struct message_file *message, struct placed *p)
{
	if (!deliver_in_time(message, p->to))
		return p->to->result;
	if (maildir_put(&p->box->maildir, &message->file, message->size,
		p->name) == -1) {
		deliver_failed(p->to, "link", errno);
		return p->to->result;
	}
	return 0;
}

void
place_group(const struct deliver_settings *set, struct message_file *message,
    size_t first, size_t count)
{
	struct placed *group;
	enum delivery_result failed = 0;
	size_t i, visible = 0;

	if (placed_count + count > PLACED || boxes_room() < count)
		place_settle(set);
	group = &placed[placed_count];
	for (i = 0; i < count; i++) {
		group[i].to = &message->recipients[first + i];
		group[i].to->result = 0;
		group[i].group = count - i;
	}
	for (i = 0; i < count && failed == 0; i++)
		failed = prepare(set, message, &group[i]);
	for (; visible < count && failed == 0; visible++)
		failed = show(message, &group[visible]);
	if (failed != 0)
		/* The one that failed last is not visible. */
		take_back(group, visible > 0 ? visible - 1 : 0, count, failed);
	else
		placed_count += count;
}

/* Returns how many of a group were taken back. */
static size_t
settle_group(struct placed *group)
{
	size_t i, count = group->group;
	enum delivery_result failed = 0;

	for (i = 0; i < count; i++) {
		if (group[i].box->error == 0)
			continue;
		deliver_failed(
		    group[i].to, "fsync of the directory", group[i].box->error);
		failed = group[i].to->result;
	}
	if (failed != 0) {
		take_back(group, count, count, failed);
		return count;
	}
	for (i = 0; i < count; i++)
		group[i].to->result = DELIVERY_OK;
	return 0;
}

void
place_settle(const struct deliver_settings *set)
{
	size_t back = 0;

	boxes_flush(set);
	for (size_t i = 0; i < placed_count; i += placed[i].group)
		back += settle_group(&placed[i]);
	if (back > 0)
		boxes_flush(set);
	placed_count = 0;
	boxes_close();
}
