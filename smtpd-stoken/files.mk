PARENT_OBJS = \
	smtpd-stoken/main.o \
	smtpd-stoken/children.o \
	smtpd-stoken/listeners.o \
	smtpd-stoken/notify.o \
	smtpd-stoken/reload.o \
	smtpd-stoken/roles.o \
	smtpd-stoken/setup.o
