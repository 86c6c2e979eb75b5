/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/process.h"
#include "tokend/auth/dovecot_link.h"

time_t
dovecot_now(void)
{
	struct timespec t;

	if (clock_gettime(CLOCK_MONOTONIC, &t) == -1)
		fatal("clock_gettime");
	return t.tv_sec;
}

static void
arm(struct dovecot_link *link)
{
	static const struct timeval second = {1, 0};

	if (link->ticking)
		return;
	link->ticking = true;
	(void)evtimer_add(&link->timer, &second);
}

static void
connect_now(struct dovecot_link *link)
{
	union message m = {.login_connect = {.socket = (uint8_t)link->socket}};

	link->tried = dovecot_now();
	link->state = LINK_ASKED;
	(void)channel_send(process_parent(), MSG_LOGIN_CONNECT, &m, -1);
	arm(link);
}

/* How long to wait after so many failures: at least one. */
static time_t
pause_of(unsigned int failures)
{
	time_t seconds = (time_t)1 << (failures < 10 ? failures - 1 : 9);

	return seconds < DOVECOT_WAIT_MAX ? seconds : DOVECOT_WAIT_MAX;
}

static void
hang_up(struct dovecot_link *link)
{
	if (link->fd != -1) {
		(void)event_del(&link->readable);
		(void)event_del(&link->writable);
		(void)close(link->fd);
	}
	link->fd = -1;
	link->state = LINK_DOWN;
	link->in_length = 0;
	freezero(link->out, link->out_room);
	link->out = NULL;
	link->out_length = link->out_room = 0;
}

void
dovecot_lost(struct dovecot_link *link, const char *why)
{
	if (link->state == LINK_DOWN)
		return;
	if (!link->complained)
		log_warnx("dovecot %s: %s; trying again", link->path, why);
	else
		log_debug("dovecot %s: %s", link->path, why);
	link->complained = true;
	hang_up(link);
	link->failures++;
	link->tried = dovecot_now();
	link->down();
	arm(link);
}

static void
tick(int fd, short what, void *context)
{
	struct dovecot_link *link = context;
	time_t now = dovecot_now();

	(void)fd;
	(void)what;
	link->ticking = false;
	link->awaiting = link->tick(now);
	if (link->state == LINK_DOWN &&
	    now - link->tried >= pause_of(link->failures))
		connect_now(link);
	else if ((link->state == LINK_ASKED || link->state == LINK_GREETING) &&
	    now - link->tried >= DOVECOT_GREETING_SECONDS)
		dovecot_lost(link, "no greeting in time");
	else if (link->state == LINK_UP && link->awaiting &&
	    now - link->heard >= DOVECOT_ANSWER_SECONDS)
		dovecot_lost(link, "no answer in time");
	if (link->state != LINK_UP || link->awaiting)
		arm(link);
}

void
dovecot_start(struct dovecot_link *link)
{
	link->fd = -1;
	evtimer_set(&link->timer, tick, link);
	connect_now(link);
}

/* What was written is wiped. Returns 0, or -1 when the connection is lost. */
static int
flush(struct dovecot_link *link)
{
	ssize_t n;

	while (link->out_length > 0) {
		n = write(link->fd, link->out, link->out_length);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1 && errno == EAGAIN)
			return event_add(&link->writable, NULL);
		if (n == -1) {
			dovecot_lost(link, strerror(errno));
			return -1;
		}
		link->out_length -= (size_t)n;
		memmove(link->out, link->out + n, link->out_length);
		explicit_bzero(link->out + link->out_length, (size_t)n);
	}
	return 0;
}

static void
on_writable(int fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)flush(context);
}

/* Old copies of secrets do not stay behind in freed memory. */
static int
make_room(struct dovecot_link *link, size_t more)
{
	size_t room = link->out_room == 0 ? DOVECOT_LINE_MAX : link->out_room;
	uint8_t *wider;

	if (link->out_length + more > DOVECOT_OUTPUT_MAX)
		return -1;
	while (room < link->out_length + more)
		room *= 2;
	if (room == link->out_room)
		return 0;
	if ((wider = malloc(room)) == NULL)
		return -1;
	if (link->out_length > 0)
		memcpy(wider, link->out, link->out_length);
	freezero(link->out, link->out_room);
	link->out = wider;
	link->out_room = room;
	return 0;
}

