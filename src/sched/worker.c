/* SPDX-License-Identifier: MIT */
/* What a worker does next: its own queues, the global one, other workers'. */
#include "sched/pick.h"
#include "sched/poller.h"
#include "sched/sched.h"
#include "sched/trace.h"

#include "plat/whim.h"

enum {
	STEAL_MAX = 32,
	TINY_NS = 1000,		/* a stolen task costs about that much to move */
	WATCH_TASKS = 8,	/* so many in a row say what the next will be */
	WATCH_MAX_NS = 1000000,	/* what was seen before is of no use now */
	SEARCH_ROUNDS = 4,
	SEARCH_PAUSES = 40,	/* between rounds: about a microsecond */
	LOOK_EVERY_NS = 50000,	/* at the descriptors, however busy */
	TOGETHER = 4,		/* stacks that are looked for at the same time */
	FETCH_BYTES = 1024,	/* of a stack that is about to run */
};

/* ---- own queues ---- */

/*
 * Many are ready: each has a stack, on a page of its own, that has been left for
 * long. Fetch task, stack and frames ahead, each when what leads to it has come.
 * To find where a page is takes the CPU longer than to run a task, but several
 * are found in the same time: so stacks are fetched some together.
 * Once there were many, so it goes on until few are left.
 * Should a thief have been faster the wrong lines are fetched, and that is all:
 * what was memory of a task or a stack once can be read for ever.
 */
__attribute__((no_sanitize("thread"))) static void
fetch(weft__worker *w, uint32_t behind, bool many)
{
	weft__ring *r = &w->ready;
	weft__task *near = weft__ring_peek(r, behind + 2);
	weft__stack *s = weft_atomic_load(&near->stack, relaxed);
	const char *sp, *top;

	w->crowd = many ? WEFT__MANY_READY - WEFT__FEW_READY : w->crowd - 1;
	__builtin_prefetch(weft__ring_peek(r, behind + WEFT__FEW_READY), 1);
	if (behind % TOGETHER == 0)
		for (uint32_t i = 0; i < TOGETHER; i++) {
			weft__task *far = weft__ring_peek(r, behind + 5 + i);

			__builtin_prefetch(weft_atomic_load(&far->stack, relaxed),
					   1);
		}
	if (s == NULL)
		return;
	sp = weft_atomic_load(&s->context.sp, relaxed);
	top = (const char *)s;
	if (top - sp > FETCH_BYTES)
		top = sp + FETCH_BYTES;
	for (; sp < top; sp += WEFT__CACHE_LINE)
		__builtin_prefetch(sp, 1);
}

weft__task *weft__worker_fetch_ahead(weft__worker *w, uint32_t behind, bool many,
				     weft__task *task)
{
	fetch(w, behind, many);
	return task;
}

/* The ring is full: half of it goes to the global queue, and task. */
static WEFT_PRIV_COLD void overflow(weft__worker *w, weft__task *task)
{
	weft__task *taken[STEAL_MAX];
	weft__task_list list = {0};
	uint32_t n;

	do {
		n = weft__ring_take(&w->ready, taken, STEAL_MAX);
		for (uint32_t i = 0; i < n; i++)
			weft__task_list_push(&list, taken[i]);
	} while (n > 0 && list.count < WEFT__RING_CAPACITY / 2);
	weft__task_list_push(&list, task);
	weft__queue_put(&list);
}

void weft__worker_push_ready(weft__worker *w, weft__task *task)
{
	if (unlikely(!weft__ring_put(&w->ready, task)))
		overflow(w, task);
}

/* Others may help: see weft__runtime_wake_worker() for whether they do. */
static inline void hint(const uint32_t *not_worth)
{
	if (weft_atomic_load(&weft__rt.room, relaxed) &&
	    weft_atomic_load(&weft__rt.searching, relaxed) == 0 &&
	    weft__whim(!weft_atomic_load(not_worth, relaxed)))
		weft__runtime_wake_worker();
}

void weft__worker_hint_fresh(weft__worker *w)
{
	hint(&w->tiny);
}

void weft__worker_hint_ready(weft__worker *w)
{
	hint(&w->quick);
}

