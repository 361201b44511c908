/* SPDX-License-Identifier: MIT */
/*
 * The global queue: what plain threads start and wake, and what overflows.
 * Ready tasks come before fresh ones: they have waited, they hold a stack, and
 * behind a fresh one that computes they would wait for its end.
 */
#include "sched/fork.h"
#include "sched/sched.h"

static struct {
	weft__lock lock;
	weft__task_list ready;
	weft__task_list fresh;
	size_t count;	/* atomic: of both */
} queue __attribute__((aligned(WEFT__CACHE_LINE)));

static void publish_count(void)
{
	weft_atomic_store(&queue.count, queue.ready.count + queue.fresh.count,
			  seq_cst);	/* S4, S6 */
}

/* Something was put: with the lock, which is dropped. */
static void unlock_and_tell(void)
{
	publish_count();
	weft__lock_drop(&queue.lock);
	if (unlikely(!weft_atomic_load(&weft__rt.running, seq_cst)))
		weft__runtime_start();	/* S6; if it fails, who starts it next
					   finds the queue */
	weft__runtime_wake_worker();
}

void weft__queue_put(weft__task_list *list)
{
	weft__task *task;

	weft__fork_check();
	weft__lock_take(&queue.lock);
	while ((task = weft__task_list_pop(list)) != NULL)
		weft__task_list_push(task->stack != NULL ? &queue.ready
							 : &queue.fresh,
				     task);
	unlock_and_tell();
}

void weft__queue_put_one(weft__task *task)
{
	weft__task_list list = {0};

	weft__task_list_push(&list, task);
	weft__queue_put(&list);
}

void weft__queue_put_ready(weft__task_list *list)
{
	weft__fork_check();
	weft__lock_take(&queue.lock);
	if (queue.ready.last != NULL)
		queue.ready.last->next = list->first;
	else
		queue.ready.first = list->first;
	queue.ready.last = list->last;
	queue.ready.count += list->count;
	*list = (weft__task_list){0};
	unlock_and_tell();
}

weft__task_list weft__queue_take(size_t count)
{
	weft__task_list taken = {0};
	weft__task *task;

	weft__lock_take(&queue.lock);
	while (taken.count < count &&
	       ((task = weft__task_list_pop(&queue.ready)) != NULL ||
		(task = weft__task_list_pop(&queue.fresh)) != NULL))
		weft__task_list_push(&taken, task);
	publish_count();
	weft__lock_drop(&queue.lock);
	return taken;
}

weft__task *weft__queue_take_fresh(void)
{
	weft__task *task = NULL;

	if (weft__queue_count() == 0)
		return NULL;
	weft__lock_take(&queue.lock);
	task = weft__task_list_pop(&queue.fresh);
	publish_count();
	weft__lock_drop(&queue.lock);
	return task;
}

size_t weft__queue_count(void)
{
	return weft_atomic_load(&queue.count, seq_cst);
}
