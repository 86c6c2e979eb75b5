/* SPDX-License-Identifier: ISC */
#include "tokenctl/findings.h"

#include <stdlib.h>
#include <string.h>

#include "lib/row.h"
#include "tokenctl/print.h"

#define WIDTH 11 /* of the column of states */

int
findings_is_problem(struct bytes row)
{
	struct row_field field;

	return row_next(&row, &field) == 1 &&
	    bytes_equal(field.value, bytes_text("problem"));
}

static int
take(struct bytes *row, const char *key, char **text)
{
	struct row_field field;

	if (row_next(row, &field) != 1 ||
	    !bytes_equal(field.key, bytes_text(key)))
		return -1;
	return (*text = print_text(&field)) == NULL ? -1 : 0;
}

int
findings_print(FILE *to, struct bytes row)
{
	char *state = NULL, *item = NULL, *text = NULL;
	int result = -1;

	if (take(&row, "state", &state) == 0 &&
	    take(&row, "item", &item) == 0 && take(&row, "text", &text) == 0) {
		(void)fprintf(to, "%-*s%s: %s\n", WIDTH, state, item, text);
		result = 0;
	}
	free(state);
	free(item);
	free(text);
	return result;
}
