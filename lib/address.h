/* SPDX-License-Identifier: ISC */
#ifndef LIB_ADDRESS_H
#define LIB_ADDRESS_H

#include <stddef.h>

/* RFC 5321 section 4.5.3.1: octets; a path of 256 includes "<" and ">". */
#define ADDRESS_LOCAL_MAX 64
#define ADDRESS_DOMAIN_MAX 255
#define ADDRESS_MAX 254
#define ADDRESS_SIZE (ADDRESS_MAX + 1) /* a canonical address and its NUL */

/* A parsed Mailbox: pieces of the text that was parsed, none terminated. */
struct address {
	const char *text;
	size_t length;
	const char *local;
	size_t local_length;
	const char *domain;
	size_t domain_length; /* 0: a bare local part, see path_parse() */
	int ascii; /* holds nothing outside ASCII */
	int literal; /* the domain is an address literal: [192.0.2.1] */
};

/*
 * address_parse: text of length octets is exactly one Mailbox (RFC 5321
 * section 4.1.2; UTF-8 as in RFC 6531 section 3.3). Quoted local parts and
 * address literals are accepted; a dot after the domain is not.
 * Returns 0 and fills *address, or -1.
 */
int address_parse(struct address *, const char *text, size_t length);

/*
 * path_parse: the path "<" [source route ":"] Mailbox ">" at the start of
 * text; a source route is skipped (RFC 5321 appendix C). "<>" gives an
 * address of length 0, "<postmaster>" (RFC 5321 section 4.5.1) one with a
 * domain of length 0. Returns the octets of the path, or 0 when there is none.
 */
size_t path_parse(struct address *, const char *text, size_t length);

/*
 * address_canonical: the one form in which addresses are compared, stored and
 * bound to tokens (PROTOCOL D-S04): the domain as lower-case A-labels, the
 * local part unquoted where that is possible and in ASCII lower case. Writes a NUL-terminated string of at most ADDRESS_MAX octets.
 * Returns 0; -1 when the domain is a literal, absent, or no IDNA2008 name, or
 * when the result is too long.
 */
int address_canonical(const struct address *, char out[ADDRESS_SIZE]);

/* As address_parse() and address_canonical() in one step. */
int
address_canonical_text(const char *text, size_t length, char out[ADDRESS_SIZE]);

/*
 * address_base: a canonical address without its "+detail" (everything from
 * the first "+" in an unquoted local part, if what is left is an address).
 * Returns 1 when there was one, 0 when out is a copy.
 */
int address_base(const char *canonical, char out[ADDRESS_SIZE]);

/*
 * domain_canonical: the domain part of the above alone; a dot at its end is
 * taken off. out has room for ADDRESS_DOMAIN_MAX octets and a NUL. Returns 0
 * or -1.
 */
int domain_canonical(
    const char *text, size_t length, char out[ADDRESS_DOMAIN_MAX + 1]);

/* Whether length octets are well-formed UTF-8 (RFC 3629) without NUL. */
int utf8_valid(const char *text, size_t length);

#endif
