/* SPDX-License-Identifier: ISC */
/* `show dns`: a row for each record that should be published. */
#include "tokend/publish.h"

static const char *const certificates[] = {
    [PUBLISH_CERTIFICATE_NONE] = "",
    [PUBLISH_CERTIFICATE_OK] = "ok",
    [PUBLISH_CERTIFICATE_UNKNOWN] = "unchecked",
    [PUBLISH_CERTIFICATE_OTHER] = "other",
};

static void
looked(struct client_request *client, const struct publish *publish)
{
	const struct publish_item *item;
	char record[640], advice[1024];
	struct row row;
	size_t i;

	for (i = 0; i < publish->count; i++) {
		item = &publish->items[i];
		publish_record(item, record, sizeof(record));
		publish_advice(item, advice, sizeof(advice));
		row_start(&row);
		row_text(&row.list, "domain", bytes_text(item->domain));
		row_text(&row.list, "record", bytes_text(record));
		row_text(&row.list, "state",
		    bytes_text(publish_state_name(item->state)));
		row_text(&row.list, "found", bytes_text(item->found));
		row_text(&row.list, "certificate",
		    bytes_text(certificates[item->certificate]));
		row_text(&row.list, "advice", bytes_text(advice));
		row_send(client, &row);
	}
	control_end(client, CONTROL_OK, "");
}

static void
measured(struct client_request *client, const struct measured *all)
{
	publish_look(client, all, looked);
}

/* The certificates are the frontends' to know. */
void
control_show_dns(struct client_request *client, struct bytes arguments)
{
	(void)arguments;
	measure_ask(client, 0, measured);
}
