/* SPDX-License-Identifier: ISC */
#include "tokend/control.h"

#include <sys/types.h>
#include <sys/socket.h>
#include <sys/queue.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/process.h"

#define CLIENTS_MAX 16

enum may {
	LOOK,
	CHANGE
};

static const struct {
	uint16_t verb;
	enum may may;
	const char *words;
} verbs[] = {
#define CONTROL(NAME, number, may, words, arguments, meaning) \
	{CONTROL_VERB_##NAME, may, words},
#include "imsg/control.def"
#undef CONTROL
};

static const struct {
	uint16_t verb;
	control_function *function;
} functions[] = {
    {CONTROL_VERB_GENERATE_TEMPORARY, control_generate_temporary},
    {CONTROL_VERB_GENERATE_PERMANENT, control_generate_permanent},
    {CONTROL_VERB_REVOKE_PAIR, control_revoke_pair},
    {CONTROL_VERB_REVOKE_LOCAL, control_revoke_local},
    {CONTROL_VERB_REVOKE_REMOTE, control_revoke_remote},
    {CONTROL_VERB_REVOKE_DOMAIN, control_revoke_domain},
    {CONTROL_VERB_REVOKE_ALL, control_revoke_all},
    {CONTROL_VERB_REVOKE_USER, control_revoke_user},
    {CONTROL_VERB_SHOW_TOKENS, control_show_tokens},
    {CONTROL_VERB_SHOW_TOKEN, control_show_token},
    {CONTROL_VERB_SHOW_HELD, control_show_held},
    {CONTROL_VERB_SHOW_KEYS, control_show_keys},
    {CONTROL_VERB_ROTATE_KEY, control_rotate_key},
    {CONTROL_VERB_RETIRE_KEY, control_retire_key},
    {CONTROL_VERB_SHOW_SESSIONS, control_show_sessions},
    {CONTROL_VERB_SHOW_STATS, control_show_stats},
    {CONTROL_VERB_RELOAD, control_reload},
    {CONTROL_VERB_LOG_BRIEF, control_log_brief},
    {CONTROL_VERB_LOG_VERBOSE, control_log_verbose},
    {CONTROL_VERB_BACKUP, control_backup},
    {CONTROL_VERB_CHECK, control_check},
    {CONTROL_VERB_SHOW_REAUTH, control_show_reauth},
    {CONTROL_VERB_SHOW_JWKS, control_show_jwks},
    {CONTROL_VERB_REVOKE_REAUTH, control_revoke_reauth},
    {CONTROL_VERB_SHOW_METRICS, control_show_metrics},
    {CONTROL_VERB_SHOW_DNS, control_show_dns},
};

static struct client_request *clients[CLIENTS_MAX];
static uint64_t last_number;
static struct event accept_event, accept_later;
static int listener = -1;

static void on_request(struct channel *, const union message *, int fd);

static const struct channel_handler handlers[] = {
    {MSG_CONTROL_REQUEST, on_request},
    {0, NULL},
};

/* May this user id do what the verb does? `owner` is the daemon's. */
static int
control_may(uint16_t verb, uint32_t uid, uint32_t owner)
{
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].verb == verb)
			return verbs[i].may == LOOK || uid == 0 || uid == owner;
	return 0;
}

static control_function *
function_of(uint16_t verb)
{
	size_t i;

	for (i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (functions[i].verb == verb)
			return functions[i].function;
	return NULL;
}

static const char *
words_of(uint16_t verb)
{
	size_t i;

	for (i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].verb == verb)
			return verbs[i].words;
	return "?";
}

struct client_request *
control_find(uint64_t number)
{
	size_t i;

	for (i = 0; i < CLIENTS_MAX; i++)
		if (clients[i] != NULL && clients[i]->number == number)
			return clients[i];
	return NULL;
}

void
control_each(void (*function)(struct client_request *, void *), void *argument)
{
	size_t i;

	for (i = 0; i < CLIENTS_MAX; i++)
		if (clients[i] != NULL)
			function(clients[i], argument);
}

void
control_end(
    struct client_request *client, enum control_status status, const char *text)
{
	union message m = {.control_end = {.status = (uint8_t)status,
			       .text = bytes_text(text)}};

	store_backup_end(client->backup);
	client->backup = NULL;
	if (client->keys_fd != -1)
		close(client->keys_fd);
	client->keys_fd = -1;
	client->step = NULL;
	client->measured = NULL;
	client->busy = 0;
	(void)channel_send(client->channel, MSG_CONTROL_END, &m, -1);
}

void
control_end_verdict(struct client_request *client, enum token_verdict verdict)
{
	if (verdict == TOKEN_VERDICT_OK)
		control_end(client, CONTROL_OK, "");
	else
		control_end(client, CONTROL_AGAIN,
		    "it could not be done now: see the log, then try again");
}

/* Some steps at a time, so that nobody else waits for a long list. */
static void
go_on(int fd, short what, void *argument)
{
	struct client_request *client = argument;
	const struct timeval at_once = {0, 0};

	(void)fd;
	(void)what;
	if (client->step == NULL || channel_full(client->channel))
		return;
	client->moved = 1;
	if (client->step(client) == 0)
		return;
	if (!channel_full(client->channel))
		(void)evtimer_add(&client->again, &at_once);
}

