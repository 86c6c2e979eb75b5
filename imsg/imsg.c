/* SPDX-License-Identifier: ISC */
/*
 * The message side of imsg_init(3): frames out of what was read, and into
 * what is to be written. See imsg-socket.c for how descriptors travel.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "imsg/imsg.h"
#include "imsg/imsg-marks.h"

static int
next_fd(struct imsgbuf *imsgbuf)
{
	int fd;

	if (imsgbuf->in_fd_count == 0)
		return -1;
	fd = imsgbuf->in_fds[0];
	imsgbuf->in_fd_count--;
	memmove(imsgbuf->in_fds, imsgbuf->in_fds + 1,
	    (size_t)imsgbuf->in_fd_count * sizeof(imsgbuf->in_fds[0]));
	return fd;
}

/* The length of the next frame; 0 when it is incomplete; -1 when absurd. */
static ssize_t
next_frame(struct imsgbuf *imsgbuf, struct imsg_hdr *header)
{
	size_t there = imsgbuf->in_end - imsgbuf->in_start;
	uint32_t length;

	if (there < IMSG_HEADER_SIZE)
		return 0;
	memcpy(header, imsgbuf->in + imsgbuf->in_start, IMSG_HEADER_SIZE);
	length = header->len & ~MARKS;
	if (length < IMSG_HEADER_SIZE || length > imsgbuf->maxsize) {
		errno = ERANGE;
		return -1;
	}
	if ((header->len & MARKS) && !imsgbuf->fdpass) {
		errno = EBADMSG;
		return -1;
	}
	return there < length ? 0 : (ssize_t)length;
}

ssize_t
imsg_get(struct imsgbuf *imsgbuf, struct imsg *imsg)
{
	unsigned char *frame;
	ssize_t length;
	size_t size;

	memset(imsg, 0, sizeof(*imsg));
	if ((length = next_frame(imsgbuf, &imsg->hdr)) <= 0)
		return length;
	size = (size_t)length - IMSG_HEADER_SIZE;
	if ((imsg->buf = ibuf_open(size)) == NULL)
		return -1;
	frame = imsgbuf->in + imsgbuf->in_start;
	if (ibuf_add(imsg->buf, frame + IMSG_HEADER_SIZE, size) == -1) {
		ibuf_free(imsg->buf);
		return -1;
	}
	explicit_bzero(frame, (size_t)length);
	imsgbuf->in_start += (size_t)length;
	if (imsg->hdr.len & MARK_FD)
		ibuf_fd_set(imsg->buf, next_fd(imsgbuf));
	imsg->fd_lost = (imsg->hdr.len & MARKS) && !ibuf_fd_avail(imsg->buf);
	imsg->hdr.len = (uint32_t)length;
	imsg->data = size > 0 ? imsg->buf->buf : NULL;
	return length;
}

void
imsg_free(struct imsg *imsg)
{
	ibuf_free(imsg->buf);
	memset(imsg, 0, sizeof(*imsg));
}

uint32_t
imsg_get_type(struct imsg *imsg)
{
	return imsg->hdr.type;
}

size_t
imsg_get_len(struct imsg *imsg)
{
	return ibuf_size(imsg->buf);
}

uint32_t
imsg_get_id(struct imsg *imsg)
{
	return imsg->hdr.peerid;
}

pid_t
imsg_get_pid(struct imsg *imsg)
{
	return (pid_t)imsg->hdr.pid;
}

int
imsg_get_fd(struct imsg *imsg)
{
	return ibuf_fd_get(imsg->buf);
}

int
imsg_fd_lost(struct imsg *imsg)
{
	return imsg->fd_lost;
}

int
imsg_get_data(struct imsg *imsg, void *data, size_t size)
{
	if (size == 0 || ibuf_size(imsg->buf) != size) {
		errno = EBADMSG;
		return -1;
	}
	return ibuf_get(imsg->buf, data, size);
}

int
imsg_get_ibuf(struct imsg *imsg, struct ibuf *view)
{
	if (ibuf_size(imsg->buf) == 0) {
		errno = EBADMSG;
		return -1;
	}
	return ibuf_get_ibuf(imsg->buf, ibuf_size(imsg->buf), view);
}

struct ibuf *
imsg_create(
    struct imsgbuf *imsgbuf, uint32_t type, uint32_t id, pid_t pid, size_t size)
{
	struct imsg_hdr header;
	struct ibuf *buf;

	if (size > imsgbuf->maxsize - IMSG_HEADER_SIZE) {
		errno = ERANGE;
		return NULL;
	}
	if ((buf = ibuf_dynamic(size + IMSG_HEADER_SIZE, imsgbuf->maxsize)) ==
	    NULL)
		return NULL;
	header.type = type;
	header.len = 0;
	header.peerid = id;
	header.pid = (uint32_t)(pid == 0 ? imsgbuf->pid : pid);
	if (ibuf_add(buf, &header, sizeof(header)) == -1) {
		ibuf_free(buf);
		return NULL;
	}
	return buf;
}

int
imsg_add(struct ibuf *buf, const void *data, size_t length)
{
	if (ibuf_add(buf, data, length) == -1) {
		ibuf_free(buf);
		return -1;
	}
	return (int)length;
}

void
imsg_close(struct imsgbuf *imsgbuf, struct ibuf *buf)
{
	uint32_t length = (uint32_t)ibuf_size(buf);

	if (ibuf_fd_avail(buf))
		length |= MARK_FD;
	memcpy(
	    buf->buf + offsetof(struct imsg_hdr, len), &length, sizeof(length));
	TAILQ_INSERT_TAIL(&imsgbuf->queue, buf, entry);
	imsgbuf->queued++;
	imsgbuf->queued_bytes += ibuf_size(buf);
}

int
imsg_composev(struct imsgbuf *imsgbuf, uint32_t type, uint32_t id, pid_t pid,
    int fd, const struct iovec *iov, int count)
{
	struct ibuf *buf;
	size_t size = 0;
	int i;

	if (fd != -1 && !imsgbuf->fdpass) {
		errno = EINVAL;
		return -1;
	}
	for (i = 0; i < count; i++) {
		if (iov[i].iov_len > imsgbuf->maxsize - size) {
			errno = ERANGE;
			return -1;
		}
		size += iov[i].iov_len;
	}
	if ((buf = imsg_create(imsgbuf, type, id, pid, size)) == NULL)
		return -1;
	for (i = 0; i < count; i++)
		if (imsg_add(buf, iov[i].iov_base, iov[i].iov_len) == -1)
			return -1;
	ibuf_fd_set(buf, fd);
	imsg_close(imsgbuf, buf);
	return 1;
}

int
imsg_compose(struct imsgbuf *imsgbuf, uint32_t type, uint32_t id, pid_t pid,
    int fd, const void *data, size_t size)
{
	struct iovec iov;

	iov.iov_base = (void *)(uintptr_t)data;
	iov.iov_len = size;
	return imsg_composev(imsgbuf, type, id, pid, fd, &iov, 1);
}
