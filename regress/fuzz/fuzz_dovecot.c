/* SPDX-License-Identifier: ISC */
/*
 * Whatever Dovecot says, nobody is let in but who was asked about, under a
 * name of ours; and everybody who asked gets one answer.
 * sources: tokend/auth/dovecot_text.c tokend/auth/dovecot_link.c tokend/auth/dovecot_auth.c tokend/auth/dovecot_userdb.c tokend/auth/exchanges.c tokend/auth/exchange.c tokend/auth/mechanism.c tokend/auth/mechanism_plain.c tokend/auth/mechanism_login.c tokend/auth/mechanism_scram.c tokend/auth/scram_text.c tokend/auth/saslprep.c tokend/auth/users.c tokend/auth/rights.c tokend/auth/source.c tokend/auth/name_map.c tokend/auth/login.c tokend/auth/scheme.c tokend/auth/scram_key.c lib/address.c lib/base64.c lib/settings.c lib/log.c imsg/messages.c
 * libs: -lidn2 -lcrypto -lcrypt
 */
#include <sys/socket.h>

#include <event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/process.h"
#include "tokend/auth/dovecot.h"
#include "tokend/auth/exchanges.h"
#include "tokend/auth/login.h"
#include "tokend/auth/lookups.h"
#include "tokend/auth/site.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define SESSIONS 3
#define LOOKUPS 3
#define INPUT_MAX 60000

static char *domain_names[] = {(char *)"a.example"};
static const struct text_list domains = {domain_names, 1};
static struct site site = {.domains = &domains};
static int told[SESSIONS + 1], known[LOOKUPS + 1], open_sessions;

/* What the process would do. */
struct channel *
process_parent(void)
{
	return NULL;
}

int
channel_send(struct channel *c, uint16_t number, const union message *m, int fd)
{
	(void)c;
	(void)m;
	(void)fd;
	return number == MSG_LOGIN_CONNECT ? 0 : -1;
}

void
backend_offers(struct bytes names)
{
	struct bytes name;

	while (list_next(&names, &name) == 1)
		if (mechanism_find(name) == NULL || mechanism_find(name)->plus)
			abort();
}

void
backend_told(
    uint64_t session, struct exchange *exchange, enum step_result result)
{
	if (session < 1 || session > SESSIONS || told[session])
		abort();
	if (result == STEP_OK && !login_is_local(&domains, exchange->login))
		abort();
	told[session] = 1;
	if (result == STEP_CHALLENGE) {
		if (exchange->challenge_length > sizeof(exchange->challenge))
			abort();
		return;
	}
	dovecot_forget(session);
	exchanges_drop(session);
	open_sessions--;
}

void
lookup_found(uint64_t number, enum found found, const struct user_facts *facts)
{
	if (number < 1 || number > LOOKUPS || known[number] ||
	    found == FOUND_LATER || (found == FOUND_YES && facts == NULL))
		abort();
	known[number] = 1;
}

static int
connect_pair(void (*connected)(int, struct bytes))
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == -1 ||
	    fcntl(pair[0], F_SETFL, O_NONBLOCK) == -1)
		abort();
	connected(pair[1], bytes_of(NULL, 0));
	return pair[0];
}

static void
begin(uint64_t session, const char *mechanism)
{
	struct bytes response = bytes_text("response");
	struct exchange *exchange = exchanges_new(session, 0);

	exchange_begin(exchange, &site, mechanism_find(bytes_text(mechanism)),
	    false, bytes_of(NULL, 0), bytes_of(NULL, 0));
	open_sessions++;
	dovecot_step(session, exchange, &response);
}

static void
say(int fd, const char *greeting, const uint8_t *data, size_t size)
{
	if (write(fd, greeting, strlen(greeting)) == -1)
		abort();
	(void)event_loop(EVLOOP_NONBLOCK);
	if (size > 0 && send(fd, data, size, MSG_NOSIGNAL) == -1)
		return;
	while (recv(fd, &(char) {0}, 1, MSG_PEEK | MSG_DONTWAIT) == 1 &&
	    recv(fd, (char[65536]) {0}, 65536, MSG_DONTWAIT) > 0)
		continue;
	/* Each turn reads a part. */
	for (size_t i = 0; i <= size / 4096 + 2; i++)
		(void)event_loop(EVLOOP_NONBLOCK);
}

static void
begin_all(void)
{
	struct user_facts facts;
	uint64_t i;

	memset(told, 0, sizeof(told));
	memset(known, 0, sizeof(known));
	open_sessions = 0;
	begin(1, "PLAIN");
	begin(2, "LOGIN");
	begin(3, "SCRAM-SHA-256");
	for (i = 1; i <= LOOKUPS; i++)
		if (dovecot_find("alice@a.example", i, &facts) != FOUND_LATER)
			known[i] = 1;
}

/* Even octets first: with a good greeting; else all is the input's. */
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct event_base *base;
	const char *auth = "VERSION\t1\t2\nMECH\tPLAIN\nDONE\n",
		   *userdb = "VERSION\t1\t1\nSPID\t1\n";
	int client, master;

	if (base == NULL)
		base = event_init();
	if (size == 0 || size > INPUT_MAX)
		return 0;
	if ((data[0] & 1) != 0)
		auth = userdb = "";
	dovecot_auth_start("auth", &site);
	dovecot_userdb_start("userdb", &site);
	client = connect_pair(dovecot_auth_connected);
	master = connect_pair(dovecot_userdb_connected);
	begin_all();
	say(client, auth, data + 1, size - 1);
	say(master, userdb, data + 1, size - 1);
	(void)close(client);
	(void)close(master);
	(void)event_loop(EVLOOP_NONBLOCK);
	(void)event_loop(EVLOOP_NONBLOCK);
	/* All that waited for it are told when it is gone. */
	for (int i = 1; i <= SESSIONS; i++)
		if (!told[i])
			abort();
	for (int i = 1; i <= LOOKUPS; i++)
		if (!known[i])
			abort();
	dovecot_forget_all();
	exchanges_clear();
	dovecot_auth_stop();
	dovecot_userdb_stop();
	return 0;
}