void
control_run(struct client_request *client, control_step *step)
{
	client->step = step;
	go_on(-1, 0, client);
}

static void
client_drained(struct channel *channel)
{
	go_on(-1, 0, channel_context(channel));
}

static void
client_gone(struct channel *channel, enum channel_end end, const char *why)
{
	struct client_request *client = channel_context(channel);
	size_t i;

	if (end == CHANNEL_BROKE || end == CHANNEL_STUCK)
		log_warnx("control socket: a client of user %u was dropped: %s",
		    client->uid, why);
	for (i = 0; i < CLIENTS_MAX; i++)
		if (clients[i] == client)
			clients[i] = NULL;
	(void)evtimer_del(&client->again);
	store_backup_end(client->backup);
	if (client->keys_fd != -1)
		close(client->keys_fd);
	freezero(client, sizeof(*client));
}

static void
on_request(struct channel *channel, const union message *message, int fd)
{
	const struct msg_control_request *m = &message->control_request;
	struct client_request *client = channel_context(channel);
	control_function *function = function_of(m->verb);

	(void)fd;
	if (client->busy) {
		channel_close(channel);
		return;
	}
	client->busy = client->moved = 1;
	client->count = 0;
	client->next.length = 0;
	if (m->version != CONTROL_VERSION || function == NULL) {
		control_end(client, CONTROL_USAGE,
		    "this tokenctl is not of the same version as the daemon");
		return;
	}
	if (!control_may(m->verb, client->uid, (uint32_t)geteuid())) {
		control_end(client, CONTROL_REFUSED,
		    "only root and the daemon's owner may do that");
		return;
	}
	log_debug("control: %s, user %u", words_of(m->verb), client->uid);
	function(client, m->arguments);
}

static void
client_new(int fd, uid_t uid)
{
	struct channel_settings set = {
	    .self = ROLE_TOKEND,
	    .peer = ROLE_CONTROL,
	    .handlers = handlers,
	    .gone = client_gone,
	    .drained = client_drained,
	};
	struct client_request *client;
	size_t i;

	for (i = 0; i < CLIENTS_MAX && clients[i] != NULL; i++)
		;
	if (i == CLIENTS_MAX || (client = calloc(1, sizeof(*client))) == NULL) {
		close(fd);
		return;
	}
	set.context = client;
	client->uid = (uint32_t)uid;
	client->keys_fd = -1;
	client->moved = 1;
	client->number = ++last_number;
	evtimer_set(&client->again, go_on, client);
	if ((client->channel = channel_open(fd, &set)) == NULL)
		free(client);
	else
		clients[i] = client;
}

/* Out of descriptors: without a pause this would be a busy loop. */
static void
accept_pause(void)
{
	const struct timeval second = {1, 0};

	(void)event_del(&accept_event);
	(void)evtimer_add(&accept_later, &second);
}

static void
accept_again(int fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	(void)argument;
	(void)event_add(&accept_event, NULL);
}

static void
accept_client(int fd, short what, void *argument)
{
	uid_t uid;
	gid_t gid;
	int client;

	(void)what;
	(void)argument;
	if ((client = accept(fd, NULL, NULL)) == -1) {
		if (errno == EMFILE || errno == ENFILE)
			accept_pause();
		return;
	}
	if (getpeereid(client, &uid, &gid) == -1)
		close(client);
	else
		client_new(client, uid);
}

void
control_listen(int fd)
{
	control_close();
	listener = fd;
	event_set(&accept_event, fd, EV_READ | EV_PERSIST, accept_client, NULL);
	evtimer_set(&accept_later, accept_again, NULL);
	(void)event_add(&accept_event, NULL);
}

void
control_close(void)
{
	if (listener == -1)
		return;
	(void)event_del(&accept_event);
	(void)evtimer_del(&accept_later);
	close(listener);
	listener = -1;
}

void
control_sweep(void)
{
	size_t i;

	for (i = 0; i < CLIENTS_MAX; i++) {
		if (clients[i] == NULL)
			continue;
		/* One that waits for a revocation has nothing to do. */
		if (!clients[i]->moved &&
		    (!clients[i]->busy || clients[i]->step != NULL))
			channel_close(clients[i]->channel);
		else
			clients[i]->moved = 0;
	}
}

void
row_start(struct row *row)
{
	list_init(&row->list, row->data, sizeof(row->data));
}

void
row_send(struct client_request *client, const struct row *row)
{
	union message m = {.control_row = {.fields = list_bytes(&row->list)}};

	(void)channel_send(client->channel, MSG_CONTROL_ROW, &m, -1);
}

int
control_address(struct client_request *client, struct bytes *arguments,
    const char *what, char out[ADDRESS_SIZE])
{
	struct bytes text;
	char problem[128];

	out[0] = '\0';
	if (list_next(arguments, &text) != 1) {
		snprintf(problem, sizeof(problem), "no %s was given", what);
		control_end(client, CONTROL_USAGE, problem);
		return -1;
	}
	if (text.length == 0 ||
	    address_canonical_text((const char *)text.data, text.length, out) ==
		0)
		return 0;
	snprintf(
	    problem, sizeof(problem), "the %s is not a mail address", what);
	control_end(client, CONTROL_DATA, problem);
	return -1;
}
