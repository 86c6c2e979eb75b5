# What is built and from what. Each folder lists its objects in files.mk.
# Only what GNU make, bmake and OpenBSD make share is used here.

include config.mk

SBIN = $(PREFIX)/sbin
BIN = $(PREFIX)/bin
LIBEXEC = $(PREFIX)/libexec/smtpd-stoken
MAN = $(PREFIX)/share/man
SHARE = $(PREFIX)/share/smtpd-stoken

WARNINGS = -Wall -Wextra -Wshadow -Wformat=2 -Wmissing-prototypes \
	-Wstrict-prototypes -Wpointer-arith -Wundef -Wwrite-strings -Wvla
CPPFLAGS = -I. -Icompat/include $(CPPFLAGS_OS)

include lib/files.mk
include imsg/files.mk
include compat/files.mk
include smtpd-stoken/files.mk
include smtpd-stoken/frontend/files.mk
include smtpd-stoken/engine/files.mk
include smtpd-stoken/relay/smtp/files.mk
include smtpd-stoken/relay/files.mk
include tokend/files.mk
include tokend/sign/files.mk
include tokend/auth/files.mk
include lmtpd/files.mk
include tokenctl/files.mk
include tokensend/files.mk
include regress/files.mk

PROGRAMS = out/sbin/smtpd-stoken out/sbin/tokenctl out/bin/tokensend \
	out/libexec/smtpd-stoken/frontend out/libexec/smtpd-stoken/engine \
	out/libexec/smtpd-stoken/relay \
	out/libexec/smtpd-stoken/tokend out/libexec/smtpd-stoken/tokend-sign \
	out/libexec/smtpd-stoken/tokend-auth out/libexec/smtpd-stoken/lmtpd

all: $(PROGRAMS) $(CLIENT_OBJS) out/stoken-imsg.7

.SUFFIXES: .c .o
.c.o:
	$(CC) $(CPPFLAGS) $(DB_CFLAGS) $(CFLAGS) $(HARDENING) $(WARNINGS) \
	    -MMD -MP -c -o $@ $<

COMMON_OBJS = $(LIB_OBJS) $(IMSG_OBJS) $(COMPAT_OBJS)
out/libcommon.a: $(COMMON_OBJS)
	@mkdir -p out
	@rm -f $@
	ar rc $@ $(COMMON_OBJS)

LINK = @mkdir -p out/bin out/sbin out/libexec/smtpd-stoken; $(CC) $(CFLAGS) $(LDHARDENING) -o $@
LIBS = out/libcommon.a $(LIBS_EVENT) $(LIBS_BASE) $(LIBS_SECCOMP)

out/sbin/smtpd-stoken: $(PARENT_OBJS) out/libcommon.a
	$(LINK) $(PARENT_OBJS) $(LIBS) $(LIBS_IDN) $(LIBS_CRYPTO)
out/sbin/tokenctl: $(TOKENCTL_OBJS) out/libcommon.a
	$(LINK) $(TOKENCTL_OBJS) $(LIBS) $(LIBS_IDN) $(LIBS_CRYPTO) $(LIBS_CRYPT)
out/bin/tokensend: $(TOKENSEND_OBJS) $(TOKENSEND_RELAY_OBJS) $(CLIENT_OBJS) \
    out/libcommon.a
	$(LINK) $(TOKENSEND_OBJS) $(TOKENSEND_RELAY_OBJS) $(CLIENT_OBJS) $(LIBS) \
	    $(LIBS_CARES) $(LIBS_IDN) $(LIBS_TLS)
out/libexec/smtpd-stoken/frontend: $(FRONTEND_OBJS) out/libcommon.a
	$(LINK) $(FRONTEND_OBJS) $(LIBS) $(LIBS_TLS)
out/libexec/smtpd-stoken/engine: $(ENGINE_OBJS) out/libcommon.a
	$(LINK) $(ENGINE_OBJS) $(LIBS) $(LIBS_IDN)
out/libexec/smtpd-stoken/relay: $(RELAY_OBJS) $(CLIENT_OBJS) out/libcommon.a
	$(LINK) $(RELAY_OBJS) $(CLIENT_OBJS) $(LIBS) $(LIBS_CARES) $(LIBS_TLS) $(LIBS_IDN)
out/libexec/smtpd-stoken/tokend: $(TOKEND_OBJS) out/libcommon.a
	$(LINK) $(TOKEND_OBJS) $(LIBS) $(LIBS_IDN) $(LIBS_CRYPTO) $(LIBS_DB)
out/libexec/smtpd-stoken/tokend-sign: $(SIGN_OBJS) out/libcommon.a
	$(LINK) $(SIGN_OBJS) $(LIBS) $(LIBS_CRYPTO)
out/libexec/smtpd-stoken/tokend-auth: $(AUTH_OBJS) out/libcommon.a
	$(LINK) $(AUTH_OBJS) $(LIBS) $(LIBS_IDN) $(LIBS_CRYPTO) $(LIBS_CRYPT) \
	    $(LIBS_SYSTEM)
out/libexec/smtpd-stoken/lmtpd: $(LMTPD_OBJS) out/libcommon.a
	$(LINK) $(LMTPD_OBJS) $(LIBS) $(LIBS_CRYPTO)

# The page is printed from the table that the programs are built from.
out/stoken-imsg.7: imsg/manual.o imsg/messages.o
	@mkdir -p out
	$(CC) $(CFLAGS) $(LDHARDENING) -o out/manual imsg/manual.o imsg/messages.o
	./out/manual > $@

