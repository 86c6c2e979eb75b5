/* SPDX-License-Identifier: ISC */
/*
 * One process against liars. liar LIBEXEC ROLE DIR SEED starts the real
 * executable of ROLE, plays its parent and each of its peers, and sends
 *  - every message of the contract that this peer may not send it,
 *  - every message that it may, too short, too long, with a descriptor too
 *    many or too few, with lengths that lie, in broken frames,
 *  - every message that it may, well-formed and with nonsense in it.
 * The first two must end that channel and be reported to the parent; the
 * third may be answered, but never with a grant. The process must live on,
 * leak no descriptor, and end in order. Exit 0 when all that holds.
 */
#include <sys/types.h>
#include <sys/socket.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "regress/hostile/liar.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define NONSENSE_ROUNDS 60

static struct victim victim;

/* The static edges: who may talk to whom. */
static const enum role edges[][2] = {
    {ROLE_FRONTEND, ROLE_ENGINE},
    {ROLE_FRONTEND, ROLE_SIGN},
    {ROLE_ENGINE, ROLE_TOKEND},
    {ROLE_ENGINE, ROLE_LMTPD},
    {ROLE_ENGINE, ROLE_RELAY},
    {ROLE_RELAY, ROLE_TOKEND},
    {ROLE_TOKEND, ROLE_AUTH},
};

/* Answers that grant something: an octet that must not have this value. */
static int
grants(const struct message_row *row, const union message *m)
{
	switch (row->number) {
	case MSG_AUTH_RESULT:
		return m->auth_result.outcome == AUTH_OK;
	case MSG_PASSWORD_RESULT:
		return m->password_result.outcome == AUTH_OK;
	case MSG_RCPT_VERDICT:
		return m->rcpt_verdict.verdict == VERDICT_OK;
	case MSG_COMMIT_GRANT:
		return m->commit_grant.tickets.length > 0;
	case MSG_COMMIT_RESULT:
		return m->commit_result.tokens.length > 2;
	case MSG_SENDER_VERDICT:
		return m->sender_verdict.verdict == VERDICT_OK;
	case MSG_TOKEN_GENERATED:
		return m->token_generated.verdict == TOKEN_VERDICT_OK;
	case MSG_HELD_TOKEN:
		return m->held_token.token.length > 0 ||
		    m->held_token.mine.length > 0;
	case MSG_HELD_KEPT:
		return m->held_kept.ok;
	case MSG_TOKEN_REVOKED:
		return m->token_revoked.verdict == TOKEN_VERDICT_OK;
	case MSG_DELIVERED:
		return memchr(m->delivered.results.data, DELIVERY_OK,
			   m->delivered.results.length) != NULL;
	case MSG_RELAY_OPENED:
		return m->relay_opened.code / 100 == 2;
	case MSG_RELAY_RESULT:
		return m->relay_result.outcome == RELAY_SENT;
	case MSG_SIGN_REPLY:
		return m->sign_reply.ok;
	default:
		return 0;
	}
}

static void
judge(const struct message_row *row, const union message *m)
{
	if (grants(row, m))
		fail("%s granted to a liar", row->name);
}

static void
want_refused(struct liar *l, const char *what, const char *name)
{
	unsigned int before = victim.complaints;

	liar_listen(l, 3000, judge);
	if (!l->closed)
		fail("%s from %s: %s: not refused", name, role_name(l->role),
		    what);
	victim_listen(&victim, 1);
	if (victim.complaints == before)
		victim_listen(&victim, 1000);
	if (victim.complaints == before)
		fail("%s from %s: %s: no complaint", name, role_name(l->role),
		    what);
	if (!victim_alive(&victim))
		fail("%s from %s: %s: it died", name, role_name(l->role), what);
	liar_end(l);
}

static uint64_t
any_number(void)
{
	static const uint64_t special[] = {0, 1, 2, 7, 8, 255, 256, 0x7fffffff,
	    0xffffffff, UINT64_MAX, INT64_MAX};

	return random() % 2 ? special[(size_t)random() % COUNT(special)]
			    : (uint64_t)random() << 32 | (uint64_t)random();
}

