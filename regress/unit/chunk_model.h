/* SPDX-License-Identifier: ISC */
/*
 * BDAT and BMTD as RFC 3030 and PROTOCOL.md B5, D-M01 to D-M12, F-10 to F-20
 * have them: a small automaton, written from those and not from the code. It
 * takes what a client does and says which replies are due and what is on
 * disk at the end (PEERS T07).
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MODEL_ROOM 65536
#define MODEL_LIMIT 100000 /* the world's limit message-size */

struct model {
	int lmtp, strict;
	int mail, binary, rcpts, accepted;
	int chunks; /* some came in this transaction */
	int bdat, failed, keywords, containers;
	const char *lost; /* the reply of what is lost from now on */
	uint64_t octets;
	char text[MODEL_ROOM]; /* by BDAT, as it came */
	size_t length;
	char top[MODEL_ROOM]; /* of containers, as it is on disk */
	size_t top_length;
	char due[1024]; /* "250 2.1.0," and so on */
	int delivered; /* at this step */
};

static inline void
model_due(struct model *m, const char *status)
{
	strcat(m->due, status);
	strcat(m->due, ",");
}

static inline void
model_reset(struct model *m)
{
	m->mail = m->rcpts = m->accepted = m->chunks = m->bdat = 0;
	m->failed = m->keywords = m->containers = 0;
	m->lost = NULL;
	m->octets = 0;
	m->length = m->top_length = 0;
}

static inline void
model_mail(struct model *m, int binary)
{
	model_due(m, m->mail ? "503 5.5.1" : "250 2.1.0");
	if (!m->mail) {
		model_reset(m);
		m->mail = 1;
		m->binary = binary;
	}
}

static inline void
model_rcpt(struct model *m, int good)
{
	if (!m->mail || m->chunks) {
		model_due(m, "503 5.5.1");
		return;
	}
	m->rcpts++;
	m->accepted += good;
	model_due(m, good ? "250 2.1.5" : "550 5.1.1");
}

static inline void
model_rset(struct model *m)
{
	model_reset(m);
	model_due(m, "250 2.0.0");
}

static inline void
model_end(struct model *m, const char *lmtp, const char *smtp)
{
	int i;

	for (i = 0; m->lmtp && i < m->accepted; i++)
		model_due(m, lmtp);
	if (!m->lmtp)
		model_due(m, smtp);
}

/* DATA, with an empty message when it may come. Returns 1 then. */
static inline int
model_data(struct model *m)
{
	if (!m->mail || m->chunks || m->binary) {
		model_due(m, "503 5.5.1");
		m->failed |= m->mail && m->chunks && m->accepted > 0;
		if (m->mail && m->binary) /* F-13 */
			m->chunks = 1, m->failed |= m->accepted > 0;
		return 0;
	}
	if (m->accepted == 0) {
		model_due(m, m->lmtp ? "503 5.5.1" : "554 5.5.1");
		return 0;
	}
	model_due(m, "354");
	model_end(m, "250 2.1.12", "250 2.0.0");
	model_reset(m);
	return 1;
}

/* Where the body of the text starts; its length when there is none. */
static inline size_t
model_body(const struct model *m)
{
	size_t i;

	if (m->length >= 2 && memcmp(m->text, "\r\n", 2) == 0)
		return 2;
	for (i = 0; i + 4 <= m->length; i++)
		if (memcmp(m->text + i, "\r\n\r\n", 4) == 0)
			return i + 4;
	return m->length;
}

/* What is wrong with the text so far. */
static inline const char *
model_fault(const struct model *m, int last)
{
	size_t n = m->binary ? model_body(m) : m->length, i;

	for (i = 0; i < n; i++) {
		if (m->text[i] == '\n' && (i == 0 || m->text[i - 1] != '\r'))
			return "550 5.5.2";
		if (m->text[i] == '\r' && i + 1 == n && n == m->length && !last)
			continue; /* what comes then? */
		if (m->text[i] == '\r' &&
		    (i + 1 == n || m->text[i + 1] != '\n'))
			return "550 5.5.2";
	}
	return memchr(m->text, '\0', n) != NULL ? "554 5.6.0" : NULL;
}

