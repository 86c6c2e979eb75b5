/* SPDX-License-Identifier: ISC */
/*
 * The control socket: tokenctl asks one thing at a time. Whoever can connect
 * may look (the socket's mode says who that is); root and the daemon's owner
 * may change. A client that breaks the contract is dropped, nothing else
 * happens.
 */
#ifndef TOKEND_CONTROL_H
#define TOKEND_CONTROL_H

#include <event.h>

#include "imsg/control.h"
#include "lib/address.h"
#include "lib/row.h"
#include "tokend/tokend.h"

struct client_request;
struct measured;

/*
 * Goes on with an answer of many parts: returns 1 when there is more, 0
 * when the answer was ended by control_end().
 */
typedef int control_step(struct client_request *);

/* One client, and what it asked for last. */
struct client_request {
	struct channel *channel; /* NULL: it went away while an answer waits */
	uint64_t number; /* of the client: never used again */
	uint32_t uid;
	int busy;
	int moved; /* since control_sweep() looked last */
	control_step *step; /* or NULL */
	struct event again;
	struct record_key next; /* where a list goes on */
	char remote[ADDRESS_SIZE];
	char local[ADDRESS_SIZE];
	struct store_backup *backup;
	uint64_t count;
	int keys_fd;
	uint32_t reload;
	/* measure.c: what is to be done with what it waits for; or NULL */
	void (*measured)(struct client_request *, const struct measured *);
	int measure_check;
};

/* Takes the listening socket over. */
void control_listen(int fd);
void control_close(void);

/*
 * Once a minute: drops clients that asked for nothing, or took nothing of a
 * long answer, since the last time: while a backup is made the log grows.
 */
void control_sweep(void);

/* By number, since a client may go while something is under way. */
struct client_request *control_find(uint64_t number);

/* Calls `function` for all clients; it may not drop one. */
void
control_each(void (*function)(struct client_request *, void *), void *argument);

/* Ends the answer; `status` is an enum control_status. */
void control_end(struct client_request *client, enum control_status status,
    const char *text);
/* Ends it by what became of a revocation or the like. */
void
control_end_verdict(struct client_request *client, enum token_verdict verdict);
/* Goes on with client->step whenever the client can take more. */
void control_run(struct client_request *client, control_step *step);

/* A row: start it, add to `list` (lib/row.h; it has room), send it. */
struct row {
	uint8_t data[12288];
	struct list_writer list;
};
void row_start(struct row *row);
void row_send(struct client_request *client, const struct row *row);

/* Verbs: `arguments` is a LIST. control_show.c, control_change.c, ... */
typedef void control_function(struct client_request *, struct bytes arguments);
control_function control_show_tokens, control_show_token, control_show_held,
    control_show_keys, control_show_sessions, control_show_stats,
    control_show_reauth, control_show_jwks, control_show_metrics,
    control_show_dns;
control_function control_generate_temporary, control_generate_permanent,
    control_revoke_pair, control_revoke_local, control_revoke_remote,
    control_revoke_domain, control_revoke_all, control_revoke_user,
    control_revoke_reauth, control_rotate_key, control_retire_key,
    control_reload, control_log_brief, control_log_verbose, control_backup,
    control_check;

/*
 * Reads the next argument as a canonical address, or ends the answer and
 * returns -1. An empty one gives "".
 */
int control_address(struct client_request *client, struct bytes *arguments,
    const char *what, char out[ADDRESS_SIZE]);

/* Handler of the parent's answer to a reload. */
void on_reload_done(struct channel *, const union message *, int fd);

#endif
