AUTH_OBJS = \
	tokend/auth/aliases.o \
	tokend/auth/login.o \
	tokend/auth/name_map.o \
	tokend/auth/route.o \
	tokend/auth/scheme.o \
	tokend/auth/scram_key.o \
	tokend/auth/source.o \
	tokend/auth/users.o
