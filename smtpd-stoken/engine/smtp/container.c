/* SPDX-License-Identifier: ISC */
#include <stdlib.h>
#include <string.h>

#include "smtpd-stoken/engine/smtp/container.h"

const struct container_type container_types[] = {
    {0, 1, metadata_trace_take, metadata_trace_write},
    {1, 0, metadata_flags_take, NULL},
};
const size_t container_type_count =
    sizeof(container_types) / sizeof(container_types[0]);

/* Octets that the transactions of this process hold. */
static size_t held;

static const struct container_type *
find(uint16_t type)
{
	size_t i;

	for (i = 0; i < container_type_count; i++)
		if (container_types[i].type == type)
			return &container_types[i];
	return NULL; /* carried, and understood by others (M-29) */
}

static void
drop(struct container *container)
{
	if (container->data != NULL)
		held -= container->room;
	free(container->data);
	memset(container, 0, sizeof(*container));
}

void
smtp_containers_free(struct smtp_transaction *transaction)
{
	struct smtp_containers *containers = transaction->containers;

	if (containers == NULL)
		return;
	while (containers->count > 0)
		drop(&containers->list[--containers->count]);
	drop(&containers->current);
	held -= sizeof(*containers);
	free(containers);
	transaction->containers = NULL;
}

/* Memory for a container of the transaction, and for all of them. */
static int
reserve(struct smtp_transaction *transaction, size_t size)
{
	struct smtp_containers *containers = transaction->containers;
	size_t all = containers == NULL ? sizeof(*containers) : 0;

	if (held + all + size > CONTAINER_MEMORY)
		return -1;
	if (containers == NULL &&
	    (containers = calloc(1, sizeof(*containers))) == NULL)
		return -1;
	transaction->containers = containers;
	held += all;
	if (size > 0 && (containers->current.data = malloc(size)) == NULL)
		return -1;
	containers->current.room = (uint32_t)size;
	held += size;
	return 0;
}

const struct smtp_refusal *
smtp_container_begin(struct smtp_session *session, uint64_t size)
{
	struct smtp_transaction *transaction = session->transaction;
	size_t came =
	    transaction->containers != NULL ? transaction->containers->came : 0;

	if (size == 0) /* no container (D-M02) */
		return NULL;
	if (size == 1)
		return &refusal_arguments;
	if (size > CONTAINER_SIZE || came == CONTAINER_COUNT) /* D-M08 */
		return smtp_verdict_refusal(session, SMTP_TOO_LARGE);
	if (reserve(transaction, (size_t)size - 2) == -1)
		return smtp_verdict_refusal(session, SMTP_NO_SPACE);
	transaction->containers->head_length = 0;
	transaction->containers->came++;
	return NULL;
}

void
smtp_container_input(
    struct smtp_session *session, const uint8_t *data, size_t length)
{
	struct smtp_containers *containers = session->transaction->containers;
	struct container *current = &containers->current;

	session->transaction->data.received += length;
	while (length > 0 && containers->head_length < 2) {
		containers->head[containers->head_length++] = *data++;
		length--;
	}
	if (length > current->room - current->length)
		abort(); /* the chunk is longer than it said */
	if (length > 0)
		memcpy(current->data + current->length, data, length);
	current->length += (uint32_t)length;
}

static int
came_before(const struct smtp_containers *containers, uint16_t type)
{
	size_t i;

	for (i = 0; i < containers->count; i++)
		if (containers->list[i].type == type)
			return 1;
	return 0;
}

/* M-43: any octet may be in a container; its type says which are good. */
const struct smtp_refusal *
smtp_container_end(struct smtp_session *session)
{
	struct smtp_containers *containers = session->transaction->containers;
	const struct container_type *type;
	const struct smtp_refusal *refusal = NULL;
	struct container *current;

	if (session->chunk.size == 0)
		return NULL;
	current = &containers->current;
	current->type = (uint16_t)(containers->head[0] << 8 |
	    containers->head[1]); /* D-M01 */
	type = find(current->type);
	if (type != NULL && !type->repeatable &&
	    came_before(containers, current->type))
		return &refusal_sequence; /* D-M04 */
	if (type != NULL)
		refusal = type->take(session, current);
	if (refusal != NULL)
		return refusal;
	/* One that must come once is remembered, though it be empty. */
	if (type != NULL && type->repeatable && current->length == 0) {
		drop(current);
		return NULL;
	}
	containers->list[containers->count++] = *current;
	memset(current, 0, sizeof(*current));
	return NULL;
}

const char *
smtp_flags(const struct smtp_session *session)
{
	const struct smtp_transaction *transaction = session->transaction;

	if (transaction == NULL || transaction->containers == NULL)
		return "";
	return transaction->containers->flags;
}

static enum smtp_verdict
append(struct smtp_session *session, const struct container *container)
{
	uint32_t length = container->length + 2;
	uint8_t head[6] = {(uint8_t)(length >> 24), (uint8_t)(length >> 16),
	    (uint8_t)(length >> 8), (uint8_t)length,
	    (uint8_t)(container->type >> 8), (uint8_t)container->type};
	const struct smtp_actions *actions = session->actions;
	enum smtp_verdict verdict;

	verdict = actions->write(session->owner, head, sizeof(head));
	if (verdict != SMTP_OK || container->length == 0)
		return verdict;
	return actions->write(
	    session->owner, container->data, container->length);
}

enum smtp_verdict
smtp_containers_append(struct smtp_session *session, uint64_t *size)
{
	const struct smtp_containers *containers = session->transaction != NULL
	    ? session->transaction->containers
	    : NULL;
	enum smtp_verdict verdict;
	size_t i;

	*size = 0;
	for (i = 0; containers != NULL && i < containers->count; i++) {
		if (containers->list[i].withheld)
			continue;
		verdict = append(session, &containers->list[i]);
		if (verdict != SMTP_OK)
			return verdict;
		*size += 6 + containers->list[i].length;
	}
	return SMTP_OK;
}

int
smtp_unknown(const struct smtp_session *session, size_t n, unsigned int *type,
    size_t *size)
{
	const struct smtp_containers *containers = session->transaction != NULL
	    ? session->transaction->containers
	    : NULL;
	size_t i;

	for (i = 0; containers != NULL && i < containers->count; i++) {
		if (find(containers->list[i].type) != NULL || n-- > 0)
			continue;
		*type = containers->list[i].type;
		*size = containers->list[i].length;
		return 1;
	}
	return 0;
}

void
smtp_containers_write(struct smtp_session *session)
{
	struct smtp_transaction *transaction = session->transaction;
	struct smtp_containers *containers = transaction->containers;
	const struct container_type *type;
	struct container *container;
	enum smtp_verdict verdict;
	size_t i;

	for (i = 0; containers != NULL && i < containers->count; i++) {
		container = &containers->list[i];
		type = find(container->type);
		if (container->written || type == NULL || type->write == NULL)
			continue;
		container->written = 1;
		verdict = type->write(session, container);
		if (verdict != SMTP_OK) {
			smtp_message_lost(session, verdict);
			return;
		}
	}
}
