/* SPDX-License-Identifier: ISC */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <openssl/sha.h>

#include "lib/base64.h"
#include "tokend/auth/dovecot_text.h"

#define ESCAPE '\001'

/* What stands behind ESCAPE for what. */
static const struct {
	char letter;
	char octet;
} escapes[] = {
    {'0', '\0'},
    {'1', ESCAPE},
    {'t', '\t'},
    {'r', '\r'},
    {'n', '\n'},
};

#define ESCAPES (sizeof(escapes) / sizeof(escapes[0]))

static void
put(struct dovecot_line *line, char c)
{
	if (line->length == sizeof(line->text))
		line->full = true;
	else
		line->text[line->length++] = c;
}

static void
put_plain(struct dovecot_line *line, const char *text)
{
	for (; *text != '\0'; text++)
		put(line, *text);
}

static void
put_escaped(struct dovecot_line *line, const char *text)
{
	size_t i;

	for (; *text != '\0'; text++) {
		for (i = 0; i < ESCAPES && escapes[i].octet != *text; i++)
			continue;
		if (i < ESCAPES)
			put(line, ESCAPE);
		put(line, i < ESCAPES ? escapes[i].letter : *text);
	}
}

void
dovecot_begin(struct dovecot_line *line, const char *command)
{
	line->length = 0;
	line->full = false;
	put_plain(line, command);
}

void
dovecot_add(struct dovecot_line *line, const char *text)
{
	put(line, '\t');
	put_escaped(line, text);
}

static void
put_name(struct dovecot_line *line, const char *name)
{
	put(line, '\t');
	if (name == NULL)
		return;
	put_plain(line, name);
	put(line, '=');
}

void
dovecot_add_text(struct dovecot_line *line, const char *name, const char *text)
{
	put_name(line, name);
	put_escaped(line, text);
}

void
dovecot_add_number(struct dovecot_line *line, const char *name, uint32_t number)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%" PRIu32, number);
	put_name(line, name);
	put_plain(line, text);
}

void
dovecot_add_data(struct dovecot_line *line, const char *name, struct bytes data)
{
	ssize_t n;

	put_name(line, name);
	n = base64_encode(line->text + line->length,
	    sizeof(line->text) - line->length, data.data, data.length);
	if (n == -1)
		line->full = true;
	else
		line->length += (size_t)n;
}

int
dovecot_end(struct dovecot_line *line)
{
	put(line, '\n');
	return line->full ? -1 : 0;
}

bool
dovecot_next(struct bytes *rest, struct bytes *parameter)
{
	const uint8_t *tab;

	if (rest->data == NULL)
		return false;
	tab = rest->length == 0 ? NULL : memchr(rest->data, '\t', rest->length);
	*parameter = *rest;
	if (tab == NULL) {
		*rest = bytes_of(NULL, 0);
		return true;
	}
	parameter->length = (size_t)(tab - rest->data);
	rest->data = tab + 1;
	rest->length -= parameter->length + 1;
	return true;
}

bool
dovecot_is(struct bytes parameter, const char *word)
{
	return bytes_equal(parameter, bytes_text(word));
}

int
dovecot_number(struct bytes parameter, uint32_t *number)
{
	uint64_t value = 0;
	size_t i;

	if (parameter.length == 0 || parameter.length > 10)
		return -1;
	for (i = 0; i < parameter.length; i++) {
		if (parameter.data[i] < '0' || parameter.data[i] > '9')
			return -1;
		value = value * 10 + (uint64_t)(parameter.data[i] - '0');
	}
	if (value > UINT32_MAX)
		return -1;
	*number = (uint32_t)value;
	return 0;
}

/* An unknown letter stands for itself. */
static char
unescaped(char letter)
{
	size_t i;

	for (i = 0; i < ESCAPES; i++) {
		if (escapes[i].letter == letter)
			return escapes[i].octet;
	}
	return letter;
}

