/* SPDX-License-Identifier: ISC */
/* Inside compat/ only: the promises as bits, and the table of system calls. */
#ifndef COMPAT_PROMISES_H
#define COMPAT_PROMISES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <seccomp.h>

enum promise {
	STDIO = 1 << 0,
	RPATH = 1 << 1,
	WPATH = 1 << 2,
	CPATH = 1 << 3,
	FLOCK = 1 << 4,
	FATTR = 1 << 5,
	CHOWN = 1 << 6,
	INET = 1 << 7,
	UNIX = 1 << 8,
	DNS = 1 << 9,
	RECVFD = 1 << 10,
	SENDFD = 1 << 11,
	PROC = 1 << 12,
	EXEC = 1 << 13,
	ID = 1 << 14,
	GETPW = 1 << 15,
	TTY = 1 << 16,
	UNVEIL = 1 << 17,
	PROT_EXEC_OK = 1 << 18,

	/* Not words of pledge(2), but granted by it. */
	ACCEPT = 1 << 24, /* what "inet" is after sandbox_accept_only */
	NARROW = 1 << 25, /* to promise less later */
	MEMORY = 1 << 26, /* sandbox_memory_files */

	NEVER = 0, /* in the table: whatever was promised */
	EVERYTHING = 0x7fffffff /* what may start other programs */
};

/* What becomes of a call that a row of the table covers. */
enum tier {
	PASS, /* runs, where one of the row's promises was made */
	REFUSE, /* EACCES, unless one was: a library may try it unasked */
	NO_SEEK, /* ESPIPE, unless one was: dprintf(3) then writes at once */
	ABSENT, /* ENOSYS, unless one was: libc has another way */
	KILL /* ends the process, unless one was: nothing here does it */
};

/* A value that stands for this process's id in a check. */
#define OWN_PID UINT64_MAX

struct rule {
	enum tier tier;
	uint32_t promises;
	int call; /* libseccomp's number; negative: not on this machine */
	unsigned int nchecks;
	struct scmp_arg_cmp checks[2]; /* all must hold for the row to apply */
};

extern const struct rule sandbox_rules[];
extern const size_t sandbox_nrules;

/*
 * Landlock for pledge(): forbids what `promises` do not cover and locks the
 * rules of unveil(). What starts other programs (`executes`) must not bind
 * them: for it the rules alone count. Both in unveil.c.
 */
int unveil_enforce(uint32_t promises, bool executes);
int unveil_used(void);

/* For the others here, in pledge.c. */
int pledge_available(void);
uint32_t pledge_held(void); /* what is promised so far */
void pledge_trap_and_exit(void);
/* Early, once for all children that will pledge. */
void pledge_prepare(void);

/*
 * In trap.c: what a forbidden call does where it does not kill: it is logged
 * and fails, or (for the proof) the process exits with TRAPPED_EXIT.
 */
#define TRAPPED_EXIT 31
int trap_install(uint32_t promises, bool exit_at_once);

#endif
