RELAY_OBJS = smtpd-stoken/relay/main.o smtpd-stoken/relay/setup.o
