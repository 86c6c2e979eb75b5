/* SPDX-License-Identifier: ISC */
/*
 * Buffers for messages: ibuf_add(3). A buffer of fixed size is one
 * allocation, its octets behind the struct, because there is one for every
 * message that is sent or received.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "imsg/imsg.h"

static int
is_inline(const struct ibuf *buf)
{
	return buf->buf == (const unsigned char *)(buf + 1);
}

struct ibuf *
ibuf_open(size_t size)
{
	struct ibuf *buf;

	if (size > SIZE_MAX / 2) {
		errno = ERANGE;
		return NULL;
	}
	if ((buf = malloc(sizeof(*buf) + size)) == NULL)
		return NULL;
	memset(buf, 0, sizeof(*buf));
	buf->buf = (unsigned char *)(buf + 1);
	buf->size = size;
	buf->max = size;
	buf->fd = -1;
	return buf;
}

struct ibuf *
ibuf_dynamic(size_t size, size_t max)
{
	struct ibuf *buf;

	if (max == 0 || max < size || max > SIZE_MAX / 2) {
		errno = EINVAL;
		return NULL;
	}
	if ((buf = ibuf_open(size)) != NULL)
		buf->max = max;
	return buf;
}

void
ibuf_free(struct ibuf *buf)
{
	if (buf == NULL)
		return;
	if (buf->max == 0 && !is_inline(buf)) /* a view: our own bug */
		abort();
	if (buf->fd != -1)
		close(buf->fd);
	explicit_bzero(buf->buf, buf->size);
	if (!is_inline(buf))
		free(buf->buf);
	free(buf);
}

/* Doubles, and leaves no copy behind; realloc(3) would. */
static int
grow(struct ibuf *buf, size_t needed)
{
	unsigned char *new;
	size_t size;

	size = buf->size < 64 ? 64 : buf->size;
	while (size < needed)
		size *= 2;
	if (size > buf->max)
		size = buf->max;
	if ((new = malloc(size)) == NULL)
		return -1;
	memcpy(new, buf->buf, buf->wpos);
	explicit_bzero(buf->buf, buf->wpos);
	if (!is_inline(buf))
		free(buf->buf);
	buf->buf = new;
	buf->size = size;
	return 0;
}

void *
ibuf_reserve(struct ibuf *buf, size_t length)
{
	void *start;

	if (buf->max == 0 || length > buf->max - buf->wpos) {
		errno = ERANGE;
		return NULL;
	}
	if (length > buf->size - buf->wpos &&
	    grow(buf, buf->wpos + length) == -1)
		return NULL;
	start = buf->buf + buf->wpos;
	buf->wpos += length;
	return start;
}

int
ibuf_add(struct ibuf *buf, const void *data, size_t length)
{
	void *start;

	if (length == 0)
		return 0;
	if ((start = ibuf_reserve(buf, length)) == NULL)
		return -1;
	memcpy(start, data, length);
	return 0;
}

int
ibuf_add_ibuf(struct ibuf *buf, const struct ibuf *from)
{
	return ibuf_add(buf, ibuf_data(from), ibuf_size(from));
}

int
ibuf_add_zero(struct ibuf *buf, size_t length)
{
	void *start;

	if (length == 0)
		return 0;
	if ((start = ibuf_reserve(buf, length)) == NULL)
		return -1;
	memset(start, 0, length);
	return 0;
}

static int
fits(uint64_t value, size_t octets)
{
	if (octets < 8 && value >> (octets * 8) != 0) {
		errno = EINVAL;
		return 0;
	}
	return 1;
}

/* Most significant octet first. */
static int
add_network(struct ibuf *buf, uint64_t value, size_t octets)
{
	unsigned char out[8];
	size_t i;

	if (!fits(value, octets))
		return -1;
	for (i = octets; i > 0; i--) {
		out[i - 1] = value & 0xff;
		value >>= 8;
	}
	return ibuf_add(buf, out, octets);
}

int
ibuf_add_n8(struct ibuf *buf, uint64_t value)
{
	return add_network(buf, value, 1);
}

int
ibuf_add_n16(struct ibuf *buf, uint64_t value)
{
	return add_network(buf, value, 2);
}

int
ibuf_add_n32(struct ibuf *buf, uint64_t value)
{
	return add_network(buf, value, 4);
}

int
ibuf_add_n64(struct ibuf *buf, uint64_t value)
{
	return add_network(buf, value, 8);
}

int
ibuf_add_h16(struct ibuf *buf, uint64_t value)
{
	uint16_t small = (uint16_t)value;

	return fits(value, 2) ? ibuf_add(buf, &small, sizeof(small)) : -1;
}

int
ibuf_add_h32(struct ibuf *buf, uint64_t value)
{
	uint32_t small = (uint32_t)value;

	return fits(value, 4) ? ibuf_add(buf, &small, sizeof(small)) : -1;
}

