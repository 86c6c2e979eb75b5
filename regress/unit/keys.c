/* SPDX-License-Identifier: ISC */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "regress/unit/keys.h"

EVP_PKEY *
make_key(const char *kind)
{
	static const struct {
		const char *kind;
		int type, curve;
	} kinds[] = {
	    {"P-256", EVP_PKEY_EC, NID_X9_62_prime256v1},
	    {"P-384", EVP_PKEY_EC, NID_secp384r1},
	    {"P-521", EVP_PKEY_EC, NID_secp521r1},
	    {"ED25519", EVP_PKEY_ED25519, 0},
	    {"RSA-", EVP_PKEY_RSA, 0},
	};
	EVP_PKEY_CTX *make;
	EVP_PKEY *key = NULL;
	size_t i;
	int ok;

	for (i = 0; strncmp(kind, kinds[i].kind, strlen(kinds[i].kind)) != 0;)
		i++;
	make = EVP_PKEY_CTX_new_id(kinds[i].type, NULL);
	ok = make != NULL && EVP_PKEY_keygen_init(make) == 1;
	if (ok && kinds[i].type == EVP_PKEY_EC)
		ok = EVP_PKEY_CTX_set_ec_paramgen_curve_nid(
			 make, kinds[i].curve) == 1;
	if (ok && kinds[i].type == EVP_PKEY_RSA)
		ok =
		    EVP_PKEY_CTX_set_rsa_keygen_bits(make, atoi(kind + 4)) == 1;
	ok = ok && EVP_PKEY_keygen(make, &key) == 1;
	assert(ok);
	EVP_PKEY_CTX_free(make);
	return key;
}

int
key_file(EVP_PKEY *key, const char *pass_phrase)
{
	FILE *file = tmpfile();
	int fd, ok;

	assert(file != NULL);
	ok = PEM_write_PrivateKey(file, key,
	    pass_phrase == NULL ? NULL : EVP_aes_128_cbc(), NULL, 0, NULL,
	    (void *)(uintptr_t)pass_phrase);
	assert(ok == 1);
	ok = fflush(file);
	assert(ok == 0);
	rewind(file);
	fd = dup(fileno(file));
	fclose(file);
	assert(fd != -1);
	return fd;
}

int
octets_file(const void *octets, size_t length)
{
	FILE *file = tmpfile();
	size_t wrote;
	int fd;

	assert(file != NULL);
	wrote = fwrite(octets, 1, length, file);
	assert(wrote == length);
	rewind(file);
	fd = dup(fileno(file));
	fclose(file);
	return fd;
}

uint8_t *
make_certificate(EVP_PKEY *key, const char *name, size_t *length)
{
	X509 *x = X509_new();
	X509_NAME *subject = X509_NAME_new();
	X509_EXTENSION *extension;
	BIO *bio = BIO_new(BIO_s_mem());
	const EVP_MD *hash;
	char text[300];
	uint8_t *pem;
	char *data;
	int ok;

	X509_set_version(x, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -3600);
	X509_gmtime_adj(X509_getm_notAfter(x), 86400);
	X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
	    (const unsigned char *)name, -1, -1, 0);
	X509_set_subject_name(x, subject);
	X509_set_issuer_name(x, subject);
	X509_NAME_free(subject);
	snprintf(text, sizeof(text), "DNS:%s", name);
	extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, text);
	X509_add_ext(x, extension, -1);
	X509_EXTENSION_free(extension);
	X509_set_pubkey(x, key);
	hash = EVP_PKEY_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();
	ok = X509_sign(x, key, hash) > 0 && PEM_write_bio_X509(bio, x) == 1;
	assert(ok);
	X509_free(x);
	*length = (size_t)BIO_get_mem_data(bio, &data);
	pem = malloc(*length);
	assert(pem != NULL);
	memcpy(pem, data, *length);
	BIO_free(bio);
	return pem;
}
