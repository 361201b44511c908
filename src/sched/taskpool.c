/* SPDX-License-Identifier: MIT */
/*
 * Memory of tasks that wait, and of some that have not begun (deque.h): a free
 * list for each worker, batches that move between the workers through a depot,
 * and slabs that the depot cuts new ones from. A task is one cache line.
 */
#include "sched/sched.h"

#include "plat/pages.h"

_Static_assert(sizeof(weft__task) == WEFT__CACHE_LINE, "one line a task");

enum {
	BATCH = 64,
	KEPT_MAX = 4 * BATCH,	/* on a worker's list */
	FIRST_SLAB_BYTES = 16 * 1024,
	LAST_SLAB_BYTES = 4 * 1024 * 1024,
	SLAB_SHARE = 4,		/* of all: so much may lie idle in the newest */
};

static struct {
	weft__lock lock;
	weft__task *batches;	/* lists of BATCH; ->object links the lists */
	weft__task *loose;	/* for plain threads */
	char *slab, *slab_end;	/* what is left of the newest slab */
	size_t slab_bytes;
	size_t all_bytes;	/* of all slabs */
} depot;

/* The first slab takes no call of the system; what is unused takes no page. */
static weft__task first_slab[FIRST_SLAB_BYTES / sizeof(weft__task)]
	__attribute__((aligned(WEFT__CACHE_LINE)));

/* Room for BATCH new tasks, untouched; with the depot locked. NULL: none. */
static weft__task *carve(void)
{
	size_t bytes = BATCH * sizeof(weft__task);

	if (depot.slab == depot.slab_end) {
		size_t slab_bytes = depot.slab_bytes;

		if (slab_bytes == 0)
			slab_bytes = FIRST_SLAB_BYTES;
		else if (slab_bytes < LAST_SLAB_BYTES &&
			 depot.all_bytes >= 2 * slab_bytes * SLAB_SHARE)
			slab_bytes *= 2;
		depot.slab = depot.slab_bytes == 0
				     ? (char *)first_slab
				     : weft__pages_map(slab_bytes);
		depot.slab_end = depot.slab;
		if (depot.slab == NULL)
			return NULL;
		depot.slab_end += slab_bytes;
		depot.slab_bytes = slab_bytes;
		depot.all_bytes += slab_bytes;
	}
	depot.slab += bytes;
	return (weft__task *)(void *)(depot.slab - bytes);
}

/*
 * A list of BATCH free tasks, or NULL. New ones are linked without the lock:
 * their first touch may fault, and others would sleep for it.
 */
static weft__task *take_batch(void)
{
	weft__task *list, *new = NULL;

	weft__lock_take(&depot.lock);
	list = depot.batches;
	if (list != NULL)
		depot.batches = list->object;
	else
		new = carve();
	weft__lock_drop(&depot.lock);
	for (int i = BATCH - 1; new != NULL && i >= 0; i--) {
		new[i].next = list;
		list = &new[i];
	}
	return list;
}

static weft__task *pop_loose(void)
{
	weft__task *task = depot.loose;

	if (task != NULL)
		depot.loose = task->next;
	return task;
}

static void push_loose(weft__task *list)
{
	weft__task *task;

	while ((task = list) != NULL) {
		list = task->next;
		task->next = depot.loose;
		depot.loose = task;
	}
}

void weft__task_free_loose(weft__task *task)
{
	task->next = NULL;
	weft__lock_take(&depot.lock);
	push_loose(task);
	weft__lock_drop(&depot.lock);
}

static weft__task *alloc_loose(void)
{
	weft__task *task, *list;

	weft__lock_take(&depot.lock);
	task = pop_loose();
	weft__lock_drop(&depot.lock);
	if (task != NULL)
		return task;
	list = take_batch();
	weft__lock_take(&depot.lock);
	push_loose(list);
	task = pop_loose();
	weft__lock_drop(&depot.lock);
	return task;
}

weft__task *weft__task_alloc_slow(weft__worker *w)
{
	if (w == NULL)
		return alloc_loose();
	w->free_tasks = take_batch();
	if (w->free_tasks == NULL)
		return NULL;
	w->free_task_count = BATCH;
	return weft__task_alloc(w);
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
	while (w->free_task_count >= BATCH)
		give_batch(w);
	weft__lock_take(&depot.lock);
	push_loose(w->free_tasks);
	weft__lock_drop(&depot.lock);
	w->free_tasks = NULL;
	w->free_task_count = 0;
}
