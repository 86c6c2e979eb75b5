/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/engine/smtp/chunk.h"
#include "smtpd-stoken/engine/smtp/command.h"
#include "smtpd-stoken/engine/smtp/foreign.h"

#define OF_TOKENS                                                            \
	(RULE_NETWORK | RULE_TOKENS | RULE_GREETED | RULE_TLS | RULE_LOGIN | \
	    RULE_OUTSIDE)

const struct smtp_command smtp_command_table[] = {
    {"MAIL", command_mail, RULE_GREETED | RULE_TLS | RULE_LOGIN | RULE_OUTSIDE},
    {"RCPT", command_rcpt,
	RULE_GREETED | RULE_TLS | RULE_LOGIN | RULE_INSIDE | RULE_OVERLAP |
	    RULE_GROUPED | RULE_UNCHUNKED},
    /* F-03: 503 without a recipient, also where nobody has logged in */
    {"DATA", command_data,
	RULE_GREETED | RULE_INSIDE | RULE_BARE | RULE_GROUPED},
    /* Their other rules are looked at when their octets are gone. */
    {"BDAT", command_bdat, 0},
    {"BMTD", command_bmtd, 0},
    {"RSET", command_rset, RULE_BARE},
    {"NOOP", command_noop, 0},
    {"QUIT", command_quit, RULE_BARE},
    {"LHLO", command_lhlo, 0},
    {"EHLO", command_ehlo, 0},
    {"HELO", command_helo, 0},
    {"STARTTLS", command_starttls, RULE_NETWORK | RULE_BARE},
    {"AUTH", command_auth,
	RULE_NETWORK | RULE_GREETED | RULE_TLS | RULE_OUTSIDE},
    {"GENSTOKEN", command_genstoken, OF_TOKENS},
    {"REVSTOKEN", command_revstoken, OF_TOKENS},
    {"REMEMBERME", command_rememberme,
	RULE_NETWORK | RULE_REMEMBER | RULE_GREETED | RULE_TLS | RULE_LOGIN |
	    RULE_OUTSIDE},
    {"VRFY", command_vrfy, 0},
    {"HELP", command_help, 0},
    {"BURL", command_burl, 0},
    {"EXPN", command_refused, 0},
    {"ETRN", command_refused, 0},
    {"TURN", command_refused, 0},
    {NULL, NULL, 0},
};

static const struct smtp_refusal no_command = {
    500, "5.5.2", "Not a command, closing"};

static const struct smtp_command *
find(const char *verb, size_t length)
{
	const struct smtp_command *command;

	for (command = smtp_command_table; command->verb != NULL; command++)
		if (strlen(command->verb) == length &&
		    strncasecmp(command->verb, verb, length) == 0)
			return command;
	return NULL;
}

const struct smtp_refusal *
smtp_forbidden(
    const struct smtp_session *session, unsigned int rules, size_t arguments)
{
	int trusted = session->listener == SMTP_LISTENER_SOCKET;

	if ((rules & RULE_NETWORK) && trusted)
		return &refusal_unknown;
	if ((rules & RULE_TOKENS) && !session->settings->tokens)
		return &refusal_unknown;
	if ((rules & RULE_REMEMBER) && session->settings->remember == 0)
		return &refusal_unknown;
	if ((rules & RULE_METADATA) && !session->settings->metadata)
		return &refusal_unknown;
	if ((rules & RULE_GREETED) && session->mode == MODE_NONE)
		return &refusal_sequence;
	if ((rules & RULE_TLS) && !session->tls.active && !trusted)
		return &refusal_tls;
	if ((rules & RULE_LOGIN) && session->login == SMTP_NOBODY)
		return &refusal_auth;
	if ((rules & RULE_OUTSIDE) && session->transaction != NULL)
		return &refusal_sequence;
	if ((rules & RULE_INSIDE) && session->transaction == NULL)
		return &refusal_sequence;
	if ((rules & RULE_UNCHUNKED) && smtp_chunk_begun(session))
		return &refusal_sequence;
	if ((rules & RULE_BARE) && arguments > 0)
		return &refusal_arguments;
	return NULL;
}

/* Runs it, or says why not. Returns as smtp_command() does. */
static int
run(struct smtp_session *session, const struct smtp_command *command,
    const char *text, size_t length)
{
	const struct smtp_refusal *refusal;

	refusal = smtp_forbidden(session, command->rules, length);
	if (refusal == NULL)
		return command->run(session, text, length);
	if (command->rules & RULE_GROUPED)
		smtp_reply(session, refusal->code, refusal->enhanced, "%s",
		    refusal->text);
	else
		smtp_refusal_reply(session, refusal);
	return 1;
}

static void
unknown(struct smtp_session *session, const char *line, size_t length)
{
	if (!smtp_is_foreign(line, length) &&
	    !smtp_announces_octets(line, length)) {
		smtp_refusal_reply(session, &refusal_unknown);
		return;
	}
	smtp_refusal_reply(session, &no_command);
	smtp_close(session, "errors");
}

int
smtp_command(struct smtp_session *session, const char *line, size_t length)
{
	const struct smtp_command *command;
	const char *space;
	size_t verb;

	/* RFC 5321 section 4.1.1: trailing white space is tolerated. */
	while (
	    length > 0 && (line[length - 1] == ' ' || line[length - 1] == '\t'))
		length--;
	space = memchr(line, ' ', length);
	verb = space != NULL ? (size_t)(space - line) : length;
	command = find(line, verb);
	if ((command == NULL || !(command->rules & RULE_OVERLAP)) &&
	    smtp_outstanding(session))
		return 0;
	if (command == NULL) {
		unknown(session, line, length);
		return 1;
	}
	if (verb < length)
		verb++;
	return run(session, command, line + verb, length - verb);
}

int
smtp_words(const char *text, size_t length, struct smtp_word *words, int most)
{
	const char *space;
	size_t n;
	int count = 0;

	while (length > 0 && count < most) {
		space = memchr(text, ' ', length);
		n = space != NULL ? (size_t)(space - text) : length;
		if (n == 0)
			return -1;
		words[count].text = text;
		words[count++].length = n;
		if (space != NULL)
			n++;
		text += n;
		length -= n;
	}
	return count;
}

int
smtp_word_is(const struct smtp_word *word, const char *name)
{
	return strlen(name) == word->length &&
	    strncasecmp(name, word->text, word->length) == 0;
}
