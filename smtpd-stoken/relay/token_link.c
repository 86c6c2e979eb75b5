/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/relay/token_link.h"

#include <sys/time.h>

#include <errno.h>
#include <event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "smtpd-stoken/relay/link.h"
#include "smtpd-stoken/relay/smtp/delivered.h"

#define QUIT_MILLISECONDS 2000
/* For an address, when there are more to be tried. */
#define ADDRESS_MILLISECONDS 3000

struct token_link {
	const struct token_link_actions *actions;
	void *owner;
	struct servers servers;
	size_t next; /* of the servers: to be tried */
	struct link *link;
	struct client *client;
	struct client_settings settings;
	struct trust *trust;
	uint64_t patience, last_patience;
	unsigned int depth; /* calls of ours under way */
	int released; /* the end of a message is out */
	int kept; /* nobody needs it now */
	int quits;
	int over; /* was said, or need not be */
	int closed; /* token_link_close() */
	struct event timer;
	char name[320];
	char domain[256];
	char hostname[256];
	char recipient[330];
	char token[DELIVERED_TOKEN_MAX + 1];
	char why[256]; /* of the last address that did not do */
};

static const struct link_actions link_actions;
static const struct client_actions client_actions;
static void on_timer(int, short, void *);

static void
set_timer(struct token_link *t, uint64_t milliseconds)
{
	struct timeval wait = {.tv_sec = (time_t)(milliseconds / 1000),
	    .tv_usec = (suseconds_t)(milliseconds % 1000 * 1000)};

	(void)evtimer_add(&t->timer, &wait);
}

static void
set_patience(struct token_link *t)
{
	set_timer(t, t->released ? t->last_patience : t->patience);
}

static void
destroy(struct token_link *t)
{
	(void)event_del(&t->timer);
	link_free(t->link);
	client_free(t->client);
	freezero(t, sizeof(*t));
}

static void
enter(struct token_link *t)
{
	t->depth++;
}

/* What was queued meanwhile goes out in one write; the last of it too. */
static void
leave(struct token_link *t)
{
	if (t->depth == 1 && t->link != NULL && !t->closed)
		link_flush(t->link);
	if (--t->depth == 0 && t->over)
		destroy(t);
}

static void
end(struct token_link *t, enum token_link_end how, const char *reason)
{
	if (t->over)
		return;
	t->over = 1;
	t->actions->over(t->owner, how, reason);
}

static void
set_name(struct token_link *t, const struct server *server)
{
	char address[128], *colon;

	(void)address_text(&server->address, address, sizeof(address));
	colon = strrchr(address, ':');
	if (colon != NULL)
		*colon++ = '\0';
	snprintf(t->name, sizeof(t->name), "%s%s%s%s:%s", server->host,
	    address[0] == '[' ? "" : "[", address, address[0] == '[' ? "" : "]",
	    colon != NULL ? colon : "");
}

static void
try_next(struct token_link *t)
{
	const struct server *server;
	uint64_t patience = t->patience;

	while (t->next < t->servers.count) {
		server = &t->servers.list[t->next++];
		set_name(t, server);
		t->link =
		    link_open((const struct sockaddr *)&server->address.address,
			server->address.length, &link_actions, t);
		if (t->link != NULL) {
			if (t->next < t->servers.count &&
			    patience > ADDRESS_MILLISECONDS)
				patience = ADDRESS_MILLISECONDS;
			set_timer(t, patience);
			return;
		}
		snprintf(t->why, sizeof(t->why), "%s", strerror(errno));
	}
	set_timer(t, 0); /* not from within */
}

/* This address does not do: another may. */
static void
drop_link(struct token_link *t, const char *why)
{
	snprintf(t->why, sizeof(t->why), "%s", why);
	log_debug("token server %s: %s", t->name, t->why);
	link_free(t->link);
	t->link = NULL;
	client_free(t->client);
	t->client = NULL;
	try_next(t);
}

static int
is_implicit(const struct token_link *t)
{
	return t->servers.list[t->next - 1].implicit;
}

