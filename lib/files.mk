LIB_OBJS = \
	lib/address.o \
	lib/base64.o \
	lib/clock.o \
	lib/log.o \
	lib/mailbox.o \
	lib/measure.o \
	lib/metrics.o \
	lib/process.o \
	lib/row.o \
	lib/settings.o \
	lib/space.o \
	lib/ticket.o
