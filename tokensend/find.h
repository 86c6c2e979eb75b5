/* SPDX-License-Identifier: ISC */
#ifndef TOKENSEND_FIND_H
#define TOKENSEND_FIND_H

#include "smtpd-stoken/relay/discover.h"
#include "tokensend/options.h"

/*
 * The token servers of a domain: that of -s, or what the DNS says. Runs the
 * event loop until `deadline` (clock_milliseconds()). Returns 0, or -1 with
 * the problem in words.
 */
int find_servers(struct servers *, const struct options *, const char *domain,
    uint64_t deadline, char *problem, size_t size);

#endif
