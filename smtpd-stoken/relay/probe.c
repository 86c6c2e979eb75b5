/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/relay/probe.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/measure.h"
#include "lib/process.h"
#include "smtpd-stoken/relay/dialogue.h"
#include "smtpd-stoken/relay/setup.h"

#define MOST 4 /* probes under way */
#define ALL_MILLISECONDS 8000 /* all addresses */
#define ADDRESS_MILLISECONDS 4000
#define PATIENCE_MILLISECONDS 5000 /* for each answer */
#define QUIT_MILLISECONDS 1000

/* A connection of its own, up to where mail could begin, and QUIT. */
struct probe {
	uint64_t request;
	int lmtp;
	struct setup *setup;
	struct addresses addresses;
	struct dialogue *dialogue;
	const struct address *address; /* tried last */
	int tls; /* it was begun with this address */
	int works;
	enum finding_state state;
	char text[512];
	char host[320];
};

static unsigned int under_way;

static void
answer(uint64_t request, enum finding_state state, const char *text)
{
	struct channel *tokend = process_peer(ROLE_TOKEND, 0);
	union message m = {.probed = {.request = request,
			       .state = (uint8_t)state,
			       .text = bytes_text(text)}};

	if (tokend != NULL)
		(void)channel_send(tokend, MSG_PROBED, &m, -1);
}

/* What a peer said is printable already, but may be long. */
static void
conclude(struct probe *p, enum finding_state state, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(p->text, sizeof(p->text), format, arguments);
	va_end(arguments);
	p->state = state;
}

static void
end(struct probe *p)
{
	answer(p->request, p->state, p->text);
	setup_release(p->setup);
	free(p);
	under_way--;
}

static const struct address *
on_address(void *owner, size_t nth)
{
	struct probe *p = owner;

	p->address = &p->addresses.list[nth];
	p->tls = 0;
	return p->address;
}

/* As connection.c does. */
static enum client_tls
on_connected(void *owner)
{
	const struct probe *p = owner;

	if (p->lmtp)
		return CLIENT_TLS_NEVER;
	if (p->setup->scheme == RELAY_SCHEME_SMTPS)
		return CLIENT_TLS_ON;
	if (p->setup->scheme == RELAY_SCHEME_SMTP_TLS)
		return CLIENT_TLS_DEMANDED;
	return address_is_loopback(p->address) ? CLIENT_TLS_NEVER
					       : CLIENT_TLS_WANTED;
}

static struct trust_names
on_names(void *owner)
{
	struct probe *p = owner;

	p->tls = 1;
	return (struct trust_names) {.domain = p->setup->relay_host};
}

static void
on_dropped(void *owner, const char *why)
{
	(void)owner; /* over() says the last one */
	(void)why;
}

static uint64_t
on_patience(void *owner, const char *awaited)
{
	(void)owner;
	(void)awaited;
	return PATIENCE_MILLISECONDS;
}

static void
on_ready(void *owner)
{
	struct probe *p = owner;
	char text[128];

	p->works = 1;
	conclude(p, FINDING_OK, "%s answers at %s%s%s", p->host,
	    address_text(p->address, text, sizeof(text)),
	    p->tls ? ", by TLS" : ", in clear",
	    p->setup->login != NULL && !p->lmtp ? ", and takes our login" : "");
	dialogue_quit(p->dialogue);
}

static void
on_other(void *owner, uint32_t id, const struct client_reply *reply)
{
	(void)owner; /* no recipient was named */
	(void)id;
	(void)reply;
}

static void
on_held(void *owner)
{
	(void)owner;
}

static void
on_over(void *owner, const struct dialogue_end *how)
{
	struct probe *p = owner;

	if (p->works)
		return;
	if (how->login_refused != 0)
		conclude(p, FINDING_PROBLEM,
		    "%s does not take our login: correct the file named by "
		    "auth: %s",
		    p->host, how->reason);
	else if (how->tls_failed && p->setup->scheme == RELAY_SCHEME_SMTP)
		conclude(p, FINDING_WARNING,
		    "TLS with %s fails, mail goes in clear: %s", p->host,
		    how->reason);
	else
		conclude(p, FINDING_PROBLEM,
		    "%s takes no mail now, which clients are told: %s", p->host,
		    how->reason);
}

static void
on_gone(void *owner)
{
	end(owner);
}

static const struct dialogue_actions actions = {
    .address = on_address,
    .tls = on_connected,
    .names = on_names,
    .dropped = on_dropped,
    .patience = on_patience,
    .ready = on_ready,
    .recipient = on_other,
    .held = on_held,
    .result = on_other,
    .over = on_over,
    .gone = on_gone,
};

static void
on_found(void *owner, const struct addresses *found, const char *why)
{
	struct probe *p = owner;
	struct dialogue_settings settings = {.all = ALL_MILLISECONDS,
	    .each = ADDRESS_MILLISECONDS,
	    .quit = QUIT_MILLISECONDS,
	    .trust = p->setup->trust};

	if (why != NULL) {
		conclude(p, FINDING_PROBLEM,
		    "%s has no address: correct it, or the DNS: %s", p->host,
		    why);
		end(p);
		return;
	}
	p->addresses = *found;
	settings.addresses = found->count;
	settings.client.lmtp = p->lmtp;
	settings.client.hostname = p->setup->hostname;
	if (p->setup->login != NULL && !p->lmtp) {
		settings.client.user = p->setup->login->user;
		settings.client.password = p->setup->login->password;
	}
	conclude(p, FINDING_UNCHECKED, "%s: out of memory", p->host);
	p->dialogue = dialogue_open(&settings, &actions, p);
	if (p->dialogue == NULL)
		end(p);
}

static void
begin(struct probe *p)
{
	struct addresses found;
	const char *host = p->setup->relay_host;

	if (p->lmtp) {
		strlcpy(p->host, p->setup->lmtp_address, sizeof(p->host));
		if (resolve_lmtp(&found, p->setup->lmtp_address) == 0)
			on_found(p, &found, NULL);
		else
			on_found(p, &found, "it is no address");
		return;
	}
	snprintf(p->host, sizeof(p->host), "%s:%u", host, p->setup->relay_port);
	if (resolve_literal(&found, host, p->setup->relay_port) == 0)
		on_found(p, &found, NULL);
	else
		resolve_host(host, p->setup->relay_port, on_found, p);
}

void
on_probe(struct channel *tokend, const union message *m, int fd)
{
	struct setup *setup = setup_current();
	struct probe *p;
	int lmtp = m->probe.next_hop == NEXT_HOP_LMTP;

	(void)tokend;
	(void)fd;
	if ((lmtp ? setup->lmtp_address : setup->relay_host) == NULL) {
		answer(m->probe.request, FINDING_UNCHECKED,
		    "it is not configured");
		return;
	}
	if (under_way >= MOST || (p = calloc(1, sizeof(*p))) == NULL) {
		answer(m->probe.request, FINDING_UNCHECKED,
		    "too many ask at once: try again");
		return;
	}
	under_way++;
	p->request = m->probe.request;
	p->lmtp = lmtp;
	p->setup = setup;
	setup_hold(setup);
	begin(p);
}
