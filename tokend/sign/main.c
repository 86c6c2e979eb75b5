/* SPDX-License-Identifier: ISC */
/*
 * tokend-sign: the process that holds the private TLS keys.
 *
 * Runs as _tokend in an empty root. It reads the key files through descriptors
 * from the parent, signs what frontends ask for within the limits of signer.h,
 * and does nothing else: no file, no network, no decryption. A frontend that
 * was taken over can have TLS signatures made while it lives, and takes no key
 * away. recvfd stays promised, since keys may come at a reload.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <openssl/crypto.h>

#include "lib/log.h"
#include "lib/metrics.h"
#include "lib/process.h"
#include "tokend/sign/refusals.h"
#include "tokend/sign/signer.h"

/* Octets of locked memory that core dumps leave out; some 300 keys. */
#define SECURE_HEAP (1024 * 1024)

static struct keyring ring;
static int keys_came; /* since the last commit */
static char problem[512]; /* with the first bad one of them */

static void
wipe(void)
{
	keyring_clear(&ring);
}

static void
start(const struct process_start *s)
{
	(void)s;
#ifndef LIBRESSL_VERSION_NUMBER
	/* 2: not locked, for lack of a limit; still apart and undumped */
	if (CRYPTO_secure_malloc_init(SECURE_HEAP, 16) == 0)
		log_warnx("no locked memory for keys");
#endif
	/* reads its configuration file now or never */
	if (OPENSSL_init_crypto(OPENSSL_INIT_LOAD_CONFIG, NULL) != 1)
		fatalx("OPENSSL_init_crypto");
	keyring_init(&ring);
	if (atexit(wipe) != 0)
		fatalx("atexit");
}

static void
on_key(struct channel *parent, const union message *m, int fd)
{
	const struct key *key;
	const char *error;
	char name[256];

	(void)parent;
	if (!keys_came)
		keyring_begin(&ring);
	keys_came = 1;
	if (bytes_copy(name, sizeof(name), m->setup_key.pki) == -1)
		fatalx("parent: a key without a proper name");
	key = keyring_load(&ring, fd, &error);
	close(fd);
	if (key == NULL && problem[0] == '\0')
		snprintf(
		    problem, sizeof(problem), "pki %s key: %s", name, error);
	if (key != NULL)
		log_debug("key of pki %s: %s, %zu bits", name,
		    key->type == KEY_EC ? "EC" : "RSA", key->bits);
}

/*
 * The old configuration's keys stay until the next one: frontends go over to
 * the new one a little later than we do, and have handshakes under way; or
 * one of them refuses it, and the old one stays. A commit without keys says
 * that all have gone over.
 */
static int
commit(const struct settings *settings, int first, char *out, size_t size)
{
	int came = keys_came;

	(void)settings;
	keys_came = 0;
	if (problem[0] != '\0') {
		strlcpy(out, problem, size);
		problem[0] = '\0';
		return -1;
	}
	if (came)
		keyring_drop(&ring);
	if (first || !came)
		keyring_confirm(&ring);
	return 0;
}

static void
log_refusal(
    struct channel *peer, enum sign_result why, uint8_t kind, size_t length)
{
	struct refusals *refusals = channel_context(peer);
	struct timespec now;
	unsigned suppressed;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	if (refusals == NULL ||
	    !refusals_count(refusals, now.tv_sec, &suppressed))
		return;
	if (suppressed > 0)
		log_warnx("frontend[%u]: %u more requests were refused",
		    channel_instance(peer), suppressed);
	log_warnx("frontend[%u]: request refused: %s (kind %u, length %zu)",
	    channel_instance(peer), sign_result_text(why), kind, length);
}

static void
on_request(struct channel *peer, const union message *m, int fd)
{
	const struct msg_sign_request *asked = &m->sign_request;
	struct sign_request request = {.name = asked->key.data,
	    .name_length = asked->key.length,
	    .kind = asked->kind & ~SIGN_NEWEST,
	    .newest = (asked->kind & SIGN_NEWEST) != 0,
	    .input = asked->block.data,
	    .input_length = asked->block.length};
	struct sign_answer answer;
	enum sign_result result = sign_request(&ring, &request, &answer);
	union message reply = {
	    .sign_reply = {.request = asked->request,
		.ok = result == SIGN_DONE,
		.signature = bytes_of(answer.signature, answer.length)}};

	(void)fd;
	metric_count(
	    SIGNATURES, result == SIGN_DONE ? METRIC_OK : METRIC_FAILED);
	if (result != SIGN_DONE)
		log_refusal(peer, result, asked->kind, asked->block.length);
	(void)channel_send(peer, MSG_SIGN_REPLY, &reply, -1);
}

static void
peer_new(struct channel *peer)
{
	/* without memory for it, its refusals are not logged */
	channel_set_context(peer, calloc(1, sizeof(struct refusals)));
}

static void
peer_gone(struct channel *peer)
{
	free(channel_context(peer));
}

static const struct channel_handler parent_handlers[] = {
    {MSG_SETUP_KEY, on_key},
    {0, NULL},
};

static const struct channel_handler frontend_handlers[] = {
    {MSG_SIGN_REQUEST, on_request},
    {0, NULL},
};

static const struct process_peer peers[] = {
    {ROLE_FRONTEND, frontend_handlers},
    {ROLE_NONE, NULL},
};

static const struct process_role role = {
    .role = ROLE_SIGN,
    .name = "tokend-sign",
    .title = "tokend-sign",
    .setup_promises = "stdio recvfd",
    .promises = "stdio recvfd",
    .start = start,
    .parent_handlers = parent_handlers,
    .peers = peers,
    .commit = commit,
    .peer_new = peer_new,
    .peer_gone = peer_gone,
};

int
main(void)
{
	process_main(&role);
}
