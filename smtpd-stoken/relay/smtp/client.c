/* SPDX-License-Identifier: ISC */
#include <stdlib.h>

#include "smtpd-stoken/relay/smtp/client.h"

struct client {
	const struct client_actions *actions;
	void *owner;
};

struct client *
client_new(const struct client_settings *settings,
    const struct client_actions *actions, void *owner)
{
	struct client *client = calloc(1, sizeof(*client));

	(void)settings;
	if (client != NULL) {
		client->actions = actions;
		client->owner = owner;
	}
	return client;
}

void
client_free(struct client *client)
{
	free(client);
}

void
client_input(struct client *client, const void *data, size_t length)
{
	(void)client, (void)data, (void)length;
}

void
client_drained(struct client *client)
{
	(void)client;
}

void
client_on_tls(struct client *client)
{
	(void)client;
}

void
client_lost(struct client *client, const char *why)
{
	(void)client, (void)why;
}

void
client_timeout(struct client *client)
{
	(void)client;
}

int
client_mail(struct client *client, const struct client_mail *mail)
{
	(void)client, (void)mail;
	return -1;
}

int
client_recipient(struct client *client, uint32_t id, const char *address,
    const char *parameters)
{
	(void)client, (void)id, (void)address, (void)parameters;
	return -1;
}

int
client_data(struct client *client, const struct client_message *message)
{
	(void)client, (void)message;
	return -1;
}

void
client_release(struct client *client)
{
	(void)client;
}

void
client_abandon(struct client *client)
{
	(void)client;
}

void
client_quit(struct client *client)
{
	(void)client;
}

const char *
client_awaits(const struct client *client)
{
	(void)client;
	return "";
}

int
client_is_ready(const struct client *client)
{
	(void)client;
	return 0;
}

int
client_is_over(const struct client *client)
{
	(void)client;
	return 0;
}

int
client_offers(const struct client *client, const char *keyword)
{
	(void)client, (void)keyword;
	return 0;
}
