/* SPDX-License-Identifier: ISC */
/* users system on OpenBSD: bsd_auth, type "auth-smtp" of login.conf(5). */
#include <sys/types.h>

#include <bsd_auth.h>
#include <login_cap.h>
#include <pwd.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tokend/auth/system.h"

int
system_secret(const char *name, char *out, size_t size)
{
	const struct passwd *pw = getpwnam_shadow(name);

	return pw != NULL && strlcpy(out, pw->pw_passwd, size) < size;
}

enum system_verdict
system_check(const char *name, const char *password, const char *address)
{
	struct passwd *pw = getpwnam(name);
	char text[PASSWORD_MAX + 1];
	int ok;

	(void)address;
	if (pw == NULL)
		return SYSTEM_UNKNOWN;
	if (pw->pw_expire != 0 && time(NULL) >= pw->pw_expire)
		return SYSTEM_EXPIRED;
	if (pw->pw_change != 0 && time(NULL) >= pw->pw_change)
		return SYSTEM_EXPIRED;
	(void)strlcpy(text, password, sizeof(text)); /* it is wiped there */
	ok = auth_userokay((char *)(uintptr_t)name, NULL,
	    (char *)(uintptr_t) "auth-smtp", text);
	explicit_bzero(text, sizeof(text));
	return ok ? SYSTEM_YES : SYSTEM_NO;
}
