/* SPDX-License-Identifier: ISC */
/*
 * The socket side of imsg_init(3): octets and descriptors in and out.
 *
 * A descriptor is tied to its frame by a mark in the length, because Linux
 * returns octets from before the frame that owns a descriptor together with
 * that descriptor. Descriptors arrive in the order of the marked frames; one
 * that got lost on the way (no free slot in either process) keeps its place
 * in that order, so that a later frame never gets the wrong one.
 */
#include <sys/socket.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/imsg.h"
#include "imsg/imsg-marks.h"

#define WRITE_FRAMES 64 /* frames in one sendmsg(2) */
#define WRITE_ROUNDS 16 /* sendmsg(2) calls before others have their turn */

union control {
	struct cmsghdr header;
	char space[CMSG_SPACE(sizeof(int))];
};

int
imsgbuf_init(struct imsgbuf *imsgbuf, int fd)
{
	memset(imsgbuf, 0, sizeof(*imsgbuf));
	TAILQ_INIT(&imsgbuf->queue);
	imsgbuf->maxsize = MAX_IMSGSIZE;
	imsgbuf->fd = fd;
	imsgbuf->pid = getpid();
	imsgbuf->in_size = IBUF_READ_SIZE;
	imsgbuf->in = malloc(imsgbuf->in_size);
	return imsgbuf->in == NULL ? -1 : 0;
}

void
imsgbuf_allow_fdpass(struct imsgbuf *imsgbuf)
{
	imsgbuf->fdpass = 1;
}

int
imsgbuf_set_maxsize(struct imsgbuf *imsgbuf, uint32_t maxsize)
{
	unsigned char *in;

	if (maxsize > UINT32_MAX - MARKS - IMSG_HEADER_SIZE ||
	    imsgbuf->in_end != 0) {
		errno = EINVAL;
		return -1;
	}
	maxsize += IMSG_HEADER_SIZE;
	if (maxsize > imsgbuf->in_size) {
		if ((in = malloc(maxsize)) == NULL)
			return -1;
		free(imsgbuf->in);
		imsgbuf->in = in;
		imsgbuf->in_size = maxsize;
	}
	imsgbuf->maxsize = maxsize;
	return 0;
}

static void
dequeue(struct imsgbuf *imsgbuf, struct ibuf *buf)
{
	TAILQ_REMOVE(&imsgbuf->queue, buf, entry);
	imsgbuf->queued--;
	ibuf_free(buf);
}

void
imsgbuf_clear(struct imsgbuf *imsgbuf)
{
	struct ibuf *buf;
	int i;

	while ((buf = TAILQ_FIRST(&imsgbuf->queue)) != NULL)
		dequeue(imsgbuf, buf);
	imsgbuf->queued_bytes = 0;
	for (i = 0; i < imsgbuf->in_fd_count; i++)
		if (imsgbuf->in_fds[i] != -1)
			close(imsgbuf->in_fds[i]);
	imsgbuf->in_fd_count = 0;
	if (imsgbuf->in != NULL)
		freezero(imsgbuf->in, imsgbuf->in_size);
	imsgbuf->in = NULL;
	imsgbuf->in_size = imsgbuf->in_start = imsgbuf->in_end = 0;
}

uint32_t
imsgbuf_queuelen(struct imsgbuf *imsgbuf)
{
	return imsgbuf->queued;
}

size_t
imsgbuf_queued_bytes(struct imsgbuf *imsgbuf)
{
	return imsgbuf->queued_bytes;
}

/* Reading. */

static int
store_fd(struct imsgbuf *imsgbuf, int fd)
{
	if (imsgbuf->in_fd_count == IMSG_FD_MAX) {
		if (fd != -1)
			close(fd);
		errno = EBADMSG;
		return -1;
	}
	imsgbuf->in_fds[imsgbuf->in_fd_count++] = fd;
	return 0;
}

/*
 * Our sender puts one descriptor into a sendmsg(2), so one is kept of each
 * control message, also where alignment leaves room for a second.
 */
static int
store_control(struct imsgbuf *imsgbuf, struct msghdr *message)
{
	struct cmsghdr *header;
	size_t i, count;
	int fd, found = 0, result = 0;

	for (header = CMSG_FIRSTHDR(message); header != NULL;
	     header = CMSG_NXTHDR(message, header)) {
		if (header->cmsg_level != SOL_SOCKET ||
		    header->cmsg_type != SCM_RIGHTS)
			continue;
		count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(header) + i * sizeof(int),
			    sizeof(fd));
			if (found++ > 0)
				close(fd);
			else if (store_fd(imsgbuf, fd) == -1)
				result = -1;
		}
	}
	/* Truncated with nothing in it: no slot was free for it. */
	if (found == 0 && (message->msg_flags & MSG_CTRUNC) && imsgbuf->fdpass)
		result = store_fd(imsgbuf, -1);
	return result;
}

/* Makes room behind what was read but not taken, if there is little. */
static int
make_room(struct imsgbuf *imsgbuf)
{
	size_t length = imsgbuf->in_end - imsgbuf->in_start;

	if (imsgbuf->in_start > 0 &&
	    (length == 0 || imsgbuf->in_end > imsgbuf->in_size / 2)) {
		memmove(imsgbuf->in, imsgbuf->in + imsgbuf->in_start, length);
		explicit_bzero(imsgbuf->in + length, imsgbuf->in_start);
		imsgbuf->in_start = 0;
		imsgbuf->in_end = length;
	}
	if (imsgbuf->in_end == imsgbuf->in_size) {
		errno = ENOBUFS;
		return -1;
	}
	return 0;
}

