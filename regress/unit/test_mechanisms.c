/* SPDX-License-Identifier: ISC */
/*
 * objects: tokend/auth/mechanism.o tokend/auth/mechanism_plain.o tokend/auth/mechanism_login.o tokend/auth/mechanism_scram.o tokend/auth/scram_text.o tokend/auth/exchange.o tokend/auth/saslprep.o tokend/auth/users.o tokend/auth/rights.o tokend/auth/source.o tokend/auth/name_map.o tokend/auth/login.o tokend/auth/scheme.o tokend/auth/scram_key.o
 * libs: -lidn2 -lcrypto -lcrypt
 */
#include <openssl/evp.h>
#include <openssl/sha.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base64.h"
#include "regress/unit/auth_file.h"
#include "tokend/auth/exchange.h"
#include "tokend/auth/saslprep.h"
#include "tokend/auth/site.h"
#include "tokend/auth/users.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define LITERAL(text) bytes_of(text, sizeof(text) - 1)

/* alice has the key of "pencil" of RFC 7677, bob bcrypt of "secret". */
static const char users_text[] =
    "alice@a.example:{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,"
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=\n"
    "bob@a.example:{BLF-CRYPT}$2b$04$abcdefghijklmnopqrstuu"
    "2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW\n";

static struct site site = {.domains = &one_domain};
static struct exchange exchange;
static const uint8_t exporter[32] = {1, 2, 3}, endpoint[48] = {4, 5, 6};

static int
set_up(void **state)
{
	char *path = new_file(users_text);

	(void)state;
	site.users = users_open(path, site.domains, &report);
	memset(site.fake_key, 7, sizeof(site.fake_key));
	drop_file(path);
	return site.users == NULL;
}

static int
tear_down(void **state)
{
	(void)state;
	users_close(site.users);
	return 0;
}

static void
begin(const char *mechanism, bool plus_offered)
{
	const struct mechanism *found = mechanism_find(bytes_text(mechanism));

	assert_non_null(found);
	exchange_begin(&exchange, &site, found, plus_offered,
	    bytes_of(exporter, sizeof(exporter)),
	    bytes_of(endpoint, sizeof(endpoint)));
}

/* One response; a password is checked at once. */
static enum step_result
step(struct bytes response)
{
	const struct password_check *check = &exchange.state.check;
	enum step_result result = exchange_step(&exchange, &response);

	if (result != STEP_CHECK)
		return result;
	return exchange_checked(&exchange,
	    check->scheme->matches(
		check->secret, strlen(check->secret), check->password));
}

static const struct {
	const char *message;
	size_t length;
	enum step_result result;
	enum auth_reason reason;
} plain[] = {
#define ROW(text, result, reason)                      \
	{                                              \
		text, sizeof(text) - 1, result, reason \
	}
    ROW("\0alice@a.example\0pencil", STEP_OK, AUTH_REASON_NONE),
    ROW("\0Alice@A.EXAMPLE\0pencil", STEP_OK, AUTH_REASON_NONE),
    ROW("\0alice\0pencil", STEP_OK, AUTH_REASON_NONE),
    ROW("\0bob@a.example\0secret", STEP_OK, AUTH_REASON_NONE),
    ROW("alice@a.example\0alice@a.example\0pencil", STEP_OK, AUTH_REASON_NONE),
    ROW("Alice@A.example\0alice\0pencil", STEP_OK, AUTH_REASON_NONE),
    ROW("bob@a.example\0alice@a.example\0pencil", STEP_FAILED,
	AUTH_REASON_PROTOCOL),
    ROW("\0alice@a.example\0Pencil", STEP_FAILED, AUTH_REASON_BAD_SECRET),
    ROW("\0alice@a.example\0", STEP_FAILED, AUTH_REASON_BAD_SECRET),
    ROW("\0erin@a.example\0pencil", STEP_FAILED, AUTH_REASON_UNKNOWN_USER),
    ROW("\0alice@b.example\0pencil", STEP_FAILED, AUTH_REASON_UNKNOWN_USER),
    ROW("\0\0pencil", STEP_FAILED, AUTH_REASON_UNKNOWN_USER),
    ROW("\0alice@a.example\0pen\ncil", STEP_FAILED, AUTH_REASON_BAD_SECRET),
    ROW("\0alice@a.example\0pencil\xff", STEP_FAILED, AUTH_REASON_BAD_SECRET),
    ROW("", STEP_FAILED, AUTH_REASON_PROTOCOL),
    ROW("alice@a.example", STEP_MALFORMED, AUTH_REASON_PROTOCOL),
    ROW("alice@a.example\0pencil", STEP_MALFORMED, AUTH_REASON_PROTOCOL),
    ROW("\0alice@a.example\0pencil\0", STEP_MALFORMED, AUTH_REASON_PROTOCOL),
    ROW("\0alice@a.example\0pen\0cil", STEP_MALFORMED, AUTH_REASON_PROTOCOL),
#undef ROW
};

