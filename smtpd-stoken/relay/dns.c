/* SPDX-License-Identifier: ISC */
#include <ares.h>
#include <string.h>

#include "smtpd-stoken/relay/dns.h"

#define HEADER 12 /* octets */
#define FIXED 10 /* of a record, behind its name */
#define TYPE_SOA 6
#define CLASS_IN 1
#define RECORDS_LOOKED_AT 256

struct reader {
	const uint8_t *message;
	size_t length, at;
};

struct record {
	unsigned int type, class;
	uint32_t ttl;
	size_t data, length; /* where its data is in the message */
};

static unsigned int
number16(const uint8_t *p)
{
	return (unsigned int)p[0] << 8 | p[1];
}

static uint32_t
number32(const uint8_t *p)
{
	return (uint32_t)number16(p) << 16 | number16(p + 2);
}

/* A name at an offset; *used gets the octets that it takes there. */
static int
name_at(const struct reader *reader, size_t at, size_t *used,
    char out[DNS_NAME_SIZE])
{
	char *name;
	long octets;
	int result = -1;

	if (at >= reader->length ||
	    ares_expand_name(reader->message + at, reader->message,
		(int)reader->length, &name, &octets) != ARES_SUCCESS)
		return -1;
	if (out == NULL ||
	    strlcpy(out, name, DNS_NAME_SIZE) < (size_t)DNS_NAME_SIZE)
		result = 0;
	ares_free_string(name);
	*used = (size_t)octets;
	return result;
}

/* RFC 1035 section 4.1.3. Returns 0, or -1: it is cut off. */
static int
next_record(struct reader *reader, struct record *record)
{
	const uint8_t *fixed;
	size_t used;

	if (name_at(reader, reader->at, &used, NULL) == -1 ||
	    reader->length - reader->at < used ||
	    reader->length - reader->at - used < FIXED)
		return -1;
	fixed = reader->message + reader->at + used;
	record->type = number16(fixed);
	record->class = number16(fixed + 2);
	record->ttl = number32(fixed + 4);
	record->length = number16(fixed + 8);
	record->data = reader->at + used + FIXED;
	if (record->ttl > INT32_MAX) /* RFC 2181 section 8 */
		record->ttl = 0;
	if (reader->length - record->data < record->length)
		return -1;
	reader->at = record->data + record->length;
	return 0;
}

static int
skip_questions(struct reader *reader, unsigned int count)
{
	size_t used;

	while (count-- > 0) {
		if (name_at(reader, reader->at, &used, NULL) == -1 ||
		    reader->length - reader->at < used + 4)
			return -1;
		reader->at += used + 4;
	}
	return 0;
}

/* Letters, digits, hyphens, underscores and dots; in lower case then. */
static int
is_host(char *name)
{
	size_t length = strlen(name);

	if (length > 0 && name[length - 1] == '.')
		name[--length] = '\0';
	for (; *name != '\0'; name++) {
		if (*name >= 'A' && *name <= 'Z')
			*name = (char)(*name - 'A' + 'a');
		else if ((*name < 'a' || *name > 'z') &&
		    (*name < '0' || *name > '9') &&
		    strchr("-_.", *name) == NULL)
			return 0;
	}
	return 1;
}

static void
note_ttl(struct dns_answer *answer, uint32_t ttl)
{
	if (!answer->has_ttl || ttl < answer->ttl)
		answer->ttl = ttl;
	answer->has_ttl = 1;
}

static void
take(struct dns_answer *answer, const struct reader *reader,
    const struct record *record)
{
	const uint8_t *data = reader->message + record->data;
	size_t used, numbers = record->type == DNS_SRV ? 6 : 2;
	struct dns_record *to = &answer->list[answer->count];

	if (record->length <= numbers || answer->count == DNS_RECORDS_MOST ||
	    name_at(reader, record->data + numbers, &used, to->target) == -1 ||
	    used > record->length - numbers || !is_host(to->target))
		return;
	to->priority = (uint16_t)number16(data);
	to->weight =
	    (uint16_t)(record->type == DNS_SRV ? number16(data + 2) : 0);
	to->port = (uint16_t)(record->type == DNS_SRV ? number16(data + 4) : 0);
	answer->count++;
	note_ttl(answer, record->ttl);
}

/* RFC 2308 section 5: the lesser of its own TTL and its last number. */
static void
take_negative(struct dns_answer *answer, const struct reader *reader,
    const struct record *record)
{
	uint32_t minimum;

	if (record->length < 4)
		return;
	minimum = number32(reader->message + record->data + record->length - 4);
	note_ttl(answer, record->ttl < minimum ? record->ttl : minimum);
}

int
dns_parse(
    struct dns_answer *answer, int type, const uint8_t *message, size_t length)
{
	struct reader reader = {message, length, HEADER};
	struct record record;
	unsigned int answers, authority, i;

	answer->count = 0;
	answer->ttl = 0;
	answer->has_ttl = 0;
	if (length < HEADER || length > 65535 ||
	    skip_questions(&reader, number16(message + 4)) == -1)
		return -1;
	answers = number16(message + 6);
	authority = number16(message + 8);
	for (i = 0; i < answers + authority && i < RECORDS_LOOKED_AT; i++) {
		if (next_record(&reader, &record) == -1)
			break;
		if (record.class != CLASS_IN)
			continue;
		if (i < answers && record.type == (unsigned int)type)
			take(answer, &reader, &record);
		else if (i >= answers && record.type == TYPE_SOA &&
		    answer->count == 0)
			take_negative(answer, &reader, &record);
	}
	return 0;
}
