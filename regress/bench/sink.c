/* SPDX-License-Identifier: ISC */
/*
 * The next hop of the submission bench: takes every message and forgets it,
 * as cheaply as it can. One thread, so that it is the same small load beside
 * every server. Prints its port; then, for each line on standard input, how
 * many messages it has taken. Ends with its standard input.
 */
#include <sys/epoll.h>
#include <sys/socket.h>

#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define ROOM 65536
#define END "\r\n.\r\n"

struct connection {
	int fd;
	size_t have; /* octets of a line that is not whole */
	char line[1024];
	char tail[5]; /* the last octets of DATA */
	int in_data, last;
	unsigned long long chunk; /* octets of BDAT still to come */
	int chunking; /* in a BDAT */
	char out[8192];
	size_t out_length;
};

static unsigned long long messages;

static void
say(struct connection *c, const char *text)
{
	size_t n = strlen(text);

	if (c->out_length + n > sizeof(c->out))
		return;
	memcpy(c->out + c->out_length, text, n);
	c->out_length += n;
}

static void
command(struct connection *c)
{
	char *last;

	if (strncasecmp(c->line, "EHLO", 4) == 0)
		say(c,
		    "250-sink\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n"
		    "250-8BITMIME\r\n250-SMTPUTF8\r\n250-DSN\r\n"
		    "250-ENHANCEDSTATUSCODES\r\n250 CHUNKING\r\n");
	else if (strncasecmp(c->line, "DATA", 4) == 0) {
		say(c, "354 go on\r\n");
		c->in_data = 1;
		memcpy(c->tail, "\0\0\0\r\n", 5);
	} else if (strncasecmp(c->line, "BDAT ", 5) == 0) {
		c->chunk = strtoull(c->line + 5, &last, 10);
		c->last = strncasecmp(last, " LAST", 5) == 0;
		c->chunking = 1;
	} else if (strncasecmp(c->line, "QUIT", 4) == 0)
		say(c, "221 2.0.0 bye\r\n");
	else
		say(c, "250 2.0.0 ok\r\n");
}

static void
chunk_over(struct connection *c)
{
	c->chunking = 0;
	messages += (unsigned long long)c->last;
	say(c, "250 2.0.0 taken\r\n");
}

static int
over(struct connection *c)
{
	if (memcmp(c->tail, END, 5) != 0)
		return 0;
	c->in_data = 0;
	messages++;
	say(c, "250 2.0.0 taken\r\n");
	return 1;
}

/* Octets of a message; returns how many belong to it. */
static size_t
data(struct connection *c, const char *in, size_t length)
{
	const char *end;
	size_t n;

	/* An end that began in the piece before ends within four octets. */
	for (n = 0; n < length && n < 4; n++) {
		memmove(c->tail, c->tail + 1, 4);
		c->tail[4] = in[n];
		if (over(c))
			return n + 1;
	}
	end = memmem(in, length, END, 5);
	n = end != NULL ? (size_t)(end - in) + 5 : length;
	if (n > 4) {
		memcpy(c->tail, in + n - 5, 5);
		(void)over(c);
	}
	return n;
}

static void
take(struct connection *c, const char *in, size_t length)
{
	size_t n;

	while (length > 0) {
		if (c->chunking && c->chunk > 0) {
			n = length < c->chunk ? length : (size_t)c->chunk;
			c->chunk -= n;
		} else if (c->in_data)
			n = data(c, in, length);
		else {
			n = 1;
			if (*in == '\n') {
				c->line[c->have] = '\0';
				c->have = 0;
				command(c);
			} else if (c->have < sizeof(c->line) - 1)
				c->line[c->have++] = *in;
		}
		in += n;
		length -= n;
		if (c->chunking && c->chunk == 0)
			chunk_over(c);
	}
}

static void
forget(struct connection *c)
{
	(void)close(c->fd);
	free(c);
}

static void
readable(struct connection *c)
{
	static char in[ROOM];
	ssize_t n = recv(c->fd, in, sizeof(in), 0);

	if (n <= 0) {
		if (n == 0 || (errno != EAGAIN && errno != EINTR))
			forget(c);
		return;
	}
	take(c, in, (size_t)n);
	if (c->out_length > 0 &&
	    send(c->fd, c->out, c->out_length, MSG_NOSIGNAL) !=
		(ssize_t)c->out_length) {
		forget(c);
		return;
	}
	c->out_length = 0;
}

static void
watch(int epoll, int fd, void *data)
{
	struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = data}};

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == -1)
		err(1, "epoll_ctl");
}

static void
arrive(int epoll, int listener)
{
	struct connection *c;
	int on = 1, fd = accept(listener, NULL, NULL);

	if (fd == -1)
		return;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if ((c = calloc(1, sizeof(*c))) == NULL)
		err(1, NULL);
	c->fd = fd;
	watch(epoll, fd, c);
	(void)send(fd, "220 sink ESMTP\r\n", 16, MSG_NOSIGNAL);
}

int
main(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t length = sizeof(at);
	struct epoll_event events[64];
	int epoll = epoll_create1(0), listener, n, on = 1;
	char c;

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	(void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (listener == -1 || epoll == -1 ||
	    bind(listener, (struct sockaddr *)&at, sizeof(at)) == -1 ||
	    listen(listener, 1024) == -1 ||
	    getsockname(listener, (struct sockaddr *)&at, &length) == -1)
		err(1, "sink");
	printf("%d\n", ntohs(at.sin_port));
	(void)fflush(stdout);
	watch(epoll, listener, &listener);
	watch(epoll, STDIN_FILENO, &epoll);
	for (;;) {
		n = epoll_wait(epoll, events, 64, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == &listener)
				arrive(epoll, listener);
			else if (events[i].data.ptr != &epoll)
				readable(events[i].data.ptr);
			else if (read(STDIN_FILENO, &c, 1) != 1)
				return 0;
			else if (c == '\n') {
				printf("%llu\n", messages);
				(void)fflush(stdout);
			}
		}
	}
}
