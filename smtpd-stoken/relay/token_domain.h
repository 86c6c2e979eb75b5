/* SPDX-License-Identifier: ISC */
#ifndef RELAY_TOKEN_DOMAIN_H
#define RELAY_TOKEN_DOMAIN_H

#define TOKEN_DOMAIN_SIZE 256

/*
 * The domain of a recipient as it is found and verified: lower-case A-labels
 * (D-S04). Returns 0, or -1: it has none, or an address literal.
 */
int token_domain(const char *recipient, char domain[TOKEN_DOMAIN_SIZE]);

#endif
