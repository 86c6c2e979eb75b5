/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/relay/smtp/state.h"

/* MAIL, RCPT and RSET. */

#define ADDRESS_TEXT_MAX 320 /* octets */
#define PARAMETERS_MAX 1024

/* The parameters may be tokens. */
static void
free_recipient(struct recipient *recipient)
{
	free(recipient->address);
	if (recipient->parameters != NULL)
		freezero(recipient->parameters, strlen(recipient->parameters));
	recipient->address = recipient->parameters = NULL;
}

void
envelope_free(struct transaction *transaction)
{
	size_t i;

	for (i = 0; i < transaction->count; i++)
		free_recipient(&transaction->recipients[i]);
	free(transaction->recipients);
	free(transaction->sender);
	free(transaction->parameters);
	memset(transaction, 0, sizeof(*transaction));
}

/*
 * Can this stand between "<" and ">"? What it means is not looked at, only
 * that it cannot end the path or the command (T06).
 */
static int
fits_path(const char *address)
{
	int quoted = 0;
	size_t i;

	for (i = 0; address[i] != '\0'; i++) {
		if (address[i] == 0x7f || (address[i] > 0 && address[i] < ' '))
			return 0;
		if (quoted && address[i] == '\\' && address[i + 1] >= ' ')
			i++;
		else if (address[i] == '"')
			quoted = !quoted;
		else if (!quoted && strchr(" <>\\", address[i]) != NULL)
			return 0;
	}
	return !quoted && i <= ADDRESS_TEXT_MAX;
}

static int
is_ascii(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text & 0x80)
			return 0;
	}
	return 1;
}

/* Parameters are printable ASCII words with one blank between. */
static int
fits_parameters(const char *text)
{
	size_t i;

	for (i = 0; text[i] != '\0'; i++) {
		if (text[i] < ' ' || text[i] > '~')
			return 0;
		if (text[i] == ' ' &&
		    (i == 0 || text[i + 1] == ' ' || text[i + 1] == '\0'))
			return 0;
	}
	return i <= PARAMETERS_MAX;
}

static int
offers(const struct client *client, unsigned int extensions)
{
	return (client->extensions.offered & extensions) == extensions;
}

static int
bad_sender(const struct client *client, const struct recipient *recipient)
{
	(void)recipient;
	return !fits_path(client->transaction.sender);
}

static int
bad_recipient(const struct client *client, const struct recipient *recipient)
{
	(void)client;
	return recipient->address[0] == '\0' || !fits_path(recipient->address);
}

/* SMTPUTF8 demands 8BITMIME (RFC 6531 section 3.1). */
static int
knows_utf8(const struct client *client)
{
	return offers(client, EXTENSION_SMTPUTF8 | EXTENSION_8BITMIME);
}

static int
wants_utf8(const struct client *client)
{
	return client->transaction.utf8 ||
	    !is_ascii(client->transaction.sender);
}

static int
utf8_recipient(const struct client *client, const struct recipient *recipient)
{
	return !is_ascii(recipient->address) &&
	    (!knows_utf8(client) || !wants_utf8(client));
}

static int
utf8_mail(const struct client *client, const struct recipient *recipient)
{
	(void)recipient;
	return wants_utf8(client) && !knows_utf8(client);
}

static int
binary(const struct client *client, const struct recipient *recipient)
{
	(void)recipient;
	return client->transaction.body == RELAY_BODY_BINARYMIME &&
	    !offers(client, EXTENSION_CHUNKING | EXTENSION_BINARYMIME);
}

static int
too_large(const struct client *client, const struct recipient *recipient)
{
	(void)recipient;
	return client->extensions.size > 0 &&
	    client->transaction.size > client->extensions.size;
}

/* What is not asked, since we know the answer. F-100: two codes. */
static const struct {
	int (*applies)(const struct client *, const struct recipient *);
	unsigned int code;
	const char *enhanced, *text;
} decisions[] = {
    {bad_sender, 550, "5.1.7", "The sender's address cannot be passed on"},
    {bad_recipient, 550, "5.1.3", "The address cannot be passed on"},
    {utf8_recipient, 553, "5.6.7",
	"The next hop does not take addresses outside ASCII"},
    {utf8_mail, 550, "5.6.7",
	"The next hop does not take internationalized mail"},
    {binary, 554, "5.6.1", "The next hop does not take BINARYMIME"},
    {too_large, 552, "5.3.4", "The message is too large for the next hop"},
};

