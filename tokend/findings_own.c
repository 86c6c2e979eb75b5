/* SPDX-License-Identifier: ISC */
#include "tokend/findings.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "lib/space.h"
#include "tokend/open.h"

#define RECORDS_AT_ONCE 5000
#define YEAR (365ULL * 86400)
/* What a clock may be behind: it was set right a little. */
#define STEP 5000 /* milliseconds */

/* Nothing here knows the time better; but some things came before now. */
static void
about_clock(struct client_request *client, const struct measured *measured)
{
	const struct key *key = keyring_active(&tokend.ring);
	uint64_t now = wall_clock();
	size_t i;

	for (i = 0; i < measured->certificate_count; i++)
		if (measured->certificates[i].begins > now / 1000) {
			finding_row(client, FINDING_PROBLEM, "clock",
			    "a certificate begins in the future: set the "
			    "clock");
			return;
		}
	if (now + STEP < tokend.started || now / 1000 + 60 < key->created)
		finding_row(client, FINDING_PROBLEM, "clock",
		    "it was set back behind the start of the server, or the "
		    "making of its key: tokens seem to come from the future; "
		    "set the clock");
	else
		finding_row(client, FINDING_OK, "clock",
		    "nothing that is known comes from the future");
}

static void
about_disk(struct client_request *client)
{
	enum finding_state state;
	char text[256];
	int fd;

	fd = open(tokend.settings->store, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd == -1) {
		finding_row(client, FINDING_PROBLEM, "store",
		    "%s: %s: is it still there?", tokend.settings->store,
		    strerror(errno));
		return;
	}
	state = space_look(fd, text, sizeof(text));
	(void)close(fd);
	finding_row(
	    client, state, "store", "%s: %s", tokend.settings->store, text);
}

void
findings_own(struct client_request *client, const struct measured *measured)
{
	about_clock(client, measured);
	about_disk(client);
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
about_keys(struct client_request *client)
{
	uint64_t created = keyring_active(&tokend.ring)->created;
	uint64_t now = wall_clock() / 1000;
	unsigned long days;
	struct problem problem;

	if (check_keys(&problem) == -1) {
		finding_row(
		    client, FINDING_PROBLEM, "keys", "%s", problem.text);
		return;
	}
	days = now < created ? 0 : (unsigned long)((now - created) / 86400);
	if (now > created && now - created > 2 * YEAR)
		finding_row(client, FINDING_WARNING, "keys",
		    "%zu can be read; the active one is %lu days old: "
		    "`tokenctl rotate key`",
		    tokend.ring.count, days);
	else
		finding_row(client, FINDING_OK, "keys",
		    "%zu can be read; the active one is %lu days old",
		    tokend.ring.count, days);
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

static void
scanned(struct client_request *client, int result)
{
	if (result == 2)
		finding_row(client, FINDING_PROBLEM, "store",
		    "a record cannot be read: restore it from a backup");
	else if (result != 0 || batch_flush(&tokend.batch) == -1 ||
	    store_self_test(tokend.store) == -1)
		finding_row(client, FINDING_PROBLEM, "store",
		    "%s: restore it from a backup",
		    store_problem(tokend.store));
	else
		finding_row(client, FINDING_OK, "store",
		    "%llu records are sound, and one could be written",
		    (unsigned long long)client->count);
	about_keys(client);
	control_end(client, CONTROL_OK, "");
}

static int
step(struct client_request *client)
{
	struct sounding sounding = {client, RECORDS_AT_ONCE};
	int more;

	more = store_each(tokend.store, bytes_of("", 0),
	    record_key_bytes(&client->next), each_record, &sounding);
	if (more == 1)
		return 1;
	scanned(client, more);
	return 0;
}

void
findings_store(struct client_request *client)
{
	client->count = 0;
	client->next.length = 0;
	control_run(client, step);
}