static struct bytes
any_bytes(size_t most)
{
	static const char *const texts[] = {"alice@a.example", "bob@a.example",
	    "x@b.example", "", "PLAIN", "STOKEN", "SCRAM-SHA-256-PLUS",
	    "../../etc", "127.0.0.1", "AAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAA-1",
	    "\x0f\0alice@a.example", "%s%n", "\r\n.\r\n"};
	static uint8_t noise[MESSAGE_MAX];
	struct bytes bytes;
	size_t i;

	if (random() % 2) {
		bytes = bytes_text(texts[(size_t)random() % COUNT(texts)]);
		if (bytes.length <= most)
			return bytes;
	}
	for (i = 0; i < 64; i++)
		noise[(size_t)random() % sizeof(noise)] = (uint8_t)random();
	if (random() % 8 == 0)
		return bytes_of(noise, most);
	return bytes_of(noise, (size_t)random() % (most < 64 ? most + 1 : 64));
}

/* Fills in a message that fits its row and makes no sense. */
static void
any_message(const struct message_row *row, union message *m)
{
	size_t i;
	void *at;

	memset(m, 0, sizeof(*m));
	for (i = 0; i < row->field_count; i++) {
		at = (char *)m + row->fields[i].offset;
		switch (row->fields[i].kind) {
		case FIELD_U8:
			*(uint8_t *)at = (uint8_t)(random() % 9);
			break;
		case FIELD_U16:
			*(uint16_t *)at = (uint16_t)any_number();
			break;
		case FIELD_U32:
			*(uint32_t *)at = (uint32_t)any_number();
			break;
		case FIELD_U64:
			*(uint64_t *)at = any_number();
			break;
		case FIELD_BYTES:
			*(struct bytes *)at = any_bytes(row->fields[i].most);
			break;
		}
	}
}

/* A descriptor for a message: a socket with nobody behind it, or a file. */
static int
any_descriptor(void)
{
	int pair[2];

	if (random() % 2)
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		fail("socketpair");
	close(pair[1]);
	return pair[0];
}

static uint8_t body[2 * MESSAGE_MAX];

static size_t
encode(const struct message_row *row, union message *m)
{
	size_t size = message_size(row, m);

	if (size == 0 || size > sizeof(body))
		fail("%s does not fit", row->name);
	message_encode(row, m, body);
	return size;
}

static void
forbidden(enum role role, const struct message_row *row)
{
	struct liar l;
	union message m;
	size_t size;

	any_message(row, &m);
	size = encode(row, &m);
	victim_join(&victim, &l, role);
	liar_say(&l, row->number, body, size,
	    row->descriptor == DESCRIPTOR_ALWAYS ? any_descriptor() : -1);
	want_refused(&l, "not its to say", row->name);
}

static void
misshapen(enum role role, const struct message_row *row)
{
	int fd = row->descriptor == DESCRIPTOR_ALWAYS ? any_descriptor() : -1;
	struct liar l;
	union message m;

	memset(&m, 0, sizeof(m));
	(void)encode(row, &m);
	victim_join(&victim, &l, role);
	liar_say(&l, row->number, body, row->shortest - 1,
	    fd == -1 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0));
	want_refused(&l, "too short", row->name);

	victim_join(&victim, &l, role);
	liar_say(&l, row->number, body, row->shortest + 1,
	    fd == -1 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0));
	want_refused(&l, "an octet too many", row->name);

	memset(body, 0xff, row->shortest);
	victim_join(&victim, &l, role);
	if (row->fields[row->field_count - 1].kind == FIELD_BYTES) {
		liar_say(&l, row->number, body, row->shortest,
		    fd == -1 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0));
		want_refused(&l, "a length that lies", row->name);
	} else
		liar_end(&l);

	if (row->descriptor != DESCRIPTOR_MAYBE) {
		memset(body, 0, row->shortest);
		victim_join(&victim, &l, role);
		liar_say(&l, row->number, body, row->shortest,
		    row->descriptor == DESCRIPTOR_ALWAYS ? -1
							 : any_descriptor());
		want_refused(&l, "descriptor", row->name);
	}
	if (fd != -1)
		close(fd);
}

