/* SPDX-License-Identifier: ISC */
/*
 * imsg(3): framing, descriptors, limits, and what a hostile peer sends.
 * objects: imsg/imsg.o imsg/imsg-socket.o imsg/imsg-buffer.o
 */
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "imsg/imsg.h"

struct pair {
	struct imsgbuf a, b;
	int raw; /* the descriptor behind a */
};

static void
pair_open(struct pair *pair)
{
	int fds[2];

	assert_int_equal(
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(imsgbuf_init(&pair->a, fds[0]), 0);
	assert_int_equal(imsgbuf_init(&pair->b, fds[1]), 0);
	imsgbuf_allow_fdpass(&pair->a);
	imsgbuf_allow_fdpass(&pair->b);
	pair->raw = fds[0];
}

static void
pair_close(struct pair *pair)
{
	imsgbuf_clear(&pair->a);
	imsgbuf_clear(&pair->b);
	imsgbuf_clear(&pair->b);
	if (pair->a.fd != -1)
		close(pair->a.fd);
	close(pair->b.fd);
}

static int
open_descriptors(void)
{
	int fd, count = 0;

	for (fd = 0; fd < 256; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			count++;
	return count;
}

/* A descriptor that can be told from others: a file of that many octets. */
static int
numbered_fd(off_t number)
{
	FILE *file = tmpfile();
	int fd;

	assert_non_null(file);
	fd = dup(fileno(file));
	fclose(file);
	assert_int_equal(ftruncate(fd, number), 0);
	return fd;
}

static off_t
fd_number(int fd)
{
	struct stat status;

	assert_int_not_equal(fd, -1);
	assert_int_equal(fstat(fd, &status), 0);
	close(fd);
	return status.st_size;
}

static void
raw_frame(int fd, uint32_t type, uint32_t length, const void *data, size_t size)
{
	struct imsg_hdr header = {type, length, 0, 0};

	assert_int_equal(
	    write(fd, &header, sizeof(header)), (ssize_t)sizeof(header));
	if (size > 0)
		assert_int_equal(write(fd, data, size), (ssize_t)size);
}

static void
test_numbers(void **state)
{
	struct ibuf *buf = ibuf_dynamic(1, 64);
	struct ibuf view;
	uint8_t n8;
	uint16_t n16;
	uint32_t n32;
	uint64_t n64;
	static const unsigned char wire[] = {
	    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

	(void)state;
	assert_int_equal(ibuf_add_n8(buf, 0x01), 0);
	assert_int_equal(ibuf_add_n16(buf, 0x0203), 0);
	assert_int_equal(ibuf_add_n32(buf, 0x04050607), 0);
	assert_int_equal(ibuf_add_n64(buf, 0x08090a0b0c0d0e0fULL), 0);
	assert_int_equal(ibuf_size(buf), 15);
	assert_memory_equal(ibuf_data(buf), wire, 15);
	assert_int_equal(ibuf_add_n8(buf, 256), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(ibuf_add_n16(buf, 65536), -1);
	assert_int_equal(ibuf_add_h32(buf, 1ULL << 32), -1);
	ibuf_from_ibuf(&view, buf);
	assert_int_equal(ibuf_get_n8(&view, &n8), 0);
	assert_int_equal(ibuf_get_n16(&view, &n16), 0);
	assert_int_equal(ibuf_get_n32(&view, &n32), 0);
	assert_int_equal(ibuf_get_n64(&view, &n64), 0);
	assert_int_equal(n8, 1);
	assert_int_equal(n16, 0x0203);
	assert_int_equal(n32, 0x04050607);
	assert_true(n64 == 0x08090a0b0c0d0e0fULL);
	assert_int_equal(ibuf_get_n8(&view, &n8), -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(ibuf_add(&view, "x", 1), -1); /* a view is fixed */
	ibuf_free(buf);
}

static void
test_buffer_limits(void **state)
{
	struct ibuf *buf = ibuf_open(4), view;
	char *string;

	(void)state;
	assert_int_equal(ibuf_add(buf, "abcd", 4), 0);
	assert_int_equal(ibuf_add(buf, "e", 1), -1);
	assert_int_equal(errno, ERANGE);
	assert_int_equal(ibuf_left(buf), 0);
	assert_int_equal(ibuf_set(buf, 3, "xy", 2), -1);
	assert_int_equal(ibuf_set(buf, 2, "xy", 2), 0);
	assert_int_equal(ibuf_skip(buf, 5), -1);
	assert_int_equal(ibuf_get_ibuf(buf, 2, &view), 0);
	assert_memory_equal(ibuf_data(&view), "ab", 2);
	string = ibuf_get_string(buf, 2);
	assert_string_equal(string, "xy");
	free(string);
	ibuf_rewind(buf);
	assert_int_equal(ibuf_truncate(buf, 1), 0);
	assert_int_equal(ibuf_size(buf), 1);
	ibuf_free(buf);

	buf = ibuf_open(0);
	assert_int_equal(ibuf_add(buf, "x", 1), -1);
	ibuf_free(buf);
	buf = ibuf_dynamic(0, 1000);
	assert_int_equal(ibuf_add_zero(buf, 1000), 0);
	assert_int_equal(ibuf_add_zero(buf, 1), -1);
	assert_int_equal(ibuf_add_zero(buf, 0), 0);
	ibuf_free(buf);
	assert_null(ibuf_dynamic(2, 1));
	assert_null(ibuf_open(SIZE_MAX));
	ibuf_free(NULL);
}

static void
test_round_trip(void **state)
{
	struct pair pair;
	struct imsg imsg;
	struct ibuf view, *built;
	char got[5];
	int i;

	(void)state;
	pair_open(&pair);
	for (i = 0; i < 200; i++)
		assert_int_equal(
		    imsg_compose(&pair.a, (uint32_t)i, 7, 42, -1, "hello", 5),
		    1);
	built = imsg_create(&pair.a, 999, 0, 0, 0);
	assert_int_equal(imsg_add(built, "more than was said", 18), 18);
	imsg_close(&pair.a, built);
	assert_int_equal(imsg_compose(&pair.a, 1000, 0, 0, -1, NULL, 0), 1);
	assert_int_equal(imsgbuf_queuelen(&pair.a), 202);
	assert_int_equal(imsgbuf_queued_bytes(&pair.a), 200 * 21 + 34 + 16);
	assert_int_equal(imsgbuf_flush(&pair.a), 0);
	assert_int_equal(imsgbuf_queued_bytes(&pair.a), 0);
	assert_int_equal(imsgbuf_read(&pair.b), 1);
	for (i = 0; i < 200; i++) {
		assert_int_equal(imsg_get(&pair.b, &imsg), 21);
		assert_int_equal(imsg_get_type(&imsg), i);
		assert_int_equal(imsg_get_id(&imsg), 7);
		assert_int_equal(imsg_get_pid(&imsg), 42);
		assert_int_equal(imsg_get_len(&imsg), 5);
		assert_int_equal(imsg_get_data(&imsg, got, 4), -1);
		assert_int_equal(imsg_get_data(&imsg, got, 5), 0);
		assert_memory_equal(got, "hello", 5);
		assert_int_equal(imsg_get_fd(&imsg), -1);
		assert_false(imsg_fd_lost(&imsg));
		imsg_free(&imsg);
	}
	assert_true(imsg_get(&pair.b, &imsg) > 0);
	assert_int_equal(imsg_get_ibuf(&imsg, &view), 0);
	assert_int_equal(ibuf_size(&view), 18);
	imsg_free(&imsg);
	assert_true(imsg_get(&pair.b, &imsg) > 0);
	assert_int_equal(imsg_get_ibuf(&imsg, &view), -1);
	assert_int_equal(imsg_get_len(&imsg), 0);
	imsg_free(&imsg);
	assert_int_equal(imsg_get(&pair.b, &imsg), 0);
	assert_int_equal(imsgbuf_read(&pair.b), 1); /* EAGAIN */
	close(pair.a.fd);
	pair.a.fd = -1;
	assert_int_equal(imsgbuf_read(&pair.b), 0);
	pair_close(&pair);
}

static void
test_fragments(void **state)
{
	struct pair pair;
	struct imsg imsg;
	unsigned char frame[IMSG_HEADER_SIZE + 3];
	struct imsg_hdr header = {5, sizeof(frame), 0, 0};
	size_t i;

	(void)state;
	pair_open(&pair);
	memcpy(frame, &header, sizeof(header));
	memcpy(frame + sizeof(header), "abc", 3);
	for (i = 0; i < sizeof(frame); i++) {
		assert_int_equal(imsg_get(&pair.b, &imsg), 0);
		assert_int_equal(write(pair.raw, frame + i, 1), 1);
		assert_int_equal(imsgbuf_read(&pair.b), 1);
	}
	assert_int_equal(imsg_get(&pair.b, &imsg), sizeof(frame));
	assert_memory_equal(imsg.data, "abc", 3);
	imsg_free(&imsg);
	pair_close(&pair);
}

/* More than the socket and the input buffer take, in uneven pieces. */
static void
test_volume(void **state)
{
	struct pair pair;
	struct imsg imsg;
	static unsigned char data[MAX_IMSGSIZE];
	uint32_t sent, seen = 0;
	ssize_t n;

	(void)state;
	pair_open(&pair);
	for (sent = 0; sent < 500; sent++) {
		size_t size = (sent * 7919) % (MAX_IMSGSIZE - 16) + 1;

		memset(data, (int)sent, size);
		assert_int_equal(
		    imsg_compose(&pair.a, sent, 0, 0, -1, data, size), 1);
	}
	while (seen < sent) {
		assert_int_equal(imsgbuf_write(&pair.a), 0);
		assert_int_equal(imsgbuf_read(&pair.b), 1);
		while ((n = imsg_get(&pair.b, &imsg)) > 0) {
			size_t size = (seen * 7919) % (MAX_IMSGSIZE - 16) + 1;

			assert_int_equal(imsg_get_len(&imsg), size);
			memset(data, (int)seen, size);
			assert_memory_equal(imsg.data, data, size);
			imsg_free(&imsg);
			seen++;
		}
		assert_int_equal(n, 0);
	}
	assert_int_equal(imsgbuf_queued_bytes(&pair.a), 0);
	pair_close(&pair);
}

/* Linux coalesces: octets before the owner come with its descriptor. */
static void
test_fd_on_right_frame(void **state)
{
	struct pair pair;
	struct imsg imsg;
	int i, fd, before = open_descriptors();
	ssize_t n;

	(void)state;
	pair_open(&pair);
	for (i = 0; i < 12; i++) {
		fd = i % 3 == 1 ? numbered_fd(i) : -1;
		imsg_compose(&pair.a, (uint32_t)i, 0, 0, fd, "x", 1);
		if (i % 2)
			assert_int_equal(imsgbuf_write(&pair.a), 0);
	}
	assert_int_equal(imsgbuf_flush(&pair.a), 0);
	for (i = 0; i < 12;) {
		assert_int_equal(imsgbuf_read(&pair.b), 1);
		while ((n = imsg_get(&pair.b, &imsg)) > 0) {
			assert_int_equal(imsg_get_type(&imsg), i);
			if (i == 4) {
				/* Nobody takes it: imsg_free closes it. */
			} else if (i % 3 == 1)
				assert_int_equal(
				    fd_number(imsg_get_fd(&imsg)), i);
			else
				assert_int_equal(imsg_get_fd(&imsg), -1);
			imsg_free(&imsg);
			i++;
		}
	}
	pair_close(&pair);
	assert_int_equal(open_descriptors(), before);
}

/*
 * No free descriptor: the frame arrives without, says so, the next ones get
 * their own, and nothing spins.
 */
static void
test_fd_exhaustion(void **state)
{
	struct pair pair;
	struct rlimit old, none;
	struct imsg imsg;
	int i, result = 0, reads = 0;

	(void)state;
	pair_open(&pair);
	for (i = 0; i < 3; i++) {
		imsg_compose(
		    &pair.a, (uint32_t)i, 0, 0, numbered_fd(i), "abc", 3);
		assert_int_equal(imsgbuf_flush(&pair.a), 0);
	}
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	while (pair.b.in_end == 0 && reads++ < 5)
		result = imsgbuf_read(&pair.b);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_int_equal(result, 1);
	assert_int_equal(reads, 1);
	/* Frame 1 and its descriptor arrive before frame 0 is taken. */
	while (pair.b.in_end < 3 * 19 && reads++ < 5)
		assert_int_equal(imsgbuf_read(&pair.b), 1);
	for (i = 0; i < 3; i++) {
		assert_int_equal(imsg_get(&pair.b, &imsg), 19);
		assert_int_equal(imsg_fd_lost(&imsg), i == 0);
		if (i == 0)
			assert_int_equal(imsg_get_fd(&imsg), -1);
		else
			assert_int_equal(fd_number(imsg_get_fd(&imsg)), i);
		imsg_free(&imsg);
	}
	pair_close(&pair);
}

/* In a process of its own: as somebody whom the limit holds, unlike root. */
static int
send_too_many(void)
{
	struct rlimit limit, few;
	struct pair pair;
	struct imsg imsg;
	int i, fd, lost = 0;

	if (geteuid() == 0 && setuid(65534) == -1)
		return 77;
	pair_open(&pair);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	few = limit;
	few.rlim_cur = 30;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
	for (i = 0; i < 60; i++) {
		imsg_compose(
		    &pair.a, (uint32_t)i, 0, 0, numbered_fd(i), "abc", 3);
		assert_int_equal(imsgbuf_write(&pair.a), 0);
		assert_int_equal(imsgbuf_queuelen(&pair.a), 0);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (i = 0; i < 60; i++) {
		while (imsg_get(&pair.b, &imsg) == 0)
			assert_int_equal(imsgbuf_read(&pair.b), 1);
		assert_int_equal(imsg_get_type(&imsg), i);
		fd = imsg_get_fd(&imsg);
		assert_int_equal(fd == -1, imsg_fd_lost(&imsg));
		if (fd == -1)
			lost++;
		else
			assert_int_equal(fd_number(fd), i);
		imsg_free(&imsg);
	}
	pair_close(&pair);
	return lost > 0 ? 0 : 77;
}

/*
 * The kernel takes no more descriptors (ETOOMANYREFS): frames go without,
 * say so, and none gets another one's.
 */
static void
test_fd_too_many_in_flight(void **state)
{
	int status;
	pid_t pid;

	(void)state;
	fflush(NULL);
	if ((pid = fork()) == 0)
		_exit(send_too_many());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip(); /* this system has no such limit */
	assert_int_equal(status, 0);
}

static void
test_fd_not_allowed(void **state)
{
	struct pair pair;
	struct imsg imsg;
	int fd, before = open_descriptors();

	(void)state;
	pair_open(&pair);
	pair.b.fdpass = 0;
	fd = numbered_fd(1);
	assert_int_equal(imsg_compose(&pair.b, 1, 0, 0, fd, "x", 1), -1);
	assert_int_equal(errno, EINVAL);
	assert_int_equal(imsg_compose(&pair.a, 1, 0, 0, fd, "x", 1), 1);
	assert_int_equal(imsgbuf_flush(&pair.a), 0);
	assert_int_equal(imsgbuf_read(&pair.b), 1);
	assert_int_equal(imsg_get(&pair.b, &imsg), -1);
	assert_int_equal(errno, EBADMSG);
	pair_close(&pair);
	assert_int_equal(open_descriptors(), before);
}

static void
send_fds(int socket, const int *fds, size_t count)
{
	struct iovec iov = {(void *)(uintptr_t) "", 1};
	char control[CMSG_SPACE(8 * sizeof(int))];
	struct msghdr message;
	struct cmsghdr *header;

	memset(control, 0, sizeof(control));
	memset(&message, 0, sizeof(message));
	message.msg_iov = &iov;
	message.msg_iovlen = 1;
	message.msg_control = control;
	message.msg_controllen = CMSG_SPACE(count * sizeof(int));
	header = CMSG_FIRSTHDR(&message);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(header), fds, count * sizeof(int));
	assert_int_equal(sendmsg(socket, &message, 0), 1);
}

/* A hostile peer: several at once, and a flood without frames. */
static void
test_fd_flood(void **state)
{
	struct pair pair;
	int fds[8], i, result = 1, before = open_descriptors();

	(void)state;
	pair_open(&pair);
	for (i = 0; i < 8; i++)
		fds[i] = 0;
	for (i = 0; i < IMSG_FD_MAX + 1 && result == 1; i++) {
		send_fds(pair.raw, fds, 8);
		result = imsgbuf_read(&pair.b);
	}
	assert_int_equal(result, -1);
	assert_int_equal(errno, EBADMSG);
	assert_int_equal(i, IMSG_FD_MAX + 1);
	assert_int_equal(open_descriptors(), before + 2 + IMSG_FD_MAX);
	pair_close(&pair);
	assert_int_equal(open_descriptors(), before);
}

static void
test_lengths(void **state)
{
	static const uint32_t bad[] = {0, 1, 15, MAX_IMSGSIZE + 1, 0x3fffffff,
	    0x7fffffff, 0x80000000, 0xffffffff, 0x8000000f};
	struct pair pair;
	struct imsg imsg;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		pair_open(&pair);
		raw_frame(pair.raw, 1, bad[i], NULL, 0);
		assert_int_equal(imsgbuf_read(&pair.b), 1);
		assert_int_equal(imsg_get(&pair.b, &imsg), -1);
		assert_int_equal(errno, ERANGE);
		pair_close(&pair);
	}
	pair_open(&pair);
	assert_int_equal(imsgbuf_set_maxsize(&pair.b, 4), 0);
	raw_frame(pair.raw, 1, 20, "abcd", 4);
	raw_frame(pair.raw, 1, 21, "abcde", 5);
	assert_int_equal(imsgbuf_read(&pair.b), 1);
	assert_int_equal(imsgbuf_set_maxsize(&pair.b, 5), -1);
	assert_int_equal(imsg_get(&pair.b, &imsg), 20);
	imsg_free(&imsg);
	assert_int_equal(imsg_get(&pair.b, &imsg), -1);
	assert_int_equal(imsg_compose(&pair.b, 1, 0, 0, -1, "abcde", 5), -1);
	assert_int_equal(errno, ERANGE);
	assert_int_equal(imsgbuf_queuelen(&pair.b), 0);
	pair_close(&pair);
}

/* A mark without a descriptor behind it: missing, and nothing else. */
static void
test_mark_alone(void **state)
{
	struct pair pair;
	struct imsg imsg;

	(void)state;
	pair_open(&pair);
	raw_frame(pair.raw, 1, 0x80000000U | 17, "x", 1);
	raw_frame(pair.raw, 2, 0x40000000U | 16, NULL, 0);
	assert_int_equal(imsgbuf_read(&pair.b), 1);
	assert_int_equal(imsg_get(&pair.b, &imsg), 17);
	assert_int_equal(imsg_get_fd(&imsg), -1);
	assert_true(imsg_fd_lost(&imsg));
	imsg_free(&imsg);
	assert_int_equal(imsg_get(&pair.b, &imsg), 16);
	assert_true(imsg_fd_lost(&imsg));
	imsg_free(&imsg);
	pair_close(&pair);
}

/* A full buffer that nobody empties is an error and not a busy loop. */
static void
test_input_full(void **state)
{
	struct pair pair;
	static char data[8192];
	int i, result = 1;

	(void)state;
	pair_open(&pair);
	for (i = 0; i < 20 && result == 1; i++) {
		imsg_compose(&pair.a, 1, 0, 0, -1, data, sizeof(data));
		assert_int_equal(imsgbuf_flush(&pair.a), 0);
		result = imsgbuf_read(&pair.b);
	}
	assert_int_equal(result, -1);
	assert_int_equal(errno, ENOBUFS);
	pair_close(&pair);
}

/* Nothing of a message stays in the input buffer once it was taken. */
static void
test_wiped(void **state)
{
	struct pair pair;
	struct imsg imsg;

	(void)state;
	pair_open(&pair);
	imsg_compose(&pair.a, 1, 0, 0, -1, "secret-in-transit", 17);
	imsg_compose(&pair.a, 1, 0, 0, -1, "secret-in-transit", 17);
	assert_int_equal(imsgbuf_flush(&pair.a), 0);
	assert_int_equal(imsgbuf_read(&pair.b), 1);
	while (imsg_get(&pair.b, &imsg) > 0)
		imsg_free(&imsg);
	assert_null(memmem(pair.b.in, 66, "secret", 6));
	pair_close(&pair);
}

static void
test_closed_peer(void **state)
{
	struct pair pair;

	(void)state;
	pair_open(&pair);
	imsg_compose(&pair.b, 1, 0, 0, -1, "x", 1);
	close(pair.a.fd);
	pair.a.fd = -1;
	assert_int_equal(imsgbuf_write(&pair.b), -1); /* and no SIGPIPE */
	assert_int_equal(errno, EPIPE);
	pair_close(&pair);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_numbers),
	    cmocka_unit_test(test_buffer_limits),
	    cmocka_unit_test(test_round_trip),
	    cmocka_unit_test(test_fragments),
	    cmocka_unit_test(test_volume),
	    cmocka_unit_test(test_fd_on_right_frame),
	    cmocka_unit_test(test_fd_exhaustion),
	    cmocka_unit_test(test_fd_too_many_in_flight),
	    cmocka_unit_test(test_fd_not_allowed),
	    cmocka_unit_test(test_fd_flood),
	    cmocka_unit_test(test_lengths),
	    cmocka_unit_test(test_mark_alone),
	    cmocka_unit_test(test_input_full),
	    cmocka_unit_test(test_wiped),
	    cmocka_unit_test(test_closed_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
