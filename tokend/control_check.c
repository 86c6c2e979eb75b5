/* SPDX-License-Identifier: ISC */
/*
 * `check`: one thing after another. What all processes say; the DNS; whether
 * the next hops answer (relay tries); the store.
 */
#include <sys/time.h>

#include <event.h>
#include <stdlib.h>

#include "lib/process.h"
#include "tokend/findings.h"
#include "tokend/probe.h"

#define PATIENCE 20 /* seconds, for relay's attempt */

static const struct {
	enum next_hop hop;
	const char *item;
} hops[] = {
    {NEXT_HOP_RELAY, "relay host"},
    {NEXT_HOP_LMTP, "deliver lmtp"},
};

#define HOPS (sizeof(hops) / sizeof(hops[0]))

/* An attempt that relay was asked for. */
static struct probe {
	uint64_t request; /* 0: none */
	uint64_t client;
	size_t nth; /* of hops */
	struct event timer;
} probes[16];

static void try_hop(struct client_request *client, size_t nth);

static int
is_configured(enum next_hop hop)
{
	return hop == NEXT_HOP_RELAY ? tokend.settings->relay != 0
				     : tokend.settings->deliver_lmtp != 0;
}

static void
probe_end(struct probe *probe, enum finding_state state, const char *text)
{
	struct client_request *client = control_find(probe->client);
	size_t nth = probe->nth;

	(void)evtimer_del(&probe->timer);
	probe->request = 0;
	if (client == NULL)
		return;
	finding_row(client, state, hops[nth].item, "%s", text);
	try_hop(client, nth + 1);
}

static void
on_time(int fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	probe_end(argument, FINDING_PROBLEM,
	    "it does not answer in time: is it there?");
}

void
on_probed(struct channel *relay, const union message *m, int fd)
{
	const struct msg_probed *said = &m->probed;
	char text[1025];
	size_t i;

	(void)relay;
	(void)fd;
	if (bytes_copy(text, sizeof(text), said->text) == -1)
		text[0] = '\0';
	for (i = 0; said->request != 0 && i < sizeof(probes) / sizeof(*probes);
	     i++)
		if (probes[i].request == said->request) {
			probe_end(
			    &probes[i], (enum finding_state)said->state, text);
			return;
		}
}

void
probe_relay_gone(void)
{
	size_t i;

	for (i = 0; i < sizeof(probes) / sizeof(*probes); i++)
		if (probes[i].request != 0)
			probe_end(&probes[i], FINDING_UNCHECKED,
			    "the relay process died");
}

static struct probe *
free_probe(void)
{
	size_t i;

	for (i = 0; i < sizeof(probes) / sizeof(*probes); i++)
		if (probes[i].request == 0)
			return &probes[i];
	return NULL;
}

/* Asks relay for this next hop, or says why not. 1: an answer follows. */
static int
ask(struct client_request *client, size_t nth)
{
	static const struct timeval patience = {PATIENCE, 0};
	struct channel *relay = process_peer(ROLE_RELAY, 0);
	struct probe *probe = free_probe();
	union message m = {.probe = {.next_hop = (uint8_t)hops[nth].hop}};

	if (relay == NULL || probe == NULL) {
		finding_row(client, FINDING_UNCHECKED, hops[nth].item,
		    "the relay process, which could try, is away");
		return 0;
	}
	do
		arc4random_buf(&probe->request, sizeof(probe->request));
	while (probe->request == 0);
	m.probe.request = probe->request;
	if (channel_send(relay, MSG_PROBE, &m, -1) == -1) {
		probe->request = 0;
		return 0;
	}
	probe->client = client->number;
	probe->nth = nth;
	evtimer_set(&probe->timer, on_time, probe);
	(void)evtimer_add(&probe->timer, &patience);
	return 1;
}

static void
try_hop(struct client_request *client, size_t nth)
{
	for (; nth < HOPS; nth++)
		if (is_configured(hops[nth].hop) && ask(client, nth))
			return;
	findings_store(client);
}

static void
published(struct client_request *client, const struct publish *publish)
{
	findings_published(client, publish);
	try_hop(client, 0);
}

static void
measured(struct client_request *client, const struct measured *all)
{
	findings_measured(client, all);
	findings_own(client, all);
	publish_look(client, all, published);
}

void
control_check(struct client_request *client, struct bytes arguments)
{
	(void)arguments;
	measure_ask(client, 1, measured);
}
