/* SPDX-License-Identifier: ISC */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base64.h"

/* RFC 4648 section 10. */
static const struct {
	const char *data, *text, *url;
} vectors[] = {
    {"", "", ""},
    {"f", "Zg==", "Zg"},
    {"fo", "Zm8=", "Zm8"},
    {"foo", "Zm9v", "Zm9v"},
    {"foob", "Zm9vYg==", "Zm9vYg"},
    {"fooba", "Zm9vYmE=", "Zm9vYmE"},
    {"foobar", "Zm9vYmFy", "Zm9vYmFy"},
    {"\xfb\xff\xfe", "+//+", "-__-"},
};

static void
encodes_and_decodes(void **state)
{
	size_t i, length, size;
	uint8_t data[16];
	char text[16];

	(void)state;
	for (i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		length = strlen(vectors[i].data);
		size = strlen(vectors[i].text) + 1;
		assert_int_equal(base64_encode(text, size,
				     (const uint8_t *)vectors[i].data, length),
		    size - 1);
		assert_string_equal(text, vectors[i].text);
		assert_int_equal(base64_encode(text, size - 1,
				     (const uint8_t *)vectors[i].data, length),
		    -1);
		assert_int_equal(
		    base64_decode(data, length, text, size - 1), length);
		assert_memory_equal(data, vectors[i].data, length);

		size = strlen(vectors[i].url) + 1;
		assert_int_equal(base64url_encode(text, size,
				     (const uint8_t *)vectors[i].data, length),
		    size - 1);
		assert_string_equal(text, vectors[i].url);
		assert_int_equal(base64url_encode(text, size - 1,
				     (const uint8_t *)vectors[i].data, length),
		    -1);
		assert_int_equal(
		    base64url_decode(data, length, text, size - 1), length);
		assert_memory_equal(data, vectors[i].data, length);
	}
}

/* F-35: nothing that is not exactly base 64 passes. */
static void
refuses_what_is_malformed(void **state)
{
	static const char *const bad[] = {"Z", "Zg",
	    "Zg=", "Zg===", "Z===", "====", "=", "==", "Zm8=Zm8=", "Zg==\n",
	    " Zg==", "Zm\n9v", "Zh==", "Zm9=", "Zm-_", "Zm9v!", "abcdefg",
	    "Zm=9", "Zm9v=", "Zm9v===="};
	static const char *const bad_url[] = {
	    "Z", "Zg==", "Zm8=", "Zh", "Zm9", "Zm+/", "Zm9v\n"};
	uint8_t data[16];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(
		    base64_decode(data, sizeof(data), bad[i], strlen(bad[i])),
		    -1);
	for (i = 0; i < sizeof(bad_url) / sizeof(bad_url[0]); i++)
		assert_int_equal(base64url_decode(data, sizeof(data),
				     bad_url[i], strlen(bad_url[i])),
		    -1);
	assert_int_equal(base64_decode(data, sizeof(data), "Zm9v\0Zm9", 8), -1);
	assert_int_equal(base64_decode(data, 5, "Zm9vYmFy", 8), -1);
	assert_int_equal(base64url_decode(data, 5, "Zm9vYmFy", 8), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(encodes_and_decodes),
	    cmocka_unit_test(refuses_what_is_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
