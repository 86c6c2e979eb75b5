/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "lib/base64.h"
#include "smtpd-stoken/relay/smtp/hide.h"
#include "smtpd-stoken/relay/smtp/login.h"

struct login_mechanism {
	const char *name;
	int initial; /* client first */
	ssize_t (*next)(struct login *, const char *challenge, size_t length,
	    char *out, size_t size);
};

static ssize_t
give_up(struct login *login, const char *problem)
{
	login->problem = problem;
	return -1;
}

static ssize_t
copy(struct login *login, const char *text, char *out, size_t size)
{
	size_t length = strlen(text);

	if (length > size)
		return give_up(login, "the secret is too long");
	memcpy(out, text, length);
	return (ssize_t)length;
}

static ssize_t
next_scram(struct login *login, const char *challenge, size_t length, char *out,
    size_t size)
{
	switch (login->step++) {
	case 0:
		scram_client_nonce(&login->scram);
		return scram_client_first(
		    &login->scram, login->user, out, size, &login->problem);
	case 1:
		return scram_client_final(&login->scram, login->password,
		    challenge, length, out, size, &login->problem);
	case 2:
		if (scram_client_check(&login->scram, challenge, length,
			&login->problem) == -1)
			return -1;
		login->proved = 1;
		return 0;
	default:
		return give_up(login, "the server goes on asking");
	}
}

/* RFC 4616: no authorization identity. */
static ssize_t
next_plain(struct login *login, const char *challenge, size_t length, char *out,
    size_t size)
{
	size_t user = strlen(login->user), password = strlen(login->password);

	(void)challenge, (void)length;
	if (login->step++ > 0)
		return give_up(login, "the server goes on asking");
	if (user + password + 2 > size)
		return give_up(login, "the secret is too long");
	login->proved = 1;
	out[0] = '\0';
	memcpy(out + 1, login->user, user + 1);
	memcpy(out + 2 + user, login->password, password);
	return (ssize_t)(user + password + 2);
}

/* Two challenges, which nobody reads: name, then password. */
static ssize_t
next_login(struct login *login, const char *challenge, size_t length, char *out,
    size_t size)
{
	(void)challenge, (void)length;
	switch (login->step++) {
	case 0:
		return copy(login, login->user, out, size);
	case 1:
		login->proved = 1;
		return copy(login, login->password, out, size);
	default:
		return give_up(login, "the server goes on asking");
	}
}

/* D-S15: the recipient, NUL, the token for him. */
static ssize_t
next_stoken(struct login *login, const char *challenge, size_t length,
    char *out, size_t size)
{
	size_t user = strlen(login->user), token = strlen(login->password);

	(void)challenge, (void)length;
	if (login->step++ > 0)
		return give_up(login, "the server goes on asking");
	if (user + token + 1 > size)
		return give_up(login, "the secret is too long");
	login->proved = 1;
	memcpy(out, login->user, user + 1);
	memcpy(out + 1 + user, login->password, token);
	return (ssize_t)(user + token + 1);
}

/* The one that is no password's: never in place of another, or the reverse. */
#define STOKEN "STOKEN"

static const struct login_mechanism mechanisms[] = {
    {"SCRAM-SHA-256", 1, next_scram},
    {"PLAIN", 1, next_plain},
    {"LOGIN", 0, next_login},
    {STOKEN, 1, next_stoken},
};

#define COUNT (sizeof(mechanisms) / sizeof(mechanisms[0]))

unsigned int
login_bit(const char *name, size_t length)
{
	size_t i;

	for (i = 0; i < COUNT; i++) {
		if (strlen(mechanisms[i].name) == length &&
		    strncasecmp(mechanisms[i].name, name, length) == 0)
			return 1U << i;
	}
	return 0;
}

const char *
login_begin(struct login *login, unsigned int offered, int stoken,
    const char *user, const char *password)
{
	unsigned int tokens = login_bit(STOKEN, strlen(STOKEN));
	size_t i;

	offered &= stoken ? tokens : ~tokens;
	login_end(login);
	login->user = user;
	login->password = password;
	for (i = 0; i < COUNT && !(offered & 1U << i); i++)
		continue;
	if (i == COUNT)
		return NULL;
	login->mechanism = &mechanisms[i];
	return login->mechanism->name;
}

ssize_t
login_next(struct login *login, const char *challenge, size_t length, char *out,
    size_t size)
{
	if (strlen(login->user) > LOGIN_NAME_MAX ||
	    strlen(login->password) > LOGIN_NAME_MAX)
		return give_up(login, "the secret is too long");
	return login->mechanism->next(login, challenge, length, out, size);
}

int
login_has_initial(const struct login *login)
{
	return login->mechanism->initial;
}

/* Words as long as this may be base 64 of anything. */
#define WORD_MAX 24

/* Base 64 of it, whatever stands before it: it begins with any of 3 octets. */
static int
shows_encoded(const char *text, const char *secret, size_t before)
{
	uint8_t octets[LOGIN_NAME_MAX + 2] = {0};
	char encoded[BASE64_SIZE(LOGIN_NAME_MAX + 2)] = "";
	size_t length = strlen(secret), whole;
	int shows;

	memcpy(octets + before, secret, length);
	/* The last octets hang on what stands behind them. */
	whole = (before + length) / 3 * 3;
	shows = base64_encode(encoded, sizeof(encoded), octets, whole) == -1 ||
	    hide_finds(text, encoded + (before == 0 ? 0 : 4));
	explicit_bzero(octets, sizeof(octets));
	explicit_bzero(encoded, sizeof(encoded));
	return shows;
}

int
login_shows(const struct login *login, const char *text)
{
	size_t length = strlen(login->password), before;
	int shows;

	if (length == 0 || length > LOGIN_NAME_MAX)
		return 1;
	shows = hide_finds(text, login->password);
	for (before = 0; before < 3 && !shows; before++)
		shows = shows_encoded(text, login->password, before);
	while (*text != '\0' && !shows) {
		length = strcspn(text, " ");
		shows = length > WORD_MAX;
		text += length + (text[length] == ' ');
	}
	return shows;
}

void
login_end(struct login *login)
{
	explicit_bzero(login, sizeof(*login));
}
