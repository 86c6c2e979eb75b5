/* SPDX-License-Identifier: ISC */
#include "tokend/publish_items.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A listener as the setting `listeners` has it: "smtps 465 PKI ...". */
struct public_listener {
	const char *kind;
	const char *service; /* NULL: it is not public */
	uint16_t priority, port;
	char *pki; /* names, with blanks between */
};

static const struct {
	const char *kind, *service;
	uint16_t priority; /* implicit TLS first: RFC 8314 section 3 */
} services[] = {
    {"smtps", "_submissions", 0},
    {"tls-require", "_submission", 10},
};

/* `text` is cut in pieces. Returns 0, or -1: it is for no correspondent. */
static int
take_listener(struct public_listener *l, char *text)
{
	const char *kind = strsep(&text, " "), *port = strsep(&text, " ");
	size_t i;

	if (port == NULL)
		return -1;
	for (i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
		if (strcmp(services[i].kind, kind) != 0)
			continue;
		l->service = services[i].service;
		l->priority = services[i].priority;
		l->port = (uint16_t)strtonum(port, 1, 65535, NULL);
		l->pki = text;
		return l->port == 0 ? -1 : 0;
	}
	return -1;
}

/* RFC 9525, 6.3: a wildcard is the whole first label, and one label. */
static int
name_matches(struct bytes name, const char *wanted)
{
	char text[256];
	const char *rest;

	if (bytes_copy(text, sizeof(text), name) == -1)
		return 0;
	if (strncmp(text, "*.", 2) != 0)
		return strcasecmp(text, wanted) == 0;
	rest = strchr(wanted, '.');
	return rest != NULL && rest != wanted &&
	    strcasecmp(text + 1, rest) == 0;
}

int
publish_covers(const struct certificate_fact *fact, const char *domain,
    const char *service)
{
	struct bytes rest = bytes_of(fact->names, fact->names_length), name;
	char wanted[300];

	snprintf(wanted, sizeof(wanted), "%s.%s",
	    service == NULL ? "" : service, domain);
	while (list_next(&rest, &name) == 1)
		if ((name.length > 0 && name.data[0] != '_' &&
			name_matches(name, domain)) ||
		    (service != NULL && name.length > 0 &&
			name.data[0] == '_' && name_matches(name, wanted)))
			return 1;
	return 0;
}

/* Clients name the domain by SNI: any certificate of the listener may be it. */
static void
look_at_certificates(struct publish_item *item, const struct measured *measured,
    const struct public_listener *l)
{
	const struct certificate_fact *fact;
	char names[4096], *rest = names, *name;
	size_t i;

	item->certificate = PUBLISH_CERTIFICATE_UNKNOWN;
	strlcpy(names, l->pki == NULL ? "" : l->pki, sizeof(names));
	while ((name = strsep(&rest, " ")) != NULL)
		for (i = 0; i < measured->certificate_count; i++) {
			fact = &measured->certificates[i];
			if (strcmp(fact->pki, name) != 0)
				continue;
			item->covers_host |=
			    publish_covers(fact, item->target, NULL);
			if (publish_covers(fact, item->domain, l->service))
				item->certificate = PUBLISH_CERTIFICATE_OK;
			else if (item->certificate != PUBLISH_CERTIFICATE_OK)
				item->certificate = PUBLISH_CERTIFICATE_OTHER;
		}
}

/* Two listeners, one for each family of addresses, are one record. */
static int
is_there(const struct publish_item *items, size_t count, const char *name,
    uint16_t port)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (items[i].port == port && strcmp(items[i].name, name) == 0)
			return 1;
	return 0;
}

