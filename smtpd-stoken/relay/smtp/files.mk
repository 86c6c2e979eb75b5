CLIENT_OBJS = \
	smtpd-stoken/relay/smtp/body.o \
	smtpd-stoken/relay/smtp/client.o \
	smtpd-stoken/relay/smtp/delivered.o \
	smtpd-stoken/relay/smtp/envelope.o \
	smtpd-stoken/relay/smtp/extension.o \
	smtpd-stoken/relay/smtp/greeting.o \
	smtpd-stoken/relay/smtp/hide.o \
	smtpd-stoken/relay/smtp/login.o \
	smtpd-stoken/relay/smtp/metadata.o \
	smtpd-stoken/relay/smtp/output.o \
	smtpd-stoken/relay/smtp/reply.o \
	smtpd-stoken/relay/smtp/scram.o \
	smtpd-stoken/relay/smtp/transfer.o
