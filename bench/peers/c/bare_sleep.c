/* SPDX-License-Identifier: MIT */
/*
 * What naps cost the machine. All are as long as each other, so who begins one
 * comes last in the list of those who sleep, and is due last. For each nap the
 * clock is read, to know its end, and tells at the same time whether the first
 * in the list is due; that one is taken out, its stack switched to, and who has
 * left put into the list, for then it may be resumed: all of that under a lock,
 * since a worker that has nothing to do takes from others' lists.
 */
#include "bare.h"

#include <time.h>

enum { NAPS = 10, NAP_NS = 1000000 };

/* A task, on a line of its own. */
struct sleeper {
	_Alignas(LINE) struct sleeper *next;
	int64_t end;
	void *sp;
};

static struct {
	_Alignas(LINE) uint32_t lock;
	struct sleeper *first;
	struct sleeper **last;
	struct sleeper *leaving; /* its nap has begun, but for that */
	int64_t now; /* the latest that is known */
	struct sleeper *all;
	long count;
	long begun;
	void *main;
	_Alignas(LINE) uint32_t fresh; /* the end of the queue of those not begun */
	_Alignas(LINE) long left;
} bed;

enum { AHEAD = 8, FETCHED = 2 };

/* Tasks lie in the order in which they sleep, so it is known who comes next. */
static void fetch_behind(const struct sleeper *s)
{
	if (s + 2 * AHEAD >= bed.all + bed.count)
		return;
	__builtin_prefetch(s + 2 * AHEAD, 1);
	for (int i = 0; i < FETCHED; i++)
		__builtin_prefetch((char *)s[AHEAD].sp + i * LINE, 1);
}

/* Nothing is to be done until the first is due. */
static void idle(void)
{
	struct timespec end = {bed.first->end / 1000000000,
			       bed.first->end % 1000000000};
	bare_unlock(&bed.lock);
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL);
	bare_lock(&bed.lock);
}

/* Where the worker goes on: who is due comes before who has not begun. */
static void *next(void)
{
	for (;; bed.now = bench_now()) {
		struct sleeper *s = bed.first;
		if (s && s->end <= bed.now) {
			if (!(bed.first = s->next))
				bed.last = &bed.first;
			fetch_behind(s);
			return s->sp;
		}
		if (bed.begun < bed.count) {
			__atomic_exchange_n(&bed.fresh, 1, __ATOMIC_SEQ_CST);
			return bed.all[bed.begun++].sp;
		}
		if (s && s->end > bench_now())
			idle();
	}
}

/* On the stack that was switched to. */
static void land(void)
{
	struct sleeper *s = bed.leaving;
	if (s) {
		s->next = NULL;
		*bed.last = s;
		bed.last = &s->next;
		bed.leaving = NULL;
	}
	bare_unlock(&bed.lock);
}

static void nap(struct sleeper *self)
{
	int64_t now = bench_now();
	self->end = now + NAP_NS;
	bare_lock(&bed.lock);
	bed.now = now;
	bed.leaving = self;
	bare_switch(&self->sp, next());
	land();
}

/* A task has ended; another will begin on this stack, the next time. */
static void leave(struct sleeper *self)
{
	bool last = __atomic_fetch_sub(&bed.left, 1, __ATOMIC_ACQ_REL) == 1;
	bare_lock(&bed.lock);
	bare_switch(&self->sp, last ? bed.main : next());
	land();
}

static void sleeper(void)
{
	struct sleeper *self = &bed.all[bed.begun - 1];
	land();
	for (;;) {
		for (int i = NAPS; i; i--)
			nap(self);
		leave(self);
	}
}

static void make_beds(long n)
{
	char *stacks = bare_stacks(n);
	bed.all = aligned_alloc(LINE, (size_t)n * sizeof *bed.all);
	BENCH_CHECK(bed.all);
	for (long i = 0; i < n; i++)
		bed.all[i].sp = bare_begin(bare_stack_top(stacks, i), sleeper);
	bed.count = n;
}

double bare_sleepers(long n)
{
	if (!bed.all)
		make_beds(n);
	bed.last = &bed.first;
	bed.left = n;
	bed.begun = 0;
	int64_t start = bench_now();
	bare_lock(&bed.lock);
	bare_switch(&bed.main, next());
	land();
	double ns = bench_per_op(start, n * NAPS);
	BENCH_CHECK(!bed.left);
	return ns;
}