/* Whatever the host is called: the certificate is the domain's (D-S14). */
static void
begin_tls(struct token_link *t)
{
	struct trust_names names =
	    server_names(&t->servers.list[t->next - 1], t->domain);

	link_start_tls(t->link, t->trust, &names);
}

static void
make_client(struct token_link *t)
{
	t->settings = (struct client_settings) {.lmtp = 1,
	    .tls = is_implicit(t) ? CLIENT_TLS_ON : CLIENT_TLS_DEMANDED,
	    .hostname = t->hostname,
	    .user = t->recipient,
	    .password = t->token,
	    .stoken = 1};
	t->client = client_new(&t->settings, &client_actions, t);
	if (t->client == NULL)
		end(t, TOKEN_LINK_FAILED, "out of memory");
	else
		set_patience(t);
}

static void
on_connected(void *owner)
{
	struct token_link *t = owner;

	enter(t);
	set_patience(t);
	if (is_implicit(t))
		begin_tls(t);
	else
		make_client(t);
	leave(t);
}

static void
on_tls(void *owner)
{
	struct token_link *t = owner;

	enter(t);
	if (t->client == NULL)
		make_client(t);
	else {
		set_patience(t);
		client_on_tls(t->client);
	}
	leave(t);
}

static void
on_input(void *owner, const void *data, size_t length)
{
	struct token_link *t = owner;

	enter(t);
	if (!t->over && t->client != NULL) {
		if (!t->kept)
			set_patience(t);
		client_input(t->client, data, length);
	}
	leave(t);
}

static void
on_drained(void *owner, int below_mark)
{
	struct token_link *t = owner;

	enter(t);
	if (!t->over && !t->kept)
		set_patience(t);
	if (!t->over && below_mark && t->client != NULL)
		client_drained(t->client);
	leave(t);
}

static void
on_closed(void *owner, const char *why)
{
	struct token_link *t = owner;

	enter(t);
	if (t->over)
		;
	else if (t->client == NULL)
		drop_link(t, why);
	else
		client_lost(t->client, why);
	leave(t);
}

static const struct link_actions link_actions = {
    .connected = on_connected,
    .on_tls = on_tls,
    .input = on_input,
    .drained = on_drained,
    .closed = on_closed,
};

static void
on_timer(int fd, short what, void *context)
{
	struct token_link *t = context;

	(void)fd;
	(void)what;
	enter(t);
	if (t->over)
		;
	else if (t->link == NULL)
		end(t, TOKEN_LINK_FAILED, t->why);
	else if (t->client == NULL)
		drop_link(t, "it takes too long");
	else if (t->quits)
		end(t, TOKEN_LINK_QUIT, "quit");
	else if (client_awaits(t->client)[0] != '\0' ||
	    link_queued(t->link) > 0)
		client_timeout(t->client);
	else if (t->kept)
		token_link_quit(t);
	else
		set_patience(t); /* it is our client who takes his time */
	leave(t);
}

static int
on_write(void *owner, const void *data, size_t length)
{
	struct token_link *t = owner;

	return link_write(t->link, data, length, 0) != 0;
}

static void
on_write_secret(void *owner, const void *data, size_t length)
{
	struct token_link *t = owner;

	(void)link_write(t->link, data, length, 1);
}

static void
on_start_tls(void *owner)
{
	begin_tls(owner);
}

static void
on_ready(void *owner)
{
	struct token_link *t = owner;

	explicit_bzero(t->token, sizeof(t->token)); /* it was said */
	t->released = 0;
	t->actions->ready(t->owner);
}

static void
on_recipient(void *owner, uint32_t id, const struct client_reply *reply)
{
	struct token_link *t = owner;

	t->actions->recipient(t->owner, id, reply);
}

static void
on_held(void *owner)
{
	struct token_link *t = owner;

	t->actions->held(t->owner);
}

static void
on_result(void *owner, uint32_t id, const struct client_reply *reply)
{
	struct token_link *t = owner;

	t->actions->result(t->owner, id, reply);
}

