/* SPDX-License-Identifier: ISC */
#ifndef TOKENSEND_OPTIONS_H
#define TOKENSEND_OPTIONS_H

#include <stddef.h>
#include <stdint.h>

#define MAILBOX_SIZE 255 /* octets of a canonical address, and its NUL */
#define RECIPIENTS_MOST 1000

struct options {
	int verbose;
	char from[MAILBOX_SIZE]; /* canonical; "": there are no tokens of his */
	const char *sender; /* as it was given, without <>: for MAIL */
	char *server; /* host or address of -s, or NULL */
	uint16_t port; /* of -s */
	int implicit; /* TLS from the first octet, else STARTTLS */
	const char *tokens; /* -t; NULL: the default; "-": standard input */
	const char *keep; /* -k: where new tokens go; NULL: where they were */
	const char *authorities; /* -C, or NULL */
	const char *resolver; /* -r: ADDRESS:PORT, or NULL */
	unsigned int seconds; /* -w: in all; 0: as long as it takes */
	int mx; /* -m: where there is no SRV, the MX hosts */
	char *const *to;
	size_t count; /* of `to` */
};

/*
 * Takes the command line. Returns 0; else what to exit with, EX_USAGE, and
 * the problem in words ("": the usage alone says it), or EX_DATAERR for what
 * is no address.
 */
int options_parse(
    struct options *, int argc, char *const argv[], char *problem, size_t size);
void options_free(struct options *);

/*
 * -s: [smtps://|smtp+tls://]HOST[:PORT], ADDRESS, [ADDRESS]:PORT. Without a
 * scheme port 587 means STARTTLS and any other TLS from the first octet; the
 * port is 465 if there is none. Returns 0 or -1.
 */
int options_server(struct options *, const char *text);

/*
 * An address with or without <> becomes one without, and its canonical form,
 * "" if it has none: an address literal is nobody's in a token. Returns 0 or
 * -1.
 */
int options_address(
    const char *text, char out[MAILBOX_SIZE], char canonical[MAILBOX_SIZE]);

#endif
