/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>
#include <event.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/channel.h"
#include "imsg/imsg.h"
#include "imsg/messages.h"
#include "lib/clock.h"
#include "lib/log.h"

#define QUEUE_CAP (8 * 1024 * 1024)
#define QUEUE_HIGH (256 * 1024)
#define QUEUE_LOW (QUEUE_HIGH / 4)
/* Messages handled in one go before other descriptors get their turn. */
#define BURST 256
/* Milliseconds that a process waits for another outside the event loop. */
#define FLUSH_WAIT 5000

struct channel {
	struct channel_settings set;
	struct imsgbuf buf;
	struct event readable;
	struct event writable;
	struct event flush; /* made active by hand: write at end of turn */
	struct event again; /* made active by hand: more is buffered */
	int flushing; /* flush is pending */
	int full; /* channel_full() was seen; tell when drained */
	int paused;
	int deaf; /* the peer reads no more: nothing is sent */
	int busy; /* a handler is running: do not free yet */
	enum channel_end end; /* 0 while it lives */
	char why[160];
};

/* Waits until the descriptor can be read or written. */
static int
wait_for(int fd, short what, int milliseconds)
{
	struct pollfd pfd = {.fd = fd, .events = what};
	int n;

	do
		n = poll(&pfd, 1, milliseconds);
	while (n == -1 && errno == EINTR);
	return n == 1 ? 0 : -1;
}

static enum phase phase_now = PHASE_SETUP;

static void channel_read(struct channel *);

void
channel_set_phase(enum phase phase)
{
	phase_now = phase;
}

static void
channel_free(struct channel *c)
{
	event_del(&c->readable);
	event_del(&c->writable);
	event_del(&c->flush);
	event_del(&c->again);
	close(c->buf.fd);
	imsgbuf_clear(&c->buf);
	if (c->set.gone != NULL)
		c->set.gone(c, c->end, c->why);
	freezero(c, sizeof(*c));
}

/* Marks it as ending; frees it unless a handler of its own is running. */
static void
channel_finish(struct channel *c, enum channel_end end, const char *why)
{
	if (c->end == 0) {
		c->end = end;
		strlcpy(c->why, why, sizeof(c->why));
	}
	if (!c->busy)
		channel_free(c);
}

/*
 * When others had their turn: event_active() from within a callback would
 * come before all that is to be polled.
 */
static void
read_later(struct channel *c)
{
	static const struct timeval now = {0, 0};

	(void)event_add(&c->again, &now);
}

/* Who is dead may have said something before, which is still to be read. */
static int
is_dead(int error)
{
	return error == EPIPE || error == ECONNRESET;
}

static void
write_failed(struct channel *c)
{
	if (c->paused || !is_dead(errno)) {
		channel_finish(c, CHANNEL_EOF, "the peer is gone");
		return;
	}
	c->deaf = 1;
	read_later(c);
}

static void
channel_write(struct channel *c)
{
	size_t left;

	c->flushing = 0;
	if (c->end != 0) {
		channel_finish(c, c->end, c->why);
		return;
	}
	if (c->deaf)
		return;
	if (imsgbuf_write(&c->buf) == -1) {
		write_failed(c);
		return;
	}
	left = imsgbuf_queued_bytes(&c->buf);
	if (left > 0)
		event_add(&c->writable, NULL);
	if (c->full && left < QUEUE_LOW) {
		c->full = 0;
		if (c->set.drained != NULL)
			c->set.drained(c);
	}
}

static void
on_flush(int fd, short what, void *arg)
{
	struct channel *c = arg;

	(void)fd;
	(void)what;
	channel_write(c);
}

static void
on_readable(int fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	channel_read(arg);
}

struct channel *
channel_open(int fd, const struct channel_settings *set)
{
	struct channel *c;
	int flags;

	if ((c = calloc(1, sizeof(*c))) == NULL ||
	    (flags = fcntl(fd, F_GETFL)) == -1 ||
	    fcntl(fd, F_SETFL, flags | O_NONBLOCK) == -1 ||
	    imsgbuf_init(&c->buf, fd) == -1) {
		close(fd);
		free(c);
		return NULL;
	}
	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	imsgbuf_set_maxsize(&c->buf, MESSAGE_MAX);
	imsgbuf_allow_fdpass(&c->buf);
	c->set = *set;
	if (c->set.cap == 0)
		c->set.cap = QUEUE_CAP;
	event_set(&c->readable, fd, EV_READ | EV_PERSIST, on_readable, c);
	event_set(&c->writable, fd, EV_WRITE, on_flush, c);
	event_set(&c->flush, -1, 0, on_flush, c);
	event_set(&c->again, -1, 0, on_readable, c);
	event_add(&c->readable, NULL);
	return c;
}

