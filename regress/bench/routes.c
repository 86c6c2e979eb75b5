/* SPDX-License-Identifier: ISC */
/*
 * The client of W9: submits messages that go different ways to mailboxes on
 * this machine, and looks when each is there.
 *	routes -w WAYS [-n messages] [-i pause-ms] [-s octets]
 *	       [-d directory -C certificate -K key]
 *	routes -w WAYS -y WAY -c clients -t seconds [-s octets]
 * A line of the file WAYS is: name port login password recipient new, the
 * last being the directory of the recipient's mailbox that mail comes to.
 * The first form sends one message each way in turn, and does what is at the
 * bottom of all: with -d a file as durable as one in a mailbox, with -C one
 * octet to and fro over TLS. For each it prints a line
 *	name us-to-the-file us-to-the-reply us-of-the-envelope
 * the first two from the moment at which the final dot is written (0: there
 * is none), the last from MAIL to the answer to RCPT. The
 * second sends as much as it can one way, waits until all is there, and prints
 *	messages errors seconds p50-us p99-us
 * the last two being from the final dot to the reply.
 */
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WAYS_MAX 16
#define CLIENTS_MAX 64
#define TIMES 200000
#define PATIENCE 60 /* seconds */

struct way {
	char name[32], login[128], password[64], recipient[128], new[512];
	int port, watch;
};

struct client {
	const struct way *way;
	int fd;
	SSL *ssl;
	char buffer[4096];
	size_t have;
	double envelope;
	pthread_t thread;
	uint32_t *times; /* microseconds to the reply */
	size_t count, errors;
};

static struct way ways[WAYS_MAX];
static int way_count, messages = 200, pause_ms = 10;
static size_t size = 4096;
static SSL_CTX *context;
static double deadline;

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int
dial(int port)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct timeval patience = {.tv_sec = PATIENCE};
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	to.sin_port = htons((uint16_t)port);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1 || connect(fd, (struct sockaddr *)&to, sizeof(to)) == -1)
		err(1, "port %d", port);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(
	    fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return fd;
}

static SSL *
secure(int fd)
{
	SSL *ssl = SSL_new(context);

	if (ssl == NULL || SSL_set_fd(ssl, fd) != 1 || SSL_connect(ssl) != 1)
		errx(1, "TLS");
	return ssl;
}

static void
put(struct client *c, const char *data, size_t length)
{
	size_t done;

	if (SSL_write_ex(c->ssl, data, length, &done) != 1)
		errx(1, "%s: cannot write", c->way->name);
}

/* The code of the next reply. What comes behind it is kept. */
static int
get_reply(struct client *c)
{
	char *end;
	int n, code, more;

	for (;;) {
		end = memchr(c->buffer, '\n', c->have);
		if (end == NULL) {
			n = SSL_read(c->ssl, c->buffer + c->have,
			    (int)(sizeof(c->buffer) - c->have));
			if (n <= 0)
				errx(1, "%s: no reply", c->way->name);
			c->have += (size_t)n;
			continue;
		}
		code = atoi(c->buffer);
		more = c->buffer[3] == '-';
		c->have -= (size_t)(end + 1 - c->buffer);
		memmove(c->buffer, end + 1, c->have);
		if (!more)
			return code;
	}
}

static void
ask(struct client *c, const char *command, int code)
{
	int got;

	put(c, command, strlen(command));
	if ((got = get_reply(c)) != code)
		errx(1, "%s: %d to %s", c->way->name, got, command);
}

static void
log_in(struct client *c, const struct way *way)
{
	unsigned char raw[512], text[1024];
	char command[1200];
	int length;

	c->way = way;
	c->fd = dial(way->port);
	c->ssl = secure(c->fd);
	if (get_reply(c) != 220)
		errx(1, "%s: no greeting", way->name);
	ask(c, "EHLO client.example\r\n", 250);
	length = snprintf((char *)raw, sizeof(raw), "%c%s%c%s", 0, way->login,
	    0, way->password);
	(void)EVP_EncodeBlock(text, raw, length);
	(void)snprintf(command, sizeof(command), "AUTH PLAIN %s\r\n", text);
	ask(c, command, 235);
}

