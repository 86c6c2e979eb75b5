FRONTEND_OBJS = smtpd-stoken/frontend/remote_key.o smtpd-stoken/frontend/tls.o \
	smtpd-stoken/frontend/tls_hook.o smtpd-stoken/frontend/tls_self_test.o \
	tokend/sign/keyname.o
