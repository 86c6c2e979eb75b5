/* SPDX-License-Identifier: ISC */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/process.h"
#include "smtpd-stoken/engine/relay.h"
#include "smtpd-stoken/engine/session.h"

static struct channel *
channel(void)
{
	return process_peer(ROLE_RELAY, 0);
}

int
relay_is_full(void)
{
	struct channel *c = channel();

	return c != NULL && channel_full(c);
}

struct relay_mail *
relay_mail_new(struct session *s, enum next_hop next_hop, uint32_t transaction,
    const struct relay_events *events, void *owner)
{
	struct relay_mail *mail;

	if ((mail = calloc(1, sizeof(*mail))) == NULL)
		return NULL;
	mail->session = s;
	mail->next_hop = (uint8_t)next_hop;
	mail->transaction = transaction;
	mail->events = events;
	mail->owner = owner;
	LIST_INSERT_HEAD(&s->mails, mail, of_session);
	return mail;
}

/* Whether relay still owes an answer. */
static int
is_open(const struct outlet *outlet)
{
	return outlet->state == OUTLET_OPENING || outlet->state == OUTLET_OPEN;
}

static int
has_open(const struct relay_mail *mail)
{
	size_t i;

	for (i = 0; i < mail->count; i++)
		if (is_open(&mail->outlets[i]))
			return 1;
	return 0;
}

static void
abandon(struct relay_mail *mail)
{
	union message m = {.relay_abandon = {.session = mail->session->id,
			       .transaction = mail->transaction,
			       .next_hop = mail->next_hop}};
	struct channel *c = channel();

	if (mail->known && c != NULL && has_open(mail))
		(void)channel_send(c, MSG_RELAY_ABANDON, &m, -1);
	mail->known = 0;
}

void
outlet_forget_token(struct outlet *outlet)
{
	if (outlet->token != NULL)
		freezero(outlet->token, strlen(outlet->token));
	outlet->token = NULL;
}

void
relay_mail_free(struct relay_mail *mail)
{
	struct outlet *outlet;
	size_t i;

	if (mail == NULL)
		return;
	abandon(mail);
	LIST_REMOVE(mail, of_session);
	for (i = 0; i < mail->count; i++) {
		outlet = &mail->outlets[i];
		free(outlet->address);
		free(outlet->text);
		free(outlet->route);
		outlet_forget_token(outlet);
	}
	free(mail->outlets);
	free(mail);
}

size_t
relay_count(const struct relay_mail *mail, enum outlet_state state)
{
	size_t i, n = 0;

	for (i = 0; mail != NULL && i < mail->count; i++)
		n += mail->outlets[i].state == state;
	return n;
}

static void
say(struct outlet *outlet, enum outlet_state state, unsigned int code,
    const char *enhanced, const char *text)
{
	outlet->state = (uint8_t)state;
	outlet->code = (uint16_t)code;
	strlcpy(outlet->enhanced, enhanced, sizeof(outlet->enhanced));
	free(outlet->text);
	outlet->text = strdup(text);
}

static void
say_away(struct outlet *outlet)
{
	say(outlet, OUTLET_REFUSED, 451, "4.4.0",
	    "The next server cannot be reached now");
}

void
outlet_passed(const struct outlet *outlet, struct smtp_passed *passed)
{
	passed->code = outlet->code;
	strlcpy(passed->enhanced, outlet->enhanced, sizeof(passed->enhanced));
	strlcpy(passed->text, outlet->text != NULL ? outlet->text : "",
	    sizeof(passed->text));
}

static struct outlet *
add(struct relay_mail *mail, const struct relay_opening *open)
{
	struct outlet *grown, *outlet;
	size_t room;

	if (mail->count == mail->room) {
		room = mail->room > 0 ? mail->room * 2 : 1;
		grown = reallocarray(mail->outlets, room, sizeof(*grown));
		if (grown == NULL)
			return NULL;
		mail->outlets = grown;
		mail->room = room;
	}
	outlet = &mail->outlets[mail->count];
	memset(outlet, 0, sizeof(*outlet));
	outlet->address =
	    strndup((const char *)open->address.data, open->address.length);
	if (outlet->address == NULL)
		return NULL;
	outlet->owner = open->owner;
	outlet->shared = open->shared;
	mail->exact = open->body == RELAY_BODY_BINARYMIME;
	mail->count++;
	return outlet;
}

