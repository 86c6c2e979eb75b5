/* SPDX-License-Identifier: ISC */
/*
 * Octets of a session, in and out. Input is read into one buffer for all and
 * used up there; only what cannot be used yet is kept with the session.
 * Replies are collected and written when the event's work is done.
 */
#include <sys/types.h>
#include <sys/socket.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "smtpd-stoken/engine/engine.h"
#include "smtpd-stoken/engine/session.h"
#include "smtpd-stoken/engine/tokend.h"

/* Replies that a client may leave unread before it is read no more. */
#define OUTPUT_HIGH (64 * 1024)
#define OUTPUT_FIRST 1024
/*
 * Commands are used up in pieces of so many octets, between which that is
 * looked at: 64 KiB of the shortest EHLO are answered with 2 MiB. No line is
 * longer than a piece.
 */
#define INPUT_PIECE (16 * 1024)

TAILQ_HEAD(session_queue, session);

static uint8_t input[64 * 1024];
static struct session_queue dirty = TAILQ_HEAD_INITIALIZER(dirty);
static struct event flush_event;
static int flush_pending;

static void on_readable(int, short, void *);
static void on_writable(int, short, void *);

/* Reads the client exactly when its octets could be used. */
static void
update_reading(struct session *s)
{
	int wanted = s->fd != -1 && !s->eof && !s->admitting &&
	    !s->starting_tls && s->reason == NULL && !engine_is_blocked() &&
	    !smtp_stalled(s->smtp) && s->output_length < OUTPUT_HIGH;

	if (wanted == s->reading)
		return;
	s->reading = (uint8_t)wanted;
	if (wanted)
		(void)event_add(&s->readable, NULL);
	else
		(void)event_del(&s->readable);
}

void
session_attach(struct session *s, int fd)
{
	s->fd = fd;
	s->eof = 0;
	s->starting_tls = 0;
	event_set(&s->readable, fd, EV_READ | EV_PERSIST, on_readable, s);
	event_set(&s->writable, fd, EV_WRITE, on_writable, s);
}

void
session_detach(struct session *s)
{
	if (s->fd == -1)
		return;
	if (s->reading)
		(void)event_del(&s->readable);
	s->reading = 0;
	(void)event_del(&s->writable);
	close(s->fd);
	s->fd = -1;
	s->output_length = 0;
	s->choked = 0;
	if (!s->using) /* else use_held() does it */
		session_drop_held(s);
}

void
session_drop_held(struct session *s)
{
	freezero(s->held, s->held_length);
	s->held = NULL;
	s->held_length = 0;
}

