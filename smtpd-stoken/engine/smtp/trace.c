/* SPDX-License-Identifier: ISC */
#include <stdio.h>
#include <string.h>

#include "smtpd-stoken/engine/smtp/trace.h"

/* F-75: RFC 3848, and RFC 6531 section 4.3 with SMTPUTF8. */
static void
with(const struct trace *trace, char *out, size_t size)
{
	const char *base = trace->lmtp ? "LMTP" : "ESMTP";

	if (trace->utf8)
		base = trace->lmtp ? "UTF8LMTP" : "UTF8SMTP";
	snprintf(out, size, "%s%s%s", base, trace->tls ? "S" : "",
	    trace->authenticated ? "A" : "");
}

/* from: RFC 5321 section 4.4, Extended-Domain. */
static void
from(const struct trace *trace, char *out, size_t size)
{
	const char *v6 = strchr(trace->client, ':') != NULL ? "IPv6:" : "";

	if (trace->hidden)
		strlcpy(out, "unknown", size);
	else if (trace->client[0] == '\0')
		strlcpy(out, trace->helo, size);
	else
		snprintf(
		    out, size, "%s ([%s%s])", trace->helo, v6, trace->client);
}

/* for and tls (F-61, RFC 8314 section 4.3): each on a line, or none. */
static void
details(const struct trace *trace, char *out, size_t size)
{
	out[0] = '\0';
	if (trace->recipient[0] != '\0') {
		strlcat(out, "\n\tfor <", size);
		strlcat(out, trace->recipient, size);
		strlcat(out, ">", size);
	}
	if (trace->cipher[0] == '\0')
		return;
	strlcat(out, "\n\ttls ", size);
	strlcat(out, trace->cipher, size);
	if (trace->group[0] != '\0') {
		strlcat(out, " group ", size);
		strlcat(out, trace->group, size);
	}
}

/* Made anew once a second. */
const char *
trace_date(time_t now)
{
	static char text[48];
	static time_t made;
	struct tm tm;

	if (text[0] == '\0' || now != made) {
		if (localtime_r(&now, &tm) == NULL ||
		    strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S %z",
			&tm) == 0)
			return "";
		made = now;
	}
	return text;
}

static void
results(const struct trace *trace, char *out, size_t size)
{
	out[0] = '\0';
	if (trace->result == TRACE_TOKEN)
		snprintf(out, size,
		    "Authentication-Results: %s;\n"
		    "\tauth=pass (stoken %s) smtp.mailfrom=%s\n",
		    trace->hostname,
		    trace->permanent ? "permanent" : "temporary",
		    trace->sender);
	else if (trace->result == TRACE_USER)
		snprintf(out, size,
		    "Authentication-Results: %s;\n"
		    "\tauth=pass smtp.auth=%s\n",
		    trace->hostname, trace->identity);
}

size_t
trace_received(const struct trace *trace, char *out, size_t size)
{
	char protocol[16], client[400], more[512];
	int n;

	with(trace, protocol, sizeof(protocol));
	from(trace, client, sizeof(client));
	details(trace, more, sizeof(more));
	n = snprintf(out, size,
	    "Received: from %s\n"
	    "\tby %s with %s id %s%s;\n"
	    "\t%s\n",
	    client, trace->hostname, protocol, trace->id, more,
	    trace_date(trace->now));
	return n < 0 || (size_t)n >= size ? 0 : (size_t)n;
}

size_t
trace_write(const struct trace *trace, char *out, size_t size)
{
	char result[1024];
	size_t n, received;
	int path;

	path = snprintf(out, size, "Return-Path: <%s>\n", trace->sender);
	if (path < 0 || (size_t)path >= size)
		return 0;
	n = (size_t)path;
	received = trace_received(trace, out + n, size - n);
	n += received;
	results(trace, result, sizeof(result));
	if (received == 0 || strlcpy(out + n, result, size - n) >= size - n)
		return 0;
	return n + strlen(result);
}
