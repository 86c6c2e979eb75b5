/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "lib/base64.h"
#include "smtpd-stoken/relay/smtp/state.h"

/*
 * From the greeting until mail can be sent: EHLO or LHLO, STARTTLS and EHLO
 * again, AUTH. Each step waits for its reply. That the peer will not have us
 * is nothing that the sender of a mail can help: it is temporary for him,
 * and the log says what it was.
 */

#define SERVES_US_NOT "The next hop does not accept us at this time"
#define NO_LOGIN "The next hop does not accept our login at this time"

static void
refused(struct client *client, const char *what, const char *enhanced,
    const char *text)
{
	char reason[CLIENT_TEXT_MAX + 128];

	snprintf(reason, sizeof(reason), "%s was refused: %u %s%s%s", what,
	    client->parser.code, client->parser.enhanced,
	    client->parser.enhanced[0] == '\0' ? "" : " ", client->parser.text);
	client_fail(client, enhanced, text, reason);
}

void
greeting_hello(struct client *client)
{
	/* RFC 3207 section 4.2: what was learned in clear is forgotten. */
	memset(&client->extensions, 0, sizeof(client->extensions));
	client_say(client, "%s %s", client->settings->lmtp ? "LHLO" : "EHLO",
	    client->settings->hostname);
	client->state = STATE_EHLO;
}

static void
on_greeting(struct client *client)
{
	if (client->parser.code == 220)
		greeting_hello(client);
	else
		refused(client, "the connection", "4.3.2", SERVES_US_NOT);
}

static void
begin_mechanism(struct client *client)
{
	const struct client_settings *settings = client->settings;
	char out[LOGIN_MESSAGE_MAX], command[32];
	const char *name;
	ssize_t n = 0;

	name = login_begin(&client->login, client->mechanisms, settings->stoken,
	    settings->user, settings->password);
	if (name == NULL) {
		client_fail(client, "4.7.4", NO_LOGIN,
		    "no mechanism for AUTH that we know is offered");
		return;
	}
	client->mechanisms &= ~login_bit(name, strlen(name));
	client->state = STATE_LOGIN;
	if (!login_has_initial(&client->login)) {
		client_say(client, "AUTH %s", name);
		return;
	}
	snprintf(command, sizeof(command), "AUTH %s ", name);
	n = login_next(&client->login, NULL, 0, out, sizeof(out));
	if (n == -1 || client_say_secret(client, command, out, (size_t)n) == -1)
		client_fail(client, "4.7.0", NO_LOGIN, client->login.problem);
	explicit_bzero(out, sizeof(out));
}

/* S1-64: this is no failure, of which another server might know nothing. */
static void
leave_for_stoken(struct client *client)
{
	struct client_reply reply;

	client_say(client, "QUIT");
	client_flush(client);
	reply_make(&reply, CLIENT_DECIDED, 451, "4.7.4", SERVES_US_NOT);
	client_end(client, &reply, "STOKEN is not offered");
}

/* EHLO or HELO is answered, and TLS stands if there is to be any. */
static void
begin_login(struct client *client)
{
	if (client->settings->user == NULL) {
		client->state = STATE_READY;
		return;
	}
	if (!client->tls) {
		client_fail(client, "4.7.4", NO_LOGIN,
		    "no TLS, and without it no login");
		return;
	}
	client->mechanisms = client->extensions.mechanisms;
	if (client->settings->stoken &&
	    (!(client->extensions.offered & EXTENSION_STOKEN) ||
		!(client->mechanisms & login_bit("STOKEN", 6)))) {
		leave_for_stoken(client);
		return;
	}
	begin_mechanism(client);
}

static void
begin_tls(struct client *client)
{
	enum client_tls tls = client->settings->tls;

	if (client->tls || tls == CLIENT_TLS_NEVER) {
		begin_login(client);
	} else if (client->extensions.offered & EXTENSION_STARTTLS) {
		client_say(client, "STARTTLS");
		client->state = STATE_STARTTLS;
	} else if (tls == CLIENT_TLS_WANTED)
		begin_login(client);
	else
		client_fail(
		    client, "4.7.4", SERVES_US_NOT, "STARTTLS is not offered");
}

