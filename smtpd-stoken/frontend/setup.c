/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/queue.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/verdicts.h"
#include "lib/log.h"
#include "smtpd-stoken/frontend/deadline.h"
#include "smtpd-stoken/frontend/facts.h"
#include "smtpd-stoken/frontend/listener.h"
#include "smtpd-stoken/frontend/session.h"
#include "smtpd-stoken/frontend/setup.h"
#include "smtpd-stoken/frontend/signer.h"
#include "smtpd-stoken/frontend/tls.h"

#define CERTIFICATE_MAX (256 * 1024) /* octets of a chain */
#define PKI_MAX 256 /* certificates of one listener */

struct staged_certificate {
	TAILQ_ENTRY(staged_certificate) entry;
	struct certificate certificate;
	int tested;
};

/* A listener whose context is made at the commit; pki is a LIST of names. */
struct staged_listener {
	TAILQ_ENTRY(staged_listener) entry;
	struct listener *listener;
	uint8_t *pki;
	size_t pki_length;
};

static TAILQ_HEAD(certificate_list, staged_certificate)
certificates = TAILQ_HEAD_INITIALIZER(certificates);
static TAILQ_HEAD(staged_list, staged_listener)
staged = TAILQ_HEAD_INITIALIZER(staged);
static char problem[512]; /* the first one of what has come */
static int restarted;

void
setup_init(int is_restart)
{
	restarted = is_restart;
	session_init();
	listeners_init();
}

static void
add_certificate(const struct certificate *certificate)
{
	struct staged_certificate *new;

	if ((new = calloc(1, sizeof(*new))) == NULL)
		fatal("certificate");
	new->certificate = *certificate;
	TAILQ_INSERT_TAIL(&certificates, new, entry);
}

void
setup_certificate(struct channel *parent, const union message *m, int fd)
{
	struct bytes pki = m->setup_certificate.pki;
	struct certificate new = {NULL, NULL, 0};
	uint8_t *file;
	char *name;
	ssize_t n;

	(void)parent;
	if ((file = malloc(CERTIFICATE_MAX)) == NULL ||
	    (name = calloc(1, pki.length + 1)) == NULL)
		fatal("certificate");
	memcpy(name, pki.data, pki.length);
	while (new.length < CERTIFICATE_MAX &&
	    (n = read(fd, file + new.length, CERTIFICATE_MAX - new.length)) > 0)
		new.length += (size_t)n;
	close(fd);
	if (new.length == 0 || new.length == CERTIFICATE_MAX) {
		if (problem[0] == '\0')
			snprintf(problem, sizeof(problem),
			    "pki %s: the certificate file is %s", name,
			    new.length == 0 ? "empty" : "too long");
		free(name);
		free(file);
		return;
	}
	new.name = name;
	if ((new.pem = realloc(file, new.length)) == NULL)
		fatal("certificate");
	add_certificate(&new);
}

void
setup_listener(struct channel *parent, const union message *m, int fd)
{
	const struct msg_setup_listener *told = &m->setup_listener;
	struct staged_listener *new;
	struct listener *l;

	(void)parent;
	if ((new = calloc(1, sizeof(*new))) == NULL ||
	    (l = calloc(1, sizeof(*l))) == NULL ||
	    (new->pki = malloc(told->pki.length + 1)) == NULL)
		fatal("listener");
	l->fd = fd;
	l->kind = told->kind;
	l->port = told->port;
	new->listener = l;
	memcpy(new->pki, told->pki.data, told->pki.length);
	new->pki_length = told->pki.length;
	TAILQ_INSERT_TAIL(&staged, new, entry);
}

static struct staged_certificate *
find_certificate(struct bytes name)
{
	struct staged_certificate *c;

	TAILQ_FOREACH (c, &certificates, entry)
		if (bytes_equal(bytes_text(c->certificate.name), name))
			return c;
	return NULL;
}

