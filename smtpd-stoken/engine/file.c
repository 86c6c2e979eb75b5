/* SPDX-License-Identifier: ISC */
/* What is done with one file; files.c has all of them. */
#include <sys/types.h>
#include <sys/uio.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "smtpd-stoken/engine/files.h"

static enum smtp_verdict
error_verdict(void)
{
	log_warn("message file");
	if (errno == ENOSPC || errno == EDQUOT)
		return SMTP_NO_SPACE;
	return errno == EFBIG ? SMTP_TOO_LARGE : SMTP_TEMPORARY;
}

static enum smtp_verdict
write_all(int fd, struct iovec *part, int parts)
{
	ssize_t n;

	while (parts > 0) {
		if ((n = writev(fd, part, parts)) == -1) {
			if (errno == EINTR)
				continue;
			return error_verdict();
		}
		while (parts > 0 && (size_t)n >= part->iov_len) {
			n -= (ssize_t)part->iov_len;
			part++;
			parts--;
		}
		if (parts > 0) {
			part->iov_base = (char *)part->iov_base + n;
			part->iov_len -= (size_t)n;
		}
	}
	return SMTP_OK;
}

enum smtp_verdict
file_write(struct file *file, const void *data, size_t length)
{
	struct iovec part[2] = {
	    {file->head, file->head_length}, {(void *)(uintptr_t)data, length}};
	enum smtp_verdict verdict;

	if (file->head_length == 0 && file->head == NULL &&
	    (file->head = malloc(length)) != NULL) {
		memcpy(file->head, data, length);
		file->head_length = length;
		return SMTP_OK;
	}
	verdict = files_use_memory(file, length);
	if (verdict == SMTP_OK)
		verdict = write_all(file->fd, part, 2);
	file->head_length = 0;
	return verdict;
}

enum smtp_verdict
file_flush(struct file *file)
{
	struct iovec part = {file->head, file->head_length};
	enum smtp_verdict verdict = SMTP_OK;

	if (file->head_length > 0)
		verdict = write_all(file->fd, &part, 1);
	file->head_length = 0;
	if (file->worker == FILE_NO_WORKER)
		file->reader = file->fd;
	else
		close(file->fd);
	file->fd = -1;
	return verdict;
}

int
file_read(struct file *file)
{
	union message m = {.file_read = {.file = file->id}};

	if (file->worker == FILE_NO_WORKER)
		return 0;
	file->awaits |= FILE_AWAITS_READER;
	return channel_send(file_worker(file), MSG_FILE_READ, &m, -1);
}

int
file_prepare(struct file *file, uint64_t size)
{
	union message m = {.file_flush = {.file = file->id, .size = size}};

	file->awaits |= FILE_AWAITS_FLUSHED;
	return channel_send(file_worker(file), MSG_FILE_FLUSH, &m, -1);
}

int
file_deliver(struct file *file, const struct msg_deliver *deliver)
{
	union message m = {.deliver = *deliver};

	m.deliver.file = file->id;
	file->awaits |= FILE_AWAITS_DELIVERED;
	return channel_send(file_worker(file), MSG_DELIVER, &m, -1);
}

void
file_hasten(struct file *file, uint64_t size)
{
	union message m = {.file_hasten = {.file = file->id, .size = size}};

	if (file_is_alone(file))
		(void)channel_send(file_worker(file), MSG_FILE_HASTEN, &m, -1);
}
