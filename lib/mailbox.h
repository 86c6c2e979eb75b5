/* SPDX-License-Identifier: ISC */
/*
 * Where a mailbox lies: the template of `deliver maildir` and the names that
 * go into it. Pure text; nothing here looks at the file system.
 */
#ifndef LIB_MAILBOX_H
#define LIB_MAILBOX_H

#include <stddef.h>

#define MAILBOX_DEPTH 8 /* components of a path below the root */
#define MAILBOX_NAME 256 /* octets of a component, with its NUL */
#define MAILBOX_ROOT 1024 /* octets of the root, with its NUL */

/* "/var/vmail/%{domain}/%{user}": the root is what has no % in it. */
struct mailbox_template {
	char root[MAILBOX_ROOT];
	char component[MAILBOX_DEPTH][MAILBOX_NAME];
	size_t count; /* components */
	int uses_domain;
};

/* The components of one mailbox's path below the root. */
struct mailbox_path {
	char component[MAILBOX_DEPTH][MAILBOX_NAME];
	size_t count;
};

/*
 * Parses a template: absolute, without empty, "." and ".." components, with
 * %{user} and perhaps %{domain} below a fixed root directory. Returns NULL,
 * or what is wrong with it, as the end of a sentence.
 */
const char *
mailbox_template_parse(struct mailbox_template *template, const char *text);

/*
 * The components for a mailbox, "user@domain" or, where the template has no
 * %{domain}, "user" (counted, not NUL-terminated). Returns 0, or -1 for a
 * name that must not become a file name: see mailbox_split(). The template
 * must have been parsed.
 */
int mailbox_expand(struct mailbox_path *path,
    const struct mailbox_template *template, const char *mailbox,
    size_t length);

/*
 * Splits and checks a mailbox name. The user is RFC 5321 atext and dots, or
 * UTF-8 outside of control characters, without a slash, at most 64 octets,
 * not beginning with a dot; the domain is lower-case letters, digits,
 * hyphens and dots, without empty labels. Everything else is refused, though
 * it be a legal address. A missing domain gives "". Returns 0 or -1.
 */
int mailbox_split(char user[MAILBOX_NAME], char domain[MAILBOX_NAME],
    const char *mailbox, size_t length);

#endif