/* Everything but the final dot; returns when that was written. */
static double
send_message(struct client *c)
{
	static __thread char *text;
	static __thread size_t length;
	char command[300];
	double start = now();

	if (text == NULL) {
		if ((text = malloc(size + 600)) == NULL)
			err(1, NULL);
		length = (size_t)snprintf(text, 512,
		    "From: <%s>\r\nTo: <%s>\r\nSubject: by another way\r\n"
		    "Date: Sun, 22 Nov 2026 06:00:00 +0000\r\n\r\n",
		    c->way->login, c->way->recipient);
		while (length < size) {
			memset(text + length, 'x', 70);
			memcpy(text + length + 70, "\r\n", 2);
			length += 72;
		}
	}
	(void)snprintf(
	    command, sizeof(command), "MAIL FROM:<%s>\r\n", c->way->login);
	ask(c, command, 250);
	(void)snprintf(
	    command, sizeof(command), "RCPT TO:<%s>\r\n", c->way->recipient);
	ask(c, command, 250);
	c->envelope = now() - start;
	ask(c, "DATA\r\n", 354);
	put(c, text, length);
	start = now();
	put(c, ".\r\n", 3);
	return start;
}

/* Waits for the file and for the reply, whichever is first. */
static void
time_message(struct client *c)
{
	char events[4096];
	double file = 0, reply = 0, start;
	struct pollfd fds[2] = {{.fd = c->way->watch, .events = POLLIN},
	    {.fd = c->fd, .events = POLLIN}};

	start = send_message(c);
	while (file == 0 || reply == 0) {
		fds[0].fd = file == 0 ? c->way->watch : -1;
		fds[1].fd = reply == 0 ? c->fd : -1;
		if (poll(fds, 2, PATIENCE * 1000) < 1)
			errx(1, "%s: nothing comes", c->way->name);
		if (fds[0].revents != 0) {
			file = now();
			if (read(c->way->watch, events, sizeof(events)) < 1)
				err(1, "inotify");
		}
		if (fds[1].revents != 0) {
			if (get_reply(c) != 250)
				errx(1, "%s: refused", c->way->name);
			reply = now();
		}
	}
	printf("%s %.0f %.0f %.0f\n", c->way->name, (file - start) * 1e6,
	    (reply - start) * 1e6, c->envelope * 1e6);
}

/* What no delivery can be below: a file made durable, and its name. */
static void
time_disk(const char *name)
{
	static char data[65536];
	static int directory = -1;
	char from[64], to[64];
	double start;
	int fd;

	if (directory == -1 && (directory = open(name, O_RDONLY)) == -1)
		err(1, "%s", name);
	(void)snprintf(from, sizeof(from), "tmp.%d", getpid());
	(void)snprintf(to, sizeof(to), "new.%d.%.6f", getpid(), now());
	start = now();
	fd = openat(directory, from, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd == -1 || write(fd, data, size) != (ssize_t)size ||
	    fsync(fd) == -1 || close(fd) == -1 ||
	    renameat(directory, from, directory, to) == -1 ||
	    fsync(directory) == -1)
		err(1, "%s", name);
	printf("disk %.0f 0 0\n", (now() - start) * 1e6);
}

static void *
echo(void *argument)
{
	SSL *ssl = argument;
	char octet;

	if (SSL_accept(ssl) != 1)
		errx(1, "TLS");
	while (SSL_read(ssl, &octet, 1) == 1 && SSL_write(ssl, &octet, 1) == 1)
		continue;
	return NULL;
}

