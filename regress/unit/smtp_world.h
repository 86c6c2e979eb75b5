/* SPDX-License-Identifier: ISC */
/*
 * A world around one SMTP session, for tests and fuzzing: answers every
 * question at once, or when world_answer() is called, last question first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/engine/smtp/smtp.h"

#define WORLD_QUESTIONS 256

struct world {
	struct smtp_session *session;
	struct smtp_settings settings;
	int deferred; /* questions wait for world_answer() */
	int no_store; /* delivery fails for the second recipient */
	int lost; /* delivery is never heard of */
	/* what the next hop says of full@b.example and, by bit, at the end */
	struct smtp_passed passed;
	unsigned int fails;
	int failures;
	char output[262144];
	size_t output_length;
	uint8_t held[131072];
	size_t held_length;
	char message[262144];
	size_t message_length;
	char flags[4200]; /* of the message */
	int open, resets, closed, tls;
	const char *reason;
	char tokens[300][16]; /* of RCPT, by number */
	char mine[300][16];
	char notify[300][32], orcpt[300][64];
	char pair[600];
	void (*questions[WORLD_QUESTIONS])(struct world *, int);
	int numbers[WORLD_QUESTIONS];
	int asked;
	struct smtp_auth_answer auth;
	enum smtp_verdict sender_verdict;
	enum smtp_remembered remembered;
};

static inline void
world_ask(struct world *world, void (*answer)(struct world *, int), int number)
{
	if (!world->deferred || world->asked == WORLD_QUESTIONS) {
		answer(world, number);
		return;
	}
	world->questions[world->asked] = answer;
	world->numbers[world->asked++] = number;
}

static inline void
world_reply(void *owner, const char *text, size_t length)
{
	struct world *world = owner;

	if (world->output_length + length < sizeof(world->output)) {
		memcpy(world->output + world->output_length, text, length);
		world->output_length += length;
	}
	world->output[world->output_length] = '\0';
}

static inline void
world_tls_answer(struct world *world, int number)
{
	struct smtp_tls tls = {1, 0, "TLS_AES_256_GCM_SHA384", "x25519"};

	(void)number;
	world->tls = 1;
	smtp_on_tls(world->session, &tls);
}

static inline void
world_start_tls(void *owner, const char *reply, size_t length)
{
	world_reply(owner, reply, length);
	world_ask(owner, world_tls_answer, 0);
}

static inline void
world_auth_answer(struct world *world, int number)
{
	(void)number;
	smtp_on_auth(world->session, &world->auth);
}

static inline int
world_is(const uint8_t *response, size_t length, const char *text, size_t n)
{
	return length == n && response != NULL &&
	    memcmp(response, text, n) == 0;
}

static inline void
world_auth(
    void *owner, const char *mechanism, const uint8_t *response, size_t length)
{
	struct world *world = owner;
	struct smtp_auth_answer *a = &world->auth;

	memset(a, 0, sizeof(*a));
	a->outcome = SMTP_AUTH_FAILED;
	a->identity = "alice@a.example";
	if (response == NULL) {
		a->outcome = SMTP_AUTH_CHALLENGE;
		a->challenge = (const uint8_t *)"";
		if (mechanism != NULL && strcmp(mechanism, "LOGIN") == 0) {
			a->challenge = (const uint8_t *)"Username:";
			a->length = 9;
		}
	} else if (world_is(
		       response, length, "\0alice@a.example\0secret", 23) ||
	    world_is(response, length, "secret", 6))
		a->outcome = SMTP_AUTH_OK;
	else if (world_is(response, length, "\0alice@a.example\0soft", 21))
		a->outcome = SMTP_AUTH_TEMPORARY;
	else if (world_is(response, length, "alice@a.example", 15)) {
		a->outcome = SMTP_AUTH_CHALLENGE;
		a->challenge = (const uint8_t *)"Password:";
		a->length = 9;
	} else if (world_is(response, length, "bob@a.example\0good", 18)) {
		a->outcome = SMTP_AUTH_OK;
		a->token = 1;
		a->identity = "bob@a.example";
	} else if (length == 0)
		a->outcome = SMTP_AUTH_MALFORMED;
	else if (++world->failures == 4)
		a->outcome = SMTP_AUTH_FAILED_LAST;
	world_ask(world, world_auth_answer, 0);
}

static inline void
world_auth_abort(void *owner)
{
	(void)owner;
}

static inline void
world_sender_answer(struct world *world, int number)
{
	smtp_on_sender(world->session, (enum smtp_verdict)number);
}

static inline void
world_sender(void *owner, const char *sender)
{
	world_ask(owner, world_sender_answer,
	    strncmp(sender, "alice", 5) == 0 ? SMTP_OK : SMTP_NOT_OWNER);
}

