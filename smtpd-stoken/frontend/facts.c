/* SPDX-License-Identifier: ISC */
#include "smtpd-stoken/frontend/facts.h"

#include <sys/types.h>
#include <sys/queue.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "imsg/channel.h"
#include "lib/measure.h"
#include "lib/metrics.h"
#include "lib/process.h"
#include "smtpd-stoken/frontend/session.h"

#define NAMES_MAX 8192 /* CERTIFICATE.names */

struct fact {
	TAILQ_ENTRY(fact) entry;
	uint64_t begins, ends;
	size_t names_length;
	uint8_t names[NAMES_MAX];
	char pki[256];
};

TAILQ_HEAD(fact_list, fact);
static struct fact_list in_use = TAILQ_HEAD_INITIALIZER(in_use);
static struct fact_list staged = TAILQ_HEAD_INITIALIZER(staged);

static uint64_t
seconds_of(const ASN1_TIME *when)
{
	struct tm tm;
	time_t seconds;

	if (ASN1_TIME_to_tm(when, &tm) != 1 || (seconds = timegm(&tm)) < 0)
		return 0;
	return (uint64_t)seconds;
}

/* The SRV-ID (RFC 4985) of a name, like "_submissions.a.example", or nothing. */
static struct bytes
srv_id(const GENERAL_NAME *name)
{
	const ASN1_TYPE *value;
	char oid[32];

	if (name->type != GEN_OTHERNAME)
		return bytes_of(NULL, 0);
	value = name->d.otherName->value;
	if (OBJ_obj2txt(oid, sizeof(oid), name->d.otherName->type_id, 1) < 0 ||
	    strcmp(oid, "1.3.6.1.5.5.7.8.7") != 0 ||
	    value->type != V_ASN1_IA5STRING)
		return bytes_of(NULL, 0);
	return bytes_of(ASN1_STRING_get0_data(value->value.ia5string),
	    (size_t)ASN1_STRING_length(value->value.ia5string));
}

/* Its DNS-IDs (RFC 9525) and SRV-IDs; a common name is none (D-S14). */
static void
take_names(struct fact *fact, X509 *certificate)
{
	GENERAL_NAMES *all =
	    X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	const GENERAL_NAME *name;
	struct list_writer list;
	struct bytes id;
	int i;

	list_init(&list, fact->names, sizeof(fact->names));
	for (i = 0; i < sk_GENERAL_NAME_num(all); i++) {
		name = sk_GENERAL_NAME_value(all, i);
		id = srv_id(name);
		if (name->type == GEN_DNS)
			id = bytes_of(ASN1_STRING_get0_data(name->d.dNSName),
			    (size_t)ASN1_STRING_length(name->d.dNSName));
		if (id.length > 0 && list_add(&list, id) == -1)
			break;
	}
	fact->names_length = list.length;
	GENERAL_NAMES_free(all);
}

void
facts_add(const struct certificate *from)
{
	BIO *bio = BIO_new_mem_buf(from->pem, (int)from->length);
	X509 *certificate = NULL;
	struct fact *fact = NULL;

	if (bio != NULL)
		certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	if (certificate != NULL && (fact = calloc(1, sizeof(*fact))) != NULL) {
		(void)strlcpy(fact->pki, from->name, sizeof(fact->pki));
		fact->begins = seconds_of(X509_get0_notBefore(certificate));
		fact->ends = seconds_of(X509_get0_notAfter(certificate));
		take_names(fact, certificate);
		TAILQ_INSERT_TAIL(&staged, fact, entry);
	}
	X509_free(certificate);
	BIO_free(bio);
}

void
facts_commit(int taken)
{
	struct fact_list *old = taken ? &in_use : &staged;
	struct fact *fact;

	while ((fact = TAILQ_FIRST(old)) != NULL) {
		TAILQ_REMOVE(old, fact, entry);
		free(fact);
	}
	if (taken)
		TAILQ_CONCAT(&in_use, &staged, entry);
}

void
facts_send(int check)
{
	const struct fact *fact;
	union message m;

	(void)check;
	metric_set(CONNECTIONS_NOW, 0, session_count());
	TAILQ_FOREACH (fact, &in_use, entry) {
		m.certificate =
		    (struct msg_certificate) {.request = measure_request(),
			.begins = fact->begins,
			.ends = fact->ends,
			.pki = bytes_text(fact->pki),
			.names = bytes_of(fact->names, fact->names_length)};
		(void)channel_send(process_parent(), MSG_CERTIFICATE, &m, -1);
	}
}
