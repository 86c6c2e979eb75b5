/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "compat/sandbox.h"
#include "imsg/messages.h"
#include "smtpd-stoken/config.h"
#include "smtpd-stoken/roles.h"

const struct role_row role_table[] = {
    {ROLE_SIGN, "tokend-sign", USER_TOKENS, 1, 0, "stdio recvfd",
	"TLS private keys"},
    {ROLE_AUTH, "tokend-auth", USER_TOKENS, 0, 0, "stdio rpath recvfd",
	"users, password hashes, aliases"},
    {ROLE_LMTPD, "lmtpd", USER_MAIL, 0, 0,
	"stdio rpath wpath cpath fattr flock sendfd recvfd", "the mailboxes"},
    {ROLE_TOKEND, "tokend", USER_TOKENS, 0, 1,
	"stdio rpath wpath cpath flock unix recvfd",
	"token keys, the store, the control socket"},
    {ROLE_RELAY, "relay", USER_NETWORK, 0, 1, "stdio rpath inet dns recvfd",
	"connections to the next hop, its password"},
    {ROLE_ENGINE, "engine", USER_NETWORK, 1, 2, "stdio sendfd recvfd",
	"SMTP and LMTP sessions"},
    {ROLE_FRONTEND, "frontend", USER_NETWORK, 1, 3, "stdio inet sendfd recvfd",
	"client sockets, TLS, certificates"},
    {ROLE_NONE, NULL, USER_NETWORK, 0, 0, NULL, NULL},
};

const struct edge_row edge_table[] = {
    {ROLE_FRONTEND, ROLE_ENGINE, EDGE_SAME_TRUST, "sessions"},
    {ROLE_FRONTEND, ROLE_SIGN, EDGE_UNTRUSTED, "signatures"},
    {ROLE_ENGINE, ROLE_TOKEND, EDGE_ALL, "admission, AUTH, RCPT, commit"},
    {ROLE_ENGINE, ROLE_LMTPD, EDGE_ALL, "files, deliveries with tickets"},
    {ROLE_TOKEND, ROLE_AUTH, EDGE_ALL, "passwords, addresses"},
    {ROLE_ENGINE, ROLE_RELAY, EDGE_ALL, "outgoing mail with tickets"},
    {ROLE_RELAY, ROLE_TOKEND, EDGE_ALL, "tokens of others, with tickets"},
    {ROLE_NONE, ROLE_NONE, EDGE_ALL, NULL},
};

static int
has_socket(const struct config *config)
{
	size_t i;

	for (i = 0; i < config->listener_count; i++)
		if (config->listeners[i].kind == LISTENER_SOCKET)
			return 1;
	return 0;
}

uint8_t
role_instances(enum role role, const struct config *config)
{
	switch (role) {
	case ROLE_FRONTEND:
		return (uint8_t)(config->prefork_frontend +
		    (uint64_t)has_socket(config));
	case ROLE_ENGINE:
		return (uint8_t)(config->prefork_engine +
		    (uint64_t)has_socket(config));
	case ROLE_LMTPD:
		return (uint8_t)config->prefork_lmtpd;
	case ROLE_RELAY:
		return config->relay_host != NULL ||
		    config->lmtp_address != NULL;
	case ROLE_TOKEND:
	case ROLE_SIGN:
	case ROLE_AUTH:
		return 1;
	default:
		return 0;
	}
}

int
role_is_trusted(enum role role, uint8_t instance, const struct config *config)
{
	return (role == ROLE_FRONTEND || role == ROLE_ENGINE) &&
	    has_socket(config) && instance + 1 == role_instances(role, config);
}

const char *
role_user_name(const struct role_row *row, const struct config *config)
{
	switch (row->user) {
	case USER_NETWORK:
		return NETWORK_USER;
	case USER_TOKENS:
		return TOKENS_USER;
	case USER_MAIL:
		break;
	}
	if (config->lmtp_address != NULL)
		return NETWORK_USER; /* no mailboxes */
	return config->maildir_user;
}

static void
print_messages(const struct edge_row *edge, FILE *out)
{
	const struct message_row *row;
	size_t i;

	for (i = 0; (row = message_row_at(i)) != NULL; i++)
		if ((row->from == edge->a && row->to == edge->b) ||
		    (row->from == edge->b && row->to == edge->a))
			fprintf(out, "#     %s -> %s %s%s\n",
			    role_name(row->from), role_name(row->to), row->name,
			    row->descriptor == DESCRIPTOR_NONE
				? ""
				: " (descriptor)");
}

void
roles_print(const struct config *config, FILE *out)
{
	const struct role_row *row;
	const struct edge_row *edge;
	const char *user;
	char text[256];

	fprintf(
	    out, "# processes: program, instances, user, promises, holds\n");
	fprintf(out, "#   smtpd-stoken  1  %s  configuration, listeners\n",
	    geteuid() == 0 ? "root" : "you");
	for (row = role_table; row->role != ROLE_NONE; row++) {
		user = geteuid() == 0 ? role_user_name(row, config) : "you";
		fprintf(out, "#   %-12s  %u  %s%s  \"%s\"  %s\n", row->program,
		    role_instances(row->role, config),
		    user == NULL ? "root" : user,
		    row->chroot && geteuid() == 0 ? " (chroot)" : "",
		    row->promises, row->holds);
	}
	fprintf(out, "# edges and their messages (no others exist)\n");
	for (edge = edge_table; edge->a != ROLE_NONE; edge++) {
		fprintf(out, "#   %s - %s: %s\n", role_name(edge->a),
		    role_name(edge->b), edge->meaning);
		print_messages(edge, out);
	}
	fprintf(out, "# sandbox: %s\n", sandbox_describe(text, sizeof(text)));
}
