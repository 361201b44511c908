/* SPDX-License-Identifier: MIT */
#include "sched/census.h"

#include "plat/clock.h"
#include "plat/frames.h"
#include "plat/pages.h"
#include "plat/peek.h"
#include "sched/fork.h"
#include "sched/lot.h"
#include "sched/sched.h"

#include <string.h>

enum {
	SHARDS = 16,
	COPY_BYTES = 128 * 1024,	/* of a stack; what is above is left out */
	TRIES = 4,
};

/* ---- the coarse time ---- */

void weft__clock_move(weft_time now)
{
	weft_time old = weft_atomic_load(&weft__rt.now, relaxed);

	while (old < now && !weft_atomic_cas(&weft__rt.now, &old, now, seq_cst,
					     relaxed))
		;
}

/* N3: to a time that nobody has noted, and that nobody parks before from now on. */
static weft_time move_on(void)
{
	weft_time now = weft_now();
	weft_time last = weft_atomic_load(&weft__rt.now, relaxed);

	if (now <= last)
		now = last + 1;
	weft__clock_move(now);
	(void)weft__peek_barrier();	/* if not, nothing stands still */
	return now;
}

/* ---- plain threads ---- */

typedef struct {
	weft__lock lock;
	weft__link parked;
	uint64_t entered;
} __attribute__((aligned(WEFT__CACHE_LINE))) shard;

static shard shards[SHARDS];

static shard *shard_of(const weft__parked_thread *t)
{
	return &shards[t->mark % SHARDS];
}

void weft__census_enter(weft__parked_thread *t, weft__waiter *w,
			weft_time deadline)
{
	shard *s;

	weft__fork_heed();
	t->waiter = w;
	t->since = w->since != 0 ? w->since : weft__clock_coarse();
	t->deadline = deadline;
	t->mark = weft__flow_mark();
	s = shard_of(t);
	weft__lock_take(&s->lock);
	weft__list_push(&s->parked, &t->link);
	t->turn = ++s->entered;
	weft__lock_drop(&s->lock);
	if (unlikely(weft_atomic_load(&weft__rt.monitor_word, relaxed) ==
		     WEFT__MONITOR_DEEP))	/* K3 */
		weft__monitor_tell(deadline);
}

void weft__census_leave(weft__parked_thread *t)
{
	shard *s = shard_of(t);

	weft__lock_take(&s->lock);
	weft__list_remove(&t->link);
	weft__lock_drop(&s->lock);
}

void weft__census_in_child(void)
{
	for (size_t i = 0; i < SHARDS; i++) {
		shards[i].lock = (weft__lock){0};
		shards[i].parked = (weft__link){0};
	}
}

uint64_t weft__census_entered(void)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < SHARDS; i++) {
		weft__lock_take(&shards[i].lock);
		sum += shards[i].entered;
		weft__lock_drop(&shards[i].lock);
	}
	return sum;
}

/*
 * A thread whose wait ends meanwhile is being taken out of its queue: then this
 * is the object or NULL, either of which was true a moment ago.
 */
__attribute__((no_sanitize("thread"))) static const void *
object_of(const weft__waiter *w)
{
	switch (w->why->object) {
	case WEFT__OF_ADDRESS:
		return w->address;
	case WEFT__OF_DATA:
	case WEFT__OF_DESCRIPTOR:
		return w->data;
	default:
		return NULL;
	}
}

/* With its shard locked: it cannot leave before that is dropped. */
static void describe_thread(weft__person *p, const weft__parked_thread *t)
{
	uint32_t state = weft_atomic_load(&t->waiter->state, acquire);

	memset(p, 0, offsetof(weft__person, frames));
	p->mark = t->mark;
	p->is_thread = true;
	p->state = state == WEFT__PARKED_THREAD ? WEFT__WAITS : WEFT__READY;
	p->why = t->waiter->why;
	p->object = object_of(t->waiter);
	p->waiter = t->waiter;
	p->since = t->since;
	p->turn = t->turn;
	p->deadline = t->deadline;
}