struct outlet *
relay_open(struct relay_mail *mail, const struct relay_opening *open)
{
	struct outlet *outlet = add(mail, open);
	struct channel *c = channel();
	union message m = {
	    .relay_open = {.session = mail->session->id,
		.transaction = mail->transaction,
		.next_hop = mail->next_hop,
		.recipient = (uint32_t)mail->count - 1,
		.shared = open->shared,
		.body = open->body,
		.utf8 = open->utf8,
		.size = open->size,
		.expires = open->expires,
		.message = bytes_text(open->message),
		.sender = bytes_text(open->sender),
		.address = open->address,
		.ticket = open->ticket,
		.mail_parameters = bytes_text(open->mail_parameters),
		.rcpt_parameters = bytes_text(open->rcpt_parameters)}};

	if (outlet == NULL)
		return NULL;
	if (c == NULL || channel_send(c, MSG_RELAY_OPEN, &m, -1) == -1)
		say_away(outlet);
	else
		mail->known = 1;
	return outlet;
}

int
relay_head(struct relay_mail *mail, const struct outlet *outlet,
    const char *fields, size_t length)
{
	union message m = {.relay_head = {.session = mail->session->id,
			       .transaction = mail->transaction,
			       .next_hop = mail->next_hop,
			       .recipient = (uint32_t)(outlet - mail->outlets),
			       .fields = bytes_of(fields, length)}};
	struct channel *c = channel();

	return c == NULL ? -1 : channel_send(c, MSG_RELAY_HEAD, &m, -1);
}

/*
 * Relay is away. What it had the data of may have been sent, or not: it is
 * sent again rather than lost.
 */
static void
lose(struct relay_mail *mail)
{
	struct outlet *outlet;
	int opening;
	size_t i;

	mail->known = 0;
	for (i = 0; i < mail->count; i++) {
		outlet = &mail->outlets[i];
		if (!is_open(outlet))
			continue;
		if (!mail->sent) {
			opening = outlet->state == OUTLET_OPENING;
			say_away(outlet);
			if (!opening)
				outlet->state = OUTLET_FAILED;
			continue;
		}
		say(outlet, OUTLET_FAILED, 451, "4.4.2",
		    "Interrupted; it may or may not have been sent");
		log_warnx("%08x relay was lost with mail under way: it may "
			  "come twice",
		    (unsigned int)mail->session->id);
	}
}

int
relay_metadata(struct relay_mail *mail, uint64_t offset, uint64_t size)
{
	union message m = {.relay_metadata = {.session = mail->session->id,
			       .transaction = mail->transaction,
			       .next_hop = mail->next_hop,
			       .offset = offset,
			       .size = size}};
	struct channel *c = channel();

	if (c != NULL && channel_send(c, MSG_RELAY_METADATA, &m, -1) == 0)
		return 0;
	abandon(mail);
	lose(mail);
	return -1;
}

int
relay_data(struct relay_mail *mail, int fd, uint64_t offset, uint64_t size,
    int one_by_one, const char *message)
{
	union message m = {.relay_data = {.session = mail->session->id,
			       .transaction = mail->transaction,
			       .next_hop = mail->next_hop,
			       .exact = mail->exact,
			       .one_by_one = (uint8_t)one_by_one,
			       .offset = offset,
			       .size = size,
			       .message = bytes_text(message)}};
	struct channel *c = channel();

	if (c != NULL && has_open(mail) &&
	    (fd = fcntl(fd, F_DUPFD_CLOEXEC, 0)) != -1 &&
	    channel_send(c, MSG_RELAY_DATA, &m, fd) == 0) {
		mail->sent = 1;
		return 0;
	}
	abandon(mail);
	lose(mail);
	return -1;
}

