/* SPDX-License-Identifier: MIT */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/*
 * Before the bytes of a frame: how many, and in the highest bit for whom. No
 * frame crosses the end of a block. What is left there, too little for one,
 * begins with a header of 0 if there is room even for that.
 */
typedef uint32_t header;
#define FOR_STDERR 0x80000000u
#define HEADER_BYTES sizeof(header)

void spool_store_init(spool_store *s)
{
	s->fd = -1;
}

void spool_store_in_memory(spool_store *s)
{
	weft_mutex_lock(&s->lock);
	s->in_memory = true;
	weft_mutex_unlock(&s->lock);
}

void spool_store_fini(spool_store *s)
{
	if (s->fd >= 0)
		close(s->fd);
	free(s->unused);
}

static int open_unnamed(const char *dir)
{
	char path[4096];
	int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);

	if (fd >= 0 || (errno != EOPNOTSUPP && errno != EISDIR))
		return fd;
	if (snprintf(path, sizeof(path), "%s/weft-XXXXXX", dir) >= (int)sizeof(path))
		return -1;
	fd = mkostemp(path, O_CLOEXEC);
	if (fd >= 0)
		unlink(path);
	return fd;
}

/* In memory, too, where there is no folder to write to. */
static int open_store(bool in_memory)
{
	const char *dir = getenv("TMPDIR");
	int fd = -1;

	if (!in_memory && dir != NULL && dir[0] != '\0')
		fd = open_unnamed(dir);
	if (!in_memory && fd < 0)
		fd = open_unnamed("/tmp");
	if (fd < 0)
		fd = memfd_create("weft", MFD_CLOEXEC);
	return fd >= 0 ? fd : -errno;
}

static int take_block(spool_store *s, uint32_t *block)
{
	int err = 0;

	weft_mutex_lock(&s->lock);
	if (s->fd < 0)
		s->fd = open_store(s->in_memory);
	if (s->fd < 0)
		err = s->fd;
	else if (s->unused_count > 0)
		*block = s->unused[--s->unused_count];
	else
		*block = s->block_count++;
	weft_mutex_unlock(&s->lock);
	return err;
}

/* One that cannot be noted for want of memory stays unused. */
static void give_block(spool_store *s, uint32_t block)
{
	weft_mutex_lock(&s->lock);
	if (s->unused_count == s->unused_room) {
		uint32_t room = s->unused_room != 0 ? 2 * s->unused_room : 64;
		uint32_t *more = realloc(s->unused, room * sizeof(*more));

		if (more != NULL) {
			s->unused = more;
			s->unused_room = room;
		}
	}
	if (s->unused_count < s->unused_room)
		s->unused[s->unused_count++] = block;
	weft_mutex_unlock(&s->lock);
}

void spool_init(spool *s, spool_store *store)
{
	s->store = store;
}

void spool_fini(spool *s)
{
	for (uint32_t i = 0; i < s->block_count; i++)
		give_block(s->store, s->blocks[i]);
	free(s->blocks);
	free(s->tail);
}

