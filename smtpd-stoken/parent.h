/* SPDX-License-Identifier: ISC */
/* The parent process: it starts the others, configures and replaces them. */
#ifndef SMTPD_STOKEN_PARENT_H
#define SMTPD_STOKEN_PARENT_H

#include <sys/types.h>

#include <stddef.h>
#include <stdint.h>

#include "imsg/channel.h"
#include "imsg/messages.h"
#include "smtpd-stoken/config.h"
#include "smtpd-stoken/roles.h"

struct child {
	const struct role_row *row;
	uint8_t instance;
	uint8_t trusted;
	uint8_t restarted;
	pid_t pid; /* 0: not running */
	struct channel *channel; /* NULL: not running */
	uint32_t generation; /* of the commit that it was sent */
	int ready; /* it took that commit */
	int asked; /* of a reload: its answer is awaited */
	int counting; /* its COUNTED is awaited */
	unsigned int heard; /* of it, before that */
	uint64_t *counted; /* METRIC_SLOTS, what it said last; or NULL */
	time_t started; /* monotonic seconds */
	unsigned int failures; /* quick deaths in a row */
	unsigned int complaints; /* of its peers, since: */
	time_t complains; /* monotonic seconds */
	struct event *restart; /* timer */
	struct event *overdue; /* timer: it should be ready by then */
};

/* The sockets that the parent bound; kept for children to come. */
struct bound {
	int fd;
	const struct listener *listener; /* in the configuration in force */
	char *name;
};

struct parent {
	struct config *config;
	const char *config_path;
	struct macro *macros;
	const char *libexec; /* where the executables are */
	int debug;
	int verbose;
	int self_test; /* -n -v: start all, listen to nobody, stop */

	struct child *children;
	size_t child_count;
	uint32_t generation;
	int started; /* all were ready once */
	int stopping; /* SIGTERM came */
	uint8_t ticket_key[32];

	struct bound *bound;
	size_t bound_count;
	int control; /* listening, or -1 */
};

extern struct parent parent;

/* children.c: the process table. */
void children_start(void);
struct child *child_of_channel(const struct channel *);
int children_ready(void); /* all of them */
void children_reaped(void); /* SIGCHLD */
void children_stop(void); /* SIGTERM: in order, within the time allowed */
void child_kill(enum role, uint8_t instance);
void parent_ready(void); /* main.c: every process is ready */
void parent_failed(const char *problem); /* main.c: the start failed */

/* setup.c: what a child is told. */
void setup_send(struct child *); /* all but the commit */
void setup_commit(struct child *);
/* setup-settings.c: what is in it for them. */
struct settings *setup_settings(const struct config *);
void setup_wire(struct child *); /* its edges to those that run */
extern const struct channel_handler parent_handlers[];

/* listeners.c: sockets. -1 with the first problem; further ones are logged. */
int listeners_open(const struct config *, struct bound **, size_t *count,
    char *problem, size_t size);
void listeners_close(struct bound *, size_t count);
int control_open(const struct config *, char *problem, size_t size);

/* login.c: tokend-auth wants a connection to the login server. */
void on_login_connect(struct channel *, const union message *, int fd);

/* notify.c: tells a service manager that asked for it how things are. */
void notify(const char *state);

/* reload.c: SIGHUP or `tokenctl reload`. */
void reload_start(struct channel *asker, uint32_t request);
void reload_answered(struct child *, int ok, const char *problem);
/* It died before it answered. */
void reload_lost(struct child *);

/* measure.c: for `tokenctl show metrics` and `check`. */
void on_measure(struct channel *, const union message *, int fd);
void on_counted(struct channel *, const union message *, int fd);
void on_certificate(struct channel *, const union message *, int fd);
void on_finding(struct channel *, const union message *, int fd);
void measure_start(void);
/* It died: what it counted stays. */
void measure_lost(struct child *);

#endif
