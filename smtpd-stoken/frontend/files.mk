FRONTEND_OBJS = smtpd-stoken/frontend/address_count.o \
	smtpd-stoken/frontend/closing.o smtpd-stoken/frontend/deadline.o \
	smtpd-stoken/frontend/engines.o smtpd-stoken/frontend/facts.o smtpd-stoken/frontend/handshake.o \
	smtpd-stoken/frontend/listener.o smtpd-stoken/frontend/main.o \
	smtpd-stoken/frontend/pump.o smtpd-stoken/frontend/relay.o \
	smtpd-stoken/frontend/remote_key.o smtpd-stoken/frontend/session.o \
	smtpd-stoken/frontend/setup.o smtpd-stoken/frontend/signer.o \
	smtpd-stoken/frontend/tls.o smtpd-stoken/frontend/tls_hook.o \
	smtpd-stoken/frontend/tls_self_test.o tokend/sign/keyname.o
