/* SPDX-License-Identifier: ISC */
/*
 * The floor of make bench: what TLS and the conversation cost by themselves.
 * A server that speaks just enough LMTP for load.c, in as many processes as
 * asked for, with P-256 and without tickets as ours, and throws everything
 * away: floor CERT KEY PROCESSES. Prints its port; ends with standard input.
 */
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

struct session {
	SSL *ssl;
	int fd, greeted, in_data, recipients;
	size_t have;
	char line[4096]; /* a command, or the last octets of the data */
};

static SSL_CTX *context;
static int queue;

static void
end(struct session *s)
{
	SSL_free(s->ssl);
	(void)close(s->fd);
	free(s);
}

static int
say(struct session *s, const char *text)
{
	struct pollfd p = {.fd = s->fd, .events = POLLOUT};
	size_t done;

	while (SSL_write_ex(s->ssl, text, strlen(text), &done) != 1) {
		if (SSL_get_error(s->ssl, 0) != SSL_ERROR_WANT_WRITE)
			return -1;
		(void)poll(&p, 1, 1000);
	}
	return 0;
}

static int
command(struct session *s, const char *line)
{
	static const struct {
		const char *verb, *answer;
	} answers[] = {{"LHLO",
			   "250-floor.example\r\n250-PIPELINING\r\n"
			   "250-8BITMIME\r\n250-STOKEN\r\n250 AUTH PLAIN\r\n"},
	    {"AUTH", "235 2.7.0 ok\r\n"}, {"MAIL", "250 2.1.0 ok\r\n"},
	    {"RCPT", "250 2.1.5 ok\r\n"}, {"DATA", "354 go on\r\n"},
	    {"QUIT", "221 2.0.0 bye\r\n"}};

	if (strncasecmp(line, "RCPT", 4) == 0)
		s->recipients++;
	s->in_data = strncasecmp(line, "DATA", 4) == 0;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		if (strncasecmp(line, answers[i].verb, 4) == 0)
			return say(s, answers[i].answer);
	}
	return say(s, "500 5.5.1 what?\r\n");
}

/* Keeps the last five octets, to see the end of the data. */
static int
data(struct session *s, const char *octets, size_t n)
{
	static const char dot[] = "\r\n.\r\n";
	char last[10];
	size_t keep = s->have < 5 ? s->have : 5, add = n < 5 ? n : 5;

	memcpy(last, s->line + s->have - keep, keep);
	memcpy(last + keep, octets + n - add, add);
	keep += add;
	if (keep > 5) {
		memmove(last, last + keep - 5, 5);
		keep = 5;
	}
	memcpy(s->line, last, keep);
	s->have = keep;
	if (keep < 5 || memcmp(last, dot, 5) != 0)
		return 0;
	s->in_data = 0;
	s->have = 0;
	for (; s->recipients > 0; s->recipients--) {
		if (say(s, "250 2.0.0 thrown away\r\n") == -1)
			return -1;
	}
	return 0;
}

/* Without pipelining a read ends with a line, or within the data. */
static int
take(struct session *s, const char *octets, size_t n)
{
	char *newline;

	if (s->in_data)
		return data(s, octets, n);
	if (s->have + n >= sizeof(s->line))
		return -1;
	memcpy(s->line + s->have, octets, n);
	s->have += n;
	s->line[s->have] = '\0';
	if ((newline = strchr(s->line, '\n')) == NULL)
		return 0;
	s->have = 0;
	return command(s, s->line);
}

static void
serve(struct session *s)
{
	static char octets[65536];
	size_t n;
	int error;

	if (!s->greeted) {
		if ((error = SSL_accept(s->ssl)) != 1) {
			error = SSL_get_error(s->ssl, error);
			if (error != SSL_ERROR_WANT_READ)
				end(s);
			return;
		}
		s->greeted = 1;
		if (say(s, "220 floor.example LMTP\r\n") == -1) {
			end(s);
			return;
		}
	}
	while (SSL_read_ex(s->ssl, octets, sizeof(octets), &n) == 1) {
		if (take(s, octets, n) == -1) {
			end(s);
			return;
		}
	}
	if (SSL_get_error(s->ssl, 0) != SSL_ERROR_WANT_READ)
		end(s);
}

static void
new_session(int listener)
{
	struct epoll_event event = {.events = EPOLLIN};
	struct session *s;
	int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);

	if (fd == -1)
		return;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		err(1, NULL);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	s->fd = fd;
	s->ssl = SSL_new(context);
	event.data.ptr = s;
	if (s->ssl == NULL || SSL_set_fd(s->ssl, fd) != 1 ||
	    epoll_ctl(queue, EPOLL_CTL_ADD, fd, &event) == -1)
		errx(1, "session");
}

__attribute__((noreturn)) static void
loop(int listener)
{
	struct epoll_event events[64],
	    first = {.events = EPOLLIN | EPOLLEXCLUSIVE};
	int n;

	if ((queue = epoll_create1(0)) == -1 ||
	    epoll_ctl(queue, EPOLL_CTL_ADD, listener, &first) == -1)
		err(1, "epoll");
	for (;;) {
		n = epoll_wait(queue, events, 64, -1);
		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == NULL)
				new_session(listener);
			else
				serve(events[i].data.ptr);
		}
	}
}

static int
listen_somewhere(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET};
	socklen_t length = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd == -1 || bind(fd, (struct sockaddr *)&at, sizeof(at)) == -1 ||
	    listen(fd, 4096) == -1 ||
	    getsockname(fd, (struct sockaddr *)&at, &length) == -1)
		err(1, "listen");
	printf("%d\n", ntohs(at.sin_port));
	(void)fflush(stdout);
	return fd;
}

int
main(int argc, char *argv[])
{
	pid_t pids[64];
	int listener, count;
	char c;

	if (argc != 4 || (count = atoi(argv[3])) < 1 || count > 64)
		errx(1, "usage: floor CERT KEY PROCESSES");
	context = SSL_CTX_new(TLS_server_method());
	if (context == NULL ||
	    SSL_CTX_use_certificate_chain_file(context, argv[1]) != 1 ||
	    SSL_CTX_use_PrivateKey_file(context, argv[2], SSL_FILETYPE_PEM) !=
		1)
		errx(1, "cannot use %s and %s", argv[1], argv[2]);
	(void)SSL_CTX_set_num_tickets(context, 0);
	(void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	(void)SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
	(void)signal(SIGPIPE, SIG_IGN);
	listener = listen_somewhere();
	for (int i = 0; i < count; i++) {
		if ((pids[i] = fork()) == -1)
			err(1, "fork");
		if (pids[i] == 0) {
			(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
			loop(listener);
		}
	}
	while (read(STDIN_FILENO, &c, 1) > 0)
		;
	for (int i = 0; i < count; i++)
		(void)kill(pids[i], SIGKILL);
	while (wait(NULL) > 0)
		;
	return 0;
}
