LIB_OBJS = \
	lib/base64.o
