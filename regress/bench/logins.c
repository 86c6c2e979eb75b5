/* SPDX-License-Identifier: ISC */
/*
 * The client of make bench that logs in, and does nothing else: connect, TLS
 * 1.3, EHLO, AUTH, QUIT, one thread a client.
 *	logins PORT CLIENTS SECONDS HOW USER SECRET
 * HOW: none, plain, scram, rememberme, ht2 (HT2-SHA-256-EXPR), ht2-id (the
 * same, and says the token's id). A SCRAM client keeps its salted password, as
 * RFC 5802 5.1 says it may; making it is timed apart. Prints
 *	logins errors seconds round-trips p50-ms pbkdf2-us
 */
#include <sys/socket.h>
#include <sys/time.h>

#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LATENCIES 200000
#define HASH SHA256_DIGEST_LENGTH

struct client {
	pthread_t thread;
	unsigned long logins, errors;
	int trips;
	float *latencies;
	size_t latency_count;
	int fd;
	SSL *ssl;
	char buffer[8192];
	size_t have;
};

static int port;
static const char *how, *user, *secret;
static double deadline;
static SSL_CTX *context;
static unsigned char salted[HASH];
static double salting; /* seconds */
static pthread_mutex_t salt_lock = PTHREAD_MUTEX_INITIALIZER;
static int is_salted;

static double
now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void
mac(const void *key, size_t length, const void *data, size_t size,
    unsigned char *out)
{
	unsigned int n;

	if (HMAC(EVP_sha256(), key, (int)length, data, size, out, &n) == NULL)
		errx(1, "HMAC");
}

static void
encode(const void *data, size_t length, char *out)
{
	(void)EVP_EncodeBlock((unsigned char *)out, data, (int)length);
}

/* Length without what padding stands for. */
static size_t
decode(const char *text, unsigned char *out)
{
	size_t length = strlen(text);
	int n = EVP_DecodeBlock(out, (const unsigned char *)text, (int)length);

	if (n < 0)
		return 0;
	while (length > 0 && text[--length] == '=')
		n--;
	return (size_t)n;
}

static int
call(struct client *c)
{
	struct sockaddr_in to = {.sin_family = AF_INET};
	struct timeval patience = {.tv_sec = 120};
	int on = 1;

	to.sin_port = htons((uint16_t)port);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	c->have = 0;
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
}

/* The last line of the next reply, without its end; its code, or -1. */
static int
reply(struct client *c, char *line, size_t size)
{
	char *end;
	size_t used;
	int n, last;

	for (;;) {
		c->buffer[c->have] = '\0';
		if ((end = strstr(c->buffer, "\r\n")) == NULL) {
			n = SSL_read(c->ssl, c->buffer + c->have,
			    (int)(sizeof(c->buffer) - c->have - 1));
			if (n <= 0)
				return -1;
			c->have += (size_t)n;
			continue;
		}
		*end = '\0';
		snprintf(line, size, "%.*s", (int)size - 1, c->buffer);
		last = strlen(line) < 4 || line[3] == ' ';
		used = (size_t)(end - c->buffer) + 2;
		c->have -= used;
		memmove(c->buffer, c->buffer + used, c->have);
		if (last)
			return atoi(line);
	}
}

static int
say(struct client *c, const char *text, char *line, size_t size)
{
	char out[4096];
	int n = snprintf(out, sizeof(out), "%s\r\n", text);

	if (SSL_write(c->ssl, out, n) != n)
		return -1;
	return reply(c, line, size);
}

/* A step of AUTH: a round trip. */
static int
step(struct client *c, const char *text, char *line, size_t size)
{
	c->trips++;
	return say(c, text, line, size);
}

static int
one_message(
    struct client *c, const char *mechanism, const void *data, size_t length)
{
	char text[2048], base64[1600], line[1024];

	encode(data, length, base64);
	snprintf(text, sizeof(text), "AUTH %s %s", mechanism, base64);
	return step(c, text, line, sizeof(line)) == 235 ? 0 : -1;
}

static int
plain(struct client *c)
{
	char message[512];
	size_t n = strlen(user);

	message[0] = '\0';
	memcpy(message + 1, user, n + 1);
	memcpy(message + n + 2, secret, strlen(secret));
	return one_message(c, "PLAIN", message, n + 2 + strlen(secret));
}

static void
salt(const unsigned char *text, size_t length, int iterations)
{
	double start = now();

	(void)pthread_mutex_lock(&salt_lock);
	if (!is_salted) {
		if (PKCS5_PBKDF2_HMAC(secret, (int)strlen(secret), text,
			(int)length, iterations, EVP_sha256(), HASH,
			salted) != 1)
			errx(1, "PBKDF2");
		salting = now() - start;
		is_salted = 1;
	}
	(void)pthread_mutex_unlock(&salt_lock);
}

static void
proof(const char *message, unsigned char out[HASH])
{
	unsigned char key[HASH], stored[HASH];
	int i;

	mac(salted, HASH, "Client Key", 10, key);
	(void)SHA256(key, HASH, stored);
	mac(stored, HASH, message, strlen(message), out);
	for (i = 0; i < HASH; i++)
		out[i] ^= key[i];
}

