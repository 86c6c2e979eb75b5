/* SPDX-License-Identifier: ISC */
/*
 * What OAUTHBEARER and XOAUTH2 send.
 * objects: tokend/bearer.o imsg/messages.o
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "tokend/bearer.h"

struct sample {
	const char *text; /* with | for 01 */
	const char *user;
	const char *token; /* NULL: malformed */
};

static const struct sample oauthbearer[] = {
    /* RFC 7628 4.1 */
    {"n,a=user@example.com,|host=server.example.com|port=143|auth=Bearer "
     "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==||",
	"user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="},
    {"n,,|auth=Bearer x||", "", "x"},
    {"y,,|auth=bearer x||", "", "x"},
    {"n,,|auth=Bearer   x||", "", "x"}, /* RFC 6750 2.1: 1*SP */
    {"n,,|auth=Bearer   ||", NULL, NULL},
    {"n,a=a=2Cb=3Dc,|auth=Bearer x||", "a,b=c", "x"},
    {"n,,|auth=Bearer x|port=25||", "", "x"},
    {"p=tls-exporter,,|auth=Bearer x||", NULL, NULL},
    {"n,a=b=c,|auth=Bearer x||", NULL, NULL},
    {"n,b=c,|auth=Bearer x||", NULL, NULL},
    {"n,,|auth=Basic x||", NULL, NULL},
    {"n,,|auth=Bearer ||", NULL, NULL},
    {"n,,|auth=Bearer x y||", NULL, NULL},
    {"n,,|auth=Bearer x|auth=Bearer y||", NULL, NULL},
    {"n,,|auth=Bearer x|", NULL, NULL},
    {"n,,|auth=Bearer x", NULL, NULL},
    {"n,,|auth=Bearer x||more|", NULL, NULL},
    {"n,,|host=x||", NULL, NULL},
    {"n,,||", NULL, NULL},
    {"n,,|", NULL, NULL},
    {"n,,auth=Bearer x||", NULL, NULL},
    {"n,", NULL, NULL},
    {"|", NULL, NULL},
    {"", NULL, NULL},
};

static const struct sample xoauth2[] = {
    {"user=someuser@example.com|auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRh"
     "dmlzdGEuY29tCg||",
	"someuser@example.com",
	"ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg"},
    {"user=|auth=Bearer x||", NULL, NULL},
    {"auth=Bearer x||", NULL, NULL},
    {"user=a|auth=Bearer x|", NULL, NULL},
    {"user=a", NULL, NULL},
    {"", NULL, NULL},
};

static void
try_all(const struct sample *samples, size_t count,
    int (*read)(struct bytes, struct bearer *))
{
	struct bearer bearer;
	char text[300], *bar;
	size_t i;
	int result;

	for (i = 0; i < count; i++) {
		(void)strlcpy(text, samples[i].text, sizeof(text));
		for (bar = text; (bar = strchr(bar, '|')) != NULL;)
			*bar = 1;
		result = read(bytes_text(text), &bearer);
		if ((result == 0) != (samples[i].token != NULL))
			fail_msg("%s", samples[i].text);
		if (result == -1)
			continue;
		assert_string_equal(bearer.user, samples[i].user);
		assert_true(
		    bytes_equal(bearer.token, bytes_text(samples[i].token)));
	}
}

static void
by_oauthbearer(void **state)
{
	(void)state;
	try_all(oauthbearer, sizeof(oauthbearer) / sizeof(oauthbearer[0]),
	    oauthbearer_read);
}

static void
by_xoauth2(void **state)
{
	(void)state;
	try_all(xoauth2, sizeof(xoauth2) / sizeof(xoauth2[0]), xoauth2_read);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(by_oauthbearer),
	    cmocka_unit_test(by_xoauth2),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
