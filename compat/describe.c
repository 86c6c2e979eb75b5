/* SPDX-License-Identifier: ISC */
#include <stdio.h>

#include "compat/sandbox.h"

#ifdef __OpenBSD__

const char *
sandbox_describe(char *out, size_t size)
{
	(void)snprintf(out, size, "pledge(2), unveil(2)");
	return out;
}

void
sandbox_prepare(void)
{
}

void
sandbox_undumpable(void)
{
	/* setrlimit(2) does the rest: there is no more to do here. */
}

void
sandbox_log_mode(int on)
{
	(void)on;
}

void
sandbox_accept_only(void)
{
}

void
sandbox_connect_only(void)
{
}

void
sandbox_memory_files(void)
{
}

#else

#include <sys/prctl.h>

#include "compat/landlock.h"
#include "compat/promises.h"

static const struct {
	int abi;
	const char *covers;
} landlock_versions[] = {
    {6, "files, TCP, signals, abstract sockets"},
    {4, "files, TCP"},
    {1, "files"},
    {0, ""},
};

const char *
sandbox_describe(char *out, size_t size)
{
	const char *calls = pledge_available() ? "seccomp" : "NO SECCOMP";
	int abi = landlock_abi();
	size_t i = 0;

#ifdef SANDBOX_OFF
	calls = "NONE (built without a sandbox)";
#endif
	while (landlock_versions[i].abi > abi)
		i++;
	if (abi == 0)
		(void)snprintf(out, size,
		    "%s, NO LANDLOCK (names of files are not checked)", calls);
	else
		(void)snprintf(out, size, "%s, Landlock ABI %d (%s)", calls,
		    abi, landlock_versions[i].covers);
	return out;
}

void
sandbox_undumpable(void)
{
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

#endif
