/* SPDX-License-Identifier: ISC */
/*
 * The libraries under the promises of the roles that use them: Berkeley DB
 * (with log files that roll over, checkpoints, and recovery after a kill),
 * libevent, libtls and crypt(3), each after the narrow pledge.
 */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <netinet/in.h>

#include <crypt.h>
#include <db.h>
#include <err.h>
#include <errno.h>
#include <event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tls.h>
#include <unistd.h>

#include "compat/sandbox.h"
#include "regress/sandbox/harness.h"

#define MUST(condition)                                                        \
	do {                                                                   \
		if (!(condition)) {                                            \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, \
			    #condition, strerror(errno));                      \
			_exit(254);                                            \
		}                                                              \
	} while (0)

#define TOKEND "stdio rpath wpath cpath flock unix"
#define RECORDS 20000

static DB_ENV *environment;
static DB *database;

static void
open_database(void)
{
	MUST(db_env_create(&environment, 0) == 0);
	environment->set_errfile(environment, stderr);
	MUST(environment->set_lg_max(environment, 1024 * 1024) == 0);
	MUST(environment->set_lg_bsize(environment, 64 * 1024) == 0);
	MUST(environment->open(environment, "db",
		 DB_CREATE | DB_INIT_TXN | DB_INIT_LOG | DB_INIT_MPOOL |
		     DB_INIT_LOCK | DB_PRIVATE | DB_RECOVER,
		 0600) == 0);
	MUST(db_create(&database, environment, 0) == 0);
	MUST(database->open(database, NULL, "store.db", NULL, DB_BTREE,
		 DB_CREATE | DB_AUTO_COMMIT, 0600) == 0);
}

static int
put(DB_TXN *txn, uint32_t number)
{
	char octets[100] = "value";
	DBT key = {.data = &number, .size = sizeof(number)};
	DBT value = {.data = octets, .size = sizeof(octets)};

	return database->put(database, txn, &key, &value, 0);
}

static void
put_many(uint32_t from, uint32_t to)
{
	while (from < to) {
		DB_TXN *txn;

		MUST(environment->txn_begin(environment, NULL, &txn, 0) == 0);
		for (int i = 0; i < 100; i++)
			MUST(put(txn, from++) == 0);
		MUST(txn->commit(txn, DB_TXN_SYNC) == 0);
	}
}

static uint32_t
count_records(void)
{
	DBT key = {0}, value = {0};
	uint32_t n = 0;
	DBC *cursor;

	MUST(database->cursor(database, NULL, &cursor, 0) == 0);
	while (cursor->get(cursor, &key, &value, DB_NEXT) == 0)
		n++;
	MUST(cursor->close(cursor) == 0);
	return n;
}

/* Opened before the pledge; many logs, checkpoints, old logs removed. */
static int
db_work(void)
{
	DB_TXN *txn;

	open_database();
	MUST(unveil("db", "rwc") == 0 && unveil(NULL, NULL) == 0);
	MUST(pledge(TOKEND, NULL) == 0);
	put_many(0, RECORDS / 2);
	MUST(environment->txn_checkpoint(environment, 0, 0, DB_FORCE) == 0);
	MUST(environment->log_archive(environment, NULL, DB_ARCH_REMOVE) == 0);
	put_many(RECORDS / 2, RECORDS);
	MUST(environment->txn_checkpoint(environment, 0, 0, DB_FORCE) == 0);
	MUST(environment->memp_trickle(environment, 50, NULL) == 0);
	/* A transaction that is lost, then the worst end. */
	MUST(environment->txn_begin(environment, NULL, &txn, 0) == 0);
	MUST(put(txn, RECORDS) == 0);
	kill(getpid(), SIGKILL);
	return -1;
}

/* As after a restart, but wholly inside the sandbox. */
static int
db_recovery(void)
{
	char **list = NULL;

	MUST(unveil("db", "rwc") == 0 && unveil(NULL, NULL) == 0);
	MUST(pledge(TOKEND, NULL) == 0);
	open_database();
	MUST(count_records() == RECORDS);
	put_many(RECORDS, RECORDS + 100);
	MUST(environment->log_archive(environment, &list, DB_ARCH_LOG) == 0);
	free(list);
	MUST(database->compact(
		 database, NULL, NULL, NULL, NULL, DB_FREE_SPACE, NULL) == 0);
	MUST(database->close(database, 0) == 0);
	return environment->close(environment, 0);
}

static int
db_without_promise(void)
{
	open_database();
	MUST(pledge("stdio", NULL) == 0);
	put_many(0, RECORDS);
	return environment->txn_checkpoint(environment, 0, 0, DB_FORCE);
}

static int events;

static void
on_event(int fd, short what, void *base)
{
	(void)fd;
	(void)what;
	if (++events == 3)
		(void)event_base_loopexit(base, NULL);
}

/* A descriptor, a timer and a signal, with the base made before the pledge. */
static int
loop_with_events(void)
{
	struct timeval wait = {.tv_usec = 10000};
	struct event_base *base = event_base_new();
	struct event *readable, *timer, *caught;

	MUST(base != NULL && pledge("stdio", NULL) == 0);
	readable = event_new(base, world.pair[1], EV_READ, on_event, base);
	timer = evtimer_new(base, on_event, base);
	caught = evsignal_new(base, SIGUSR1, on_event, base);
	MUST(event_add(readable, NULL) == 0 && event_add(timer, &wait) == 0 &&
	    event_add(caught, NULL) == 0);
	MUST(write(world.pair[0], "x", 1) == 1 && raise(SIGUSR1) == 0);
	MUST(event_base_dispatch(base) >= 0 && events == 3);
	event_free(readable);
	event_free(timer);
	event_free(caught);
	event_base_free(base);
	return 0;
}