static inline void
world_recipient_answer(struct world *world, int number)
{
	smtp_on_recipient(world->session, (unsigned int)number % 1000,
	    (enum smtp_verdict)(number / 1000), &world->passed);
}

static inline void
world_recipient(void *owner, const struct smtp_recipient_check *check)
{
	struct world *world = owner;
	enum smtp_verdict verdict = SMTP_OK;
	int number = (int)check->number;

	if (number < 300) {
		snprintf(world->tokens[number], 16, "%s",
		    check->token != NULL ? check->token : "");
		snprintf(world->mine[number], 16, "%s",
		    check->mine != NULL ? check->mine : "");
		snprintf(world->notify[number], 32, "%s",
		    check->notify != NULL ? check->notify : "");
		snprintf(world->orcpt[number], 64, "%s",
		    check->orcpt != NULL ? check->orcpt : "");
	}
	if (check->token != NULL && strcmp(check->token, "good") != 0 &&
	    strcmp(check->token, "perm") != 0)
		verdict = SMTP_REFUSED;
	else if (strncmp(check->address, "nobody", 6) == 0)
		verdict = SMTP_UNKNOWN;
	else if (strncmp(check->address, "soft", 4) == 0)
		verdict = SMTP_TEMPORARY;
	else if (strncmp(check->address, "much", 4) == 0)
		verdict = SMTP_LIMIT;
	else if (strncmp(check->address, "full@b", 6) == 0)
		verdict = SMTP_PASSED;
	else if (strstr(check->address, "@b.example") != NULL &&
	    !world->settings.relay)
		verdict = SMTP_NO_RELAY;
	world_ask(world, world_recipient_answer, number + 1000 * verdict);
}

static inline void
world_open_answer(struct world *world, int number)
{
	world->open = 1;
	world->message_length = 0;
	smtp_on_opened(world->session, (enum smtp_verdict)number, "MESSAGEID");
}

static inline void
world_open(void *owner)
{
	world_ask(owner, world_open_answer, SMTP_OK);
}

static inline enum smtp_verdict
world_write(void *owner, const void *data, size_t length)
{
	struct world *world = owner;

	if (!world->open)
		abort();
	if (world->message_length + length > sizeof(world->message))
		return SMTP_NO_SPACE;
	memcpy(world->message + world->message_length, data, length);
	world->message_length += length;
	return SMTP_OK;
}

/* As lmtpd does for FILE_ARRANGE: late header fields go where they belong. */
static inline void
world_arrange(struct world *world)
{
	const struct smtp_layout *layout = smtp_layout(world->session);
	static char moved[262144];
	size_t text = layout->end - layout->top;

	if (layout->top > layout->end ||
	    layout->end + layout->late != world->message_length)
		abort();
	memcpy(moved, world->message + layout->top, text);
	memmove(world->message + layout->top, world->message + layout->end,
	    layout->late);
	memcpy(world->message + layout->top + layout->late, moved, text);
	snprintf(world->flags, sizeof(world->flags), "%s",
	    smtp_flags(world->session));
}

static inline void
world_finish_answer(struct world *world, int size)
{
	struct smtp_result results[300];
	static char ids[300][16];
	unsigned int number;
	size_t i, n = smtp_accepted(world->session);

	if ((size_t)size != world->message_length || n == 0 || n > 300)
		abort();
	world_arrange(world);
	for (i = 0; i < n; i++) {
		if (smtp_recipient(world->session, i, &number) == NULL)
			abort();
		snprintf(ids[i], sizeof(ids[i]), "MESSAGEID-%zu", i + 1);
		results[i].verdict =
		    world->no_store && i == 1 ? SMTP_MAILBOX : SMTP_OK;
		results[i].id = ids[i];
		results[i].token =
		    number < 300 && strcmp(world->tokens[number], "good") == 0
		    ? "NEWTOKEN"
		    : NULL;
		results[i].passed = NULL;
		if (i < 32 && (world->fails & 1U << i)) {
			results[i].verdict = SMTP_PASSED;
			results[i].passed = &world->passed;
		}
	}
	world->open = 0;
	smtp_on_delivered(world->session, results, n);
}

static inline void
world_finish(void *owner, uint64_t size)
{
	struct world *world = owner;

	if (!world->open)
		abort();
	if (!world->lost)
		world_ask(world, world_finish_answer, (int)size);
}

static inline void
world_abandon(void *owner)
{
	struct world *world = owner;

	if (!world->open)
		abort();
	world->open = 0;
	world->message_length = 0;
}

static inline void
world_refused(void *owner, const char *id, enum smtp_verdict verdict)
{
	(void)owner;
	if (strcmp(id, "MESSAGEID") != 0 || verdict == SMTP_OK)
		abort();
}

