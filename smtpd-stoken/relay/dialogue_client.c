/* SPDX-License-Identifier: ISC */
/* What the client of a dialogue wants done and tells; what is wanted of it. */
#include <string.h>

#include "lib/clock.h"
#include "smtpd-stoken/relay/dialogue_state.h"

static int
on_write(void *owner, const void *data, size_t length)
{
	struct dialogue *d = owner;

	return link_write(d->link, data, length, 0) != 0;
}

static void
on_write_secret(void *owner, const void *data, size_t length)
{
	struct dialogue *d = owner;

	d->settled = 1;
	(void)link_write(d->link, data, length, 1);
}

static void
on_start_tls(void *owner)
{
	struct dialogue *d = owner;

	d->shaking = 1;
	dialogue_start_tls(d);
}

static void
on_ready(void *owner)
{
	struct dialogue *d = owner;

	d->settled = 1;
	d->login_refused = 0;
	d->actions->ready(d->owner);
}

static void
on_recipient(void *owner, uint32_t id, const struct client_reply *reply)
{
	struct dialogue *d = owner;

	d->actions->recipient(d->owner, id, reply);
}

static void
on_held(void *owner)
{
	struct dialogue *d = owner;

	d->actions->held(d->owner);
}

static void
on_result(void *owner, uint32_t id, const struct client_reply *reply)
{
	struct dialogue *d = owner;

	d->actions->result(d->owner, id, reply);
}

/* See `thorough`. */
static int
lets_others(const struct dialogue *d, const struct client_reply *reply)
{
	unsigned int refused = client_login_refused(d->client);

	if (!d->settings.thorough || d->quits || reply == NULL ||
	    !dialogue_has_more(d))
		return 0;
	return d->settled ? refused / 100 == 4
			  : reply->source != CLIENT_DECIDED;
}

static void
on_over(void *owner, const struct client_reply *reply, const char *reason)
{
	struct dialogue *d = owner;
	struct dialogue_end how = {.reply = reply,
	    .reason = reason,
	    .tls_failed = d->shaking,
	    .login_refused = client_login_refused(d->client)};

	if (!lets_others(d, reply)) {
		dialogue_end(d, &how);
		return;
	}
	d->drops = 1;
	d->login_refused = how.login_refused;
	(void)strlcpy(d->why, reason, sizeof(d->why));
}

const struct client_actions dialogue_client_actions = {
    .write = on_write,
    .write_secret = on_write_secret,
    .start_tls = on_start_tls,
    .ready = on_ready,
    .recipient = on_recipient,
    .held = on_held,
    .result = on_result,
    .over = on_over,
};

int
dialogue_mail(struct dialogue *d, const struct client_mail *mail)
{
	int result = -1;

	dialogue_enter(d);
	d->kept = 0;
	d->moved = 1;
	if (!d->over && d->client != NULL)
		result = client_mail(d->client, mail);
	dialogue_leave(d);
	return result;
}

int
dialogue_recipient(struct dialogue *d, uint32_t id, const char *address,
    const char *parameters)
{
	int result = -1;

	dialogue_enter(d);
	if (!d->over && d->client != NULL)
		result = client_recipient(d->client, id, address, parameters);
	dialogue_leave(d);
	return result;
}

void
dialogue_data(struct dialogue *d, const struct client_message *message)
{
	const struct dialogue_settings *set = &d->settings;

	dialogue_enter(d);
	d->moved = 1;
	d->until = set->least == 0
	    ? 0
	    : clock_milliseconds() + set->slack + message->size / set->least;
	if (!d->over)
		(void)client_data(d->client, message);
	dialogue_leave(d);
}

void
dialogue_release(struct dialogue *d)
{
	dialogue_enter(d);
	d->moved = 1;
	if (!d->over)
		client_release(d->client);
	dialogue_leave(d);
}

int
dialogue_offers(const struct dialogue *d, const char *keyword)
{
	return client_offers(d->client, keyword);
}

void
dialogue_abandon(struct dialogue *d)
{
	dialogue_enter(d);
	if (!d->over)
		client_abandon(d->client);
	dialogue_leave(d);
}

void
dialogue_quit(struct dialogue *d)
{
	struct dialogue_end given_up = {.reason = "given up"};

	if (d->quits || d->over)
		return;
	dialogue_enter(d);
	d->quits = 1;
	dialogue_set_timer(d, d->settings.quit);
	if (d->client == NULL || d->drops)
		dialogue_end(d, &given_up);
	else
		client_quit(d->client);
	dialogue_leave(d);
}

void
dialogue_keep(struct dialogue *d, uint64_t milliseconds)
{
	d->kept = 1;
	dialogue_set_timer(d, milliseconds);
}

void
dialogue_close(struct dialogue *d)
{
	if (d->over)
		return; /* it frees itself */
	dialogue_enter(d);
	d->over = d->closed = 1;
	dialogue_leave(d);
}

int
dialogue_look(struct dialogue *d)
{
	int stands;

	dialogue_enter(d);
	if (!d->over)
		link_look(d->link);
	stands = !d->over;
	dialogue_leave(d);
	return stands;
}
