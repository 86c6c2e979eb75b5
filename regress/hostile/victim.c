/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/settings.h"
#include "regress/hostile/liar.h"

#define START_SECONDS 30

static const char *const programs[ROLE_COUNT] = {
    [ROLE_FRONTEND] = "frontend",
    [ROLE_ENGINE] = "engine",
    [ROLE_TOKEND] = "tokend",
    [ROLE_SIGN] = "tokend-sign",
    [ROLE_AUTH] = "tokend-auth",
    [ROLE_LMTPD] = "lmtpd",
    [ROLE_RELAY] = "relay",
};
static struct victim signer; /* a frontend proves itself through it */

void
fail(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	fprintf(stderr, "liar: ");
	vfprintf(stderr, format, ap);
	fprintf(stderr, "\n");
	va_end(ap);
	exit(1);
}

static int64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* What became of it, in words. */
static const char *
fate(const struct victim *v)
{
	static char text[80];
	int status;

	usleep(100000);
	if (waitpid(v->pid, &status, WNOHANG) != v->pid)
		return "it lives";
	if (WIFSIGNALED(status))
		(void)snprintf(text, sizeof(text), "it was killed by signal %d",
		    WTERMSIG(status));
	else
		(void)snprintf(text, sizeof(text), "it ended with %d",
		    WEXITSTATUS(status));
	return text;
}

static void
tell(struct victim *v, uint16_t number, const union message *m, int fd)
{
	const struct message_row *row = message_find(number);
	size_t size = message_size(row, m);
	uint8_t *body = malloc(size);

	if (body == NULL || size == 0)
		fail("message %s", row->name);
	message_encode(row, m, body);
	if (imsg_compose(&v->parent, number, 0, 0, fd, body, size) != 1 ||
	    imsgbuf_flush(&v->parent) == -1)
		fail("cannot tell %s: %s", row->name, fate(v));
	free(body);
}

static void
hear(struct victim *v, struct imsg *imsg)
{
	const struct message_row *row = message_find(imsg_get_type(imsg));
	struct ibuf body;
	union message m;

	if (row == NULL || imsg_get_ibuf(imsg, &body) == -1 ||
	    message_decode(row, &m, ibuf_data(&body), ibuf_size(&body)) == -1)
		fail("nonsense for the parent: 0x%x", imsg_get_type(imsg));
	if (row->number == MSG_COMPLAINT)
		v->complaints++;
	if (row->number == MSG_SETUP_READY) {
		v->ready = m.setup_ready.ok;
		if (!m.setup_ready.ok)
			fail("%s is not ready: %.*s", programs[v->role],
			    (int)m.setup_ready.problem.length,
			    (const char *)m.setup_ready.problem.data);
	}
}

void
victim_listen(struct victim *v, int milliseconds)
{
	struct pollfd pfd = {.fd = v->parent.fd, .events = POLLIN};
	int64_t until = now() + milliseconds;
	struct imsg imsg;
	int was = v->ready;

	for (;;) {
		while (imsg_get(&v->parent, &imsg) > 0) {
			hear(v, &imsg);
			imsg_free(&imsg);
		}
		if (v->ready != was || now() >= until ||
		    poll(&pfd, 1, (int)(until - now())) != 1)
			return;
		if (imsgbuf_read(&v->parent) != 1)
			return;
	}
}

static char *
in(const char *dir, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", dir, name) == -1)
		fail("asprintf");
	return path;
}

static int
give_setting(void *context, uint16_t number, struct bytes value)
{
	union message m = {.setup_setting = {.number = number, .value = value}};

	tell(context, MSG_SETUP_SETTING, &m, -1);
	return 0;
}

static void
tell_settings(struct victim *v, const char *dir)
{
	static const char *const mechanisms[] = {
	    "plain", "login", "scram-sha-256", "scram-sha-256-plus"};
	struct settings *s = settings_new();
	size_t i;

	s->hostname = strdup("mx.a.example");
	s->users_file = in(dir, "users");
	s->aliases_file = in(dir, "aliases");
	s->store = in(dir, "db");
	s->maildir = in(dir, "mail/%{domain}/%{user}");
	s->tokens = 1;
	s->temporary_lifetime = s->permanent_lifetime = 86400;
	s->permanent_refresh = s->permanent_grace = 3600;
	s->timeout_command = s->timeout_data = 300;
	s->timeout_shutdown = 2;
	s->limit_sessions = s->limit_sessions_per_address = 10000;
	s->limit_message_size = 1 << 20;
	s->limit_recipients = 100;
	s->limit_auth_failures = s->limit_auth_failures_per_address = 1 << 20;
	s->hash_workers = 1;
	s->relay = 1;
	s->relay_host = strdup("127.0.0.1");
	s->relay_port = 9;
	s->relay_scheme = RELAY_SCHEME_SMTP;
	s->lmtp_address = in(dir, "lmtp.sock");
	s->timeout_relay = 300;
	(void)text_list_add(&s->domains, "a.example", 9);
	for (i = 0; i < sizeof(mechanisms) / sizeof(mechanisms[0]); i++)
		(void)text_list_add(
		    &s->mechanisms, mechanisms[i], strlen(mechanisms[i]));
	(void)settings_each(s, v->role, give_setting, v);
	settings_free(s);
}

