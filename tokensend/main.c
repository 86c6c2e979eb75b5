/* SPDX-License-Identifier: ISC */
/*
 * tokensend: delivers a message by tokens, or says that it must go the
 * ordinary way. See tokensend(1). It holds the tokens of its user, connects
 * and never accepts, and writes nothing but the file that they are in.
 */
#include <sys/types.h>
#include <sys/stat.h>

#include <errno.h>
#include <event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "compat/sandbox.h"
#include "paths.h"
#include "smtpd-stoken/relay/trust.h"
#include "tokensend/fail.h"
#include "tokensend/find.h"
#include "tokensend/route.h"
#include "tokensend/tokenfile.h"

#define AUTHORITIES_MOST ((size_t)16 * 1024 * 1024)
#define PROMISES "stdio rpath inet dns"
#define PROMISES_FILE PROMISES " wpath cpath flock"

static int some_ordinary;

__attribute__((noreturn)) static void
usage(const char *problem)
{
	if (problem[0] != '\0')
		complain("%s", problem);
	(void)fprintf(stderr,
	    "usage: tokensend [-mv] [-C file] [-r address:port] "
	    "[-s host:port] [-t file]\n"
	    "           -f from to ... < message\n");
	exit(EX_USAGE);
}

static void
on_ordinary(
    struct sending *sending, struct recipient *recipient, const char *why)
{
	(void)sending;
	recipient->fate = FATE_ORDINARY;
	some_ordinary = 1;
	complain("%s: the ordinary route: %s", recipient->address, why);
	(void)printf(
	    "%s 451 4.7.0 The ordinary route: %s\n", recipient->address, why);
	(void)fflush(stdout);
}

/* First the token, durably, and then the word of it. */
static void
on_delivered(struct sending *sending, struct recipient *recipient,
    const struct client_reply *reply, const char *token)
{
	char problem[512];

	recipient->fate = FATE_DELIVERED;
	if (token[0] != '\0' &&
	    tokenfile_keep(sending->owner, sending->options->from,
		recipient->canonical, token, problem, sizeof(problem)) == -1)
		complain("%s: the new token is lost: %s", recipient->address,
		    problem);
	(void)printf("%s %u %s %s\n", recipient->address, reply->code,
	    reply->enhanced, reply->text);
	(void)fflush(stdout);
}

static struct trust *
read_authorities(const char *path)
{
	char why[256];
	uint8_t *pem;
	struct stat st;
	struct trust *trust;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd == -1 || fstat(fd, &st) == -1)
		fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
	if (!S_ISREG(st.st_mode) || (uintmax_t)st.st_size > AUTHORITIES_MOST ||
	    (pem = malloc((size_t)st.st_size + 1)) == NULL)
		fail(EX_NOINPUT, "%s: not a file of certificates", path);
	if ((n = read(fd, pem, (size_t)st.st_size)) == -1)
		fail(EX_IOERR, "%s: %s", path, strerror(errno));
	trust = trust_new(pem, (size_t)n, why, sizeof(why));
	if (trust == NULL)
		fail(EX_NOINPUT, "%s: %s", path, why);
	free(pem);
	(void)close(fd);
	return trust;
}

/* What LHLO says: this host, if it has a name that may stand there. */
static void
name_host(char *out, size_t size)
{
	if (gethostname(out, size) == -1 || out[0] == '\0' ||
	    memchr(out, '\0', size) == NULL ||
	    strspn(out,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789.-") != strlen(out))
		(void)strlcpy(out, "localhost", size);
}

static void
take_recipients(struct sending *sending, const struct tokens *tokens)
{
	const struct options *options = sending->options;
	struct recipient *recipient;
	size_t i;

	sending->count = options->count;
	sending->recipients = calloc(sending->count, sizeof(*recipient));
	if (sending->recipients == NULL)
		fail(EX_OSERR, "out of memory");
	for (i = 0; i < sending->count; i++) {
		recipient = &sending->recipients[i];
		if (options_address(options->to[i], recipient->address,
			recipient->canonical) == -1)
			fail(EX_DATAERR, "not an address");
		recipient->domain = strrchr(recipient->canonical, '@') + 1;
		(void)tokens_find(tokens, options->from, recipient->canonical,
		    recipient->token);
	}
}

static void
see(const char *path, const char *how)
{
	if (unveil(path, how) == -1 && errno != ENOENT)
		fail(EX_OSERR, "unveil %s: %s", path, strerror(errno));
}

/* From here on nothing is left to be read but what the DNS needs. */
static void
narrow(const struct tokenfile *file)
{
	const char *promises = file->path[0] == '\0' ? PROMISES : PROMISES_FILE;

	see("/dev/null", "r");
	see("/etc/resolv.conf", "r");
	see("/etc/hosts", "r");
	if (file->path[0] != '\0')
		see(file->directory, "rwc");
	sandbox_connect_only();
	if (pledge(promises, NULL) == -1)
		fail(EX_OSERR, "pledge: %s", strerror(errno));
}

/* Those of the same domain share a session. */
static void
send_domain(struct sending *sending, const char *domain)
{
	struct servers servers;
	char why[256];
	size_t i;
	int found;

	sending->deadline = find_clock() + ROUTE_MILLISECONDS;
	found = find_servers(&servers, sending->options, domain,
		    sending->deadline, why, sizeof(why)) == 0;
	while (found && route_run(sending, &servers, domain))
		continue;
	for (i = 0; i < sending->count; i++) {
		if (sending->recipients[i].fate == FATE_OPEN &&
		    strcmp(sending->recipients[i].domain, domain) == 0)
			on_ordinary(sending, &sending->recipients[i], why);
	}
}

static void
send_all(struct sending *sending)
{
	size_t i;

	for (i = 0; i < sending->count; i++) {
		if (sending->recipients[i].token[0] == '\0')
			on_ordinary(sending, &sending->recipients[i],
			    "there is no token for it");
	}
	for (i = 0; i < sending->count; i++) {
		if (sending->recipients[i].fate == FATE_OPEN)
			send_domain(sending, sending->recipients[i].domain);
	}
	freezero(sending->recipients,
	    sending->count * sizeof(sending->recipients[0]));
}

int
main(int argc, char *argv[])
{
	static struct tokenfile file;
	struct options options;
	struct message message;
	struct sending sending = {.options = &options,
	    .message = &message,
	    .delivered = on_delivered,
	    .ordinary = on_ordinary,
	    .owner = &file};
	char problem[512];
	int code;

	code = options_parse(&options, argc, argv, problem, sizeof(problem));
	if (code == EX_USAGE)
		usage(problem);
	if (code != 0)
		fail(code, "%s", problem);
	tell_all(options.verbose);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)umask(077);
	sandbox_undumpable(); /* from here on there are tokens */
	tokenfile_open(&file, options.tokens);
	message_read(&message, STDIN_FILENO);
	if (trust_init() == -1)
		fail(EX_OSERR, "TLS cannot be set up");
	sending.trust = read_authorities(
	    options.authorities != NULL ? options.authorities : PATH_CA);
	name_host(sending.hostname, sizeof(sending.hostname));
	take_recipients(&sending, &file.tokens);
	tokens_free(&file.tokens);
	if (event_init() == NULL ||
	    resolve_init(options.resolver, problem, sizeof(problem)) == -1)
		fail(EX_OSERR, "the resolver cannot be set up");
	discover_configure(options.mx, find_clock);
	narrow(&file);
	send_all(&sending);
	trust_free(sending.trust);
	options_free(&options);
	return some_ordinary ? EX_TEMPFAIL : EX_OK;
}
