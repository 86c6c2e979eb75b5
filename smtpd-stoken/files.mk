CONFIG_OBJS = \
	smtpd-stoken/lexer.o \
	smtpd-stoken/config.o \
	smtpd-stoken/config-check.o \
	smtpd-stoken/config-directives.o \
	smtpd-stoken/config-file.o \
	smtpd-stoken/config-listen.o \
	smtpd-stoken/config-metadata.o \
	smtpd-stoken/config-parse.o \
	smtpd-stoken/config-print.o \
	smtpd-stoken/config-remember.o \
	smtpd-stoken/config-relay.o \
	smtpd-stoken/config-table.o \
	smtpd-stoken/config-token.o \
	smtpd-stoken/config-users.o
PARENT_OBJS = \
	$(CONFIG_OBJS) \
	smtpd-stoken/main.o \
	smtpd-stoken/children.o \
	smtpd-stoken/listeners.o \
	smtpd-stoken/login.o \
	smtpd-stoken/measure.o \
	smtpd-stoken/notify.o \
	smtpd-stoken/reload.o \
	smtpd-stoken/roles.o \
	smtpd-stoken/setup.o \
	smtpd-stoken/setup-settings.o
