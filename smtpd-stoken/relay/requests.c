/* SPDX-License-Identifier: ISC */
#include <sys/stat.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/process.h"
#include "lib/ticket.h"
#include "smtpd-stoken/relay/engines.h"
#include "smtpd-stoken/relay/hop.h"
#include "smtpd-stoken/relay/requests.h"
#include "smtpd-stoken/relay/setup.h"
#include "smtpd-stoken/relay/sharing.h"

/* What would end a command line, or be cut by a C string, is in none. */
static int
is_line(struct bytes text)
{
	size_t i;

	for (i = 0; i < text.length; i++)
		if (text.data[i] < ' ' || text.data[i] == 0x7f)
			return 0;
	return 1;
}

static int
is_open_sane(const struct msg_relay_open *m)
{
	return (m->next_hop == NEXT_HOP_RELAY ||
		   m->next_hop == NEXT_HOP_LMTP) &&
	    m->body <= RELAY_BODY_BINARYMIME &&
	    m->shared <= RELAY_SHARED_BUT_BY_TOKEN && m->address.length > 0 &&
	    is_line(m->address) && is_line(m->sender) && is_line(m->message) &&
	    is_line(m->mail_parameters) && is_line(m->rcpt_parameters);
}

/*
 * To the LMTP server the ticket is that of a delivery, and needless from the
 * engine of the local socket; to the relay host it is for sender and
 * recipient of this session, whoever the engine is.
 */
static enum ticket_verdict
look_at_ticket(struct channel *c, const struct msg_relay_open *m)
{
	struct ticket_subject subject;
	struct ticket_relay room;

	if (m->next_hop == NEXT_HOP_RELAY)
		ticket_relay_subject(&subject, &room, m->session,
		    m->sender.data, m->sender.length, m->address.data,
		    m->address.length, m->expires);
	else if (channel_trusted(c))
		return TICKET_GOOD;
	else
		subject = (struct ticket_subject) {.kind = TICKET_DELIVER,
		    .message = m->message.data,
		    .message_length = m->message.length,
		    .mailbox = m->address.data,
		    .mailbox_length = m->address.length,
		    .expires = m->expires};
	return ticket_check(m->ticket.data, m->ticket.length,
	    setup_ticket_key(), &subject, ticket_clock());
}

static void
refuse(struct channel *c, const struct msg_relay_open *m, const char *enhanced,
    const char *text)
{
	const struct mail mail = {.engine = channel_context(c),
	    .session = m->session,
	    .transaction = m->transaction,
	    .next_hop = (enum next_hop)m->next_hop};

	engine_tell_opened(&mail, m->recipient, 451, enhanced, text);
}

static char *
copy_bytes(struct bytes text)
{
	char *copy = calloc(1, text.length + 1);

	if (copy != NULL && text.length > 0)
		memcpy(copy, text.data, text.length);
	return copy;
}

/* What the first recipient brought is the mail's. */
static struct mail *
new_mail(struct engine *engine, const struct msg_relay_open *m)
{
	struct mail *mail =
	    engine_add(engine, m->session, m->transaction, m->next_hop);

	if (mail == NULL)
		return NULL;
	mail->sender = copy_bytes(m->sender);
	mail->parameters = copy_bytes(m->mail_parameters);
	if (mail->sender == NULL || mail->parameters == NULL ||
	    bytes_copy(mail->message, sizeof(mail->message), m->message) ==
		-1) {
		engine_remove(mail);
		return NULL;
	}
	mail->envelope = (struct client_mail) {.sender = mail->sender,
	    .body = (enum relay_body)m->body,
	    .utf8 = m->utf8 != 0,
	    .size = m->size,
	    .parameters = mail->parameters};
	return mail;
}

/* A ticket is for one sender: another must not slip in behind him. */
static int
fits(struct mail *mail, const struct msg_relay_open *m)
{
	return mail->fd == -1 && mail_copy_of(mail, m->recipient) == NULL &&
	    bytes_equal(bytes_text(mail->sender), m->sender) &&
	    bytes_equal(bytes_text(mail->message), m->message);
}

static void
on_open(struct channel *c, const union message *message, int fd)
{
	const struct msg_relay_open *m = &message->relay_open;
	struct engine *engine = channel_context(c);
	enum ticket_verdict verdict;
	struct mail *mail;
	uint64_t expires = 0;

	(void)fd;
	if (!is_open_sane(m)) {
		process_complain(c, "RELAY_OPEN that cannot be");
		return;
	}
	if ((verdict = look_at_ticket(c, m)) != TICKET_GOOD) {
		log_warnx("engine[%u]: RELAY_OPEN with a %s ticket",
		    channel_instance(c),
		    verdict == TICKET_EXPIRED ? "late" : "wrong");
		refuse(c, m, "4.3.0", "Try again");
		return;
	}
	mail = engine_find(engine, m->session, m->transaction, m->next_hop);
	if (mail != NULL && !fits(mail, m)) {
		process_complain(c, "RELAY_OPEN does not fit its mail");
		return;
	}
	if (m->next_hop == NEXT_HOP_LMTP && !channel_trusted(c))
		expires = m->expires;
	if (mail == NULL && (mail = new_mail(engine, m)) == NULL) {
		refuse(c, m, "4.3.2", "Too much mail at a time");
		return;
	}
	if (mail_add(mail, m, expires) == -1) {
		refuse(c, m, "4.3.2", "Too much mail at a time");
		mail_check(mail);
	}
}