static int
scram(struct client *c)
{
	unsigned char random[18], text[512], octets[HASH];
	char nonce[32], bare[256], first[300], line[1024], base64[1600];
	char server[600], final[700], message[1600], out[2048], *at;
	size_t n;

	(void)RAND_bytes(random, sizeof(random));
	encode(random, sizeof(random), nonce);
	snprintf(bare, sizeof(bare), "n=%s,r=%s", user, nonce);
	snprintf(first, sizeof(first), "n,,%s", bare);
	encode(first, strlen(first), base64);
	snprintf(out, sizeof(out), "AUTH SCRAM-SHA-256 %s", base64);
	if (step(c, out, line, sizeof(line)) != 334)
		return -1;
	n = decode(line + 4, (unsigned char *)server);
	server[n] = '\0';
	snprintf(final, sizeof(final), "c=biws,%.*s", (int)strcspn(server, ","),
	    server);
	if ((at = strstr(server, ",s=")) == NULL)
		return -1;
	snprintf(
	    base64, sizeof(base64), "%.*s", (int)strcspn(at + 3, ","), at + 3);
	n = decode(base64, text);
	if ((at = strstr(server, ",i=")) == NULL)
		return -1;
	salt(text, n, atoi(at + 3));
	snprintf(message, sizeof(message), "%s,%s,%s", bare, server, final);
	proof(message, octets);
	encode(octets, HASH, base64);
	snprintf(message, sizeof(message), "%s,p=%s", final, base64);
	encode(message, strlen(message), base64);
	if (step(c, base64, line, sizeof(line)) != 334)
		return -1;
	return step(c, "", line, sizeof(line)) == 235 ? 0 : -1;
}

static int
ht2(struct client *c, int with_id)
{
	unsigned char binding[32], data[256], message[512];
	char pairs[64] = "", out[1024], base64[800], line[1024];
	size_t n, length;

	if (with_id)
		snprintf(pairs, sizeof(pairs), "id=%.12s", secret);
	if (SSL_export_keying_material(c->ssl, binding, sizeof(binding),
		"EXPORTER-Channel-Binding", 24, NULL, 0, 0) != 1)
		return -1;
	memcpy(data, "Initiator", 9);
	memcpy(data + 9, binding, sizeof(binding));
	n = 9 + sizeof(binding);
	memcpy(data + n, pairs, strlen(pairs));
	n += strlen(pairs);
	length = strlen(user) + 1;
	memcpy(message, user, length);
	memcpy(message + length, pairs, strlen(pairs) + 1);
	length += strlen(pairs) + 1;
	mac(secret, strlen(secret), data, n, message + length);
	encode(message, length + HASH, base64);
	snprintf(out, sizeof(out), "AUTH HT2-SHA-256-EXPR %s", base64);
	if (step(c, out, line, sizeof(line)) != 334)
		return -1;
	return step(c, "", line, sizeof(line)) == 235 ? 0 : -1;
}

static int
log_in(struct client *c)
{
	if (strcmp(how, "plain") == 0)
		return plain(c);
	if (strcmp(how, "scram") == 0)
		return scram(c);
	if (strcmp(how, "rememberme") == 0)
		return one_message(c, "REMEMBERME", secret, strlen(secret));
	if (strncmp(how, "ht2", 3) == 0)
		return ht2(c, how[3] != '\0');
	return 0;
}

static int
one_session(struct client *c)
{
	char line[1024];
	double start;

	if (call(c) == -1 || reply(c, line, sizeof(line)) != 220 ||
	    say(c, "EHLO bench.example", line, sizeof(line)) != 250)
		return -1;
	c->trips = 0;
	start = now();
	if (log_in(c) == -1)
		return -1;
	if (c->latency_count < LATENCIES)
		c->latencies[c->latency_count++] =
		    (float)((now() - start) * 1000);
	return say(c, "QUIT", line, sizeof(line)) == 221 ? 0 : -1;
}

static void *
run(void *argument)
{
	struct client *c = argument;

	while (now() < deadline) {
		if (one_session(c) == 0)
			c->logins++;
		else
			c->errors++;
		hang_up(c);
	}
	return NULL;
}

static int
compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

int
main(int argc, char *argv[])
{
	struct client *clients;
	double start = now(), took;
	unsigned long logins = 0, errors = 0;
	float *all;
	size_t i, count, n = 0;

	if (argc != 7)
		errx(1, "usage: logins port clients seconds how user secret");
	port = atoi(argv[1]);
	count = (size_t)atoi(argv[2]);
	deadline = start + atof(argv[3]);
	how = argv[4];
	user = argv[5];
	secret = argv[6];
	if ((context = SSL_CTX_new(TLS_client_method())) == NULL)
		errx(1, "SSL_CTX_new");
	(void)SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION);
	clients = calloc(count, sizeof(*clients));
	all = calloc(count, LATENCIES * sizeof(*all));
	if (clients == NULL || all == NULL)
		errx(1, "no memory");
	for (i = 0; i < count; i++) {
		clients[i].latencies = all + i * LATENCIES;
		clients[i].fd = -1;
		if (pthread_create(
			&clients[i].thread, NULL, run, &clients[i]) != 0)
			errx(1, "pthread_create");
	}
	for (i = 0; i < count; i++) {
		(void)pthread_join(clients[i].thread, NULL);
		logins += clients[i].logins;
		errors += clients[i].errors;
		memmove(all + n, clients[i].latencies,
		    clients[i].latency_count * sizeof(*all));
		n += clients[i].latency_count;
	}
	took = now() - start;
	qsort(all, n, sizeof(*all), compare);
	printf("%lu %lu %.3f %d %.3f %.0f\n", logins, errors, took,
	    clients[0].trips, n > 0 ? (double)all[n / 2] : 0, salting * 1e6);
	return 0;
}