/* RFC 5321 section 3.2: who does not know EHLO is greeted with HELO. */
static void
on_ehlo(struct client *client)
{
	const struct client_settings *settings = client->settings;
	unsigned int code = client->parser.code;

	if (code / 100 == 2) {
		begin_tls(client);
	} else if (code / 100 == 5 && !settings->lmtp &&
	    settings->tls != CLIENT_TLS_DEMANDED && settings->user == NULL) {
		memset(&client->extensions, 0, sizeof(client->extensions));
		client_say(client, "HELO %s", settings->hostname);
		client->state = STATE_HELO;
	} else
		refused(client, settings->lmtp ? "LHLO" : "EHLO", "4.3.0",
		    SERVES_US_NOT);
}

static void
on_helo(struct client *client)
{
	if (client->parser.code / 100 == 2)
		client->state = STATE_READY;
	else
		refused(client, "HELO", "4.3.0", SERVES_US_NOT);
}

static void
on_starttls(struct client *client)
{
	if (client->parser.code == 220)
		client->state = STATE_TLS;
	else if (client->parser.code / 100 >= 4 &&
	    client->settings->tls == CLIENT_TLS_WANTED)
		begin_login(client);
	else
		refused(client, "STARTTLS", "4.7.4", SERVES_US_NOT);
}

static void
on_challenge(struct client *client)
{
	const struct reply_parser *parser = &client->parser;
	char out[LOGIN_MESSAGE_MAX];
	uint8_t challenge[REPLY_LINE_MAX];
	ssize_t n;

	n = base64_decode(
	    challenge, sizeof(challenge), parser->said, parser->said_length);
	/* The words of a challenge of LOGIN are nothing to us. */
	if (n == -1 && !login_has_initial(&client->login))
		n = 0;
	if (n == -1)
		client->login.problem = "a challenge that is not base 64";
	else
		n = login_next(&client->login, (const char *)challenge,
		    (size_t)n, out, sizeof(out));
	if (n == -1 || client_say_secret(client, "", out, (size_t)n) == -1)
		client_fail(client, "4.7.0", NO_LOGIN, client->login.problem);
	explicit_bzero(out, sizeof(out));
}

static void
on_login(struct client *client)
{
	unsigned int code = client->parser.code;

	if (code == 334) {
		on_challenge(client);
		return;
	}
	if (code / 100 == 2 && !client->login.proved) {
		client_fail(client, "4.7.0", NO_LOGIN,
		    "AUTH was accepted before its end");
		return;
	}
	if (code / 100 == 2) {
		login_end(&client->login);
		client->state = STATE_READY;
	} else if (code == 504 && client->mechanisms != 0) {
		begin_mechanism(client); /* F-31: this one cannot be used */
	} else {
		client->login_refused = code;
		/* Some peers repeat what they were sent. */
		if (login_shows(&client->login, client->parser.text))
			client->parser.text[0] = '\0';
		refused(client, "AUTH", "4.7.0", NO_LOGIN);
	}
}

static const struct {
	enum client_state state;
	void (*reply)(struct client *);
} table[] = {
    {STATE_GREETING, on_greeting},
    {STATE_EHLO, on_ehlo},
    {STATE_HELO, on_helo},
    {STATE_STARTTLS, on_starttls},
    {STATE_LOGIN, on_login},
};

void
greeting_reply(struct client *client)
{
	size_t i;

	if (client->state == STATE_EHLO)
		greeting_line(client);
	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		if (table[i].state == client->state) {
			table[i].reply(client);
			return;
		}
	}
	client_fault(client, "a reply that nobody asked for");
}

/* The first line of an answer to EHLO is the peer's name. */
void
greeting_line(struct client *client)
{
	const struct reply_parser *parser = &client->parser;

	if (client->state == STATE_EHLO && parser->code / 100 == 2 &&
	    parser->nth > 1)
		extension_line(
		    &client->extensions, parser->said, parser->said_length);
}