void
channel_close(struct channel *c)
{
	if (c != NULL)
		channel_finish(c, CHANNEL_CLOSED, "closed");
}

int
channel_send(struct channel *c, uint16_t number, const union message *m, int fd)
{
	const struct message_row *row = message_find(number);
	const char *wrong;
	uint8_t *body;
	struct ibuf *ibuf;
	size_t size;

	size = row == NULL ? 0 : message_size(row, m);
	wrong = size == 0 ? "a field is too long"
			  : message_check(row, c->set.self, c->set.peer,
				row->phase, size, fd != -1);
	if (wrong != NULL || c->end != 0 || c->deaf) {
		if (wrong != NULL)
			log_warnx("imsg 0x%04x to %s not sent: %s", number,
			    role_name(c->set.peer), wrong);
		goto fail;
	}
	if ((ibuf = imsg_create(&c->buf, number, 0, 0, size)) == NULL)
		goto fail;
	if ((body = ibuf_reserve(ibuf, size)) == NULL) {
		ibuf_free(ibuf);
		goto fail;
	}
	message_encode(row, m, body);
	if (fd != -1)
		ibuf_fd_set(ibuf, fd);
	imsg_close(&c->buf, ibuf);
	if (imsgbuf_queued_bytes(&c->buf) > c->set.cap) {
		c->end = CHANNEL_STUCK;
		strlcpy(c->why, "it does not read", sizeof(c->why));
	}
	if (!c->flushing) {
		c->flushing = 1;
		event_active(&c->flush, EV_WRITE, 1);
	}
	return 0;
fail:
	if (fd != -1)
		close(fd);
	return -1;
}

/*
 * Checks one message and runs its handler. Returns 0, or -1 with c->end set.
 */
static int
channel_handle(struct channel *c, struct imsg *imsg)
{
	const struct channel_handler *handler = c->set.handlers;
	const struct message_row *row = message_find(imsg_get_type(imsg));
	union message m;
	struct ibuf body;
	const char *wrong;
	int fd, lost;

	if (imsg_get_ibuf(imsg, &body) == -1)
		ibuf_from_buffer(&body, NULL, 0);
	fd = imsg_get_fd(imsg);
	lost = imsg_fd_lost(imsg); /* our want of slots, not the peer's fault */
	wrong = message_check(row, c->set.peer, c->set.self, phase_now,
	    ibuf_size(&body), fd != -1 || lost);
	if (wrong == NULL &&
	    message_decode(row, &m, ibuf_data(&body), ibuf_size(&body)) == -1)
		wrong = "malformed";
	while (wrong == NULL && handler->number != row->number) {
		if (handler->number == 0)
			wrong = "nobody here handles it";
		else
			handler++;
	}
	if (wrong != NULL) {
		if (fd != -1)
			close(fd);
		c->end = CHANNEL_BROKE;
		(void)snprintf(c->why, sizeof(c->why), "%s (0x%04x): %s",
		    row == NULL ? "message" : row->name, imsg_get_type(imsg),
		    wrong);
		return -1;
	}
	if (fd == -1 && lost && row->descriptor == DESCRIPTOR_ALWAYS)
		log_warnx("%s from %s[%u] is left out: no descriptor was free",
		    row->name, role_name(c->set.peer), c->set.instance);
	else
		handler->function(c, &m, fd);
	return c->end == 0 ? 0 : -1;
}

/* Handles what is buffered. Returns how many messages, or -1 at its end. */
static int
channel_dispatch(struct channel *c, int most)
{
	struct imsg imsg;
	ssize_t n;
	int handled = 0;

	c->busy = 1;
	while (handled < most && !c->paused && c->end == 0) {
		if ((n = imsg_get(&c->buf, &imsg)) == 0)
			break;
		if (n == -1) {
			c->end = CHANNEL_BROKE;
			strlcpy(c->why, "malformed frame", sizeof(c->why));
			break;
		}
		(void)channel_handle(c, &imsg);
		imsg_free(&imsg);
		handled++;
	}
	c->busy = 0;
	return c->end == 0 ? handled : -1;
}

