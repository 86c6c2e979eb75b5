/* SPDX-License-Identifier: ISC */
#include <sys/types.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "lib/address.h"
#include "tokensend/options.h"

#define PORT_SUBMISSIONS 465
#define PORT_SUBMISSION 587
#define SECONDS_MOST 86400

static const struct {
	const char *scheme;
	int implicit;
	uint16_t port;
} schemes[] = {
    {"smtps://", 1, PORT_SUBMISSIONS},
    {"smtp+tls://", 0, PORT_SUBMISSION},
};

int
options_address(
    const char *text, char out[MAILBOX_SIZE], char canonical[MAILBOX_SIZE])
{
	struct address address;
	size_t length = strlen(text);

	if (text[0] == '<' && length >= 2 && text[length - 1] == '>') {
		text++;
		length -= 2;
	}
	if (length >= MAILBOX_SIZE)
		return -1;
	memcpy(out, text, length);
	out[length] = '\0';
	if (address_parse(&address, out, length) == -1)
		return -1;
	if (address_canonical(&address, canonical) == -1)
		canonical[0] = '\0';
	return 0;
}

/* Where the port's colon is, or NULL: an address of IPv6 has its own. */
static char *
port_of(char *host)
{
	char *colon;

	if (host[0] == '[')
		return strchr(host, ']') == NULL ? NULL : strchr(host, ']') + 1;
	colon = strchr(host, ':');
	return colon != NULL && strchr(colon + 1, ':') == NULL ? colon : NULL;
}

static int
is_host(const char *text)
{
	size_t length = strlen(text);

	if (strchr(text, ':') != NULL)
		return strspn(text, "0123456789abcdefABCDEF:.") ==
		    strcspn(text, "%");
	return length > 0 && strcspn(text, "/[] <>@,") == length;
}

/*
 * HOST, HOST:PORT, ADDRESS or [ADDRESS]:PORT becomes the host alone; the port
 * is NULL if there is none. Returns 0 or -1.
 */
static int
split(char *host, const char **port)
{
	char *colon = port_of(host);
	size_t length;

	*port = NULL;
	if (colon != NULL && *colon != '\0') {
		if (*colon != ':')
			return -1;
		*colon = '\0';
		*port = colon + 1;
	}
	length = strlen(host);
	if (host[0] == '[' && length > 2 && host[length - 1] == ']') {
		memmove(host, host + 1, length - 2);
		host[length - 2] = '\0';
		if (strchr(host, ':') == NULL)
			return -1;
	}
	return is_host(host) ? 0 : -1;
}

static int
take_port(struct options *options, const char *text, int says_scheme)
{
	const char *problem;

	options->port = (uint16_t)strtonum(text, 1, 65535, &problem);
	if (!says_scheme)
		options->implicit = options->port != PORT_SUBMISSION;
	return problem == NULL ? 0 : -1;
}

int
options_server(struct options *options, const char *text)
{
	const char *port;
	char *host;
	size_t i, length;
	int says_scheme = 0;

	options->port = PORT_SUBMISSIONS;
	options->implicit = 1;
	for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		length = strlen(schemes[i].scheme);
		if (strncmp(text, schemes[i].scheme, length) != 0)
			continue;
		options->implicit = schemes[i].implicit;
		options->port = schemes[i].port;
		says_scheme = 1;
		text += length;
	}
	if ((host = strdup(text)) == NULL)
		return -1;
	free(options->server);
	options->server = host;
	if (split(host, &port) == -1)
		return -1;
	return port == NULL ? 0 : take_port(options, port, says_scheme);
}

/* The resolver reads it itself; what it would leave out is found here. */
static int
take_resolver(struct options *options, const char *text)
{
	struct in6_addr binary;
	const char *port, *problem = NULL;
	char host[64];

	options->resolver = text;
	if (strlcpy(host, text, sizeof(host)) >= sizeof(host) ||
	    split(host, &port) == -1)
		return -1;
	if (port != NULL)
		(void)strtonum(port, 1, 65535, &problem);
	if (problem != NULL)
		return -1;
	return inet_pton(AF_INET, host, &binary) == 1 ||
		inet_pton(AF_INET6, host, &binary) == 1
	    ? 0
	    : -1;
}

static int
take_from(struct options *options, const char *text)
{
	static char sender[MAILBOX_SIZE];

	options->sender = sender;
	sender[0] = options->from[0] = '\0';
	if (text[0] == '\0' || strcmp(text, "<>") == 0)
		return 0;
	return options_address(text, sender, options->from);
}

static int
wrong(int code, char *problem, size_t size, const char *what, const char *text)
{
	(void)snprintf(problem, size, "%s: %s", text, what);
	return code;
}

/* Who they are is looked at here, so that nothing is sent before. */
static int
take_recipients(struct options *options, int argc, char *const argv[],
    char *problem, size_t size)
{
	char text[MAILBOX_SIZE], canonical[MAILBOX_SIZE];
	int i;

	if (options->sender == NULL)
		return wrong(EX_USAGE, problem, size, "is missing", "-f from");
	if (argc == 0)
		return wrong(EX_USAGE, problem, size, "is missing", "to");
	if (argc > RECIPIENTS_MOST)
		return wrong(EX_USAGE, problem, size, "too many", "recipients");
	for (i = 0; i < argc; i++) {
		if (options_address(argv[i], text, canonical) == 0)
			continue;
		if (argv[i][0] == '-')
			return wrong(EX_USAGE, problem, size,
			    "options stand before the addresses", argv[i]);
		return wrong(
		    EX_DATAERR, problem, size, "not an address", argv[i]);
	}
	options->to = argv;
	options->count = (size_t)argc;
	return 0;
}

int
options_parse(struct options *options, int argc, char *const argv[],
    char *problem, size_t size)
{
	const char *number;
	int option;

	memset(options, 0, sizeof(*options));
	problem[0] = '\0';
	while ((option = getopt(argc, argv, "+mvf:k:r:s:t:w:C:")) != -1) {
		switch (option) {
		case 'm':
			options->mx = 1;
			break;
		case 'r':
			if (take_resolver(options, optarg) == -1)
				return wrong(EX_USAGE, problem, size,
				    "not ADDRESS:PORT", optarg);
			break;
		case 'v':
			options->verbose = 1;
			break;
		case 'f':
			if (take_from(options, optarg) == -1)
				return wrong(EX_DATAERR, problem, size,
				    "not an address", optarg);
			break;
		case 's':
			if (options_server(options, optarg) == -1)
				return wrong(EX_USAGE, problem, size,
				    "not HOST:PORT", optarg);
			break;
		case 'k':
			options->keep = optarg;
			break;
		case 't':
			options->tokens = optarg;
			break;
		case 'w':
			options->seconds = (unsigned int)strtonum(
			    optarg, 1, SECONDS_MOST, &number);
			if (number != NULL)
				return wrong(EX_USAGE, problem, size,
				    "not a number of seconds", optarg);
			break;
		case 'C':
			options->authorities = optarg;
			break;
		default:
			return EX_USAGE;
		}
	}
	return take_recipients(
	    options, argc - optind, argv + optind, problem, size);
}

void
options_free(struct options *options)
{
	free(options->server);
	options->server = NULL;
}
