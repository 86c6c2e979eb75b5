/* SPDX-License-Identifier: ISC */
/* What the client of a connection wants done, and what it tells. */
#include "lib/log.h"
#include "smtpd-stoken/relay/connection.h"

static int
on_write(void *owner, const void *data, size_t length)
{
	struct connection *c = owner;

	return link_write(c->link, data, length, 0) != 0;
}

static void
on_write_secret(void *owner, const void *data, size_t length)
{
	struct connection *c = owner;

	(void)link_write(c->link, data, length, 1);
}

static void
on_start_tls(void *owner)
{
	connection_begin_tls(owner);
}

static void
on_ready(void *owner)
{
	struct connection *c = owner;
	struct client_reply reply;

	if (c->copy != NULL) {
		hop_reply(&reply, "4.3.0", "The transaction ended");
		copy_failed(c->copy, &reply);
	}
	if (c->opening)
		log_debug("%s %s: connected", c->hop->name, c->peer);
	hop_ready(c);
}

/*
 * A kept connection may have been closed by the peer while nobody looked: a
 * transaction of which it has said nothing is begun again on a fresh one.
 */
static int
begin_again(struct connection *c, const struct client_reply *reply)
{
	if (reply->source == CLIENT_LOST && c->transactions > 1 &&
	    !c->copy->answered && !c->copy->fresh)
		c->again = 1;
	return c->again;
}

static void
on_recipient(void *owner, uint32_t id, const struct client_reply *reply)
{
	struct connection *c = owner;

	if (c->copy == NULL || begin_again(c, reply))
		return;
	if (reply->source == CLIENT_SAID)
		c->copy->answered = 1;
	copy_answered(c->copy, id, reply);
}

static void
on_held(void *owner)
{
	struct connection *c = owner;

	if (c->copy != NULL)
		copy_held(c->copy);
}

static void
on_result(void *owner, uint32_t id, const struct client_reply *reply)
{
	struct connection *c = owner;

	if (c->copy != NULL)
		copy_result(c->copy, id, reply);
}

static void
on_over(void *owner, const struct client_reply *reply, const char *reason)
{
	struct connection *c = owner;
	struct copy *copy = c->copy;

	c->over = 1;
	if (reply != NULL) {
		c->failure = *reply;
		if (c->idle || c->again)
			log_debug("%s %s: %s", c->hop->name, c->peer, reason);
		else
			connection_warn(c, reason);
	}
	if (copy == NULL)
		return;
	if (c->again) {
		connection_finish(c);
		copy->fresh = 1;
		hop_submit(copy);
		return;
	}
	if (reply == NULL)
		hop_reply(&c->failure, "4.4.2", "The connection was closed");
	copy_failed(copy, &c->failure);
}

const struct client_actions connection_actions = {
    .write = on_write,
    .write_secret = on_write_secret,
    .start_tls = on_start_tls,
    .ready = on_ready,
    .recipient = on_recipient,
    .held = on_held,
    .result = on_result,
    .over = on_over,
};