static int
control_socket(const char *dir)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/c.sock", dir);
	(void)unlink(sun.sun_path);
	if (bind(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 ||
	    listen(fd, 5) == -1)
		fail("%s: %s", sun.sun_path, strerror(errno));
	return fd;
}

static int
open_file(const char *dir, const char *name)
{
	char *path = in(dir, name);
	int fd = open(path, O_RDONLY);

	if (fd == -1)
		fail("%s: %s", path, strerror(errno));
	free(path);
	return fd;
}

/* What one role gets and others do not. */
static void
tell_extras(struct victim *v, const char *dir)
{
	static const uint8_t key[32] = TICKET_KEY;
	union message m;

	memset(&m, 0, sizeof(m));
	m.setup_ticket_key.key = bytes_of(key, sizeof(key));
	if (v->role == ROLE_TOKEND || v->role == ROLE_LMTPD ||
	    v->role == ROLE_RELAY)
		tell(v, MSG_SETUP_TICKET_KEY, &m, -1);
	memset(&m, 0, sizeof(m));
	if (v->role == ROLE_TOKEND)
		tell(v, MSG_SETUP_CONTROL, &m, control_socket(dir));
	m.setup_key.pki = bytes_text("mx.a.example");
	if (v->role == ROLE_SIGN)
		tell(v, MSG_SETUP_KEY, &m, open_file(dir, "mx.a.example.key"));
	memset(&m, 0, sizeof(m));
	m.setup_certificate.pki = bytes_text("mx.a.example");
	if (v->role == ROLE_FRONTEND)
		tell(v, MSG_SETUP_CERTIFICATE, &m,
		    open_file(dir, "mx.a.example.crt"));
}

static void
spawn(struct victim *v, enum role role, const char *libexec)
{
	char *path = in(libexec, programs[role]);
	char *argv[] = {path, NULL}, *envp[] = {NULL};
	int pair[2];

	memset(v, 0, sizeof(*v));
	v->role = role;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		fail("socketpair");
	if ((v->pid = fork()) == 0) {
		if (dup2(pair[1], 3) == -1 || fcntl(3, F_SETFD, 0) == -1)
			_exit(1);
		execve(path, argv, envp);
		_exit(1);
	}
	close(pair[1]);
	free(path);
	imsgbuf_init(&v->parent, pair[0]);
	imsgbuf_allow_fdpass(&v->parent);
	imsgbuf_set_maxsize(&v->parent, MESSAGE_MAX);
}

static void
tell_peer(struct victim *v, enum role role, int fd)
{
	union message m = {.setup_peer = {.role = (uint8_t)role}};

	tell(v, MSG_SETUP_PEER, &m, fd);
}

static void
begin(struct victim *v, enum role role, const char *libexec, const char *dir)
{
	union message m = {.setup_start = {.role = (uint8_t)role, .debug = 1}};

	spawn(v, role, libexec);
	tell(v, MSG_SETUP_START, &m, -1);
	tell_extras(v, dir);
	tell_settings(v, dir);
}

static void
commit(struct victim *v)
{
	union message m = {.setup_commit = {.generation = 1}};

	tell(v, MSG_SETUP_COMMIT, &m, -1);
	victim_listen(v, START_SECONDS * 1000);
	if (!v->ready)
		fail("%s does not get ready", programs[v->role]);
}

void
victim_start(
    struct victim *v, enum role role, const char *libexec, const char *dir)
{
	int pair[2];

	if (role == ROLE_FRONTEND) {
		begin(&signer, ROLE_SIGN, libexec, dir);
		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
			fail("socketpair");
		tell_peer(&signer, ROLE_FRONTEND, pair[0]);
		commit(&signer);
	}
	begin(v, role, libexec, dir);
	if (role == ROLE_FRONTEND)
		tell_peer(v, ROLE_SIGN, pair[1]);
	commit(v);
}

void
victim_join(struct victim *v, struct liar *liar, enum role role)
{
	int pair[2];

	memset(liar, 0, sizeof(*liar));
	liar->role = role;
	liar->victim = v->role;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == -1)
		fail("socketpair");
	tell_peer(v, role, pair[1]);
	imsgbuf_init(&liar->buf, pair[0]);
	imsgbuf_allow_fdpass(&liar->buf);
	imsgbuf_set_maxsize(&liar->buf, MESSAGE_MAX);
}

int
victim_alive(const struct victim *v)
{
	return waitpid(v->pid, NULL, WNOHANG) == 0;
}

int
victim_descriptors(const struct victim *v)
{
	struct dirent *entry;
	char path[64];
	int count = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%ld/fd", (long)v->pid);
	if ((dir = opendir(path)) == NULL)
		return -1;
	while ((entry = readdir(dir)) != NULL)
		count++;
	closedir(dir);
	return count;
}

int
victim_stop(struct victim *v)
{
	union message m = {.shutdown = {.seconds = 1}};
	int64_t until = now() + 10000;
	int status = -1;

	tell(v, MSG_SHUTDOWN, &m, -1);
	while (waitpid(v->pid, &status, WNOHANG) == 0) {
		if (now() > until) {
			kill(v->pid, SIGKILL);
			return -1;
		}
		victim_listen(v, 20);
	}
	if (signer.pid != 0) {
		kill(signer.pid, SIGKILL);
		waitpid(signer.pid, NULL, 0);
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