static void
broken_frames(enum role role)
{
	static const struct imsg_hdr headers[] = {{0x0500, 0, 0, 0},
	    {0x0500, 15, 0, 0}, {0x0500, 0x3fffffff, 0, 0},

	    {0x0500, MESSAGE_MAX + sizeof(struct imsg_hdr) + 1, 0, 0}};
	static const uint32_t unknown[] = {
	    0, 0x7fff, 0xffff, 0x0050, 0x053f, 0x10000, UINT32_MAX};
	struct liar l;
	size_t i;

	for (i = 0; i < COUNT(headers); i++) {
		victim_join(&victim, &l, role);
		liar_write(&l, &headers[i], sizeof(headers[i]));
		want_refused(&l, "length of the frame", "frame");
	}
	for (i = 0; i < COUNT(unknown); i++) {
		victim_join(&victim, &l, role);
		liar_say(&l, unknown[i], "x", 1, -1);
		want_refused(&l, "no such message", "frame");
	}
	/* Half a frame and the end: that is a dead peer, not a liar. */
	victim_join(&victim, &l, role);
	liar_write(&l, &headers[3], 7);
	liar_end(&l);
	/* Many descriptors in one go, without frames. */
	victim_join(&victim, &l, role);
	for (i = 0; i < 64; i++)
		liar_say(&l, 0x7ffe, "x", 1, any_descriptor());
	want_refused(&l, "descriptors", "frame");
}

/* Well-formed, allowed, and nonsense. */
static void
nonsense(enum role role, const struct message_row *row)
{
	struct liar l;
	union message m;
	size_t size;
	int i, fd;

	victim_join(&victim, &l, role);
	for (i = 0; i < NONSENSE_ROUNDS; i++) {
		any_message(row, &m);
		size = encode(row, &m);
		fd = row->descriptor == DESCRIPTOR_ALWAYS ||
			(row->descriptor == DESCRIPTOR_MAYBE && i % 2)
		    ? any_descriptor()
		    : -1;
		liar_say(&l, row->number, body, size, fd);
		liar_listen(&l, 0, judge);
		if (l.closed) {
			liar_end(&l);
			victim_listen(&victim, 5);
			victim_join(&victim, &l, role);
		}
		if (!victim_alive(&victim))
			fail("%s from %s: nonsense killed it", row->name,
			    role_name(role));
	}
	liar_listen(&l, 50, judge);
	liar_end(&l);
}

static void
peer(enum role role)
{
	const struct message_row *row;
	int before, after;
	size_t i;

	before = victim_descriptors(&victim);
	for (i = 0; (row = message_row_at(i)) != NULL; i++)
		if (row->from != role || row->to != victim.role)
			forbidden(role, row);
		else
			misshapen(role, row);
	broken_frames(role);
	victim_listen(&victim, 50);
	after = victim_descriptors(&victim);
	/* The last channel may not be closed yet. */
	if (before != -1 && after > before + 1)
		fail("%d descriptors, %d before", after, before);
	for (i = 0; (row = message_row_at(i)) != NULL; i++)
		if (row->from == role && row->to == victim.role)
			nonsense(role, row);
}

int
main(int argc, char *argv[])
{
	enum role role;
	size_t i;

	if (argc != 5)
		fail("usage: liar LIBEXEC ROLE DIR SEED");
	(void)signal(SIGPIPE, SIG_IGN);
	srandom((unsigned int)atoi(argv[4]));
	for (role = ROLE_PARENT; role < ROLE_COUNT; role++)
		if (strcmp(role_name(role), argv[2]) == 0)
			break;
	victim_start(&victim, role, argv[1], argv[3]);
	for (i = 0; i < COUNT(edges); i++) {
		if (edges[i][0] == role)
			peer(edges[i][1]);
		if (edges[i][1] == role)
			peer(edges[i][0]);
	}
	if (!victim_alive(&victim))
		fail("%s died", argv[2]);
	if (victim_stop(&victim) != 0)
		fail("%s does not end in order", argv[2]);
	printf("%s: %u lies, %u replies, %u complaints\n", argv[2], liar_lies,
	    liar_replies, victim.complaints);
	return 0;
}
