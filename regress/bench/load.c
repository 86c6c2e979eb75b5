/* SPDX-License-Identifier: ISC */
/*
 * The load client of make bench: normal synchronous LMTP clients (-S: SMTP
 * clients that submit) over TLS 1.3, one thread each, without pipelining. The last line that it prints is
 *	operations errors seconds p50-ms p99-ms
 */
#include <sys/socket.h>
#include <sys/time.h>

#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ACCOUNTS 256
#define LATENCIES 200000 /* of one client */

enum mode {
	MODE_DELIVER, /* messages */
	MODE_LOGIN, /* connect, TLS, LHLO, AUTH, QUIT */
	MODE_IDLE /* stay connected until standard input ends */
};

enum auth {
	AUTH_NONE,
	AUTH_PLAIN,
	AUTH_STOKEN
};

/* Who logs in, with what, and who the mail is from. */
struct account {
	char login[128], secret[256], sender[128];
};

struct client {
	pthread_t thread;
	int number;
	uint64_t operations, errors;
	float *latencies; /* milliseconds */
	size_t latency_count;
	/* The connection. */
	int fd;
	SSL *ssl;
	char buffer[8192];
	size_t have, at;
};

static enum mode mode = MODE_DELIVER;
static enum auth auth = AUTH_NONE;
static int pipelining; /* RFC 2920; one recipient */
static int chunking; /* BDAT in place of DATA */
static int submission; /* SMTP, from the login to the third column */
static int port, clients = 1, per_connection = 1, recipients = 1;
static double seconds = 5;
static size_t size = 4096;
static struct account accounts[ACCOUNTS];
static int account_count;
static char *message;
static size_t message_length;
static SSL_CTX *context;
static double start, deadline;

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
hang_up(struct client *c)
{
	if (c->ssl != NULL) {
		(void)SSL_shutdown(c->ssl);
		SSL_free(c->ssl);
	}
	if (c->fd != -1)
		(void)close(c->fd);
	c->ssl = NULL;
	c->fd = -1;
	c->have = c->at = 0;
}

