/* SPDX-License-Identifier: ISC */
/* A message of the DNS, written octet by octet, for the unit tests. */
#ifndef REGRESS_UNIT_DNS_MESSAGE_H
#define REGRESS_UNIT_DNS_MESSAGE_H

#include <stdint.h>
#include <string.h>

#include "smtpd-stoken/relay/dns.h"

#define CNAME 5
#define SOA 6
#define HOUR 3600

/* A message of the DNS while it is written. */
static struct message {
	uint8_t data[65536];
	size_t length;
} out;

/* Whose the records are; NULL: the question's name, by a pointer to it. */
static const char *record_owner;

static inline void
put16(unsigned int number)
{
	out.data[out.length++] = (uint8_t)(number >> 8);
	out.data[out.length++] = (uint8_t)number;
}

static inline void
put_name(const char *name)
{
	size_t n;

	while (*name != '\0') {
		n = strcspn(name, ".");
		out.data[out.length++] = (uint8_t)n;
		memcpy(out.data + out.length, name, n);
		out.length += n;
		name += n + (name[n] == '.');
	}
	out.data[out.length++] = 0;
}

static inline void
begin(const char *name, int type)
{
	memset(out.data, 0, 12);
	out.length = 12;
	out.data[2] = 0x81;
	out.data[3] = 0x80;
	out.data[5] = 1;
	put_name(name);
	put16((unsigned int)type);
	put16(1);
}

/* end_record() says how long it is. */
static inline size_t
begin_record(int type, uint32_t ttl, int authority)
{
	uint8_t *count = out.data + (authority ? 8 : 6);

	if (++count[1] == 0)
		count[0]++;
	if (record_owner == NULL)
		put16(0xc00c);
	else
		put_name(record_owner);
	put16((unsigned int)type);
	put16(1);
	put16(ttl >> 16);
	put16(ttl & 0xffff);
	put16(0);
	return out.length;
}

static inline void
end_record(size_t start)
{
	out.data[start - 2] = (uint8_t)((out.length - start) >> 8);
	out.data[start - 1] = (uint8_t)(out.length - start);
}

static inline void
srv(uint32_t ttl, unsigned int priority, unsigned int weight, unsigned int port,
    const char *target)
{
	size_t start = begin_record(DNS_SRV, ttl, 0);

	put16(priority);
	put16(weight);
	put16(port);
	put_name(target);
	end_record(start);
}

static inline void
mx(uint32_t ttl, unsigned int priority, const char *target)
{
	size_t start = begin_record(DNS_MX, ttl, 0);

	put16(priority);
	put_name(target);
	end_record(start);
}

static inline void
cname(uint32_t ttl, const char *target)
{
	size_t start = begin_record(CNAME, ttl, 0);

	put_name(target);
	end_record(start);
}

static inline void
soa(uint32_t ttl, uint32_t minimum)
{
	size_t start = begin_record(SOA, ttl, 1);
	int i;

	put_name("ns.example");
	put_name("x.example");
	for (i = 0; i < 4; i++) {
		put16(0);
		put16(1);
	}
	put16(minimum >> 16);
	put16(minimum & 0xffff);
	end_record(start);
}

#endif
