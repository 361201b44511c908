/* SPDX-License-Identifier: MIT */
/*
 * Where output waits for whoever reads it, so that a slow reader holds up
 * nobody. A spool is a queue of frames, each some bytes of stdout or of
 * stderr, in the order in which they came. What is short stays in memory; the
 * rest lies in blocks of one file without a name, which all spools share and
 * which is as long as what waited at once: a descriptor in all, however many
 * spools there are.
 */
#ifndef WEFT_CLI_SPOOL_H
#define WEFT_CLI_SPOOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft.h>

#define SPOOL_BLOCK_BYTES ((size_t)64 * 1024)

typedef struct spool_store {
	weft_mutex lock;
	int fd; /* -1 until it is needed */
	bool in_memory; /* no disk for what is in memory anyhow */
	uint32_t block_count;
	uint32_t *unused; /* blocks to take first */
	uint32_t unused_count, unused_room;
} spool_store;

typedef struct spool {
	spool_store *store;
	weft_mutex lock;
	uint32_t *blocks; /* what is not in memory, from the first unread on */
	uint32_t block_count, block_room;
	char *tail; /* what follows, up to a block */
	size_t tail_size, tail_room;
	size_t at; /* read so far of the first block, or of the tail */
	bool closed;
} spool;

/* One piece of output. */
typedef struct spool_frame {
	int stream; /* 1 or 2 */
	size_t size;
	char *data;
} spool_frame;

/* For objects of which all bytes are zero. */
void spool_store_init(spool_store *s);
void spool_store_fini(spool_store *s);

/* Use no disk from now on, unless it has begun to. */
void spool_store_in_memory(spool_store *s);

void spool_init(spool *s, spool_store *store);
void spool_fini(spool *s);

/* Returns 0, or a negative errno; the end of the data is not there then. */
int spool_write(spool *s, int stream, const void *data, size_t size_bytes);

/* Nothing more will be written. */
void spool_close(spool *s);

enum spool_state { SPOOL_FRAME, SPOOL_EMPTY, SPOOL_END };

/*
 * Take the next frame, into *f; f->data has room for SPOOL_BLOCK_BYTES.
 *
 * Returns SPOOL_FRAME; SPOOL_EMPTY, nothing so far; SPOOL_END, nothing ever
 * again; or a negative errno.
 */
int spool_read(spool *s, spool_frame *f);

#endif
