/* SPDX-License-Identifier: ISC */
/* The words of a report (dsn.c). */
#include <string.h>

#include "lib/address.h"
#include "smtpd-stoken/engine/smtp/dsn_text.h"

/* The first that the status behind its class begins with. */
static const struct {
	const char *status, *words;
} explanations[] = {
    {".1.1.", "There is no mailbox of this name."},
    {".1.2.", "There is no such mail domain."},
    {".1.3.", "The address is not well-formed."},
    {".1.6.", "The mailbox has moved."},
    {".1.8.", "Your own address is not accepted there."},
    {".1.10.", "This domain takes no mail."},
    {".1.", "The address is not accepted."},
    {".2.1.", "The mailbox is disabled, and takes no mail."},
    {".2.2.", "The mailbox is full."},
    {".2.3.", "The message is too large for this mailbox."},
    {".2.", "The mailbox cannot take the message."},
    {".3.1.", "The server has no room for it."},
    {".3.4.", "The message is too large."},
    {".3.", "The server has a problem of its own."},
    {".4.6.", "The message goes round in circles."},
    {".4.7.", "It took too long."},
    {".4.", "The server could not be reached, or the connection was lost."},
    {".5.3.", "The message has too many recipients."},
    {".5.", "The servers did not understand each other."},
    {".6.7.", "The address needs international mail, which the server lacks."},
    {".6.", "The server does not take contents of this kind."},
    {".7.", "The server's rules forbid it."},
    {".", "The server did not take the message."},
};

const char *
dsn_explain(const char *status)
{
	size_t i = 0, n, length = strlen(status);

	if (length > 0)
		length--;
	for (;; i++) {
		n = strlen(explanations[i].status);
		if (n == 1)
			break;
		/* "5.1.1" is ".1.1." and not ".1.10.". */
		if ((length >= n &&
			memcmp(status + 1, explanations[i].status, n) == 0) ||
		    (length == n - 1 &&
			memcmp(status + 1, explanations[i].status, length) ==
			    0))
			break;
	}
	return explanations[i].words;
}

const char *
dsn_status(const char *status, int failed)
{
	const char *classes = failed ? "45" : "2";
	size_t length = status != NULL ? strlen(status) : 0;

	if (length == 0 || strchr(classes, status[0]) == NULL || length > 9 ||
	    strspn(status, "0123456789.") != length)
		return failed ? "5.0.0" : "2.0.0";
	return status;
}

void
dsn_clean(char *out, size_t size, const char *text, int utf8)
{
	size_t i, length = strlen(text);
	unsigned char c;

	if (length >= size) {
		length = size - 1;
		/* not within a character */
		while (
		    length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
			length--;
	}
	utf8 = utf8 && utf8_valid(text, length);
	for (i = 0; i < length; i++) {
		c = (unsigned char)text[i];
		if (c < ' ' || c == 0x7f)
			c = ' ';
		else if (c > 0x7f && !utf8)
			c = '?';
		out[i] = (char)c;
	}
	out[length] = '\0';
}

size_t
dsn_wrap(const char *text, size_t width)
{
	size_t length = strlen(text), n = width;

	if (length <= width)
		return length;
	while (n > 0 && text[n] != ' ')
		n--;
	if (n > 0)
		return n;
	/* One long word: as far as it goes. */
	n = strcspn(text, " ");
	return n > 0 ? n : 1;
}
