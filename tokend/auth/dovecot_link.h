/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_AUTH_DOVECOT_LINK_H
#define TOKEND_AUTH_DOVECOT_LINK_H

#include <event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "imsg/messages.h"
#include "tokend/auth/dovecot_text.h"

/*
 * A connection to Dovecot that is made again when it is lost. The socket comes
 * connected from the parent: this process may open none.
 */

#define DOVECOT_GREETING_SECONDS 10 /* for the parent, and for the greeting */
#define DOVECOT_ANSWER_SECONDS 60 /* for an answer */
#define DOVECOT_WAIT_MAX 30 /* seconds between tries */
#define DOVECOT_OUTPUT_MAX (1024 * 1024) /* octets that wait; then it fails */

enum dovecot_link_state {
	LINK_DOWN,
	LINK_ASKED, /* the parent was asked for a socket */
	LINK_GREETING,
	LINK_UP
};

struct dovecot_link {
	/* What its owner fills in. */
	enum login_socket socket;
	const char *path; /* for the log */
	const char *hello; /* our greeting, lines with LF */
	const char *last; /* the command with which Dovecot's greeting ends */
	/* It stands: Dovecot's greeting is over. May be NULL. */
	void (*up)(void);
	/* A line, parameters as for dovecot_next(); in the greeting, too. */
	void (*line)(struct bytes command, struct bytes rest);
	/* It is lost: nothing that was asked will be answered. */
	void (*down)(void);
	/*
	 * About once a second while it is not up or something is awaited.
	 * Returns whether something is.
	 */
	bool (*tick)(time_t now);

	/* Its own. */
	enum dovecot_link_state state;
	bool greeted; /* VERSION was good */
	bool complained; /* the log knows that it is down */
	int fd;
	unsigned int failures; /* in a row */
	time_t tried; /* or lost; seconds of the monotonic clock */
	bool awaiting; /* an answer, as of the last tick */
	time_t heard; /* or since when it is awaited, if that is later */
	struct event readable, writable, timer;
	bool ticking;
	size_t in_length;
	char in[2 * DOVECOT_LINE_MAX];
	uint8_t *out;
	size_t out_length, out_room;
};

/* Seconds of the monotonic clock. */
time_t dovecot_now(void);

/* Begins to connect. */
void dovecot_start(struct dovecot_link *link);

/*
 * Sends a line, or keeps it until the greeting is over. Tries to connect when
 * it is down, at most once a second. Returns 0; or -1: it is down, or became
 * so, and what was asked before was told so by `down`.
 */
int dovecot_send(struct dovecot_link *link, struct dovecot_line *line);

/* LOGIN_CONNECTED: takes the socket (-1: the problem). */
void dovecot_connected(struct dovecot_link *link, int fd, struct bytes problem);

/* Closes it because of what is wrong; it is made again later. */
void dovecot_lost(struct dovecot_link *link, const char *why);

/* Closes it for good. */
void dovecot_stop(struct dovecot_link *link);

#endif
