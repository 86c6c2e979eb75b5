LMTPD_OBJS = \
	lmtpd/arrange.o \
	lmtpd/boxes.o \
	lmtpd/copy.o \
	lmtpd/deliver.o \
	lmtpd/flags.o \
	lmtpd/flush.o \
	lmtpd/keywords.o \
	lmtpd/lmtpd.o \
	lmtpd/look.o \
	lmtpd/maildir.o \
	lmtpd/maildir_put.o \
	lmtpd/message.o \
	lmtpd/open_files.o \
	lmtpd/place.o \
	lmtpd/root.o \
	lmtpd/system.o
