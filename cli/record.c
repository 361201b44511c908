/* SPDX-License-Identifier: MIT */
#include "record.h"

#include <stdio.h>
#include <string.h>

/* The first bytes of every header, so that what is none is noticed. */
static const unsigned char mark[3] = {'w', 'r', 1};

void record_header(unsigned char header[RECORD_HEADER_BYTES],
		   enum record_kind kind, size_t size_bytes)
{
	memcpy(header, mark, sizeof(mark));
	header[3] = (unsigned char)kind;
	for (int i = 0; i < 4; i++)
		header[4 + i] = (unsigned char)(size_bytes >> 8 * i);
}

bool record_read_header(const unsigned char header[RECORD_HEADER_BYTES],
			enum record_kind *kind, size_t *size_bytes)
{
	size_t size = 0;

	for (int i = 0; i < 4; i++)
		size |= (size_t)header[4 + i] << 8 * i;
	*kind = header[3];
	*size_bytes = size;
	return memcmp(header, mark, sizeof(mark)) == 0 &&
	       *kind >= RECORD_STDOUT && *kind <= RECORD_END;
}

size_t record_end_write(char text[RECORD_END_BYTES], const record_end *end)
{
	char had[40] = "";

	if (end->run[0] != '\0')
		snprintf(had, sizeof(had), " run %s %d", end->run, end->lost);
	return (size_t)snprintf(text, RECORD_END_BYTES, "%s %d%s%s%s%s\n",
				end->why, end->status, end->own ? " own" : "",
				end->cut ? " cut" : "",
				end->live ? " live" : "", had);
}

bool record_end_read(const char *text, size_t size_bytes, record_end *end)
{
	char copy[RECORD_END_BYTES];
	const char *had;

	*end = (record_end){0};
	if (size_bytes >= sizeof(copy))
		return false;
	memcpy(copy, text, size_bytes);
	copy[size_bytes] = '\0';
	end->own = strstr(copy, " own") != NULL;
	end->cut = strstr(copy, " cut") != NULL;
	end->live = strstr(copy, " live") != NULL;
	had = strstr(copy, " run ");
	if (had != NULL && sscanf(had, " run %11s %d", end->run, &end->lost) != 2)
		return false;
	return sscanf(copy, "%15s %d", end->why, &end->status) == 2;
}

bool record_timed_out(const record_end *end)
{
	return strcmp(end->why, "timed-out") == 0;
}

bool record_cancelled(const record_end *end)
{
	return strcmp(end->why, "cancelled") == 0;
}

bool record_read(const void *record, size_t size_bytes, record_piece_fn piece,
		 void *arg, record_end *end)
{
	const unsigned char *at = record, *behind = at + size_bytes;
	enum record_kind kind;
	size_t size;

	while (behind - at >= RECORD_HEADER_BYTES &&
	       record_read_header(at, &kind, &size) &&
	       size <= (size_t)(behind - at - RECORD_HEADER_BYTES)) {
		at += RECORD_HEADER_BYTES;
		if (kind == RECORD_END)
			return record_end_read((const char *)at, size, end);
		if (piece != NULL)
			piece(arg, kind, at, size);
		at += size;
	}
	return false;
}
