/* SPDX-License-Identifier: ISC */
#include "lib/measure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "imsg/channel.h"
#include "lib/metrics.h"
#include "lib/process.h"

static uint32_t request;

uint32_t
measure_request(void)
{
	return request;
}

void
measure_finding(
    enum finding_state state, const char *item, const char *format, ...)
{
	char text[1024], name[64];
	union message m = {
	    .finding = {.request = request, .state = (uint8_t)state}};
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	(void)strlcpy(name, item, sizeof(name));
	m.finding.item = bytes_text(name);
	m.finding.text = bytes_text(text);
	(void)channel_send(process_parent(), MSG_FINDING, &m, -1);
}

void
measure_answer(const struct msg_count *asked, void (*measure)(int check))
{
	static uint8_t values[METRICS_OCTETS];
	union message m = {.counted = {.request = asked->request,
			       .values = bytes_of(values, sizeof(values))}};

	request = asked->request;
	if (measure != NULL)
		measure(asked->check);
	metrics_write(metric_values, values);
	(void)channel_send(process_parent(), MSG_COUNTED, &m, -1);
}