int
ibuf_add_h64(struct ibuf *buf, uint64_t value)
{
	return ibuf_add(buf, &value, sizeof(value));
}

/* Overwrites octets that were added before; the position is from rpos. */
int
ibuf_set(struct ibuf *buf, size_t position, const void *data, size_t length)
{
	size_t there = ibuf_size(buf);

	if (position > there || length > there - position) {
		errno = ERANGE;
		return -1;
	}
	if (length > 0)
		memcpy(buf->buf + buf->rpos + position, data, length);
	return 0;
}

size_t
ibuf_left(const struct ibuf *buf)
{
	return buf->max == 0 ? 0 : buf->max - buf->wpos;
}

void
ibuf_from_buffer(struct ibuf *buf, void *data, size_t length)
{
	memset(buf, 0, sizeof(*buf));
	buf->buf = data;
	buf->size = buf->wpos = length;
	buf->fd = -1;
}

void
ibuf_from_ibuf(struct ibuf *buf, const struct ibuf *from)
{
	ibuf_from_buffer(buf, ibuf_data(from), ibuf_size(from));
}

void *
ibuf_data(const struct ibuf *buf)
{
	return buf->buf + buf->rpos;
}

size_t
ibuf_size(const struct ibuf *buf)
{
	return buf->wpos - buf->rpos;
}

void
ibuf_rewind(struct ibuf *buf)
{
	buf->rpos = 0;
}

int
ibuf_truncate(struct ibuf *buf, size_t length)
{
	size_t there = ibuf_size(buf);

	if (length > there)
		return ibuf_add_zero(buf, length - there);
	buf->wpos = buf->rpos + length;
	return 0;
}

int
ibuf_skip(struct ibuf *buf, size_t length)
{
	if (length > ibuf_size(buf)) {
		errno = EBADMSG;
		return -1;
	}
	buf->rpos += length;
	return 0;
}

int
ibuf_get(struct ibuf *buf, void *data, size_t length)
{
	const unsigned char *start = ibuf_data(buf);

	if (ibuf_skip(buf, length) == -1)
		return -1;
	if (length > 0)
		memcpy(data, start, length);
	return 0;
}

int
ibuf_get_ibuf(struct ibuf *buf, size_t length, struct ibuf *view)
{
	void *start = ibuf_data(buf);

	if (ibuf_skip(buf, length) == -1)
		return -1;
	ibuf_from_buffer(view, start, length);
	return 0;
}

static int
get_network(struct ibuf *buf, uint64_t *value, size_t octets)
{
	unsigned char in[8];
	size_t i;

	if (ibuf_get(buf, in, octets) == -1)
		return -1;
	*value = 0;
	for (i = 0; i < octets; i++)
		*value = *value << 8 | in[i];
	return 0;
}

int
ibuf_get_n8(struct ibuf *buf, uint8_t *value)
{
	return ibuf_get(buf, value, sizeof(*value));
}

int
ibuf_get_n16(struct ibuf *buf, uint16_t *value)
{
	uint64_t wide;

	if (get_network(buf, &wide, 2) == -1)
		return -1;
	*value = (uint16_t)wide;
	return 0;
}

int
ibuf_get_n32(struct ibuf *buf, uint32_t *value)
{
	uint64_t wide;

	if (get_network(buf, &wide, 4) == -1)
		return -1;
	*value = (uint32_t)wide;
	return 0;
}

int
ibuf_get_n64(struct ibuf *buf, uint64_t *value)
{
	return get_network(buf, value, 8);
}

int
ibuf_get_h16(struct ibuf *buf, uint16_t *value)
{
	return ibuf_get(buf, value, sizeof(*value));
}

int
ibuf_get_h32(struct ibuf *buf, uint32_t *value)
{
	return ibuf_get(buf, value, sizeof(*value));
}

int
ibuf_get_h64(struct ibuf *buf, uint64_t *value)
{
	return ibuf_get(buf, value, sizeof(*value));
}

/* A field of `length` octets, NUL-padded or not, as a string. */
char *
ibuf_get_string(struct ibuf *buf, size_t length)
{
	const char *start = ibuf_data(buf);

	if (ibuf_skip(buf, length) == -1)
		return NULL;
	return strndup(start, length);
}

int
ibuf_fd_avail(struct ibuf *buf)
{
	return buf->fd >= 0;
}

int
ibuf_fd_get(struct ibuf *buf)
{
	int fd = buf->fd;

	buf->fd = -1;
	return fd;
}

void
ibuf_fd_set(struct ibuf *buf, int fd)
{
	if (buf->fd >= 0)
		close(buf->fd);
	buf->fd = fd < 0 ? -1 : fd;
}
