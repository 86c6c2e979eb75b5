CLIENT_OBJS = \
	smtpd-stoken/relay/smtp/client.o
