/* SPDX-License-Identifier: ISC */
/* What is done with sockets. */
#include <sys/socket.h>
#include <sys/un.h>

#include <netinet/in.h>
#include <netinet/tcp.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <string.h>
#include <unistd.h>

#include "regress/sandbox/actions.h"

#define TRY(name, call)                       \
	static int name(void)                 \
	{                                     \
		return (call) == -1 ? -1 : 0; \
	}

#define VSOCK 40
#define ULP 31

/* Whether the kernel has the family, or gives it to us, is another matter. */
static int
exotic(int domain, int type, int protocol)
{
	(void)socket(domain, type, protocol);
	return 0;
}

TRY(tcp_socket, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0))
TRY(udp_socket, socket(AF_INET, SOCK_DGRAM, 0))
TRY(tcp6_socket, socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP))
TRY(unix_socket, socket(AF_UNIX, SOCK_STREAM, 0))
TRY(unix_packet_socket, socket(AF_UNIX, SOCK_SEQPACKET, 0))
TRY(log_socket, socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0))
TRY(raw_socket, exotic(AF_INET, SOCK_RAW, IPPROTO_ICMP))
TRY(netlink_socket, exotic(AF_NETLINK, SOCK_RAW, 0))
TRY(packet_socket, exotic(AF_PACKET, SOCK_DGRAM, 0))
TRY(vsock_socket, exotic(VSOCK, SOCK_STREAM, 0))
TRY(x25_socket, exotic(AF_X25, SOCK_SEQPACKET, 0))
TRY(sctp_socket, exotic(AF_INET, SOCK_STREAM, IPPROTO_SCTP))
TRY(no_delay,
    setsockopt(
	world.listener, IPPROTO_TCP, TCP_NODELAY, &(int) {1}, sizeof(int)))
TRY(upper_layer, setsockopt(world.listener, IPPROTO_TCP, ULP, "tls", 4))

static int
to_listener(int (*function)(int, const struct sockaddr *, socklen_t), int port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sin.sin_port = htons((uint16_t)port);
	return fd == -1
	    ? -1
	    : function(fd, (const struct sockaddr *)&sin, sizeof(sin));
}

static int
tcp_connect(void)
{
	return to_listener(connect, world.port);
}

static int
tcp_bind(void)
{
	return to_listener(bind, 0);
}

/* With a socket that it was given. */
static int
listen_again(void)
{
	return listen(world.listener, 10);
}

static int
unix_connect(void)
{
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = world.pair[0];

	(void)strlcpy(sun.sun_path, "missing", sizeof(sun.sun_path));
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) == -1 &&
	    (errno == ENOENT || errno == EISCONN))
		return 0;
	return -1;
}

static int
accept_one(void)
{
	int flags = fcntl(world.listener, F_GETFL);

	if (fcntl(world.listener, F_SETFL, flags | O_NONBLOCK) == -1)
		return -1;
	if (accept4(world.listener, NULL, NULL, SOCK_CLOEXEC) == -1 &&
	    errno != EAGAIN)
		return -1;
	return 0;
}

static int
attach_filter(void)
{
	struct sock_filter code = {.code = BPF_RET | BPF_K, .k = 0xffff};
	struct sock_fprog program = {.len = 1, .filter = &code};

	return setsockopt(world.pair[0], SOL_SOCKET, SO_ATTACH_FILTER, &program,
	    sizeof(program));
}

const struct action net_actions[] = {
    {"TCP socket", "inet|dns", KILLED, tcp_socket},
    {"TCP socket, IPv6", "inet|dns", KILLED, tcp6_socket},
    {"UDP socket", "inet|dns", KILLED, udp_socket},
    {"TCP connect", "inet", KILLED, tcp_connect, "dns"},
    {"TCP bind", "inet", KILLED, tcp_bind, "dns"},
    {"listen", "inet|unix", KILLED, listen_again},
    {"accept", "inet|unix|dns", REFUSED, accept_one},
    {"TCP_NODELAY", "inet|unix|dns", REFUSED, no_delay},
    {"TCP upper layer protocol", NULL, REFUSED, upper_layer},
    {"socket filter", NULL, REFUSED, attach_filter},
    {"unix socket", "unix|getpw", KILLED, unix_socket},
    {"unix packet socket", "unix", KILLED, unix_packet_socket},
    {"unix datagram socket", "unix|getpw", REFUSED, log_socket},
    {"connect a unix socket", "inet|unix|dns|getpw", KILLED, unix_connect},
    {"raw socket", "exec", KILLED, raw_socket},
    {"netlink socket", "exec", KILLED, netlink_socket},
    {"packet socket", "exec", KILLED, packet_socket},
    {"vsock socket", "exec", KILLED, vsock_socket},
    {"X.25 socket", "exec", KILLED, x25_socket},
    {"SCTP socket", "exec", KILLED, sctp_socket},
};
const size_t nnet_actions = sizeof(net_actions) / sizeof(net_actions[0]);
