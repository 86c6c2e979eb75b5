/* SPDX-License-Identifier: ISC */
/*
 * Messages over a local stream socket: the interface of imsg_init(3) and
 * ibuf_add(3) as OpenBSD has it since 7.7, carried here because it still
 * moves between releases. What differs from the manual is said below.
 *
 * Unless said otherwise a function returns 0, or -1 with errno set; sizes
 * are octets. Everything is wiped when it is freed: messages carry secrets.
 */
#ifndef IMSG_IMSG_H
#define IMSG_IMSG_H

#include <sys/types.h>
#include <sys/queue.h>
#include <sys/uio.h>
#include <stddef.h>
#include <stdint.h>

#define IBUF_READ_SIZE 65536 /* what one imsgbuf_read() takes at most */
#define IMSG_HEADER_SIZE sizeof(struct imsg_hdr)
#define MAX_IMSGSIZE 16384 /* header and data, unless set otherwise */
#define IMSG_FD_MAX 16 /* descriptors that wait for their frame */

/* A buffer with a read and a write position. On the stack or allocated. */
struct ibuf {
	TAILQ_ENTRY(ibuf) entry;
	unsigned char *buf;
	size_t size; /* octets allocated */
	size_t max; /* size may grow to this; 0: a view, not ours to free */
	size_t wpos;
	size_t rpos;
	int fd; /* goes with the message, or -1 */
};
TAILQ_HEAD(ibuf_queue, ibuf);

/* In host byte order: both ends are on one machine. */
struct imsg_hdr {
	uint32_t type;
	uint32_t len; /* with the header; the two top bits are marks */
	uint32_t peerid;
	uint32_t pid;
};

struct imsg {
	struct imsg_hdr hdr;
	void *data;
	struct ibuf *buf;
	int fd_lost; /* a descriptor was sent, none arrived */
};

struct imsgbuf {
	struct ibuf_queue queue; /* waiting to be written */
	size_t queued_bytes;
	uint32_t queued;
	uint32_t maxsize;
	int fd;
	int fdpass;
	pid_t pid;
	unsigned char *in; /* read, not yet taken by imsg_get() */
	size_t in_size;
	size_t in_start;
	size_t in_end;
	int in_fds[IMSG_FD_MAX]; /* in order of arrival; -1: lost */
	int in_fd_count;
};

/*
 * ibuf_open: exactly `size` octets, for secrets too. ibuf_dynamic: grows
 * from the first size to the second. NULL and errno on error.
 */
struct ibuf *ibuf_open(size_t);
struct ibuf *ibuf_dynamic(size_t, size_t);
void ibuf_free(struct ibuf *); /* closes its descriptor; NULL is fine */

/* Writing. ERANGE: no room left; EINVAL: the number is too large. */
int ibuf_add(struct ibuf *, const void *, size_t);
int ibuf_add_ibuf(struct ibuf *, const struct ibuf *);
int ibuf_add_zero(struct ibuf *, size_t);
int ibuf_add_n8(struct ibuf *, uint64_t); /* n: network, h: host order */
int ibuf_add_n16(struct ibuf *, uint64_t);
int ibuf_add_n32(struct ibuf *, uint64_t);
int ibuf_add_n64(struct ibuf *, uint64_t);
int ibuf_add_h16(struct ibuf *, uint64_t);
int ibuf_add_h32(struct ibuf *, uint64_t);
int ibuf_add_h64(struct ibuf *, uint64_t);
void *ibuf_reserve(struct ibuf *, size_t); /* NULL on error */
int ibuf_set(struct ibuf *, size_t, const void *, size_t);
size_t ibuf_left(const struct ibuf *); /* what may still be added */