static void
on_over(void *owner, const struct client_reply *reply, const char *reason)
{
	struct token_link *t = owner;
	unsigned int code = client_login_refused(t->client);

	if (reply == NULL)
		end(t, TOKEN_LINK_QUIT, reason);
	else if (code == 535 || code == 550)
		end(t, TOKEN_LINK_REFUSED, reason);
	else if (code != 0)
		end(t, TOKEN_LINK_DECLINED, reason);
	else
		end(t, TOKEN_LINK_FAILED, reason);
}

static const struct client_actions client_actions = {
    .write = on_write,
    .write_secret = on_write_secret,
    .start_tls = on_start_tls,
    .ready = on_ready,
    .recipient = on_recipient,
    .held = on_held,
    .result = on_result,
    .over = on_over,
};

static int
copy(char *to, size_t size, const char *from)
{
	return strlcpy(to, from, size) >= size ? -1 : 0;
}

struct token_link *
token_link_open(const struct servers *servers,
    const struct token_link_settings *settings,
    const struct token_link_actions *actions, void *owner)
{
	struct token_link *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return NULL;
	t->actions = actions;
	t->owner = owner;
	t->servers = *servers;
	t->trust = settings->trust;
	t->patience = settings->patience;
	t->last_patience = settings->last_patience;
	evtimer_set(&t->timer, on_timer, t);
	if (copy(t->domain, sizeof(t->domain), settings->domain) == -1 ||
	    copy(t->hostname, sizeof(t->hostname), settings->hostname) == -1 ||
	    copy(t->recipient, sizeof(t->recipient), settings->recipient) ==
		-1 ||
	    copy(t->token, sizeof(t->token), settings->token) == -1) {
		destroy(t);
		return NULL;
	}
	try_next(t);
	return t;
}

int
token_link_begin(struct token_link *t, const struct client_mail *mail,
    const struct token_recipient *to)
{
	char parameters[2 * DELIVERED_TOKEN_MAX + 32];
	int result;

	if (t->over || !delivered_is_token(to->token) ||
	    (to->mine[0] != '\0' && !delivered_is_token(to->mine)))
		return -1;
	snprintf(parameters, sizeof(parameters), "STOKEN=%s%s%s", to->token,
	    to->mine[0] == '\0' ? "" : " MYSTOKEN=", to->mine);
	t->kept = 0;
	enter(t);
	set_patience(t);
	result = client_mail(t->client, mail);
	if (result == 0)
		result = client_recipient(
		    t->client, to->id, to->address, parameters);
	leave(t);
	explicit_bzero(parameters, sizeof(parameters));
	return result;
}

void
token_link_data(struct token_link *t, const struct client_message *message)
{
	enter(t);
	if (!t->over) {
		t->released = !message->hold;
		set_patience(t);
		(void)client_data(t->client, message);
	}
	leave(t);
}

void
token_link_release(struct token_link *t)
{
	enter(t);
	if (!t->over) {
		t->released = 1;
		set_patience(t);
		client_release(t->client);
	}
	leave(t);
}

void
token_link_abandon(struct token_link *t)
{
	enter(t);
	if (!t->over)
		client_abandon(t->client);
	leave(t);
}

void
token_link_quit(struct token_link *t)
{
	if (t->quits || t->over)
		return;
	enter(t);
	t->quits = 1;
	set_timer(t, QUIT_MILLISECONDS);
	if (t->client == NULL)
		end(t, TOKEN_LINK_QUIT, "given up");
	else
		client_quit(t->client);
	leave(t);
}

void
token_link_keep(struct token_link *t, uint64_t milliseconds)
{
	t->kept = 1;
	set_timer(t, milliseconds);
}

void
token_link_close(struct token_link *t)
{
	if (t->over)
		return; /* it frees itself */
	enter(t);
	t->over = t->closed = 1;
	leave(t);
}

const char *
token_link_name(const struct token_link *t)
{
	return t->name;
}
