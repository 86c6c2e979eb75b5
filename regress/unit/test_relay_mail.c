/* SPDX-License-Identifier: ISC */
/*
 * What relay decides about a mail: random walks over everything that a next
 * hop may do to the copies of a mail, also from within what is done to it.
 * Engines, hops and connections are played here.
 *
 * objects: smtpd-stoken/relay/mail.o smtpd-stoken/relay/sharing.o smtpd-stoken/relay/metadata.o
 * libs: -lcrypto
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "smtpd-stoken/relay/connection.h"
#include "smtpd-stoken/relay/engines.h"
#include "smtpd-stoken/relay/hop.h"
#include "smtpd-stoken/relay/token_route.h"

#define COPIES 6
#define RECIPIENTS 8
#define WALKS 20000

static struct engine engine;
static struct mail *mail; /* NULL: it was freed */
static struct connection connections[COPIES * 4];

/* What the engine has heard of each recipient. */
static struct {
	int asked, opened, accepted, told;
	enum relay_outcome outcome;
} heard[RECIPIENTS];
static int last; /* RELAY_RESULT said so */
static int sending; /* RELAY_DATA was said */
static size_t released, accepted; /* copies: released; with a 250 */
static int refused_first;
static int refused_late; /* behind RELAY_DATA: then nothing may be `last` */
static int depth;

static void disturb(const struct copy *);

void
engine_tell_opened(const struct mail *m, uint32_t number, unsigned int code,
    const char *enhanced, const char *text)
{
	(void)m;
	assert_true(heard[number].asked);
	assert_false(heard[number].opened);
	assert_true(code >= 200 && code < 600);
	assert_int_equal(enhanced[0], '0' + (int)(code / 100));
	assert_true(text[0] != '\0');
	heard[number].opened = 1;
	heard[number].accepted = code / 100 == 2;
	if (!heard[number].accepted && sending)
		refused_late = 1;
}

void
engine_tell_result(const struct mail *m, uint32_t number,
    const struct verdict *verdict, int is_last)
{
	assert_ptr_equal(m, mail);
	assert_true(sending);
	assert_true(heard[number].accepted);
	assert_false(heard[number].told);
	assert_false(last);
	heard[number].told = 1;
	heard[number].outcome = verdict->outcome;
	last = is_last;
}

void
engine_remove(struct mail *m)
{
	assert_ptr_equal(m, mail);
	assert_true(TAILQ_EMPTY(&m->copies));
	assert_int_equal(m->connections, 0);
	if (m->fd != -1)
		close(m->fd);
	free(m);
	mail = NULL;
}

void
hop_reply(struct client_reply *reply, const char *enhanced, const char *text)
{
	reply->source = CLIENT_LOST;
	reply->code = 451;
	(void)strlcpy(reply->enhanced, enhanced, sizeof(reply->enhanced));
	(void)strlcpy(reply->text, text, sizeof(reply->text));
}

/* Of the token route: test_token_route.c. */
int
route_begin(struct copy *copy, const struct msg_relay_open *m)
{
	(void)copy;
	(void)m;
	return 0;
}

void
route_data(struct copy *copy, int hold)
{
	(void)copy;
	(void)hold;
	fail();
}

void
route_release(struct copy *copy)
{
	(void)copy;
	fail();
}

void
route_withdraw(struct copy *copy)
{
	(void)copy;
	fail();
}

void
hop_submit(struct copy *copy)
{
	copy->state = COPY_WAITS;
}

static void
connect_copy(struct copy *copy)
{
	size_t i = 0;

	while (connections[i].copy != NULL)
		i++;
	connections[i].copy = copy;
	copy->connection = &connections[i];
	copy->state = COPY_OPEN;
	copy->mail->connections++;
	if (copy->mail->fd != -1)
		copy_may_send(copy);
}

void
connection_finish(struct connection *c)
{
	c->copy->connection = NULL;
	c->copy->mail->connections--;
	c->copy = NULL;
}

