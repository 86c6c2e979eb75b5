/* SPDX-License-Identifier: ISC */
/*
 * Writes stoken-imsg(7) from the contract, so that the page cannot say
 * anything else than the code does.
 */
#include <stdio.h>

#include "imsg/messages.h"

static const char *const kinds[] = {
    [FIELD_U8] = "8 bits",
    [FIELD_U16] = "16 bits",
    [FIELD_U32] = "32 bits",
    [FIELD_U64] = "64 bits",
};

static const char *const phases[] = {
    [PHASE_SETUP] = "before READY",
    [PHASE_RUNNING] = "after READY",
    [PHASE_EITHER] = "at any time",
};

static const char *const descriptors[] = {
    [DESCRIPTOR_NONE] = "no descriptor",
    [DESCRIPTOR_ALWAYS] = "with a descriptor",
    [DESCRIPTOR_MAYBE] = "with a descriptor or without",
};

static void
print_row(const struct message_row *row)
{
	size_t i;

	printf(".It Ic %s Pq 0x%04x\n", row->name, row->number);
	printf("From %s to %s, %s, %s, %zu to %zu octets:\n%s.\n",
	    role_name(row->from), role_name(row->to), phases[row->phase],
	    descriptors[row->descriptor], row->shortest, row->longest,
	    row->meaning);
	if (row->field_count == 0)
		return;
	printf("Fields:\n");
	for (i = 0; i < row->field_count; i++) {
		printf(".Va %s\n", row->fields[i].name);
		if (row->fields[i].kind == FIELD_BYTES)
			printf("(up to %zu octets)", row->fields[i].most);
		else
			printf("(%s)", kinds[row->fields[i].kind]);
		printf("%s\n", i + 1 < row->field_count ? "," : ".");
	}
}

int
main(void)
{
	const struct message_row *row;
	size_t i;

	printf(
	    ".\\\" Made from imsg/messages.def by imsg/manual.c.\n"
	    ".Dd $Mdocdate: November 22 2026 $\n.Dt STOKEN-IMSG 7\n.Os\n"
	    ".Sh NAME\n.Nm stoken-imsg\n"
	    ".Nd the messages between the processes of smtpd-stoken\n"
	    ".Sh DESCRIPTION\n"
	    "The processes of\n.Xr smtpd-stoken 8\n"
	    "talk over socketpairs that their parent makes.\n"
	    "This is all that they may say to each other.\n"
	    "Each message is checked when it arrives, before anything else\n"
	    "looks at it: by the channel it came on, its number, its length,\n"
	    "the phase of its receiver and the descriptor that came along.\n"
	    "A process that breaks this contract is killed and replaced;\n"
	    "a client of the control socket is disconnected.\n"
	    ".Pp\n"
	    "An even number asks or tells, the odd one after it answers.\n"
	    "Numbers travel little-endian; octets behind a 32-bit length.\n"
	    ".Bl -tag -width Ds\n");
	for (i = 0; (row = message_row_at(i)) != NULL; i++)
		print_row(row);
	printf(".El\n.Sh SEE ALSO\n.Xr smtpd-stoken 8 ,\n.Xr tokend 8\n");
	return 0;
}