int
session_is_early(const struct session *s)
{
	char octet;

	return recv(s->fd, &octet, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* Gives octets to the protocol; returns how many it used. */
static size_t
use(struct session *s, uint8_t *data, size_t length)
{
	size_t n, used = 0;

	s->choked = 0;
	while (used < length) {
		if (s->output_length >= OUTPUT_HIGH) {
			s->choked = 1;
			break;
		}
		n = length - used;
		if (n > INPUT_PIECE && !smtp_in_transfer(s->smtp))
			n = INPUT_PIECE;
		if ((n = smtp_input(s->smtp, data + used, n)) == 0)
			break;
		used += n;
	}
	return used;
}

/* Keeps what could not be used. Bounded: reading stops, or a line is long. */
static void
hold(struct session *s, const uint8_t *data, size_t length)
{
	uint8_t *grown;

	if ((grown = malloc(s->held_length + length)) == NULL) {
		log_warn("%08x input", (unsigned int)s->id);
		session_detach(s);
		session_end(s, "memory");
		return;
	}
	if (s->held_length > 0)
		memcpy(grown, s->held, s->held_length);
	memcpy(grown + s->held_length, data, length);
	freezero(s->held, s->held_length);
	s->held = grown;
	s->held_length += length;
}

static void
use_held(struct session *s)
{
	size_t used;

	if (s->held_length == 0)
		return;
	s->using = 1;
	used = use(s, s->held, s->held_length);
	s->using = 0;
	if (s->fd == -1) {
		session_drop_held(s);
		return;
	}
	if (used > 0)
		session_alive(s);
	if (used == s->held_length) {
		session_drop_held(s);
		return;
	}
	s->held_length -= used;
	memmove(s->held, s->held + used, s->held_length);
	explicit_bzero(s->held + s->held_length, used);
}

static void
take_input(struct session *s, size_t length)
{
	size_t used = 0;

	if (s->held_length > 0) {
		hold(s, input, length);
		use_held(s);
		return;
	}
	used = use(s, input, length);
	if (used > 0 && s->fd != -1)
		session_alive(s);
	if (used < length && s->fd != -1)
		hold(s, input + used, length - used);
}

/* The client has said its last: what it said is still worked off. */
static void
check_eof(struct session *s)
{
	if (!s->eof || s->reason != NULL || s->choked ||
	    smtp_stalled(s->smtp) || smtp_is_waiting(s->smtp))
		return;
	session_end(s, "lost");
}

void
session_continue(struct session *s)
{
	use_held(s);
	if (!smtp_in_transfer(s->smtp) && s->reason == NULL) {
		if (s->stale)
			smtp_restarted(s->smtp);
		else if (engine_is_shutting_down() && !s->admitting)
			smtp_shutdown(s->smtp);
	}
	check_eof(s);
	update_reading(s);
	session_mark(s);
}

static void
on_readable(int fd, short what, void *context)
{
	struct session *s = context;
	ssize_t n;

	(void)what;
	n = recv(fd, input, sizeof(input), MSG_DONTWAIT);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == -1) {
		session_detach(s);
		session_end(s, "lost");
		return;
	}
	if (n == 0)
		s->eof = 1;
	else {
		take_input(s, (size_t)n);
		/* A password may have been in it. */
		explicit_bzero(input, (size_t)n);
	}
	/*
	 * The time is for a whole command (F-96): octets that drip in do not
	 * prolong it. Octets of a message do.
	 */
	if (smtp_in_transfer(s->smtp) || smtp_commands(s->smtp) != s->commands)
		session_alive(s);
	s->commands = smtp_commands(s->smtp);
	session_continue(s);
}

void
session_say(struct session *s, const char *text, size_t length)
{
	size_t size;
	char *grown;

	if (s->fd == -1)
		return;
	if (s->output_size - s->output_length < length) {
		size = s->output_size > 0 ? s->output_size : OUTPUT_FIRST;
		while (size - s->output_length < length)
			size *= 2;
		if ((grown = malloc(size)) == NULL) {
			log_warn("%08x output", (unsigned int)s->id);
			session_detach(s);
			session_end(s, "memory");
			return;
		}
		/* A token may be in it. */
		if (s->output_length > 0)
			memcpy(grown, s->output, s->output_length);
		freezero(s->output, s->output_size);
		s->output = grown;
		s->output_size = size;
	}
	memcpy(s->output + s->output_length, text, length);
	s->output_length += length;
	/* The client's time begins with our answer, which may have taken long. */
	session_alive(s);
	session_mark(s);
}

void
session_mark(struct session *s)
{
	if (!s->dirty) {
		s->dirty = 1;
		TAILQ_INSERT_TAIL(&dirty, s, of_dirty);
	}
	if (!flush_pending) {
		flush_pending = 1;
		event_active(&flush_event, EV_TIMEOUT, 1);
	}
}

void
session_unmark(struct session *s)
{
	if (!s->dirty)
		return;
	s->dirty = 0;
	TAILQ_REMOVE(&dirty, s, of_dirty);
}

/* Writes what there is; what the client does not take yet stays. */
static void
write_output(struct session *s)
{
	ssize_t n;

	if (s->output_length > 0 && s->fd != -1) {
		n = send(s->fd, s->output, s->output_length,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n == -1 && errno != EAGAIN && errno != EINTR) {
			session_detach(s);
			session_end(s, "lost");
			return;
		}
		if (n > 0) {
			s->output_length -= (size_t)n;
			memmove(s->output, s->output + n, s->output_length);
		}
	}
	if (s->output_length > 0 && s->fd != -1) {
		(void)event_add(&s->writable, NULL);
		return;
	}
	freezero(s->output, s->output_size);
	s->output = NULL;
	s->output_length = s->output_size = 0;
}

static void
on_writable(int fd, short what, void *context)
{
	(void)fd;
	(void)what;
	session_alive(context);
	session_mark(context);
}

/* One session at the end of an event's work; may free it. */
static void
settle(struct session *s)
{
	write_output(s);
	if (s->starting_tls == 1 && s->output_length == 0 && s->fd != -1)
		session_start_tls_now(s);
	if (s->choked && s->reason == NULL && s->output_length < OUTPUT_HIGH) {
		session_continue(s); /* marks it: it is settled again */
		return;
	}
	if (s->reason != NULL && s->output_length == 0)
		session_destroy(s);
	else
		update_reading(s);
}

void
session_io_flush(void)
{
	struct session *s;

	while ((s = TAILQ_FIRST(&dirty)) != NULL) {
		TAILQ_REMOVE(&dirty, s, of_dirty);
		s->dirty = 0;
		settle(s);
	}
}

static void
on_flush(int fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	flush_pending = 0;
	session_io_flush();
}

void
session_io_init(void)
{
	event_set(&flush_event, -1, 0, on_flush, NULL);
}

static void
resume(struct session *s, void *context)
{
	(void)context;
	update_reading(s);
}

void
session_io_resume(void)
{
	sessions_each(resume, NULL);
}
