/* SPDX-License-Identifier: ISC */
/*
 * unveil(2) on Linux, with Landlock, and what pledge() adds to it: no file at
 * all without a promise about files, no TCP port without "inet", no signal or
 * abstract socket to the outside.
 *
 * Rules take effect when they are locked, not one by one as on OpenBSD. A
 * Landlock domain also outlives execve(2), where OpenBSD starts anew; so a
 * process with an "x" among its rules (one that starts others) is held to its
 * rules in one respect only: what it may execute.
 */
#include <sys/types.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/landlock.h"
#include "compat/promises.h"

#define MAX_RULES 64

static const struct {
	char letter;
	uint64_t rights;
} letters[] = {
    {'r', LL_READ_FILE | LL_READ_DIR},
    {'w', LL_WRITE_FILE | LL_TRUNCATE},
    {'x', LL_EXECUTE},
    {'c',
	LL_MAKE_REG | LL_MAKE_DIR | LL_MAKE_SOCK | LL_MAKE_FIFO | LL_MAKE_SYM |
	    LL_REMOVE_FILE | LL_REMOVE_DIR | LL_REFER},
};

static struct {
	size_t nrules;
	bool locked;
	bool executes;
	struct {
		int fd;
		uint64_t rights;
	} rules[MAX_RULES];

	/* What is denied already, without exception. */
	bool no_files;
	bool no_tcp;
	bool scoped;
} state;

int
unveil_used(void)
{
	return (state.nrules > 0 || state.locked) && !state.executes &&
	    landlock_abi() > 0;
}

static int
parse_permissions(const char *permissions, uint64_t *rights)
{
	*rights = 0;
	for (; *permissions != '\0'; permissions++) {
		size_t i = 0;

		while (i < sizeof(letters) / sizeof(letters[0]) &&
		    letters[i].letter != *permissions)
			i++;
		if (i == sizeof(letters) / sizeof(letters[0])) {
			errno = EINVAL;
			return -1;
		}
		*rights |= letters[i].rights;
	}
	return 0;
}

static int
remember(const char *path, uint64_t rights)
{
	int fd;

	if (state.nrules == MAX_RULES) {
		errno = E2BIG;
		return -1;
	}
	fd = open(path, O_PATH | O_CLOEXEC);
	if (fd == -1)
		return -1;
	if ((rights & LL_EXECUTE) != 0)
		state.executes = true;
	state.rules[state.nrules].fd = fd;
	state.rules[state.nrules].rights = rights;
	state.nrules++;
	return 0;
}

static void
forget_rules(void)
{
	for (size_t i = 0; i < state.nrules; i++)
		close(state.rules[i].fd);
	state.nrules = 0;
	state.locked = true;
}

/* A program cannot start without the loader that it names. */
static int
find_loader(struct dl_phdr_info *info, size_t size, void *result)
{
	(void)size;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *header = &info->dlpi_phdr[i];

		if (header->p_type == PT_INTERP)
			*(const char **)result =
			    (const char *)(info->dlpi_addr + header->p_vaddr);
	}
	return 1; /* the first object is the program itself */
}

static int
allow_path(int ruleset, const char *path, uint64_t rights)
{
	int fd = open(path, O_PATH | O_CLOEXEC), result;

	if (fd == -1)
		return errno == ENOENT ? 0 : -1;
	result = landlock_allow_below(ruleset, fd, rights);
	close(fd);
	return result;
}

static int
allow_rules(int ruleset, uint64_t denied)
{
	const char *loader = NULL;

	for (size_t i = 0; i < state.nrules; i++) {
		if (landlock_allow_below(ruleset, state.rules[i].fd,
			state.rules[i].rights & denied) == -1)
			return -1;
	}
	if (state.executes) {
		dl_iterate_phdr(find_loader, &loader);
		if (loader != NULL &&
		    allow_path(ruleset, loader, LL_EXECUTE) == -1)
			return -1;
	}
	return 0;
}

/*
 * The user database is replaced by rename(2), so its directory it must be;
 * the second is where systemd's name service has its socket.
 */
