/* SPDX-License-Identifier: ISC */
#ifndef ENGINE_FATES_H
#define ENGINE_FATES_H

#include <stddef.h>
#include <stdint.h>

#include "smtpd-stoken/engine/smtp/smtp.h"

/*
 * What becomes of the accepted recipients of a message. Each is one part or
 * several: his mailboxes here, and the addresses elsewhere that his name
 * stands for. One reply may speak for many parts (DESIGN section 11).
 */
struct transfer;
struct grant;
struct outlet;

struct fate {
	const struct grant *grant; /* gone when the transfer is an orphan */
	size_t position; /* among those that tokend counts */
	size_t mailboxes; /* handed to lmtpd */
	const uint8_t *tickets; /* its, while COMMIT_GRANT is handled */
	uint8_t verdict; /* enum smtp_verdict, of what was not done by relay */
	const struct outlet *said; /* of SMTP_PASSED */
	/* After fates_judge(). */
	size_t kept, failed; /* parts */
	uint8_t reply; /* enum smtp_verdict */
	const struct outlet *reply_said;
};

struct part {
	size_t fate; /* its number */
	const char *address; /* whom it was for; NULL: the recipient himself */
	const char *route; /* of the log: maildir, smtp, lmtp */
	enum smtp_verdict verdict;
	const struct outlet *said; /* by the next hop, or NULL */
};

/*
 * fates_make: for the accepted recipients, all SMTP_OK. -1 when memory is
 * short or it is not known where their mail goes.
 */
int fates_make(struct transfer *);

/* Does any recipient who is not refused yet have a mailbox here? */
int fates_need_commit(const struct transfer *);

/* Refuses all recipients who are not refused yet. */
void
fates_refuse(struct transfer *, enum smtp_verdict, const struct outlet *said);

typedef void fates_part(struct transfer *, const struct part *, void *context);
void fates_each_part(struct transfer *, fates_part *give, void *context);

/* Everything has been tried: what is each recipient's reply? */
void fates_judge(struct transfer *);

/*
 * fates_have_failed: has a part failed that the reply does not speak of,
 * though its sender can be told otherwise? fates_need_notice: or does he want
 * to know who has it (RFC 3461, NOTIFY=SUCCESS)? fates_is_told: a part needs
 * no more words. part_is_elsewhere: it went to the next server, which is not
 * its last (a mailbox, an LMTP server and a token server are: RFC 2033).
 */
int part_is_elsewhere(const struct part *);
int fates_have_failed(const struct transfer *);
int fates_need_notice(const struct transfer *);
int fates_is_told(const struct transfer *, const struct part *);

#endif
