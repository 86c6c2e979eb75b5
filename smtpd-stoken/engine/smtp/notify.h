/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_SMTP_NOTIFY_H
#define ENGINE_SMTP_NOTIFY_H

#include "smtpd-stoken/engine/smtp/command.h"

#define SMTP_NOTIFY_MAX 21 /* "SUCCESS,FAILURE,DELAY" */

/* Whether DSN is offered, and its parameters are taken (RFC 3461). */
int smtp_offers_dsn(const struct smtp_session *);

/*
 * smtp_take_...: the value of a parameter, checked and copied as it was
 * written. Returns NULL, or why the command is refused: 555 5.5.4 where DSN
 * is not offered, 501 5.5.4 when it is malformed.
 */
const struct smtp_refusal *smtp_take_ret(const struct smtp_session *,
    const char **ret, const char *value, size_t length);
const struct smtp_refusal *smtp_take_envid(const struct smtp_session *,
    char envid[SMTP_ENVID_MAX + 1], const char *value, size_t length);
const struct smtp_refusal *smtp_take_notify(const struct smtp_session *,
    char notify[SMTP_NOTIFY_MAX + 1], const char *value, size_t length);
const struct smtp_refusal *smtp_take_orcpt(const struct smtp_session *,
    char orcpt[SMTP_ORCPT_MAX + 1], const char *value, size_t length);

#endif