/* Tasks here are long: have somebody else run the one in the next slot. */
static WEFT_PRIV_COLD void offer_next(weft__worker *w)
{
	uint32_t tick = weft_atomic_load(&w->tick, relaxed);

	if (tick % 2 == 0)
		return;	/* it runs none, and takes this one at once */
	weft_atomic_store(&w->eager_tick, tick, relaxed);
	if (!weft_atomic_load(&weft__rt.room, relaxed) ||
	    weft_atomic_load(&weft__rt.searching, relaxed) > 0)
		return;	/* who looks around now finds it */
	weft_atomic_sub(&w->eager, 1, relaxed);
	weft__runtime_wake_worker();
}

/*
 * A task that was woken alone goes into the next slot: it runs when its waker
 * waits or ends, and nobody else is woken for it, but where tasks take long.
 * What was there has waited longer and goes to the ring.
 */
static __attribute__((noinline)) void replace_next(weft__worker *w,
						   weft__task *task)
{
	weft__task *old = weft_atomic_xchg(&w->next, task, acq_rel);

	if (old != NULL) {
		weft__worker_push_ready(w, old);
		weft__worker_hint_ready(w);
	} else if (unlikely(weft_atomic_load(&w->eager, relaxed) > 0)) {
		offer_next(w);
	}
}

static inline __attribute__((always_inline)) void push_next(weft__worker *w,
							    weft__task *task)
{
	if (weft_atomic_load(&w->next, relaxed) != NULL) {
		replace_next(w, task);
		return;
	}
	weft_atomic_store(&w->next, task, release);
	if (unlikely(weft_atomic_load(&w->eager, relaxed) > 0))
		offer_next(w);
}

static inline __attribute__((always_inline)) void ready(weft__task *task)
{
	weft__stack *self = weft__stack_self();

	if (unlikely(weft__task_pinned(task)))
		weft__runtime_push_pinned(task);
	else if (likely(self != NULL))
		push_next(self->worker, task);
	else
		weft__queue_put_one(task);
}

/* Out of the way of those that are not traced. */
static WEFT_PRIV_COLD void ready_traced(weft__task *task)
{
	weft__trace_wake(task);
	ready(task);
}

void weft__ready(weft__task *task)
{
	if (unlikely(weft__rt.traced))
		ready_traced(task);
	else
		ready(task);
}

void weft__ready_all(weft__task_list *tasks)
{
	weft__stack *self = weft__stack_self();
	weft__task *task, *next;

	if (self == NULL) {
		weft__queue_put_ready(tasks);
		return;
	}
	if (tasks->count == 1) {
		push_next(self->worker, tasks->first);
		return;
	}
	for (task = tasks->first; task != NULL; task = next) {
		next = task->next;
		if (!weft__ring_put(&self->worker->ready, task))
			break;
		tasks->count--;
	}
	if (task != NULL) {
		tasks->first = task;
		weft__queue_put_ready(tasks);
	} else {
		weft__worker_hint_ready(self->worker);
	}
}

/* True: it has to come again, and soon. */
static bool run_timers(weft__worker *w)
{
	return weft_atomic_load(&w->timers.next, relaxed) != WEFT_NEVER &&
	       weft__timers_run(&w->timers, weft_now());
}

weft__task *weft__pick_others_first(weft__worker *w)
{
	weft__task *task = weft__take_ring(w);

	w->next_streak = 0;
	return task != NULL ? task : weft__take_next(w);
}

/* By turns: neither can keep the others waiting. */
weft__task *weft__pick_of_both(weft__worker *w)
{
	bool pinned_first = w->picks % 2 == 0;
	weft__task *task = pinned_first ? weft__runtime_take_pinned(w) :
					  weft__pick_free(w);

	if (task == NULL)
		task = pinned_first ? weft__pick_free(w) :
				      weft__runtime_take_pinned(w);
	return task;
}

weft__task *weft__worker_take_late(weft__worker *w)
{
	if ((w->picks + 1) % WEFT__FAIR_EVERY == 0)
		return NULL;	/* to the oldest */
	run_timers(w);
	w->picks++;
	return weft__pick_ready(w);
}