void
hop_withdraw(struct copy *copy)
{
	if (copy->connection != NULL) {
		connection_finish(copy->connection);
		disturb(copy); /* as when the connection ends by it */
	} else if (copy->state == COPY_WAITS)
		copy->state = COPY_NEW;
}

void
connection_recipient(struct connection *c, const struct recipient *recipient)
{
	assert_ptr_equal(c->copy->connection, c);
	assert_int_equal(recipient->state, RECIPIENT_ASKED);
}

void
connection_data(struct connection *c, int hold)
{
	struct copy *copy;
	size_t others = 0;

	assert_true(sending);
	assert_int_equal(c->copy->state, COPY_OPEN);
	c->copy->state = hold ? COPY_SENDS : COPY_RELEASED;
	/* Nothing is held back for those that are not there. */
	TAILQ_FOREACH (copy, &mail->copies, entry)
		others += copy != c->copy && copy->count > 0;
	assert_true(hold == (mail->one_by_one && others > 0));
}

/* The rule of DESIGN section 11, seen from outside. */
void
connection_release(struct connection *c)
{
	struct copy *copy;

	assert_int_equal(c->copy->state, COPY_HELD);
	c->copy->state = COPY_RELEASED;
	assert_false(refused_first);
	if (accepted == 0) {
		assert_int_equal(released, 0);
		TAILQ_FOREACH (copy, &mail->copies, entry) {
			if (copy != c->copy && copy->count > 0)
				assert_int_equal(copy->state, COPY_HELD);
		}
	}
	released++;
	disturb(c->copy);
}

static unsigned int
upto(unsigned int most)
{
	return (unsigned int)random() % (most + 1);
}

static struct copy *
any_copy(void)
{
	struct copy *copy;
	size_t n = mail->copy_count == 0
	    ? 0
	    : upto((unsigned int)mail->copy_count - 1);

	TAILQ_FOREACH (copy, &mail->copies, entry) {
		if (n-- == 0)
			return copy;
	}
	return NULL;
}

static void
any_reply(struct client_reply *reply)
{
	static const unsigned int codes[] = {250, 250, 250, 250, 251, 451, 550};

	memset(reply, 0, sizeof(*reply));
	reply->source = CLIENT_SAID;
	reply->code = codes[upto(sizeof(codes) / sizeof(codes[0]) - 1)];
	(void)snprintf(reply->enhanced, sizeof(reply->enhanced), "%u.0.0",
	    reply->code / 100);
	(void)strlcpy(reply->text, "text", sizeof(reply->text));
}

/* One result for all of a copy's recipients, as SMTP has it. */
static void
end_copy(struct copy *copy)
{
	struct recipient *recipient;
	uint32_t numbers[RECIPIENTS];
	size_t count = 0, i;
	struct client_reply reply;

	any_reply(&reply);
	TAILQ_FOREACH (recipient, &copy->recipients, entry) {
		if (recipient->state == RECIPIENT_ACCEPTED)
			numbers[count++] = recipient->number;
	}
	if (count == 0)
		return;
	if (reply.code / 100 == 2)
		accepted++;
	else if (accepted == 0)
		refused_first = 1;
	for (i = 0; i < count; i++) {
		/* Until it is over the copy is there. */
		assert_non_null(mail);
		copy_result(copy, numbers[i], &reply);
	}
}

static void
answer_one(struct copy *copy)
{
	struct recipient *recipient;
	struct client_reply reply;

	any_reply(&reply);
	TAILQ_FOREACH (recipient, &copy->recipients, entry) {
		if (recipient->state == RECIPIENT_ASKED) {
			copy_answered(copy, recipient->number, &reply);
			return;
		}
	}
}

