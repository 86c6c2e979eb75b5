/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_TRACE_H
#define ENGINE_SMTP_TRACE_H

#include <stddef.h>
#include <time.h>

/* Octets that the fields below can take at most, roughly doubled. */
#define TRACE_SIZE 4096

/* What the fields at the top of a message say. Strings are never NULL. */
struct trace {
	const char *sender; /* "" for <> */
	const char *helo;
	const char *client; /* address in text, or "" to leave it out */
	int hidden; /* received client hide: not even the name */
	const char *hostname;
	int lmtp, utf8, tls, authenticated;
	const char *id;
	const char *cipher, *group; /* IANA names or "" */
	const char *recipient; /* the only one, or "" */
	enum {
		TRACE_NO_RESULT,
		TRACE_USER,
		TRACE_TOKEN
	} result;
	int permanent; /* token */
	const char *identity; /* login of TRACE_USER */
	time_t now;
};

/*
 * trace_write: Return-Path, Received (RFC 5321 section 4.4) and, for who
 * logged in, Authentication-Results (RFC 8601), with LF line ends, into out.
 * Returns the octets, without the NUL; 0 when they do not fit.
 */
size_t trace_write(const struct trace *, char *out, size_t size);
/* trace_received: as that, Received alone. */
size_t trace_received(const struct trace *, char *out, size_t size);
/* Of RFC 5322 section 3.3, in the local zone; good until the next call. */
const char *trace_date(time_t);

#endif
