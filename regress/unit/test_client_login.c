/* SPDX-License-Identifier: ISC */
/*
 * SCRAM-SHA-256 as the relay's client does it: RFC 7677's example, servers
 * that are not who they should be, and a whole login.
 * objects: smtpd-stoken/relay/smtp/?*.o
 * libs: -lcrypto
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "lib/base64.h"
#include "regress/unit/client_world.h"
#include "smtpd-stoken/relay/smtp/login.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define NONCE "rOprNGfwEbeRWgbNEkqO"
#define BOTH NONCE "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="
#define FIRST "r=" BOTH ",s=" SALT ",i=4096"

static ssize_t
begin(struct scram_client *scram, const char *user, char *out, size_t size)
{
	const char *problem;

	memset(scram, 0, sizeof(*scram));
	strlcpy(scram->nonce, NONCE, sizeof(scram->nonce));
	return scram_client_first(scram, user, out, size, &problem);
}

static void
rfc7677_example(void **state)
{
	static const char final[] =
	    "c=biws,r=" BOTH ",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
	static const char server[] =
	    "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";
	struct scram_client scram;
	const char *problem;
	char out[1024];
	ssize_t n;

	(void)state;
	n = begin(&scram, "user", out, sizeof(out));
	assert_int_equal(n, strlen("n,,n=user,r=" NONCE));
	assert_memory_equal(out, "n,,n=user,r=" NONCE, (size_t)n);
	n = scram_client_final(
	    &scram, "pencil", FIRST, strlen(FIRST), out, sizeof(out), &problem);
	assert_int_equal(n, strlen(final));
	assert_memory_equal(out, final, (size_t)n);
	assert_int_equal(
	    scram_client_check(&scram, server, strlen(server), &problem), 0);
	assert_int_equal(
	    scram_client_check(&scram, server, strlen(server) - 1, &problem),
	    -1);
	assert_int_equal(
	    scram_client_check(&scram,
		"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G5=", 46, &problem),
	    -1);
	assert_int_equal(scram_client_check(&scram, "e=x", 3, &problem), -1);
	assert_int_equal(scram_client_check(&scram, "", 0, &problem), -1);
}

static void
names_are_escaped(void **state)
{
	struct scram_client scram;
	char out[1024], name[2000];
	ssize_t n;

	(void)state;
	n = begin(&scram, "a,b=c", out, sizeof(out));
	assert_int_equal(n, strlen("n,,n=a=2Cb=3Dc,r=" NONCE));
	assert_memory_equal(out, "n,,n=a=2Cb=3Dc,r=" NONCE, (size_t)n);
	memset(name, ',', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(begin(&scram, name, out, sizeof(out)), -1);
}

static void
bad_challenges(void **state)
{
	static const char *const bad[] = {"", "r=", "r=" NONCE,
	    "r=" NONCE ",s=" SALT ",i=4096", /* nothing of the server's */
	    "r=x" BOTH ",s=" SALT ",i=4096", "m=x,r=" BOTH ",s=" SALT ",i=4096",
	    "s=" SALT ",r=" BOTH ",i=4096", "r=" BOTH ",s=,i=4096",
	    "r=" BOTH ",s=!,i=4096", "r=" BOTH ",s=" SALT,
	    "r=" BOTH ",s=" SALT ",i=", "r=" BOTH ",s=" SALT ",i=4095",
	    "r=" BOTH ",s=" SALT ",i=1", "r=" BOTH ",s=" SALT ",i=600001",
	    "r=" BOTH ",s=" SALT ",i=99999999999",
	    "r=" BOTH ",s=" SALT ",i=-4096", "r=" BOTH ",s=" SALT ",i=04096",
	    "r=" BOTH ",s=" SALT ",i=4096x", "e=other-error"};
	struct scram_client scram;
	const char *problem;
	char out[1024];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT(bad); i++) {
		(void)begin(&scram, "user", out, sizeof(out));
		problem = NULL;
		assert_int_equal(
		    scram_client_final(&scram, "pencil", bad[i], strlen(bad[i]),
			out, sizeof(out), &problem),
		    -1);
		assert_non_null(problem);
	}
}

static void
say(struct world *world, const char *text)
{
	client_input(world->client, text, strlen(text));
}

/* The decoded argument of the last line that was said. */
static size_t
last_said(
    const struct world *world, const char *command, char *out, size_t size)
{
	const char *end = world->said + world->said_length - 2, *p = end;
	ssize_t n;

	while (p > world->said && p[-1] != '\n')
		p--;
	assert_memory_equal(p, command, strlen(command));
	p += strlen(command);
	n = base64_decode((uint8_t *)out, size - 1, p, (size_t)(end - p));
	assert_true(n >= 0);
	out[n] = '\0';
	return (size_t)n;
}

