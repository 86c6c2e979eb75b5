/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <ares.h>
#include <event.h>
#include <fcntl.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "smtpd-stoken/relay/resolve.h"

#define SOCKETS 32
#define TIMEOUT 3000 /* milliseconds, doubled at the second try */
#define TRIES 2
#define QUESTIONS_MOST 512 /* under way */
#define CLASS_IN 1
/* In octet 3 of a question: we know what it means (RFC 6840 section 5.7). */
#define AUTHENTIC_DATA 0x20

/* At a reload there is another one; the old one goes when all is answered. */
struct resolver {
	ares_channel channel;
	unsigned int questions;
	int retired;
	struct event timer;
};

struct question {
	struct resolver *resolver;
	resolve_function *done;
	void *owner;
	uint16_t port;
};

static struct resolver *current;
static struct {
	ares_socket_t fd; /* where `used` */
	int used;
	struct event event;
} sockets[SOCKETS];

static void
set_timer(struct resolver *resolver)
{
	struct timeval wait, *soonest;

	soonest = ares_timeout(resolver->channel, NULL, &wait);
	if (resolver->retired && resolver->questions == 0) {
		wait = (struct timeval) {.tv_sec = 0};
		soonest = &wait;
	}
	if (soonest != NULL)
		(void)evtimer_add(&resolver->timer, soonest);
	else
		(void)evtimer_del(&resolver->timer);
}

