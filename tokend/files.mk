# What needs no process around it: linked by the tests and the bench too.
TOKEND_CORE_OBJS = tokend/batch.o tokend/bearer.o tokend/check.o tokend/client.o \
	tokend/es256.o tokend/jwt.o tokend/jwt_key.o \
	tokend/flight.o tokend/held.o tokend/hmac.o tokend/issue.o \
	tokend/keyfile.o tokend/keyring.o tokend/open.o tokend/problem.o \
	tokend/records.o tokend/remember.o tokend/remember_check.o \
	tokend/remember_list.o tokend/revoke.o tokend/seal.o tokend/store_db.o \
	tokend/store_db_backup.o tokend/stoken.o tokend/token.o

TOKEND_OBJS = $(TOKEND_CORE_OBJS) tokend/ask.o tokend/auth.o \
	tokend/auth/login.o tokend/control_remember.o tokend/mechanism.o \
	tokend/mechanism_ht2.o tokend/mechanism_oauthbearer.o \
	tokend/mechanism_rememberme.o tokend/mechanism_stoken.o \
	tokend/mechanism_xoauth2.o tokend/remember_command.o \
	tokend/remember_login.o \
	tokend/commit.o tokend/control.o tokend/control_change.o \
	tokend/control_check.o tokend/control_dns.o \
	tokend/findings.o tokend/findings_own.o tokend/control_metrics.o tokend/measure.o \
	tokend/publish.o tokend/publish_items.o \
	tokend/control_show.o tokend/control_upkeep.o tokend/elsewhere.o \
	tokend/limits.o \
	tokend/main.o tokend/mailboxes.o tokend/manage.o tokend/outside.o \
	tokend/recipient.o \
	tokend/session.o tokend/submit.o tokend/upkeep.o