bool weft__worker_may_help(weft__worker *w)
{
	uint32_t pick = w->picks + 1;

	if (unlikely(weft_atomic_load(&w->stuck, relaxed)) ||
	    pick % WEFT__FAIR_EVERY == 0)
		return false;	/* to the loop, as above */
	if (unlikely(pick % WEFT__TIMERS_EVERY == 0))
		run_timers(w);
	w->picks = pick;
	return !weft__whim(weft_atomic_load(&w->next, relaxed) != NULL ||
			   !weft__ring_empty(&w->ready)) &&
	       weft_atomic_load(&w->pinned_count, relaxed) == 0 &&
	       weft__deque_count(&w->fresh) > 0;
}

/*
 * Now and then, in turn, those that newer ones or ready ones would starve; and
 * those whose descriptors are ready.
 */
static weft__task *take_oldest(weft__worker *w, weft__task *room)
{
	weft__task *task = NULL;

	if (unlikely(weft__poller_wanted()) &&
	    weft__poller_neglected(LOOK_EVERY_NS, weft_now()))
		weft__poller_look();
	switch (w->picks / WEFT__FAIR_EVERY % 3) {
	case 0:
		task = weft__deque_steal(&w->fresh, room);
		break;
	case 1:
		task = weft__queue_take_fresh();
		break;
	default:
		if (weft__queue_count() > 0)
			task = weft__queue_take(1).first;
	}
	return task;
}

/*
 * Who yielded is in the ring again. First some that would otherwise come after
 * it: few if others are in the ring too, since those may be yielding as well.
 */
static weft__task *take_for_yield(weft__worker *w, weft__task *room)
{
	weft__task *task = weft__take_next(w);

	w->yielded = weft__ring_count(&w->ready) > 1 ? 0 : w->yielded - 1;
	if (task == NULL)
		task = weft__deque_pop(&w->fresh, room);
	if (task == NULL && weft__queue_count() > 0)
		task = weft__queue_take(1).first;
	if (task == NULL)
		w->yielded = 0;
	return task;
}

static __attribute__((noinline)) weft__task *find_after_yield(weft__worker *w,
							      weft__task *room)
{
	weft__task *task = take_for_yield(w, room);

	if (task == NULL)
		task = weft__pick_ready(w);
	return task != NULL ? task : weft__deque_pop(&w->fresh, room);
}

static __attribute__((noinline)) weft__task *find_own(weft__worker *w,
						      weft__task *room)
{
	weft__task *task = NULL;

	if (unlikely(++w->picks % WEFT__TIMERS_EVERY == 0)) {
		run_timers(w);
		if (w->picks % WEFT__FAIR_EVERY == 0)
			task = take_oldest(w, room);
	}
	if (task == NULL && unlikely(w->yielded > 0))
		return find_after_yield(w, room);
	if (task == NULL)
		task = weft__pick_ready(w);
	return task != NULL ? task : weft__deque_pop(&w->fresh, room);
}

/* ---- the global queue ---- */

static void keep(weft__worker *w, weft__task *task)
{
	if (task->stack != NULL)
		weft__worker_push_ready(w, task);
	else if (weft__deque_make_room(&w->fresh))
		weft__deque_push(&w->fresh, weft__start_of_task(task));
	else
		weft__queue_put_one(task);
}

/* A fair share of it; the first to run, the rest for the own queues. */
static weft__task *find_global(weft__worker *w)
{
	size_t count = weft__queue_count();
	weft__task_list taken;
	weft__task *first, *task;

	if (count == 0)
		return NULL;
	count = count / weft__rt.procs + 1;
	taken = weft__queue_take(count < STEAL_MAX * 4 ? count : STEAL_MAX * 4);
	first = weft__task_list_pop(&taken);
	while ((task = weft__task_list_pop(&taken)) != NULL)
		keep(w, task);
	return first;
}

/* ---- other workers' queues ---- */

/* The monitor has looked twice and found v in the same task. */
static bool is_stale(const weft__worker *v)
{
	uint32_t tick = weft_atomic_load(&v->tick, relaxed);

	return weft_atomic_load(&v->stuck, relaxed) ||
	       (tick % 2 == 1 && weft_atomic_load(&v->stale_tick, relaxed) == tick);
}