/* After a restart of this process an engine may still speak of old mails. */
static struct mail *
find(struct channel *c, uint64_t session, uint32_t transaction,
    uint8_t next_hop, const char *what)
{
	struct mail *mail =
	    engine_find(channel_context(c), session, transaction, next_hop);

	if (mail == NULL)
		log_debug("%s for no mail", what);
	return mail;
}

static void
on_head(struct channel *c, const union message *message, int fd)
{
	const struct msg_relay_head *m = &message->relay_head;
	struct mail *mail =
	    find(c, m->session, m->transaction, m->next_hop, "RELAY_HEAD");
	struct copy *copy;

	(void)fd;
	if (mail == NULL || (copy = mail_copy_of(mail, m->recipient)) == NULL)
		return;
	if (mail->fd != -1) {
		process_complain(c, "RELAY_HEAD after RELAY_DATA");
		return;
	}
	if (copy_set_head(copy, m->fields) == -1)
		fatal("RELAY_HEAD");
}

/*
 * Its id is known when the mail is opened where tickets are for one message
 * (deliver lmtp); else it comes with the data.
 */
static int
names_message(struct mail *mail, struct bytes message)
{
	if (mail->message[0] == '\0')
		return bytes_copy(
			   mail->message, sizeof(mail->message), message) == 0;
	return bytes_equal(bytes_text(mail->message), message);
}

/* It is looked at when the file is here. */
static void
on_metadata(struct channel *c, const union message *message, int fd)
{
	const struct msg_relay_metadata *m = &message->relay_metadata;
	struct mail *mail =
	    find(c, m->session, m->transaction, m->next_hop, "RELAY_METADATA");

	(void)fd;
	if (mail == NULL)
		return;
	if (mail->fd != -1 || mail->metadata != NULL) {
		process_complain(c, "RELAY_METADATA for the second time");
		return;
	}
	if ((mail->metadata = calloc(1, sizeof(*mail->metadata))) == NULL)
		fatal("RELAY_METADATA");
	mail->metadata->offset = m->offset;
	mail->metadata->size = m->size;
}

static int
is_inside(uint64_t offset, uint64_t size, const struct stat *st)
{
	return offset <= (uint64_t)st->st_size &&
	    size <= (uint64_t)st->st_size - offset;
}

/* What the client is to know of the containers; -1: they cannot be. */
static int
take_metadata(struct mail *mail, const struct stat *st)
{
	struct client_metadata *containers = &mail->containers;

	if (mail->metadata != NULL) {
		if (!is_inside(
			mail->metadata->offset, mail->metadata->size, st) ||
		    mail_find_metadata(mail) == -1)
			return -1;
		containers->containers_size = mail->metadata->size;
	}
	containers->content_size = mail->size;
	containers->read_content = mail_read_content;
	containers->read_containers = mail_read_containers;
	return 0;
}

static void
on_data(struct channel *c, const union message *message, int fd)
{
	const struct msg_relay_data *m = &message->relay_data;
	struct mail *mail =
	    find(c, m->session, m->transaction, m->next_hop, "RELAY_DATA");
	struct stat st;

	if (mail == NULL) {
		(void)close(fd);
		return;
	}
	if (mail->fd != -1 || fstat(fd, &st) == -1 || !S_ISREG(st.st_mode) ||
	    !is_inside(m->offset, m->size, &st) ||
	    !names_message(mail, m->message)) {
		(void)close(fd);
		process_complain(c, "RELAY_DATA that cannot be");
		return;
	}
	mail->fd = fd;
	mail->offset = m->offset;
	mail->size = m->size;
	mail->exact = m->exact != 0;
	mail->one_by_one = m->one_by_one != 0;
	if (take_metadata(mail, &st) == -1) {
		process_complain(c, "RELAY_METADATA that cannot be");
		return;
	}
	mail_send(mail);
}

static void
on_abandon(struct channel *c, const union message *message, int fd)
{
	const struct msg_relay_abandon *m = &message->relay_abandon;
	struct mail *mail = engine_find(
	    channel_context(c), m->session, m->transaction, m->next_hop);

	(void)fd;
	if (mail != NULL)
		mail_abandon(mail);
}

const struct channel_handler engine_handlers[] = {
    {MSG_RELAY_OPEN, on_open},
    {MSG_RELAY_HEAD, on_head},
    {MSG_RELAY_METADATA, on_metadata},
    {MSG_RELAY_DATA, on_data},
    {MSG_RELAY_ABANDON, on_abandon},
    {0, NULL},
};