static int
call(struct client *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct timeval patience = {.tv_sec = 60};
	int on = 1;

	to.sin_port = htons((uint16_t)port);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (c->fd == -1 ||
	    connect(c->fd, (struct sockaddr *)&to, sizeof(to)) == -1)
		return -1;
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(
	    c->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if ((c->ssl = SSL_new(context)) == NULL ||
	    SSL_set_fd(c->ssl, c->fd) != 1 || SSL_connect(c->ssl) != 1)
		return -1;
	return 0;
}

/* The next line of the server, without its end; NULL when there is none. */
static char *
get_line(struct client *c)
{
	char *end, *line;
	int n;

	for (;;) {
		line = c->buffer + c->at;
		end = memchr(line, '\n', c->have - c->at);
		if (end != NULL) {
			*end = '\0';
			c->at = (size_t)(end - c->buffer) + 1;
			return line;
		}
		memmove(c->buffer, line, c->have - c->at);
		c->have -= c->at;
		c->at = 0;
		if (c->have == sizeof(c->buffer))
			return NULL;
		n = SSL_read(c->ssl, c->buffer + c->have,
		    (int)(sizeof(c->buffer) - c->have));
		if (n <= 0)
			return NULL;
		c->have += (size_t)n;
	}
}

/* The code of the next reply, or -1. */
static int
get_reply(struct client *c)
{
	char *line;

	do {
		if ((line = get_line(c)) == NULL || strlen(line) < 4)
			return -1;
	} while (line[3] == '-');
	return atoi(line);
}

static int
put(struct client *c, const char *data, size_t length)
{
	size_t done;

	return SSL_write_ex(c->ssl, data, length, &done) == 1 ? 0 : -1;
}

/* Sends a command and wants a code; says what came instead. */
static int
ask(struct client *c, const char *command, int code)
{
	static int told;
	int got;

	if (put(c, command, strlen(command)) == -1)
		return -1;
	if ((got = get_reply(c)) == code)
		return 0;
	if (!told++)
		fprintf(
		    stderr, "load: %d, wanted %d, to %s", got, code, command);
	return -1;
}

static int
log_in(struct client *c, const struct account *account)
{
	unsigned char raw[512], text[1024];
	char command[1200];
	int length;

	if (auth == AUTH_NONE)
		return 0;
	length = auth == AUTH_PLAIN
	    ? snprintf((char *)raw, sizeof(raw), "%c%s%c%s", 0, account->login,
		  0, account->secret)
	    : snprintf((char *)raw, sizeof(raw), "%s%c%s", account->login, 0,
		  account->secret);
	(void)EVP_EncodeBlock(text, raw, length);
	(void)snprintf(command, sizeof(command), "AUTH %s %s\r\n",
	    auth == AUTH_PLAIN ? "PLAIN" : "STOKEN", text);
	return ask(c, command, 235);
}

static int
open_session(struct client *c, const struct account *account)
{
	if (call(c) == -1 || get_reply(c) != 220 ||
	    ask(c,
		submission ? "EHLO client.example\r\n"
			   : "LHLO client.example\r\n",
		250) == -1)
		return -1;
	return log_in(c, account);
}

/* By DATA, or in one chunk: the message, which has no dots to stuff. */
static int
put_message(struct client *c)
{
	char command[64];

	if (!chunking) {
		if (ask(c, "DATA\r\n", 354) == -1)
			return -1;
		return put(c, message, message_length);
	}
	(void)snprintf(
	    command, sizeof(command), "BDAT %zu LAST\r\n", message_length - 3);
	if (put(c, command, strlen(command)) == -1)
		return -1;
	return put(c, message, message_length - 3);
}

/* The whole transaction in one write, or, by DATA, in two. */
static int
deliver_at_once(struct client *c, const struct account *account)
{
	static __thread char out[65536];
	size_t n;

	n = (size_t)snprintf(out, 2048,
	    "MAIL FROM:<%s>\r\nRCPT TO:<%s> STOKEN=%s\r\n", account->sender,
	    account->login, account->secret);
	if (chunking) {
		n += (size_t)snprintf(
		    out + n, 64, "BDAT %zu LAST\r\n", message_length - 3);
		if (n + message_length > sizeof(out))
			return -1;
		memcpy(out + n, message, message_length - 3);
		n += message_length - 3;
	} else
		n += (size_t)snprintf(out + n, 64, "DATA\r\n");
	if (put(c, out, n) == -1 || get_reply(c) != 250 || get_reply(c) != 250)
		return -1;
	if (!chunking &&
	    (get_reply(c) != 354 || put(c, message, message_length) == -1))
		return -1;
	return get_reply(c) == 250 ? 0 : -1;
}

static int
deliver(struct client *c, const struct account *account)
{
	char command[1024];

	(void)snprintf(command, sizeof(command), "MAIL FROM:<%s>\r\n",
	    submission ? account->login : account->sender);
	if (ask(c, command, 250) == -1)
		return -1;
	for (int i = 0; i < recipients; i++) {
		if (auth == AUTH_STOKEN)
			(void)snprintf(command, sizeof(command),
			    "RCPT TO:<%s> STOKEN=%s\r\n", account->login,
			    account->secret);
		else if (recipients == 1)
			(void)snprintf(command, sizeof(command),
			    "RCPT TO:<%s>\r\n",
			    submission ? account->sender : account->login);
		else
			(void)snprintf(command, sizeof(command),
			    "RCPT TO:<%s>\r\n",
			    accounts[i % account_count].login);
		if (ask(c, command, 250) == -1)
			return -1;
	}
	if (put_message(c) == -1)
		return -1;
	for (int i = 0; i < (submission ? 1 : recipients); i++) {
		if (get_reply(c) != 250)
			return -1;
	}
	return 0;
}

static void
count_operation(struct client *c, int result, double began)
{
	if (result == -1) {
		c->errors++;
		return;
	}
	c->operations++;
	if (c->latency_count < LATENCIES)
		c->latencies[c->latency_count++] =
		    (float)((now() - began) * 1000);
}

/* One connection: its messages, or its login; -1 when something failed. */
static void
one_connection(struct client *c, const struct account *account)
{
	double began = now();
	int result = open_session(c, account);

	for (int i = 0; result == 0 && mode == MODE_DELIVER &&
	     i < per_connection && now() < deadline;
	     i++) {
		if (i > 0)
			began = now();
		result = pipelining ? deliver_at_once(c, account)
				    : deliver(c, account);
		/* One message a connection: the time of all of it. */
		if (per_connection > 1 || result == -1)
			count_operation(c, result, began);
	}
	if (result == 0) {
		result = ask(c, "QUIT\r\n", 221);
		if (per_connection == 1)
			count_operation(c, result, began);
	} else if (mode == MODE_LOGIN || c->ssl == NULL)
		c->errors++;
	hang_up(c);
	if (result == -1)
		(void)usleep(10000);
}

static void *
run(void *argument)
{
	struct client *c = argument;
	const struct account *account =
	    &accounts[c->number % (account_count > 0 ? account_count : 1)];

	while (now() < deadline)
		one_connection(c, account);
	return NULL;
}

/* Idle sessions: `clients` of them, opened by a few threads. */
static struct client *idle;

static void *
open_idle(void *argument)
{
	int *range = argument;

	for (int i = range[0]; i < range[1]; i++) {
		if (open_session(&idle[i],
			&accounts[i %
			    (account_count > 0 ? account_count : 1)]) == -1)
			idle[i].errors++;
	}
	return NULL;
}

static void
stay_idle(void)
{
	enum {
		OPENERS = 8
	};
	pthread_t threads[OPENERS];
	int ranges[OPENERS][2], failed = 0;
	char c;

	if ((idle = calloc((size_t)clients, sizeof(*idle))) == NULL)
		err(1, NULL);
	for (int i = 0; i < clients; i++)
		idle[i].fd = -1;
	for (int i = 0; i < OPENERS; i++) {
		ranges[i][0] = clients * i / OPENERS;
		ranges[i][1] = clients * (i + 1) / OPENERS;
		if (pthread_create(&threads[i], NULL, open_idle, ranges[i]) !=
		    0)
			errx(1, "pthread_create");
	}
	for (int i = 0; i < OPENERS; i++)
		(void)pthread_join(threads[i], NULL);
	for (int i = 0; i < clients; i++)
		failed += idle[i].errors > 0;
	printf("%d %d 0 0 0\n", clients - failed, failed);
	(void)fflush(stdout);
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	_exit(0);
}

static void
read_accounts(const char *name)
{
	FILE *file = fopen(name, "r");
	struct account *a;
	char line[600];

	if (file == NULL)
		err(1, "%s", name);
	while (account_count < ACCOUNTS &&
	    fgets(line, sizeof(line), file) != NULL) {
		a = &accounts[account_count];
		if (sscanf(line, "%127s %255s %127s", a->login, a->secret,
			a->sender) == 3)
			account_count++;
	}
	(void)fclose(file);
	if (account_count == 0)
		errx(1, "%s: nobody in it", name);
}

static void
make_message(void)
{
	static const char head[] =
	    "From: Bench <bench@b.example>\r\nTo: you\r\n"
	    "Subject: a message of the bench\r\n"
	    "Date: Sun, 22 Nov 2026 06:00:00 +0000\r\n"
	    "Message-ID: <bench@b.example>\r\n\r\n";
	size_t used = sizeof(head) - 1;

	if ((message = malloc(size + 128)) == NULL)
		err(1, NULL);
	memcpy(message, head, used);
	while (used < size) {
		memset(message + used, 'a' + (int)(used % 23), 70);
		memcpy(message + used + 70, "\r\n", 2);
		used += 72;
	}
	memcpy(message + used, ".\r\n", 3);
	message_length = used + 3;
}

static int
compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

static void
report(struct client *all, double elapsed)
{
	uint64_t operations = 0, errors = 0;
	size_t count = 0;
	float *sorted;

	for (int i = 0; i < clients; i++) {
		operations += all[i].operations;
		errors += all[i].errors;
		count += all[i].latency_count;
	}
	if ((sorted = calloc(count + 1, sizeof(*sorted))) == NULL)
		err(1, NULL);
	count = 0;
	for (int i = 0; i < clients; i++) {
		memcpy(sorted + count, all[i].latencies,
		    all[i].latency_count * sizeof(*sorted));
		count += all[i].latency_count;
	}
	qsort(sorted, count, sizeof(*sorted), compare);
	printf("%llu %llu %.3f %.2f %.2f\n", (unsigned long long)operations,
	    (unsigned long long)errors, elapsed, sorted[count / 2],
	    sorted[count * 99 / 100]);
	free(sorted);
}

__attribute__((noreturn)) static void
usage(void)
{
	fprintf(stderr,
	    "usage: load -p port [-a none|plain|stoken] [-B] [-c clients] "
	    "[-f accounts]\n"
	    "            [-k messages-per-connection] "
	    "[-m deliver|login|idle]\n"
	    "            [-P] [-r recipients] [-S] [-s octets] [-t seconds]\n");
	exit(1);
}

static void
options(int argc, char *argv[])
{
	int c;

	while ((c = getopt(argc, argv, "a:Bc:f:k:m:Pp:r:Ss:t:")) != -1) {
		if (c == 'a')
			auth = *optarg == 'p' ? AUTH_PLAIN
			    : *optarg == 's'  ? AUTH_STOKEN
					      : AUTH_NONE;
		else if (c == 'B')
			chunking = 1;
		else if (c == 'c')
			clients = atoi(optarg);
		else if (c == 'f')
			read_accounts(optarg);
		else if (c == 'k')
			per_connection = atoi(optarg);
		else if (c == 'm')
			mode = *optarg == 'l' ? MODE_LOGIN
			    : *optarg == 'i'  ? MODE_IDLE
					      : MODE_DELIVER;
		else if (c == 'P')
			pipelining = 1;
		else if (c == 'p')
			port = atoi(optarg);
		else if (c == 'r')
			recipients = atoi(optarg);
		else if (c == 'S')
			submission = 1;
		else if (c == 's')
			size = (size_t)atol(optarg);
		else if (c == 't')
			seconds = atof(optarg);
		else
			usage();
	}
	if (port == 0 || optind != argc)
		usage();
}

int
main(int argc, char *argv[])
{
	struct client *all;

	options(argc, argv);
	make_message();
	if ((context = SSL_CTX_new(TLS_client_method())) == NULL)
		errx(1, "SSL_CTX_new");
	(void)SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
	(void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	if (mode == MODE_IDLE)
		stay_idle();
	if ((all = calloc((size_t)clients, sizeof(*all))) == NULL)
		err(1, NULL);
	start = now();
	deadline = start + seconds;
	for (int i = 0; i < clients; i++) {
		all[i].number = i;
		all[i].fd = -1;
		all[i].latencies = calloc(LATENCIES, sizeof(float));
		if (all[i].latencies == NULL ||
		    pthread_create(&all[i].thread, NULL, run, &all[i]) != 0)
			errx(1, "cannot start client %d", i);
	}
	for (int i = 0; i < clients; i++)
		(void)pthread_join(all[i].thread, NULL);
	report(all, now() - start);
	return 0;
}
