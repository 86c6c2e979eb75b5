/* SPDX-License-Identifier: ISC */
/* What relay was told: the next hops, whom to trust, how to log in. */
#ifndef RELAY_SETUP_H
#define RELAY_SETUP_H

#include <stddef.h>
#include <stdint.h>

#include "imsg/channel.h"
#include "imsg/verdicts.h"
#include "lib/settings.h"
#include "lib/ticket.h"

struct trust;

/* How to log in to the relay host; wiped when it is freed. */
struct login {
	char user[256];
	char password[512];
};

/* One configuration; sessions and connections hold the one they began with. */
struct setup {
	unsigned holders;
	char *hostname;
	char *relay_host; /* name or address; NULL: no relay host */
	uint16_t relay_port;
	enum relay_scheme scheme;
	int verify; /* the certificate, unless the scheme is smtp:// */
	struct login *login; /* or NULL */
	char *lmtp_address; /* path or ADDRESS:PORT; NULL: no deliver lmtp */
	uint64_t timeout; /* seconds: timeout relay */
	struct trust *trust; /* for TLS to the relay host, or NULL */
	struct trust *token_trust; /* for token servers; NULL: there is no ca */
};

/* The newest one; NULL before the first commit. */
struct setup *setup_current(void);

/*
 * Takes the settings and what SETUP_CA and SETUP_SECRETS brought since the
 * last commit. Returns 0, or -1 with the problem in words and all as before.
 */
int setup_take(const struct settings *, char *problem, size_t size);

void setup_hold(struct setup *);
void setup_release(struct setup *); /* NULL is fine */

/* The key of tickets; NULL as long as it has not come. */
const uint8_t *setup_ticket_key(void);

/* SETUP_TICKET_KEY, SETUP_CA, SETUP_SECRETS. */
extern const struct channel_handler setup_handlers[];

#endif