/* A connection to a thread that says again what it hears. */
static SSL *
make_echo(const char *certificate, const char *key)
{
	struct sockaddr_in own = {.sin_family = AF_INET};
	socklen_t length = sizeof(own);
	SSL_CTX *server = SSL_CTX_new(TLS_server_method());
	int client, fd, on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
	pthread_t thread;
	SSL *ssl;

	own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (server == NULL || listener == -1 ||
	    SSL_CTX_use_certificate_chain_file(server, certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(server, key, SSL_FILETYPE_PEM) != 1 ||
	    bind(listener, (struct sockaddr *)&own, sizeof(own)) == -1 ||
	    listen(listener, 1) == -1 ||
	    getsockname(listener, (struct sockaddr *)&own, &length) == -1)
		errx(1, "%s", certificate);
	client = dial(ntohs(own.sin_port));
	if ((fd = accept(listener, NULL, NULL)) == -1)
		err(1, "accept");
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if ((ssl = SSL_new(server)) == NULL || SSL_set_fd(ssl, fd) != 1 ||
	    pthread_create(&thread, NULL, echo, ssl) != 0)
		errx(1, "echo");
	return secure(client);
}

static void
time_ping(SSL *ssl)
{
	double start = now();
	char octet = 'x';

	if (SSL_write(ssl, &octet, 1) != 1 || SSL_read(ssl, &octet, 1) != 1)
		errx(1, "ping");
	printf("ping 0 %.0f 0\n", (now() - start) * 1e6);
}

static void
take_turns(const char *directory, SSL *ping)
{
	static struct client clients[WAYS_MAX];

	for (int i = 0; i < way_count; i++) {
		ways[i].watch = inotify_init1(IN_CLOEXEC);
		if (inotify_add_watch(ways[i].watch, ways[i].new,
			IN_CREATE | IN_MOVED_TO) == -1)
			err(1, "%s", ways[i].new);
		log_in(&clients[i], &ways[i]);
	}
	for (int n = 0; n < messages; n++) {
		/* None has always the same one before it. */
		for (int i = 0; i < way_count; i++) {
			time_message(&clients[(i + n) % way_count]);
			(void)usleep((useconds_t)pause_ms * 1000);
		}
		if (directory != NULL)
			time_disk(directory);
		if (ping != NULL)
			time_ping(ping);
	}
}

static void *
run(void *argument)
{
	struct client *c = argument;
	double start;

	while (now() < deadline && c->count < TIMES) {
		start = send_message(c);
		if (get_reply(c) != 250)
			c->errors++;
		else
			c->times[c->count++] =
			    (uint32_t)((now() - start) * 1e6);
	}
	return NULL;
}

static size_t
files(const char *name)
{
	DIR *directory = opendir(name);
	struct dirent *entry;
	size_t n = 0;

	if (directory == NULL)
		return 0; /* its first message makes it */
	while ((entry = readdir(directory)) != NULL)
		n += entry->d_name[0] != '.';
	(void)closedir(directory);
	return n;
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
send_much(const struct way *way, int count, double seconds)
{
	static struct client clients[CLIENTS_MAX];
	static uint32_t all[TIMES];
	size_t before = files(way->new), errors = 0, n = 0, sent = 0;
	double start;

	for (int i = 0; i < count; i++) {
		log_in(&clients[i], way);
		clients[i].times = calloc(TIMES, sizeof(uint32_t));
		if (clients[i].times == NULL)
			err(1, NULL);
	}
	start = now();
	deadline = start + seconds;
	for (int i = 0; i < count; i++)
		if (pthread_create(
			&clients[i].thread, NULL, run, &clients[i]) != 0)
			errx(1, "pthread_create");
	for (int i = 0; i < count; i++) {
		(void)pthread_join(clients[i].thread, NULL);
		sent += clients[i].count;
		errors += clients[i].errors;
		for (size_t k = 0; k < clients[i].count && n < TIMES; k++)
			all[n++] = clients[i].times[k];
	}
	while (files(way->new) < before + sent &&
	    now() - start < seconds + PATIENCE)
		(void)usleep(5000);
	seconds = now() - start;
	errors += before + sent - files(way->new);
	qsort(all, n, sizeof(all[0]), compare);
	printf("%zu %zu %.3f %u %u\n", sent, errors, seconds, all[n / 2],
	    all[n * 99 / 100]);
}

static void
read_ways(const char *name)
{
	FILE *file = fopen(name, "r");
	char line[1024];
	struct way *w;

	if (file == NULL)
		err(1, "%s", name);
	while (
	    way_count < WAYS_MAX && fgets(line, sizeof(line), file) != NULL) {
		w = &ways[way_count];
		if (sscanf(line, "%31s %d %127s %63s %127s %511s", w->name,
			&w->port, w->login, w->password, w->recipient,
			w->new) == 6)
			way_count++;
	}
	(void)fclose(file);
}

static const struct way *
find_way(const char *name)
{
	for (int i = 0; i < way_count; i++)
		if (strcmp(ways[i].name, name) == 0)
			return &ways[i];
	errx(1, "%s: no such way", name);
}

int
main(int argc, char *argv[])
{
	const char *certificate = NULL, *key = NULL, *directory = NULL;
	const char *one = NULL;
	int c, clients = 1;
	double seconds = 2;

	while ((c = getopt(argc, argv, "C:c:d:i:K:n:s:t:w:y:")) != -1) {
		if (c == 'C')
			certificate = optarg;
		else if (c == 'c')
			clients = atoi(optarg);
		else if (c == 'd')
			directory = optarg;
		else if (c == 'i')
			pause_ms = atoi(optarg);
		else if (c == 'K')
			key = optarg;
		else if (c == 'n')
			messages = atoi(optarg);
		else if (c == 's')
			size = (size_t)atoi(optarg);
		else if (c == 't')
			seconds = atof(optarg);
		else if (c == 'w')
			read_ways(optarg);
		else if (c == 'y')
			one = optarg;
		else
			errx(1, "see routes.c");
	}
	if (way_count == 0 || clients > CLIENTS_MAX || size > 65536)
		errx(1, "see routes.c");
	if ((context = SSL_CTX_new(TLS_client_method())) == NULL)
		errx(1, "SSL_CTX_new");
	(void)SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
	if (one != NULL)
		send_much(find_way(one), clients, seconds);
	else
		take_turns(directory,
		    certificate == NULL || key == NULL
			? NULL
			: make_echo(certificate, key));
	return 0;
}