static size_t
add(struct publish_item *items, size_t count, const struct measured *measured,
    const struct public_listener *l, const char *domain)
{
	struct publish_item *item = &items[count];
	char name[288];

	snprintf(name, sizeof(name), "%s._tcp.%s", l->service, domain);
	if (is_there(items, count, name, l->port))
		return count;
	strlcpy(item->name, name, sizeof(item->name));
	strlcpy(item->domain, domain, sizeof(item->domain));
	strlcpy(item->target, tokend.settings->hostname, sizeof(item->target));
	item->priority = l->priority;
	item->port = l->port;
	look_at_certificates(item, measured, l);
	if (l->pki != NULL)
		strlcpy(item->pki, l->pki, sizeof(item->pki));
	item->pki[strcspn(item->pki, " ")] = '\0';
	return count + 1;
}

static size_t
add_domain(struct publish_item *items, size_t count,
    const struct measured *measured, const char *domain)
{
	const struct text_list *list = &tokend.settings->listeners;
	struct public_listener l;
	size_t i, k;
	char *text;

	/* In the order of the services. */
	for (k = 0; k < sizeof(services) / sizeof(services[0]); k++)
		for (i = 0; i < list->count; i++) {
			if ((text = strdup(list->items[i])) == NULL)
				continue;
			memset(&l, 0, sizeof(l));
			if (take_listener(&l, text) == 0 &&
			    strcmp(l.service, services[k].service) == 0)
				count = add(items, count, measured, &l, domain);
			free(text);
		}
	return count;
}

struct publish_item *
publish_items(const struct measured *measured, size_t *count)
{
	const struct settings *s = tokend.settings;
	struct publish_item *items;
	size_t i, n = 0;

	items =
	    calloc(s->domains.count * s->listeners.count + 1, sizeof(*items));
	*count = 0;
	if (items == NULL || s->hostname == NULL)
		return items;
	for (i = 0; i < s->domains.count; i++)
		n = add_domain(items, n, measured, s->domains.items[i]);
	if (n > 0) {
		strlcpy(items[n].domain, s->hostname, sizeof(items[n].domain));
		strlcpy(items[n].name, s->hostname, sizeof(items[n].name));
		n++;
	}
	*count = n;
	return items;
}

const char *
publish_state_name(enum publish_state state)
{
	static const char *const names[] = {
	    [PUBLISH_UNCHECKED] = "unchecked",
	    [PUBLISH_THERE] = "published",
	    [PUBLISH_MISSING] = "missing",
	    [PUBLISH_DIFFERENT] = "different",
	};

	return names[state];
}

void
publish_record(const struct publish_item *item, char *out, size_t size)
{
	out[0] = '\0';
	if (item->port != 0)
		snprintf(out, size, "%s. 3600 IN SRV %u 1 %u %s.", item->name,
		    item->priority, item->port, item->target);
}

static void
state_advice(const struct publish_item *item, char *out, size_t size)
{
	if (item->state == PUBLISH_UNCHECKED)
		snprintf(out, size, "not checked: %s", item->problem);
	else if (item->port == 0 && item->state != PUBLISH_THERE)
		snprintf(out, size,
		    "the name of this server has no address: publish A or "
		    "AAAA records of %s",
		    item->name);
	else if (item->state == PUBLISH_MISSING)
		snprintf(out, size, "nothing is there: publish this record");
	else if (item->state == PUBLISH_DIFFERENT)
		snprintf(out, size,
		    "there is another record: publish this one in its place, "
		    "unless another server takes the mail");
	else
		out[0] = '\0';
}

void
publish_advice(const struct publish_item *item, char *out, size_t size)
{
	char more[640] = "";

	state_advice(item, out, size);
	if (item->certificate == PUBLISH_CERTIFICATE_OTHER)
		snprintf(more, sizeof(more),
		    "%sno certificate of port %u is for %s: nobody shows a "
		    "token there; get one that names it (pki %s)%s",
		    out[0] == '\0' ? "" : "\n", item->port, item->domain,
		    item->pki,
		    item->covers_host ? ", or sign the zone (DNSSEC)" : "");
	else if (item->certificate == PUBLISH_CERTIFICATE_UNKNOWN)
		snprintf(more, sizeof(more),
		    "%sthe certificate is not checked: no frontend spoke of "
		    "one",
		    out[0] == '\0' ? "" : "\n");
	(void)strlcat(out, more, size);
}
