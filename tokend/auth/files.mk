AUTH_OBJS = \
	tokend/auth/aliases.o \
	tokend/auth/auth.o \
	tokend/auth/backend.o \
	tokend/auth/backend_file.o \
	tokend/auth/exchange.o \
	tokend/auth/exchanges.o \
	tokend/auth/hasher.o \
	tokend/auth/login.o \
	tokend/auth/lookups.o \
	tokend/auth/mechanism.o \
	tokend/auth/mechanism_login.o \
	tokend/auth/mechanism_plain.o \
	tokend/auth/mechanism_scram.o \
	tokend/auth/name_map.o \
	tokend/auth/route.o \
	tokend/auth/rights.o \
	tokend/auth/saslprep.o \
	tokend/auth/scheme.o \
	tokend/auth/scram_key.o \
	tokend/auth/scram_text.o \
	tokend/auth/site.o \
	tokend/auth/source.o \
	tokend/auth/users.o