ssize_t
dovecot_unescape(char *out, size_t size, struct bytes parameter)
{
	size_t i, n = 0;
	char c;

	for (i = 0; i < parameter.length; i++) {
		c = (char)parameter.data[i];
		if (c == ESCAPE) {
			if (++i == parameter.length)
				return -1;
			c = unescaped((char)parameter.data[i]);
		}
		if (n + 1 >= size)
			return -1;
		out[n++] = c;
	}
	if (n >= size)
		return -1;
	out[n] = '\0';
	return (ssize_t)n;
}

/* Reasons of FAIL: a word of its own, or (since 2.3) the value of "code". */
static const struct {
	const char *word;
	enum step_result result;
	enum auth_reason reason;
} reasons[] = {
    {"temp", STEP_TEMPORARY, AUTH_REASON_NONE},
    {"temp_fail", STEP_TEMPORARY, AUTH_REASON_NONE},
    {"user_disabled", STEP_FAILED, AUTH_REASON_DISABLED},
    {"pass_expired", STEP_FAILED, AUTH_REASON_EXPIRED},
    {"authz", STEP_FAILED, AUTH_REASON_PROTOCOL},
    {"authz_fail", STEP_FAILED, AUTH_REASON_PROTOCOL},
};

static void
take_reason(struct dovecot_answer *answer, struct bytes word)
{
	size_t i;

	for (i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
		if (!dovecot_is(word, reasons[i].word))
			continue;
		/* What is temporary stays so, whatever else is said. */
		if (answer->result == STEP_TEMPORARY)
			return;
		answer->result = reasons[i].result;
		answer->reason = reasons[i].reason;
		return;
	}
}

static void
take_user(struct dovecot_answer *answer, struct bytes value)
{
	ssize_t n = dovecot_unescape(answer->user, sizeof(answer->user), value);

	answer->user_length = n == -1 ? 0 : (size_t)n;
	answer->user[answer->user_length] = '\0';
}

static void
take_why(struct dovecot_answer *answer, struct bytes value)
{
	if (value.length > sizeof(answer->why) - 1)
		value.length = sizeof(answer->why) - 1;
	if (dovecot_unescape(answer->why, sizeof(answer->why), value) == -1)
		answer->why[0] = '\0';
}

/*
 * We are not shown what a password is checked against; but a site may say
 * something that changes with it, by which a token ends (D-R05).
 */
static void
take_changed(struct dovecot_answer *answer, struct bytes value)
{
	if (value.length == 0)
		return;
	(void)SHA256(value.data, value.length, answer->facts.digest);
	answer->facts.digest_length = sizeof(answer->facts.digest);
}

static const struct {
	const char *name;
	void (*take)(struct dovecot_answer *answer, struct bytes value);
} fields[] = {
    {"user", take_user},
    {"code", take_reason},
    {"reason", take_why},
    {"password_changed", take_changed},
};

/* A name of ours among the extra fields; a bad value is no value. */
static void
take_right(struct dovecot_answer *answer, struct bytes name, struct bytes value)
{
	char word[32], text[32];

	if (bytes_copy(word, sizeof(word), name) == 0 &&
	    dovecot_unescape(text, sizeof(text), value) != -1)
		(void)rights_take(&answer->facts.rights, word, text);
}

static void
take_field(struct dovecot_answer *answer, struct bytes parameter)
{
	struct bytes name = parameter, value;
	const uint8_t *equals = parameter.length == 0
	    ? NULL
	    : memchr(parameter.data, '=', parameter.length);
	size_t i;

	if (equals != NULL)
		name.length = (size_t)(equals - parameter.data);
	if (dovecot_is(name, "nologin")) {
		answer->no_login = true;
		return;
	}
	if (equals == NULL) {
		take_reason(answer, parameter);
		return;
	}
	value = bytes_of(equals + 1, parameter.length - name.length - 1);
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (dovecot_is(name, fields[i].name)) {
			fields[i].take(answer, value);
			return;
		}
	}
	take_right(answer, name, value);
}

void
dovecot_read(struct dovecot_answer *answer, struct bytes rest)
{
	struct bytes parameter;

	memset(answer, 0, sizeof(*answer));
	answer->result = STEP_FAILED;
	answer->reason = AUTH_REASON_BAD_SECRET;
	facts_init(&answer->facts);
	while (dovecot_next(&rest, &parameter))
		take_field(answer, parameter);
}