/*
 * BSD kernels fail with EMSGSIZE where no slot is free for a descriptor. The
 * octets can then be had without it; asked once only, so this cannot spin.
 */
static ssize_t
receive(struct imsgbuf *imsgbuf, struct msghdr *message)
{
	ssize_t got;
	int lost = 0;

	for (;;) {
		got = recvmsg(imsgbuf->fd, message, MSG_CMSG_CLOEXEC);
		if (got == -1 && errno == EINTR)
			continue;
		if (got != -1 || errno != EMSGSIZE || lost)
			break;
		message->msg_control = NULL;
		message->msg_controllen = 0;
		lost = 1;
	}
	if (got > 0 && lost)
		message->msg_flags |= MSG_CTRUNC;
	return got;
}

int
imsgbuf_read(struct imsgbuf *imsgbuf)
{
	struct msghdr message;
	struct iovec iov;
	union control control;
	ssize_t got;

	if (make_room(imsgbuf) == -1)
		return -1;
	iov.iov_base = imsgbuf->in + imsgbuf->in_end;
	iov.iov_len = imsgbuf->in_size - imsgbuf->in_end;
	memset(&message, 0, sizeof(message));
	message.msg_iov = &iov;
	message.msg_iovlen = 1;
	if (imsgbuf->fdpass) {
		message.msg_control = control.space;
		message.msg_controllen = sizeof(control.space);
	}
	if ((got = receive(imsgbuf, &message)) == -1)
		return errno == EAGAIN || errno == EWOULDBLOCK ? 1 : -1;
	if (store_control(imsgbuf, &message) == -1)
		return -1;
	imsgbuf->in_end += (size_t)got;
	return got > 0;
}

/* Writing. */

/*
 * Frames from the head of the queue, up to the one that comes before a
 * second descriptor. Tells whose descriptor goes along.
 */
static int
gather(struct imsgbuf *imsgbuf, struct iovec *iov, struct ibuf **owner)
{
	struct ibuf *buf;
	int count = 0;

	*owner = NULL;
	TAILQ_FOREACH (buf, &imsgbuf->queue, entry) {
		if (count == WRITE_FRAMES || (*owner != NULL && buf->fd != -1))
			break;
		if (buf->fd != -1)
			*owner = buf;
		iov[count].iov_base = ibuf_data(buf);
		iov[count].iov_len = ibuf_size(buf);
		count++;
	}
	return count;
}

static void
attach(struct msghdr *message, union control *control, int fd)
{
	struct cmsghdr *header;

	memset(control, 0, sizeof(*control));
	message->msg_control = control->space;
	message->msg_controllen = sizeof(control->space);
	header = CMSG_FIRSTHDR(message);
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
}

/* Takes what was written off the queue. */
static void
drain(struct imsgbuf *imsgbuf, size_t written)
{
	struct ibuf *buf;
	size_t size;

	imsgbuf->queued_bytes -= written;
	while ((buf = TAILQ_FIRST(&imsgbuf->queue)) != NULL) {
		size = ibuf_size(buf);
		if (written < size) {
			buf->rpos += written;
			return;
		}
		written -= size;
		dequeue(imsgbuf, buf);
		if (written == 0)
			return;
	}
}

/*
 * Too many descriptors are on their way in this user's sockets: the frame
 * goes without, and says so, rather than that everything behind it waits.
 * None of its octets has been sent: its descriptor would have gone along.
 */
static void
give_up_fd(struct ibuf *owner)
{
	struct imsg_hdr header;

	memcpy(&header, owner->buf, sizeof(header));
	header.len = (header.len & ~MARK_FD) | MARK_LOST;
	memcpy(owner->buf, &header, sizeof(header));
	ibuf_fd_set(owner, -1);
}

/* One sendmsg(2): 1: all that was offered, 0: not all, -1: error. */
static int
write_once(struct imsgbuf *imsgbuf)
{
	struct iovec iov[WRITE_FRAMES];
	struct msghdr message;
	union control control;
	struct ibuf *owner;
	size_t offered = 0;
	ssize_t sent;
	int i, count;

	count = gather(imsgbuf, iov, &owner);
	for (i = 0; i < count; i++)
		offered += iov[i].iov_len;
	memset(&message, 0, sizeof(message));
	message.msg_iov = iov;
	message.msg_iovlen = (size_t)count;
	if (owner != NULL)
		attach(&message, &control, owner->fd);
	while ((sent = sendmsg(imsgbuf->fd, &message, MSG_NOSIGNAL)) == -1 &&
	    errno == EINTR)
		;
	if (sent == -1) {
		if (owner != NULL && errno == ETOOMANYREFS) {
			give_up_fd(owner);
			return 1;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS)
			return 0;
		return -1;
	}
	if (owner != NULL) /* it went with the first octet */
		ibuf_fd_set(owner, -1);
	drain(imsgbuf, (size_t)sent);
	return (size_t)sent == offered;
}

int
imsgbuf_write(struct imsgbuf *imsgbuf)
{
	int round, result = 1;

	for (round = 0;
	     round < WRITE_ROUNDS && result == 1 && imsgbuf->queued > 0;
	     round++)
		result = write_once(imsgbuf);
	return result == -1 ? -1 : 0;
}

int
imsgbuf_flush(struct imsgbuf *imsgbuf)
{
	struct pollfd pfd;

	while (imsgbuf->queued > 0) {
		if (imsgbuf_write(imsgbuf) == -1)
			return -1;
		if (imsgbuf->queued == 0)
			break;
		pfd.fd = imsgbuf->fd;
		pfd.events = POLLOUT;
		if (poll(&pfd, 1, -1) == -1 && errno != EINTR)
			return -1;
	}
	return 0;
}
