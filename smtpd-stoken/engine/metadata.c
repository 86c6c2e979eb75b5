/* SPDX-License-Identifier: ISC */
#include "imsg/channel.h"
#include "lib/log.h"
#include "smtpd-stoken/engine/metadata.h"
#include "smtpd-stoken/engine/submission.h"

static int
tell_flags(struct transfer *t)
{
	const char *flags = smtp_flags(t->session->smtp);
	union message m = {
	    .file_flags = {.file = t->file->id, .flags = bytes_text(flags)}};

	if (flags[0] == '\0')
		return 0;
	return channel_send(file_worker(t->file), MSG_FILE_FLAGS, &m, -1);
}

/* D-M06: at final delivery they end here. */
static void
log_unknown(const struct transfer *t)
{
	unsigned int type;
	size_t i, size;

	for (i = 0; smtp_unknown(t->session->smtp, i, &type, &size); i++)
		log_info("%08x metadata id=%s type=%u size=%zu dropped",
		    (unsigned int)t->session->id, t->id, type, size);
}

int
metadata_tell(struct transfer *t)
{
	const struct smtp_layout *layout = smtp_layout(t->session->smtp);
	union message m;

	if (layout == NULL)
		return -1;
	log_unknown(t);
	if (tell_flags(t) == -1)
		return -1;
	if (layout->late == 0 && t->described == 0)
		return 0;
	m.file_arrange.file = t->file->id;
	m.file_arrange.offset = layout->top;
	m.file_arrange.from = layout->end;
	m.file_arrange.length = layout->late;
	return channel_send(file_worker(t->file), MSG_FILE_ARRANGE, &m, -1);
}

enum smtp_verdict
metadata_append(struct transfer *t)
{
	if (!submission_reads(t->session))
		return SMTP_OK;
	return smtp_containers_append(t->session->smtp, &t->described);
}

int
metadata_relay(struct transfer *t, struct relay_mail *mail, int one_by_one)
{
	const struct smtp_layout *layout = smtp_layout(t->session->smtp);

	if (relay_metadata(mail, t->size, t->described) == -1)
		return -1;
	return relay_data(mail, t->file->reader, layout->top,
	    layout->end - layout->top, one_by_one, t->id);
}
