LIB_OBJS = \
	lib/address.o \
	lib/base64.o \
	lib/ticket.o
