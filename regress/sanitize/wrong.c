/* SPDX-License-Identifier: ISC */
/* Does something wrong, where nothing can be opened and nobody listens. */
#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compat/sandbox.h"

static volatile int count = INT_MAX;
static char *volatile memory;

static void
overflow(void)
{
	memory = malloc(8);
	memory[count - INT_MAX + 8] = 'x';
}

static void
sum(void)
{
	count++;
}

static void
leak(void)
{
	memory = malloc(8);
	memory = NULL;
}

static void
fine(void)
{
}

static const struct {
	const char *name;
	void (*function)(void);
} wrongs[] = {
    {"overflow", overflow}, {"sum", sum}, {"leak", leak}, {"fine", fine}};

int
main(int argc, char *argv[])
{
	int null = open("/dev/null", O_RDWR);

	if (argc != 2 || null == -1 || dup2(null, STDERR_FILENO) == -1)
		return 1;
	closefrom(3);
	sandbox_prepare();
	if (pledge("stdio", NULL) == -1)
		return 1;
	for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++)
		if (strcmp(wrongs[i].name, argv[1]) == 0)
			wrongs[i].function();
	return 0;
}
