/* SPDX-License-Identifier: ISC */
/* The files that the configuration names, and the file that it is. */
#include <sys/stat.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "smtpd-stoken/config-file.h"
#include "smtpd-stoken/config.h"

/* What is wrong with an open file, or NULL. */
static const char *
objection(const struct stat *status, enum config_file_kind kind)
{
	mode_t mode = status->st_mode;

	if (!S_ISREG(mode))
		return "it is not a regular file, expected one";
	if (kind == CONFIG_FILE_SECRET && (mode & 0137) != 0)
		return "others may use it, expected mode 0640 or tighter";
	if ((mode & 022) != 0)
		return "others may write it, expected mode 0644 or tighter";
	if (kind == CONFIG_FILE_OWN && status->st_uid != 0 &&
	    status->st_uid != geteuid())
		return "it is somebody else's, expected root or you as owner";
	return NULL;
}

int
config_file_open(
    const char *path, enum config_file_kind kind, char *why, size_t size)
{
	struct stat status;
	const char *wrong;
	int fd;

	/* Not to be held up by a FIFO. */
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd == -1 || fstat(fd, &status) == -1) {
		snprintf(why, size,
		    "cannot open it: %s, expected a file that "
		    "can be read",
		    strerror(errno));
		if (fd != -1)
			close(fd);
		return -1;
	}
	if ((wrong = objection(&status, kind)) != NULL) {
		snprintf(why, size, "mode %04o: %s",
		    (unsigned int)status.st_mode & 07777, wrong);
		close(fd);
		errno = EINVAL;
		return -1;
	}
	return fd;
}

int
config_open_file(const char *path, int secret, FILE *errors)
{
	char why[256];
	int fd;

	fd = config_file_open(path,
	    secret ? CONFIG_FILE_SECRET : CONFIG_FILE_PUBLIC, why, sizeof(why));
	if (fd == -1 && errors != NULL)
		fprintf(errors, "%s: %s\n", path, why);
	return fd;
}

/*
 * 1 when it counts as an error. An ordinary user who checks the machine's
 * configuration cannot read its keys: that is said, and is no error.
 */
static int
check_file(const char *path, int secret, FILE *errors)
{
	int fd, saved;

	if (path == NULL)
		return 0;
	if ((fd = config_open_file(path, secret, errors)) != -1) {
		close(fd);
		return 0;
	}
	saved = errno;
	return !(saved == EACCES && geteuid() != 0);
}

static int
check_group(const char *name, FILE *errors)
{
	if (name == NULL || getgrnam(name) != NULL)
		return 0;
	fprintf(errors, "group \"%s\" does not exist, expected one that does\n",
	    name);
	return 1;
}

/* Who is not root delivers as himself, whatever the file says. */
static int
check_user(const char *name, FILE *errors)
{
	const struct passwd *user;

	if (name == NULL)
		return 0;
	user = getpwnam(name);
	if (geteuid() != 0) {
		if (user == NULL || user->pw_uid != geteuid())
			fprintf(errors,
			    "warning: not started as root, so mail is not "
			    "delivered as user \"%s\" but as you\n",
			    name);
		return 0;
	}
	if (user != NULL)
		return 0;
	fprintf(errors, "user \"%s\" does not exist, expected one that does\n",
	    name);
	return 1;
}

int
config_needs_ca(const struct config *config)
{
	return config->relay_host != NULL && config->relay_verify &&
	    config->relay_scheme != RELAY_SCHEME_SMTP;
}

static int
check_system_users(const struct config *config, FILE *errors)
{
	if (!config->users_system || geteuid() == 0)
		return 0;
	fprintf(errors,
	    "users system: only root may ask the system about passwords, "
	    "expected to be started by root, or \"users file\"\n");
	return 1;
}

int
config_check_files(const struct config *config, FILE *errors)
{
	size_t i;
	int wrong = 0;

	for (i = 0; i < config->pki_count; i++) {
		wrong += check_file(config->pki[i].cert, 0, errors);
		wrong += check_file(config->pki[i].key, 1, errors);
	}
	wrong += check_file(config->users_file, 1, errors);
	wrong += check_system_users(config, errors);
	wrong += check_file(config->aliases_file, 0, errors);
	wrong += check_file(config->relay_secrets, 1, errors);
	if (config_needs_ca(config))
		wrong += check_file(config->ca_file, 0, errors);
	wrong += check_group(config->control_group, errors);
	for (i = 0; i < config->listener_count; i++)
		wrong += check_group(config->listeners[i].group, errors);
	return wrong + check_user(config->maildir_user, errors);
}