static inline void
world_reset(void *owner)
{
	struct world *world = owner;

	world->resets++;
	if (world->open)
		world->message_length = 0;
	world->open = 0;
}

static inline void
world_generate_answer(struct world *world, int number)
{
	if (strncmp(world->pair, "soft", 4) == 0)
		smtp_on_token(world->session, SMTP_TEMPORARY, NULL);
	else if (strstr(world->pair, " carol@a.example") != NULL)
		smtp_on_token(world->session, SMTP_BAD_LOCAL, NULL);
	else
		smtp_on_token(world->session, SMTP_OK,
		    number == 2       ? NULL
			: number == 1 ? "PERMTOKEN"
				      : "TEMPTOKEN");
}

static inline void
world_generate(
    void *owner, int permanent, const char *remote, const char *local)
{
	struct world *world = owner;

	snprintf(world->pair, sizeof(world->pair), "%s %s", remote,
	    local != NULL ? local : "-");
	world_ask(world, world_generate_answer, permanent);
}

static inline void
world_revoke(void *owner, const char *remote, const char *local)
{
	struct world *world = owner;

	snprintf(world->pair, sizeof(world->pair), "%s %s", remote,
	    local != NULL ? local : "-");
	world_ask(world, world_generate_answer, 2);
}

/* 100 octets for RANDOM, the most there can be for JWT. */
static inline void
world_remember_answer(struct world *world, int number)
{
	char token[SMTP_REMEMBER_MAX + 1];

	memset(token, 'a', sizeof(token));
	token[number] = '\0';
	smtp_on_remembered(world->session, world->remembered, token);
}

static inline void
world_remember(void *owner, const char *type)
{
	world_ask(owner, world_remember_answer,
	    strcmp(type, "JWT") == 0 ? SMTP_REMEMBER_MAX : 100);
}

static inline void
world_close(void *owner, const char *reason)
{
	struct world *world = owner;

	world->closed = 1;
	world->reason = reason;
}

static inline time_t
world_now(void *owner)
{
	(void)owner;
	return 1700000000;
}

static const struct smtp_actions world_actions = {world_reply, world_start_tls,
    world_auth, world_auth_abort, world_sender, world_recipient, world_open,
    world_write, world_finish, world_abandon, world_refused, world_reset,
    world_generate, world_revoke, world_remember, world_close, world_now};

static inline struct world *
world_new(enum smtp_listener listener, int deferred)
{
	struct world *world = calloc(1, sizeof(*world));
	struct smtp_tls tls = {1, 1, "TLS_AES_256_GCM_SHA384", "x25519"};

	if (world == NULL)
		abort();
	world->deferred = deferred;
	world->settings.hostname = "mx.a.example";
	world->settings.domain = "a.example";
	world->settings.message_size = 100000;
	world->settings.recipients = 100;
	world->settings.tokens = 1;
	world->settings.metadata = 1;
	world->settings.flags_from = SMTP_FLAGS_SOCKET | SMTP_FLAGS_SUBMISSION;
	world->settings.mechanisms = SMTP_AUTH_SCRAM_SHA_256_PLUS |
	    SMTP_AUTH_SCRAM_SHA_256 | SMTP_AUTH_PLAIN | SMTP_AUTH_LOGIN;
	world->session =
	    smtp_session_new(&world->settings, &world_actions, listener,
		listener == SMTP_LISTENER_SOCKET ? "" : "192.0.2.7", world);
	if (world->session == NULL)
		abort();
	if (listener == SMTP_LISTENER_SMTPS)
		smtp_set_tls(world->session, &tls);
	smtp_greet(world->session, 0);
	return world;
}

static inline void
world_free(struct world *world)
{
	smtp_session_free(world->session);
	free(world);
}

/* What is held is given to the session again, as long as that helps. */
static inline void
world_pump(struct world *world)
{
	size_t used;

	while (world->held_length > 0) {
		used =
		    smtp_input(world->session, world->held, world->held_length);
		if (used > world->held_length)
			abort();
		if (used == 0)
			break;
		world->held_length -= used;
		memmove(world->held, world->held + used, world->held_length);
	}
}

/* Answers all that was asked, the last question first. */
static inline void
world_answer(struct world *world)
{
	int last;

	while (world->asked > 0) {
		last = --world->asked;
		world->questions[last](world, world->numbers[last]);
		if (world->asked == 0)
			world_pump(world);
	}
}

static inline void
world_feed(struct world *world, const void *data, size_t length)
{
	if (world->held_length + length > sizeof(world->held))
		abort();
	memcpy(world->held + world->held_length, data, length);
	world->held_length += length;
	world_pump(world);
}