/* RFC 4616, F-41. */
static void
plain_takes_the_password(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(plain); i++) {
		begin("PLAIN", true);
		assert_int_equal(
		    step(bytes_of(plain[i].message, plain[i].length)),
		    plain[i].result);
		assert_int_equal(exchange.reason, plain[i].reason);
		if (plain[i].result == STEP_OK)
			assert_non_null(users_find(site.users, exchange.login));
	}
	/* Without an initial response: an empty challenge (F-32). */
	begin("plain", true);
	assert_int_equal(exchange_step(&exchange, NULL), STEP_CHALLENGE);
	assert_int_equal(exchange.challenge_length, 0);
	assert_int_equal(step(LITERAL("\0bob\0secret")), STEP_OK);
	assert_string_equal(exchange.login, "bob@a.example");
}

static void
plain_bounds_the_password(void **state)
{
	char message[PASSWORD_MAX + 16] = "\0bob";

	(void)state;
	memset(message + 5, 'x', PASSWORD_MAX + 1);
	begin("PLAIN", true);
	assert_int_equal(
	    step(bytes_of(message, 5 + PASSWORD_MAX)), STEP_FAILED);
	assert_int_equal(exchange.digest_length, 32);
	begin("PLAIN", true);
	assert_int_equal(
	    step(bytes_of(message, 5 + PASSWORD_MAX + 1)), STEP_FAILED);
	assert_int_equal(exchange.digest_length, 0);
}

/* An unknown user costs what the usual user costs. */
static void
unknown_users_get_the_same_work(void **state)
{
	const struct password_check *check = &exchange.state.check;
	struct bytes response = LITERAL("\0erin@a.example\0x");

	(void)state;
	begin("PLAIN", true);
	assert_int_equal(exchange_step(&exchange, &response), STEP_CHECK);
	assert_false(check->known);
	assert_ptr_equal(check->scheme, users_usual(site.users, false)->scheme);
	assert_int_equal(exchange_checked(&exchange, true), STEP_FAILED);
}

static void
wrong_passwords_are_known_again(void **state)
{
	uint8_t first[32];

	(void)state;
	begin("PLAIN", true);
	assert_int_equal(step(LITERAL("\0bob\0wrong")), STEP_FAILED);
	memcpy(first, exchange.digest, sizeof(first));
	begin("PLAIN", true);
	assert_int_equal(step(LITERAL("\0bob@a.example\0wrong")), STEP_FAILED);
	assert_memory_equal(first, exchange.digest, sizeof(first));
	begin("PLAIN", true);
	assert_int_equal(step(LITERAL("\0bob@a.example\0other")), STEP_FAILED);
	assert_memory_not_equal(first, exchange.digest, sizeof(first));
	begin("PLAIN", true);
	assert_int_equal(
	    step(LITERAL("\0alice@a.example\0wrong")), STEP_FAILED);
	assert_memory_not_equal(first, exchange.digest, sizeof(first));
}

static void
login_asks_twice(void **state)
{
	(void)state;
	begin("LOGIN", true);
	assert_int_equal(exchange_step(&exchange, NULL), STEP_CHALLENGE);
	assert_string_equal(exchange.challenge, "Username:");
	assert_int_equal(step(LITERAL("alice@a.example")), STEP_CHALLENGE);
	assert_string_equal(exchange.challenge, "Password:");
	assert_int_equal(step(LITERAL("pencil")), STEP_OK);
	assert_string_equal(exchange.login, "alice@a.example");
	/* With the name as initial response. */
	begin("LOGIN", true);
	assert_int_equal(step(LITERAL("bob")), STEP_CHALLENGE);
	assert_string_equal(exchange.challenge, "Password:");
	assert_int_equal(step(LITERAL("wrong")), STEP_FAILED);
	assert_int_equal(exchange.tried_length, 3);
	assert_memory_equal(exchange.tried, "bob", 3);
	begin("LOGIN", true);
	assert_int_equal(step(LITERAL("")), STEP_CHALLENGE);
	assert_int_equal(step(LITERAL("")), STEP_FAILED);
}