static int
decide(const struct client *client, const struct recipient *recipient,
    struct client_reply *reply)
{
	size_t i;

	if (client->transaction.mail == MAIL_REFUSED) {
		*reply = client->transaction.mail_reply;
		return 1;
	}
	for (i = 0; i < sizeof(decisions) / sizeof(decisions[0]); i++) {
		if (!decisions[i].applies(client, recipient))
			continue;
		reply_make(reply, CLIENT_DECIDED, decisions[i].code,
		    decisions[i].enhanced, decisions[i].text);
		return 1;
	}
	return 0;
}

static void
say_mail(struct client *client)
{
	struct transaction *transaction = &client->transaction;
	const char *body = "", *dsn = transaction->parameters;
	char size[32] = "";

	if (transaction->size > 0 && offers(client, EXTENSION_SIZE))
		snprintf(
		    size, sizeof(size), " SIZE=%" PRIu64, transaction->size);
	/* What the client did not say may be 8-bit; the rest is 7BIT. */
	if (transaction->body == RELAY_BODY_BINARYMIME)
		body = " BODY=BINARYMIME";
	else if (transaction->body != RELAY_BODY_7BIT &&
	    offers(client, EXTENSION_8BITMIME))
		body = " BODY=8BITMIME";
	if (!offers(client, EXTENSION_DSN) || !fits_parameters(dsn))
		dsn = "";
	client_say(client, "MAIL FROM:<%s>%s%s%s%s%s", transaction->sender,
	    size, body, wants_utf8(client) ? " SMTPUTF8" : "",
	    *dsn == '\0' ? "" : " ", dsn);
	transaction->mail = MAIL_SENT;
}

static void
say_recipient(struct client *client, struct recipient *recipient)
{
	const char *parameters = recipient->parameters;

	if (client->settings->stoken && !fits_parameters(parameters))
		parameters = "";
	if (client->settings->stoken)
		client_say_private(client, "RCPT TO:<%s>%s%s",
		    recipient->address, *parameters == '\0' ? "" : " ",
		    parameters);
	else {
		if (!offers(client, EXTENSION_DSN) ||
		    !fits_parameters(parameters))
			parameters = "";
		client_say(client, "RCPT TO:<%s>%s%s", recipient->address,
		    *parameters == '\0' ? "" : " ", parameters);
	}
	free_recipient(recipient);
	recipient->state = RECIPIENT_SENT;
	client->transaction.sent++;
}

int
client_awaits_reply(const struct client *client)
{
	const struct transaction *transaction = &client->transaction;

	if (client->state != STATE_READY)
		return client->state != STATE_TLS &&
		    client->state != STATE_OVER;
	return transaction->mail == MAIL_SENT || transaction->sent > 0 ||
	    transaction->chunks > 0 || transaction->phase == PHASE_DATA ||
	    transaction->phase == PHASE_FINAL ||
	    transaction->phase == PHASE_RSET;
}

/*
 * Whether the next command may be said. Octets that stand there without a
 * question are no answer: what they are must show first.
 */
static int
may_say(const struct client *client)
{
	if (client_awaits_reply(client))
		return offers(client, EXTENSION_PIPELINING);
	return !reply_begun(&client->parser);
}

void
envelope_over(struct client *client)
{
	struct transaction *transaction = &client->transaction;

	if (transaction->mail == MAIL_UNSENT) {
		envelope_free(transaction);
		return;
	}
	transaction->abandoned = 1; /* all has been told */
	transaction->phase = PHASE_RSET;
	client_say(client, "RSET");
}

/* The next recipient that nothing was said of. */
static int
next_recipient(struct client *client)
{
	struct transaction *transaction = &client->transaction;
	struct recipient *recipient;
	struct client_reply reply;

	recipient = &transaction->recipients[transaction->said];
	if (decide(client, recipient, &reply)) {
		recipient->state = RECIPIENT_DONE;
		transaction->said++;
		client->actions->recipient(
		    client->owner, recipient->id, &reply);
		return 1;
	}
	if (!may_say(client))
		return 0;
	if (transaction->mail == MAIL_UNSENT) {
		say_mail(client);
		if (!offers(client, EXTENSION_PIPELINING))
			return 0;
	}
	transaction->said++;
	say_recipient(client, recipient);
	return 1;
}

