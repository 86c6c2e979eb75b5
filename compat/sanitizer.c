/* SPDX-License-Identifier: ISC */
/*
 * For builds with AddressSanitizer and UndefinedBehaviorSanitizer alone (make
 * sanitize). The processes have no environment to take options from, and what
 * they say on standard error is lost more often than not: where the build
 * names a file (SANITIZER_REPORTS), every report is appended to it, whoever
 * makes it, and regress/check.sh fails unless it stays empty.
 *
 * The search for leaks at exit needs ptrace(2), which no promise gives: it is
 * made where the sandbox is left out (SANDBOX_OFF).
 */
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

#include "compat/sandbox.h"
#include "paths.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define WITH_SANITIZER
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define WITH_SANITIZER
#endif

#ifndef WITH_SANITIZER

void
sandbox_prepare(void)
{
}

#else

/* The sanitizers' own interface. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__lsan_default_suppressions(void);
void __sanitizer_set_report_fd(void *);

/* Names are found later, by reports.sh: that takes another process. */
#define ALWAYS \
	"symbolize=0:print_suppressions=0:detect_stack_use_after_return=1:"

const char *
__asan_default_options(void)
{
#ifdef SANDBOX_OFF
	return ALWAYS "detect_leaks=1";
#else
	return ALWAYS "detect_leaks=0";
#endif
}

const char *
__ubsan_default_options(void)
{
	return "symbolize=0:print_stacktrace=1";
}

/*
 * The constructor of libbsd copies the program's name, and setprogname(3)
 * forgets it. Berkeley DB forgets buffers when it finds its files damaged.
 */
const char *
__lsan_default_suppressions(void)
{
	return "leak:libbsd.so\nleak:libdb-\n";
}

/* Opens the file of the reports, also when closefrom(3) has closed it. */
__attribute__((constructor)) static void
open_reports(void)
{
#ifdef SANITIZER_REPORTS
	static int reports = -1;

	if (reports != -1 && fcntl(reports, F_GETFD) != -1)
		return;
	reports = open(SANITIZER_REPORTS, O_WRONLY | O_APPEND | O_CLOEXEC);
	__sanitizer_set_report_fd(
	    (void *)(intptr_t)(reports != -1 ? reports : STDERR_FILENO));
#endif
}

void
sandbox_prepare(void)
{
	open_reports();
}

#endif
