/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "smtpd-stoken/relay/setup.h"
#include "smtpd-stoken/relay/trust.h"

/* A bundle of all public authorities has some 250 KiB. */
#define FILE_MOST (16 * 1024 * 1024)

/* A file as it came, until the next commit. */
struct file {
	uint8_t *data;
	size_t length;
};

static struct setup *current;
static struct file ca_file, secrets_file;
static uint8_t ticket_key[TICKET_KEY_LENGTH];
static int has_ticket_key;

struct setup *
setup_current(void)
{
	return current;
}

const uint8_t *
setup_ticket_key(void)
{
	return has_ticket_key ? ticket_key : NULL;
}

static void
drop_file(struct file *file)
{
	freezero(file->data, file->length + 1);
	memset(file, 0, sizeof(*file));
}

/* Reads all of it; the descriptor is closed. */
static void
read_file(struct file *file, int fd, const char *what)
{
	struct stat st;
	ssize_t n = 0;
	size_t size;

	drop_file(file);
	if (fstat(fd, &st) == -1 || st.st_size > FILE_MOST)
		fatalx("%s: it is too large", what);
	size = (size_t)st.st_size;
	if ((file->data = calloc(1, size + 1)) == NULL)
		fatal("%s", what);
	while (file->length < size &&
	    (n = read(fd, file->data + file->length, size - file->length)) > 0)
		file->length += (size_t)n;
	if (n == -1)
		fatal("%s", what);
	/* It may have become shorter; freezero wants its size. */
	memset(file->data + file->length, '\n', size - file->length);
	file->length = size;
	(void)close(fd);
}

static void
on_ca(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)m;
	read_file(&ca_file, fd, "ca");
}

static void
on_secrets(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)m;
	read_file(&secrets_file, fd, "auth");
}

static void
on_ticket_key(struct channel *c, const union message *m, int fd)
{
	(void)c;
	(void)fd;
	if (m->setup_ticket_key.key.length != sizeof(ticket_key))
		fatalx("parent: a ticket key of the wrong length");
	memcpy(ticket_key, m->setup_ticket_key.key.data, sizeof(ticket_key));
	has_ticket_key = 1;
}

const struct channel_handler setup_handlers[] = {
    {MSG_SETUP_TICKET_KEY, on_ticket_key},
    {MSG_SETUP_CA, on_ca},
    {MSG_SETUP_SECRETS, on_secrets},
    {0, NULL},
};

static void
copy_field(char *out, size_t size, const char *text, size_t length)
{
	if (length < size) {
		memcpy(out, text, length);
		out[length] = '\0';
	}
}

/* `LABEL user:password`: 1 if this is the label's line and is whole. */
static int
login_line(struct login *login, const char *label, const char *line, size_t n)
{
	size_t at = strlen(label), blanks;
	const char *colon;

	if (n <= at || memcmp(line, label, at) != 0 ||
	    (line[at] != ' ' && line[at] != '\t'))
		return 0;
	for (blanks = at; blanks < n; blanks++)
		if (line[blanks] != ' ' && line[blanks] != '\t')
			break;
	line += blanks;
	n -= blanks;
	if (n > 0 && line[n - 1] == '\r')
		n--;
	if ((colon = memchr(line, ':', n)) == NULL)
		return 0;
	copy_field(
	    login->user, sizeof(login->user), line, (size_t)(colon - line));
	n -= (size_t)(colon - line) + 1;
	copy_field(login->password, sizeof(login->password), colon + 1, n);
	return login->user[0] != '\0' && login->password[0] != '\0';
}

/* Keeps the one password that is needed, and forgets the others. */
static struct login *
find_login(const struct file *file, const char *label)
{
	const char *line = (const char *)file->data, *end;
	const char *behind = line + file->length;
	struct login *login = calloc(1, sizeof(*login));

	if (login == NULL)
		fatal("login");
	for (; line < behind; line = end + 1) {
		end = memchr(line, '\n', (size_t)(behind - line));
		if (end == NULL)
			end = behind;
		if (login_line(login, label, line, (size_t)(end - line)))
			return login;
	}
	freezero(login, sizeof(*login));
	return NULL;
}

static char *
copy(const char *text)
{
	char *result = text == NULL ? NULL : strdup(text);

	if (text != NULL && result == NULL)
		fatal("strdup");
	return result;
}

static struct setup *
setup_of(const struct settings *settings)
{
	struct setup *setup = calloc(1, sizeof(*setup));

	if (setup == NULL)
		fatal("setup");
	setup->holders = 1;
	setup->hostname = copy(settings->hostname);
	setup->relay_host = copy(settings->relay_host);
	setup->relay_port = (uint16_t)settings->relay_port;
	setup->scheme = (enum relay_scheme)settings->relay_scheme;
	setup->verify =
	    settings->relay_verify != 0 && setup->scheme != RELAY_SCHEME_SMTP;
	setup->lmtp_address = copy(settings->lmtp_address);
	setup->timeout = settings->timeout_relay;
	return setup;
}

/* D-S14: no token goes to a server that cannot be verified. */
static void
take_token_trust(struct setup *setup)
{
	char why[128] = "there is no file of `ca`";

	if (ca_file.length > 0)
		setup->token_trust =
		    trust_new(ca_file.data, ca_file.length, why, sizeof(why));
	if (setup->token_trust == NULL)
		log_warnx("no mail goes out by tokens of others: %s", why);
}

/* What the settings do not hold. NULL, or what is missing. */
static const char *
complete(struct setup *setup, const struct settings *settings)
{
	static char why[128];

	if (setup->hostname == NULL)
		return "hostname is not set";
	if (!has_ticket_key)
		return "there is no ticket key";
	if (setup->relay_host != NULL && setup->verify) {
		if (ca_file.length == 0)
			return "the file of `ca` is empty or missing";
	}
	if (setup->relay_host != NULL) {
		setup->trust = trust_new(setup->verify ? ca_file.data : NULL,
		    ca_file.length, why, sizeof(why));
		if (setup->trust == NULL)
			return why;
		take_token_trust(setup);
	}
	if (settings->relay_label == NULL)
		return NULL;
	setup->login = find_login(&secrets_file, settings->relay_label);
	return setup->login == NULL
	    ? "the secrets file has no line \"LABEL user:password\" for it"
	    : NULL;
}

int
setup_take(const struct settings *settings, char *problem, size_t size)
{
	struct setup *fresh = setup_of(settings);
	const char *wrong = complete(fresh, settings);

	drop_file(&ca_file);
	drop_file(&secrets_file);
	if (wrong != NULL) {
		(void)snprintf(problem, size, "%s%s%s",
		    settings->relay_label == NULL ? "" : settings->relay_label,
		    settings->relay_label == NULL ? "" : ": ", wrong);
		setup_release(fresh);
		return -1;
	}
	setup_release(current);
	current = fresh;
	return 0;
}

void
setup_hold(struct setup *setup)
{
	setup->holders++;
}

void
setup_release(struct setup *setup)
{
	if (setup == NULL || --setup->holders > 0)
		return;
	free(setup->hostname);
	free(setup->relay_host);
	freezero(setup->login, sizeof(*setup->login));
	free(setup->lmtp_address);
	trust_free(setup->trust);
	trust_free(setup->token_trust);
	free(setup);
}
