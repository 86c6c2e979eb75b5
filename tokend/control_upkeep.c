/* SPDX-License-Identifier: ISC */
/* The verbs for the upkeep: reload, backup. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/process.h"
#include "tokend/control.h"
#include "tokend/open.h"

#define PIECE 32768

static uint32_t last_reload;
static uint64_t reload_client;

/* The parent reads the configuration and tells all processes, us too. */
void
control_reload(struct client_request *client, struct bytes arguments)
{
	union message m = {.reload = {.request = ++last_reload}};

	(void)arguments;
	if (control_find(reload_client) != NULL &&
	    control_find(reload_client)->reload != 0) {
		control_end(client, CONTROL_AGAIN, "a reload is going on");
		return;
	}
	reload_client = client->number;
	client->reload = last_reload;
	(void)channel_send(process_parent(), MSG_RELOAD, &m, -1);
}

void
on_reload_done(struct channel *parent, const union message *m, int fd)
{
	struct client_request *client = control_find(reload_client);
	char problem[4097];

	(void)parent;
	(void)fd;
	if (client == NULL || client->reload == 0 ||
	    client->reload != m->reload_done.request)
		return;
	client->reload = 0;
	if (bytes_copy(problem, sizeof(problem), m->reload_done.problem) == -1)
		strlcpy(problem, "see the log", sizeof(problem));
	control_end(
	    client, m->reload_done.ok ? CONTROL_OK : CONTROL_FAILED, problem);
}

static void
send_piece(struct client_request *client, const char *name, struct bytes data,
    int last)
{
	union message m = {.control_file = {
			       .last = (uint8_t)last,
			       .name = bytes_text(name),
			       .data = data,
			   }};

	(void)channel_send(client->channel, MSG_CONTROL_FILE, &m, -1);
}

/* The keys come last: one that was made meanwhile is in them. */
static int
step_keys(struct client_request *client)
{
	static uint8_t data[PIECE];
	char path[PATH_MAX];
	ssize_t n;

	snprintf(
	    path, sizeof(path), "%s/%s", tokend.settings->store, KEYRING_FILE);
	if (client->keys_fd == -1)
		client->keys_fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	n = client->keys_fd == -1 ? -1 : read(client->keys_fd, data, PIECE);
	if (n == -1) {
		control_end(client, CONTROL_FAILED, strerror(errno));
		return 0;
	}
	send_piece(client, KEYRING_FILE, bytes_of(data, (size_t)n), n < PIECE);
	explicit_bzero(data, sizeof(data));
	if (n == PIECE)
		return 1;
	control_end(client, CONTROL_OK, "");
	return 0;
}

static int
step_backup(struct client_request *client)
{
	static uint8_t data[PIECE];
	const char *name;
	size_t length;
	int last;

	switch (store_backup_next(
	    client->backup, &name, data, sizeof(data), &length, &last)) {
	case 1:
		send_piece(client, name, bytes_of(data, length), last);
		return 1;
	case 0:
		client->step = step_keys;
		return 1;
	default:
		control_end(
		    client, CONTROL_FAILED, store_problem(tokend.store));
		return 0;
	}
}

void
control_backup(struct client_request *client, struct bytes arguments)
{
	(void)arguments;
	if (batch_flush(&tokend.batch) == -1 ||
	    (client->backup = store_backup_start(tokend.store)) == NULL) {
		control_end(client, CONTROL_AGAIN, store_problem(tokend.store));
		return;
	}
	control_run(client, step_backup);
}
