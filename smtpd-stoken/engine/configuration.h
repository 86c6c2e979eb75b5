/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_CONFIGURATION_H
#define ENGINE_CONFIGURATION_H

#include <stdint.h>

#include "lib/settings.h"
#include "smtpd-stoken/engine/smtp/smtp.h"

/*
 * The settings as sessions need them. A session keeps those it began with,
 * so that a reload changes nothing under it; the last one to go frees them.
 */
struct configuration {
	struct smtp_settings smtp;
	int64_t timeout_command, timeout_data; /* milliseconds; 0: never */
	uint32_t timeout_shutdown; /* seconds */
	uint32_t header_recipients; /* `token header recipients`; 0: no */
	int deliver_lmtp; /* not lmtpd delivers, but relay */
	unsigned int mechanisms; /* that are switched on */
	unsigned long references;
	char *hostname, *domain;
	char *relay_host; /* or NULL */
	char *authserv; /* or NULL */
};

/* Returns NULL when there is no memory; the caller holds the reference. */
struct configuration *configuration_new(const struct settings *);
struct configuration *configuration_hold(struct configuration *);
void configuration_release(struct configuration *); /* NULL is allowed */

/*
 * MECHANISMS: of those that check a password only these are to be had, in
 * this configuration and in all to come.
 */
void configuration_offer(struct configuration *, struct bytes mechanisms);

#endif
