RELAY_OBJS = smtpd-stoken/relay/connection.o \
	smtpd-stoken/relay/dialogue.o smtpd-stoken/relay/dialogue_client.o \
	smtpd-stoken/relay/engines.o \
	smtpd-stoken/relay/discover.o smtpd-stoken/relay/dns.o \
	smtpd-stoken/relay/domains.o \
	smtpd-stoken/relay/held.o smtpd-stoken/relay/hop.o \
	smtpd-stoken/relay/identity.o smtpd-stoken/relay/link.o \
	smtpd-stoken/relay/mail.o smtpd-stoken/relay/main.o \
	smtpd-stoken/relay/metadata.o \
	smtpd-stoken/relay/requests.o smtpd-stoken/relay/probe.o smtpd-stoken/relay/questions.o \
	smtpd-stoken/relay/resolve.o \
	smtpd-stoken/relay/resolve_host.o \
	smtpd-stoken/relay/server.o smtpd-stoken/relay/setup.o \
	smtpd-stoken/relay/sharing.o smtpd-stoken/relay/targets.o \
	smtpd-stoken/relay/token_answer.o \
	smtpd-stoken/relay/token_domain.o \
	smtpd-stoken/relay/token_connection.o smtpd-stoken/relay/token_log.o \
	smtpd-stoken/relay/token_pool.o smtpd-stoken/relay/token_route.o \
	smtpd-stoken/relay/trust.o
