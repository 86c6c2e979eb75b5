/* SPDX-License-Identifier: ISC */
/* Where mail goes when not into a Maildir: relay host, deliver lmtp. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#include "lib/address.h"
#include "smtpd-stoken/config-directives.h"

/* By enum relay_scheme. */
static const struct scheme {
	const char *name;
	uint16_t port;
} schemes[] = {
    [RELAY_SCHEME_NONE] = {NULL, 0},
    [RELAY_SCHEME_SMTP] = {"smtp://", 25},
    [RELAY_SCHEME_SMTP_TLS] = {"smtp+tls://", 25},
    [RELAY_SCHEME_SMTPS] = {"smtps://", 465},
};

#define SCHEMES (sizeof(schemes) / sizeof(schemes[0]))
#define LABEL_MAX 64

/* Digits that are a port, with nothing behind them. 0: they are none. */
static uint16_t
port_number(const char *text)
{
	char *end;
	unsigned long port;

	if (text[0] < '0' || text[0] > '9')
		return 0;
	port = strtoul(text, &end, 10);
	return *end == '\0' && port <= 65535 ? (uint16_t)port : 0;
}

/*
 * HOST[:PORT], an IPv6 address in brackets: cuts `text` into host and port.
 * Returns -1 where it is not of that form; *port stays when there is none.
 */
static int
cut_port(char *text, char **host, uint16_t *port)
{
	char *behind;

	if (text[0] == '[') {
		*host = text + 1;
		if ((behind = strchr(text, ']')) == NULL)
			return -1;
		*behind++ = '\0';
	} else {
		*host = text;
		behind = text + strcspn(text, ":");
	}
	if (*behind == '\0')
		return 0;
	if (*behind != ':' || (*port = port_number(behind + 1)) == 0)
		return -1;
	*behind = '\0';
	return 0;
}

static int
is_address(const char *text)
{
	struct in6_addr address;

	return inet_pton(AF_INET, text, &address) == 1 ||
	    inet_pton(AF_INET6, text, &address) == 1;
}

/* A host as one can look it up, copied; NULL: it is none. */
static char *
host_copy(const char *text)
{
	char canonical[ADDRESS_DOMAIN_MAX + 1];

	if (is_address(text))
		return strdup(text);
	if (domain_canonical(text, strlen(text), canonical) == -1)
		return NULL;
	return strdup(canonical);
}

