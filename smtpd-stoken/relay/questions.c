/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/relay/questions.h"

#include <ares.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/process.h"
#include "smtpd-stoken/relay/dns.h"
#include "smtpd-stoken/relay/resolve.h"

#define MOST 64 /* questions under way */
#define RECORDS_SIZE 8192 /* DNS_ANSWER.records */

struct question {
	uint64_t request;
	char name[256];
};

static unsigned int under_way;

static void
answer(uint64_t request, const struct list_writer *records, const char *problem,
    int validated)
{
	struct channel *tokend = process_peer(ROLE_TOKEND, 0);
	union message m = {.dns_answer = {.request = request,
			       .records = records == NULL ? bytes_of(NULL, 0)
							  : list_bytes(records),
			       .validated = (uint8_t)validated,
			       .problem = bytes_text(problem)}};

	if (tokend != NULL)
		(void)channel_send(tokend, MSG_DNS_ANSWER, &m, -1);
}

static void
end(struct question *question, const struct list_writer *records,
    const char *problem, int validated)
{
	answer(question->request, records, problem, validated);
	free(question);
	under_way--;
}

static void
on_srv(void *owner, int failed, const uint8_t *message, size_t length)
{
	uint8_t space[RECORDS_SIZE];
	char text[DNS_NAME_SIZE + 32];
	struct list_writer records;
	const struct question *question = owner;
	struct dns_answer found;
	size_t i;

	if (failed ||
	    dns_parse(&found, question->name, DNS_SRV, message, length) == -1) {
		end(owner, NULL, "the name server does not answer, or fails",
		    0);
		return;
	}
	list_init(&records, space, sizeof(space));
	for (i = 0; i < found.count; i++) {
		snprintf(text, sizeof(text), "%u %u %u %s.",
		    found.list[i].priority, found.list[i].weight,
		    found.list[i].port, found.list[i].target);
		if (list_add(&records, bytes_text(text)) == -1)
			break;
	}
	end(owner, &records, "", found.validated);
}

static int
says_none(const char *why)
{
	return strcmp(why, "it has no address") == 0 ||
	    strcmp(why, ares_strerror(ARES_ENOTFOUND)) == 0 ||
	    strcmp(why, ares_strerror(ARES_ENODATA)) == 0;
}

static void
on_addresses(void *owner, const struct addresses *found, const char *why)
{
	uint8_t space[RECORDS_SIZE];
	struct list_writer records;
	char text[128], *colon;
	size_t i;

	/* That there is none is an answer too. */
	if (why != NULL && (found->count > 0 || !says_none(why))) {
		end(owner, NULL, why, 0);
		return;
	}
	list_init(&records, space, sizeof(space));
	for (i = 0; i < found->count; i++) {
		(void)address_text(&found->list[i], text, sizeof(text));
		if ((colon = strrchr(text, ':')) != NULL)
			*colon = '\0'; /* a port that nobody asked about */
		(void)list_add(&records, bytes_text(text));
	}
	end(owner, &records, "", 0);
}

void
on_dns_ask(struct channel *tokend, const union message *m, int fd)
{
	const struct msg_dns_ask *asked = &m->dns_ask;
	struct question *question;

	(void)tokend;
	(void)fd;
	if (under_way >= MOST ||
	    (question = calloc(1, sizeof(*question))) == NULL) {
		answer(asked->request, NULL, "too many questions", 0);
		return;
	}
	if (bytes_copy(question->name, sizeof(question->name), asked->name) ==
	    -1) {
		free(question);
		answer(asked->request, NULL, "it is no name", 0);
		return;
	}
	under_way++;
	question->request = asked->request;
	if (asked->srv)
		resolve_query(question->name, DNS_SRV, on_srv, question);
	else
		resolve_host(question->name, 0, on_addresses, question);
}
