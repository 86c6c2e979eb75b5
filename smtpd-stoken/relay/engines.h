/* SPDX-License-Identifier: ISC */
/* The engines, and the mails of each by session, transaction, next hop. */
#ifndef RELAY_ENGINES_H
#define RELAY_ENGINES_H

#include <sys/types.h>
#include <sys/queue.h>

#include <stddef.h>
#include <stdint.h>

#include "imsg/channel.h"
#include "smtpd-stoken/relay/mail.h"

#define MAIL_BUCKETS 1024

LIST_HEAD(mails, mail);

struct engine {
	struct channel *channel;
	struct mails buckets[MAIL_BUCKETS];
	size_t mails, recipients;
};

/* Its mails are abandoned. */
struct engine *engine_new(struct channel *);
void engine_free(struct engine *);

struct mail *engine_find(
    struct engine *, uint64_t session, uint32_t transaction, uint8_t next_hop);

/* An empty one. NULL: no memory, or there are too many. */
struct mail *engine_add(
    struct engine *, uint64_t session, uint32_t transaction, uint8_t next_hop);

/* Frees it; its copies must be gone. */
void engine_remove(struct mail *);

/* RELAY_OPENED and RELAY_RESULT. */
void engine_tell_opened(const struct mail *, uint32_t number, unsigned int code,
    const char *enhanced, const char *text);
void engine_tell_result(
    const struct mail *, uint32_t number, const struct verdict *, int last);

#endif