/* The i-th that is parked there; false: there are fewer. */
static bool look_at_thread(shard *s, size_t i, weft__person *p)
{
	weft__link *link;

	weft__lock_take(&s->lock);
	link = s->parked.next;
	while (link != NULL && link != &s->parked && i-- > 0)
		link = link->next;
	if (link == &s->parked)
		link = NULL;
	if (link != NULL)
		describe_thread(p, weft__container(link, weft__parked_thread,
						   link));
	weft__lock_drop(&s->lock);
	return link != NULL;
}

/* ---- tasks ---- */

/* A copy of what is on a stack, from where its task has left it on. */
typedef struct {
	weft__frames_copy frames;
	unsigned char *bytes;	/* of COPY_BYTES */
	weft_time moved;	/* the time that it was moved on to before */
} snapshot;

static bool take_copy(const weft__stack *s, snapshot *c)
{
	uintptr_t top = (uintptr_t)s, sp, low = weft__stack_low(top);
	size_t size;

	weft__frames_read(&sp, (uintptr_t)&s->context.sp, sizeof sp);
	if (sp < low + WEFT__GUARD_BYTES || sp % sizeof sp != 0 || sp >= top)
		return false;
	size = top - sp < COPY_BYTES ? top - sp : COPY_BYTES;
	weft__frames_read(c->bytes, sp, size);
	c->frames = (weft__frames_copy){sp, c->bytes, size};
	return true;
}

/* The waiter as it is in the copy; NULL: it is not there. */
static const weft__waiter *copied(const weft__waiter *w, const snapshot *c)
{
	size_t offset = (uintptr_t)w - c->frames.address;

	if (w == &weft__yielded)
		return w;
	if (offset > c->frames.size_bytes ||
	    c->frames.size_bytes - offset < sizeof *w)
		return NULL;
	return (const weft__waiter *)(c->bytes + offset);
}

/* N2, N3: is what was seen of s still so? */
static bool stands_still(weft__stack *s, const weft__waiter *w, weft_time since,
			 weft_time moved)
{
	return weft__peek_barrier() &&
	       weft__frames_load(&s->waiter) == (uintptr_t)w &&
	       weft__frames_load(&s->since) == (uintptr_t)since &&
	       since < moved;
}

/* Nobody tells a waiter that its sleep is over. */
static bool still_waits(const weft__waiter *w, weft_time now)
{
	if (w->state == WEFT__ASLEEP)
		return w->end > now;
	return w->state <= WEFT__PARKED_THREAD;
}

static void describe_wait(weft__person *p, const weft__waiter *w,
			  const weft__waiter *copy, weft_time now)
{
	p->state = still_waits(copy, now) ? WEFT__WAITS : WEFT__READY;
	p->why = copy->why;
	p->object = object_of(copy);
	p->waiter = w;
}

static void describe_task(weft__person *p, weft__stack *s, weft__task *task)
{
	weft__task copy;
	const char *name;

	memset(p, 0, offsetof(weft__person, frames));
	p->deadline = WEFT_NEVER;
	p->mark = (uint32_t)(((uintptr_t)s - weft__stacks.base) /
			     WEFT__STACK_BYTES) + 1;
	p->state = WEFT__RUNS;
	weft__frames_read(&copy, (uintptr_t)task, sizeof copy);
	weft__frames_read(&name, (uintptr_t)&s->name, sizeof name);
	p->site = copy.site;
	p->of = copy.object;
	weft__peek_string(p->name, sizeof p->name, name);
}

/* Then it still runs. If not, its stack pointer was saved before (P3). */
static bool is_about_to_park(const weft__waiter *w)
{
	struct {
		uint32_t state;
		int result;
	} head;

	weft__frames_read(&head, (uintptr_t)w, sizeof head);
	return !weft__peek_barrier() || head.state == WEFT__WAITING;
}

/* The loop, and where the stack begins: everybody has those. */
static void drop_last(weft__person *p)
{
	if (p->frame_count > 2 &&
	    weft__context_is_entry(p->frames[p->frame_count - 1]))
		p->frame_count -= 2;
}

