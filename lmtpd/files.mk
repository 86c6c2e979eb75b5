LMTPD_OBJS = \
	lmtpd/boxes.o \
	lmtpd/deliver.o \
	lmtpd/flush.o \
	lmtpd/lmtpd.o \
	lmtpd/look.o \
	lmtpd/maildir.o \
	lmtpd/message.o \
	lmtpd/place.o \
	lmtpd/root.o \
	lmtpd/system.o