static void
on_timer(int fd, short what, void *context)
{
	struct resolver *resolver = context;

	(void)fd;
	(void)what;
	if (resolver->retired && resolver->questions == 0) {
		ares_destroy(resolver->channel);
		free(resolver);
		return;
	}
	ares_process_fd(resolver->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	set_timer(resolver);
}

static void
on_socket(int fd, short what, void *context)
{
	struct resolver *resolver = context;

	ares_process_fd(resolver->channel,
	    (what & EV_READ) ? fd : ARES_SOCKET_BAD,
	    (what & EV_WRITE) ? fd : ARES_SOCKET_BAD);
	set_timer(resolver);
}

/* c-ares has a socket for us to watch, or watches one no more. */
static void
on_state(void *context, ares_socket_t fd, int readable, int writable)
{
	short what = (short)(EV_PERSIST | (readable ? EV_READ : 0) |
	    (writable ? EV_WRITE : 0));
	size_t i, free_place = SOCKETS;

	for (i = 0; i < SOCKETS; i++) {
		if (sockets[i].used && sockets[i].fd == fd)
			break;
		if (!sockets[i].used)
			free_place = i;
	}
	if (i == SOCKETS)
		i = free_place;
	else {
		(void)event_del(&sockets[i].event);
		sockets[i].used = 0;
	}
	/* Without a place nothing is heard of it, and it times out. */
	if (i == SOCKETS || (!readable && !writable))
		return;
	sockets[i].fd = fd;
	sockets[i].used = 1;
	event_set(&sockets[i].event, fd, what, on_socket, context);
	(void)event_add(&sockets[i].event, NULL);
}

/*
 * The sandbox may know only the file that was there at the start; c-ares would
 * then take this machine for the server, without a word.
 */
static int
may_read_again(void)
{
	int fd;

	if (current == NULL)
		return 1;
	if ((fd = open(_PATH_RESCONF, O_RDONLY | O_CLOEXEC)) != -1)
		return close(fd) == 0;
	log_warn(
	    "%s is another file now: restart for what is in it", _PATH_RESCONF);
	return 0;
}

static int
make_channel(struct resolver *resolver, const char *server)
{
	/* Nothing but the files that stay visible; no other lookups. */
	struct ares_options options = {.timeout = TIMEOUT,
	    .tries = TRIES,
	    .lookups = (char[]) {"fb"},
	    .sock_state_cb = on_state,
	    .sock_state_cb_data = resolver};
	int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
	    ARES_OPT_SOCK_STATE_CB;
	int status = ares_init_options(&resolver->channel, &options, mask);

	if (status != ARES_SUCCESS || server == NULL)
		return status;
	status = ares_set_servers_ports_csv(resolver->channel, server);
	if (status != ARES_SUCCESS)
		ares_destroy(resolver->channel);
	return status;
}

static void
take(struct resolver *fresh)
{
	struct resolver *old = current;

	evtimer_set(&fresh->timer, on_timer, fresh);
	current = fresh;
	if (old != NULL) {
		old->retired = 1;
		set_timer(old);
	}
}

int
resolve_init(const char *server, char *problem, size_t size)
{
	struct resolver *fresh;
	int status = ARES_SUCCESS;

	if (!may_read_again())
		return 0;
	if ((fresh = calloc(1, sizeof(*fresh))) == NULL)
		status = ARES_ENOMEM;
	else if (current == NULL)
		status = ares_library_init(ARES_LIB_INIT_ALL);
	if (status == ARES_SUCCESS)
		status = make_channel(fresh, server);
	if (status != ARES_SUCCESS) {
		free(fresh);
		(void)snprintf(
		    problem, size, "resolver: %s", ares_strerror(status));
		return -1;
	}
	take(fresh);
	return 0;
}

static int
is_local(const struct ares_addr_port_node *server)
{
	if (server->family == AF_INET)
		return ntohl(server->addr.addr4.s_addr) >> 24 == 127;
	return IN6_IS_ADDR_LOOPBACK(
	    (const struct in6_addr *)&server->addr.addr6);
}

int
resolve_is_local(void)
{
	struct ares_addr_port_node *servers, *server;
	int local = 1;

	if (ares_get_servers_ports(current->channel, &servers) != ARES_SUCCESS)
		return 0;
	for (server = servers; server != NULL; server = server->next)
		local = local && is_local(server);
	ares_free_data(servers);
	return local;
}

static void
collect(struct addresses *to, const struct ares_addrinfo *found, uint16_t port)
{
	const struct ares_addrinfo_node *node;
	const struct ares_addrinfo_cname *alias;
	struct address *a;

	to->ttl = INT32_MAX; /* RFC 2181 section 8: there is none above */
	for (alias = found->cnames; alias != NULL; alias = alias->next)
		if (alias->ttl >= 0 && (uint32_t)alias->ttl < to->ttl)
			to->ttl = (uint32_t)alias->ttl;
	for (node = found->nodes; node != NULL && to->count < ADDRESSES_MOST;
	     node = node->ai_next) {
		if ((node->ai_family != AF_INET &&
			node->ai_family != AF_INET6) ||
		    node->ai_addrlen > sizeof(a->address))
			continue;
		a = &to->list[to->count++];
		memcpy(&a->address, node->ai_addr, node->ai_addrlen);
		a->length = node->ai_addrlen;
		if (node->ai_family == AF_INET)
			((struct sockaddr_in *)&a->address)->sin_port =
			    htons(port);
		else
			((struct sockaddr_in6 *)&a->address)->sin6_port =
			    htons(port);
		if (node->ai_ttl >= 0 && (uint32_t)node->ai_ttl < to->ttl)
			to->ttl = (uint32_t)node->ai_ttl;
	}
}

static void
on_answer(void *context, int status, int timeouts, struct ares_addrinfo *found)
{
	struct question *question = context;
	struct addresses addresses = {.count = 0};

	(void)timeouts;
	question->resolver->questions--;
	if (status == ARES_SUCCESS)
		collect(&addresses, found, question->port);
	if (found != NULL)
		ares_freeaddrinfo(found);
	question->done(question->owner, &addresses,
	    addresses.count > 0          ? NULL
		: status == ARES_SUCCESS ? "it has no address"
					 : ares_strerror(status));
	free(question);
}

void
resolve_family(int family, const char *name, uint16_t port,
    resolve_function *done, void *owner)
{
	struct ares_addrinfo_hints hints = {.ai_flags = ARES_AI_NOSORT,
	    .ai_family = family,
	    .ai_socktype = SOCK_STREAM};
	struct question *question = calloc(1, sizeof(*question));
	struct resolver *resolver = current;
	struct addresses none = {.count = 0};

	if (question == NULL) {
		done(owner, &none, "out of memory");
		return;
	}
	question->done = done;
	question->owner = owner;
	question->port = port;
	question->resolver = resolver;
	resolver->questions++;
	ares_getaddrinfo(
	    resolver->channel, name, NULL, &hints, on_answer, question);
	set_timer(resolver);
}

struct query {
	struct resolver *resolver;
	resolve_query_function *done;
	void *owner;
};

/* Whatever it says, it was said; what it means is for dns.c. */
static void
on_query(
    void *context, int status, int timeouts, unsigned char *message, int length)
{
	struct query *query = context;
	int said = status == ARES_SUCCESS && message != NULL && length >= 0;

	(void)timeouts;
	query->resolver->questions--;
	query->done(query->owner, !said, message, said ? (size_t)length : 0);
	free(query);
}

/* Its number is ours: c-ares' own generator may be a poor one. */
static unsigned char *
write_question(const char *name, int type, int *length)
{
	unsigned char *message;

	if (ares_create_query(name, CLASS_IN, type,
		(unsigned short)arc4random(), 1, &message, length,
		0) != ARES_SUCCESS)
		return NULL;
	message[3] |= AUTHENTIC_DATA;
	return message;
}

void
resolve_query(
    const char *name, int type, resolve_query_function *done, void *owner)
{
	struct resolver *resolver = current;
	struct query *query = NULL;
	unsigned char *message = NULL;
	int length;

	if (resolver->questions >= QUESTIONS_MOST ||
	    (message = write_question(name, type, &length)) == NULL ||
	    (query = calloc(1, sizeof(*query))) == NULL) {
		ares_free_string(message);
		done(owner, 1, NULL, 0);
		return;
	}
	query->resolver = resolver;
	query->done = done;
	query->owner = owner;
	resolver->questions++;
	ares_send(resolver->channel, message, length, on_query, query);
	ares_free_string(message);
	set_timer(resolver);
}

int
resolve_literal(struct addresses *to, const char *text, uint16_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&to->list[0].address;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&to->list[0].address;

	memset(to, 0, sizeof(*to));
	to->ttl = UINT32_MAX;
	if (inet_pton(AF_INET, text, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		to->list[0].length = sizeof(*in);
	} else if (inet_pton(AF_INET6, text, &in6->sin6_addr) == 1) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(port);
		to->list[0].length = sizeof(*in6);
	} else
		return -1;
	to->count = 1;
	return 0;
}

static int
unix_address(struct addresses *to, const char *path)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&to->list[0].address;

	memset(to, 0, sizeof(*to));
	if (strlcpy(un->sun_path, path, sizeof(un->sun_path)) >=
	    sizeof(un->sun_path))
		return -1;
	un->sun_family = AF_UNIX;
	to->list[0].length = sizeof(*un);
	to->ttl = UINT32_MAX;
	to->count = 1;
	return 0;
}

