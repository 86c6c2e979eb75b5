/* SPDX-License-Identifier: ISC */
/*
 * The one synchronous wait: a signature, in the middle of libcrypto's work. It
 * has a channel of its own, so that nothing else can arrive meanwhile.
 */
#include <string.h>
#include <time.h>

#include "lib/log.h"
#include "lib/process.h"
#include "smtpd-stoken/frontend/signer.h"

/* P-256 takes 0.1 ms. */
#define PATIENCE 2000 /* milliseconds */
/*
 * After a wait in vain everybody has waited: no new one so soon, seconds; and
 * after a few in a row the parent may replace the signer.
 */
#define REST 1
#define WAITS_IN_VAIN 3
/* Answers to earlier requests that may come before ours. */
#define LATE_ANSWERS 100

static struct channel *signer;
static uint64_t last_request;
static time_t resting_until;
static int waits_in_vain; /* in a row */
static uint8_t newest; /* SIGN_NEWEST or nothing */

/* The answer to last_request, if it has come. */
static struct {
	int came;
	uint8_t *signature;
	size_t size;
	size_t length;
} answer;

void
signer_new(struct channel *channel)
{
	signer = channel;
	resting_until = 0;
	waits_in_vain = 0;
}

void
signer_gone(struct channel *channel)
{
	if (signer == channel)
		signer = NULL;
}

void
signer_newest(int on)
{
	newest = on ? SIGN_NEWEST : 0;
}

int
signer_available(void)
{
	return signer != NULL;
}

/* A late answer to an earlier request is not ours: requests have numbers. */
static void
on_reply(struct channel *channel, const union message *m, int fd)
{
	const struct msg_sign_reply *reply = &m->sign_reply;

	(void)channel;
	(void)fd;
	if (reply->request != last_request || answer.signature == NULL)
		return;
	answer.came = 1;
	if (!reply->ok || reply->signature.length > answer.size)
		return;
	memcpy(
	    answer.signature, reply->signature.data, reply->signature.length);
	answer.length = reply->signature.length;
}

static time_t
now(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec;
}

static int
ask(uint8_t kind, const uint8_t *name, const uint8_t *input, size_t length)
{
	union message m = {.sign_request = {.request = ++last_request,
			       .kind = kind | newest,
			       .key = bytes_of(name, 32),
			       .block = bytes_of(input, length)}};
	int tries;

	if (channel_send(signer, MSG_SIGN_REQUEST, &m, -1) == -1 ||
	    channel_flush(signer) == -1)
		return -1;
	for (tries = 0; !answer.came && tries < LATE_ANSWERS; tries++)
		if (channel_receive_within(signer, PATIENCE) != 1)
			return -1;
	return answer.came ? 0 : -1;
}

static void
gave_up(void)
{
	log_warnx("no signature: tokend-sign does not answer");
	resting_until = now() + REST;
	if (++waits_in_vain >= WAITS_IN_VAIN)
		process_complain(signer, "does not answer");
}

size_t
signer_sign(uint8_t kind, const uint8_t name[32], const uint8_t *input,
    size_t length, uint8_t *signature, size_t size)
{
	if (signer == NULL || now() < resting_until)
		return 0;
	answer.came = 0;
	answer.signature = signature;
	answer.size = size;
	answer.length = 0;
	if (ask(kind, name, input, length) == 0)
		waits_in_vain = 0;
	else
		gave_up();
	answer.signature = NULL;
	return answer.length;
}

const struct channel_handler signer_handlers[] = {
    {MSG_SIGN_REPLY, on_reply},
    {0, NULL},
};