ALL_OBJS = imsg/manual.o $(COMMON_OBJS) $(PARENT_OBJS) $(TOKENCTL_OBJS) $(TOKENSEND_OBJS) \
	$(FRONTEND_OBJS) \
	$(ENGINE_OBJS) $(RELAY_OBJS) $(CLIENT_OBJS) $(TOKEND_OBJS) $(SIGN_OBJS) $(AUTH_OBJS) $(LMTPD_OBJS) \
	$(REGRESS_OBJS)
-include $(ALL_OBJS:.o=.d)

clean:
	rm -rf out
	rm -f $(ALL_OBJS) $(ALL_OBJS:.o=.d)

# make unit [TESTS="NAME ..."]: see regress/unit/run.sh.
unit: all
	@CC="$(CC)" CPPFLAGS="$(CPPFLAGS) $(DB_CFLAGS)" CFLAGS="$(CFLAGS) $(WARNINGS)" \
	    LIBS="$(LIBS)" sh regress/unit/run.sh $(TESTS)

# make sandbox: see regress/sandbox/run.sh.
sandbox: all
	@CC="$(CC)" CPPFLAGS="$(CPPFLAGS) $(DB_CFLAGS)" CFLAGS="$(CFLAGS) $(WARNINGS)" \
	    LIBS="$(LIBS)" LIBS_TLS="$(LIBS_TLS)" LIBS_DB="$(LIBS_DB)" \
	    LIBS_CRYPT="$(LIBS_CRYPT)" sh regress/sandbox/run.sh

# make check: everything. make check SANITIZE=1: with AddressSanitizer and
# UndefinedBehaviorSanitizer, in a copy of the tree; SANITIZE=leaks: without
# the sandbox, and every process looks for leaks when it ends.
check:
	@SANITIZE="$(SANITIZE)" MAKE="$(MAKE)" sh regress/check.sh
# make sanitize: both kinds of SANITIZE, one after the other.
sanitize:
	@MAKE="$(MAKE)" sh regress/sanitize/run.sh
# make valgrind, make endure [COUNT=N]: see regress/endure/.
valgrind:
	@MAKE="$(MAKE)" sh regress/endure/valgrind.sh
endure: all
	@sh regress/endure/growth.sh $(COUNT)
demo:
	@MAKE="$(MAKE)" sh regress/demo/demo.sh
out/bench/tokend: regress/bench/bench_tokend.o $(TOKEND_CORE_OBJS) out/libcommon.a
	@mkdir -p out/bench
	$(CC) $(CFLAGS) $(LDHARDENING) -o $@ regress/bench/bench_tokend.o \
	    $(TOKEND_CORE_OBJS) $(LIBS) $(LIBS_IDN) $(LIBS_CRYPTO) $(LIBS_DB)
bench: all out/bench/tokend
	@MAKE="$(MAKE)" sh regress/bench/bench.sh
fuzz:
	@CC="$(CC)" CPPFLAGS="$(CPPFLAGS) $(DB_CFLAGS)" LIBS="$(LIBS)" \
	    sh regress/fuzz/run.sh $(SECONDS_EACH)
lint: all
	@sh regress/lint.sh
format:
	git ls-files '*.c' '*.h' | xargs clang-format-14 -i

MAN1 = tokensend/tokensend.1
MAN5 = smtpd-stoken/smtpd-stoken.conf.5 tokend/auth/smtpd-stoken-users.5
MAN7 = out/stoken-imsg.7 smtpd-stoken/engine/stoken-metadata.7
MAN8 = smtpd-stoken/smtpd-stoken.8 tokend/tokend.8 lmtpd/lmtpd.8 \
	tokenctl/tokenctl.8
DESTLIBEXEC = $(DESTDIR)$(LIBEXEC)

install: all
	mkdir -p $(DESTDIR)$(BIN) $(DESTDIR)$(SBIN) $(DESTLIBEXEC) \
	    $(DESTDIR)$(MAN)/man1 $(DESTDIR)$(MAN)/man5 \
	    $(DESTDIR)$(MAN)/man7 $(DESTDIR)$(MAN)/man8 $(DESTDIR)$(SHARE)
	install -m 755 out/sbin/smtpd-stoken out/sbin/tokenctl $(DESTDIR)$(SBIN)
	install -m 755 out/bin/tokensend $(DESTDIR)$(BIN)
	install -m 755 out/libexec/smtpd-stoken/* $(DESTLIBEXEC)
	install -m 644 $(MAN1) $(DESTDIR)$(MAN)/man1
	install -m 644 $(MAN5) $(DESTDIR)$(MAN)/man5
	install -m 644 $(MAN7) $(DESTDIR)$(MAN)/man7
	install -m 644 $(MAN8) $(DESTDIR)$(MAN)/man8
	cp -R etc/. $(DESTDIR)$(SHARE)
	for file in systemd/smtpd-stoken.service rc.d/smtpd_stoken \
	    prometheus/smtpd-stoken-metrics.service \
	    smtpd-stoken.conf tokensend-postfix.cf tokensend-exim.conf \
	    tokensend-opensmtpd.conf tokensend-or-sendmail.sh; do \
		sed -e 's|/usr/local/|$(PREFIX)/|' \
		    -e 's|"/etc/smtpd-stoken|"$(SYSCONFDIR)/smtpd-stoken|' \
		    -e 's|"/var/db|"$(LOCALSTATEDIR)/db|' -e 's|"/var/run|"$(LOCALSTATEDIR)/run|' \
		    etc/$$file > $(DESTDIR)$(SHARE)/$$file || exit 1; \
	done
