/* SPDX-License-Identifier: ISC */
/*
 * tokensend: delivers a message by tokens, or says that it must go the
 * ordinary way. See tokensend(1). It holds the tokens of its user, connects
 * and never accepts, and writes nothing but the file that they are in.
 */
#include <sys/types.h>
#include <sys/resource.h>
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

#include "lib/clock.h"
#include "compat/sandbox.h"
#include "paths.h"
#include "smtpd-stoken/relay/trust.h"
#include "tokensend/fail.h"
#include "tokensend/find.h"
#include "tokensend/send.h"
#include "tokensend/tokenfile.h"

#define AUTHORITIES_MOST ((size_t)16 * 1024 * 1024)
#define PROMISES "stdio rpath inet dns"
#define PROMISES_FILE PROMISES " wpath cpath flock"

__attribute__((noreturn)) static void
usage(const char *problem)
{
	if (problem[0] != '\0')
		complain("%s", problem);
	(void)fprintf(stderr,
	    "usage: tokensend [-mv] [-C file] [-k file] [-r address:port] "
	    "[-s host:port]\n"
	    "           [-t file] [-w seconds] -f from to ... < message\n");
	exit(EX_USAGE);
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

/*
 * Else a file would become standard input or output, and a message would have
 * our own lines in it.
 */
static void
occupy_descriptors(void)
{
	int fd;

	while ((fd = open("/dev/null", O_RDWR)) >= 0 && fd <= STDERR_FILENO)
		continue;
	if (fd > STDERR_FILENO)
		(void)close(fd);
}

/* From here on there are tokens: they are in no core file. */
static void
leave_no_core(void)
{
	const struct rlimit none = {0, 0};

	(void)setrlimit(RLIMIT_CORE, &none);
	sandbox_undumpable();
}

static void
prepare(struct sending *sending, struct tokenfile *file)
{
	const struct options *options = sending->options;
	struct discover_settings discovers = {
	    .mx_fallback = options->mx, .clock = clock_milliseconds};
	char problem[512];

	if (trust_init() == -1)
		fail(EX_OSERR, "TLS cannot be set up");
	sending->trust = read_authorities(
	    options->authorities != NULL ? options->authorities : PATH_CA);
	name_host(sending->hostname, sizeof(sending->hostname));
	if (event_init() == NULL)
		fail(EX_OSERR, "out of memory");
	if (resolve_init(options->resolver, problem, sizeof(problem)) == -1)
		fail(EX_OSERR, "%s", problem);
	discover_configure(&discovers);
	narrow(file);
}

int
main(int argc, char *argv[])
{
	static struct tokenfile file;
	struct options options;
	struct message message;
	struct sending sending = {.options = &options, .message = &message};
	char problem[512];
	int code;

	occupy_descriptors();
	code = options_parse(&options, argc, argv, problem, sizeof(problem));
	if (code == EX_USAGE)
		usage(problem);
	if (code != 0)
		fail(code, "%s", problem);
	tell_all(options.verbose);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGXFSZ, SIG_IGN); /* a limit is like a full disk */
	(void)umask(077);
	leave_no_core();
	if (isatty(STDIN_FILENO))
		complain("reading the terminal up to ^D");
	tokenfile_open(&file, options.tokens, options.keep);
	message_read(&message, STDIN_FILENO);
	prepare(&sending, &file);
	code = send_all(&sending, &file);
	tokens_free(&file.tokens);
	trust_free(sending.trust);
	options_free(&options);
	return code;
}
