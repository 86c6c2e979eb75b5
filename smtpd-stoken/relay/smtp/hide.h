/* SPDX-License-Identifier: ISC */
#ifndef RELAY_SMTP_HIDE_H
#define RELAY_SMTP_HIDE_H

/*
 * What a peer says may repeat a secret that it was told, and is passed on and
 * logged. It may be cut anywhere: by the peer, which breaks it over lines, or
 * by us, who keep the beginning of a long reply.
 */

/* So many octets of a secret on end, in whatever case, are hidden. */
#define HIDE_LEAST 5

/*
 * Puts "..." in place of whatever parts of the secret the text shows, blanks
 * between them not counted; of one shorter than HIDE_LEAST only where it is a
 * word. `cut`: the text went on, so that its last octets may begin the secret
 * however few they are. Returns how many places there were.
 */
unsigned int hide_secret(char *text, const char *secret, int cut);

/* The same of words of more than so many octets, but addresses. */
unsigned int hide_long_words(char *text, size_t most);

/* Whether the text shows a part of the secret. It is at most HIDE_TEXT. */
#define HIDE_TEXT 1024
int hide_finds(const char *text, const char *secret);

#endif