/* Reading. EBADMSG: less is there than was asked for. */
void ibuf_from_buffer(struct ibuf *, void *, size_t);
void ibuf_from_ibuf(struct ibuf *, const struct ibuf *);
int ibuf_get(struct ibuf *, void *, size_t);
int ibuf_get_ibuf(struct ibuf *, size_t, struct ibuf *); /* a view */
int ibuf_get_n8(struct ibuf *, uint8_t *);
int ibuf_get_n16(struct ibuf *, uint16_t *);
int ibuf_get_n32(struct ibuf *, uint32_t *);
int ibuf_get_n64(struct ibuf *, uint64_t *);
int ibuf_get_h16(struct ibuf *, uint16_t *);
int ibuf_get_h32(struct ibuf *, uint32_t *);
int ibuf_get_h64(struct ibuf *, uint64_t *);
char *ibuf_get_string(struct ibuf *, size_t); /* malloc; NULL on error */
int ibuf_skip(struct ibuf *, size_t);
void *ibuf_data(const struct ibuf *); /* at the read position */
size_t ibuf_size(const struct ibuf *);
void ibuf_rewind(struct ibuf *);
int ibuf_truncate(struct ibuf *, size_t);
int ibuf_fd_avail(struct ibuf *);
int ibuf_fd_get(struct ibuf *); /* the caller closes it; -1: none */
void ibuf_fd_set(struct ibuf *, int);

/*
 * A channel on `fd`, which stays the caller's. Descriptors pass only after
 * imsgbuf_allow_fdpass(). imsgbuf_clear frees all and may be called twice.
 */
int imsgbuf_init(struct imsgbuf *, int);
void imsgbuf_allow_fdpass(struct imsgbuf *);
int imsgbuf_set_maxsize(struct imsgbuf *, uint32_t); /* before the first read */
void imsgbuf_clear(struct imsgbuf *);

/*
 * One recvmsg(2). 1: go on with imsg_get(), also when there was nothing;
 * 0: end of file; -1: ENOBUFS: take messages first; EBADMSG: too many
 * descriptors without a frame; else as recvmsg(2).
 */
int imsgbuf_read(struct imsgbuf *);
/* Writes what the socket takes; 0 also when it took nothing (EAGAIN). */
int imsgbuf_write(struct imsgbuf *);
int imsgbuf_flush(struct imsgbuf *); /* waits until all is written */
uint32_t imsgbuf_queuelen(struct imsgbuf *);
size_t imsgbuf_queued_bytes(struct imsgbuf *); /* ours: for byte caps */

/*
 * The next message. Its length with header, 0: none is complete, -1: the
 * peer is broken (ERANGE: length; EBADMSG: a descriptor where none may
 * pass) or ENOMEM. What it gives lives until imsg_free(), which also closes
 * a descriptor that nobody took.
 */
ssize_t imsg_get(struct imsgbuf *, struct imsg *);
void imsg_free(struct imsg *);
uint32_t imsg_get_type(struct imsg *);
size_t imsg_get_len(struct imsg *); /* of the data */
uint32_t imsg_get_id(struct imsg *); /* the peer's word: prove nothing */
pid_t imsg_get_pid(struct imsg *); /* the peer's word: prove nothing */
int imsg_get_fd(struct imsg *); /* the caller closes it; -1: none */
int imsg_fd_lost(struct imsg *); /* ours: sent, but none arrived */
int imsg_get_data(struct imsg *, void *, size_t); /* of exactly that size */
int imsg_get_ibuf(struct imsg *, struct ibuf *); /* a view of the data */

/*
 * Queueing: 1 when queued, or -1 (ERANGE: too long; EINVAL: a descriptor
 * where none may pass). Arguments: type, id, pid, fd or -1. The descriptor is
 * the queue's from then on, and stays the caller's on error.
 */
int imsg_compose(
    struct imsgbuf *, uint32_t, uint32_t, pid_t, int, const void *, size_t);
int imsg_composev(struct imsgbuf *, uint32_t, uint32_t, pid_t, int,
    const struct iovec *, int);
/* In steps: size of the data; imsg_add frees the message on error. */
struct ibuf *imsg_create(struct imsgbuf *, uint32_t, uint32_t, pid_t, size_t);
int imsg_add(struct ibuf *, const void *, size_t);
void imsg_close(struct imsgbuf *, struct ibuf *);

#endif
