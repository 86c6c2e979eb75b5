/* SPDX-License-Identifier: ISC */
/* A client whose every step is picked by one octet, and compared (T07). */
#include "regress/unit/chunk_model.h"
#include "regress/unit/smtp_world.h"

struct walk {
	struct world *world;
	struct model model;
};

/* Text for BDAT. */
static const struct {
	const char *data;
	size_t size;
} walk_texts[] = {
    {"", 0},
    {"a", 1},
    {"Subject: x\r\n", 12},
    {"\r\n", 2},
    {"\r", 1},
    {"\n", 1},
    {"\r\n.\r\n", 5},
    {".", 1},
    {"QUIT\r\nRSET\r\n", 12},
    {"x\0y", 3},
    {"\r\n\r\nbody\n\r\0", 11},
    {"one\r\ntwo\r\n\r\n", 12},
    {"BDAT 3 LAST\r\n", 13},
    {"\xff\xfe", 2},
    {"x\ny\r\n", 5},
};

/* Containers, with their type. */
static const struct {
	const char *data;
	size_t size;
} walk_containers[] = {
    {"", 0},
    {"\0", 1},
    {"\0\0", 2},
    {"\0\0X-A: 1\r\n", 10},
    {"\0\0X-B: 2\r\n\tmore\r\nX-C: 3\r\n", 26},
    {"\0\0bad", 5},
    {"\0\0X-D: 1\r\n\r\n", 12},
    {"\0\1$Forwarded \\Seen", 18},
    {"\0\1", 2},
    {"\1\0\r\n.\r\n", 7},
    {"\xff\xff\0", 3},
};

#define WALK_TEXTS (sizeof(walk_texts) / sizeof(walk_texts[0]))
#define WALK_CONTAINERS (sizeof(walk_containers) / sizeof(walk_containers[0]))

static inline struct walk *
walk_new(int lmtp, int strict, int deferred)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	const char *hello = lmtp ? "LHLO c\r\n"
				 : "EHLO c.example\r\nAUTH PLAIN "
				   "AGFsaWNlQGEuZXhhbXBsZQBzZWNyZXQ=\r\n";

	if (walk == NULL)
		abort();
	walk->world = world_new(
	    lmtp ? SMTP_LISTENER_SOCKET : SMTP_LISTENER_SMTPS, deferred);
	walk->world->settings.metadata_strict = strict;
	walk->model.lmtp = lmtp;
	walk->model.strict = strict;
	world_feed(walk->world, hello, strlen(hello));
	world_answer(walk->world);
	walk->world->output_length = 0;
	walk->world->output[0] = '\0';
	return walk;
}

static inline void
walk_free(struct walk *walk)
{
	world_free(walk->world);
	free(walk);
}

/* "250 2.1.0," for each line of output; returns 0 if they are what is due. */
static inline int
walk_compare(struct walk *walk)
{
	const char *line = walk->world->output, *end, *due = walk->model.due;
	size_t n;

	for (; (end = strstr(line, "\r\n")) != NULL; line = end + 2) {
		n = strcspn(due, ",");
		if (n == 0 || strncmp(line, due, n) != 0 ||
		    (line[n] != ' ' && line[n] != '\r'))
			return -1;
		due += n + 1;
	}
	return *due == '\0' ? 0 : -1;
}

/*
 * The message below our trace fields is what the model has. A user's header
 * is added to: test_header.c has that.
 */
static inline int
walk_message(const struct walk *walk)
{
	static char disk[2 * MODEL_ROOM];
	const struct world *world = walk->world;
	size_t n = model_disk(&walk->model, disk);

	return !walk->model.lmtp ||
		(world->message_length >= n &&
		    memcmp(world->message + world->message_length - n, disk,
			n) == 0)
	    ? 0
	    : -1;
}

static inline void
walk_send(struct walk *walk, const char *line, const char *data, size_t size)
{
	world_feed(walk->world, line, strlen(line));
	world_feed(walk->world, data, size);
	world_answer(walk->world);
}

static inline void
walk_chunk(struct walk *walk, int bmtd, const char *data, size_t size,
    unsigned int how)
{
	static const char *const tails[] = {
	    "", " LAST", " last ", " LAST", "", "", "", " FIRST"};
	char line[64];

	snprintf(line, sizeof(line), "%s %s%zu%s\r\n", bmtd ? "BMTD" : "bdat",
	    how & 8 ? "000" : "", size, tails[how & 7]);
	model_chunk(&walk->model, bmtd, data, size,
	    (how & 7) >= 1 && (how & 7) <= 3, (how & 7) == 7);
	walk_send(walk, line, data, size);
}

/* One step. Returns 0, or -1 when it was not answered as it must be. */
static inline int
walk_step(struct walk *walk, unsigned int what, unsigned int how)
{
	struct model *m = &walk->model;
	int binary;

	walk->world->output_length = 0;
	walk->world->output[0] = '\0';
	m->due[0] = '\0';
	m->delivered = 0;
	switch (what % 8) {
	case 0:
		/* A user's header ends before text, and binary begins. */
		binary = (how & 1) && m->lmtp;
		model_mail(m, binary);
		walk_send(walk,
		    binary ? "MAIL FROM:<alice@a.example> BODY=BINARYMIME\r\n"
			   : "MAIL FROM:<alice@a.example>\r\n",
		    "", 0);
		break;
	case 1:
		model_rcpt(m, (how & 3) != 0);
		walk_send(walk,
		    how & 3 ? "RCPT TO:<bob@a.example>\r\n"
			    : "RCPT TO:<nobody@a.example>\r\n",
		    "", 0);
		break;
	case 2:
		if (how % 8 > 1) {
			model_rcpt(m, 1);
			walk_send(walk, "RCPT TO:<bob@a.example>\r\n", "", 0);
		} else if (how % 8 == 1) {
			model_rset(m);
			walk_send(walk, "RSET\r\n", "", 0);
		} else if (model_data(m))
			walk_send(walk, "DATA\r\n.\r\n", "", 0);
		else
			walk_send(walk, "DATA\r\n", "", 0);
		break;
	case 3:
		if (how % 16 != 0)
			return 0;
		if (m->chunks && !m->failed && m->mail && m->accepted > 0 &&
		    m->lost == NULL)
			m->lost = "452 4.3.1";
		smtp_message_lost(walk->world->session, SMTP_NO_SPACE);
		break;
	case 4:
	case 5:
		if (m->length + 16 > MODEL_ROOM)
			return 0;
		walk_chunk(walk, 0, walk_texts[how / 16 % WALK_TEXTS].data,
		    walk_texts[how / 16 % WALK_TEXTS].size, how);
		break;
	default:
		walk_chunk(walk, 1,
		    walk_containers[how / 16 % WALK_CONTAINERS].data,
		    walk_containers[how / 16 % WALK_CONTAINERS].size, how);
		break;
	}
	if (walk_compare(walk) == -1 ||
	    (m->delivered && walk_message(walk) == -1))
		return -1;
	return walk->world->held_length == 0 ? 0 : -1;
}
