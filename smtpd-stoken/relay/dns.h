/* SPDX-License-Identifier: ISC */
/*
 * Answers of the DNS as they came, octet for octet, of which nothing is
 * believed: records that say where a service is (RFC 2782, RFC 5321, 5.1),
 * with the time that they may be kept; also where there are none (RFC 2308).
 */
#ifndef RELAY_DNS_H
#define RELAY_DNS_H

#include <stddef.h>
#include <stdint.h>

#define DNS_MX 15
#define DNS_SRV 33
#define DNS_RECORDS_MOST 32 /* of an answer; more are passed over */
#define DNS_NAME_SIZE 256

struct dns_record {
	uint16_t priority, weight, port; /* of MX: only the first */
	char target[DNS_NAME_SIZE]; /* lower case; "" is the root: nowhere */
};

struct dns_answer {
	struct dns_record list[DNS_RECORDS_MOST];
	size_t count;
	uint32_t ttl; /* seconds; of an answer without records: of that */
	int has_ttl;
	int validated; /* its sender says so: AD (RFC 4035 section 3.2.3) */
};

/*
 * Takes the records of the type, MX or SRV, and of the name (or of that which
 * it is an alias of) out of a message of the DNS. Records that are malformed,
 * or whose target is no host name, are passed over. Returns 0, also when it
 * says that there are none; -1: it is no whole answer, or one of failure.
 */
int dns_parse(struct dns_answer *, const char *name, int type,
    const uint8_t *message, size_t length);

#endif
