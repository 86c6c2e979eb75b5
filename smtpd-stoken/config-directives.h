/* SPDX-License-Identifier: ISC */
/* Parsers of the directives: see struct directive. */
#ifndef SMTPD_STOKEN_CONFIG_DIRECTIVES_H
#define SMTPD_STOKEN_CONFIG_DIRECTIVES_H

#include "smtpd-stoken/config-parse.h"

int parse_count(struct parser *, const struct directive *);
int parse_duration(struct parser *, const struct directive *);
int parse_choice(struct parser *, const struct directive *);
int parse_path(struct parser *, const struct directive *);

int parse_hostname(struct parser *, const struct directive *);
int parse_domain(struct parser *, const struct directive *);
int parse_pki(struct parser *, const struct directive *);
int parse_listen(struct parser *, const struct directive *);
int parse_control(struct parser *, const struct directive *);
int parse_dovecot(struct parser *, const struct directive *);
int parse_system(struct parser *, const struct directive *);
int parse_maildir(struct parser *, const struct directive *);
int parse_token_no(struct parser *, const struct directive *);
int parse_temporary(struct parser *, const struct directive *);
int parse_permanent(struct parser *, const struct directive *);
int parse_relay(struct parser *, const struct directive *);
int parse_lmtp(struct parser *, const struct directive *);
int parse_resolver(struct parser *, const struct directive *);
int parse_header(struct parser *, const struct directive *);
int parse_learn(struct parser *, const struct directive *);
int parse_metadata_no(struct parser *, const struct directive *);
int parse_metadata_strict(struct parser *, const struct directive *);
int parse_metadata_flags(struct parser *, const struct directive *);
int parse_remember_no(struct parser *, const struct directive *);
int parse_remember_types(struct parser *, const struct directive *);
int parse_remember_strong(struct parser *, const struct directive *);
int parse_mechanisms(struct parser *, const struct directive *);

#endif