static void
channel_read(struct channel *c)
{
	int n, eof = 0;

	if (c->paused)
		return;
	n = imsgbuf_read(&c->buf);
	if (n == 0 || (n == -1 && is_dead(errno)))
		eof = 1;
	/* Of a dead one the end can always be read: this one only is mute. */
	else if (n == 1 && c->deaf && wait_for(c->buf.fd, POLLIN, 0) == -1)
		eof = 1;
	else if (n == -1 && c->end == 0) {
		c->end = CHANNEL_BROKE;
		strlcpy(c->why, "malformed frame", sizeof(c->why));
	}
	if (c->end == 0)
		n = channel_dispatch(c, eof ? INT32_MAX : BURST);
	if (c->end == 0 && eof && !c->paused)
		c->end = CHANNEL_EOF;
	if (c->end != 0) {
		if (c->why[0] == '\0')
			strlcpy(c->why, "the peer is gone", sizeof(c->why));
		channel_free(c);
	} else if (n == BURST || c->deaf)
		read_later(c);
}

/* What a dead peer has left fits into a socket buffer, this many times. */
#define REST_READS 64

void
channel_read_out(struct channel *c)
{
	int reads = 0;

	if (c == NULL)
		return;
	c->deaf = 1;
	while (c->end == 0 && !c->busy && !c->paused &&
	    channel_dispatch(c, INT32_MAX) >= 0 && reads++ < REST_READS &&
	    wait_for(c->buf.fd, POLLIN, 0) == 0 && imsgbuf_read(&c->buf) == 1)
		continue;
	channel_close(c);
}

void
channel_let_go(struct channel *c)
{
	close(c->buf.fd);
}

int
channel_full(const struct channel *c)
{
	/* Remembering that it was asked is not part of what it answers. */
	struct channel *mutable = (struct channel *)(uintptr_t)c;

	if (imsgbuf_queued_bytes(&mutable->buf) <= QUEUE_HIGH)
		return 0;
	mutable->full = 1;
	return 1;
}

size_t
channel_queued(const struct channel *c)
{
	return imsgbuf_queued_bytes((struct imsgbuf *)(uintptr_t)&c->buf);
}

enum role
channel_peer(const struct channel *c)
{
	return c->set.peer;
}

uint8_t
channel_instance(const struct channel *c)
{
	return c->set.instance;
}

int
channel_trusted(const struct channel *c)
{
	return c->set.trusted;
}

void *
channel_context(const struct channel *c)
{
	return c->set.context;
}

void
channel_set_context(struct channel *c, void *context)
{
	c->set.context = context;
}

void
channel_pause(struct channel *c)
{
	if (!c->paused) {
		c->paused = 1;
		event_del(&c->readable);
	}
}

void
channel_resume(struct channel *c)
{
	if (c->paused) {
		c->paused = 0;
		event_add(&c->readable, NULL);
		event_active(&c->again, EV_READ, 1);
	}
}

int
channel_hung_up(const struct channel *c)
{
	struct pollfd pfd = {.fd = c->buf.fd, .events = 0};

	return poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLHUP) != 0;
}

int
channel_flush(struct channel *c)
{
	while (imsgbuf_queued_bytes(&c->buf) > 0) {
		if (imsgbuf_write(&c->buf) == -1)
			return -1;
		if (imsgbuf_queued_bytes(&c->buf) > 0 &&
		    wait_for(c->buf.fd, POLLOUT, FLUSH_WAIT) == -1)
			return -1;
	}
	return 0;
}

int
channel_receive_one(struct channel *c)
{
	int n;

	while ((n = channel_dispatch(c, 1)) == 0) {
		if (wait_for(c->buf.fd, POLLIN, FLUSH_WAIT) == -1)
			return -1;
		if ((n = imsgbuf_read(&c->buf)) != 1)
			return n;
	}
	/* What was read behind it makes no descriptor readable any more. */
	if (n == 1)
		event_active(&c->again, EV_READ, 1);
	return n;
}

int
channel_receive_within(struct channel *c, int milliseconds)
{
	uint64_t until = clock_milliseconds() + (uint64_t)milliseconds, now;
	int n, paused = c->paused;

	if (c->end != 0 || c->busy)
		return -1;
	c->paused = 0;
	while ((n = channel_dispatch(c, 1)) == 0) {
		if ((now = clock_milliseconds()) > until ||
		    wait_for(c->buf.fd, POLLIN, (int)(until - now)) == -1)
			break;
		if ((n = imsgbuf_read(&c->buf)) != 1)
			break;
	}
	c->paused = paused;
	if (n == 1)
		event_active(&c->again, EV_READ, 1);
	return n;
}
