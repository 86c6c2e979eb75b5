/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <readpassphrase.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "tokenctl/fail.h"
#include "tokenctl/secret.h"

#define AGAIN_SIZE 1024

static size_t
read_terminal(char *out, size_t size, const char *prompt, int twice)
{
	char again[AGAIN_SIZE];

	if (readpassphrase(prompt, out, size, RPP_REQUIRE_TTY) == NULL)
		fail(EX_DATAERR, "nothing was read from the terminal");
	if (!twice)
		return strlen(out);
	if (readpassphrase("Again: ", again, sizeof(again), RPP_REQUIRE_TTY) ==
		NULL ||
	    strcmp(again, out) != 0) {
		explicit_bzero(again, sizeof(again));
		explicit_bzero(out, size);
		fail(EX_DATAERR, "the two are not the same: try again");
	}
	explicit_bzero(again, sizeof(again));
	return strlen(out);
}

/* Octet by octet: what follows the line belongs to somebody else. */
static size_t
read_line(char *out, size_t size)
{
	size_t n = 0;
	ssize_t got;
	char c;

	for (;;) {
		if ((got = read(STDIN_FILENO, &c, 1)) == -1) {
			if (errno == EINTR)
				continue;
			fail(EX_IOERR, "standard input: %s", strerror(errno));
		}
		if (got == 0 || c == '\n')
			break;
		if (n + 1 >= size)
			fail(EX_DATAERR,
			    "the line on standard input is too long: at most "
			    "%zu octets",
			    size - 1);
		out[n++] = c;
	}
	if (n > 0 && out[n - 1] == '\r')
		n--;
	out[n] = '\0';
	return n;
}

size_t
secret_read(char *out, size_t size, const char *prompt, int twice)
{
	size_t n;

	if (isatty(STDIN_FILENO))
		n = read_terminal(out, size, prompt, twice);
	else
		n = read_line(out, size);
	if (n == 0)
		fail(EX_DATAERR,
		    "nothing on standard input: give it there, not as an "
		    "argument");
	return n;
}
