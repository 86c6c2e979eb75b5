/* SPDX-License-Identifier: ISC */
/*
 * Distance for W9: what comes to one address goes on to another one, and what
 * is answered comes back, each octet so many milliseconds later.
 *	far milliseconds address:port address:port
 * The first is listened on. A connection has its handshake's time too. Says
 * "ready", and ends with standard input.
 */
#include <sys/socket.h>

#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PIECE 65536

/* Octets on their way, in one direction. */
struct piece {
	struct piece *next;
	struct timespec due;
	size_t length; /* 0: the end */
	char data[];
};

struct way {
	int from, to;
	struct piece *first, **last;
	pthread_mutex_t lock;
	pthread_cond_t more;
};

static struct sockaddr_in target;
static long delay; /* nanoseconds, one way */

static struct timespec
in_a_while(long nanoseconds)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += nanoseconds;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	return t;
}

static void
wait_until(struct timespec t)
{
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
		continue;
}

static void *
take(void *argument)
{
	struct way *way = argument;
	struct piece *piece;
	ssize_t n;

	do {
		if ((piece = malloc(sizeof(*piece) + PIECE)) == NULL)
			err(1, NULL);
		n = read(way->from, piece->data, PIECE);
		piece->length = n > 0 ? (size_t)n : 0;
		piece->due = in_a_while(delay);
		piece->next = NULL;
		(void)pthread_mutex_lock(&way->lock);
		*way->last = piece;
		way->last = &piece->next;
		(void)pthread_cond_signal(&way->more);
		(void)pthread_mutex_unlock(&way->lock);
	} while (n > 0);
	return NULL;
}

static void *
give(void *argument)
{
	struct way *way = argument;
	struct piece *piece;
	size_t length, done;
	ssize_t n;

	do {
		(void)pthread_mutex_lock(&way->lock);
		while ((piece = way->first) == NULL)
			(void)pthread_cond_wait(&way->more, &way->lock);
		if ((way->first = piece->next) == NULL)
			way->last = &way->first;
		(void)pthread_mutex_unlock(&way->lock);
		wait_until(piece->due);
		length = piece->length;
		for (done = 0; done < length; done += (size_t)n)
			if ((n = write(way->to, piece->data + done,
				 length - done)) <= 0)
				break;
		free(piece);
	} while (length > 0);
	(void)shutdown(way->to, SHUT_WR);
	return NULL;
}

static void
start(pthread_t *threads, struct way *way, int from, int to)
{
	*way = (struct way) {.from = from, .to = to};
	way->last = &way->first;
	if (pthread_mutex_init(&way->lock, NULL) != 0 ||
	    pthread_cond_init(&way->more, NULL) != 0 ||
	    pthread_create(&threads[0], NULL, take, way) != 0 ||
	    pthread_create(&threads[1], NULL, give, way) != 0)
		errx(1, "threads");
}

static void *
carry(void *argument)
{
	int *accepted = argument, client = *accepted, on = 1;
	int server = socket(AF_INET, SOCK_STREAM, 0);
	struct way there, back;
	pthread_t threads[4];

	free(accepted);
	/* SYN and its answer; who calls has waited for nothing so far. */
	wait_until(in_a_while(2 * delay));
	if (server == -1 ||
	    connect(server, (struct sockaddr *)&target, sizeof(target)) == -1)
		err(1, "connect");
	(void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	start(threads, &there, client, server);
	start(threads + 2, &back, server, client);
	for (int i = 0; i < 4; i++)
		(void)pthread_join(threads[i], NULL);
	(void)close(client);
	(void)close(server);
	return NULL;
}

static void
parse(const char *text, struct sockaddr_in *out)
{
	char address[64];
	const char *colon = strchr(text, ':');

	*out = (struct sockaddr_in) {.sin_family = AF_INET};
	if (colon == NULL || (size_t)(colon - text) >= sizeof(address))
		errx(1, "%s", text);
	memcpy(address, text, (size_t)(colon - text));
	address[colon - text] = '\0';
	out->sin_port = htons((uint16_t)atoi(colon + 1));
	if (inet_pton(AF_INET, address, &out->sin_addr) != 1)
		errx(1, "%s", text);
}

static void *
listen_for(void *argument)
{
	struct sockaddr_in *own = argument;
	int on = 1, s = socket(AF_INET, SOCK_STREAM, 0), *accepted;
	pthread_t thread;

	(void)setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (s == -1 || bind(s, (struct sockaddr *)own, sizeof(*own)) == -1 ||
	    listen(s, 128) == -1)
		err(1, "listen");
	(void)puts("ready");
	(void)fflush(stdout);
	for (;;) {
		if ((accepted = malloc(sizeof(*accepted))) == NULL ||
		    (*accepted = accept(s, NULL, NULL)) == -1 ||
		    pthread_create(&thread, NULL, carry, accepted) != 0)
			err(1, "accept");
		(void)pthread_detach(thread);
	}
}

int
main(int argc, char *argv[])
{
	static struct sockaddr_in own;
	pthread_t thread;
	char octet;

	if (argc != 4)
		errx(1, "see far.c");
	(void)signal(SIGPIPE, SIG_IGN);
	delay = atol(argv[1]) * 1000000;
	parse(argv[2], &own);
	parse(argv[3], &target);
	if (pthread_create(&thread, NULL, listen_for, &own) != 0)
		errx(1, "threads");
	while (read(STDIN_FILENO, &octet, 1) > 0)
		continue;
	_exit(0);
}
