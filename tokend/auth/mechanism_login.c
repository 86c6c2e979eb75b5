/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "tokend/auth/mechanisms.h"

static const char name_prompt[] = "Username:";
static const char password_prompt[] = "Password:";

/*
 * No RFC has it, old clients need it. Some send the name as an initial
 * response, though the server speaks first.
 */
enum step_result
login_step(struct exchange *exchange, const struct bytes *response)
{
	if (response == NULL)
		return exchange->step == 0
		    ? exchange_challenge(exchange, name_prompt)
		    : STEP_MALFORMED;
	if (strcmp(exchange->challenge, password_prompt) == 0)
		return exchange_password(exchange, *response);
	exchange_name(exchange, *response);
	return exchange_challenge(exchange, password_prompt);
}
