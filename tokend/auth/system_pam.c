/* SPDX-License-Identifier: ISC */
/* users system on Linux: PAM, service "smtpd-stoken". */
#include <errno.h>
#include <shadow.h>
#include <stdlib.h>
#include <string.h>

#include <security/pam_appl.h>

#include "tokend/auth/system.h"

#define SERVICE "smtpd-stoken"
#define MESSAGES_MAX 16 /* of one conversation */
#define SHADOW_SIZE 4096 /* of a line of /etc/shadow */

/* What an error of PAM means to a client; the others are ours to mend. */
static const struct {
	int error;
	enum system_verdict verdict;
} verdicts[] = {
    {PAM_SUCCESS, SYSTEM_YES},
    {PAM_AUTH_ERR, SYSTEM_NO},
    {PAM_MAXTRIES, SYSTEM_NO},
    {PAM_CRED_INSUFFICIENT, SYSTEM_NO},
    {PAM_USER_UNKNOWN, SYSTEM_UNKNOWN},
    {PAM_PERM_DENIED, SYSTEM_DISABLED},
    {PAM_ACCT_EXPIRED, SYSTEM_EXPIRED},
    {PAM_NEW_AUTHTOK_REQD, SYSTEM_EXPIRED},
    {PAM_AUTHTOK_EXPIRED, SYSTEM_EXPIRED},
    {PAM_CRED_EXPIRED, SYSTEM_EXPIRED},
};

static enum system_verdict
verdict_of(int error)
{
	size_t i;

	for (i = 0; i < sizeof(verdicts) / sizeof(verdicts[0]); i++) {
		if (verdicts[i].error == error)
			return verdicts[i].verdict;
	}
	return SYSTEM_TEMPORARY;
}

static void
free_responses(struct pam_response *responses, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		if (responses[i].resp != NULL)
			freezero(responses[i].resp, strlen(responses[i].resp));
	}
	free(responses);
}

/*
 * The password is the answer to every question that is not to be echoed; a
 * client of SMTP cannot be asked anything else.
 */
static int
converse(int count, const struct pam_message **messages,
    struct pam_response **answers, void *context)
{
	struct pam_response *responses;
	int i;

	if (count < 1 || count > MESSAGES_MAX ||
	    (responses = calloc((size_t)count, sizeof(*responses))) == NULL)
		return PAM_CONV_ERR;
	for (i = 0; i < count; i++) {
		if (messages[i]->msg_style == PAM_PROMPT_ECHO_ON ||
		    (messages[i]->msg_style == PAM_PROMPT_ECHO_OFF &&
			(responses[i].resp = strdup(context)) == NULL)) {
			free_responses(responses, count);
			return PAM_CONV_ERR;
		}
	}
	*answers = responses;
	return PAM_SUCCESS;
}

/* A user of a directory has no entry there. */
int
system_secret(const char *name, char *out, size_t size)
{
	struct spwd entry, *shadow;
	char text[SHADOW_SIZE];
	int error, has;

	error = getspnam_r(name, &entry, text, sizeof(text), &shadow);
	if (shadow == NULL)
		return error == 0 || error == ENOENT || error == ESRCH ? 0 : -1;
	has = shadow->sp_pwdp != NULL &&
	    strlcpy(out, shadow->sp_pwdp, size) < size;
	explicit_bzero(text, sizeof(text));
	return has;
}

/* A module may have made another user of it. */
static int
same_user(pam_handle_t *pam, const char *name)
{
	const void *user;

	return pam_get_item(pam, PAM_USER, &user) == PAM_SUCCESS &&
		user != NULL && strcmp(user, name) == 0
	    ? PAM_SUCCESS
	    : PAM_SYSTEM_ERR;
}

enum system_verdict
system_check(const char *name, const char *password, const char *address)
{
	struct pam_conv conversation = {converse, (void *)(uintptr_t)password};
	const int flags = PAM_SILENT | PAM_DISALLOW_NULL_AUTHTOK;
	pam_handle_t *pam = NULL;
	int error;

	if (pam_start(SERVICE, name, &conversation, &pam) != PAM_SUCCESS)
		return SYSTEM_TEMPORARY;
	error = pam_set_item(pam, PAM_TTY, SERVICE);
	if (error == PAM_SUCCESS && *address != '\0')
		error = pam_set_item(pam, PAM_RHOST, address);
	if (error == PAM_SUCCESS)
		error = pam_authenticate(pam, flags);
	if (error == PAM_SUCCESS)
		error = same_user(pam, name);
	if (error == PAM_SUCCESS)
		error = pam_acct_mgmt(pam, flags);
	(void)pam_end(pam, error);
	return verdict_of(error);
}