/* RFC 7677 section 3. */
static void
scram_computes_what_the_rfc_computes(void **state)
{
	static const char message[] =
	    "n=user,r=rOprNGfwEbeRWgbNEkqO,"
	    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
	    "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
	    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
	static const char proof_text[] =
	    "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
	uint8_t proof[32], signature[32];
	const struct user *user = users_find(site.users, "alice@a.example");
	struct scram_key key;
	char text[64];

	(void)state;
	assert_null(scram_key_parse(&key, user->secret, user->secret_length));
	assert_int_equal(
	    base64_decode(proof, sizeof(proof), proof_text, strlen(proof_text)),
	    32);
	assert_true(scram_proof_matches(
	    &key, message, strlen(message), proof, signature));
	assert_true(base64_encode(text, sizeof(text), signature, 32) > 0);
	assert_string_equal(
	    text, "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
	proof[31] ^= 1;
	assert_false(scram_proof_matches(
	    &key, message, strlen(message), proof, signature));
}

/* A client: what it says and what it finds wrong. */
struct client {
	const char *mechanism;
	bool plus_offered;
	const char *header; /* gs2-header */
	const char *bare; /* client-first-message-bare */
	const char *password;
	const void *binding;
	size_t binding_length;
	const char *final; /* put before ",p="; NULL: nothing */
	bool other_nonce;
	char verifier[64]; /* the v= it expects */
};

static void
client_proof(
    struct client *client, const char *without_proof, char *out, size_t size)
{
	char message[2048], salt_text[128], text[64];
	uint8_t client_key[32], stored[32], signature[32], salted[32];
	struct scram_key key = {0};
	const char *salt = strstr(exchange.challenge, ",s=") + 3;
	const char *end = strstr(salt, ",i=");
	ssize_t n;
	size_t i;

	(void)snprintf(
	    salt_text, sizeof(salt_text), "%.*s", (int)(end - salt), salt);
	n = base64_decode(
	    key.salt, sizeof(key.salt), salt_text, strlen(salt_text));
	assert_true(n > 0);
	key.salt_length = (size_t)n;
	key.iterations = (uint32_t)strtoul(end + 3, NULL, 10);
	assert_int_equal(
	    scram_key_make(&key, client->password, strlen(client->password)),
	    0);
	assert_int_equal(PKCS5_PBKDF2_HMAC(client->password,
			     (int)strlen(client->password), key.salt, (int)n,
			     (int)key.iterations, EVP_sha256(), 32, salted),
	    1);
	(void)scram_hmac(client_key, salted, 32, "Client Key", 10);
	SHA256(client_key, 32, stored);
	(void)snprintf(message, sizeof(message), "%s,%s,%s", client->bare,
	    exchange.challenge, without_proof);
	(void)scram_hmac(signature, stored, 32, message, strlen(message));
	for (i = 0; i < 32; i++)
		client_key[i] ^= signature[i];
	(void)base64_encode(text, sizeof(text), client_key, 32);
	(void)snprintf(out, size, "%s,p=%s", without_proof, text);
	(void)scram_hmac(
	    signature, key.server_key, 32, message, strlen(message));
	(void)base64_encode(
	    client->verifier, sizeof(client->verifier), signature, 32);
}

/* Up to and with the client-final-message. */
static enum step_result
run(struct client *client)
{
	char first[2048], without[1024], final[2048], channel[512];
	uint8_t bound[256];
	const char *nonce, *end;
	size_t header = strlen(client->header);
	enum step_result result;

	begin(client->mechanism, client->plus_offered);
	(void)snprintf(
	    first, sizeof(first), "%s%s", client->header, client->bare);
	result = step(bytes_text(first));
	if (result != STEP_CHALLENGE)
		return result;
	assert_memory_equal(exchange.challenge, "r=", 2);
	nonce = exchange.challenge + 2;
	end = strstr(nonce, ",s=");
	assert_non_null(end);
	memcpy(bound, client->header, header);
	if (client->binding != NULL)
		memcpy(bound + header, client->binding, client->binding_length);
	(void)base64_encode(
	    channel, sizeof(channel), bound, header + client->binding_length);
	(void)snprintf(without, sizeof(without), "c=%s,r=%.*s%s%s", channel,
	    (int)(end - nonce), nonce, client->other_nonce ? "x" : "",
	    client->final == NULL ? "" : client->final);
	client_proof(client, without, final, sizeof(final));
	return step(bytes_text(final));
}

static void
run_ok(struct client *client, const char *login)
{
	assert_int_equal(run(client), STEP_CHALLENGE);
	assert_memory_equal(exchange.challenge, "v=", 2);
	assert_string_equal(exchange.challenge + 2, client->verifier);
	assert_int_equal(step(LITERAL("")), STEP_OK);
	assert_string_equal(exchange.login, login);
}

#define ALICE .bare = "n=alice@a.example,r=abc", .password = "pencil"
#define PLUS .mechanism = "SCRAM-SHA-256-PLUS", .plus_offered = true
#define EXPORTER .binding = exporter, .binding_length = sizeof(exporter)
#define ENDPOINT .binding = endpoint, .binding_length = sizeof(endpoint)

static void
scram_logs_in(void **state)
{
	struct client good[] = {
	    {.mechanism = "SCRAM-SHA-256", .header = "n,,", ALICE},
	    {.mechanism = "scram-sha-256", .header = "y,,", ALICE},
	    {.mechanism = "SCRAM-SHA-256",
		.header = "n,a=alice@a.example,",
		ALICE,
		.plus_offered = true},
	    {.mechanism = "SCRAM-SHA-256",
		.header = "n,,",
		ALICE,
		.final = ",x=extension"},
	    {.mechanism = "SCRAM-SHA-256",
		.header = "n,,",
		.bare = "n=Alice,r=abc,x=y",
		.password = "pencil"},
	    {PLUS, .header = "p=tls-exporter,,", ALICE, EXPORTER},
	    {PLUS, .header = "p=tls-server-end-point,,", ALICE, ENDPOINT},
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(good); i++)
		run_ok(&good[i], "alice@a.example");
}

/* PROTOCOL B8, X-4. */
static void
scram_refuses(void **state)
{
	struct {
		struct client client;
		enum step_result result;
		enum auth_reason reason;
	} bad[] = {
	    /* The list of mechanisms was tampered with. */
	    {{.mechanism = "SCRAM-SHA-256",
		 .header = "y,,",
		 ALICE,
		 .plus_offered = true},
		STEP_FAILED, AUTH_REASON_BINDING},
	    {{.mechanism = "SCRAM-SHA-256",
		 .header = "p=tls-exporter,,",
		 ALICE,
		 EXPORTER},
		STEP_FAILED, AUTH_REASON_BINDING},
	    {{PLUS, .header = "n,,", ALICE}, STEP_FAILED, AUTH_REASON_BINDING},
	    {{PLUS, .header = "y,,", ALICE}, STEP_FAILED, AUTH_REASON_BINDING},
	    {{PLUS, .header = "p=tls-unique,,", ALICE, EXPORTER}, STEP_FAILED,
		AUTH_REASON_BINDING},
	    {{PLUS, .header = "p=tls-exporter,,", ALICE, ENDPOINT}, STEP_FAILED,
		AUTH_REASON_BINDING},
	    {{PLUS, .header = "p=tls-exporter,,", ALICE}, STEP_FAILED,
		AUTH_REASON_BINDING},
	    {{.mechanism = "SCRAM-SHA-256", .header = "n,,", ALICE, EXPORTER},
		STEP_FAILED, AUTH_REASON_BINDING},
	    /* Names. */
	    {{.mechanism = "SCRAM-SHA-256",
		 .header = "n,a=bob@a.example,",
		 ALICE},
		STEP_FAILED, AUTH_REASON_PROTOCOL},
	    {{.mechanism = "SCRAM-SHA-256",
		 .header = "n,,",
		 .bare = "n=alice@a.example,r=abc",
		 .password = "wrong"},
		STEP_FAILED, AUTH_REASON_BAD_SECRET},
	    {{.mechanism = "SCRAM-SHA-256",
		 .header = "n,,",
		 .bare = "n=erin@a.example,r=abc",
		 .password = "pencil"},
		STEP_FAILED, AUTH_REASON_UNKNOWN_USER},
	    {{.mechanism = "SCRAM-SHA-256",
		 .header = "n,,",
		 .bare = "n=,r=abc",
		 .password = "pencil"},
		STEP_FAILED, AUTH_REASON_UNKNOWN_USER},
	    {{.mechanism = "SCRAM-SHA-256",
		 .header = "n,,",
		 .bare = "n=bob@a.example,r=abc",
		 .password = "secret"},
		STEP_FAILED, AUTH_REASON_DISABLED},
	    /* Extensions and nonces. */
	    {{.mechanism = "SCRAM-SHA-256",
		 .header = "n,,",
		 .bare = "m=x,n=alice,r=abc",
		 .password = "pencil"},
		STEP_FAILED, AUTH_REASON_PROTOCOL},
	    {{.mechanism = "SCRAM-SHA-256",
		 .header = "n,,",
		 .bare = "n=alice,r=abc,m=x",
		 .password = "pencil"},
		STEP_FAILED, AUTH_REASON_PROTOCOL},
	    {{.mechanism = "SCRAM-SHA-256",
		 .header = "n,,",
		 ALICE,
		 .final = ",m=x"},
		STEP_FAILED, AUTH_REASON_PROTOCOL},
	    {{.mechanism = "SCRAM-SHA-256",
		 .header = "n,,",
		 ALICE,
		 .other_nonce = true},
		STEP_FAILED, AUTH_REASON_PROTOCOL},
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++) {
		assert_int_equal(run(&bad[i].client), bad[i].result);
		assert_int_equal(exchange.reason, bad[i].reason);
	}
}

static void
scram_refuses_what_is_malformed(void **state)
{
	static const char *const first[] = {"", "n", "n,", "n,,", "x,,n=a,r=b",
	    "nn,,n=a,r=b", "n,b=c,n=a,r=b", "n,a=,n=a,r=b", "n,a==,n=a,r=b",
	    "n,,n=a", "n,,r=b", "n,,n=a,r=", "n,,n=a,r=b c", "n,,n=a=,r=b",
	    "n,,n=a=2D,r=b", "n,,n=a=2c,r=b", "n,,n=a=3,r=b", "n,,r=b,n=a",
	    "n,,n=a,r=b,x", "n,,n=a,r=b,=", "n,,n=a,r=b,1=2", "n,,n=a,r=\x80"};
	static const char *const final[] = {"", "c=biws", "c=biws,r=x",
	    "c=biws,r=x,p=", "p=", ",p=", "c=biws,p=AAAA,r=x",
	    "r=x,c=biws,p=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(first); i++) {
		begin("SCRAM-SHA-256", false);
		assert_int_equal(step(bytes_text(first[i])), STEP_MALFORMED);
	}
	for (i = 0; i < COUNT(final); i++) {
		begin("SCRAM-SHA-256", false);
		assert_int_equal(
		    step(LITERAL("n,,n=alice,r=b")), STEP_CHALLENGE);
		assert_int_equal(step(bytes_text(final[i])), STEP_MALFORMED);
	}
	begin("SCRAM-SHA-256", false);
	assert_int_equal(step(LITERAL("n,,n=alice\0,r=b")), STEP_MALFORMED);
}

/* The verifier is answered with an empty line, and with nothing else. */
static void
scram_ends_with_an_empty_response(void **state)
{
	struct client client = {
	    .mechanism = "SCRAM-SHA-256", .header = "n,,", ALICE};

	(void)state;
	assert_int_equal(run(&client), STEP_CHALLENGE);
	assert_int_equal(step(LITERAL("x")), STEP_FAILED);
	begin("SCRAM-SHA-256", false);
	assert_int_equal(exchange_step(&exchange, NULL), STEP_CHALLENGE);
	assert_int_equal(exchange.challenge_length, 0);
	assert_int_equal(step(LITERAL("n,,n=alice,r=b")), STEP_CHALLENGE);
}

/* B8: the salt of an unknown user looks like any, and does not change. */
static void
scram_makes_up_salts(void **state)
{
	char first[EXCHANGE_CHALLENGE_MAX], *salt;

	(void)state;
	begin("SCRAM-SHA-256", false);
	assert_int_equal(step(LITERAL("n,,n=erin,r=b")), STEP_CHALLENGE);
	(void)strlcpy(first, exchange.challenge, sizeof(first));
	begin("SCRAM-SHA-256", false);
	assert_int_equal(
	    step(LITERAL("n,,n=ERIN@a.example,r=b")), STEP_CHALLENGE);
	assert_string_not_equal(first, exchange.challenge);
	salt = strstr(first, ",s=");
	assert_string_equal(salt, strstr(exchange.challenge, ",s="));
	assert_string_equal(strstr(salt, ",i="), ",i=4096");
	begin("SCRAM-SHA-256", false);
	assert_int_equal(step(LITERAL("n,,n=frank,r=b")), STEP_CHALLENGE);
	assert_string_not_equal(salt, strstr(exchange.challenge, ",s="));
	/* bob has no SCRAM key: he looks unknown. */
	begin("SCRAM-SHA-256", false);
	assert_int_equal(step(LITERAL("n,,n=bob,r=b")), STEP_CHALLENGE);
	(void)strlcpy(first, strstr(exchange.challenge, ",s="), sizeof(first));
	begin("SCRAM-SHA-256", false);
	assert_int_equal(step(LITERAL("n,,n=bob,r=c")), STEP_CHALLENGE);
	assert_string_equal(first, strstr(exchange.challenge, ",s="));
}

/* RFC 4013 section 3 and F-44, but for normalization. */
static void
prepares_names_and_passwords(void **state)
{
	static const struct {
		const char *in, *out; /* NULL: refused */
	} rows[] = {
	    {"I\xc2\xadX", "IX"},
	    {"user", "user"},
	    {"USER", "USER"},
	    {"\x07", NULL},
	    {"a\x7f", NULL},
	    {"a\xc2\xa0"
	     "b",
		"a b"},
	    {"a\xe3\x80\x80"
	     "b",
		"a b"},
	    {"\xef\xbb\xbf", ""},
	    {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
	    {"\xc2\x85", NULL},
	    {"\xee\x80\x80", NULL}, /* private use */
	    {"\xef\xbf\xbe", NULL}, /* no character */
	    {"\xf0\x9f\xbf\xbf", NULL}, /* no character */
	    {"\xf0\x9f\x94\x91", "\xf0\x9f\x94\x91"},
	    {"\xe2\x80\xae", NULL}, /* changes the display */
	    {"\xff", NULL},
	    {"\xc3", NULL},
	    {"", ""},
	};
	char out[64];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(rows); i++) {
		if (rows[i].out == NULL) {
			assert_int_equal(saslprep(out, sizeof(out), rows[i].in,
					     strlen(rows[i].in)),
			    -1);
			continue;
		}
		assert_int_equal(
		    saslprep(out, sizeof(out), rows[i].in, strlen(rows[i].in)),
		    strlen(rows[i].out));
		assert_string_equal(out, rows[i].out);
	}
	assert_int_equal(saslprep(out, 4, "user", 4), -1);
	assert_int_equal(saslprep(out, 5, "user", 4), 4);
	assert_int_equal(saslprep(out, sizeof(out), "a\0b", 3), -1);
}

static void
ends_without_a_trace(void **state)
{
	static const struct exchange nothing;

	(void)state;
	begin("PLAIN", true);
	assert_int_equal(step(LITERAL("\0bob\0secret")), STEP_OK);
	exchange_end(&exchange);
	assert_memory_equal(&exchange, &nothing, sizeof(nothing));
	assert_null(mechanism_find(LITERAL("CRAM-MD5")));
	assert_null(mechanism_find(LITERAL("")));
	assert_null(mechanism_find(LITERAL("SCRAM-SHA-256-PLU")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(plain_takes_the_password),
	    cmocka_unit_test(plain_bounds_the_password),
	    cmocka_unit_test(unknown_users_get_the_same_work),
	    cmocka_unit_test(wrong_passwords_are_known_again),
	    cmocka_unit_test(login_asks_twice),
	    cmocka_unit_test(scram_computes_what_the_rfc_computes),
	    cmocka_unit_test(scram_logs_in),
	    cmocka_unit_test(scram_refuses),
	    cmocka_unit_test(scram_refuses_what_is_malformed),
	    cmocka_unit_test(scram_ends_with_an_empty_response),
	    cmocka_unit_test(scram_makes_up_salts),
	    cmocka_unit_test(prepares_names_and_passwords),
	    cmocka_unit_test(ends_without_a_trace),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