/* v has offered its next task, and is where it did. */
static bool is_offered(const weft__worker *v)
{
	return weft_atomic_load(&v->eager_tick, relaxed) ==
	       weft_atomic_load(&v->tick, relaxed);
}

/*
 * Tasks that take less time than it takes to move them to another worker are
 * left to a worker that is at them. Whether fresh ones do, a thief knows when it
 * has run some: they may start more. Whether ready ones do, it sees from how
 * fast their worker goes from one to the next. Either is believed until the
 * monitor's next look, or until that worker stays where it is.
 */
static bool is_tiny(const weft__worker *v)
{
	return weft_atomic_load(&v->tiny, relaxed) &&
	       !weft_atomic_load(&v->stuck, relaxed) &&
	       weft_atomic_load(&v->fresh.bottom, relaxed) !=
		       weft_atomic_load(&v->tiny_bottom, relaxed);
}

static bool is_quick(const weft__worker *v)
{
	return weft_atomic_load(&v->quick, relaxed) &&
	       weft_atomic_load(&v->tick, relaxed) !=
		       weft_atomic_load(&v->quick_tick, relaxed);
}

void weft__worker_forget_weight(weft__worker *w)
{
	weft_atomic_store(&w->tiny, 0, relaxed);
	weft_atomic_store(&w->quick, 0, relaxed);
}

static void watch(weft__worker *v, weft_time now, uint32_t tick)
{
	weft_atomic_store(&v->watched_at, now, relaxed);
	weft_atomic_store(&v->watched_tick, tick, relaxed);
}

/*
 * Are v's ready tasks worth stealing, by what is known so far? Every look tells
 * more, and after some quick tasks none is needed any more.
 */
static bool is_worth(weft__worker *v)
{
	weft_time now = weft_now();
	uint32_t tick = weft_atomic_load(&v->tick, relaxed);
	weft_duration age = now - weft_atomic_load(&v->watched_at, relaxed);
	uint32_t done =
		(tick - weft_atomic_load(&v->watched_tick, relaxed)) / 2;

	if (age > WATCH_MAX_NS) {
		watch(v, now, tick);
		return false;
	}
	if (age >= (weft_duration)(done + 1) * TINY_NS) {
		watch(v, now, tick);
		return true;
	}
	if (done >= WATCH_TASKS) {
		watch(v, now, tick);
		weft_atomic_store(&v->quick_tick, tick, relaxed);
		weft_atomic_store(&v->quick, 1, relaxed);
	}
	return false;
}

/* What may be taken from a worker. */
typedef struct {
	bool ready;
	bool fresh;
	bool next;
} loot;

/*
 * Look what may be taken from v. A task that is alone is left to v, which will
 * be there sooner than the cache lines could be here, unless v does not come
 * back.
 */
static bool may_steal(weft__worker *v, loot *loot)
{
	uint32_t ready = weft__ring_count(&v->ready);
	int64_t fresh = weft__deque_count(&v->fresh);
	bool next = weft_atomic_load(&v->next, relaxed) != NULL, stale;

	if (ready + next + (uint64_t)fresh == 0)
		return false;
	stale = weft__whim(is_stale(v));
	loot->next = next && (stale || is_offered(v));
	loot->ready = ready > 0 && (stale || (ready + next > 1 &&
					      weft__whim(!is_quick(v))));
	loot->fresh = fresh > !stale && weft__whim(!is_tiny(v));
	return loot->next || loot->ready || loot->fresh;
}

static void count_stolen(weft__worker *w, const weft__worker *v, uint64_t n)
{
	if (unlikely(weft__rt.traced))
		weft__trace_steal(w, v, n);
	weft__bump(&w->steals);
	weft__bump_by(&w->stolen_tasks, n);
}

static weft__task *steal_ready(weft__worker *w, weft__worker *v)
{
	weft__task *taken[STEAL_MAX];
	uint32_t n = (weft__ring_count(&v->ready) + 1) / 2;

	n = weft__ring_take(&v->ready, taken, n < STEAL_MAX ? n : STEAL_MAX);
	for (uint32_t i = 1; i < n; i++)
		weft__worker_push_ready(w, taken[i]);
	if (n > 0)
		count_stolen(w, v, n);
	return n > 0 ? taken[0] : NULL;
}