static int
all_answered(const struct copy *copy)
{
	const struct recipient *recipient;

	TAILQ_FOREACH (recipient, &copy->recipients, entry) {
		if (recipient->state == RECIPIENT_ASKED)
			return 0;
	}
	return copy->count > 0;
}

/* A connection fails, whatever the copy was doing. */
static void
fail_copy(struct copy *copy)
{
	struct client_reply reply;
	struct recipient *recipient;

	hop_reply(&reply, "4.4.2", "lost");
	TAILQ_FOREACH (recipient, &copy->recipients, entry) {
		if (recipient->state == RECIPIENT_ACCEPTED && accepted == 0)
			refused_first = 1;
	}
	copy_failed(copy, &reply);
}

/* In the middle of a call, another copy's connection is lost. */
static void
disturb(const struct copy *but)
{
	struct copy *copy;

	if (depth > 1 || mail == NULL || upto(9) != 0)
		return;
	depth++;
	copy = any_copy();
	if (copy != NULL && copy != but && copy->count > 0 &&
	    (copy->state == COPY_OPEN || copy->state == COPY_SENDS ||
		copy->state == COPY_HELD) &&
	    mail->busy > 0 && accepted > 0)
		fail_copy(copy);
	depth--;
}

static void
advance(struct copy *copy)
{
	if (copy->state == COPY_WAITS)
		connect_copy(copy);
	else if (copy->state != COPY_OVER && !all_answered(copy))
		answer_one(copy);
	else if (copy->state == COPY_SENDS)
		copy_held(copy);
	else if (copy->state == COPY_RELEASED)
		end_copy(copy);
}

static void
open_one(uint32_t number)
{
	struct msg_relay_open m = {.recipient = number,
	    .shared = (uint8_t)upto(1),
	    .address = bytes_text("bob@b.example"),
	    .rcpt_parameters = bytes_text("NOTIFY=NEVER")};

	heard[number].asked = 1;
	assert_int_equal(mail_add(mail, &m, 0), 0);
}

static void
begin(void)
{
	memset(&engine, 0, sizeof(engine));
	memset(heard, 0, sizeof(heard));
	memset(connections, 0, sizeof(connections));
	last = sending = refused_first = refused_late = depth = 0;
	released = accepted = 0;
	assert_non_null(mail = calloc(1, sizeof(*mail)));
	mail->engine = &engine;
	mail->fd = -1;
	TAILQ_INIT(&mail->copies);
}

static void
say_data(int one_by_one)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	close(fds[1]);
	mail->fd = fds[0];
	mail->one_by_one = (uint8_t)one_by_one;
	sending = 1;
	/* What was lost before counts as a refusal of the first. */
	mail_send(mail);
}

static void
check_end(void)
{
	size_t i;
	int any = 0;

	assert_null(mail);
	assert_int_equal(engine.recipients, 0);
	for (i = 0; i < RECIPIENTS; i++) {
		assert_int_equal(heard[i].opened, heard[i].asked);
		if (sending)
			assert_int_equal(heard[i].told, heard[i].accepted);
		any |= heard[i].told;
	}
	if (!refused_late)
		assert_int_equal(last, any);
	for (i = 0; i < sizeof(connections) / sizeof(connections[0]); i++)
		assert_null(connections[i].copy);
}

static void
walk(int one_by_one)
{
	uint32_t number = 0;
	struct copy *copy;
	int steps = 0;

	begin();
	while (mail != NULL) {
		assert_true(steps++ < 10000);
		if (number < RECIPIENTS && !sending && upto(2) == 0)
			open_one(number++);
		else if (number > 3 && !sending && upto(12) == 0)
			say_data(one_by_one);
		else if (upto(60) == 0)
			mail_abandon(mail);
		else if ((copy = any_copy()) != NULL && upto(80) == 0 &&
		    copy->state < COPY_OVER)
			fail_copy(copy);
		else if (copy != NULL)
			advance(copy);
		else if (number == RECIPIENTS)
			break;
	}
}

