/* SPDX-License-Identifier: ISC */
#include <ares.h>
#include <string.h>
#include <strings.h>

#include "smtpd-stoken/relay/dns.h"

#define HEADER 12 /* octets */
#define FIXED 10 /* of a record, behind its name */
#define TYPE_CNAME 5
#define TYPE_SOA 6
#define CLASS_IN 1
#define RECORDS_LOOKED_AT 256
#define ALIASES 8 /* of aliases */
/* Octets 2 and 3 of the header (RFC 1035 4.1.1, RFC 4035 3.2.3). */
#define RESPONSE 0x80
#define TRUNCATED 0x02
#define VALIDATED 0x20
#define CODE 0x0f
#define NO_SUCH_NAME 3

struct reader {
	const uint8_t *message;
	size_t length, at;
};

struct record {
	unsigned int type, class;
	int answers; /* it stands in that section, else in that of authority */
	uint32_t ttl;
	size_t owner; /* where its name is in the message */
	size_t data, length; /* and its data */
};

struct records {
	struct reader reader;
	struct record list[RECORDS_LOOKED_AT];
	size_t count;
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
	record->owner = reader->at;
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

static int
is_of(const struct records *records, const struct record *record,
    const char *name)
{
	char owner[DNS_NAME_SIZE];
	size_t used;

	return name_at(&records->reader, record->owner, &used, owner) == 0 &&
	    strcasecmp(owner, name) == 0;
}

/* The name is in the zone of the record. */
static int
is_above(const struct records *records, const struct record *record,
    const char *name)
{
	char owner[DNS_NAME_SIZE];
	size_t used, length, whole = strlen(name);

	if (name_at(&records->reader, record->owner, &used, owner) == -1)
		return 0;
	length = strlen(owner);
	return length == 0 ||
	    (length <= whole && strcasecmp(name + whole - length, owner) == 0 &&
		(length == whole || name[whole - length - 1] == '.'));
}

/* Puts what the name is an alias of in its place; 0: it is none. */
static int
follow(const struct records *records, struct dns_answer *answer,
    char name[DNS_NAME_SIZE])
{
	const struct record *record = records->list;
	char target[DNS_NAME_SIZE];
	size_t used, i;

	for (i = 0; i < records->count; i++, record++) {
		if (record->answers && record->type == TYPE_CNAME &&
		    is_of(records, record, name) &&
		    name_at(&records->reader, record->data, &used, target) ==
			0 &&
		    used <= record->length) {
			(void)strlcpy(name, target, DNS_NAME_SIZE);
			note_ttl(answer, record->ttl);
			return 1;
		}
	}
	return 0;
}

/* As many as are looked at; the rest is not. */
static void
read_records(
    struct records *records, unsigned int answers, unsigned int authority)
{
	struct record *record = records->list;
	unsigned int i;

	records->count = 0;
	for (i = 0;
	     i < answers + authority && records->count < RECORDS_LOOKED_AT;
	     i++) {
		if (next_record(&records->reader, record) == -1)
			return;
		record->answers = i < answers;
		if (record->class != CLASS_IN)
			continue;
		records->count++;
		record++;
	}
}

static int
is_answer(const uint8_t *message, size_t length)
{
	unsigned int code;

	if (length < HEADER || length > 65535 || !(message[2] & RESPONSE) ||
	    (message[2] & TRUNCATED))
		return 0;
	code = message[3] & CODE;
	return code == 0 || code == NO_SUCH_NAME;
}

static void
sift(struct dns_answer *answer, const struct records *records,
    unsigned int type, const char *name)
{
	const struct record *record;
	size_t i;

	for (i = 0; i < records->count; i++) {
		record = &records->list[i];
		if (record->answers && record->type == type &&
		    is_of(records, record, name))
			take(answer, &records->reader, record);
	}
	for (i = 0; i < records->count && answer->count == 0; i++) {
		record = &records->list[i];
		if (!record->answers && record->type == TYPE_SOA &&
		    is_above(records, record, name))
			take_negative(answer, &records->reader, record);
	}
}

int
dns_parse(struct dns_answer *answer, const char *name, int type,
    const uint8_t *message, size_t length)
{
	static struct records records;
	char owner[DNS_NAME_SIZE];
	int aliases = 0;

	answer->count = 0;
	answer->ttl = 0;
	answer->has_ttl = 0;
	if (!is_answer(message, length) ||
	    strlcpy(owner, name, sizeof(owner)) >= sizeof(owner))
		return -1;
	answer->validated = (message[3] & VALIDATED) != 0;
	records.reader = (struct reader) {message, length, HEADER};
	if (skip_questions(&records.reader, number16(message + 4)) == -1)
		return -1;
	read_records(&records, number16(message + 6), number16(message + 8));
	while (follow(&records, answer, owner))
		if (++aliases > ALIASES)
			return 0; /* they lead nowhere */
	sift(answer, &records, (unsigned int)type, owner);
	return 0;
}
