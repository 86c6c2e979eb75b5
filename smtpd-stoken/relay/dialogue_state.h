/* SPDX-License-Identifier: ISC */
/* What dialogue.c and dialogue_client.c share. */
#ifndef RELAY_DIALOGUE_STATE_H
#define RELAY_DIALOGUE_STATE_H

#include <sys/types.h>

#include <event.h>

#include "smtpd-stoken/relay/dialogue.h"
#include "smtpd-stoken/relay/link.h"

struct dialogue {
	const struct dialogue_actions *actions;
	void *owner;
	struct dialogue_settings settings;
	struct link *link;
	struct client *client;
	size_t next; /* of the addresses: to be tried */
	uint64_t deadline; /* for all of them: milliseconds */
	uint64_t until; /* for the message under way; 0: any time */
	struct event timer;
	unsigned int depth; /* calls of ours under way */
	unsigned int login_refused; /* by an address that was dropped */
	unsigned char shaking; /* behind STARTTLS */
	unsigned char settled; /* on this address */
	unsigned char drops; /* this address, when the client is left */
	unsigned char moved; /* octets or calls: the timer begins anew */
	unsigned char kept; /* nobody needs it now */
	unsigned char quits;
	unsigned char over; /* was said, or need not be */
	unsigned char closed; /* dialogue_close() */
	char why[256]; /* the last address did not do */
};

extern const struct client_actions dialogue_client_actions;

void dialogue_set_timer(struct dialogue *, uint64_t milliseconds);
/* Says that it is over, unless that was said. */
void dialogue_end(struct dialogue *, struct dialogue_end *);
/* More addresses are left, and time for them. */
int dialogue_has_more(const struct dialogue *);
void dialogue_start_tls(struct dialogue *);

#endif
