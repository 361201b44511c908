/* SPDX-License-Identifier: MIT */
#include "plat/address.h"

#include <stdlib.h>

/* Open addressing, half empty; for the life of the process. */
static struct {
	uintptr_t *addresses;
	uint64_t *keys;
	size_t size;
	size_t used;
} table;

static size_t find(uintptr_t address)
{
	size_t i = (size_t)(address * 0x9e3779b97f4a7c15u >> 20);

	for (i %= table.size; table.addresses[i] != 0; i = (i + 1) % table.size)
		if (table.addresses[i] == address)
			break;
	return i;
}

static void grow(void)
{
	uintptr_t *addresses = table.addresses;
	uint64_t *keys = table.keys;
	size_t size = table.size;

	table.size = size > 0 ? size * 2 : 1024;
	table.addresses = calloc(table.size, sizeof *table.addresses);
	table.keys = calloc(table.size, sizeof *table.keys);
	if (table.addresses == NULL || table.keys == NULL)
		abort();
	for (size_t i = 0; i < size; i++) {
		if (addresses[i] != 0) {
			size_t at = find(addresses[i]);

			table.addresses[at] = addresses[i];
			table.keys[at] = keys[i];
		}
	}
	free(addresses);
	free(keys);
}

uint64_t weft__address_key(const void *address)
{
	uintptr_t a = (uintptr_t)address >> 2;
	size_t i;

	if (a == 0)
		return 0;	/* as the first one: the table has no place for it */
	if (table.used * 2 >= table.size)
		grow();
	i = find(a);
	if (table.addresses[i] == 0) {
		table.addresses[i] = a;
		table.keys[i] = table.used++;
	}
	return table.keys[i];
}
