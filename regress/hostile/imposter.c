/* SPDX-License-Identifier: ISC */
/*
 * Stands where a role's executable should be, and lies to the parent. When a
 * file `lie` lies beside it, it is taken away, and what it says is done once;
 * else the real executable (the same name with `.real`) runs. Lies: junk,
 * type NUMBER, exit STATUS, hang, close (and live on), complain ROLE TIMES (of
 * its instance 0).
 */
#include <sys/types.h>
#include <sys/socket.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/imsg.h"
#include "imsg/messages.h"

#define PARENT 3

static struct imsgbuf buf;

/* Any message with every field empty or 0. */
static void
say(uint16_t number)
{
	static uint8_t body[MESSAGE_MAX];
	const struct message_row *row = message_find(number);

	(void)imsg_compose(
	    &buf, number, 0, 0, -1, body, row == NULL ? 1 : row->shortest);
	(void)imsgbuf_flush(&buf);
}

static void
drain(void)
{
	struct imsg imsg;

	while (imsgbuf_read(&buf) == 1)
		while (imsg_get(&buf, &imsg) > 0)
			imsg_free(&imsg);
	_exit(1);
}

static void
complain(const char *of_whom)
{
	char *rest;
	union message m = {
	    .complaint = {.role = (uint8_t)strtoul(of_whom, &rest, 10),
		.problem = bytes_text("I do not like it")}};
	unsigned long times = strtoul(rest, NULL, 10);
	const struct message_row *row = message_find(MSG_COMPLAINT);
	uint8_t body[256];

	message_encode(row, &m, body);
	while (times-- > 0)
		(void)imsg_compose(
		    &buf, MSG_COMPLAINT, 0, 0, -1, body, message_size(row, &m));
	(void)imsgbuf_flush(&buf);
}

static void
lie(const char *what)
{
	static char junk[5000];

	imsgbuf_init(&buf, PARENT);
	imsgbuf_allow_fdpass(&buf);
	imsgbuf_set_maxsize(&buf, MESSAGE_MAX);
	if (strncmp(what, "junk", 4) == 0) {
		memset(junk, 0xff, sizeof(junk));
		(void)!write(PARENT, junk, sizeof(junk));
	} else if (strncmp(what, "type ", 5) == 0)
		say((uint16_t)strtoul(what + 5, NULL, 0));
	else if (strncmp(what, "complain ", 9) == 0)
		complain(what + 9);
	else if (strncmp(what, "exit ", 5) == 0)
		_exit(atoi(what + 5));
	else if (strncmp(what, "close", 5) == 0)
		close(PARENT);
	if (strncmp(what, "hang", 4) == 0 || strncmp(what, "close", 5) == 0)
		for (;;)
			pause();
	drain();
}

int
main(int argc, char *argv[])
{
	char path[1024], what[64] = "";
	FILE *file;

	(void)argc;
	(void)snprintf(path, sizeof(path), "%s.lie", argv[0]);
	if ((file = fopen(path, "r")) != NULL && unlink(path) == 0 &&
	    fgets(what, sizeof(what), file) != NULL)
		lie(what);
	(void)snprintf(path, sizeof(path), "%s.real", argv[0]);
	(void)execv(path, argv);
	return 1;
}