/* One more of v's to w's own. False: there is none, or no memory. */
static bool move_fresh(weft__worker *w, weft__worker *v)
{
	weft__start start;

	if (!weft__deque_make_room(&w->fresh))
		return false;
	start = weft__deque_take(&v->fresh);
	if (!weft__start_given(start))
		return false;
	weft__deque_push(&w->fresh, start);
	return true;
}

static weft__task *steal_fresh(weft__worker *w, weft__worker *v, weft__task *room)
{
	int64_t n = (weft__deque_count(&v->fresh) + 1) / 2, i;
	weft__task *first = weft__deque_steal(&v->fresh, room);

	if (first == NULL)
		return NULL;
	for (i = 1; i < n && i < STEAL_MAX; i++)
		if (!move_fresh(w, v))
			break;
	count_stolen(w, v, (uint64_t)i);
	w->stolen = i;
	w->stolen_at = weft_now();
	w->stolen_from = v;
	return first;
}

/* w has nothing left: were those that it stole last worth it? */
static void weigh_stolen(weft__worker *w)
{
	weft__worker *v = w->stolen_from;

	if (w->stolen == 0)
		return;
	w->weighed += w->stolen;
	w->weighed_for += weft_now() - w->stolen_at;
	w->stolen = 0;
	if (w->weighed < STEAL_MAX)
		return;
	if (w->weighed_for < w->weighed * TINY_NS) {
		weft_atomic_store(&v->tiny_bottom,
				  weft_atomic_load(&v->fresh.bottom, relaxed),
				  relaxed);
		weft_atomic_store(&v->tiny, 1, relaxed);
	}
	w->weighed = 0;
	w->weighed_for = 0;
}

/* It was worth it, if v has woken somebody. */
static void encourage(weft__worker *v)
{
	if (is_offered(v) &&
	    weft_atomic_load(&v->eager, relaxed) < WEFT__EAGER_MOST)
		weft_atomic_add(&v->eager, 1, relaxed);
}

static weft__task *steal_from(weft__worker *w, weft__worker *v, weft__task *room)
{
	weft__task *task = NULL;
	loot loot;

	if (!may_steal(v, &loot))
		return NULL;
	if (loot.ready && (loot.next || weft__whim(is_worth(v))))
		task = steal_ready(w, v);
	if (task == NULL && loot.fresh)
		task = steal_fresh(w, v, room);
	if (task == NULL && loot.next) {
		task = weft__take_next(v);
		if (task != NULL) {
			count_stolen(w, v, 1);
			encourage(v);
		}
	}
	return task;
}

static weft__task *steal(weft__worker *w, weft__task *room)
{
	uint32_t count = weft_atomic_load(&weft__rt.worker_count, acquire);
	weft__task *task;

	w->random = w->random * 1664525 + 1013904223;
	for (uint32_t i = 0; i < count; i++) {
		weft__worker *v =
			weft__rt.workers[(w->random / 65536 + i) % count];

		if (v != w && (task = steal_from(w, v, room)) != NULL)
			return task;
	}
	return NULL;
}

/*
 * The oldest fresh one of w's, with memory of its own. NULL: none, or no memory:
 * then it stays where thieves find it.
 */
static weft__task *steal_pooled(weft__worker *w)
{
	weft__task *room, *task;

	if (weft__deque_count(&w->fresh) == 0 ||
	    (room = weft__task_alloc(NULL)) == NULL)
		return NULL;
	task = weft__deque_steal(&w->fresh, room);
	if (task == room)
		task->flags = 0;
	else
		weft__task_free_loose(room);
	return task;
}

void weft__worker_hand_over(weft__worker *w)
{
	weft__task *taken[STEAL_MAX], *task = weft__take_next(w);
	weft__task_list list = {0};
	uint32_t n;

	if (task != NULL)
		weft__task_list_push(&list, task);
	while ((n = weft__ring_take(&w->ready, taken, STEAL_MAX)) > 0)
		for (uint32_t i = 0; i < n; i++)
			weft__task_list_push(&list, taken[i]);
	for (n = 0; n < STEAL_MAX && (task = steal_pooled(w)) != NULL; n++)
		weft__task_list_push(&list, task);
	if (list.count > 0)
		weft__queue_put(&list);
}