/* One try. False: it was about to change. */
static bool look_at(weft__stack *s, weft__person *p, snapshot *c)
{
	weft__task *task = (weft__task *)weft__frames_load(&s->task);
	weft_time since = (weft_time)weft__frames_load(&s->since);
	weft__waiter *w = (weft__waiter *)weft__frames_load(&s->waiter);
	const weft__waiter *copy;

	if (task == NULL)
		return true;
	describe_task(p, s, task);
	if (w == NULL || is_about_to_park(w) || !take_copy(s, c))
		return true;
	copy = copied(w, c);
	if (copy == NULL)
		return true;
	if (!stands_still(s, w, since, c->moved) ||
	    weft__frames_load(&s->task) != (uintptr_t)task)
		return false;
	describe_wait(p, w, copy, c->moved);
	p->since = since;
	p->frame_count = weft__frames_of(&c->frames, p->frames,
					 WEFT__CENSUS_FRAMES);
	drop_last(p);
	return true;
}

/* False: no task is on it. */
static bool look_at_stack(weft__stack *s, weft__person *p, snapshot *c)
{
	p->mark = 0;
	for (int i = 0; i < TRIES && !look_at(s, p, c); i++)
		c->moved = move_on();
	return p->mark != 0;
}

static weft__stack *stack_number(size_t i)
{
	return weft__stack_at(weft__stacks.base + i * WEFT__STACK_BYTES);
}

static bool snapshot_begin(snapshot *c)
{
	c->moved = move_on();
	c->bytes = weft__pages_map(COPY_BYTES);
	return c->bytes != NULL;
}

static void snapshot_end(snapshot *c)
{
	weft__pages_unmap(c->bytes, COPY_BYTES);
}

/* ---- all ---- */

void weft__census(weft__person *p, void (*visit)(const weft__person *p, void *arg),
		  void *arg)
{
	size_t count = weft__stack_count();
	snapshot c;

	if (!snapshot_begin(&c))
		return;
	for (size_t i = 0; i < count; i++)
		if (look_at_stack(stack_number(i), p, &c))
			visit(p, arg);
	snapshot_end(&c);
	weft__census_threads(p, visit, arg);
}

void weft__census_threads(weft__person *p,
			  void (*visit)(const weft__person *p, void *arg),
			  void *arg)
{
	for (size_t i = 0; i < SHARDS; i++)
		for (size_t n = 0; look_at_thread(&shards[i], n, p); n++)
			visit(p, arg);
}

bool weft__census_look(uint32_t mark, weft__person *p)
{
	bool found = false;
	snapshot c;

	if (mark & (uint32_t)1 << 31) {
		for (size_t n = 0;
		     !found && look_at_thread(&shards[mark % SHARDS], n, p); n++)
			found = p->mark == mark;
		return found;
	}
	if (mark == 0 || mark > weft__stack_count() || !snapshot_begin(&c))
		return false;
	found = look_at_stack(stack_number(mark - 1), p, &c);
	snapshot_end(&c);
	return found;
}

/* N4 */
static bool is_queued(weft__bucket *b, const void *address,
		      const weft__waiter *waiter)
{
	const weft__waiter *w = weft__lot_first(b, address);

	while (w != NULL && w != waiter)
		w = w->next;
	return w != NULL;
}

bool weft__census_tell(const weft__person *p, bool still, weft__told *told)
{
	weft__bucket *b;
	bool queued;

	*told = (weft__told){.still = still};
	if (p->state != WEFT__WAITS || p->why->tell == NULL)
		return false;
	if (still) {
		p->why->tell(p->waiter, told);
		return true;
	}
	if (p->why->object != WEFT__OF_ADDRESS)
		return false;
	b = weft__lot_lock(p->object);
	queued = p->object != NULL && is_queued(b, p->object, p->waiter);
	if (queued)
		p->why->tell(p->waiter, told);
	weft__lot_unlock(b);
	return queued;
}
