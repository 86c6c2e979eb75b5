/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/engine/notice.h"

int
notice_begin(struct transfer *t)
{
	t->untold = 1;
	return 0;
}

void
notice_granted(struct transfer *t, const struct msg_notice_grant *m)
{
	(void)t;
	(void)m;
}

void
notice_tokend_gone(struct transfer *t)
{
	(void)t;
}

void
notice_free(struct notice *n)
{
	(void)n;
}