static int write_block(spool_store *s, uint32_t block, const char *data)
{
	size_t done = 0;

	while (done < SPOOL_BLOCK_BYTES) {
		ssize_t n = pwrite(s->fd, data + done, SPOOL_BLOCK_BYTES - done,
				   (off_t)(block * SPOOL_BLOCK_BYTES + done));

		if (n < 0 && errno != EINTR)
			return -errno;
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* The tail has no room for another frame: it becomes a block of the file. */
static int put_tail_away(spool *s)
{
	uint32_t block = 0;
	int err;

	if (s->block_count == s->block_room) {
		uint32_t room = s->block_room != 0 ? 2 * s->block_room : 8;
		uint32_t *more = realloc(s->blocks, room * sizeof(*more));

		if (more == NULL)
			return -ENOMEM;
		s->blocks = more;
		s->block_room = room;
	}
	err = take_block(s->store, &block);
	if (err != 0)
		return err;
	memset(s->tail + s->tail_size, 0, SPOOL_BLOCK_BYTES - s->tail_size);
	err = write_block(s->store, block, s->tail);
	if (err != 0) {
		give_block(s->store, block);
		return err;
	}
	s->blocks[s->block_count++] = block;
	s->tail_size = 0;
	return 0;
}

/* For size_bytes more in the tail, which do not make it longer than a block. */
static int make_room(spool *s, size_t size_bytes)
{
	size_t room = s->tail_room != 0 ? s->tail_room : 1024;
	char *tail;

	while (room < s->tail_size + size_bytes)
		room *= 2;
	if (room == s->tail_room)
		return 0;
	tail = realloc(s->tail, room);
	if (tail == NULL)
		return -ENOMEM;
	s->tail = tail;
	s->tail_room = room;
	return 0;
}

/* As much of the data as one frame takes. Returns how much, or an error. */
static ssize_t append(spool *s, header mark, const char *data, size_t size_bytes)
{
	size_t room;
	header h;
	int err = 0;

	if (s->block_count == 0 && s->at == s->tail_size)
		s->at = s->tail_size = 0;
	if (SPOOL_BLOCK_BYTES - s->tail_size <= HEADER_BYTES)
		err = put_tail_away(s);
	if (err != 0)
		return err;
	room = SPOOL_BLOCK_BYTES - s->tail_size - HEADER_BYTES;
	if (size_bytes > room)
		size_bytes = room;
	err = make_room(s, HEADER_BYTES + size_bytes);
	if (err != 0)
		return err;
	h = (header)size_bytes | mark;
	memcpy(s->tail + s->tail_size, &h, HEADER_BYTES);
	memcpy(s->tail + s->tail_size + HEADER_BYTES, data, size_bytes);
	s->tail_size += HEADER_BYTES + size_bytes;
	return (ssize_t)size_bytes;
}

int spool_write(spool *s, int stream, const void *data, size_t size_bytes)
{
	header mark = stream == STDERR_FILENO ? FOR_STDERR : 0;
	const char *from = data;
	ssize_t n = 0;

	weft_mutex_lock(&s->lock);
	while (size_bytes > 0 && n >= 0) {
		n = append(s, mark, from, size_bytes);
		if (n > 0) {
			from += n;
			size_bytes -= (size_t)n;
		}
	}
	weft_mutex_unlock(&s->lock);
	return n < 0 ? (int)n : 0;
}

void spool_close(spool *s)
{
	weft_mutex_lock(&s->lock);
	s->closed = true;
	weft_mutex_unlock(&s->lock);
}

static void drop_first_block(spool *s)
{
	give_block(s->store, s->blocks[0]);
	s->block_count--;
	memmove(s->blocks, s->blocks + 1, s->block_count * sizeof(*s->blocks));
	s->at = 0;
}

static int take(spool *s, void *to, size_t size_bytes)
{
	size_t done = 0;

	if (s->block_count == 0) {
		memcpy(to, s->tail + s->at, size_bytes);
		done = size_bytes;
	}
	while (done < size_bytes) {
		ssize_t n = pread(s->store->fd, (char *)to + done,
				  size_bytes - done,
				  (off_t)(s->blocks[0] * SPOOL_BLOCK_BYTES +
					  s->at + done));

		if (n == 0 || (n < 0 && errno != EINTR))
			return n < 0 ? -errno : -EIO;
		done += n > 0 ? (size_t)n : 0;
	}
	s->at += size_bytes;
	return 0;
}

/* To the next header, which may be at the start of the next block. */
static int take_header(spool *s, header *h)
{
	for (;;) {
		int err = 0;

		*h = 0;
		if (s->block_count == 0 && s->at == s->tail_size)
			return s->closed ? SPOOL_END : SPOOL_EMPTY;
		if (SPOOL_BLOCK_BYTES - s->at >= HEADER_BYTES)
			err = take(s, h, HEADER_BYTES);
		if (err != 0 || *h != 0)
			return err != 0 ? err : SPOOL_FRAME;
		drop_first_block(s);
	}
}

int spool_read(spool *s, spool_frame *f)
{
	header h;
	int state;

	weft_mutex_lock(&s->lock);
	state = take_header(s, &h);
	if (state == SPOOL_FRAME) {
		int err;

		f->stream = (h & FOR_STDERR) != 0 ? STDERR_FILENO : STDOUT_FILENO;
		f->size = h & ~FOR_STDERR;
		err = take(s, f->data, f->size);
		if (err != 0)
			state = err;
	}
	weft_mutex_unlock(&s->lock);
	return state;
}
