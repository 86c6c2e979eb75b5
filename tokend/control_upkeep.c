/* SPDX-License-Identifier: ISC */
/* The verbs for the upkeep: reload, backup, check. */
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
#define RECORDS_AT_ONCE 5000

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

/* Is this a record that we can read? */
static int
is_sound(struct bytes key, struct bytes value)
{
	struct permanent permanent;
	struct renewed renewed;
	struct mark_times times;
	struct bytes remote, local;
	struct held_list held;
	static struct remembered_list list;
	uint64_t time;

	switch (key.length > 0 ? key.data[0] : 0) {
	case RECORD_PERMANENT:
		return record_key_split(key, &remote, &local) == 0 &&
		    permanent_decode(&permanent, value) == 0;
	case RECORD_HELD:
		return record_key_split(key, &remote, &local) == 0 &&
		    held_decode(&held, value) == 0;
	case RECORD_MARK:
		return key.length >= 2 && mark_decode(&times, value) == 0;
	case RECORD_REMEMBER:
		return remembered_decode(&list, value) == 0;
	case RECORD_OWNER:
		return key.length == 1 + REMEMBER_ID &&
		    owner_decode(value, &local) == 0;
	case RECORD_RENEWED:
		return renewed_decode(&renewed, value) == 0;
	case RECORD_HORIZON:
	case RECORD_CLOCK:
	case RECORD_STARTED:
	case RECORD_TEST:
		return time_decode(&time, value) == 0;
	default:
		return 0;
	}
}

struct sounding {
	struct client_request *client;
	int left;
};

static int
each_record(struct bytes key, struct bytes value, void *argument)
{
	struct sounding *sounding = argument;
	struct client_request *client = sounding->client;

	if (!is_sound(key, value))
		return 2;
	client->count++;
	memcpy(client->next.data, key.data, key.length);
	client->next.data[key.length] = 0;
	client->next.length = key.length + 1;
	return --sounding->left == 0;
}

/* The keys in the file must be those in use. */
static int
check_keys(struct problem *problem)
{
	static struct keyring ring;
	size_t i;
	int result;

	result = keyring_load(&ring, tokend.settings->store, problem);
	if (result == 0)
		for (i = 0; i < tokend.ring.count; i++)
			if (keyring_find(&ring, tokend.ring.keys[i].id) == NULL)
				result = 1;
	if (result == 0 && ring.count != tokend.ring.count)
		result = 1;
	if (result == 1)
		problem_set(problem,
		    "the file of keys is not what is in use: restart, or "
		    "restore it");
	keyring_wipe(&ring);
	return result == 0 ? 0 : -1;
}

static void
check_end(struct client_request *client)
{
	struct problem problem;
	struct row row;

	if (check_keys(&problem) == -1) {
		control_end(client, CONTROL_FAILED, problem.text);
		return;
	}
	if (batch_flush(&tokend.batch) == -1 ||
	    store_self_test(tokend.store) == -1) {
		control_end(
		    client, CONTROL_FAILED, store_problem(tokend.store));
		return;
	}
	row_start(&row);
	row_number(&row.list, "records", client->count);
	row_number(&row.list, "keys", tokend.ring.count);
	row_number(&row.list, "marks", marks_count(tokend.marks));
	row_send(client, &row);
	control_end(client, CONTROL_OK, "");
}

static int
step_check(struct client_request *client)
{
	struct sounding sounding = {client, RECORDS_AT_ONCE};
	int more;

	more = store_each(tokend.store, bytes_of("", 0),
	    record_key_bytes(&client->next), each_record, &sounding);
	if (more == 1)
		return 1;
	if (more == 0)
		check_end(client);
	else
		control_end(client, CONTROL_FAILED,
		    more == 2 ? "a record of the store cannot be read: restore "
				"it from a backup"
			      : store_problem(tokend.store));
	return 0;
}

void
control_check(struct client_request *client, struct bytes arguments)
{
	(void)arguments;
	control_run(client, step_check);
}
