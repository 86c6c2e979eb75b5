/* SPDX-License-Identifier: ISC */
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <errno.h>
#include <stddef.h>
#include <unistd.h>

#include "compat/landlock.h"

/* The numbers are the same on every architecture. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

#define CREATE_RULESET_VERSION 1U
#define RULE_PATH_BENEATH 1
#define RULE_NET_PORT 2

struct ruleset_attr {
	uint64_t files;
	uint64_t tcp; /* from ABI 4 */
	uint64_t scopes; /* from ABI 6 */
};

struct path_attr {
	uint64_t rights;
	int32_t fd;
} __attribute__((packed));

struct port_attr {
	uint64_t rights;
	uint64_t port;
};

/* What each version knows, and how long its attribute is. */
static const struct {
	int abi;
	uint64_t files;
	uint64_t tcp;
	uint64_t scopes;
	size_t size;
} versions[] = {
    {6, LL_ALL_FILES, LL_BIND_TCP | LL_CONNECT_TCP,
	LL_SCOPE_ABSTRACT_SOCKETS | LL_SCOPE_SIGNALS, 24},
    {5, LL_ALL_FILES, LL_BIND_TCP | LL_CONNECT_TCP, 0, 16},
    {4, LL_ALL_FILES & ~LL_IOCTL_DEV, LL_BIND_TCP | LL_CONNECT_TCP, 0, 16},
    {3, LL_ALL_FILES & ~LL_IOCTL_DEV, 0, 0, 8},
    {2, LL_ALL_FILES & ~(LL_IOCTL_DEV | LL_TRUNCATE), 0, 0, 8},
};
#define NVERSIONS (sizeof(versions) / sizeof(versions[0]))

/* Asked once, before a filter might forbid the question. */
int
landlock_abi(void)
{
	static int abi = -1;
	int saved = errno;

	if (abi == -1) {
		abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0,
		    CREATE_RULESET_VERSION);
		if (abi < 2)
			abi = 0;
		errno = saved;
	}
	return abi;
}

static size_t
version(void)
{
	size_t i = 0;

	while (i < NVERSIONS - 1 && versions[i].abi > landlock_abi())
		i++;
	return i;
}

int
landlock_ruleset(uint64_t files, uint64_t tcp, uint64_t scopes)
{
	size_t i = version();
	struct ruleset_attr attr = {
	    .files = files & versions[i].files,
	    .tcp = tcp & versions[i].tcp,
	    .scopes = scopes & versions[i].scopes,
	};

	return (int)syscall(
	    SYS_landlock_create_ruleset, &attr, versions[i].size, 0);
}

int
landlock_allow_below(int ruleset, int fd, uint64_t rights)
{
	struct path_attr attr = {.fd = fd};
	struct stat st;

	if (fstat(fd, &st) == -1)
		return -1;
	if (!S_ISDIR(st.st_mode))
		rights &= LL_OF_FILES;
	attr.rights = rights & versions[version()].files;
	if (attr.rights == 0)
		return 0;
	return (int)syscall(
	    SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &attr, 0);
}

int
landlock_allow_port(int ruleset, unsigned int port, uint64_t rights)
{
	struct port_attr attr = {.port = port};

	attr.rights = rights & versions[version()].tcp;
	if (attr.rights == 0)
		return 0;
	return (int)syscall(
	    SYS_landlock_add_rule, ruleset, RULE_NET_PORT, &attr, 0);
}

int
landlock_enforce(int ruleset)
{
	int result = -1, saved;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
		result = (int)syscall(SYS_landlock_restrict_self, ruleset, 0);
	saved = errno;
	close(ruleset);
	errno = saved;
	return result;
}
