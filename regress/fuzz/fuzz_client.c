/* SPDX-License-Identifier: ISC */
/*
 * A whole connection to a hostile next hop. The first octet says what kind it
 * is; 0xff and an octet behind it are something that the caller does; all
 * else is what the peer says, given in one piece or octet by octet. However
 * it ends: one answer for each recipient, one result for each that was
 * accepted, no 2yz for a message of which the last octets were not sent, and
 * nothing of the envelope where it could be taken for a command.
 * sources: smtpd-stoken/relay/smtp/?*.c lib/base64.c
 * libs: -lcrypto
 */
#define WORLD_SAID 262144
#include "regress/unit/client_world.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

struct run {
	struct world *world;
	int octets;
	uint32_t next; /* recipient */
	uint32_t first; /* of the transaction */
	size_t begun; /* octets said before the transaction */
	char waived[WORLD_RECIPIENTS]; /* given up: nothing is told */
	struct client_mail mail;
};

static struct run *running;

static const char *const addresses[] = {
    "b@b", "\303\244@b", "b@b>\r\nEVIL", "\"a b\"@c", "<", ""};
static const char *const parameters[] = {
    "", "NOTIFY=NEVER", "NOTIFY=NEVER\r\nEVIL", "\303\244"};
static const char boxes[] = "\0\0\0\x08\0\0A: b\r\n\0\0\0\x03\x12\x34\0";
static const char text[] = "A: b\n.\n\n.x\ry\n.";

/* A 2yz can only be meant for what was sent to its end. */
static void
check_result(struct world *world, const char *what)
{
	const char *said = world->said + running->begun;
	size_t length = world->said_length - running->begun;

	if (strcmp(what, "result") != 0 || world->last.code / 100 != 2)
		return;
	if (memmem(said, length, " LAST\r\n", 7) == NULL &&
	    memmem(said, length, "\r\n.\r\n", 5) == NULL)
		abort();
}

static void
mail(struct run *run, uint8_t choice)
{
	struct client_mail m = {addresses[choice & 3],
	    (enum relay_body)(choice >> 2 & 3), choice >> 4 & 1,
	    choice & 32 ? 100 : 0, parameters[choice >> 6]};

	if (client_mail(run->world->client, &m) == 0) {
		run->first = run->next;
		run->begun = run->world->said_length;
	}
}

static void
recipient(struct run *run, uint8_t choice)
{
	if (run->next == WORLD_RECIPIENTS)
		return;
	run->waived[run->next] = 0;
	if (client_recipient(run->world->client, run->next,
		addresses[choice % 6], parameters[choice >> 3 & 3]) == 0)
		run->next++;
	else if (run->world->answers[run->next] != 0)
		abort();
}

static void
abandon(struct run *run)
{
	uint32_t i;

	if (client_is_ready(run->world->client))
		run->first = run->next;
	for (i = run->first; i < run->next; i++)
		run->waived[i] = 1;
	client_abandon(run->world->client);
}

static void
act(struct run *run, uint8_t what)
{
	struct client *client = run->world->client;

	run->world->full = what & 16;
	if (what < 64) {
		mail(run, (uint8_t)(what << 2));
	} else if (what < 128) {
		recipient(run, what & 63);
	} else if (what < 160) {
		(void)world_data(run->world, what & 1 ? "Received: x\n" : NULL,
		    text, sizeof(text) - 1, what & 2, what & 4);
	} else if (what < 168) {
		client_release(client);
	} else if (what < 176) {
		abandon(run);
	} else if (what < 184) {
		client_on_tls(client);
	} else if (what < 192) {
		client_drained(client);
	} else if (what < 200) {
		abandon(run);
		client_quit(client);
	} else if (what < 202) {
		client_timeout(client);
	} else if (what < 204) {
		run->world->unreadable = 1;
	}
}

static void
feed(struct run *run, const uint8_t *data, size_t length)
{
	uint8_t *copy = malloc(length == 0 ? 1 : length);
	size_t i;

	if (copy == NULL)
		abort();
	memcpy(copy, data, length);
	for (i = 0; run->octets && i < length; i++)
		client_input(run->world->client, copy + i, 1);
	if (!run->octets)
		client_input(run->world->client, copy, length);
	free(copy);
}

static void
finish(struct run *run)
{
	const struct world *world = run->world;
	uint32_t i;

	client_lost(world->client, "the end");
	if (!world->over)
		abort();
	for (i = 0; i < run->next; i++) {
		if (run->waived[i])
			continue;
		if (world->answers[i] != 1 ||
		    world->results[i] != world->accepted[i])
			abort();
	}
	if (memmem(world->said, world->said_length, "EVIL", 4) != NULL ||
	    memmem(world->said, world->said_length, "\n.\n", 3) != NULL)
		abort();
}

static void
play(const uint8_t *data, size_t size, int octets)
{
	static const enum client_tls tls[] = {CLIENT_TLS_NEVER,
	    CLIENT_TLS_WANTED, CLIENT_TLS_DEMANDED, CLIENT_TLS_ON};
	struct run run = {.octets = octets};
	size_t n;

	running = &run;
	run.world = world_new(data[0] & 1, tls[data[0] >> 1 & 3],
	    data[0] & 8 ? "user" : NULL, "secret");
	run.world->react = check_result;
	run.world->content = data[0] & 16 ? text : NULL;
	run.world->metadata.content_size = sizeof(text) - 1;
	run.world->containers = boxes;
	run.world->metadata.containers_size = sizeof(boxes) - 1;
	data++;
	size--;
	while (size > 0 && !run.world->over) {
		for (n = 0; n < size && data[n] != 0xff; n++)
			continue;
		feed(&run, data, n);
		if (n + 1 < size)
			act(&run, data[n + 1]);
		n = n + 2 < size ? n + 2 : size;
		data += n;
		size -= n;
	}
	finish(&run);
	world_free(run.world);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0 || size > 4096)
		return 0;
	play(data, size, 0);
	play(data, size, 1);
	return 0;
}
