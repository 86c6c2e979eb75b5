LIB_OBJS = \
	lib/address.o \
	lib/base64.o \
	lib/log.o \
	lib/mailbox.o \
	lib/process.o \
	lib/settings.o \
	lib/ticket.o
