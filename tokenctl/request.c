/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <errno.h>
#include <event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "imsg/channel.h"
#include "imsg/control.h"
#include "imsg/messages.h"
#include "tokenctl/backup.h"
#include "tokenctl/fail.h"
#include "tokenctl/findings.h"
#include "tokenctl/output.h"
#include "tokenctl/request.h"

/* A revocation waits up to 20 s for what is in flight; a backup copies. */
#define ANSWER_SECONDS 60

static int connection = -1;
static struct output *output;
static int finished;
static int problems; /* of `check` */
static uint8_t status;
static char text[4097];

static void on_row(struct channel *, const union message *, int);
static void on_file(struct channel *, const union message *, int);
static void on_end(struct channel *, const union message *, int);

static const struct channel_handler handlers[] = {
    {MSG_CONTROL_ROW, on_row},
    {MSG_CONTROL_FILE, on_file},
    {MSG_CONTROL_END, on_end},
    {0, NULL},
};

/* What a control status means to the shell. */
static const struct {
	uint8_t status;
	int code;
	const char *advice; /* when the daemon says nothing itself */
} codes[] = {
    {CONTROL_USAGE, EX_USAGE,
	"the daemon does not know this command: is it of another "
	"version?"},
    {CONTROL_DATA, EX_DATAERR, "the address or the token is not good"},
    {CONTROL_AGAIN, EX_TEMPFAIL, "try again"},
    {CONTROL_REFUSED, EX_NOPERM,
	"not allowed: run it as root or as the daemon's user"},
    {CONTROL_FAILED, EX_SOFTWARE, "it failed: see the log"},
};

void
request_connect(const char *socket_path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlcpy(address.sun_path, socket_path, sizeof(address.sun_path)) >=
	    sizeof(address.sun_path))
		fail(EX_USAGE, "%s: the name of a socket is shorter",
		    socket_path);
	if ((connection = socket(AF_UNIX, SOCK_STREAM, 0)) == -1)
		fail(EX_OSERR, "socket: %s", strerror(errno));
	if (connect(connection, (struct sockaddr *)&address, sizeof(address)) ==
	    0)
		return;
	if (errno == EACCES || errno == EPERM)
		fail(EX_NOPERM,
		    "%s: not allowed: be root, or in the group of the socket",
		    socket_path);
	fail(EX_UNAVAILABLE,
	    "%s: %s: is smtpd-stoken running? -s names another socket",
	    socket_path, strerror(errno));
}

static void
on_row(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	problems += findings_is_problem(m->control_row.fields);
	if (output_row(output, m->control_row.fields) == -1)
		fail(EX_PROTOCOL, "the daemon's answer is not understood");
}

static void
on_file(struct channel *c, const union message *m, int fd)
{
	const struct msg_control_file *f = &m->control_file;

	(void)c;
	(void)fd;
	backup_piece(f->name, f->data, f->last);
}

static void
on_end(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	finished = 1;
	status = m->control_end.status;
	if (bytes_copy(text, sizeof(text), m->control_end.text) == -1)
		text[0] = '\0';
}

/*
 * The arguments in the order of the verb, and the secret behind them. The
 * directory of a backup is ours alone.
 */
static struct bytes
list_arguments(uint8_t *data, size_t size, const struct command *command,
    const char *secret)
{
	struct list_writer list;
	size_t i, count = command->count;
	int result = 0;

	if (command->verb->number == CONTROL_VERB_BACKUP)
		count = 0;
	list_init(&list, data, size);
	for (i = 0; i < count && result == 0; i++)
		result = list_add(&list, bytes_text(command->values[i]));
	if (secret != NULL && result == 0)
		result = list_add(&list, bytes_text(secret));
	if (result == -1)
		fail(EX_USAGE, "the arguments are too long");
	return list_bytes(&list);
}

static void
gone(struct channel *c, enum channel_end end, const char *why)
{
	(void)c;
	(void)end;
	(void)why;
}

static void
wait_for_answer(struct channel *c)
{
	time_t start = time(NULL);
	int n = 1;

	while (!finished && n == 1)
		n = channel_receive_within(c, ANSWER_SECONDS * 1000);
	if (finished)
		return;
	backup_close(0);
	if (n == -1)
		fail(EX_PROTOCOL,
		    "the daemon's answer is not understood: is it of another "
		    "version?");
	if (time(NULL) - start >= ANSWER_SECONDS)
		fail(EX_TEMPFAIL, "no answer within %d seconds: try again",
		    ANSWER_SECONDS);
	fail(
	    EX_UNAVAILABLE, "the daemon ended before it answered: see its log");
}

/* Exits with what the daemon said, unless that was yes. */
static void
judge(void)
{
	size_t i;

	backup_close(status == CONTROL_OK);
	if (status == CONTROL_OK)
		return;
	output_abandon(output);
	for (i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i].status == status)
			fail(codes[i].code, "%s",
			    text[0] == '\0' ? codes[i].advice : text);
	}
	fail(EX_PROTOCOL, "the daemon's answer is not understood");
}

void
request_run(const struct command *command, const char *secret, int json)
{
	struct channel_settings settings = {.self = ROLE_CONTROL,
	    .peer = ROLE_TOKEND,
	    .handlers = handlers,
	    .gone = gone};
	union message m = {.control_request = {.version = CONTROL_VERSION,
			       .verb = command->verb->number}};
	static uint8_t data[8192];
	struct channel *c;

	m.control_request.arguments =
	    list_arguments(data, sizeof(data), command, secret);
	output = output_open(stdout, verb_shape(command->verb), json);
	if (output == NULL || event_init() == NULL ||
	    (c = channel_open(connection, &settings)) == NULL)
		fail(EX_OSERR, "out of memory");
	channel_set_phase(PHASE_RUNNING);
	if (channel_send(c, MSG_CONTROL_REQUEST, &m, -1) == -1)
		fail(EX_USAGE, "the arguments are too long");
	if (channel_flush(c) == -1)
		fail(EX_UNAVAILABLE, "the daemon does not read: see its log");
	explicit_bzero(data, sizeof(data));
	wait_for_answer(c);
	judge();
	if (output_close(output) == -1)
		fail(EX_IOERR, "cannot write to standard output");
	if (verb_shape(command->verb) == SHAPE_FINDINGS && problems > 0)
		exit(1);
}
