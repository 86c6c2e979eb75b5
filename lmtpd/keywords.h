/* SPDX-License-Identifier: ISC */
/*
 * IMAP flags and keywords of a message, where Dovecot looks for them (M-22):
 * letters behind ":2," in the name of its file in cur/, and the names of the
 * keywords a to z in the Maildir's file dovecot-keywords.
 */
#ifndef LMTPD_KEYWORDS_H
#define LMTPD_KEYWORDS_H

#include <stddef.h>
#include <stdint.h>

#define KEYWORDS 26 /* that a Maildir can have */
#define KEYWORD_LENGTH 50 /* octets of one; Dovecot's limit */
#define KEYWORDS_FILE 4096 /* octets of the file that are read */

/* The keywords of a Maildir; "" where a letter has none. */
struct keywords {
	char name[KEYWORDS][KEYWORD_LENGTH + 1];
};

/*
 * keywords_read: the file's lines `NUMBER NAME`; what is none is left out.
 * keywords_add: the number of a name (letters of any case), which is added if
 * there is room; -1 when there is none. *added is set when it was.
 */
void keywords_read(struct keywords *, const char *text, size_t length);
int
keywords_add(struct keywords *, const char *name, size_t length, int *added);

/*
 * keywords_letters: the letters of `count` names in the Maildir that is open
 * as `maildir`, as bits (a is 1). New ones are made durable in its file, by a
 * replacement under Dovecot's own locks; what cannot be had is left out.
 */
uint32_t keywords_letters(
    int maildir, const char *const *names, const size_t *lengths, size_t count);

/*
 * flags_append: puts ":2," and the letters for flags, a text of words, behind
 * the file name of `size` octets. Nothing, when there are none.
 */
void flags_append(int maildir, const char *flags, char *name, size_t size);

#endif