static int
allow_getpw(int ruleset)
{
	return allow_path(ruleset, "/etc", LL_READ_FILE) == 0 &&
		allow_path(ruleset, "/run/systemd/userdb",
		    LL_READ_FILE | LL_READ_DIR) == 0
	    ? 0
	    : -1;
}

/*
 * Every ruleset denies moves and links between directories, even one that is
 * only about TCP, unless it says otherwise: lmtpd's tmp to new. Who may not
 * change names needs no exception, and could not open the directory for it.
 */
static int
allow_refer(int ruleset, uint64_t denied, uint32_t promises)
{
	if ((denied & LL_REFER) != 0 || (promises & CPATH) == 0)
		return 0;
	return allow_path(ruleset, "/", LL_REFER);
}

static int
enforce(uint64_t files, uint64_t tcp, uint64_t scopes, uint32_t promises)
{
	int ruleset, saved;

	if (landlock_abi() == 0 || (files | tcp | scopes) == 0)
		return 0;
	ruleset = landlock_ruleset(files | LL_REFER, tcp, scopes);
	if (ruleset == -1) {
		/* Nothing of it is known to this kernel. */
		return errno == ENOMSG ? 0 : -1;
	}
	if (allow_rules(ruleset, files) == -1 ||
	    allow_refer(ruleset, files, promises) == -1 ||
	    ((promises & GETPW) != 0 && files != 0 &&
		allow_getpw(ruleset) == -1) ||
	    ((promises & DNS) != 0 && tcp != 0 &&
		landlock_allow_port(ruleset, 53, LL_CONNECT_TCP) == -1)) {
		saved = errno;
		close(ruleset);
		errno = saved;
		return -1;
	}
	return landlock_enforce(ruleset);
}

static uint64_t
files_to_deny(void)
{
	return state.executes ? LL_EXECUTE : LL_ALL_FILES;
}

/*
 * Who has promised "getpw" may read the user database whatever was unveiled.
 * If the next pledge() takes that back, the rules are needed once more.
 */
static int
lock(void)
{
#ifndef SANDBOX_OFF
	uint32_t getpw = pledge_held() & GETPW;

	if (state.nrules > 0 &&
	    enforce(files_to_deny(), 0, 0, getpw | CPATH) == -1)
		return -1;
	if (getpw != 0) {
		state.locked = true;
		return 0;
	}
#endif
	forget_rules();
	return 0;
}

int
unveil(const char *path, const char *permissions)
{
	uint64_t rights;

	if (path == NULL && permissions == NULL) {
		if (state.locked)
			return 0;
		return lock();
	}
	if (path == NULL || permissions == NULL || state.locked) {
		errno = state.locked ? EPERM : EINVAL;
		return -1;
	}
	return parse_permissions(permissions, &rights) == -1
	    ? -1
	    : remember(path, rights);
}

/* Without such a promise no name reaches a file, whatever was unveiled. */
static uint64_t
files_without_promise(uint32_t promises)
{
	if ((promises & (RPATH | WPATH | CPATH | UNVEIL)) != 0)
		return 0;
	forget_rules();
	state.executes = false;
	return state.no_files ? 0 : LL_ALL_FILES;
}

int
unveil_enforce(uint32_t promises, bool executes)
{
	bool last = state.nrules > 0 && (promises & UNVEIL) == 0;
	uint64_t files = last ? files_to_deny() : 0, tcp = 0, scopes = 0;

	if (!executes) {
		uint64_t none = files_without_promise(promises);

		files |= none;
		if ((promises & INET) == 0 && !state.no_tcp)
			tcp = LL_BIND_TCP | LL_CONNECT_TCP;
		if (!state.scoped)
			scopes = LL_SCOPE_ABSTRACT_SOCKETS | LL_SCOPE_SIGNALS;
		if (enforce(files, tcp, scopes, promises) == -1)
			return -1;
		state.no_files |= none != 0 && (promises & GETPW) == 0;
		state.no_tcp |= tcp != 0 && (promises & DNS) == 0;
		state.scoped = true;
	} else if (enforce(files, tcp, scopes, CPATH) == -1) {
		return -1;
	}
	if (last)
		forget_rules();
	return 0;
}
