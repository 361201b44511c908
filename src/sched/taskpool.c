/* SPDX-License-Identifier: MIT */
/*
 * Memory of tasks: a free list for each worker, batches that move between the
 * workers through a depot, and slabs that the depot cuts new ones from. A task
 * is one cache line.
 */
#include "sched/sched.h"

#include "plat/pages.h"

_Static_assert(sizeof(weft__task) == WEFT__CACHE_LINE, "one line a task");

enum {
	BATCH = 64,
	KEPT_MAX = 4 * BATCH,	/* on a worker's list */
	FIRST_SLAB_BYTES = 16 * 1024,
	LAST_SLAB_BYTES = 4 * 1024 * 1024,
};

static struct {
	weft__lock lock;
	weft__task *batches;	/* lists of BATCH; ->object links the lists */
	weft__task *loose;	/* for plain threads */
	char *slab, *slab_end;	/* what is left of the newest slab */
	size_t slab_bytes;
} depot;

static weft__task *carve_task(void)
{
	if (depot.slab == depot.slab_end) {
		size_t bytes = depot.slab_bytes * 2;

		if (bytes < FIRST_SLAB_BYTES)
			bytes = FIRST_SLAB_BYTES;
		if (bytes > LAST_SLAB_BYTES)
			bytes = LAST_SLAB_BYTES;
		char *slab = weft__pages_map(bytes);

		if (slab == NULL)
			return NULL;
		depot.slab = slab;
		depot.slab_end = slab + bytes;
		depot.slab_bytes = bytes;
	}
	depot.slab += sizeof(weft__task);
	return (weft__task *)(void *)(depot.slab - sizeof(weft__task));
}

/* A list of up to BATCH free tasks; with the depot locked. */
static weft__task *depot_take(uint32_t *count)
{
	weft__task *list = depot.batches, *task;

	if (list != NULL) {
		depot.batches = list->object;
		*count = BATCH;
		return list;
	}
	for (*count = 0; *count < BATCH; ++*count) {
		task = carve_task();
		if (task == NULL)
			break;
		task->next = list;
		list = task;
	}
	return list;
}

static weft__task *alloc_loose(void)
{
	weft__task *task;
	uint32_t count;

	weft__lock_take(&depot.lock);
	if (depot.loose == NULL)
		depot.loose = depot_take(&count);
	task = depot.loose;
	if (task != NULL)
		depot.loose = task->next;
	weft__lock_drop(&depot.lock);
	return task;
}

weft__task *weft__task_alloc(weft__worker *w)
{
	weft__task *task;

	if (w == NULL)
		return alloc_loose();
	if (unlikely(w->free_tasks == NULL)) {
		weft__lock_take(&depot.lock);
		w->free_tasks = depot_take(&w->free_task_count);
		weft__lock_drop(&depot.lock);
	}
	task = w->free_tasks;
	if (task != NULL) {
		w->free_tasks = task->next;
		w->free_task_count--;
	}
	return task;
}

/* Cut the first BATCH tasks off w's list. */
static weft__task *cut_batch(weft__worker *w)
{
	weft__task *list = w->free_tasks, *last = list;

	for (int i = 1; i < BATCH; i++)
		last = last->next;
	w->free_tasks = last->next;
	w->free_task_count -= BATCH;
	last->next = NULL;
	return list;
}

static void give_batch(weft__worker *w)
{
	weft__task *list = cut_batch(w);

	weft__lock_take(&depot.lock);
	list->object = depot.batches;
	depot.batches = list;
	weft__lock_drop(&depot.lock);
}

void weft__task_free(weft__worker *w, weft__task *task)
{
	task->next = w->free_tasks;
	w->free_tasks = task;
	if (unlikely(++w->free_task_count >= KEPT_MAX))
		give_batch(w);
}

void weft__task_flush(weft__worker *w)
{
	weft__task *task;

	while (w->free_task_count >= BATCH)
		give_batch(w);
	weft__lock_take(&depot.lock);
	while ((task = w->free_tasks) != NULL) {
		w->free_tasks = task->next;
		task->next = depot.loose;
		depot.loose = task;
	}
	w->free_task_count = 0;
	weft__lock_drop(&depot.lock);
}
