/* SPDX-License-Identifier: MIT */
/* A number for an address, to be hashed. */
#ifndef WEFT_SRC_PLAT_ADDRESS_H
#define WEFT_SRC_PLAT_ADDRESS_H

#include "base/base.h"

/* Addresses that differ in the last two bits alone have the same number. */
#ifdef WEFT_SIM
/* The same in every process: in the order of their first appearance. */
uint64_t weft__address_key(const void *address);
#else
static inline uint64_t weft__address_key(const void *address)
{
	return (uintptr_t)address >> 2;
}
#endif

#endif
