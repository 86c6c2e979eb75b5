# What sends is the relay's own code; what is here says to whom, and by what.
TOKENSEND_OBJS = \
	tokensend/fail.o \
	tokensend/find.o \
	tokensend/main.o \
	tokensend/message.o \
	tokensend/options.o \
	tokensend/route.o \
	tokensend/send.o \
	tokensend/tokenfile.o \
	tokensend/tokenfile_change.o \
	tokensend/tokens.o
TOKENSEND_RELAY_OBJS = \
	smtpd-stoken/relay/dialogue.o \
	smtpd-stoken/relay/dialogue_client.o \
	smtpd-stoken/relay/discover.o \
	smtpd-stoken/relay/dns.o \
	smtpd-stoken/relay/domains.o \
	smtpd-stoken/relay/identity.o \
	smtpd-stoken/relay/link.o \
	smtpd-stoken/relay/resolve.o \
	smtpd-stoken/relay/resolve_host.o \
	smtpd-stoken/relay/server.o \
	smtpd-stoken/relay/targets.o \
	smtpd-stoken/relay/token_answer.o \
	smtpd-stoken/relay/trust.o
