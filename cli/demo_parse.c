/* SPDX-License-Identifier: MIT */
#include "demo_data.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The longest line of Debian's index has 9,000 bytes. A file that has lines
 * of more than this is something else, and shall not fill the memory. */
#define MAX_TEXT_BYTES (1 << 20)

__attribute__((format(printf, 2, 3))) static int broken(demo_parser *p,
							const char *fmt, ...)
{
	va_list args;
	int n = snprintf(p->error, sizeof(p->error), "line %" PRId64 ": ",
			 p->lines + 1);

	va_start(args, fmt);
	vsnprintf(p->error + n, sizeof(p->error) - (size_t)n, fmt, args);
	va_end(args);
	return DEMO_FAILED;
}

static void clear(demo_text *t)
{
	t->size = 0;
	if (t->at != NULL)
		t->at[0] = '\0';
}

static int append(demo_parser *p, demo_text *t, const char *data, size_t size)
{
	if (size >= MAX_TEXT_BYTES || t->size + size >= MAX_TEXT_BYTES)
		return broken(p, "not a package index: more than 1 MiB in one field");
	if (t->size + size >= t->room) {
		size_t room = 2 * (t->size + size) + 256;
		char *at = realloc(t->at, room);

		if (at == NULL)
			return broken(p, "no memory");
		t->at = at;
		t->room = room;
	}
	memcpy(t->at + t->size, data, size);
	t->size += size;
	t->at[t->size] = '\0';
	return 0;
}

static int end_stanza(demo_parser *p)
{
	int err = 0;

	if (p->where == BETWEEN)
		return 0;
	if (p->package.size == 0)
		return broken(p, "a stanza without \"Package:\" ends here");
	if (!p->absent)
		err = p->stanza(p->arg, p->package.at,
				p->needs.size > 0 ? p->needs.at : "");
	clear(&p->package);
	clear(&p->needs);
	p->absent = false;
	p->where = BETWEEN;
	return err;
}

static bool is(const char *name, size_t length, const char *wanted)
{
	return strlen(wanted) == length && strncasecmp(name, wanted, length) == 0;
}

static int take_package(demo_parser *p, const char *value)
{
	if (value[0] == '\0' || strpbrk(value, " \t,|()") != NULL)
		return broken(p, "'%.60s' is no package name", value);
	if (p->package.size > 0)
		return broken(p, "a second \"Package:\" in one stanza");
	return append(p, &p->package, value, strlen(value));
}

/* "Status: want flag state": what is not installed or half so needs nothing. */
static bool status_absent(const char *value)
{
	const char *state = strrchr(value, ' ');

	return state != NULL && (strcmp(state, " not-installed") == 0 ||
				 strcmp(state, " config-files") == 0);
}

static int take_needs(demo_parser *p, const char *value)
{
	int err = append(p, &p->needs, ",", 1);

	return err != 0 ? err : append(p, &p->needs, value, strlen(value));
}

/* line has its end cut off. */
static int take_line(demo_parser *p, char *line, size_t size)
{
	size_t blanks = strspn(line, " \t"), name = strcspn(line, ": \t");
	char *value;

	if (strlen(line) != size)
		return broken(p, "not a package index: a zero byte");
	if (blanks == size)
		return end_stanza(p);
	if (blanks > 0 && p->where == BETWEEN)
		return broken(p, "not a package index: a stanza begins with a blank");
	if (blanks > 0)
		return p->where == NEEDS_FIELD ? take_needs(p, line + blanks) : 0;
	if (name == 0 || line[name] != ':')
		return broken(p, "not a package index: no \"Field: value\" in '%.40s'",
			      line);
	value = line + name + 1;
	value += strspn(value, " \t");
	p->where = OTHER_FIELD;
	if (is(line, name, "Package"))
		return take_package(p, value);
	if (is(line, name, "Status"))
		p->absent = status_absent(value);
	if (!is(line, name, "Depends") && !is(line, name, "Pre-Depends"))
		return 0;
	p->where = NEEDS_FIELD;
	return take_needs(p, value);
}

static void trim(demo_text *t)
{
	while (t->size > 0 && (t->at[t->size - 1] == ' ' || t->at[t->size - 1] == '\t' ||
			       t->at[t->size - 1] == '\r'))
		t->at[--t->size] = '\0';
}

int demo_parse(demo_parser *p, const char *data, size_t size)
{
	while (size > 0) {
		const char *end = memchr(data, '\n', size);
		size_t n = end != NULL ? (size_t)(end - data) : size;
		int err = append(p, &p->line, data, n);

		if (err != 0 || end == NULL)
			return err;
		trim(&p->line);
		err = take_line(p, p->line.at, p->line.size);
		if (err != 0)
			return err;
		p->lines++;
		clear(&p->line);
		data += n + 1;
		size -= n + 1;
	}
	return 0;
}

int demo_parse_end(demo_parser *p)
{
	if (p->line.size > 0)
		return broken(p, "the file ends in the middle of a line; is it cut off?");
	return end_stanza(p);
}

void demo_parser_fini(demo_parser *p)
{
	free(p->line.at);
	free(p->package.at);
	free(p->needs.at);
}

/* Skips what may stand between names: versions, architectures, profiles. */
static const char *skip_qualifiers(const char *at)
{
	static const char opening[] = "([<", *const closing[] = {")", "]", ">"};

	for (;;) {
		const char *open;

		at += strspn(at, " \t,|");
		if (*at == ':') {
			at += strcspn(at, " \t,|([<");
		} else if (*at != '\0' && (open = strchr(opening, *at)) != NULL) {
			at += strcspn(at, closing[open - opening]);
			at += *at != '\0';
		} else {
			return at;
		}
	}
}

size_t demo_next_name(const char **at)
{
	size_t length;

	*at = skip_qualifiers(*at);
	length = strcspn(*at, " \t,|([<:");
	return length;
}
