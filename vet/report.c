/* SPDX-License-Identifier: MIT */
#include "vet.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *home;
static char **reported;
static size_t reported_count;

int vet_trouble(const char *fmt, ...)
{
	va_list args;

	fflush(stdout);
	fputs("weft-vet: ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	return VET_TROUBLE;
}

void *vet_grow(void *at, size_t count, size_t size)
{
	at = reallocarray(at, count, size);
	if (at == NULL)
		exit(vet_trouble("no memory"));
	return at;
}

static char *format(const char *fmt, va_list args)
{
	char *text;

	if (vasprintf(&text, fmt, args) < 0)
		exit(vet_trouble("no memory"));
	return text;
}

char *vet_format(const char *fmt, ...)
{
	va_list args;
	char *text;

	va_start(args, fmt);
	text = format(fmt, args);
	va_end(args);
	return text;
}

void vet_paths_start(void)
{
	home = realpath(".", NULL);
}

void vet_paths_fini(void)
{
	free(home);
}

const char *vet_paths_home(void)
{
	return home != NULL ? home : ".";
}

const char *vet_paths_shown(const char *absolute)
{
	size_t n = home != NULL ? strlen(home) : 0;

	if (n == 1 && absolute[0] == '/') /* we are at the root */
		return absolute + 1;
	if (n > 0 && strncmp(absolute, home, n) == 0 && absolute[n] == '/')
		return absolute + n + 1;
	return absolute;
}

/* The file as the user can open it; to be freed. */
static char *path_of(CXFile file)
{
	char *name, *absolute, *shown;

	if (file == NULL)
		return vet_format("?");
	name = vet_text(clang_getFileName(file));
	absolute = realpath(name, NULL);
	shown = vet_format("%s", vet_paths_shown(absolute ? absolute : name));
	free(absolute);
	free(name);
	return shown;
}

/* "file:line:col", and the place itself; to be freed. */
static char *place_of(CXCursor at, CXFile *file, unsigned *line)
{
	unsigned column;
	char *path, *place;

	clang_getFileLocation(clang_getCursorLocation(at), file, line, &column,
			      NULL);
	path = path_of(*file);
	place = vet_format("%s:%u:%u", path, *line, column);
	free(path);
	return place;
}

/*
 * "weft-vet: allow copy, ctx": the names after the colon, up to the first word
 * that is none, which begins the reason.
 */
static bool allows(const char *text, const char *end, const char *name)
{
	while (text < end) {
		const char *word;
		size_t n;

		while (text < end && (*text == ' ' || *text == ','))
			text++;
		for (word = text; text < end && isalpha((unsigned char)*text);)
			text++;
		n = (size_t)(text - word);
		if (n == strlen(name) && memcmp(word, name, n) == 0)
			return true;
		for (size_t i = 0; i < vet_check_count; i++)
			if (n == strlen(vet_checks[i].name) &&
			    memcmp(word, vet_checks[i].name, n) == 0)
				n = 0; /* another check: read on */
		if (n > 0 || text == word)
			return false;
	}
	return false;
}

static bool line_allows(const char *line, const char *end, const char *name)
{
	static const char mark[] = "weft-vet: allow ";
	const char *at = memmem(line, (size_t)(end - line), mark,
				strlen(mark));
	size_t before = at != NULL ? (size_t)(at - line) : 0;

	return at != NULL &&
	       (memmem(line, before, "//", 2) != NULL ||
		memmem(line, before, "/*", 2) != NULL) &&
	       allows(at + strlen(mark), end, name);
}

/* Is there nothing on the line but a comment? */
static bool only_comment(const char *line, const char *end)
{
	while (line < end && (*line == ' ' || *line == '\t'))
		line++;
	return end - line >= 2 && line[0] == '/' &&
	       (line[1] == '/' || line[1] == '*');
}

/* Silenced at the end of the line, or on a line of its own before it. */
static bool silenced(vet_unit *u, CXFile file, unsigned wanted)
{
	size_t size = 0;
	const char *text = clang_getFileContents(u->tu, file, &size);
	const char *stop = text + size;

	for (unsigned line = 1; text != NULL && text < stop; line++) {
		const char *end = memchr(text, '\n', (size_t)(stop - text));

		end = end != NULL ? end : stop;
		if (line == wanted || (line + 1 == wanted &&
				       only_comment(text, end)))
			if (line_allows(text, end, u->check->name))
				return true;
		if (line == wanted)
			return false;
		text = end + 1;
	}
	return false;
}

/* Takes the text over. */
static bool first_time(char *text)
{
	for (size_t i = 0; i < reported_count; i++)
		if (strcmp(reported[i], text) == 0) {
			free(text);
			return false;
		}
	reported = vet_grow(reported, reported_count + 1, sizeof(*reported));
	reported[reported_count++] = text;
	return true;
}

bool vet_report(vet_unit *u, CXCursor at, const char *fmt, ...)
{
	CXFile file;
	unsigned line;
	char *place = place_of(at, &file, &line), *message, *text;
	va_list args;

	va_start(args, fmt);
	message = format(fmt, args);
	va_end(args);
	text = vet_format("%s: warning: %s [weft-%s]", place, message,
			  u->check->name);
	free(place);
	free(message);
	if (silenced(u, file, line)) {
		free(text);
		return false;
	}
	if (!first_time(text))
		return false;
	puts(text);
	return true;
}

void vet_note(CXCursor at, const char *fmt, ...)
{
	CXFile file;
	unsigned line;
	char *place = place_of(at, &file, &line);
	va_list args;

	printf("%s: note: ", place);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	putchar('\n');
	free(place);
}

size_t vet_report_count(void)
{
	return reported_count;
}

void vet_report_fini(void)
{
	for (size_t i = 0; i < reported_count; i++)
		free(reported[i]);
	free(reported);
}
