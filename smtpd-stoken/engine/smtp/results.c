/* SPDX-License-Identifier: ISC */
#include <string.h>
#include <strings.h>

#include "lib/address.h"
#include "smtpd-stoken/engine/smtp/field.h"
#include "smtpd-stoken/engine/smtp/results.h"

/* A value, unquoted; what is longer is none that is looked for. */
#define VALUE_MAX 255
#define KEYWORD_MAX 32

struct reader {
	const char *text;
	size_t length;
	size_t at;
	int odd; /* once it is, nothing more is read */
};

struct value {
	char text[VALUE_MAX + 1];
	size_t length; /* more than VALUE_MAX: too long */
};

/* A resinfo: what of it can vouch. */
struct result {
	enum {
		METHOD_OTHER,
		METHOD_DKIM,
		METHOD_DMARC
	} method;
	int pass, fail;
	int has_d, has_i, has_from;
	struct value d, i, from, other;
};

static int
peek(const struct reader *r)
{
	if (r->odd || r->at == r->length)
		return -1;
	return (unsigned char)r->text[r->at];
}

static int
is_control(int c)
{
	return (c >= 0 && c < ' ' && c != '\t' && c != '\n') || c == 0x7f;
}

static int
is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

/* A comment, which may hold others. */
static void
skip_comment(struct reader *r)
{
	size_t depth = 0;
	int c;

	do {
		if ((c = peek(r)) == -1 || is_control(c)) {
			r->odd = 1;
			return;
		}
		if (c == '(')
			depth++;
		else if (c == ')')
			depth--;
		else if (c == '\\' && ++r->at == r->length) {
			r->odd = 1;
			return;
		}
		r->at++;
	} while (depth > 0);
}

/* [CFWS]; returns whether there was any. */
static int
skip(struct reader *r)
{
	size_t start = r->at;
	int c;

	while ((c = peek(r)) != -1)
		if (c == '(')
			skip_comment(r);
		else if (is_blank(c))
			r->at++;
		else
			break;
	return r->at > start;
}

/* Takes the octet, if it is the next, with blanks and comments around it. */
static int
accept(struct reader *r, char c)
{
	size_t start = r->at;

	skip(r);
	if (peek(r) != (unsigned char)c) {
		r->at = start;
		return 0;
	}
	r->at++;
	skip(r);
	return 1;
}

static void
keep(struct value *value, int c)
{
	if (value->length < VALUE_MAX) {
		value->text[value->length] = (char)c;
		value->text[value->length + 1] = '\0';
	}
	if (value->length <= VALUE_MAX)
		value->length++;
}

/* The quoted string that begins here. */
static void
read_quoted(struct reader *r, struct value *value)
{
	int c;

	for (r->at++; (c = peek(r)) != '"'; r->at++) {
		if (c == '\\') {
			r->at++;
			c = peek(r);
		}
		if (c == -1 || is_control(c)) {
			r->odd = 1;
			return;
		}
		keep(value, c);
	}
	r->at++;
}

/*
 * An octet of a token (RFC 2045 section 5.1), of UTF-8, or, in the value of a
 * property, one that servers do not quote.
 */
static int
is_plain(int c, int property)
{
	if (c <= ' ' || c == 0x7f)
		return 0;
	return strchr("()<>@,;:\\\"/[]?=", c) == NULL ||
	    (property && strchr("@:/[]?=", c) != NULL);
}

/* value; or pvalue, which may have a quoted local part. */
static void
read_value(struct reader *r, struct value *value, int property)
{
	size_t start = r->at;
	int c;

	value->length = 0;
	value->text[0] = '\0';
	while ((c = peek(r)) != -1)
		if (c == '"' && (property || r->at == start)) {
			read_quoted(r, value);
			if (!property)
				return;
		} else if (is_plain(c, property)) {
			keep(value, c);
			r->at++;
		} else
			break;
	if (r->at == start)
		r->odd = 1;
}

/* Keyword of RFC 5321: letters, digits, hyphens. "" is odd. */
static void
read_keyword(struct reader *r, char out[KEYWORD_MAX + 1])
{
	size_t n = 0;
	int c;

	for (; (c = peek(r)) != -1; r->at++) {
		if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
		    !(c >= '0' && c <= '9') && c != '-' && c != '_')
			break;
		if (n < KEYWORD_MAX)
			out[n++] = (char)c;
		else
			r->odd = 1;
	}
	out[n] = '\0';
	r->odd |= n == 0;
}

/* A version of the field or of a method: only 1 is known. */
static void
read_version(struct reader *r)
{
	if (peek(r) == '1')
		r->at++;
	else
		r->odd = 1;
	if (peek(r) >= '0' && peek(r) <= '9')
		r->odd = 1;
}

static struct value *
value_of(struct result *result, const char *type, const char *property)
{
	if (strcasecmp(type, "header") != 0)
		return &result->other;
	if (strcasecmp(property, "d") == 0 && !result->has_d++)
		return &result->d;
	if (strcasecmp(property, "i") == 0 && !result->has_i++)
		return &result->i;
	if (strcasecmp(property, "from") == 0 && !result->has_from++)
		return &result->from;
	return &result->other;
}

