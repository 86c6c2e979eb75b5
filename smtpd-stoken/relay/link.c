/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tls.h>

#include "smtpd-stoken/relay/link.h"
#include "smtpd-stoken/relay/trust.h"

#define READ_SIZE (16 * 1024)
/* What a message's end and the next commands may add to the mark. */
#define MOST (LINK_MARK + 256 * 1024)

enum link_state {
	LINK_CONNECTS,
	LINK_CLEAR,
	LINK_SHAKES, /* the handshake is under way */
	LINK_TLS,
	LINK_CLOSED
};

struct link {
	const struct link_actions *actions;
	void *owner;
	enum link_state state;
	int fd;
	struct event reads, writes;
	int waits; /* for the descriptor to take octets */
	struct tls *tls;
	struct ssl_st *ssl;
	uint8_t *out;
	size_t start, length, size; /* of what is queued in `out` */
	int secret; /* there is one in `out` */
	int over_mark;
	int broken; /* no memory */
	unsigned depth; /* calls of ours that go on after a callback */
	int freed; /* by one of them */
};

static void on_readable(int, short, void *);
static void on_writable(int, short, void *);

/* The end of a call that a callback may have freed the link in. */
static void
leave(struct link *link)
{
	if (--link->depth == 0 && link->freed)
		link_free(link);
}

static void
close_link(struct link *link, const char *why)
{
	if (link->state == LINK_CLOSED || link->freed)
		return;
	link->state = LINK_CLOSED;
	(void)event_del(&link->reads);
	(void)event_del(&link->writes);
	link->actions->closed(link->owner, why);
}

static int
begin_connect(int fd, const struct sockaddr *address, socklen_t length)
{
	int on = 1;

	if (address->sa_family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(fd, address, length) == -1 && errno != EINPROGRESS)
		return -1;
	return 0;
}