static int
was_abandoned(void)
{
	size_t i;

	for (i = 0; i < RECIPIENTS; i++)
		if (heard[i].asked && !heard[i].opened)
			return 1;
	for (i = 0; i < RECIPIENTS; i++)
		if (heard[i].accepted && !heard[i].told)
			return 1;
	return 0;
}

static void
test_walks(void **state)
{
	int i, ended = 0;

	(void)state;
	srandom(1);
	for (i = 0; i < WALKS; i++) {
		walk(i % 2);
		if (mail != NULL)
			mail_abandon(mail);
		if (was_abandoned())
			assert_int_equal(engine.recipients, 0);
		else {
			check_end();
			ended += sending;
		}
	}
	assert_true(ended > WALKS / 20);
}

/* Nothing is tried behind a refusal of the first, and all is told. */
static void
test_first_refused(void **state)
{
	struct copy *copy;
	struct client_reply reply;
	uint32_t number;

	(void)state;
	begin();
	memset(&reply, 0, sizeof(reply));
	(void)strlcpy(reply.enhanced, "2.0.0", sizeof(reply.enhanced));
	(void)strlcpy(reply.text, "text", sizeof(reply.text));
	for (number = 0; number < 3; number++) {
		struct msg_relay_open m = {.recipient = number,
		    .address = bytes_text("bob@b.example"),
		    .rcpt_parameters = bytes_text("")};

		heard[number].asked = 1;
		assert_int_equal(mail_add(mail, &m, 0), 0);
	}
	reply.code = 250;
	TAILQ_FOREACH (copy, &mail->copies, entry) {
		connect_copy(copy);
		copy_answered(
		    copy, TAILQ_FIRST(&copy->recipients)->number, &reply);
	}
	say_data(1);
	TAILQ_FOREACH (copy, &mail->copies, entry)
		copy_held(copy);
	assert_int_equal(released, 1);
	reply.code = 554;
	reply.enhanced[0] = '5';
	refused_first = 1;
	copy_result(TAILQ_FIRST(&mail->copies), 0, &reply);
	check_end();
	assert_int_equal(heard[0].outcome, RELAY_REFUSED);
	assert_int_equal(heard[1].outcome, RELAY_NOT_TRIED);
	assert_int_equal(heard[2].outcome, RELAY_NOT_TRIED);
}

/* More than it may: refused, and the mail is as before. */
static void
test_bounds(void **state)
{
	struct msg_relay_open m = {.address = bytes_text("bob@b.example"),
	    .rcpt_parameters = bytes_text("")};

	(void)state;
	begin();
	heard[0].asked = 1;
	assert_int_equal(mail_add(mail, &m, 0), 0);
	mail->count += MAIL_RECIPIENTS_MOST;
	assert_int_equal(mail_add(mail, &m, 0), -1);
	mail->count -= MAIL_RECIPIENTS_MOST;
	engine.recipients += RECIPIENTS_MOST;
	assert_int_equal(mail_add(mail, &m, 0), -1);
	engine.recipients -= RECIPIENTS_MOST;
	mail->copy_count += MAIL_COPIES_MOST;
	assert_int_equal(mail_add(mail, &m, 0), -1);
	mail->copy_count -= MAIL_COPIES_MOST;
	mail_abandon(mail);
	assert_null(mail);
}

static void
test_read(void **state)
{
	char path[] = "/tmp/test_relay_mail.XXXXXX", text[8];
	struct mail m = {.offset = 2};

	(void)state;
	m.fd = mkstemp(path);
	assert_int_not_equal(m.fd, -1);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(write(m.fd, "0123456789", 10), 10);
	assert_int_equal(mail_read(&m, 1, text, 4), 0);
	assert_memory_equal(text, "3456", 4);
	assert_int_equal(mail_read(&m, 1, text, 8), -1);
	close(m.fd);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_walks),
	    cmocka_unit_test(test_first_refused),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