static int
relay_label(struct parser *parser, char *label, const struct place *place)
{
	size_t length = strlen(label);

	if (length == 0 || length > LABEL_MAX ||
	    strspn(label,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789_.-") != length)
		return parse_error(parser, place,
		    "\"%s\" is no label, expected letters, digits and \"_.-\"",
		    label);
	if ((parser->config->relay_label = strdup(label)) == NULL)
		return parse_error(parser, place, "no memory");
	return 0;
}

static int
relay_url(struct parser *parser, const struct place *place)
{
	struct config *config = parser->config;
	char text[LEXEME_MAX], *rest, *at, *host;
	size_t scheme;

	if (parse_text(parser, text, "a URL as \"smtp://127.0.0.1:25\"") == -1)
		return -1;
	for (scheme = 1; scheme < SCHEMES; scheme++)
		if (strncmp(text, schemes[scheme].name,
			strlen(schemes[scheme].name)) == 0)
			break;
	if (scheme == SCHEMES)
		return parse_error(parser, place,
		    "\"%s\" is no URL of a relay host, expected smtp://, "
		    "smtp+tls:// or smtps:// in front",
		    text);
	rest = text + strlen(schemes[scheme].name);
	if ((at = strchr(rest, '@')) != NULL) {
		*at = '\0';
		if (relay_label(parser, rest, place) == -1)
			return -1;
		rest = at + 1;
	}
	config->relay_scheme = scheme;
	config->relay_port = schemes[scheme].port;
	if (cut_port(rest, &host, &config->relay_port) == -1 ||
	    (config->relay_host = host_copy(host)) == NULL)
		return parse_error(parser, place,
		    "\"%s\" is no host, expected HOST or HOST:PORT, an IPv6 "
		    "address in brackets",
		    rest);
	return 0;
}

static int
check_login(struct parser *parser, const struct place *place)
{
	const struct config *config = parser->config;

	if ((config->relay_label == NULL) != (config->relay_secrets == NULL))
		return parse_error(parser, place,
		    "%s, expected both or none of them",
		    config->relay_label == NULL
			? "\"auth\" without a LABEL@ in the URL"
			: "a LABEL@ in the URL without \"auth PATH\"");
	if (config->relay_label != NULL &&
	    config->relay_scheme == RELAY_SCHEME_SMTP)
		return parse_error(parser, place,
		    "a password would be sent in clear, expected smtp+tls:// "
		    "or smtps://");
	if (!config->relay_verify && config->relay_scheme == RELAY_SCHEME_SMTP)
		return parse_error(parser, place,
		    "smtp:// verifies nothing, expected no \"no-verify\"");
	return 0;
}

int
parse_relay(struct parser *parser, const struct directive *directive)
{
	struct config *config = parser->config;
	struct place place = parse_place(parser);

	(void)directive;
	config->relay_verify = 1;
	if (relay_url(parser, &place) == -1)
		return -1;
	for (;;) {
		if (parse_accept(parser, "auth")) {
			if (parse_absolute(parser, &config->relay_secrets) ==
			    -1)
				return -1;
		} else if (parse_accept(parser, "no-verify"))
			config->relay_verify = 0;
		else
			break;
	}
	return check_login(parser, &place);
}

/* ADDRESS:PORT, an IPv6 address in brackets. */
static int
check_lmtp(struct parser *parser, const struct place *place)
{
	char text[LEXEME_MAX], *host;
	uint16_t port = 0;

	strlcpy(text, parser->config->lmtp_address, sizeof(text));
	if (cut_port(text, &host, &port) == -1 || port == 0 ||
	    !is_address(host))
		return parse_error(parser, place,
		    "\"%s\" is neither a path from \"/\" nor ADDRESS:PORT, "
		    "expected one as 127.0.0.1:24 or [::1]:24",
		    parser->config->lmtp_address);
	if (port == 25)
		return parse_error(parser, place,
		    "port 25 is for MTAs, and LMTP must not be there (RFC 2033 "
		    "section 5), expected 24 or another");
	return 0;
}

int
parse_lmtp(struct parser *parser, const struct directive *directive)
{
	struct config *config = parser->config;
	struct place place = parse_place(parser);
	int result = 0;

	(void)directive;
	if (parser->lexeme.text[0] == '/' &&
	    (parser->lexeme.kind == LEXEME_WORD ||
		parser->lexeme.kind == LEXEME_STRING))
		result = parse_socket(parser, &config->lmtp_address);
	else if ((config->lmtp_address = parse_string(
		      parser, "a path or ADDRESS:PORT")) == NULL)
		result = -1;
	else
		result = check_lmtp(parser, &place);
	if (result == -1)
		return -1;
	if (parse_accept(parser, "spool"))
		return parse_absolute(parser, &config->spool);
	if ((config->spool = strdup("/var/tmp")) == NULL)
		return parse_error(parser, &place, "no memory");
	return 0;
}

/* ADDRESS or ADDRESS:PORT, kept with its port and IPv6 in brackets. */
int
parse_resolver(struct parser *parser, const struct directive *directive)
{
	struct place place = parse_place(parser);
	char text[LEXEME_MAX], copy[LEXEME_MAX], *host = copy;
	struct in6_addr six;
	uint16_t port = 53;
	int known;

	if (parse_text(parser, text, directive->expected) == -1)
		return -1;
	strlcpy(copy, text, sizeof(copy));
	/* Only in brackets can an IPv6 address have a port. */
	known = inet_pton(AF_INET6, copy, &six) == 1 ||
	    (cut_port(copy, &host, &port) == 0 && is_address(host));
	if (!known)
		return parse_error(parser, &place,
		    "\"%s\" is no address of a DNS server, expected one as "
		    "127.0.0.1 or [::1]:5353",
		    text);
	if (asprintf(&parser->config->resolver,
		strchr(host, ':') == NULL ? "%s:%u" : "[%s]:%u", host,
		(unsigned int)port) == -1) {
		parser->config->resolver = NULL;
		return parse_error(parser, &place, "no memory");
	}
	return 0;
}

void
print_resolver(
    FILE *file, const struct config *config, const struct directive *directive)
{
	if (config->resolver == NULL)
		return;
	fputs(directive->name, file);
	print_quoted(file, config->resolver);
	fputc('\n', file);
}

int
parse_header(struct parser *parser, const struct directive *directive)
{
	struct place place = parse_place(parser);
	uint64_t *most = &parser->config->token_header_recipients;

	if (parse_accept(parser, "no")) {
		*most = 0;
		return 0;
	}
	if (!parse_accept(parser, "recipients"))
		return parse_error(
		    parser, &place, "expected \"no\" or \"recipients NUMBER\"");
	return parse_number(
	    parser, most, directive->minimum, directive->maximum, "NUMBER");
}

void
print_header(
    FILE *file, const struct config *config, const struct directive *directive)
{
	if (config->token_header_recipients == 0)
		fprintf(file, "%s %s no\n", directive->name, directive->word);
	else
		fprintf(file, "%s %s recipients %llu\n", directive->name,
		    directive->word,
		    (unsigned long long)config->token_header_recipients);
}

void
print_lmtp(
    FILE *file, const struct config *config, const struct directive *directive)
{
	if (config->lmtp_address == NULL)
		return;
	fprintf(file, "%s %s", directive->name, directive->word);
	print_quoted(file, config->lmtp_address);
	fputs(" spool", file);
	print_quoted(file, config->spool);
	fputc('\n', file);
}

void
print_relay(
    FILE *file, const struct config *config, const struct directive *directive)
{
	int brackets;

	if (config->relay_host == NULL)
		return;
	brackets = strchr(config->relay_host, ':') != NULL;
	fprintf(file, "%s %s \"%s%s%s%s%s%s:%u\"", directive->name,
	    directive->word, schemes[config->relay_scheme].name,
	    config->relay_label == NULL ? "" : config->relay_label,
	    config->relay_label == NULL ? "" : "@", brackets ? "[" : "",
	    config->relay_host, brackets ? "]" : "",
	    (unsigned int)config->relay_port);
	if (config->relay_secrets != NULL) {
		fputs(" auth", file);
		print_quoted(file, config->relay_secrets);
	}
	fputs(config->relay_verify ? "\n" : " no-verify\n", file);
}
