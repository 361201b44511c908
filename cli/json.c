/* SPDX-License-Identifier: MIT */
#include "json.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(json *j, size_t more)
{
	size_t room = j->room != 0 ? j->room : 256;
	char *text;

	if (j->failed)
		return false;
	while (room < j->size + more)
		room *= 2;
	if (room == j->room)
		return true;
	text = realloc(j->text, room);
	j->failed = text == NULL;
	if (j->failed)
		return false;
	j->text = text;
	j->room = room;
	return true;
}

static void add_bytes(json *j, const char *bytes, size_t size_bytes)
{
	if (!make_room(j, size_bytes))
		return;
	memcpy(j->text + j->size, bytes, size_bytes);
	j->size += size_bytes;
}

void json_add(json *j, const char *fmt, ...)
{
	va_list args;
	char *text;
	int size;

	va_start(args, fmt);
	size = vasprintf(&text, fmt, args);
	va_end(args);
	if (size < 0) {
		j->failed = true;
		return;
	}
	add_bytes(j, text, (size_t)size);
	free(text);
}

/* The length of the character at text, by its first byte; 0: no such. */
static size_t utf8_length(unsigned char first)
{
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* Neither overlong, nor a surrogate, nor beyond U+10FFFF. */
static bool is_good_second(unsigned char first, unsigned char second)
{
	unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;

	return second >= low && second <= high;
}

size_t json_utf8_prefix(const char *text, size_t size_bytes, size_t *rest)
{
	const unsigned char *u = (const unsigned char *)text;
	size_t at = 0;

	*rest = 0;
	while (at < size_bytes) {
		size_t length = utf8_length(u[at]), have = 1;

		if (length == 0)
			return at;
		while (have < length && at + have < size_bytes) {
			if (have == 1 ? !is_good_second(u[at], u[at + 1])
				      : (u[at + have] & 0xc0) != 0x80)
				return at;
			have++;
		}
		if (have < length) {
			*rest = have;
			return at;
		}
		at += length;
	}
	return at;
}

static void add_character(json *j, const char *c, size_t size_bytes)
{
	unsigned char first = (unsigned char)*c;

	if (first == '"' || first == '\\')
		json_add(j, "\\%c", first);
	else if (first == '\n')
		add_bytes(j, "\\n", 2);
	else if (first < 0x20 || first == 0x7f)
		json_add(j, "\\u%04x", first);
	else
		add_bytes(j, c, size_bytes);
}

void json_add_string(json *j, const char *text, size_t size_bytes)
{
	size_t at = 0, good, rest;

	add_bytes(j, "\"", 1);
	while (at < size_bytes) {
		good = at + json_utf8_prefix(text + at, size_bytes - at, &rest);
		while (at < good) {
			size_t length = utf8_length((unsigned char)text[at]);

			add_character(j, text + at, length);
			at += length;
		}
		if (at < size_bytes) {
			add_bytes(j, "\\ufffd", 6);
			at++;
		}
	}
	add_bytes(j, "\"", 1);
}

void json_add_base64(json *j, const char *bytes, size_t size_bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *u = (const unsigned char *)bytes;

	add_bytes(j, "\"", 1);
	for (size_t at = 0; at < size_bytes; at += 3) {
		size_t have = size_bytes - at < 3 ? size_bytes - at : 3;
		uint32_t bits = (uint32_t)u[at] << 16 |
				(uint32_t)(have > 1 ? u[at + 1] : 0) << 8 |
				(have > 2 ? u[at + 2] : 0);
		char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63],
				have > 1 ? digits[bits >> 6 & 63] : '=',
				have > 2 ? digits[bits & 63] : '='};

		add_bytes(j, four, 4);
	}
	add_bytes(j, "\"", 1);
}

void json_fini(json *j)
{
	free(j->text);
	*j = (json){0};
}