static void
challenge(struct world *world, const char *text)
{
	char line[1024], encoded[900];

	assert_true(base64_encode(encoded, sizeof(encoded),
			(const uint8_t *)text, strlen(text)) >= 0);
	snprintf(line, sizeof(line), "334 %s\r\n", encoded);
	say(world, line);
}

/*
 * Up to the client's proof. The server computes with the same functions: that
 * they are right the example has shown.
 */
static struct world *
scram_login(struct scram_client *server, const char *password)
{
	struct world *world = world_new(0, CLIENT_TLS_ON, "user", "pencil");
	char out[1024], first[512];
	const char *problem;

	say(world, "220 mx\r\n");
	say(world, "250-mx\r\n250 AUTH LOGIN PLAIN SCRAM-SHA-256\r\n");
	(void)last_said(world, "AUTH SCRAM-SHA-256 ", out, sizeof(out));
	assert_memory_equal(out, "n,,n=user,r=", 12);
	memset(server, 0, sizeof(*server));
	strlcpy(server->nonce, out + 12, sizeof(server->nonce));
	(void)scram_client_first(server, "user", out, sizeof(out), &problem);
	snprintf(
	    first, sizeof(first), "r=%sxyz,s=" SALT ",i=4096", server->nonce);
	assert_true(scram_client_final(server, password, first, strlen(first),
			out, sizeof(out), &problem) > 0);
	challenge(world, first);
	return world;
}

static void
verifier(const struct scram_client *server, char *out, size_t size)
{
	char text[64];

	(void)base64_encode(text, sizeof(text), server->server_signature,
	    sizeof(server->server_signature));
	snprintf(out, size, "v=%s", text);
}

static void
whole_login(void **state)
{
	struct scram_client server;
	struct world *world = scram_login(&server, "pencil");
	char text[128], proof[1024];

	(void)state;
	(void)last_said(world, "", proof, sizeof(proof));
	assert_memory_equal(proof, "c=biws,r=", 9);
	verifier(&server, text, sizeof(text));
	challenge(world, text);
	assert_int_equal(last_said(world, "", proof, sizeof(proof)), 0);
	say(world, "235 2.7.0 ok\r\n");
	assert_string_equal(world->told, "ready\n");
	assert_int_equal(world->secrets, 3);
	world_free(world);
}

/* A server that does not know the password gets no mail, 235 or not. */
static void
false_servers(void **state)
{
	struct scram_client server;
	struct world *world;
	char text[128];

	(void)state;
	world = scram_login(&server, "other");
	verifier(&server, text, sizeof(text));
	challenge(world, text);
	assert_memory_equal(world->told, "over lost 451 4.7.0", 19);
	assert_non_null(strstr(world->told, "does not prove"));
	world_free(world);

	world = scram_login(&server, "pencil");
	say(world, "235 2.7.0 welcome\r\n");
	assert_memory_equal(world->told, "over lost 451 4.7.0", 19);
	world_free(world);

	world = scram_login(&server, "pencil");
	say(world, "334 !\r\n");
	assert_memory_equal(world->told, "over lost 451 4.7.0", 19);
	world_free(world);

	world = scram_login(&server, "pencil");
	verifier(&server, text, sizeof(text));
	challenge(world, text);
	challenge(world, "more");
	assert_memory_equal(world->told, "over lost 451 4.7.0", 19);
	assert_null(strstr(world->told, "pencil"));
	world_free(world);
}

static void
secrets_are_bounded(void **state)
{
	char secret[LOGIN_NAME_MAX + 2];
	struct world *world;
	int i;

	(void)state;
	memset(secret, 's', sizeof(secret));
	for (i = 1; i >= 0; i--) {
		secret[sizeof(secret) - 1 - (size_t)!i] = '\0';
		world = world_new(0, CLIENT_TLS_ON, "user", secret);
		say(world, "220 mx\r\n");
		say(world, "250-mx\r\n250 AUTH PLAIN\r\n");
		assert_int_equal(world->over, i);
		assert_int_equal(world->secrets, !i);
		world_free(world);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(rfc7677_example),
	    cmocka_unit_test(names_are_escaped),
	    cmocka_unit_test(bad_challenges),
	    cmocka_unit_test(whole_login),
	    cmocka_unit_test(false_servers),
	    cmocka_unit_test(secrets_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
