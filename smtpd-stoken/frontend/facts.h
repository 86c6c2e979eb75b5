/* SPDX-License-Identifier: ISC */
/* What the operator may know of the certificates in use. */
#ifndef FRONTEND_FACTS_H
#define FRONTEND_FACTS_H

#include "smtpd-stoken/frontend/tls.h"

/*
 * Those of the next configuration, one by one; then they are the ones in use,
 * or (taken 0) forgotten. A certificate that cannot be read is left out.
 */
void facts_add(const struct certificate *);
void facts_commit(int taken);

/* struct process_role: sends them (CERTIFICATE). */
void facts_send(int check);

#endif
