/* SPDX-License-Identifier: ISC */
#include <netinet/in.h>

#include <arpa/inet.h>

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include <openssl/x509v3.h>

#include "smtpd-stoken/relay/identity.h"

/* id-on-dnsSRV; not every libcrypto has a name for it. */
#define DNS_SRV_OID "1.3.6.1.5.5.7.8.7"

static int
is_address(const char *name)
{
	struct in6_addr address;

	return inet_pton(AF_INET, name, &address) == 1 ||
	    inet_pton(AF_INET6, name, &address) == 1;
}

/* A first dot would stand for every name below it. */
static int
has_dns_id(X509 *certificate, const char *name)
{
	return name[0] != '\0' && name[0] != '.' &&
	    X509_check_host(certificate, name, strlen(name),
		X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
		    X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
		NULL) == 1;
}

static int
is_srv_id(const GENERAL_NAME *name, const char *wanted)
{
	const ASN1_TYPE *value;
	char oid[32];

	if (name->type != GEN_OTHERNAME ||
	    OBJ_obj2txt(oid, sizeof(oid), name->d.otherName->type_id, 1) !=
		(int)strlen(DNS_SRV_OID) ||
	    strcmp(oid, DNS_SRV_OID) != 0)
		return 0;
	value = name->d.otherName->value;
	/* A NUL among its octets is in none of ours. */
	return value->type == V_ASN1_IA5STRING &&
	    (size_t)ASN1_STRING_length(value->value.ia5string) ==
	    strlen(wanted) &&
	    strncasecmp(
		(const char *)ASN1_STRING_get0_data(value->value.ia5string),
		wanted, strlen(wanted)) == 0;
}

/*
 * An authority that may certify some names only is not one for services: what
 * libcrypto holds it to are hosts, not other names (RFC 4985 section 4).
 */
static int
is_constrained(const STACK_OF(X509) * chain)
{
	int i;

	for (i = 0; chain != NULL && i < sk_X509_num(chain); i++)
		if (X509_get_ext_by_NID(
			sk_X509_value(chain, i), NID_name_constraints, -1) >= 0)
			return 1;
	return 0;
}

static int
has_srv_id(X509 *certificate, const char *service, const char *domain)
{
	GENERAL_NAMES *names;
	char wanted[320];
	int i, found = 0;

	if (snprintf(wanted, sizeof(wanted), "%s.%s", service, domain) >=
	    (int)sizeof(wanted))
		return 0;
	names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	for (i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++)
		found = is_srv_id(sk_GENERAL_NAME_value(names, i), wanted);
	GENERAL_NAMES_free(names);
	return found;
}

int
identity_matches(X509 *certificate, const STACK_OF(X509) * chain,
    const struct trust_names *names)
{
	if (is_address(names->domain))
		return X509_check_ip_asc(certificate, names->domain, 0) == 1;
	return has_dns_id(certificate, names->domain) ||
	    (names->host != NULL && !is_address(names->host) &&
		has_dns_id(certificate, names->host)) ||
	    (names->service != NULL && !is_constrained(chain) &&
		has_srv_id(certificate, names->service, names->domain));
}