static struct relay_mail *
find(uint64_t session, uint32_t transaction, uint8_t next_hop)
{
	struct session *s = session_find(session);
	struct relay_mail *mail;

	if (s == NULL)
		return NULL;
	LIST_FOREACH (mail, &s->mails, of_session)
		if (mail->transaction == transaction &&
		    mail->next_hop == next_hop && mail->known)
			return mail;
	return NULL;
}

/* What was given up meanwhile is passed over; nonsense is not. */
static struct outlet *
find_open(struct channel *c, struct relay_mail *mail, uint32_t recipient)
{
	if (mail == NULL)
		return NULL;
	if (recipient < mail->count && is_open(&mail->outlets[recipient]))
		return &mail->outlets[recipient];
	process_complain(c, "an answer about mail to no question");
	return NULL;
}

static void
take_reply(struct outlet *outlet, enum outlet_state state, uint16_t code,
    struct bytes enhanced, struct bytes text)
{
	char words[16], line[481];

	if (bytes_copy(words, sizeof(words), enhanced) == -1)
		words[0] = '\0';
	if (bytes_copy(line, sizeof(line), text) == -1)
		line[0] = '\0';
	say(outlet, state, code, words, line);
}

static void
take_route(struct outlet *outlet, struct bytes route)
{
	free(outlet->route);
	outlet->route = route.length == 0
	    ? NULL
	    : strndup((const char *)route.data, route.length);
}

static void
check_done(struct relay_mail *mail)
{
	struct session *s = mail->session;

	if (mail->sent && !has_open(mail)) {
		mail->known = 0;
		mail->events->done(mail);
	}
	session_continue(s);
}

static void
on_opened(struct channel *c, const union message *m, int fd)
{
	const struct msg_relay_opened *r = &m->relay_opened;
	struct relay_mail *mail = find(r->session, r->transaction, r->next_hop);
	struct outlet *outlet = find_open(c, mail, r->recipient);
	struct session *s;

	(void)fd;
	if (outlet == NULL || outlet->state != OUTLET_OPENING)
		return;
	take_reply(outlet,
	    r->code >= 200 && r->code < 300 ? OUTLET_OPEN : OUTLET_REFUSED,
	    r->code, r->enhanced, r->text);
	s = mail->session;
	if (mail->events->opened != NULL) {
		mail->events->opened(mail, outlet); /* may free it */
		session_continue(s);
	} else
		check_done(mail);
}

static void
on_result(struct channel *c, const union message *m, int fd)
{
	static const uint8_t states[] = {[RELAY_SENT] = OUTLET_SENT,
	    [RELAY_REFUSED] = OUTLET_FAILED,
	    [RELAY_NOT_TRIED] = OUTLET_UNTRIED};
	const struct msg_relay_result *r = &m->relay_result;
	struct relay_mail *mail = find(r->session, r->transaction, r->next_hop);
	struct outlet *outlet = find_open(c, mail, r->recipient);

	(void)fd;
	if (outlet == NULL)
		return;
	if (!mail->sent || r->outcome < RELAY_SENT ||
	    r->outcome > RELAY_NOT_TRIED) {
		process_complain(c, "RELAY_RESULT that cannot be");
		return;
	}
	take_reply(outlet, (enum outlet_state)states[r->outcome], r->code,
	    r->enhanced, r->text);
	take_route(outlet, r->route);
	outlet->reports = r->reports == 1;
	check_done(mail);
	/* Who waits for the reply has it before tokend has the result. */
	session_io_flush();
}

const struct channel_handler relay_handlers[] = {
    {MSG_RELAY_OPENED, on_opened}, {MSG_RELAY_RESULT, on_result}, {0, NULL}};

/* The events may give up any mail of the session: one at a time. */
static void
lose_mails(struct session *s, void *context)
{
	struct relay_mail *mail;

	(void)context;
	do {
		LIST_FOREACH (mail, &s->mails, of_session)
			if (mail->known)
				break;
		if (mail == NULL)
			break;
		lose(mail);
		mail->events->lost(mail);
	} while (1);
	session_continue(s);
}

void
relay_gone(void)
{
	sessions_each(lose_mails, NULL);
}
