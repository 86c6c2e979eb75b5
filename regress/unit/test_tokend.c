/* SPDX-License-Identifier: ISC */
/*
 * The tokend process itself, sandbox on; its parent, its engines, its
 * tokend-auth and a tokenctl are this test.
 * libs: -lcrypto
 */
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <event.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "imsg/channel.h"
#include "imsg/control.h"
#include "lib/metrics.h"
#include "lib/settings.h"
#include "lib/ticket.h"

#define PROGRAM "out/libexec/smtpd-stoken/tokend"
#define SECONDS 30
#define ALICE "alice@a.example"
#define FRIEND "friend@b.example"

static char top[64], store[80], control_path[80];
static uint8_t ticket_key[TICKET_KEY_LENGTH] = {1, 2, 3};
static struct channel *parent, *engine, *mta, *auth, *control;
static pid_t child;
static int ready, ended, complaints, mute, answers, ehlo;
static struct msg_password_result rights = {.outcome = AUTH_OK,
    .messages_per_hour = LIMIT_SITE,
    .recipients_per_hour = LIMIT_SITE};
static char problem[1024];

/* What came last; texts are kept, since messages are gone at once. */
static union message last;
static char token[128], rows[8192], text[4097];
static uint8_t answered[16]; /* by session: the last grant said so */
static uint8_t list[16384], list2[16384], octets[1000], tickets[1024];

static void
keep(struct bytes *field, void *buffer, size_t size)
{
	assert_true(field->length <= size);
	memcpy(buffer, field->data, field->length);
	field->data = buffer;
}

static uint8_t at_once[8192];

/* The last grant said that COMMIT_END is answered; `last` is overwritten. */
static int will_answer;

/* Handlers that only keep what came. */
#define KEEP(name, body)                                       \
	static void on_##name(                                 \
	    struct channel *c, const union message *m, int fd) \
	{                                                      \
		struct msg_##name *l = &last.name;             \
		(void)c;                                       \
		(void)fd;                                      \
		last.name = m->name;                           \
		(void)l;                                       \
		body answers++;                                \
	}
KEEP(session_verdict, )
KEEP(auth_result, keep(&l->challenge, text, sizeof(text));
     keep(&l->login, list, sizeof(list));)
KEEP(rcpt_verdict, keep(&l->tokens, at_once, sizeof(at_once));
     keep(&l->mailboxes, list, sizeof(list));
     keep(&l->outside, list2, sizeof(list2));
     keep(&l->tickets, tickets, sizeof(tickets));)
KEEP(submit_grant, keep(&l->tokens, list, sizeof(list));)
KEEP(notice_grant, keep(&l->relay, octets, sizeof(octets));
     keep(&l->mailboxes, list, sizeof(list));
     keep(&l->tickets, tickets, sizeof(tickets));)
KEEP(sender_verdict, )
KEEP(commit_grant, keep(&l->verdicts, octets, sizeof(octets));
     keep(&l->tickets, tickets, sizeof(tickets)); will_answer = l->answers;)
KEEP(commit_result, keep(&l->tokens, list, sizeof(list));)
KEEP(token_generated, (void)bytes_copy(token, sizeof(token), l->token);)
KEEP(token_revoked, )
KEEP(password_abort, )
KEEP(password_step, keep(&l->response, text, sizeof(text));)
KEEP(reload, )
KEEP(control_end, (void)bytes_copy(text, sizeof(text), l->text);)

static const struct channel_handler engine_handlers[] = {
    {MSG_SESSION_VERDICT, on_session_verdict},
    {MSG_AUTH_RESULT, on_auth_result},
    {MSG_RCPT_VERDICT, on_rcpt_verdict},
    {MSG_SENDER_VERDICT, on_sender_verdict},
    {MSG_COMMIT_GRANT, on_commit_grant},
    {MSG_COMMIT_RESULT, on_commit_result},
    {MSG_SUBMIT_GRANT, on_submit_grant},
    {MSG_NOTICE_GRANT, on_notice_grant},
    {MSG_TOKEN_GENERATED, on_token_generated},
    {MSG_TOKEN_REVOKED, on_token_revoked},
    {0, NULL},
};

/* "key=value " of each row, one after another. */
static void
on_control_row(struct channel *c, const union message *m, int fd)
{
	struct bytes rest = m->control_row.fields, item;
	char one[512];
	int i;

	(void)c;
	(void)fd;
	for (i = 0; list_next(&rest, &item) == 1; i++) {
		assert_int_equal(bytes_copy(one, sizeof(one), item), 0);
		if (i % 3 == 1)
			continue;
		(void)strlcat(rows, one, sizeof(rows));
		(void)strlcat(rows, i % 3 == 0 ? "=" : " ", sizeof(rows));
		if (i % 3 == 2 && strlen(one) == 68)
			(void)strlcpy(token, one, sizeof(token));
	}
	(void)strlcat(rows, "\n", sizeof(rows));
}

static uint64_t pieces;

static void
on_control_file(struct channel *c, const union message *m, int fd)
{
	char path[200], name[100];
	FILE *file;

	(void)c;
	(void)fd;
	assert_int_equal(
	    bytes_copy(name, sizeof(name), m->control_file.name), 0);
	assert_null(strchr(name, '/'));
	(void)snprintf(path, sizeof(path), "%s/copy/%s", top, name);
	assert_non_null(file = fopen(path, "a"));
	(void)fchmod(fileno(file), 0600);
	assert_int_equal(fwrite(m->control_file.data.data, 1,
			     m->control_file.data.length, file),
	    m->control_file.data.length);
	(void)fclose(file);
	pieces++;
}

static const struct channel_handler control_handlers[] = {
    {MSG_CONTROL_ROW, on_control_row},
    {MSG_CONTROL_FILE, on_control_file},
    {MSG_CONTROL_END, on_control_end},
    {0, NULL},
};

/*
 * tokend-auth: alice has a mailbox, away goes outside, both is both, and dora
 * takes no mail.
 */
static void
on_address_lookup(struct channel *c, const union message *m, int fd)
{
	union message out = {
	    .address_result = {.request = m->address_lookup.request}};
	struct list_writer writer, outside;
	uint8_t buffer[256], more[256];
	struct bytes asked = m->address_lookup.address;

	(void)fd;
	if (mute)
		return;
	list_init(&writer, buffer, sizeof(buffer));
	list_init(&outside, more, sizeof(more));
	out.address_result.lookup = LOOKUP_UNKNOWN;
	if (bytes_equal(m->address_lookup.address, bytes_text(ALICE))) {
		out.address_result.lookup = LOOKUP_MAILBOXES;
		(void)list_add(&writer, bytes_text(ALICE));
	}
	if (bytes_equal(asked, bytes_text("dora@a.example")))
		out.address_result.lookup = LOOKUP_DISABLED;
	if (bytes_equal(asked, bytes_text("away@a.example")) ||
	    bytes_equal(asked, bytes_text("both@a.example"))) {
		out.address_result.lookup = LOOKUP_OUTSIDE;
		(void)list_add(&outside, bytes_text("x@c.example"));
		(void)list_add(&outside, bytes_text(FRIEND));
	}
	if (bytes_equal(asked, bytes_text("both@a.example")))
		(void)list_add(&writer, bytes_text(ALICE));
	out.address_result.outside = list_bytes(&outside);
	out.address_result.mailboxes = list_bytes(&writer);
	assert_int_equal(channel_send(c, MSG_ADDRESS_RESULT, &out, -1), 0);
}

