/* SPDX-License-Identifier: ISC */
/*
 * The addresses of a host, by the DNS and /etc/hosts, without waiting. One
 * question at a time, and a bounded number of answers.
 */
#ifndef RELAY_RESOLVE_H
#define RELAY_RESOLVE_H

#include <sys/types.h>
#include <sys/socket.h>

#include <stddef.h>
#include <stdint.h>

#define ADDRESSES_MOST 16

struct address {
	struct sockaddr_storage address;
	socklen_t length;
};

struct addresses {
	struct address list[ADDRESSES_MOST];
	size_t count;
	uint32_t ttl; /* seconds they are good for */
};

/* `why` is NULL when there are some. */
typedef void
resolve_function(void *owner, const struct addresses *, const char *why);

/*
 * Reads /etc/resolv.conf; again at a reload, as far as the sandbox lets it.
 * `server` (ADDRESS:PORT) or NULL is asked in place of those that it names.
 * Returns 0, or -1 with the problem in words.
 */
int resolve_init(const char *server, char *problem, size_t size);

/* Whether all who are asked are on this machine. */
int resolve_is_local(void);

/*
 * A question; the answer may come from within. A name that ends in a dot is
 * whole, and when one family of addresses is there the other is not waited for
 * long; others may be completed as resolv.conf(5) says.
 */
void
resolve_host(const char *name, uint16_t port, resolve_function *, void *owner);

/* For one family, AF_INET or AF_INET6, or both at once: AF_UNSPEC. */
void resolve_family(int family, const char *name, uint16_t port,
    resolve_function *, void *owner);

/*
 * A question of any type, for a name without a dot at its end; `message` is
 * the answer as it came, also when it says that there is nothing. It asks to
 * be told what DNSSEC validated. failed: there was none. It may come from
 * within.
 */
typedef void resolve_query_function(
    void *owner, int failed, const uint8_t *message, size_t length);
void resolve_query(
    const char *name, int type, resolve_query_function *, void *owner);

/* An address in text, and its port: no question. Returns 0 or -1. */
int resolve_literal(struct addresses *, const char *text, uint16_t port);

/* A socket's path, ADDRESS:PORT or [ADDRESS]:PORT. Returns 0 or -1. */
int resolve_lmtp(struct addresses *, const char *text);

int address_is_loopback(const struct address *);

/* "192.0.2.1:25", "[2001:db8::1]:25", or the path. Returns `out`. */
const char *address_text(const struct address *, char *out, size_t size);

#endif
