/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_FOREIGN_H
#define ENGINE_SMTP_FOREIGN_H

#include <stddef.h>

/*
 * Lines that show that the other side and we do not agree about what is a
 * command and what is the text of a message. To go on reading would be to let
 * whoever wrote that text give commands in the client's name, so the session
 * ends behind the answer to such a line.
 */

/*
 * smtp_announces_octets: whether a line that cannot be read as it ought to be
 * means BDAT or BMTD: their octets follow, and nobody knows how many (D-M12,
 * F-18). The line need not be whole.
 */
int smtp_announces_octets(const char *line, size_t length);

/*
 * smtp_is_foreign: whether an unknown command cannot come from who speaks
 * SMTP: a verb is letters, and a space follows or nothing (RFC 5321 section
 * 4.1.1). So it is not BDAT5, a field of a header, a boundary, or what
 * another protocol begins with; a request of HTTP is told by its last word
 * (T23). length: without line end and trailing blanks. An empty line is not.
 */
int smtp_is_foreign(const char *line, size_t length);

#endif