bool weft__runtime_has_work(weft__worker *w)
{
	uint32_t count = weft_atomic_load(&weft__rt.worker_count, acquire);
	loot loot;

	if (weft__queue_count() > 0 || (w != NULL && weft__worker_has_work(w)))
		return true;
	for (uint32_t i = 0; i < count; i++)
		if (may_steal(weft__rt.workers[i], &loot))
			return true;
	return false;
}

bool weft__worker_has_work(weft__worker *w)
{
	return weft_atomic_load(&w->next, relaxed) != NULL ||
	       weft_atomic_load(&w->pinned_count, relaxed) > 0 ||
	       weft__ring_count(&w->ready) > 0 ||
	       weft__deque_count(&w->fresh) > 0;
}

/* ---- searching ---- */

/* One at a time looks around before it sleeps. */
static void search_begin(weft__worker *w)
{
	uint32_t none = 0;

	if (!w->searching && weft__rt.procs > 1)
		w->searching = weft_atomic_cas(&weft__rt.searching, &none, 1,
					       seq_cst, relaxed);
}

/* Who was woken for what it found may have been woken for more: pass it on. */
static void search_end(weft__worker *w)
{
	w->searching = false;
	if (weft_atomic_sub(&weft__rt.searching, 1, seq_cst) == 1 &&
	    weft_atomic_load(&weft__rt.room, seq_cst) &&
	    weft__runtime_has_work(NULL))
		weft__runtime_wake_worker();
}

static weft__task *find_others(weft__worker *w, weft__task *room)
{
	weft__task *task = find_global(w);

	if (task == NULL && !weft__runtime_surplus())
		task = steal(w, room);
	return task;
}

static weft__task *search(weft__worker *w, weft__task *room)
{
	weft__task *task;

	weigh_stolen(w);
	task = find_others(w, room);
	if (task == NULL && weft__poller_look())
		task = find_own(w, room);
	if (task != NULL)
		return task;
	search_begin(w);
	for (int i = 0; w->searching && i < SEARCH_ROUNDS; i++) {
		for (int j = 0; j < SEARCH_PAUSES; j++)
			weft__cpu_pause();
		run_timers(w);
		task = find_own(w, room);
		if (task == NULL)
			task = find_others(w, room);
		if (task != NULL)
			return task;
	}
	return NULL;
}

weft__task *weft__worker_find_more(weft__worker *w, weft__task *room)
{
	weft__task *task;

	for (;;) {
		task = search(w, room);
		if (task != NULL)
			break;
		weft__poller_arm_all();	/* F10 */
		if (!run_timers(w) && !weft__worker_has_work(w) &&
		    !weft__runtime_idle(w))
			return NULL;
		task = find_own(w, room);
		if (task != NULL)
			break;
	}
	if (w->searching)
		search_end(w);
	return task;
}

static __attribute__((noinline)) weft__task *find_with_care(weft__worker *w,
							    weft__task *room)
{
	weft__task *task;

	if (weft_atomic_load(&w->stuck, relaxed))
		weft__runtime_unstick(w);
	task = find_own(w, room);
	if (task != NULL && w->searching)
		search_end(w);
	return task;
}

/* Whatever takes a frame is apart, as in weft__task_start(). */
weft__task *weft__worker_find_own(weft__worker *w, weft__task *room)
{
	uint32_t picks = w->picks + 1;
	weft__task *task;

	if (unlikely(picks % WEFT__TIMERS_EVERY == 0) ||
	    unlikely(w->searching || weft_atomic_load(&w->stuck, relaxed) ||
		     weft_atomic_load(&w->pinned_count, relaxed) > 0))
		return find_with_care(w, room);
	w->picks = picks;
	if (unlikely(w->yielded > 0))
		return find_after_yield(w, room);
	task = weft__pick_free(w);
	return task != NULL ? task : weft__deque_pop(&w->fresh, room);
}
