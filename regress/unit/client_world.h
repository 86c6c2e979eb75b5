/* SPDX-License-Identifier: ISC */
/*
 * A world around one connection to a next hop, for tests and fuzzing: what it
 * says and tells is written down; a message comes from memory. Every promise
 * of client.h about answers is checked here: none is told twice.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/relay/smtp/client.h"

#define WORLD_RECIPIENTS 256
#ifndef WORLD_SAID
#define WORLD_SAID 4194304
#endif

struct world {
	struct client *client;
	struct client_settings settings;
	char said[WORLD_SAID]; /* octets for the peer */
	size_t said_length;
	size_t writes;
	size_t secrets; /* of them by write_secret */
	int full; /* write says: enough */
	char told[65536]; /* a line for each action */
	size_t told_length;
	char answers[WORLD_RECIPIENTS]; /* of recipient() */
	char results[WORLD_RECIPIENTS];
	char accepted[WORLD_RECIPIENTS];
	int over;
	const char *message;
	size_t message_length;
	int unreadable;
	const char *content, *containers; /* METADATA */
	struct client_metadata metadata; /* used when content is given */
	struct client_reply last;
	/* Called at each telling: what a caller might do from there. */
	void (*react)(struct world *, const char *what);
};

static inline void
world_tell(struct world *world, const char *what, long id,
    const struct client_reply *reply, const char *reason)
{
	static const char *const sources[] = {
	    "", "said", "decided", "lost", "unknown"};
	char *out = world->told + world->told_length;
	size_t room = sizeof(world->told) - world->told_length;
	int n;

	if (world->over)
		abort();
	if (reply != NULL) {
		world->last = *reply;
		if (reply->code < 200 || reply->code > 599 ||
		    reply->code / 100 == 3 || reply->source < CLIENT_SAID ||
		    reply->source > CLIENT_UNKNOWN ||
		    reply->enhanced[0] != (char)('0' + reply->code / 100) ||
		    strpbrk(reply->text, "\r\n") != NULL)
			abort();
	}
	n = snprintf(out, room, "%s", what);
	if (id >= 0)
		n += snprintf(out + n, room - (size_t)n, " %ld", id);
	if (reply != NULL)
		n += snprintf(out + n, room - (size_t)n, " %s %u %s %s",
		    sources[reply->source], reply->code, reply->enhanced,
		    reply->text);
	if (reason != NULL)
		n += snprintf(out + n, room - (size_t)n, " | %s", reason);
	n += snprintf(out + n, room - (size_t)n, "\n");
	if ((size_t)n >= room)
		abort();
	world->told_length += (size_t)n;
	if (world->react != NULL)
		world->react(world, what);
}

static inline int
world_write(void *owner, const void *data, size_t length)
{
	struct world *world = owner;

	if (world->over || length > sizeof(world->said) - world->said_length)
		abort();
	memcpy(world->said + world->said_length, data, length);
	world->said_length += length;
	world->writes++;
	return world->full;
}

static inline void
world_write_secret(void *owner, const void *data, size_t length)
{
	struct world *world = owner;

	world->secrets++;
	(void)world_write(owner, data, length);
}

static inline void
world_start_tls(void *owner)
{
	world_tell(owner, "tls", -1, NULL, NULL);
}

static inline void
world_ready(void *owner)
{
	world_tell(owner, "ready", -1, NULL, NULL);
}

static inline void
world_held(void *owner)
{
	world_tell(owner, "held", -1, NULL, NULL);
}

static inline void
world_recipient(void *owner, uint32_t id, const struct client_reply *reply)
{
	struct world *world = owner;

	if (id >= WORLD_RECIPIENTS || world->answers[id]++ > 0)
		abort();
	world->accepted[id] = reply->code / 100 == 2;
	world_tell(owner, "rcpt", (long)id, reply, NULL);
}

static inline void
world_result(void *owner, uint32_t id, const struct client_reply *reply)
{
	struct world *world = owner;

	if (id >= WORLD_RECIPIENTS || !world->accepted[id] ||
	    world->results[id]++ > 0)
		abort();
	world_tell(owner, "result", (long)id, reply, NULL);
}

static inline void
world_over(void *owner, const struct client_reply *reply, const char *reason)
{
	struct world *world = owner;

	world_tell(owner, "over", -1, reply, reason);
	world->over = 1;
}

static inline int
world_copy(const struct world *world, const char *text, uint64_t length,
    uint64_t offset, void *buffer, size_t size)
{
	if (offset > length || size > length - offset)
		abort();
	if (world->unreadable)
		return -1;
	memcpy(buffer, text + offset, size);
	return 0;
}

static inline int
world_read(void *owner, uint64_t offset, void *buffer, size_t size)
{
	struct world *world = owner;

	return world_copy(
	    world, world->message, world->message_length, offset, buffer, size);
}

static inline int
world_read_content(void *owner, uint64_t offset, void *buffer, size_t size)
{
	const struct world *world = owner;

	return world_copy(world, world->content, world->metadata.content_size,
	    offset, buffer, size);
}

static inline int
world_read_containers(void *owner, uint64_t offset, void *buffer, size_t size)
{
	const struct world *world = owner;

	return world_copy(world, world->containers,
	    world->metadata.containers_size, offset, buffer, size);
}

static const struct client_actions world_actions = {world_write,
    world_write_secret, world_start_tls, world_ready, world_recipient,
    world_held, world_result, world_over};

static inline struct world *
world_new(int lmtp, enum client_tls tls, const char *user, const char *password)
{
	struct world *world = calloc(1, sizeof(*world));

	if (world == NULL)
		abort();
	world->settings.lmtp = lmtp;
	world->settings.tls = tls;
	world->settings.hostname = "c.example";
	world->settings.user = user;
	world->settings.password = password;
	world->client = client_new(&world->settings, &world_actions, world);
	if (world->client == NULL)
		abort();
	return world;
}

static inline void
world_free(struct world *world)
{
	client_free(world->client);
	free(world);
}

static inline int
world_data(struct world *world, const char *head, const char *text,
    size_t length, int exact, int hold)
{
	struct client_message message = {head, head == NULL ? 0 : strlen(head),
	    length, exact, hold, world_read, world, NULL};

	if (world->content != NULL) {
		world->metadata.read_content = world_read_content;
		world->metadata.read_containers = world_read_containers;
		message.metadata = &world->metadata;
	}
	world->message = text;
	world->message_length = length;
	return client_data(world->client, &message);
}

/* The next transaction may use the same numbers. */
static inline void
world_forget(struct world *world)
{
	memset(world->answers, 0, sizeof(world->answers));
	memset(world->results, 0, sizeof(world->results));
	memset(world->accepted, 0, sizeof(world->accepted));
}