struct link *
link_open(const struct sockaddr *address, socklen_t length,
    const struct link_actions *actions, void *owner)
{
	struct link *link = calloc(1, sizeof(*link));
	int saved;

	if (link == NULL)
		return NULL;
	link->actions = actions;
	link->owner = owner;
	link->fd = socket(
	    address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (link->fd == -1 || begin_connect(link->fd, address, length) == -1) {
		saved = errno;
		if (link->fd != -1)
			(void)close(link->fd);
		free(link);
		errno = saved;
		return NULL;
	}
	event_set(
	    &link->reads, link->fd, EV_READ | EV_PERSIST, on_readable, link);
	event_set(&link->writes, link->fd, EV_WRITE, on_writable, link);
	(void)event_add(&link->writes, NULL);
	link->waits = 1;
	return link;
}

static void
wait_to_write(struct link *link)
{
	if (!link->waits)
		(void)event_add(&link->writes, NULL);
	link->waits = 1;
}

/* The wipe covers all of the buffer: what was moved leaves copies. */
static void
empty_buffer(struct link *link)
{
	if (link->secret)
		explicit_bzero(link->out, link->size);
	link->secret = 0;
	link->start = 0;
}

static int
make_room(struct link *link, size_t length)
{
	size_t size = link->size == 0 ? 4096 : link->size;
	uint8_t *grown;

	if (link->start + link->length + length <= link->size)
		return 0;
	if (link->length + length > MOST)
		return -1;
	while (size < link->length + length)
		size *= 2;
	if (size == link->size) {
		memmove(link->out, link->out + link->start, link->length);
		link->start = 0;
		return 0;
	}
	if ((grown = malloc(size)) == NULL)
		return -1;
	if (link->length > 0)
		memcpy(grown, link->out + link->start, link->length);
	freezero(link->out, link->size);
	link->out = grown;
	link->size = size;
	link->start = 0;
	return 0;
}

int
link_write(struct link *link, const void *data, size_t length, int secret)
{
	if (link->state == LINK_CLOSED)
		return 0;
	if (make_room(link, length) == -1) {
		link->broken = 1;
		return -1;
	}
	memcpy(link->out + link->start + link->length, data, length);
	link->length += length;
	link->secret |= secret;
	if (link->length > LINK_MARK)
		link->over_mark = 1;
	return link->over_mark;
}

size_t
link_queued(const struct link *link)
{
	return link->length;
}

/* Octets that went out; 0: the peer takes none now; -1: it is over. */
static ssize_t
write_some(struct link *link)
{
	const uint8_t *from = link->out + link->start;
	ssize_t n;

	if (link->state == LINK_CLEAR) {
		n = write(link->fd, from, link->length);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			n = 0;
		if (n == 0)
			wait_to_write(link);
		if (n == -1)
			close_link(link, strerror(errno));
		return n;
	}
	n = tls_write(link->tls, from, link->length);
	if (n == TLS_WANT_POLLOUT)
		wait_to_write(link);
	if (n == TLS_WANT_POLLOUT || n == TLS_WANT_POLLIN)
		return 0;
	if (n == -1)
		close_link(link, tls_error(link->tls));
	return n;
}

/* Returns whether anything went out. */
static int
write_queued(struct link *link)
{
	int went = 0;
	ssize_t n;

	while (link->length > 0) {
		if ((n = write_some(link)) <= 0)
			break;
		link->start += (size_t)n;
		link->length -= (size_t)n;
		went = 1;
	}
	if (link->length == 0)
		empty_buffer(link);
	return went;
}

void
link_flush(struct link *link)
{
	int below;

	if (link->broken)
		close_link(link, "out of memory");
	if ((link->state != LINK_CLEAR && link->state != LINK_TLS) ||
	    link->length == 0)
		return;
	link->depth++;
	if (write_queued(link) && link->state != LINK_CLOSED) {
		below = link->over_mark && link->length < LINK_MARK / 4;
		if (below)
			link->over_mark = 0;
		link->actions->drained(link->owner, below);
	}
	/* The rest of a message goes out with the next event: others wait. */
	if (!link->freed && link->state != LINK_CLOSED && link->length > 0)
		wait_to_write(link);
	leave(link);
}

static void
shake_failed(struct link *link)
{
	const char *complaint = trust_complaint(link->ssl);
	char reason[160];

	if (complaint != NULL) {
		snprintf(reason, sizeof(reason),
		    "TLS: the certificate was not accepted: %s", complaint);
		close_link(link, reason);
	} else
		close_link(link,
		    tls_error(link->tls) == NULL ? "TLS: it hung up"
						 : tls_error(link->tls));
}

static void
shake(struct link *link)
{
	int result = tls_handshake(link->tls);

	if (result == TLS_WANT_POLLOUT)
		wait_to_write(link);
	if (result == TLS_WANT_POLLOUT || result == TLS_WANT_POLLIN)
		return;
	/* 0 is also what an end in the middle of it gives. */
	if (result == -1 || !trust_established(link->ssl)) {
		shake_failed(link);
		return;
	}
	link->state = LINK_TLS;
	link->actions->on_tls(link->owner);
}

void
link_start_tls(
    struct link *link, struct trust *trust, const struct trust_names *names)
{
	if (link->state != LINK_CLEAR)
		return;
	/* The command before it was answered: it is out. */
	if (link->length > 0 ||
	    (link->tls = trust_dial(trust, link->fd, names, &link->ssl)) ==
		NULL) {
		link->broken = 1;
		return;
	}
	link->state = LINK_SHAKES;
	/* The client speaks first; its callbacks come from the events. */
	wait_to_write(link);
}

static void
finish_connect(struct link *link)
{
	int error = 0;
	socklen_t length = sizeof(error);

	if (getsockopt(link->fd, SOL_SOCKET, SO_ERROR, &error, &length) == -1)
		error = errno;
	if (error != 0) {
		close_link(link, strerror(error));
		return;
	}
	link->state = LINK_CLEAR;
	(void)event_add(&link->reads, NULL);
	link->actions->connected(link->owner);
}

static void
on_writable(int fd, short what, void *context)
{
	struct link *link = context;

	(void)fd;
	(void)what;
	link->depth++;
	link->waits = 0;
	if (link->state == LINK_CONNECTS)
		finish_connect(link);
	else if (link->state == LINK_SHAKES)
		shake(link);
	else
		link_flush(link);
	leave(link);
}

/* Octets read into `data`; 0: none for now; -1: it is over. */
static ssize_t
read_some(struct link *link, void *data, size_t size)
{
	ssize_t n;

	if (link->state == LINK_CLEAR) {
		n = read(link->fd, data, size);
		if (n == -1 && (errno == EAGAIN || errno == EINTR))
			return 0;
		if (n <= 0)
			close_link(
			    link, n == 0 ? "it hung up" : strerror(errno));
		return n <= 0 ? -1 : n;
	}
	n = tls_read(link->tls, data, size);
	if (n == TLS_WANT_POLLOUT)
		wait_to_write(link);
	if (n == TLS_WANT_POLLOUT || n == TLS_WANT_POLLIN)
		return 0;
	if (n <= 0)
		close_link(link, n == 0 ? "it hung up" : tls_error(link->tls));
	return n <= 0 ? -1 : n;
}

/*
 * One read an event, so that nobody starves; what TLS still holds poll(2)
 * does not know of.
 */
static void
take(struct link *link, uint8_t *data, size_t size)
{
	ssize_t n = read_some(link, data, size);

	if (n <= 0)
		return;
	if (link->state == LINK_TLS && trust_pending(link->ssl))
		event_active(&link->reads, EV_READ, 1);
	link->actions->input(link->owner, data, (size_t)n);
	explicit_bzero(data, (size_t)n); /* tokens come this way */
}

/* The buffer is shared: input() uses all of it up. */
static void
on_readable(int fd, short what, void *context)
{
	static uint8_t data[READ_SIZE];
	struct link *link = context;

	(void)fd;
	(void)what;
	link->depth++;
	if (link->state == LINK_SHAKES)
		shake(link);
	else
		take(link, data, sizeof(data));
	leave(link);
}

/* Not the shared buffer: another link's input may be under way. */
void
link_look(struct link *link)
{
	uint8_t data[512];

	if (link->state != LINK_CLEAR && link->state != LINK_TLS)
		return;
	link->depth++;
	take(link, data, sizeof(data));
	leave(link);
}

void
link_free(struct link *link)
{
	if (link == NULL)
		return;
	(void)event_del(&link->reads);
	(void)event_del(&link->writes);
	if (link->depth > 0) {
		link->freed = 1;
		return;
	}
	if (link->tls != NULL) {
		if (link->state == LINK_TLS)
			(void)tls_close(link->tls);
		tls_free(link->tls);
	}
	(void)close(link->fd);
	freezero(link->out, link->size);
	free(link);
}
