/* SPDX-License-Identifier: ISC */
/* tokenctl: the operator's tool. See tokenctl(8). */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "paths.h"
#include "imsg/control.h"
#include "tokenctl/backup.h"
#include "tokenctl/encrypt.h"
#include "tokenctl/fail.h"
#include "tokenctl/request.h"
#include "tokenctl/secret.h"
#include "tokenctl/verbs.h"

#define TOKEN_SIZE 256 /* octets of a token, and a NUL */

/* What a command needs beyond the socket. */
static const struct {
	uint16_t number;
	const char *promises; /* at first */
	const char *narrow; /* once the socket is connected */
} needs[] = {
    {VERB_ENCRYPT, "stdio rpath wpath tty", NULL},
    {CONTROL_VERB_SHOW_TOKEN, "stdio unix rpath wpath tty", "stdio"},
    {CONTROL_VERB_BACKUP, "stdio unix rpath wpath cpath fattr",
	"stdio rpath wpath cpath"},
    {0, "stdio unix", "stdio"},
};

__attribute__((noreturn)) static void
usage(void)
{
	size_t i;

	(void)fprintf(stderr, "usage: tokenctl [-j] [-s socket] command ...\n");
	for (i = 0; i < verb_count; i++)
		(void)fprintf(stderr, "  %s%s%s\n", verbs[i].words,
		    verbs[i].arguments[0] == '\0' ? "" : " ",
		    verbs[i].arguments);
	exit(EX_USAGE);
}

static void
promise(const char *promises)
{
	if (promises != NULL && pledge(promises, NULL) == -1)
		fail(EX_OSERR, "pledge %s: %s", promises, strerror(errno));
}

static void
run(const struct command *command, const char *socket_path, int json)
{
	char token[TOKEN_SIZE];
	uint16_t number = command->verb->number;
	size_t i = 0;

	while (needs[i].number != 0 && needs[i].number != number)
		i++;
	promise(needs[i].promises);
	if (number == VERB_ENCRYPT) {
		encrypt_run(command, json);
		return;
	}
	request_connect(socket_path);
	if (number == CONTROL_VERB_SHOW_TOKEN)
		(void)secret_read(token, sizeof(token), "Token: ", 0);
	if (number == CONTROL_VERB_BACKUP)
		backup_open(command->values[0]);
	promise(needs[i].narrow);
	request_run(
	    command, number == CONTROL_VERB_SHOW_TOKEN ? token : NULL, json);
	explicit_bzero(token, sizeof(token));
}

int
main(int argc, char *argv[])
{
	const char *socket_path = PATH_CONTROL;
	struct command command;
	char problem[256];
	int option, json = 0;

	/* "+": words that follow the command are no options. */
	while ((option = getopt(argc, argv, "+js:")) != -1) {
		switch (option) {
		case 'j':
			json = 1;
			break;
		case 's':
			socket_path = optarg;
			break;
		default:
			usage();
		}
	}
	argc -= optind;
	argv += optind;
	if (argc == 0)
		usage();
	(void)signal(SIGPIPE, SIG_IGN);
	if (verb_parse(&command, argc, argv, problem, sizeof(problem)) == -1)
		fail(EX_USAGE, "%s", problem);
	run(&command, socket_path, json);
	return EX_OK;
}
