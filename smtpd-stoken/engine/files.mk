SMTP_OBJS = \
	smtpd-stoken/engine/smtp/capability.o \
	smtpd-stoken/engine/smtp/chunk.o \
	smtpd-stoken/engine/smtp/command.o \
	smtpd-stoken/engine/smtp/command_auth.o \
	smtpd-stoken/engine/smtp/command_bdat.o \
	smtpd-stoken/engine/smtp/command_bmtd.o \
	smtpd-stoken/engine/smtp/command_data.o \
	smtpd-stoken/engine/smtp/command_genstoken.o \
	smtpd-stoken/engine/smtp/command_helo.o \
	smtpd-stoken/engine/smtp/command_help.o \
	smtpd-stoken/engine/smtp/command_mail.o \
	smtpd-stoken/engine/smtp/command_noop.o \
	smtpd-stoken/engine/smtp/command_quit.o \
	smtpd-stoken/engine/smtp/command_rcpt.o \
	smtpd-stoken/engine/smtp/command_refused.o \
	smtpd-stoken/engine/smtp/command_rememberme.o \
	smtpd-stoken/engine/smtp/command_revstoken.o \
	smtpd-stoken/engine/smtp/command_rset.o \
	smtpd-stoken/engine/smtp/command_starttls.o \
	smtpd-stoken/engine/smtp/command_vrfy.o \
	smtpd-stoken/engine/smtp/container.o \
	smtpd-stoken/engine/smtp/data.o \
	smtpd-stoken/engine/smtp/header.o \
	smtpd-stoken/engine/smtp/input.o \
	smtpd-stoken/engine/smtp/mechanism.o \
	smtpd-stoken/engine/smtp/metadata_flags.o \
	smtpd-stoken/engine/smtp/metadata_trace.o \
	smtpd-stoken/engine/smtp/pair.o \
	smtpd-stoken/engine/smtp/parameter.o \
	smtpd-stoken/engine/smtp/passed.o \
	smtpd-stoken/engine/smtp/reply.o \
	smtpd-stoken/engine/smtp/session.o \
	smtpd-stoken/engine/smtp/trace.o \
	smtpd-stoken/engine/smtp/transaction.o
ENGINE_OBJS = $(SMTP_OBJS) \
	smtpd-stoken/engine/actions.o \
	smtpd-stoken/engine/configuration.o \
	smtpd-stoken/engine/delivery_log.o \
	smtpd-stoken/engine/engine.o \
	smtpd-stoken/engine/files.o \
	smtpd-stoken/engine/looks.o \
	smtpd-stoken/engine/session.o \
	smtpd-stoken/engine/session_io.o \
	smtpd-stoken/engine/shutdown.o \
	smtpd-stoken/engine/tokend.o \
	smtpd-stoken/engine/transfer.o