static int
loop_made_inside(void)
{
	MUST(pledge("stdio", NULL) == 0);
	return event_base_new() == NULL ? -1 : 0;
}

static int
hash_passwords(void)
{
	static const char *const settings[] = {"$2b$05$abcdefghijklmnopqrstuu",
	    "$6$saltsalt", "$5$saltsalt", "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$"};

	MUST(pledge("stdio", NULL) == 0);
	for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
		const char *hash = crypt("secret", settings[i]);

		MUST(hash != NULL && hash[0] == '$');
	}
	return 0;
}

static struct tls *
new_server(void)
{
	struct tls_config *config = tls_config_new();
	struct tls *tls = tls_server();

	MUST(config != NULL && tls != NULL);
	MUST(tls_config_set_keypair_file(config, "cert.pem", "key.pem") == 0);
	MUST(tls_configure(tls, config) == 0);
	return tls;
}

/* Five octets; a ticket may come first. */
static int
read_hello(struct tls *tls)
{
	char text[16];
	ssize_t n;

	do
		n = tls_read(tls, text, sizeof(text));
	while (n == TLS_WANT_POLLIN || n == TLS_WANT_POLLOUT);
	return n == 5 ? 0 : -1;
}

static void
greet(const char *ca)
{
	struct tls_config *config = tls_config_new();
	struct tls *tls = tls_client();
	char port[16];

	(void)snprintf(port, sizeof(port), "%d", world.port);
	MUST(tls_config_set_ca_file(config, ca) == 0);
	MUST(tls_configure(tls, config) == 0);
	if (tls_connect_servername(tls, "127.0.0.1", port, "localhost") == -1 ||
	    tls_write(tls, "hello", 5) != 5 || read_hello(tls) == -1)
		errx(1, "client: %s", tls_error(tls));
	(void)tls_close(tls);
	_exit(0);
}

/* The frontend's part; the client is outside. */
static int
tls_server_handshake(void)
{
	struct tls *server = new_server(), *tls;
	pid_t client;
	int fd;

	MUST((client = fork()) != -1);
	if (client == 0)
		greet("cert.pem");
	tzset();
	sandbox_accept_only();
	MUST(pledge("stdio inet sendfd recvfd", NULL) == 0);
	MUST((fd = accept4(world.listener, NULL, NULL, SOCK_CLOEXEC)) != -1);
	MUST(tls_accept_socket(server, &tls, fd) == 0);
	MUST(read_hello(tls) == 0);
	MUST(tls_write(tls, "hello", 5) == 5 && tls_close(tls) == 0);
	tls_free(tls);
	MUST(waitpid(client, &fd, 0) == client && fd == 0);
	return 0;
}

/* Relay's part: a client that has read its roots before. */
static int
tls_client_handshake(void)
{
	struct tls_config *config = tls_config_new();
	struct tls *client = tls_client(), *tls, *server;
	struct sockaddr_in sin = {.sin_family = AF_INET};
	pid_t peer;
	int fd;

	MUST((peer = fork()) != -1);
	if (peer == 0) {
		server = new_server();
		MUST((fd = accept(world.listener, NULL, NULL)) != -1);
		MUST(tls_accept_socket(server, &tls, fd) == 0);
		MUST(read_hello(tls) == 0);
		MUST(tls_write(tls, "hello", 5) == 5);
		_exit(0);
	}
	MUST(tls_config_set_ca_file(config, "cert.pem") == 0);
	MUST(tls_configure(client, config) == 0);
	tzset();
	MUST(pledge("stdio inet dns recvfd", NULL) == 0);
	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons((uint16_t)world.port);
	MUST((fd = socket(AF_INET, SOCK_STREAM, 0)) != -1);
	MUST(connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0);
	MUST(tls_connect_socket(client, fd, "localhost") == 0);
	MUST(tls_write(client, "hello", 5) == 5);
	MUST(read_hello(client) == 0);
	(void)tls_close(client);
	MUST(waitpid(peer, &fd, 0) == peer && fd == 0);
	return 0;
}

static int
make_certificate(void)
{
	return system("openssl req -x509 -newkey ec -pkeyopt "
		      "ec_paramgen_curve:P-256 -nodes -days 2 -subj "
		      "/CN=localhost -addext subjectAltName=DNS:localhost "
		      "-keyout key.pem -out cert.pem 2>/dev/null");
}

int
main(int argc, char *argv[])
{
	static const struct {
		const char *name;
		int (*function)(void);
	} cases[] = {
	    {"Berkeley DB: recovery after a kill, in the sandbox", db_recovery},
	    {"libevent: descriptor, timer, signal", loop_with_events},
	    {"libevent: base made in the sandbox", loop_made_inside},
	    {"crypt", hash_passwords},
	    {"libtls: server", tls_server_handshake},
	    {"libtls: client", tls_client_handshake},
	};
	int status;

	(void)harness_start(argc, argv);
	if (mkdir("db", 0700) == -1)
		err(1, "db");
	if (make_certificate() != 0)
		errx(1, "openssl failed");
	status = harness_run(NULL, db_work);
	harness_result(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL,
	    "Berkeley DB: put, commit, roll over, checkpoint: %s",
	    harness_status(status));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		status = harness_run(NULL, cases[i].function);
		harness_result(harness_is(status, RUNS), "%s: %s",
		    cases[i].name, harness_status(status));
	}
	status = harness_run(NULL, db_without_promise);
	harness_result(!harness_is(status, RUNS),
	    "Berkeley DB: stopped without promises: %s",
	    harness_status(status));
	return harness_end();
}
