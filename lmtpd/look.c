/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>

#include "lmtpd/deliver.h"
#include "lmtpd/maildir.h"

enum delivery_result
deliver_look(const struct deliver_settings *set, const void *mailbox,
    size_t mailbox_length, const void *delivery, size_t delivery_length)
{
	char id[sizeof(((struct recipient *)NULL)->delivery)];
	struct mailbox_path path;
	struct maildir maildir;
	int found;

	if (delivery_length == 0 || delivery_length >= sizeof(id) ||
	    memchr(delivery, '\0', delivery_length) != NULL ||
	    mailbox_expand(&path, &set->template, mailbox, mailbox_length) ==
		-1)
		return DELIVERY_NO_MAILBOX;
	memcpy(id, delivery, delivery_length);
	id[delivery_length] = '\0';
	if (maildir_find(&maildir, set->root, &path) == -1)
		return deliver_result(errno);
	found = maildir_has(&maildir, id);
	if (found == 1 && maildir_flush(&maildir, set->root) == -1)
		found = -1;
	maildir_close(&maildir);
	return found == 1 ? DELIVERY_OK : DELIVERY_FAILED;
}