static void
on_owner_check(struct channel *c, const union message *m, int fd)
{
	union message out = {
	    .owner_result = {.request = m->owner_check.request}};

	(void)fd;
	if (mute)
		return;
	out.owner_result.address = m->owner_check.address;
	if (m->owner_check.address.length == 0)
		out.owner_result.address = m->owner_check.login;
	out.owner_result.own =
	    bytes_equal(out.owner_result.address, bytes_text(ALICE)) ||
	    bytes_equal(
		out.owner_result.address, bytes_text("sales@a.example"));
	assert_int_equal(channel_send(c, MSG_OWNER_RESULT, &out, -1), 0);
}

static const struct channel_handler auth_handlers[] = {
    {MSG_ADDRESS_LOOKUP, on_address_lookup},
    {MSG_OWNER_CHECK, on_owner_check},
    {MSG_PASSWORD_STEP, on_password_step},
    {MSG_PASSWORD_ABORT, on_password_abort},
    {0, NULL},
};

static void
on_ready(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	ready = m->setup_ready.ok ? 1 : 2;
	(void)bytes_copy(problem, sizeof(problem), m->setup_ready.problem);
}

static void
on_complaint(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	(void)m;
	complaints++;
}

/* Nobody has counted anything. */
static void
on_measure(struct channel *c, const union message *m, int fd)
{
	static const uint8_t none[METRICS_OCTETS];
	union message answer = {.measured = {.request = m->measure.request,
				    .values = bytes_of(none, sizeof(none))}};

	(void)fd;
	(void)channel_send(c, MSG_MEASURED, &answer, -1);
}

static const struct channel_handler parent_handlers[] = {
    {MSG_SETUP_READY, on_ready},
    {MSG_COMPLAINT, on_complaint},
    {MSG_RELOAD, on_reload},
    {MSG_MEASURE, on_measure},
    {0, NULL},
};

