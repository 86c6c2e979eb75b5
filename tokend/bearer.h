/* SPDX-License-Identifier: ISC */
/* What OAUTHBEARER and XOAUTH2 send, read with no process around it. */
#ifndef TOKEND_BEARER_H
#define TOKEND_BEARER_H

#include "imsg/messages.h"
#include "lib/address.h"

struct bearer {
	char user[ADDRESS_SIZE]; /* the authzid, decoded; "": none is given */
	struct bytes token; /* in what it was read from */
};

typedef int bearer_reader(struct bytes message, struct bearer *bearer);

/*
 * RFC 7628 3.1: gs2-header kvsep *kvpair kvsep. Returns 0, or -1 when it is
 * malformed, has no Bearer token, or wants channel binding.
 */
bearer_reader oauthbearer_read;

/* Google's form: user=NAME 01 auth=Bearer TOKEN 01 01. Returns 0 or -1. */
bearer_reader xoauth2_read;

#endif
