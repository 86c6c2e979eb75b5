/* SPDX-License-Identifier: ISC */
#ifndef RELAY_SMTP_SCRAM_H
#define RELAY_SMTP_SCRAM_H

#include <sys/types.h>
#include <stddef.h>
#include <stdint.h>

/*
 * SCRAM-SHA-256 as a client (RFC 5802, RFC 7677), without channel binding.
 * Names and passwords are used as they stand in the secrets file: what is
 * not ASCII is not normalized.
 */

#define SCRAM_CLIENT_NONCE_MAX 64 /* octets */
#define SCRAM_CLIENT_MESSAGE_MAX 1024 /* of any message, octets */
/*
 * The peer says how much work we do, while every other connection waits:
 * no more than this, about a third of a second.
 */
#define SCRAM_CLIENT_ITERATIONS_MAX 600000
#define SCRAM_CLIENT_ITERATIONS_MIN 4096 /* RFC 7677 section 4 */

struct scram_client {
	char nonce[SCRAM_CLIENT_NONCE_MAX + 1];
	char first[SCRAM_CLIENT_MESSAGE_MAX]; /* client-first-message-bare */
	uint8_t server_signature[32];
};

/* A fresh nonce. */
void scram_client_nonce(struct scram_client *);

/*
 * Each writes a message to out and returns its octets, or -1 with the reason
 * in *problem. The nonce must be set before the first.
 */
ssize_t scram_client_first(struct scram_client *, const char *user, char *out,
    size_t size, const char **problem);
ssize_t scram_client_final(struct scram_client *, const char *password,
    const char *server_first, size_t length, char *out, size_t size,
    const char **problem);

/* Is the server's last message right: does it know the password? 0 or -1. */
int scram_client_check(const struct scram_client *, const char *server_final,
    size_t length, const char **problem);

#endif
