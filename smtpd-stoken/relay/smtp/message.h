/* SPDX-License-Identifier: ISC */
#ifndef RELAY_SMTP_MESSAGE_H
#define RELAY_SMTP_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

/* What client_data() sends. */

/*
 * For a peer with METADATA: the Received field in front of the head goes in a
 * container of type 0, then the containers as they are, what is left of the
 * head, and the content, which is without the fields that came in containers
 * (M-26, M-27). Other peers get head and message as without this.
 *
 * A peer like this server takes CLIENT_CONTAINERS_MOST containers and refuses
 * the message with one more (D-M08). So where there are as many already, the
 * Received field stays in the head: one that came must go on (M-29), while
 * ours only should have a container of its own (M-26).
 */
#define CLIENT_CONTAINERS_MOST 64

struct client_metadata {
	uint64_t content_size; /* octets that read_content gives */
	/* Octets; each is its length in 4 octets, high first; type; data. */
	uint64_t containers_size;
	size_t count; /* of containers */
	/* As client_message.read, with its reader. */
	int (*read_content)(
	    void *reader, uint64_t offset, void *buffer, size_t size);
	int (*read_containers)(
	    void *reader, uint64_t offset, void *buffer, size_t size);
};

struct client_message {
	/* Header fields in front of the rest, LF line ends; may be NULL. */
	const char *head;
	size_t head_length; /* octets */
	uint64_t size; /* octets that read gives */
	/*
	 * BINARYMIME: what stands behind the first empty line goes out as it
	 * is. All else: LF becomes CR LF, and so does a CR.
	 */
	int exact;
	int hold; /* the last octets wait for client_release() */
	/*
	 * Fills buffer with exactly size octets from offset; returns 0, or
	 * -1: they cannot be had. May be called twice for an offset.
	 */
	int (*read)(void *reader, uint64_t offset, void *buffer, size_t size);
	void *reader;
	const struct client_metadata *metadata; /* NULL: there is none */
};

#endif
