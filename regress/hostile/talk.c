/* SPDX-License-Identifier: ISC */
#include <sys/types.h>
#include <sys/socket.h>

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "regress/hostile/liar.h"

unsigned int liar_lies, liar_replies;

void
liar_say(struct liar *l, uint32_t type, const void *body, size_t size, int fd)
{
	liar_lies++;
	if (imsg_compose(&l->buf, type, 0, 0, fd, body, size) != 1) {
		if (fd != -1)
			close(fd);
		return;
	}
	(void)imsgbuf_flush(&l->buf);
}

void
liar_write(struct liar *l, const void *data, size_t size)
{
	liar_lies++;
	(void)!send(l->buf.fd, data, size, MSG_NOSIGNAL);
}

/* One reply: it must be one that the victim may give. */
static void
hear(struct liar *l, struct imsg *imsg,
    void (*judged)(const struct message_row *, const union message *))
{
	const struct message_row *row = message_find(imsg_get_type(imsg));
	struct ibuf body;
	const char *wrong;
	union message m;
	int fd = imsg_get_fd(imsg);

	liar_replies++;
	if (imsg_get_ibuf(imsg, &body) == -1)
		fail("a reply without a body");
	wrong = message_check(
	    row, l->victim, l->role, PHASE_RUNNING, ibuf_size(&body), fd != -1);
	if (wrong != NULL ||
	    message_decode(row, &m, ibuf_data(&body), ibuf_size(&body)) == -1)
		fail("reply 0x%x: %s", imsg_get_type(imsg), wrong);
	judged(row, &m);
	if (fd != -1)
		close(fd);
	l->replies++;
}

void
liar_listen(struct liar *l, int milliseconds,
    void (*judged)(const struct message_row *, const union message *))
{
	struct pollfd pfd = {.fd = l->buf.fd, .events = POLLIN};
	struct imsg imsg;

	for (;;) {
		while (imsg_get(&l->buf, &imsg) > 0) {
			hear(l, &imsg, judged);
			imsg_free(&imsg);
		}
		if (poll(&pfd, 1, milliseconds) != 1)
			return;
		if (imsgbuf_read(&l->buf) != 1) {
			l->closed = 1;
			return;
		}
	}
}

void
liar_end(struct liar *l)
{
	close(l->buf.fd);
	imsgbuf_clear(&l->buf);
}

void
liar_tell(struct liar *l, uint16_t number, const union message *m)
{
	static uint8_t body[MESSAGE_MAX];
	const struct message_row *row = message_find(number);
	size_t size = message_size(row, m);

	if (size == 0)
		fail("%s does not fit", row->name);
	message_encode(row, m, body);
	liar_say(l, number, body, size, -1);
}
