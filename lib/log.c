/* SPDX-License-Identifier: ISC */
#include <sys/types.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "lib/log.h"

#define LINE_MAX_OCTETS 2048

static const char *log_name = "smtpd-stoken";
static char log_ident[64];
static int log_to_stderr = 1;
static int log_is_verbose;
static pid_t log_pid; /* asked once: log_init() is called after a fork */

void
log_init(const char *name, int debug, int verbose)
{
	log_name = name;
	log_pid = 0;
	log_to_stderr = debug;
	log_is_verbose = verbose;
	if (debug)
		return;
	(void)snprintf(log_ident, sizeof(log_ident), "%s%s",
	    strcmp(name, "smtpd-stoken") == 0 ? "" : "smtpd-stoken/", name);
	openlog(log_ident, LOG_PID | LOG_NDELAY, LOG_MAIL);
}

void
log_verbose(int verbose)
{
	log_is_verbose = verbose;
}

/* One write(2) a line, so that lines of several processes do not mix. */
static void
log_line(int priority, int error, const char *format, va_list ap)
{
	char line[LINE_MAX_OCTETS];
	size_t length = 0, size = sizeof(line) - 1;
	int n;

	if (log_to_stderr) {
		if (log_pid == 0)
			log_pid = getpid();
		n = snprintf(line, size, "%s[%ld]: ", log_name, (long)log_pid);
		length = n > 0 ? (size_t)n : 0;
	}
	n = vsnprintf(line + length, size - length, format, ap);
	if (n > 0)
		length += (size_t)n;
	if (length >= size)
		length = size - 1;
	if (error != 0) {
		n = snprintf(
		    line + length, size - length, ": %s", strerror(error));
		if (n > 0)
			length += (size_t)n;
		if (length >= size)
			length = size - 1;
	}
	if (!log_to_stderr) {
		syslog(priority, "%s", line);
		return;
	}
	line[length++] = '\n';
	if (write(STDERR_FILENO, line, length) == -1)
		return; /* nobody is left to tell */
}

#define LOG_AS(priority, error)                        \
	do {                                           \
		va_list ap;                            \
		va_start(ap, format);                  \
		log_line(priority, error, format, ap); \
		va_end(ap);                            \
	} while (0)

void
log_info(const char *format, ...)
{
	LOG_AS(LOG_INFO, 0);
}

void
log_warn(const char *format, ...)
{
	int saved = errno;

	LOG_AS(LOG_WARNING, saved);
	errno = saved;
}

void
log_warnx(const char *format, ...)
{
	LOG_AS(LOG_WARNING, 0);
}

void
log_debug(const char *format, ...)
{
	if (log_is_verbose)
		LOG_AS(LOG_DEBUG, 0);
}

void
fatal(const char *format, ...)
{
	int saved = errno;

	LOG_AS(LOG_CRIT, saved);
	exit(1);
}

void
fatalx(const char *format, ...)
{
	LOG_AS(LOG_CRIT, 0);
	exit(1);
}

const char *
log_safe(char *out, size_t size, struct bytes text)
{
	size_t i, used = 0;
	uint8_t c;

	for (i = 0; i < text.length && size - used > 4; i++) {
		c = text.data[i];
		if (c > 0x20 && c < 0x7f && strchr("\"\\<>", c) == NULL) {
			out[used++] = (char)c;
			continue;
		}
		out[used++] = '\\';
		out[used++] = (char)('0' + (c >> 6));
		out[used++] = (char)('0' + (c >> 3 & 7));
		out[used++] = (char)('0' + (c & 7));
	}
	out[used] = '\0';
	return out;
}
