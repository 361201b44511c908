/* SPDX-License-Identifier: MIT */
/* The global queue: what plain threads start and wake, and what overflows. */
#include "sched/sched.h"

static struct {
	weft__lock lock;
	weft__task_list list;
	size_t count;	/* atomic copy of list.count */
} queue __attribute__((aligned(WEFT__CACHE_LINE)));

void weft__queue_put(const weft__task_list *list)
{
	weft__lock_take(&queue.lock);
	if (queue.list.last != NULL)
		queue.list.last->next = list->first;
	else
		queue.list.first = list->first;
	queue.list.last = list->last;
	queue.list.count += list->count;
	weft_atomic_store(&queue.count, queue.list.count, seq_cst);	/* S4 */
	weft__lock_drop(&queue.lock);
	weft__runtime_wake_worker();
}

weft__task_list weft__queue_take(size_t count)
{
	weft__task_list taken = {0};
	weft__task *task;

	weft__lock_take(&queue.lock);
	while (taken.count < count &&
	       (task = weft__task_list_pop(&queue.list)) != NULL)
		weft__task_list_push(&taken, task);
	weft_atomic_store(&queue.count, queue.list.count, seq_cst);
	weft__lock_drop(&queue.lock);
	return taken;
}

size_t weft__queue_count(void)
{
	return weft_atomic_load(&queue.count, seq_cst);
}
