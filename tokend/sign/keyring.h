/* SPDX-License-Identifier: ISC */
#ifndef TOKEND_SIGN_KEYRING_H
#define TOKEND_SIGN_KEYRING_H

#include <sys/queue.h>

#include <stddef.h>
#include <stdint.h>

#include <openssl/evp.h>

#include "tokend/sign/keyname.h"

#define KEY_FILE_MAX (64 * 1024) /* octets of a key file */
#define KEY_BITS_MAX 4096 /* of an RSA modulus */
#define KEY_SIGNATURE_MAX (KEY_BITS_MAX / 8)

enum key_type {
	KEY_RSA,
	KEY_EC
};

struct key {
	TAILQ_ENTRY(key) entry;
	uint8_t name[KEY_NAME_LENGTH];
	enum key_type type;
	size_t bits; /* of the modulus or of the curve's order */
	size_t size; /* the longest signature, octets */
	EVP_PKEY_CTX *sign; /* ready for EVP_PKEY_sign; holds the key */
	int newest; /* named by the configuration that came last */
	int confirmed; /* by the last that every process took */
};

struct keyring {
	TAILQ_HEAD(key_list, key)
	keys;
};

void keyring_init(struct keyring *);

/*
 * Reads a PEM private key (PKCS#8 or traditional form) from a freshly opened
 * file, and leaves the descriptor open. RSA of 2048 to 4096
 * bits, EC P-256 and P-384. A key that is there already is kept and counted to
 * the new configuration. Returns the key; NULL with a reason for the log
 * (never containing key material) in error.
 */
const struct key *keyring_load(struct keyring *, int fd, const char **error);

/* NULL if no key has this name. */
struct key *
keyring_find(const struct keyring *, const uint8_t name[KEY_NAME_LENGTH]);

/*
 * A reload: keys loaded after keyring_begin belong to the new configuration.
 * keyring_drop drops what belongs neither to that nor to the one that was
 * confirmed last; keyring_confirm says that everybody has taken the new one.
 * So the keys in use outlive any number of reloads that fail.
 */
void keyring_begin(struct keyring *);
void keyring_drop(struct keyring *);
void keyring_confirm(struct keyring *);

/* Wipes and frees everything. */
void keyring_clear(struct keyring *);

#endif
