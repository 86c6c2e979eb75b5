/* SPDX-License-Identifier: ISC */
/*
 * What the domains of the site should have in the DNS, so that others find
 * its token server (S1-10, RFC 8314 section 5), and whether it is there: relay
 * asks. And whether the certificates are for the domains, without which no
 * correspondent's server shows a token (D-S14).
 */
#ifndef TOKEND_PUBLISH_H
#define TOKEND_PUBLISH_H

#include "tokend/measure.h"

enum publish_state {
	PUBLISH_UNCHECKED,
	PUBLISH_THERE,
	PUBLISH_MISSING, /* nothing is there */
	PUBLISH_DIFFERENT /* what is there is not that */
};

enum publish_certificate {
	PUBLISH_CERTIFICATE_NONE, /* it is about no listener */
	PUBLISH_CERTIFICATE_OK,
	PUBLISH_CERTIFICATE_UNKNOWN, /* it cannot be told now */
	PUBLISH_CERTIFICATE_OTHER /* is not for the domain */
};

/* One record; or, where port is 0, the addresses of the host. */
struct publish_item {
	char domain[256];
	char name[288]; /* "_submissions._tcp.a.example" */
	uint16_t priority, port;
	char target[256];
	char pki[256]; /* the first of its listener */
	enum publish_certificate certificate;
	int covers_host; /* though it is not for the domain */
	enum publish_state state;
	int asked;
	char found[512]; /* what is there, in words */
	char problem[160]; /* of PUBLISH_UNCHECKED */
};

struct publish {
	const struct publish_item *items;
	size_t count;
};

/*
 * Looks at everything for a client; `done` is called once with what came of
 * it, unless he is gone meanwhile: within 20 seconds, perhaps from within.
 */
typedef void publish_done(struct client_request *, const struct publish *);
void publish_look(struct client_request *client,
    const struct measured *measured, publish_done *done);

/* In words: "published", "missing", ... */
const char *publish_state_name(enum publish_state);

/* What is to be done, sentences on lines of their own; "" : nothing. */
void publish_advice(const struct publish_item *, char *out, size_t size);

/* "_submissions._tcp.a.example. 3600 IN SRV 0 1 465 mx.a.example." */
void publish_record(const struct publish_item *, char *out, size_t size);

/* Does a certificate name this domain, for this service (or NULL)? */
int publish_covers(
    const struct certificate_fact *, const char *domain, const char *service);

/* Handler of relay's answer; and: relay is gone. */
void on_dns_answer(struct channel *, const union message *, int fd);
void publish_relay_gone(void);

#endif
