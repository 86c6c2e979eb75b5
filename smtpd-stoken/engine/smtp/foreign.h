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
 * smtp_announces_octets: whether a line that is not a BDAT or BMTD as it ought
 * to be means one: octets follow, and nobody knows how many (D-M12, F-18).
 * Five octets behind leading blanks are enough to tell.
 */
int smtp_announces_octets(const char *line, size_t length);

/*
 * smtp_is_foreign: whether an unknown command cannot come from who speaks
 * SMTP: its first word has other octets than letters, digits, "-" and "_", as
 * has a field of a header, a boundary, a dot, or what another protocol begins
 * with; or it is a request of HTTP, which its last word tells (T23). length:
 * without line end and trailing blanks.
 */
int smtp_is_foreign(const char *line, size_t length);

#endif
