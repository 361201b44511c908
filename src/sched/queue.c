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

/* Append list, which is not empty. */
static void append(weft__task_list *to, const weft__task_list *list)
{
	if (to->last != NULL)
		to->last->next = list->first;
	else
		to->first = list->first;
	to->last = list->last;
	to->count += list->count;
}

void weft__queue_put_ready(weft__task_list *list)
{
	weft__fork_check();
	weft__lock_take(&queue.lock);
	append(&queue.ready, list);
	*list = (weft__task_list){0};
	unlock_and_tell();
}

/* Cut the first count off list, which has more; only the last one is written. */
static weft__task_list cut(weft__task_list *list, size_t count)
{
	weft__task_list head = {list->first, list->first, count};

	for (size_t i = 1; i < count; i++)
		head.last = head.last->next;
	list->first = head.last->next;
	list->count -= count;
	head.last->next = NULL;
	return head;
}

/* Have more of list in taken, up to count. */
static void take(weft__task_list *taken, weft__task_list *list, size_t count)
{
	size_t rest = count - taken->count;

	if (rest == 0 || list->count == 0)
		return;
	if (list->count > rest) {
		weft__task_list head = cut(list, rest);

		append(taken, &head);
	} else {
		append(taken, list);
		*list = (weft__task_list){0};
	}
}

weft__task_list weft__queue_take(size_t count)
{
	weft__task_list taken = {0};

	weft__lock_take(&queue.lock);
	take(&taken, &queue.ready, count);
	take(&taken, &queue.fresh, count);
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