int
dovecot_send(struct dovecot_link *link, struct dovecot_line *line)
{
	int result = -1;

	if (link->state == LINK_DOWN && dovecot_now() > link->tried)
		connect_now(link);
	if (dovecot_end(line) == 0 && link->state != LINK_DOWN &&
	    make_room(link, line->length) == 0) {
		memcpy(link->out + link->out_length, line->text, line->length);
		link->out_length += line->length;
		if (!link->awaiting)
			link->heard = dovecot_now();
		link->awaiting = true;
		arm(link);
		result = link->state == LINK_UP ? flush(link) : 0;
	}
	explicit_bzero(line, sizeof(*line));
	return result;
}

static void
greeting_over(struct dovecot_link *link)
{
	if (!link->greeted) {
		dovecot_lost(link, "it speaks another protocol");
		return;
	}
	log_info("dovecot %s: connected", link->path);
	link->state = LINK_UP;
	link->failures = 0;
	link->complained = false;
	if (link->up != NULL)
		link->up();
	(void)flush(link);
}

/* VERSION major minor: another minor one adds, another major one changes. */
static void
take_version(struct dovecot_link *link, struct bytes rest)
{
	struct bytes major;
	uint32_t number;

	link->greeted = dovecot_next(&rest, &major) &&
	    dovecot_number(major, &number) == 0 && number == 1;
}

static void
take_line(struct dovecot_link *link, struct bytes text)
{
	struct bytes rest = text, command;

	if (!dovecot_next(&rest, &command))
		return;
	if (link->state == LINK_GREETING && dovecot_is(command, "VERSION"))
		take_version(link, rest);
	link->line(command, rest);
	if (link->state == LINK_GREETING && dovecot_is(command, link->last))
		greeting_over(link);
}

/* Takes all whole lines. */
static void
take_lines(struct dovecot_link *link)
{
	char *line = link->in, *end;
	size_t left = link->in_length;
	int fd = link->fd;

	while ((end = memchr(line, '\n', left)) != NULL) {
		take_line(link, bytes_of(line, (size_t)(end - line)));
		if (link->fd != fd || link->state == LINK_DOWN)
			return; /* lost meanwhile */
		left -= (size_t)(end - line) + 1;
		line = end + 1;
	}
	memmove(link->in, line, left);
	link->in_length = left;
	if (left == sizeof(link->in))
		dovecot_lost(link, "a line that never ends");
}

static void
on_readable(int fd, short what, void *context)
{
	struct dovecot_link *link = context;
	ssize_t n;

	(void)what;
	n = read(
	    fd, link->in + link->in_length, sizeof(link->in) - link->in_length);
	if (n == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		dovecot_lost(link, n == 0 ? "it hung up" : strerror(errno));
		return;
	}
	link->in_length += (size_t)n;
	link->heard = dovecot_now();
	take_lines(link);
}

static int
write_hello(int fd, const char *hello)
{
	size_t length = strlen(hello);

	/* A few octets into an empty socket: it never has to wait. */
	return write(fd, hello, length) == (ssize_t)length ? 0 : -1;
}

void
dovecot_connected(struct dovecot_link *link, int fd, struct bytes problem)
{
	char text[256];

	if (link->state != LINK_ASKED) {
		if (fd != -1)
			(void)close(fd);
		return;
	}
	if (fd == -1) {
		if (bytes_copy(text, sizeof(text), problem) == -1)
			text[0] = '\0';
		dovecot_lost(link, text);
		return;
	}
	link->fd = fd;
	link->state = LINK_GREETING;
	link->greeted = false;
	link->heard = dovecot_now();
	event_set(&link->readable, fd, EV_READ | EV_PERSIST, on_readable, link);
	event_set(&link->writable, fd, EV_WRITE, on_writable, link);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) == -1 ||
	    event_add(&link->readable, NULL) == -1 ||
	    write_hello(fd, link->hello) == -1)
		dovecot_lost(link, strerror(errno));
}

void
dovecot_stop(struct dovecot_link *link)
{
	hang_up(link);
	(void)evtimer_del(&link->timer);
	link->ticking = false;
}
