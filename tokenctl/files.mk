TOKENCTL_OBJS = \
	tokenctl/backup.o \
	tokenctl/encrypt.o \
	tokenctl/fail.o \
	tokenctl/findings.o \
	tokenctl/metrics.o \
	tokenctl/output.o \
	tokenctl/print.o \
	tokenctl/request.o \
	tokenctl/secret.o \
	tokenctl/tokenctl.o \
	tokenctl/verbs.o \
	tokenctl/zone.o \
	tokend/auth/saslprep.o \
	tokend/auth/scheme.o \
	tokend/auth/scram_key.o