int
resolve_lmtp(struct addresses *to, const char *text)
{
	char host[64];
	const char *colon = strrchr(text, ':'), *problem;
	size_t length;
	uint16_t port;

	if (text[0] == '/')
		return unix_address(to, text);
	if (colon == NULL)
		return -1;
	port = (uint16_t)strtonum(colon + 1, 1, 65535, &problem);
	length = (size_t)(colon - text);
	if (text[0] == '[' && length > 2) {
		text++;
		length -= 2;
	}
	if (problem != NULL || length >= sizeof(host))
		return -1;
	memcpy(host, text, length);
	host[length] = '\0';
	return resolve_literal(to, host, port);
}

int
address_is_loopback(const struct address *a)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&a->address;
	const struct sockaddr_in6 *in6 =
	    (const struct sockaddr_in6 *)&a->address;

	if (a->address.ss_family == AF_INET)
		return ntohl(in->sin_addr.s_addr) >> 24 == 127;
	if (a->address.ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&in6->sin6_addr);
	return 1;
}

const char *
address_text(const struct address *a, char *out, size_t size)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)&a->address;
	const struct sockaddr_in6 *in6 =
	    (const struct sockaddr_in6 *)&a->address;
	const struct sockaddr_un *un = (const struct sockaddr_un *)&a->address;
	char host[INET6_ADDRSTRLEN] = "?";

	if (a->address.ss_family == AF_INET) {
		(void)inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		(void)snprintf(out, size, "%s:%u", host, ntohs(in->sin_port));
	} else if (a->address.ss_family == AF_INET6) {
		(void)inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		(void)snprintf(
		    out, size, "[%s]:%u", host, ntohs(in6->sin6_port));
	} else
		(void)strlcpy(out, un->sun_path, size);
	return out;
}
