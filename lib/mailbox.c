/* SPDX-License-Identifier: ISC */
#include <stdint.h>
#include <string.h>

#include "lib/mailbox.h"

#define USER_MAX 64 /* RFC 5321 section 4.5.3.1.1 */
#define DOMAIN_MAX 253

static const struct field {
	const char *name;
	int is_domain;
} fields[] = {
    {"%{user}", 0},
    {"%{domain}", 1},
};

/* The field that begins at `text`, or NULL. */
static const struct field *
field_at(const char *text)
{
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (strncmp(text, fields[i].name, strlen(fields[i].name)) == 0)
			return &fields[i];
	}
	return NULL;
}

static int
is_dots(const char *name)
{
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Looks for %-fields in a component. Returns what is wrong with it. */
static const char *
look_for_fields(
    struct mailbox_template *template, const char *component, int *uses_user)
{
	const struct field *field;
	const char *p = component;

	while ((p = strchr(p, '%')) != NULL) {
		if ((field = field_at(p)) == NULL)
			return "only %{user} and %{domain} can be used";
		if (field->is_domain)
			template->uses_domain = 1;
		else
			*uses_user = 1;
		p += strlen(field->name);
	}
	return NULL;
}

static const char *
add_component(
    struct mailbox_template *template, const char *name, size_t length)
{
	char *out;

	if (template->count == MAILBOX_DEPTH)
		return "too many directories";
	if (length >= MAILBOX_NAME)
		return "a directory name is too long";
	out = template->component[template->count++];
	memcpy(out, name, length);
	out[length] = '\0';
	return NULL;
}

const char *
mailbox_template_parse(struct mailbox_template *template, const char *text)
{
	char name[MAILBOX_NAME];
	const char *problem, *p = text;
	size_t length, root_length = 0;
	int below = 0, uses_user = 0;

	memset(template, 0, sizeof(*template));
	if (*p != '/')
		return "the path must be absolute";
	for (; *p == '/' && p[1] != '\0'; p += length) {
		length = strcspn(++p, "/");
		if (length == 0 || length >= sizeof(name))
			return "a directory name is empty or too long";
		memcpy(name, p, length);
		name[length] = '\0';
		if (is_dots(name))
			return "\".\" and \"..\" cannot be used";
		problem = look_for_fields(template, name, &uses_user);
		if (problem != NULL)
			return problem;
		below |= strchr(name, '%') != NULL;
		if (!below)
			root_length = (size_t)(p - text) + length;
		else if ((problem = add_component(template, name, length)) !=
		    NULL)
			return problem;
	}
	if (!uses_user)
		return "%{user} is missing";
	if (root_length == 0)
		return "the first directory must have a fixed name";
	if (root_length >= sizeof(template->root))
		return "the path is too long";
	memcpy(template->root, text, root_length);
	template->root[root_length] = '\0';
	return NULL;
}

/*
 * One UTF-8 character at `text` (RFC 3629: shortest form, no surrogates).
 * Returns its length, or 0 for what is none, or is a control character.
 */
static size_t
utf8_length(const unsigned char *text, size_t left)
{
	static const struct {
		unsigned char mask, lead;
		uint32_t least;
	} forms[] = {
	    {0xe0, 0xc0, 0xa0}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
	uint32_t value;

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		if ((text[0] & forms[i].mask) != forms[i].lead)
			continue;
		if (left < i + 2)
			return 0;
		value = text[0] & (unsigned char)~forms[i].mask;
		for (size_t j = 1; j < i + 2; j++) {
			if ((text[j] & 0xc0) != 0x80)
				return 0;
			value = value << 6 | (text[j] & 0x3f);
		}
		if (value < forms[i].least || value > 0x10ffff ||
		    (value >= 0xd800 && value <= 0xdfff))
			return 0;
		return i + 2;
	}
	return 0;
}

static int
is_alnum(unsigned char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	    (c >= '0' && c <= '9');
}

static int
valid_user(const char *user, size_t length)
{
	const unsigned char *p = (const unsigned char *)user;
	size_t step;

	if (length == 0 || length > USER_MAX || *p == '.')
		return 0;
	for (; length > 0; length -= step, p += step) {
		step = 1;
		if (is_alnum(*p) || strchr("!#$%&'*+-=?^_`{|}~.", *p) != NULL) {
			if (*p == '\0')
				return 0;
		} else if ((step = utf8_length(p, length)) == 0)
			return 0;
	}
	return 1;
}

static int
valid_domain(const char *domain, size_t length)
{
	const unsigned char *p = (const unsigned char *)domain;

	if (length == 0 || length > DOMAIN_MAX)
		return 0;
	for (size_t i = 0; i < length; i++) {
		if (p[i] == '.') {
			if (i == 0 || i + 1 == length || p[i - 1] == '.')
				return 0;
		} else if (p[i] != '-' &&
		    (!is_alnum(p[i]) || (p[i] >= 'A' && p[i] <= 'Z')))
			return 0;
	}
	return 1;
}

int
mailbox_split(char user[MAILBOX_NAME], char domain[MAILBOX_NAME],
    const char *mailbox, size_t length)
{
	const char *at = memchr(mailbox, '@', length);
	size_t user_length = at != NULL ? (size_t)(at - mailbox) : length;
	size_t domain_length = at != NULL ? length - user_length - 1 : 0;

	if (!valid_user(mailbox, user_length) ||
	    (at != NULL && !valid_domain(at + 1, domain_length)))
		return -1;
	memcpy(user, mailbox, user_length);
	user[user_length] = '\0';
	if (at != NULL)
		memcpy(domain, at + 1, domain_length);
	domain[domain_length] = '\0';
	return 0;
}

/* Puts user and domain into one component. Returns 0, or -1: too long. */
static int
expand_component(char out[MAILBOX_NAME], const char *component,
    const char *user, const char *domain)
{
	const struct field *field;
	const char *piece;
	size_t length, used = 0;

	while (*component != '\0') {
		field = field_at(component);
		if (field != NULL) {
			piece = field->is_domain ? domain : user;
			length = strlen(piece);
			component += strlen(field->name);
		} else {
			piece = component++;
			length = 1;
		}
		if (used + length >= MAILBOX_NAME)
			return -1;
		memcpy(out + used, piece, length);
		used += length;
	}
	out[used] = '\0';
	return used == 0 || is_dots(out) ? -1 : 0;
}

int
mailbox_expand(struct mailbox_path *path,
    const struct mailbox_template *template, const char *mailbox, size_t length)
{
	char user[MAILBOX_NAME], domain[MAILBOX_NAME];

	if (mailbox_split(user, domain, mailbox, length) == -1)
		return -1;
	if (template->uses_domain && domain[0] == '\0')
		return -1;
	for (size_t i = 0; i < template->count; i++) {
		if (expand_component(path->component[i], template->component[i],
			user, domain) == -1)
			return -1;
	}
	path->count = template->count;
	return 0;
}