/* reason=value, or type.property=value. Returns 0 when there is none. */
static int
read_property(struct reader *r, struct result *result)
{
	char type[KEYWORD_MAX + 1], property[KEYWORD_MAX + 1];
	if (peek(r) == -1 || peek(r) == ';')
		return 0;
	read_keyword(r, type);
	if (accept(r, '.')) {
		read_keyword(r, property);
		r->odd |= !accept(r, '=');
		read_value(r, value_of(result, type, property), 1);
	} else {
		r->odd |= strcasecmp(type, "reason") != 0 || !accept(r, '=');
		read_value(r, &result->other, 0);
	}
	/* They are parted by blanks. */
	if (!skip(r) && peek(r) != -1 && peek(r) != ';')
		r->odd = 1;
	return !r->odd;
}

/* resinfo, behind its ";". */
static void
read_result(struct reader *r, struct result *result)
{
	char word[KEYWORD_MAX + 1];

	memset(result, 0, sizeof(*result));
	read_keyword(r, word);
	if (strcasecmp(word, "dkim") == 0)
		result->method = METHOD_DKIM;
	else if (strcasecmp(word, "dmarc") == 0)
		result->method = METHOD_DMARC;
	if (accept(r, '/'))
		read_version(r);
	r->odd |= !accept(r, '=');
	read_keyword(r, word);
	result->pass = strcasecmp(word, "pass") == 0;
	result->fail = strcasecmp(word, "fail") == 0;
	if (!skip(r) && peek(r) != -1 && peek(r) != ';')
		r->odd = 1;
	while (read_property(r, result))
		;
	/* Twice the same is one too many. */
	if (result->has_d > 1 || result->has_i > 1 || result->has_from > 1)
		r->odd = 1;
}

/* A domain's canonical form. Of header.i the "@" and what is before it go. */
static int
domain_of(
    const struct value *value, int address, char out[ADDRESS_DOMAIN_MAX + 1])
{
	const char *at = strrchr(value->text, '@');

	if (value->length > VALUE_MAX || (at != NULL) != address)
		return -1;
	at = at != NULL ? at + 1 : value->text;
	return domain_canonical(at, strlen(at), out);
}

/* Is it the domain itself, or one below it? */
static int
is_within(const char *domain, const char *above)
{
	size_t length = strlen(domain), n = strlen(above);

	return length >= n && strcmp(domain + length - n, above) == 0 &&
	    (length == n || domain[length - n - 1] == '.');
}

static int
dkim_vouches(const struct result *result, const char *domain)
{
	char signer[ADDRESS_DOMAIN_MAX + 1];
	const struct value *value = result->has_d ? &result->d : &result->i;

	if (!result->has_d && !result->has_i)
		return 0;
	return domain_of(value, !result->has_d, signer) == 0 &&
	    strchr(signer, '.') != NULL && is_within(domain, signer);
}

static int
dmarc_vouches(const struct result *result, const char *domain)
{
	char from[ADDRESS_DOMAIN_MAX + 1];

	if (!result->has_from)
		return 1;
	return domain_of(&result->from, 0, from) == 0 &&
	    strcmp(from, domain) == 0;
}

/* What all the fields say. */
struct word {
	const char *domain; /* of From */
	int no_dkim, no_dmarc; /* none is taken, for what is above */
	int told_dmarc; /* a field above had it */
	int good, bad;
};

static void
weigh(struct reader *r, struct word *word)
{
	struct result result;
	int dkim = 0, dmarc = 0, dkims = 0, dmarcs = 0;

	while (accept(r, ';')) {
		if (peek(r) == -1)
			break; /* servers end it so */
		read_result(r, &result);
		if (result.method == METHOD_DMARC) {
			r->odd |= dmarcs++ > 0;
			word->bad |= result.fail && !word->told_dmarc;
			dmarc =
			    result.pass && dmarc_vouches(&result, word->domain);
		} else if (result.method == METHOD_DKIM) {
			dkims++;
			dkim |=
			    result.pass && dkim_vouches(&result, word->domain);
		}
	}
	word->good |= (dkim && !word->no_dkim) || (dmarc && !word->no_dmarc);
	word->no_dkim |= dkims > 0;
	word->told_dmarc |= dmarcs > 0;
	word->no_dmarc |= dmarcs > 0;
}

/* What is behind the authserv-id. */
static void
read_results(struct reader *r, struct word *word)
{
	char method[KEYWORD_MAX + 1];
	size_t start;

	if (!skip(r) && peek(r) != ';')
		r->odd = 1;
	if (peek(r) >= '0' && peek(r) <= '9') {
		read_version(r);
		skip(r);
	}
	start = r->at;
	if (accept(r, ';')) {
		read_keyword(r, method);
		skip(r);
		if (strcasecmp(method, "none") == 0 && peek(r) == -1)
			return; /* no-result */
		r->at = start;
	}
	weigh(r, word);
	word->bad |= r->odd || r->at != r->length;
}

int
results_vouch(
    const struct results *results, const char *authserv, const char *from)
{
	const struct results_field *field = results->fields;
	char domain[ADDRESS_DOMAIN_MAX + 1];
	const char *at = strrchr(from, '@');
	struct word word = {.domain = domain};
	struct reader r;
	struct value id;
	size_t i;

	if (at == NULL ||
	    domain_canonical(at + 1, strlen(at + 1), domain) == -1)
		return 0;
	for (i = 0; i < results->count && !word.bad; i++, field++) {
		if (field_authserv_is(field->value, field->length, authserv) !=
		    1)
			return 0;
		if (results->below_received && i == 1) {
			word.no_dmarc = 1;
			word.no_dkim |= !word.told_dmarc;
		}
		r = (struct reader) {field->value, field->length, 0, 0};
		skip(&r);
		read_value(&r, &id, 0);
		read_results(&r, &word);
	}
	return word.good && !word.bad;
}