static void
on_gone(struct channel *c, enum channel_end end, const char *why)
{
	struct channel **all[] = {&parent, &engine, &mta, &auth, &control};
	size_t i;

	(void)end;
	(void)why;
	for (i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (*all[i] == c)
			*all[i] = NULL;
	ended++;
}

static struct channel *
open_end(int fd, enum role self, const struct channel_handler *handlers)
{
	struct channel_settings set = {.self = self,
	    .peer = ROLE_TOKEND,
	    .handlers = handlers,
	    .gone = on_gone};
	struct channel *c;

	(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
	assert_non_null(c = channel_open(fd, &set));
	return c;
}

static struct channel *
make_channel(enum role self, const struct channel_handler *handlers, int *other)
{
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	*other = pair[1];
	return open_end(pair[0], self, handlers);
}

static void
send_on(struct channel *c, uint16_t number, const union message *m, int fd)
{
	assert_int_equal(channel_send(c, number, m, fd), 0);
	assert_int_equal(channel_flush(c), 0);
}

static void
nothing(int fd, short what, void *argument)
{
	(void)fd;
	(void)what;
	(void)argument;
}

/* Lets events happen until *what is no longer `was`, or so many ms. */
static void
pump(const int *what, int was, int milliseconds)
{
	struct timeval tick = {0, 5000};
	uint64_t until = ticket_clock() + (uint64_t)milliseconds;
	struct event timer;

	evtimer_set(&timer, nothing, NULL);
	while (*what == was && ticket_clock() < until) {
		(void)evtimer_add(&timer, &tick);
		(void)event_loop(EVLOOP_ONCE);
	}
	(void)evtimer_del(&timer);
}

/* Sends and waits for the one answer. */
static void
ask(struct channel *c, uint16_t number, const union message *m)
{
	int before = answers;

	send_on(c, number, m, -1);
	pump(&answers, before, SECONDS * 1000);
	assert_int_equal(answers, before + 1);
}

static int
give_setting(void *context, uint16_t number, struct bytes value)
{
	union message m = {.setup_setting = {.number = number, .value = value}};

	(void)context;
	send_on(parent, MSG_SETUP_SETTING, &m, -1);
	return 0;
}

static struct channel *
connect_peer(enum role role, const struct channel_handler *handlers,
    uint8_t instance, uint8_t trusted)
{
	union message m = {.setup_peer = {.role = (uint8_t)role,
			       .instance = instance,
			       .trusted = trusted}};
	struct channel *c;
	int other;

	c = make_channel(role, handlers, &other);
	send_on(parent, MSG_SETUP_PEER, &m, other);
	return c;
}

static void
give_control(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	union message m;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memset(&m, 0, sizeof(m));
	(void)unlink(control_path);
	(void)strlcpy(address.sun_path, control_path, sizeof(address.sun_path));
	assert_int_equal(
	    bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 5), 0);
	send_on(parent, MSG_SETUP_CONTROL, &m, fd);
}

static void
connect_control(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)strlcpy(address.sun_path, control_path, sizeof(address.sun_path));
	assert_int_equal(
	    connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	control = open_end(fd, ROLE_CONTROL, control_handlers);
}

static void
commit_settings(void)
{
	struct settings *s = settings_new();
	union message m = {.setup_commit = {.generation = 1}};

	assert_non_null(s);
	(void)text_list_add(&s->domains, "a.example", 9);
	s->store = strdup(store);
	s->tokens = 1;
	s->temporary_lifetime = 7 * 86400;
	s->permanent_lifetime = 365 * 86400;
	s->permanent_refresh = 90 * 86400;
	s->permanent_grace = 7 * 86400;
	s->limit_sessions = 5;
	s->limit_sessions_per_address = 3;
	s->limit_recipients = 3;
	s->relay = 1;
	s->token_header_recipients = 10;
	s->messages_per_hour = 3;
	s->recipients_per_hour = 5;
	s->limit_auth_failures = 2;
	s->limit_auth_failures_per_address = 4;
	assert_int_equal(settings_each(s, ROLE_TOKEND, give_setting, NULL), 0);
	settings_free(s);
	ready = 0;
	send_on(parent, MSG_SETUP_COMMIT, &m, -1);
	pump(&ready, 0, SECONDS * 1000);
}

static int
start_tokend(int restarted)
{
	union message m = {.setup_start = {.role = ROLE_TOKEND,
			       .debug = 1,
			       .restarted = (uint8_t)restarted}};
	int other;

	channel_set_phase(PHASE_SETUP);
	ended = complaints = mute = ehlo = 0;
	parent = make_channel(ROLE_PARENT, parent_handlers, &other);
	if ((child = fork()) == 0) {
		if (dup2(other, 3) != 3)
			_exit(1);
		closefrom(4);
		(void)execl(PROGRAM, PROGRAM, (char *)NULL);
		_exit(1);
	}
	(void)close(other);
	send_on(parent, MSG_SETUP_START, &m, -1);
	give_control();
	memset(&m, 0, sizeof(m));
	m.setup_ticket_key.key = bytes_of(ticket_key, sizeof(ticket_key));
	send_on(parent, MSG_SETUP_TICKET_KEY, &m, -1);
	engine = connect_peer(ROLE_ENGINE, engine_handlers, 0, 0);
	mta = connect_peer(ROLE_ENGINE, engine_handlers, 1, 1);
	auth = connect_peer(ROLE_AUTH, auth_handlers, 0, 0);
	commit_settings();
	channel_set_phase(PHASE_RUNNING);
	return ready;
}

static void
stop_tokend(int signal_number)
{
	if (signal_number != 0)
		(void)kill(child, signal_number);
	(void)waitpid(child, NULL, 0);
	channel_close(parent);
	channel_close(engine);
	channel_close(mta);
	channel_close(auth);
	channel_close(control);
	(void)event_loop(EVLOOP_NONBLOCK);
	parent = engine = mta = auth = control = NULL;
}

static int
set_up(void **state)
{
	(void)state;
	(void)strlcpy(top, "/tmp/stoken-tokend-XXXXXX", sizeof(top));
	if (mkdtemp(top) == NULL || event_init() == NULL)
		return -1;
	(void)snprintf(store, sizeof(store), "%s/store", top);
	(void)snprintf(control_path, sizeof(control_path), "%s/control", top);
	return start_tokend(0) == 1 ? 0 : -1;
}

static int
tear_down(void **state)
{
	char command[128];

	(void)state;
	if (parent != NULL)
		stop_tokend(SIGKILL);
	event_base_free(NULL);
	(void)snprintf(command, sizeof(command), "rm -rf '%s'", top);
	return system(command);
}

static int
admit(struct channel *c, uint64_t session, const char *address)
{
	union message m = {
	    .session_admit = {.session = session,
		.kind = c == mta ? LISTENER_SOCKET : LISTENER_SMTPS,
		.tls = 1,
		.port = 1,
		.address = bytes_text(address)}};

	ask(c, MSG_SESSION_ADMIT, &m);
	return last.session_verdict.admission;
}

static union message
auth_step(uint64_t session, const char *mechanism, const char *response,
    size_t length)
{
	union message m = {.auth_step = {.session = session,
			       .first = 1,
			       .has_response = 1,
			       .lmtp = (uint8_t)!ehlo,
			       .tls = 1,
			       .mechanism = bytes_text(mechanism),
			       .response = bytes_of(response, length)}};

	return m;
}

static int
log_in(uint64_t session, const char *mechanism, const char *response,
    size_t length)
{
	union message m = auth_step(session, mechanism, response, length);

	ask(engine, MSG_AUTH_STEP, &m);
	return last.auth_result.outcome;
}

static int
stoken(uint64_t session, const char *local, const char *used)
{
	char response[256];
	int n = snprintf(response, sizeof(response), "%s%c%s", local, 0, used);

	return log_in(session, "STOKEN", response, (size_t)n);
}

static void
say_stoken(uint64_t session, const char *local, const char *used)
{
	char response[256];
	int n = snprintf(response, sizeof(response), "%s%c%s", local, 0, used);
	union message m = auth_step(session, "STOKEN", response, (size_t)n);

	send_on(engine, MSG_AUTH_STEP, &m, -1);
}

/* AUTH PLAIN, of which tokend-auth says: alice. */
static void
log_in_alice(uint64_t session)
{
	union message m = {.password_result = rights};

	m.password_result.login = bytes_text(ALICE);
	(void)log_in(session, "PLAIN", "x", 1);
	m.password_result.session = last.password_step.session;
	ask(auth, MSG_PASSWORD_RESULT, &m);
	assert_int_equal(last.auth_result.outcome, AUTH_OK);
}

static int
recipient(struct channel *c, uint64_t session, uint32_t transaction,
    uint32_t recipient_index, const char *sender, const char *to,
    const char *used)
{
	union message m = {
	    .rcpt_check = {.session = session,
		.transaction = transaction,
		.recipient_index = recipient_index,
		.sender = bytes_text(sender),
		.recipient = bytes_text(to),
		.token = bytes_text(used),
		.mytoken = bytes_text(*used == '\0' ? "" : "peer-token")}};

	ask(c, MSG_RCPT_CHECK, &m);
	return last.rcpt_verdict.verdict;
}

static void
begin(struct channel *c, uint64_t session, uint32_t transaction)
{
	union message m = {.commit_begin = {.session = session,
			       .transaction = transaction,
			       .message = bytes_text("message1")}};

	ask(c, MSG_COMMIT_BEGIN, &m);
}

static void
end(struct channel *c, uint64_t session, uint32_t transaction, uint8_t result)
{
	union message m = {.commit_end = {.session = session,
			       .transaction = transaction,
			       .results = bytes_of(&result, 1)}};

	/* Answered where the grant said so. */
	if (will_answer)
		ask(c, MSG_COMMIT_END, &m);
	else
		assert_int_equal(channel_send(c, MSG_COMMIT_END, &m, -1), 0);
}

/* Sends a verb of tokenctl with arguments up to a NULL; does not wait. */
static void
say(uint16_t verb, ...)
{
	union message m = {
	    .control_request = {.version = CONTROL_VERSION, .verb = verb}};
	struct list_writer writer;
	uint8_t buffer[1024];
	const char *argument;
	va_list ap;

	if (control == NULL)
		connect_control();
	list_init(&writer, buffer, sizeof(buffer));
	va_start(ap, verb);
	while ((argument = va_arg(ap, const char *)) != NULL)
		(void)list_add(&writer, bytes_text(argument));
	va_end(ap);
	m.control_request.arguments = list_bytes(&writer);
	rows[0] = '\0';
	send_on(control, MSG_CONTROL_REQUEST, &m, -1);
}

static int
heard(void)
{
	int before = answers;

	pump(&answers, before, SECONDS * 1000);
	assert_int_equal(answers, before + 1);
	return last.control_end.status;
}

#define TELL(verb, ...) (say(CONTROL_VERB_##verb, __VA_ARGS__, NULL), heard())
#define JUST(verb) (say(CONTROL_VERB_##verb, NULL), heard())

static void
make_token(void)
{
	assert_int_equal(TELL(GENERATE_TEMPORARY, FRIEND, ALICE), CONTROL_OK);
	assert_int_equal(strlen(token), 68);
}

/* A whole delivery by token: what each step says. */
static void
token_delivers(void **state)
{
	struct ticket_subject subject = {.kind = TICKET_DELIVER,
	    .message = "message1",
	    .message_length = 8,
	    .mailbox = ALICE,
	    .mailbox_length = strlen(ALICE)};
	struct bytes rest, item;
	char first[128];

	(void)state;
	make_token();
	assert_int_equal(admit(engine, 1, "192.0.2.1"), ADMISSION_OK);
	assert_int_equal(stoken(1, "Alice@A.example", token), AUTH_OK);
	assert_int_equal(last.auth_result.token_kind, TOKEN_KIND_TEMPORARY);
	assert_int_equal(
	    recipient(engine, 1, 1, 0, FRIEND, ALICE, token), VERDICT_OK);
	rest = last.rcpt_verdict.mailboxes;
	assert_int_equal(list_next(&rest, &item), 1);
	assert_true(bytes_equal(item, bytes_text(ALICE)));
	begin(engine, 1, 1);
	assert_int_equal(last.commit_grant.verdicts.length, 1);
	assert_int_equal(octets[0], VERDICT_OK);
	assert_int_equal(last.commit_grant.tickets.length, TICKET_LENGTH);
	subject.expires = last.commit_grant.expires;
	assert_int_equal(ticket_check(tickets, TICKET_LENGTH, ticket_key,
			     &subject, ticket_clock()),
	    TICKET_GOOD);
	end(engine, 1, 1, 1);
	rest = last.commit_result.tokens;
	assert_int_equal(list_next(&rest, &item), 1);
	assert_int_equal(bytes_copy(first, sizeof(first), item), 0);
	assert_int_equal(strlen(first), 68);
	/* The permanent one delivers too, and earns nothing (D-S13). */
	assert_int_equal(
	    recipient(engine, 1, 2, 0, FRIEND, ALICE, first), VERDICT_OK);
	assert_int_equal(last.rcpt_verdict.token_kind, TOKEN_KIND_PERMANENT);
	begin(engine, 1, 2);
	/* And MYSTOKEN is the same: nobody waits for the disk. */
	assert_int_equal(will_answer, 0);
	end(engine, 1, 2, 1);
	assert_int_equal(JUST(SHOW_HELD), CONTROL_OK);
	assert_non_null(strstr(rows, "remote=" FRIEND " local=" ALICE));
	assert_null(strstr(rows, "peer-token"));
	assert_int_equal(TELL(GENERATE_PERMANENT, FRIEND, ALICE), CONTROL_OK);
	assert_string_equal(token, first);
}

/*
 * S1-31: what another delivery has put there, and the disk has not, is news
 * still: who does not wait would be told too much.
 */
static void
news_until_it_is_durable(void **state)
{
	uint8_t result = 1;
	union message m = {.commit_end = {.session = 1,
			       .transaction = 1,
			       .results = bytes_of(&result, 1)}};
	int before;

	(void)state;
	assert_int_equal(TELL(GENERATE_PERMANENT, FRIEND, ALICE), CONTROL_OK);
	admit(engine, 1, "192.0.2.1");
	admit(engine, 2, "192.0.2.1");
	assert_int_equal(stoken(1, ALICE, token), AUTH_OK);
	assert_int_equal(stoken(2, ALICE, token), AUTH_OK);
	recipient(engine, 1, 1, 0, FRIEND, ALICE, token);
	recipient(engine, 2, 1, 0, FRIEND, ALICE, token);
	begin(engine, 1, 1);
	assert_int_equal(will_answer, 1);
	before = answers;
	assert_int_equal(channel_send(engine, MSG_COMMIT_END, &m, -1), 0);
	m = (union message) {.commit_begin = {.session = 2,
				 .transaction = 1,
				 .message = bytes_text("message2")}};
	send_on(engine, MSG_COMMIT_BEGIN, &m, -1);
	while (answers < before + 2)
		pump(&answers, answers, SECONDS * 1000);
	assert_int_equal(will_answer, 1);
	end(engine, 2, 1, 1);
}

/* A failed delivery earns no token (S1-26). */
static void
failed_delivery_earns_nothing(void **state)
{
	struct bytes rest, item;

	(void)state;
	make_token();
	admit(engine, 1, "192.0.2.1");
	recipient(engine, 1, 1, 0, FRIEND, ALICE, token);
	begin(engine, 1, 1);
	end(engine, 1, 1, 0);
	rest = last.commit_result.tokens;
	assert_int_equal(list_next(&rest, &item), 1);
	assert_int_equal(item.length, 0);
	assert_int_equal(TELL(SHOW_TOKENS, "", ""), CONTROL_OK);
	assert_string_equal(rows, "");
}

/*
 * Revoked between the grant and the delivery: the message may land, but no
 * token that is later than the revocation comes of it.
 */
static void
revoked_in_flight_earns_nothing(void **state)
{
	struct bytes rest, item;
	int before;

	(void)state;
	make_token();
	admit(engine, 1, "192.0.2.1");
	recipient(engine, 1, 1, 0, FRIEND, ALICE, token);
	begin(engine, 1, 1);
	assert_int_equal(octets[0], VERDICT_OK);
	say(CONTROL_VERB_REVOKE_PAIR, FRIEND, ALICE, NULL);
	before = answers;
	pump(&answers, before, 100);
	assert_int_equal(answers, before);
	end(engine, 1, 1, 1);
	pump(&answers, before + 1, SECONDS * 1000);
	assert_int_equal(answers, before + 2);
	rest = last.commit_result.tokens;
	assert_int_equal(list_next(&rest, &item), 1);
	assert_int_equal(item.length, 0);
	assert_int_equal(TELL(SHOW_TOKENS, "", ""), CONTROL_OK);
	assert_null(strstr(rows, "kind=permanent"));
}

static void
recipients_need_a_right(void **state)
{
	(void)state;
	make_token();
	admit(engine, 1, "192.0.2.1");
	/* Neither logged in nor a token: only a tokend before could know. */
	assert_int_equal(
	    recipient(engine, 1, 1, 0, FRIEND, ALICE, ""), VERDICT_TEMPORARY);
	assert_int_equal(
	    recipient(engine, 1, 1, 1, "eve@b.example", ALICE, token),
	    VERDICT_REFUSED);
	assert_int_equal(
	    recipient(engine, 1, 1, 2, "", ALICE, token), VERDICT_REFUSED);
	assert_int_equal(
	    recipient(engine, 1, 2, 0, FRIEND, "bob@a.example", token),
	    VERDICT_REFUSED);
	begin(engine, 1, 2);
	assert_int_equal(last.commit_grant.tickets.length, 0);
	/* Of a session that nobody opened. */
	assert_int_equal(recipient(engine, 99, 1, 0, FRIEND, ALICE, token),
	    VERDICT_TEMPORARY);
	begin(engine, 99, 1);
	assert_int_equal(last.commit_grant.verdicts.length, 0);
}

static void
users_and_the_mta_need_no_token(void **state)
{
	union message m = {
	    .sender_check = {
		.session = 1, .transaction = 1, .sender = bytes_text(ALICE)}};

	(void)state;
	admit(engine, 1, "192.0.2.1");
	log_in_alice(1);
	assert_int_equal(
	    recipient(engine, 1, 1, 0, ALICE, ALICE, ""), VERDICT_OK);
	assert_int_equal(recipient(engine, 1, 1, 1, ALICE, "no@a.example", ""),
	    VERDICT_UNKNOWN);
	/* Behind LHLO nothing goes elsewhere. */
	assert_int_equal(
	    recipient(engine, 1, 1, 2, ALICE, FRIEND, ""), VERDICT_REFUSED);
	assert_int_equal(
	    recipient(engine, 1, 1, 3, ALICE, ALICE, ""), VERDICT_TOO_MANY);
	ask(engine, MSG_SENDER_CHECK, &m);
	assert_int_equal(last.sender_verdict.verdict, VERDICT_OK);
	m.sender_check.sender = bytes_text("bob@a.example");
	ask(engine, MSG_SENDER_CHECK, &m);
	assert_int_equal(last.sender_verdict.verdict, VERDICT_REFUSED);
	m.sender_check.sender = bytes_text("");
	ask(engine, MSG_SENDER_CHECK, &m);
	assert_int_equal(last.sender_verdict.verdict, VERDICT_OK);
	assert_int_equal(admit(mta, 1, ""), ADMISSION_OK);
	assert_int_equal(
	    recipient(mta, 1, 1, 0, FRIEND, ALICE, ""), VERDICT_OK);
	assert_int_equal(recipient(mta, 1, 1, 1, FRIEND, "away@a.example", ""),
	    VERDICT_OUTSIDE);
	begin(mta, 1, 1);
	assert_int_equal(last.commit_grant.tickets.length, TICKET_LENGTH);
	end(mta, 1, 1, 1);
}

/* An EHLO session of alice's, whose MAIL was checked. */
static void
submitter(uint64_t session)
{
	ehlo = 1;
	admit(engine, session, "192.0.2.1");
	log_in_alice(session);
}

static int
mail(uint64_t session, uint32_t transaction, const char *sender)
{
	union message m = {.sender_check = {.session = session,
			       .transaction = transaction,
			       .sender = bytes_text(sender)}};

	ask(engine, MSG_SENDER_CHECK, &m);
	return last.sender_verdict.verdict;
}

static void
check_relay_ticket(const char *sender, const char *to, size_t nth)
{
	struct ticket_subject subject;
	struct ticket_relay room;

	ticket_relay_subject(&subject, &room, 1, sender, strlen(sender), to,
	    strlen(to), last.rcpt_verdict.expires);
	assert_true(
	    last.rcpt_verdict.tickets.length >= (nth + 1) * TICKET_LENGTH);
	assert_int_equal(
	    ticket_check(tickets + nth * TICKET_LENGTH, TICKET_LENGTH,
		ticket_key, &subject, ticket_clock()),
	    TICKET_GOOD);
}

static void
mail_goes_elsewhere_with_tickets(void **state)
{
	(void)state;
	submitter(1);
	/* Only from an address that was found to be hers, or <>. */
	assert_int_equal(
	    recipient(engine, 1, 1, 0, ALICE, FRIEND, ""), VERDICT_REFUSED);
	assert_int_equal(mail(1, 2, ALICE), VERDICT_OK);
	assert_int_equal(
	    recipient(engine, 1, 2, 0, "bob@a.example", FRIEND, ""),
	    VERDICT_REFUSED);
	assert_int_equal(mail(1, 3, "Alice@A.example"), VERDICT_OK);
	assert_int_equal(recipient(engine, 1, 3, 0, "Alice@A.example",
			     "Friend@B.example", ""),
	    VERDICT_OUTSIDE);
	/* As the client wrote it. */
	assert_int_equal(last.rcpt_verdict.outside.length, 18);
	assert_memory_equal(list2 + 2, "Friend@B.example", 16);
	check_relay_ticket("Alice@A.example", "Friend@B.example", 0);
	assert_int_equal(
	    recipient(engine, 1, 3, 1, "Alice@A.example", "both@a.example", ""),
	    VERDICT_OUTSIDE);
	assert_int_equal(last.rcpt_verdict.mailboxes.length, 17);
	check_relay_ticket("Alice@A.example", "x@c.example", 0);
	check_relay_ticket("Alice@A.example", FRIEND, 1);
	assert_int_equal(
	    recipient(engine, 1, 3, 2, "Alice@A.example", "dora@a.example", ""),
	    VERDICT_DISABLED);
	/* What is elsewhere has a verdict at the end, and no ticket. */
	begin(engine, 1, 3);
	assert_int_equal(last.commit_grant.verdicts.length, 2);
	assert_int_equal(last.commit_grant.tickets.length, TICKET_LENGTH);
	end(engine, 1, 3, 2);
	assert_int_equal(mail(1, 4, ""), VERDICT_OK);
	assert_int_equal(
	    recipient(engine, 1, 4, 0, "", FRIEND, ""), VERDICT_OUTSIDE);
}

/* Keeps the nth token of the last SUBMIT_GRANT; its recipient's index. */
static uint32_t
granted_token(size_t nth, char out[128])
{
	struct bytes rest = last.submit_grant.tokens, index, item;

	do {
		assert_int_equal(list_next(&rest, &index), 1);
		assert_int_equal(list_next(&rest, &item), 1);
	} while (nth-- > 0);
	assert_int_equal(index.length, 4);
	assert_int_equal(bytes_copy(out, 128, item), 0);
	return index.data[0];
}

static void
copies_get_tokens(void **state)
{
	union message m = {.submit_begin = {.session = 1, .transaction = 1}};
	char first[128], other[128], again[128];
	struct list_writer writer;
	uint8_t buffer[512];

	(void)state;
	submitter(1);
	/* None for who is not there, has not sent, or has said nothing. */
	ask(engine, MSG_SUBMIT_BEGIN, &m);
	assert_int_equal(last.submit_grant.tokens.length, 0);
	mail(1, 1, ALICE);
	recipient(engine, 1, 1, 0, ALICE, ALICE, "");
	recipient(engine, 1, 1, 1, ALICE, FRIEND, "");
	recipient(engine, 1, 1, 2, ALICE, "both@a.example", "");
	ask(engine, MSG_SUBMIT_BEGIN, &m);
	assert_int_equal(granted_token(0, first), 1);
	assert_int_equal(granted_token(1, other), 2);
	assert_string_not_equal(first, other);
	assert_int_equal(granted_token(2, other), 2);
	assert_int_equal(strlen(first), 68);
	/* From counts where it is hers, and else the envelope. */
	m.submit_begin.from = bytes_text("Sales@a.example");
	ask(engine, MSG_SUBMIT_BEGIN, &m);
	(void)granted_token(0, other);
	m.submit_begin.from = bytes_text("eve@b.example");
	ask(engine, MSG_SUBMIT_BEGIN, &m);
	(void)granted_token(0, again);
	ehlo = 0;
	admit(engine, 2, "192.0.2.1");
	assert_int_equal(stoken(2, ALICE, first), AUTH_OK);
	admit(engine, 3, "192.0.2.1");
	assert_int_equal(stoken(3, "sales@a.example", first), AUTH_FAILED);
	assert_int_equal(stoken(3, ALICE, again), AUTH_OK);
	/* One that is good for the very pair is used again. */
	list_init(&writer, buffer, sizeof(buffer));
	(void)list_add(&writer, bytes_text("nonsense"));
	(void)list_add(&writer, bytes_text(other));
	(void)list_add(&writer, bytes_text(first));
	m.submit_begin.supplied = list_bytes(&writer);
	ask(engine, MSG_SUBMIT_BEGIN, &m);
	(void)granted_token(0, again);
	assert_string_equal(again, first);
	(void)granted_token(1, again);
	assert_string_not_equal(again, first);
	/* Of the other address: that From is asked about. */
	m.submit_begin.from = bytes_text("sales@a.example");
	ask(engine, MSG_SUBMIT_BEGIN, &m);
	(void)granted_token(0, again);
	assert_string_equal(again, other);
}

/* Where nothing has to be written for it, a token comes with the verdict. */
static void
tokens_come_at_once(void **state)
{
	union message m = {.submit_begin = {.session = 1, .transaction = 1}};
	struct bytes rest, item;
	char one[128];

	(void)state;
	submitter(1);
	mail(1, 1, ALICE);
	/* The first one of all makes tokend write. */
	recipient(engine, 1, 1, 0, ALICE, FRIEND, "");
	assert_int_equal(last.rcpt_verdict.tokens.length, 0);
	ask(engine, MSG_SUBMIT_BEGIN, &m);
	mail(1, 2, ALICE);
	recipient(engine, 1, 2, 0, ALICE, FRIEND, "");
	rest = last.rcpt_verdict.tokens;
	assert_int_equal(list_next(&rest, &item), 1);
	assert_int_equal(bytes_copy(one, sizeof(one), item), 0);
	assert_int_equal(list_next(&rest, &item), 0);
	/* Nobody answers the postmaster of nobody. */
	mail(1, 3, "");
	recipient(engine, 1, 3, 0, "", FRIEND, "");
	assert_int_equal(last.rcpt_verdict.tokens.length, 0);
	ehlo = 0;
	admit(engine, 2, "192.0.2.1");
	assert_int_equal(stoken(2, ALICE, one), AUTH_OK);
}

static void
senders_are_told_once(void **state)
{
	union message m = {.notice_begin = {.session = 1,
			       .transaction = 1,
			       .message = bytes_text("NOTICE")}};
	struct ticket_subject subject = {.kind = TICKET_DELIVER,
	    .message = "NOTICE",
	    .message_length = 6,
	    .mailbox = ALICE,
	    .mailbox_length = strlen(ALICE)};
	static const uint8_t one = 1;
	union message done = {
	    .commit_end = {
		.session = 1, .transaction = 1, .results = bytes_of(&one, 1)}};
	struct ticket_relay room;

	(void)state;
	submitter(1);
	ask(engine, MSG_NOTICE_BEGIN, &m);
	assert_int_equal(last.notice_grant.relay.length, 0);
	assert_int_equal(last.notice_grant.mailboxes.length, 0);
	mail(1, 1, ALICE);
	recipient(engine, 1, 1, 0, ALICE, FRIEND, "");
	/* Without COMMIT_BEGIN: nothing was local. */
	send_on(engine, MSG_COMMIT_END, &done, -1);
	ask(engine, MSG_NOTICE_BEGIN, &m);
	assert_int_equal(last.notice_grant.mailboxes.length, 17);
	subject.expires = last.notice_grant.expires;
	assert_int_equal(ticket_check(tickets, last.notice_grant.tickets.length,
			     ticket_key, &subject, ticket_clock()),
	    TICKET_GOOD);
	ticket_relay_subject(&subject, &room, 1, "", 0, ALICE, strlen(ALICE),
	    last.notice_grant.expires);
	assert_int_equal(ticket_check(octets, last.notice_grant.relay.length,
			     ticket_key, &subject, ticket_clock()),
	    TICKET_GOOD);
	ask(engine, MSG_NOTICE_BEGIN, &m);
	assert_int_equal(last.notice_grant.relay.length, 0);
	/* The site's MTA: a sender elsewhere has no mailbox. */
	admit(mta, 1, "");
	recipient(mta, 1, 1, 0, FRIEND, "away@a.example", "");
	ask(mta, MSG_NOTICE_BEGIN, &m);
	assert_int_equal(last.notice_grant.relay.length, TICKET_LENGTH);
	assert_int_equal(last.notice_grant.mailboxes.length, 0);
}

/* What an engine says that it found in a message for alice. */
static void
end_learned(struct channel *c, uint32_t transaction, struct bytes results,
    const char *from)
{
	union message m = {.commit_end = {.session = 1,
			       .transaction = transaction,
			       .results = results,
			       .from = bytes_text(from)}};
	struct list_writer writer;
	uint8_t buffer[1024];

	list_init(&writer, buffer, sizeof(buffer));
	(void)list_add(&writer, bytes_text("their-token"));
	(void)list_add(&writer, bytes_text("another"));
	(void)list_add(&writer, bytes_text("not=one"));
	m.commit_end.learned = list_bytes(&writer);
	send_on(c, MSG_COMMIT_END, &m, -1);
	/* With the answer to this one it was read. */
	(void)recipient(c, 1, transaction + 1, 0, FRIEND, ALICE, token);
}

/* S1-50: for those who got it, from who was shown to have sent it. */
static void
learns_what_it_may(void **state)
{
	static const uint8_t first[] = {1, 0};
	struct bytes two = bytes_of(first, 2), one = bytes_of(first, 1);

	(void)state;
	token[0] = '\0';
	admit(mta, 1, "");
	recipient(mta, 1, 1, 0, "bounce@c.example", "both@a.example", "");
	recipient(mta, 1, 1, 1, "bounce@c.example", ALICE, "");
	begin(mta, 1, 1);
	end_learned(mta, 1, two, "Friend@B.EXAMPLE");
	assert_int_equal(JUST(SHOW_HELD), CONTROL_OK);
	assert_non_null(
	    strstr(rows, "remote=" FRIEND " local=both@a.example "));
	assert_non_null(strstr(rows, " learned=field tokens=2"));
	assert_null(strstr(rows, "local=" ALICE));
	assert_null(strstr(rows, "their-token"));
	/* Neither our own domain's, nor what is no address. */
	begin(mta, 1, 2);
	end_learned(mta, 2, one, "bob@a.example");
	begin(mta, 1, 3);
	end_learned(mta, 3, one, "");
	/* What was not granted was not delivered. */
	end_learned(mta, 4, one, FRIEND);
	/* A user's session teaches nothing. */
	submitter(1);
	recipient(engine, 1, 1, 0, ALICE, ALICE, "");
	begin(engine, 1, 1);
	end_learned(engine, 1, one, FRIEND);
	assert_int_equal(JUST(SHOW_HELD), CONTROL_OK);
	assert_null(strstr(rows, "local=" ALICE));
	assert_null(strstr(rows, "remote=bob"));
}

/* An engine that lies about From in a token session gains nothing by it. */
static void
tokens_speak_for_their_holder(void **state)
{
	static const uint8_t one[] = {1};
	union message m = {.commit_end = {.session = 1,
			       .transaction = 1,
			       .results = bytes_of(one, 1),
			       .from = bytes_text("eve@b.example"),
			       .learned = bytes_of("\001\000x", 3)}};

	(void)state;
	assert_int_equal(TELL(GENERATE_PERMANENT, FRIEND, ALICE), CONTROL_OK);
	admit(engine, 1, "192.0.2.1");
	assert_int_equal(
	    recipient(engine, 1, 1, 0, FRIEND, ALICE, token), VERDICT_OK);
	begin(engine, 1, 1);
	ask(engine, MSG_COMMIT_END, &m);
	assert_int_equal(JUST(SHOW_HELD), CONTROL_OK);
	assert_null(strstr(rows, "eve"));
	assert_non_null(strstr(rows, "learned=mystoken tokens=1"));
	m.commit_end.transaction = 2;
	m.commit_end.from = bytes_text(FRIEND);
	recipient(engine, 1, 2, 0, FRIEND, ALICE, token);
	begin(engine, 1, 2);
	/* MYSTOKEN is the one before: it stays in front, and nobody waits. */
	assert_int_equal(will_answer, 0);
	assert_int_equal(channel_send(engine, MSG_COMMIT_END, &m, -1), 0);
	/* Another channel: which is heard first nobody can say. */
	do
		assert_int_equal(JUST(SHOW_HELD), CONTROL_OK);
	while (strstr(rows, "learned=mystoken tokens=2") == NULL);
}

static void
users_have_limits(void **state)
{
	uint32_t i;

	(void)state;
	submitter(1);
	for (i = 1; i <= 3; i++) {
		assert_int_equal(mail(1, i, ALICE), VERDICT_OK);
		assert_int_equal(
		    recipient(engine, 1, i, 0, ALICE, ALICE, ""), VERDICT_OK);
		/* What is refused does not count. */
		(void)recipient(engine, 1, i, 1, ALICE, "no@a.example", "");
	}
	assert_int_equal(mail(1, 4, ALICE), VERDICT_LIMIT);
	assert_int_equal(
	    recipient(engine, 1, 4, 0, "", ALICE, ""), VERDICT_LIMIT);
	/* The third message goes on, up to the fifth recipient. */
	rights.messages_per_hour = 0;
	submitter(2);
	rights.messages_per_hour = LIMIT_SITE;
	assert_int_equal(mail(2, 1, ALICE), VERDICT_OK);
	for (i = 0; i < 2; i++)
		assert_int_equal(recipient(engine, 2, 1, i, ALICE, FRIEND, ""),
		    VERDICT_OUTSIDE);
	assert_int_equal(
	    recipient(engine, 2, 1, 2, ALICE, ALICE, ""), VERDICT_LIMIT);
	rights.no_submit = 1;
	submitter(3);
	rights.no_submit = 0;
	assert_int_equal(mail(3, 1, ALICE), VERDICT_DISABLED);
	assert_int_equal(
	    recipient(engine, 3, 1, 0, "", ALICE, ""), VERDICT_REFUSED);
}

/* Revocation is final: not answered while a delivery may still land. */
static void
revocation_waits_for_a_flight(void **state)
{
	union message gone = {.session_end = {.session = 1}};
	char used[128];
	int before, first_will;
	uint32_t i;

	(void)state;
	make_token();
	(void)strlcpy(used, token, sizeof(used));
	admit(engine, 1, "192.0.2.1");
	admit(engine, 2, "192.0.2.1");
	stoken(1, ALICE, used);
	recipient(engine, 1, 1, 0, FRIEND, ALICE, used);
	recipient(engine, 2, 1, 0, FRIEND, ALICE, used);
	begin(engine, 1, 1);
	first_will = will_answer;
	say(CONTROL_VERB_REVOKE_PAIR, FRIEND, ALICE, NULL);
	/* It is in force soon: what has not begun is refused. */
	admit(engine, 3, "192.0.2.1");
	for (i = 1; i < 30000 &&
	     recipient(engine, 3, i, 0, FRIEND, ALICE, used) != VERDICT_REFUSED;
	     i++)
		(void)usleep(1000);
	/* But it is not answered. */
	before = answers;
	pump(&answers, before, 300);
	assert_int_equal(answers, before);
	begin(engine, 2, 1);
	assert_int_equal(octets[0], VERDICT_REFUSED);
	assert_int_equal(last.commit_grant.tickets.length, 0);
	assert_int_equal(
	    recipient(engine, 2, 2, 0, FRIEND, ALICE, used), VERDICT_REFUSED);
	before = answers;
	will_answer = first_will;
	end(engine, 1, 1, 1);
	if (answers == before + 1)
		pump(&answers, answers, 5000);
	assert_int_equal(answers, before + 2);
	assert_int_equal(stoken(2, ALICE, used), AUTH_FAILED);
	send_on(engine, MSG_SESSION_END, &gone, -1);
}

/* The engine dies with a delivery under way: its tickets have to expire. */
static void
dead_engine_leaves_a_flight(void **state)
{
	int before;

	(void)state;
	make_token();
	admit(engine, 1, "192.0.2.1");
	recipient(engine, 1, 1, 0, FRIEND, ALICE, token);
	begin(engine, 1, 1);
	channel_close(engine);
	pump(&ended, 0, 1000);
	engine = connect_peer(ROLE_ENGINE, engine_handlers, 0, 0);
	say(CONTROL_VERB_REVOKE_PAIR, FRIEND, ALICE, NULL);
	before = answers;
	pump(&answers, before, 700);
	assert_int_equal(answers, before);
	/* Another correspondent's is done at once. */
	control = NULL;
	assert_int_equal(TELL(REVOKE_PAIR, "eve@b.example", ALICE), CONTROL_OK);
}

/* kill -9: what was answered is there; revocations wait for old tickets. */
static void
restart_forgets_nothing_that_was_answered(void **state)
{
	char used[128];
	int before;

	(void)state;
	make_token();
	(void)strlcpy(used, token, sizeof(used));
	assert_int_equal(
	    TELL(GENERATE_PERMANENT, "eve@b.example", ALICE), CONTROL_OK);
	assert_int_equal(TELL(REVOKE_PAIR, FRIEND, ALICE), CONTROL_OK);
	stop_tokend(SIGKILL);
	assert_int_equal(start_tokend(1), 1);
	assert_int_equal(TELL(SHOW_TOKENS, "", ""), CONTROL_OK);
	assert_non_null(strstr(rows,
	    "remote=eve@b.example local=" ALICE " kind=permanent state=good"));
	assert_non_null(strstr(rows, "kind=revocation state=pair"));
	admit(engine, 1, "192.0.2.1");
	assert_int_equal(stoken(1, ALICE, used), AUTH_FAILED);
	say(CONTROL_VERB_REVOKE_PAIR, "x@y.example", ALICE, NULL);
	before = answers;
	pump(&answers, before, 700);
	assert_int_equal(answers, before);
}

static void
sessions_are_limited(void **state)
{
	union message gone = {.session_end = {.session = 2}};

	(void)state;
	assert_int_equal(admit(engine, 1, "192.0.2.1"), ADMISSION_OK);
	assert_int_equal(admit(engine, 2, "192.0.2.1"), ADMISSION_OK);
	assert_int_equal(admit(engine, 3, "192.0.2.1"), ADMISSION_OK);
	assert_int_equal(admit(engine, 4, "192.0.2.1"), ADMISSION_PER_ADDRESS);
	send_on(engine, MSG_SESSION_END, &gone, -1);
	assert_int_equal(admit(engine, 5, "192.0.2.1"), ADMISSION_OK);
	assert_int_equal(admit(engine, 6, "192.0.2.2"), ADMISSION_OK);
	assert_int_equal(admit(engine, 7, "192.0.2.3"), ADMISSION_OK);
	assert_int_equal(admit(engine, 8, "192.0.2.4"), ADMISSION_SESSIONS);
	assert_int_equal(admit(mta, 9, ""), ADMISSION_OK);
	assert_int_equal(JUST(SHOW_SESSIONS), CONTROL_OK);
	assert_non_null(strstr(rows, "login_by=mta"));
	/* A session is opened once: the engine is lying. */
	gone.session_admit.session = 1;
	gone.session_admit.address = bytes_text("192.0.2.1");
	send_on(engine, MSG_SESSION_ADMIT, &gone, -1);
	pump(&complaints, 0, SECONDS * 1000);
	assert_int_equal(complaints, 1);
}

/* The second failure is the last; four different ones block the address. */
static void
failures_are_limited(void **state)
{
	char wrong[69];

	(void)state;
	make_token();
	(void)strlcpy(wrong, token, sizeof(wrong));
	wrong[60] = wrong[60] == 'A' ? 'B' : 'A';
	admit(engine, 1, "192.0.2.1");
	assert_int_equal(stoken(1, ALICE, wrong), AUTH_FAILED);
	assert_int_equal(stoken(1, ALICE, wrong), AUTH_FAILED_LAST);
	admit(engine, 2, "192.0.2.1");
	assert_int_equal(stoken(2, ALICE, wrong), AUTH_FAILED);
	assert_int_equal(stoken(2, ALICE, "a"), AUTH_FAILED_LAST);
	assert_int_equal(admit(engine, 3, "192.0.2.1"), ADMISSION_OK);
	assert_int_equal(stoken(3, ALICE, "b"), AUTH_FAILED);
	assert_int_equal(log_in(3, "STOKEN", "c", 1), AUTH_FAILED_LAST);
	assert_int_equal(admit(engine, 4, "192.0.2.1"), ADMISSION_FAILURES);
	assert_int_equal(admit(engine, 5, "192.0.2.2"), ADMISSION_OK);
}

/* The user is gone, so are his tokens; the answer is the same. */
static void
nobody_home_is_a_failure(void **state)
{
	(void)state;
	admit(engine, 1, "192.0.2.1");
	log_in_alice(1);
	assert_int_equal(
	    TELL(GENERATE_TEMPORARY, FRIEND, "no@a.example"), CONTROL_DATA);
	assert_int_equal(
	    TELL(GENERATE_TEMPORARY, FRIEND, "away@a.example"), CONTROL_DATA);
	assert_int_equal(
	    TELL(GENERATE_TEMPORARY, "x..y@b", ALICE), CONTROL_DATA);
}

static void
lost_auth_is_temporary(void **state)
{
	char used[128];
	int before, i;

	(void)state;
	make_token();
	(void)strlcpy(used, token, sizeof(used));
	admit(engine, 1, "192.0.2.1");
	admit(engine, 2, "192.0.2.1");
	/* One that waits for it, then those that find it away. */
	mute = 1;
	(void)usleep(150000); /* what was asked a moment ago is known */
	say_stoken(1, ALICE, used);
	pump(&ended, 0, 200);
	before = answers;
	channel_close(auth);
	pump(&answers, before, SECONDS * 1000);
	assert_int_equal(last.auth_result.outcome, AUTH_TEMPORARY);
	assert_int_equal(stoken(1, ALICE, used), AUTH_TEMPORARY);
	assert_int_equal(log_in(2, "PLAIN", "x", 1), AUTH_TEMPORARY);
	assert_int_equal(
	    recipient(engine, 1, 1, 0, FRIEND, ALICE, used), VERDICT_TEMPORARY);
	mute = 0;
	auth = connect_peer(ROLE_AUTH, auth_handlers, 0, 0);
	/* The news of it comes on another channel than the question. */
	for (i = 0; i < 1000 && stoken(1, ALICE, used) == AUTH_TEMPORARY; i++)
		(void)usleep(1000);
	assert_int_equal(last.auth_result.outcome, AUTH_OK);
}

static void
users_generate_and_revoke(void **state)
{
	union message m = {
	    .token_generate = {
		.session = 1, .permanent = 1, .remote = bytes_text(FRIEND)}};
	union message r = {.token_revoke = {.session = 1,
			       .remote = bytes_text(FRIEND),
			       .local = bytes_text(ALICE)}};
	char used[128];

	(void)state;
	admit(engine, 1, "192.0.2.1");
	ask(engine, MSG_TOKEN_GENERATE, &m);
	assert_int_equal(last.token_generated.verdict, TOKEN_VERDICT_TEMPORARY);
	log_in_alice(1);
	ask(engine, MSG_TOKEN_GENERATE, &m);
	assert_int_equal(last.token_generated.verdict, TOKEN_VERDICT_OK);
	(void)strlcpy(used, token, sizeof(used));
	ask(engine, MSG_TOKEN_GENERATE, &m);
	assert_string_equal(token, used);
	m.token_generate.local = bytes_text("bob@a.example");
	ask(engine, MSG_TOKEN_GENERATE, &m);
	assert_int_equal(last.token_generated.verdict, TOKEN_VERDICT_BAD_LOCAL);
	m.token_generate.remote = bytes_text("nobody");
	ask(engine, MSG_TOKEN_GENERATE, &m);
	assert_int_equal(
	    last.token_generated.verdict, TOKEN_VERDICT_BAD_REMOTE);
	ask(engine, MSG_TOKEN_REVOKE, &r);
	assert_int_equal(last.token_revoked.verdict, TOKEN_VERDICT_OK);
	admit(engine, 2, "192.0.2.1");
	assert_int_equal(stoken(2, ALICE, used), AUTH_FAILED);
	/* D-S09: of nothing. */
	r.token_revoke.remote = bytes_text("never@b.example");
	ask(engine, MSG_TOKEN_REVOKE, &r);
	assert_int_equal(last.token_revoked.verdict, TOKEN_VERDICT_OK);
}

static void
keys_rotate_and_retire(void **state)
{
	char used[128];

	(void)state;
	make_token();
	(void)strlcpy(used, token, sizeof(used));
	assert_int_equal(TELL(RETIRE_KEY, "1"), CONTROL_DATA);
	assert_int_equal(JUST(ROTATE_KEY), CONTROL_OK);
	assert_int_equal(JUST(SHOW_KEYS), CONTROL_OK);
	assert_non_null(strstr(rows, "id=2 "));
	admit(engine, 1, "192.0.2.1");
	assert_int_equal(stoken(1, ALICE, used), AUTH_OK);
	assert_int_equal(TELL(RETIRE_KEY, "x"), CONTROL_DATA);
	assert_int_equal(TELL(RETIRE_KEY, "1"), CONTROL_OK);
	admit(engine, 2, "192.0.2.1");
	assert_int_equal(stoken(2, ALICE, used), AUTH_FAILED);
	assert_int_equal(JUST(CHECK), CONTROL_OK);
	make_token();
	stop_tokend(SIGKILL);
	assert_int_equal(start_tokend(1), 1);
	admit(engine, 1, "192.0.2.1");
	assert_int_equal(stoken(1, ALICE, token), AUTH_OK);
}

/* A copy that was made while it ran takes what the original took. */
static void
backup_can_be_started(void **state)
{
	char used[128], gone[128], command[160];

	(void)state;
	(void)snprintf(command, sizeof(command), "mkdir -m 0700 %s/copy", top);
	assert_int_equal(system(command), 0);
	make_token();
	(void)strlcpy(used, token, sizeof(used));
	assert_int_equal(
	    TELL(GENERATE_PERMANENT, "eve@b.example", ALICE), CONTROL_OK);
	(void)strlcpy(gone, token, sizeof(gone));
	assert_int_equal(TELL(REVOKE_PAIR, "eve@b.example", ALICE), CONTROL_OK);
	pieces = 0;
	assert_int_equal(JUST(BACKUP), CONTROL_OK);
	assert_true(pieces >= 3);
	stop_tokend(SIGKILL);
	(void)snprintf(store, sizeof(store), "%s/copy", top);
	assert_int_equal(start_tokend(0), 1);
	admit(engine, 1, "192.0.2.1");
	admit(engine, 2, "192.0.2.1");
	assert_int_equal(stoken(1, ALICE, used), AUTH_OK);
	assert_int_equal(stoken(2, ALICE, gone), AUTH_FAILED);
}

static void
reload_goes_through_the_parent(void **state)
{
	union message m;
	int before;

	(void)state;
	say(CONTROL_VERB_RELOAD, NULL);
	before = answers;
	pump(&answers, before, SECONDS * 1000);
	memset(&m, 0, sizeof(m));
	m.reload_done.request = last.reload.request;
	m.reload_done.problem = bytes_text("line 3: what");
	ask(parent, MSG_RELOAD_DONE, &m);
	assert_int_equal(last.control_end.status, CONTROL_FAILED);
	assert_string_equal(text, "line 3: what");
}

static void
shows_what_a_token_is(void **state)
{
	(void)state;
	make_token();
	assert_int_equal(TELL(SHOW_TOKEN, ALICE, FRIEND, token), CONTROL_OK);
	assert_non_null(strstr(rows, "state=good accepted=1"));
	assert_int_equal(
	    TELL(SHOW_TOKEN, ALICE, "eve@b.example", token), CONTROL_OK);
	assert_non_null(strstr(rows, "state=wrong-remote accepted=0"));
	assert_int_equal(
	    TELL(SHOW_TOKEN, "bob@a.example", "", token), CONTROL_OK);
	assert_non_null(strstr(rows, "state=bad-mac accepted=0"));
	assert_int_equal(TELL(SHOW_TOKEN, ALICE, "", "x"), CONTROL_DATA);
	assert_int_equal(JUST(SHOW_STATS), CONTROL_OK);
	assert_non_null(strstr(rows, "tokens_temporary=1"));
}

/* An answer that belongs to nothing; AUTH while one is going on. */
static void
liars_are_reported(void **state)
{
	union message m = {.address_result = {.request = 77, .lookup = 1}};
	union message step = {.auth_step = {.session = 1,
				  .first = 1,
				  .has_response = 1,
				  .mechanism = bytes_text("PLAIN")}};

	(void)state;
	admit(engine, 1, "192.0.2.1");
	(void)log_in(1, "PLAIN", "x", 1);
	send_on(engine, MSG_AUTH_STEP, &step, -1);
	pump(&complaints, 0, SECONDS * 1000);
	assert_int_equal(complaints, 1);
	send_on(auth, MSG_ADDRESS_RESULT, &m, -1);
	pump(&complaints, 1, SECONDS * 1000);
	assert_int_equal(complaints, 2);
}

static void
old_store_without_keys_is_not_ready(void **state)
{
	char command[160];

	(void)state;
	stop_tokend(SIGKILL);
	(void)snprintf(command, sizeof(command), "rm %s/keys", store);
	assert_int_equal(system(command), 0);
	assert_int_equal(start_tokend(0), 2);
	assert_non_null(strstr(problem, "keys"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(token_delivers),
	    TEST(news_until_it_is_durable),
	    TEST(failed_delivery_earns_nothing),
	    TEST(revoked_in_flight_earns_nothing),
	    TEST(learns_what_it_may),
	    TEST(tokens_speak_for_their_holder),
	    TEST(recipients_need_a_right),
	    TEST(users_and_the_mta_need_no_token),
	    TEST(mail_goes_elsewhere_with_tickets),
	    TEST(copies_get_tokens),
	    TEST(tokens_come_at_once),
	    TEST(senders_are_told_once),
	    TEST(users_have_limits),
	    TEST(revocation_waits_for_a_flight),
	    TEST(dead_engine_leaves_a_flight),
	    TEST(restart_forgets_nothing_that_was_answered),
	    TEST(sessions_are_limited),
	    TEST(failures_are_limited),
	    TEST(nobody_home_is_a_failure),
	    TEST(lost_auth_is_temporary),
	    TEST(users_generate_and_revoke),
	    TEST(keys_rotate_and_retire),
	    TEST(backup_can_be_started),
	    TEST(reload_goes_through_the_parent),
	    TEST(shows_what_a_token_is),
	    TEST(liars_are_reported),
	    TEST(old_store_without_keys_is_not_ready),
	};

	(void)signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
