/* SPDX-License-Identifier: MIT */
/* Urls of places, as people may see them. */
#include "fleet/core.h"

#include <string.h>

static const char STARS[] = "***";

/* What was written, and where the next byte goes, as long as there is room. */
typedef struct {
	char *to;
	size_t room;
} writer;

static void put(writer *w, const char *text, size_t size)
{
	if (size > w->room)
		size = w->room;
	memcpy(w->to, text, size);
	w->to += size;
	w->room -= size;
}

static void put_text(writer *w, const char *text)
{
	put(w, text, strlen(text));
}

/* Behind SCHEME: and the slashes that may follow. */
static const char *behind_scheme(const char *url)
{
	const char *at = url + strcspn(url, ":@/?");

	if (*at != ':')
		return url;
	at++;
	return strncmp(at, "//", 2) == 0 ? at + 2 : at;
}

static bool is_harmless(const char *option, size_t name)
{
	static const char *const names[] = {"cafile", "cert", "db", "key", "ns"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (strlen(names[i]) == name && strncmp(option, names[i], name) == 0)
			return true;
	return false;
}

/*
 * USER:PASSWORD@; one word alone is as likely to be a password. A ? may be part
 * of one; but what follows is options if the first of them is one that is known.
 */
static const char *put_user(writer *w, const char *from)
{
	size_t path = strcspn(from, "?"), user = strcspn(from, ":");
	const char *option = from + path + (from[path] == '?');
	const char *at = strrchr(from, '@');

	if (is_harmless(option, strcspn(option, "=&")))
		at = memrchr(from, '@', path);

	if (at == NULL)
		return from;
	if (from + user < at)
		put(w, from, user + 1);
	put_text(w, STARS);
	return at;
}

/* ?NAME=VALUE&…; the value of an option that is not known may be anything. */
static void put_options(writer *w, const char *from)
{
	while (*from != '\0') {
		size_t size = 1 + strcspn(from + 1, "&");
		size_t name = strcspn(from, "=");

		if (name < size && !is_harmless(from + 1, name - 1)) {
			put(w, from, name + 1);
			put_text(w, STARS);
		} else {
			put(w, from, size);
		}
		from += size;
	}
}

char *weft_fleet_url_redact(const char *url, char *to, size_t size)
{
	writer w = {to, size - 1};
	const char *from = behind_scheme(url);
	size_t path;

	put(&w, url, (size_t)(from - url));
	if (strncmp(url, "dir:", 4) == 0) {
		put_text(&w, from);
	} else {
		from = put_user(&w, from);
		path = strcspn(from, "?");
		put(&w, from, path);
		put_options(&w, from + path);
	}
	*w.to = '\0';
	return to;
}
