/* SPDX-License-Identifier: MIT */
#include "inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

inside_name inside_name_of(weft_key key, uint64_t token)
{
	const unsigned char *at = key.data;
	uint64_t h = 0xcbf29ce484222325u;
	inside_name name;

	for (size_t i = 0; i < key.size; i++)
		h = (h ^ at[i]) * 0x100000001b3u;
	snprintf(name.text, sizeof(name.text), "/%llu.%016llx",
		 (unsigned long long)token, (unsigned long long)h);
	return name;
}

static const char *outer(void)
{
	const char *list = getenv("WEFT_INSIDE");

	return list != NULL ? list : "";
}

bool inside_is(weft_key key, uint64_t token)
{
	return strstr(outer(), inside_name_of(key, token).text) != NULL;
}

char *inside_with(weft_key key, uint64_t token)
{
	char *text;

	return asprintf(&text, INSIDE "%s%s", inside_name_of(key, token).text,
			outer()) < 0 ? NULL : text;
}
