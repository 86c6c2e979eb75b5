/* SPDX-License-Identifier: ISC */
/*
 * Header fields that came after the text they belong above: the file can only
 * be appended to, so it is written anew in the right order.
 */
#include <sys/stat.h>

#include <errno.h>
#include <unistd.h>

#include "lmtpd/copy.h"
#include "lmtpd/deliver.h"

static int
rewrite(struct message_file *message, int directory, uint64_t offset,
    uint64_t from, uint64_t length)
{
	struct tmpfile file;
	int error = 0, in;

	if ((in = compat_tmpfile_reader(&message->file)) == -1)
		return -1;
	if (compat_tmpfile_open(&file, directory) == -1) {
		error = errno;
		(void)close(in);
		errno = error;
		return -1;
	}
	if (copy_octets(in, file.fd, 0, offset) == -1 ||
	    copy_octets(in, file.fd, from, length) == -1 ||
	    copy_octets(in, file.fd, offset, from - offset) == -1)
		error = errno;
	(void)close(in);
	/* What is not taken is closed, and gone by that. */
	compat_tmpfile_close(error == 0 ? &message->file : &file);
	if (error == 0)
		message->file = file;
	errno = error;
	return error == 0 ? 0 : -1;
}

int
message_arrange(struct message_file *message, int directory, uint64_t offset,
    uint64_t from, uint64_t length)
{
	struct stat st;

	message->flushed = 0;
	if (fstat(message->file.fd, &st) == -1)
		return -1;
	if (offset > from || from > (uint64_t)st.st_size ||
	    length > (uint64_t)st.st_size - from) {
		errno = EINVAL;
		return -1;
	}
	if (length == 0)
		return ftruncate(message->file.fd, (off_t)from);
	return rewrite(message, directory, offset, from, length);
}
