/* SPDX-License-Identifier: ISC */
/*
 * The hosts that a domain named for its token server, and the order in which
 * they are tried (RFC 2782; S1-55).
 */
#ifndef RELAY_TARGETS_H
#define RELAY_TARGETS_H

#include "smtpd-stoken/relay/dns.h"
#include "smtpd-stoken/relay/server.h"

#define TARGETS_SRV 16 /* of SRV records; more are passed over */
#define TARGETS_MX 8 /* two of an MX record: 465 and 587 */
#define TARGET_ADDRESSES 4

struct domain;

struct target {
	struct domain *domain;
	uint32_t priority;
	uint16_t weight, port;
	int implicit; /* TLS from the first octet */
	int validated; /* by DNSSEC */
	char host[DNS_NAME_SIZE];
	struct address addresses[TARGET_ADDRESSES];
	size_t count;
};

struct targets {
	struct target *list[TARGETS_SRV + TARGETS_MX];
	size_t count;
};

/*
 * Add those of SRV records, the best first, or of MX records; not those for
 * port 25 (RFC 2033 section 5). The records are put in order. Return 0, or
 * -1: no memory.
 */
int targets_srv(struct targets *, struct dns_answer *, int implicit);
int targets_mx(struct targets *, struct dns_answer *);
void targets_clear(struct targets *);

/* An address was found; those that are too many are passed over. */
void target_address(struct target *, const struct address *);

/*
 * By priority, and among those of one by chance, as the weights say. Those of
 * MX records come last; there is room for some of them.
 */
void targets_arrange(const struct targets *, struct servers *);

/* Whether any has an address; whether each has. */
int targets_some(const struct targets *);
int targets_whole(const struct targets *);

#endif