int
envelope_step(struct client *client)
{
	struct transaction *transaction = &client->transaction;

	if (!transaction->abandoned && transaction->said < transaction->count)
		return next_recipient(client);
	if (client_awaits_reply(client) || reply_begun(&client->parser))
		return 0;
	if (transaction->abandoned ||
	    (transaction->data && transaction->accepted == 0))
		envelope_over(client);
	else if (transaction->data)
		transfer_begin(client);
	else
		return 0;
	return 1;
}

static void
on_mail(struct client *client, const struct client_reply *reply)
{
	struct transaction *transaction = &client->transaction;

	transaction->mail = MAIL_TAKEN;
	if (reply->code / 100 == 2)
		return;
	transaction->mail = MAIL_REFUSED;
	transaction->mail_reply = *reply;
}

static void
on_recipient(struct client *client, const struct client_reply *reply)
{
	struct transaction *transaction = &client->transaction;
	struct recipient *recipient;

	while (transaction->recipients[transaction->answered].state !=
	    RECIPIENT_SENT)
		transaction->answered++;
	recipient = &transaction->recipients[transaction->answered++];
	transaction->sent--;
	/* RFC 2920: whatever is said of RCPT, MAIL was refused. */
	if (transaction->mail == MAIL_REFUSED)
		reply = &transaction->mail_reply;
	recipient->state = RECIPIENT_DONE;
	if (reply->code / 100 == 2) {
		recipient->state = RECIPIENT_ACCEPTED;
		transaction->accepted++;
	}
	if (!transaction->abandoned)
		client->actions->recipient(client->owner, recipient->id, reply);
}

void
envelope_reply(struct client *client, const struct client_reply *reply)
{
	struct transaction *transaction = &client->transaction;

	if (reply->code / 100 == 3) {
		client_fault(client, "a reply of a wrong kind");
	} else if (transaction->phase == PHASE_RSET) {
		if (reply->code / 100 == 2)
			envelope_free(transaction);
		else
			client_fault(client, "RSET was refused");
	} else if (transaction->mail == MAIL_SENT)
		on_mail(client, reply);
	else
		on_recipient(client, reply);
}

int
client_mail(struct client *client, const struct client_mail *mail)
{
	struct transaction *transaction = &client->transaction;

	if (client->state >= STATE_QUIT || client->quitting ||
	    transaction->phase != PHASE_NONE)
		return -1;
	transaction->sender = strdup(mail->sender);
	transaction->parameters = strdup(mail->parameters);
	if (transaction->sender == NULL || transaction->parameters == NULL) {
		envelope_free(transaction);
		return -1;
	}
	transaction->body = mail->body;
	transaction->utf8 = mail->utf8;
	transaction->size = mail->size;
	transaction->phase = PHASE_ENVELOPE;
	client->told_ready = 0;
	return 0;
}

static int
grow(struct transaction *transaction)
{
	size_t room = transaction->room == 0 ? 4 : 2 * transaction->room;
	struct recipient *recipients;

	if (transaction->count < transaction->room)
		return 0;
	if (transaction->count >= CLIENT_RECIPIENTS_MAX)
		return -1;
	recipients =
	    reallocarray(transaction->recipients, room, sizeof(*recipients));
	if (recipients == NULL)
		return -1;
	transaction->recipients = recipients;
	transaction->room = room;
	return 0;
}

int
client_recipient(struct client *client, uint32_t id, const char *address,
    const char *parameters)
{
	struct transaction *transaction = &client->transaction;
	struct recipient recipient = {id, RECIPIENT_QUEUED, NULL, NULL};

	if (client->state >= STATE_QUIT ||
	    transaction->phase != PHASE_ENVELOPE || transaction->abandoned ||
	    transaction->data || grow(transaction) == -1)
		return -1;
	recipient.address = strdup(address);
	recipient.parameters = strdup(parameters);
	if (recipient.address == NULL || recipient.parameters == NULL) {
		free_recipient(&recipient);
		return -1;
	}
	transaction->recipients[transaction->count++] = recipient;
	client_advance(client);
	return 0;
}