/* Once each: does the key process have the key? */
static int
test_certificate(struct staged_certificate *c, char *error, size_t size)
{
	if (c->tested)
		return 0;
	if (!signer_available() && restarted) {
		log_warnx("tokend-sign is away: certificates are not tried");
		return 0;
	}
	/* tokend-sign still has the keys from before a reload. */
	signer_newest(1);
	c->tested = tls_self_test(&c->certificate, error, size) == 0;
	signer_newest(0);
	return c->tested ? 0 : -1;
}

/* The context of another listener with the same certificates serves, too. */
static int
share_context(struct staged_listener *new)
{
	struct staged_listener *other;

	TAILQ_FOREACH (other, &staged, entry) {
		if (other == new)
			return 0;
		if (other->listener->context == NULL ||
		    other->pki_length != new->pki_length ||
		    memcmp(other->pki, new->pki, new->pki_length) != 0)
			continue;
		new->listener->context = other->listener->context;
		tls_context_hold(new->listener->context);
		return 1;
	}
	return 0;
}

static int
make_context(struct staged_listener *new, char *error, size_t size)
{
	const struct certificate *list[PKI_MAX];
	struct bytes rest = {new->pki, new->pki_length}, name;
	struct staged_certificate *found;
	size_t count = 0;
	int more;

	while ((more = list_next(&rest, &name)) == 1 && count < PKI_MAX) {
		if ((found = find_certificate(name)) == NULL) {
			snprintf(error, size, "pki %.*s has no certificate",
			    (int)name.length, (const char *)name.data);
			return -1;
		}
		if (test_certificate(found, error, size) == -1)
			return -1;
		list[count++] = &found->certificate;
	}
	if (more != 0 || count == 0) {
		snprintf(error, size, "port %u: %s", new->listener->port,
		    count == 0 ? "no pki" : "too many pki names");
		return -1;
	}
	new->listener->context = tls_context_new(list, count, error, size);
	return new->listener->context == NULL ? -1 : 0;
}

static int
make_contexts(char *error, size_t size)
{
	struct staged_certificate *c;
	struct staged_listener *new;

	/* All of them: `-n -v` brings certificates, but no listeners. */
	TAILQ_FOREACH (c, &certificates, entry)
		if (test_certificate(c, error, size) == -1)
			return -1;
	TAILQ_FOREACH (new, &staged, entry)
		if (new->listener->kind != LISTENER_SOCKET &&
		    !share_context(new) && make_context(new, error, size) == -1)
			return -1;
	return 0;
}

/* Forgets what was staged, but for the listeners, which go to the list. */
static void
unstage(struct listener_list *list)
{
	struct staged_certificate *c;
	struct staged_listener *s;

	while ((s = TAILQ_FIRST(&staged)) != NULL) {
		TAILQ_REMOVE(&staged, s, entry);
		TAILQ_INSERT_TAIL(list, s->listener, entry);
		free(s->pki);
		free(s);
	}
	while ((c = TAILQ_FIRST(&certificates)) != NULL) {
		TAILQ_REMOVE(&certificates, c, entry);
		free((void *)(uintptr_t)c->certificate.name);
		free(c->certificate.pem);
		free(c);
	}
}

int
setup_commit(
    const struct settings *settings, int first, char *error, size_t size)
{
	struct listener_list list = TAILQ_HEAD_INITIALIZER(list);
	struct staged_certificate *c;
	int result = 0;

	(void)first;
	if (problem[0] != '\0') {
		strlcpy(error, problem, size);
		problem[0] = '\0';
		result = -1;
	} else
		result = make_contexts(error, size);
	TAILQ_FOREACH (c, &certificates, entry)
		facts_add(&c->certificate);
	facts_commit(result == 0);
	unstage(&list);
	if (result == -1) {
		listeners_drop(&list);
		return -1;
	}
	session_limits(settings->limit_sessions_per_address);
	deadline_limit((time_t)settings->timeout_command);
	listeners_limit(settings->limit_sessions);
	listeners_replace(&list);
	return 0;
}
