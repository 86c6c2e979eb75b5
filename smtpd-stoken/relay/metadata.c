/* SPDX-License-Identifier: ISC */
/* A mail's file: the message, and the containers of METADATA behind it. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "smtpd-stoken/relay/mail.h"

#define LENGTH 4 /* octets of a container's length */
#define TYPE 2 /* octets of its type */

/* Octets of the file, from where they are. */
static int
read_at(const struct mail *mail, uint64_t offset, void *buffer, size_t size)
{
	uint8_t *to = buffer;
	ssize_t n;

	while (size > 0) {
		n = pread(mail->fd, to, size, (off_t)offset);
		if (n == -1 && errno == EINTR)
			continue;
		if (n <= 0) {
			log_warnx("message %s: cannot read its file: %s",
			    mail->message,
			    n == 0 ? "it is too short" : strerror(errno));
			return -1;
		}
		to += n;
		offset += (uint64_t)n;
		size -= (size_t)n;
	}
	return 0;
}

int
mail_read_content(void *context, uint64_t offset, void *buffer, size_t size)
{
	const struct mail *mail = context;

	return read_at(mail, mail->offset + offset, buffer, size);
}

int
mail_read_containers(void *context, uint64_t offset, void *buffer, size_t size)
{
	const struct mail *mail = context;

	return read_at(mail, mail->metadata->offset + offset, buffer, size);
}

/* The header fields of the containers first (D-M05), then the message. */
int
mail_read(void *context, uint64_t offset, void *buffer, size_t size)
{
	const struct mail *mail = context;
	const struct mail_metadata *metadata = mail->metadata;
	uint8_t *to = buffer;
	size_t i, n;

	for (i = 0; metadata != NULL && i < metadata->count && size > 0; i++) {
		if (offset >= metadata->fields[i].size) {
			offset -= metadata->fields[i].size;
			continue;
		}
		n = (size_t)(metadata->fields[i].size - offset);
		if (n > size)
			n = size;
		if (read_at(mail, metadata->fields[i].offset + offset, to, n) ==
		    -1)
			return -1;
		to += n;
		size -= n;
		offset = 0;
	}
	return size == 0 ? 0 : mail_read_content(context, offset, to, size);
}

uint64_t
mail_size(const struct mail *mail)
{
	const struct mail_metadata *metadata = mail->metadata;
	uint64_t size = mail->size;
	size_t i;

	for (i = 0; metadata != NULL && i < metadata->count; i++)
		size += metadata->fields[i].size;
	return size;
}

/* One container at `at`; returns the octets it takes, 0 when malformed. */
static uint64_t
take_container(struct mail *mail, uint64_t at)
{
	struct mail_metadata *metadata = mail->metadata;
	uint8_t head[LENGTH + TYPE];
	uint64_t size, left = metadata->size - at;

	if (left < sizeof(head) ||
	    mail_read_containers(mail, at, head, sizeof(head)) == -1)
		return 0;
	size = (uint64_t)head[0] << 24 | (uint64_t)head[1] << 16 |
	    (uint64_t)head[2] << 8 | head[3];
	if (size < TYPE || size > left - LENGTH)
		return 0;
	if (head[LENGTH] != 0 || head[LENGTH + 1] != 0)
		return LENGTH + size;
	if (metadata->count == CONTAINERS_MOST)
		return 0;
	metadata->fields[metadata->count].offset =
	    metadata->offset + at + sizeof(head);
	metadata->fields[metadata->count++].size = size - TYPE;
	return LENGTH + size;
}

int
mail_find_metadata(struct mail *mail)
{
	struct mail_metadata *metadata = mail->metadata;
	uint64_t at, n;

	for (at = 0; metadata != NULL && at < metadata->size; at += n) {
		if ((n = take_container(mail, at)) == 0)
			return -1;
		mail->containers.count++;
	}
	return 0;
}