/* One container, on the socket (trusted) or of a user. */
static inline const char *
model_container(struct model *m, const char *data, size_t size)
{
	size_t i;

	if (size == 0)
		return NULL;
	if (size == 1)
		return "501 5.5.4";
	if (size > 65536 || m->containers == 64)
		return "552 5.3.4";
	if (data[0] == 0 && data[1] == 1) {
		if (m->keywords++)
			return "503 5.5.1";
		m->containers++;
	} else if (data[0] == 0 && data[1] == 0) {
		/* The test sends "Name: value CR LF" lines or bad ones. */
		if (size > 2 &&
		    (memcmp(data + 2, "X-", 2) != 0 ||
			memcmp(data + size - 2, "\r\n", 2) != 0 ||
			memcmp(data + size - 4, "\r\n\r\n", 4) == 0))
			return "554 5.6.0";
		if (!m->lmtp || size == 2)
			return NULL; /* a user gives none: nothing is left */
		m->containers++;
		for (i = 2; i < size; i++)
			if (data[i] != '\r')
				m->top[m->top_length++] = data[i];
	} else
		m->containers++;
	return NULL;
}

/* What a chunk that is looked at comes to. */
static inline const char *
model_take(struct model *m, int bmtd, const char *data, size_t size, int last)
{
	const char *fault;

	if (m->lost != NULL)
		return m->lost;
	if (m->octets + size > MODEL_LIMIT)
		return "552 5.3.4";
	m->octets += size;
	if (bmtd)
		fault = model_container(m, data, size);
	else {
		m->bdat = 1;
		memcpy(m->text + m->length, data, size);
		m->length += size;
		fault = NULL;
	}
	/* The text is looked at to its end when its end is there. */
	if (fault == NULL && (!bmtd || last))
		fault = model_fault(m, last);
	return fault;
}

/* extra: a word that is not LAST. */
static inline void
model_chunk(struct model *m, int bmtd, const char *data, size_t size, int last,
    int extra)
{
	const char *status = NULL;

	m->delivered = 0;
	if (bmtd && m->strict && last) {
		last = 0;
		extra = 1;
	}
	if (!m->mail) {
		model_due(m, "503 5.5.1");
		return;
	}
	if (m->accepted == 0 && !m->failed) {
		status = m->lmtp || (bmtd && m->rcpts == 0) ? "503 5.5.1"
							    : "554 5.5.1";
		m->chunks = 1;
		if (last) {
			model_end(m, status, status);
			model_reset(m);
		} else
			model_due(m, status);
		return;
	}
	m->chunks = 1;
	if (m->failed || (m->strict && bmtd && m->bdat))
		status = "503 5.5.1";
	else if (extra)
		status = "501 5.5.4";
	else
		status = model_take(m, bmtd, data, size, last);
	m->failed |= status != NULL;
	if (!last) {
		model_due(m,
		    status != NULL ? status
			: bmtd     ? "250 2.1.0"
				   : "250 2.0.0");
		return;
	}
	m->delivered = status == NULL;
	model_end(m, status != NULL ? status : "250 2.1.12",
	    status != NULL ? status : "250 2.0.0");
	m->mail = 0;
}

/* What is on disk below the trace fields; returns the octets. */
static inline size_t
model_disk(const struct model *m, char *out)
{
	size_t body = m->binary ? model_body(m) : m->length, i;
	size_t n = m->top_length;

	memcpy(out, m->top, n);
	for (i = 0; i < body; i++)
		if (m->text[i] != '\r')
			out[n++] = m->text[i];
	memcpy(out + n, m->text + body, m->length - body);
	return n + m->length - body;
}
