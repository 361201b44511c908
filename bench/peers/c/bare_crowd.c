/* SPDX-License-Identifier: MIT */
/*
 * What a crowd that waits costs the machine. Whoever wakes it goes from one to
 * the next, claims each, and puts it to those that are ready. One after the
 * other is taken out of those, has its stack switched to, does the steps of its
 * row there, and counts itself down; the last one wakes who waits for all. What
 * is known to come is fetched ahead, and of a stack nothing is touched but what
 * is there: the record of the wait, and the registers that the switch has saved.
 */
#include "bare.h"

enum { RUNS, WAITS, CLAIMED };

static struct {
	_Alignas(LINE) uint32_t lock; /* of the queue */
	struct bare_waiter *first;
	struct bare_waiter **last;
	_Alignas(LINE) long left; /* who have not left */
	_Alignas(LINE) long taken; /* of those that are ready */
	long woken;
	struct bare_waiter **ready; /* once all were woken, all of them */
	long count;
	long begun; /* at this gathering */
	void (*fn)(void);
	char *stacks;
	struct bare_waiter main;
	struct bare_words words;
} crowd;

enum { AHEAD = 8, FETCHED = 3 };

static void fetch(const struct bare_waiter *w)
{
	for (int i = 0; i < FETCHED; i++)
		__builtin_prefetch((const char *)w - i * LINE, 1);
}

/* Where a worker goes on whose task has left. */
static void *next_ready(void)
{
	long taken = __atomic_load_n(&crowd.taken, __ATOMIC_ACQUIRE);
	if (taken == crowd.woken)
		return crowd.main.sp;
	if (taken + AHEAD < crowd.woken)
		fetch(crowd.ready[taken + AHEAD]);
	struct bare_waiter *w = crowd.ready[taken];
	if (!__atomic_compare_exchange_n(&crowd.taken, &taken, taken + 1, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		bare_miss();
	return w->sp;
}

/* And where one goes on whose task waits. */
static void *next_stack(void)
{
	long i = crowd.begun++;
	if (i >= crowd.count)
		return crowd.main.sp;
	if (!crowd.woken)
		return bare_begin(bare_stack_top(crowd.stacks, i), crowd.fn);
	if (i + AHEAD < crowd.count)
		fetch(crowd.ready[i + AHEAD]);
	return crowd.ready[i]->sp;
}

void bare_crowd_gather(long n, void (*fn)(void))
{
	if (!crowd.ready) {
		crowd.ready = malloc((size_t)n * sizeof *crowd.ready);
		BENCH_CHECK(crowd.ready);
		crowd.stacks = bare_stacks(n);
	}
	crowd.last = &crowd.first;
	crowd.count = crowd.left = n;
	crowd.begun = 0;
	crowd.fn = fn;
	bare_switch(&crowd.main.sp, next_stack());
}

static void claim(struct bare_waiter *w)
{
	bare_step(&w->state, WAITS, CLAIMED);
}

void bare_crowd_wait(struct bare_waiter *self, int steps)
{
	bare_run(&crowd.words, (struct bare_op){.steps = steps});
	self->next = NULL;
	self->state = RUNS;
	bare_lock(&crowd.lock);
	*crowd.last = self;
	crowd.last = &self->next;
	bare_unlock(&crowd.lock);
	bare_step(&self->state, RUNS, WAITS);
	bare_switch(&self->sp, next_stack());
}

/* The last one takes main out of its queue, claims it, and it runs next. */
void bare_crowd_leave(struct bare_waiter *self)
{
	if (__atomic_fetch_sub(&crowd.left, 1, __ATOMIC_ACQ_REL) == 1) {
		bare_run(&crowd.words, (struct bare_op){.locks = 1, .steps = 1});
		claim(&crowd.main);
	}
	bare_switch(&self->sp, next_ready());
}

/* All are taken out of the queue at once, and then claimed. */
static void claim_all(void)
{
	struct bare_waiter *w, *next;
	bare_lock(&crowd.lock);
	w = crowd.first;
	crowd.first = NULL;
	bare_unlock(&crowd.lock);
	for (crowd.woken = crowd.taken = 0; w; w = next) {
		next = w->next;
		if (next)
			__builtin_prefetch(next, 1);
		claim(w);
		crowd.ready[crowd.woken++] = w;
	}
}

/* Queued, with a mark for those who count down, and off its stack. */
static void wait_for_all(void)
{
	bare_run(&crowd.words, (struct bare_op){.locks = 1, .steps = 1});
	crowd.main.state = RUNS;
	bare_step(&crowd.main.state, RUNS, WAITS);
	bare_switch(&crowd.main.sp, next_ready());
}

void bare_crowd_release(void)
{
	claim_all();
	wait_for_all();
	BENCH_CHECK(!crowd.left);
}

static int steps_each;

static void member(void)
{
	struct bare_waiter self;
	for (;;) {
		bare_crowd_wait(&self, 0);
		bare_run(&crowd.words, (struct bare_op){.steps = steps_each});
		bare_crowd_leave(&self);
	}
}

/* The other stack: it is left as soon as it is come to. */
static void *here, *there;

static void other(void)
{
	for (;;)
		bare_switch(&there, here);
}

/* before: what is done once for all of them; each: the steps of each. */
static double wake(long n, struct bare_op before, int each)
{
	static _Alignas(LINE) unsigned char stack[4096];
	int64_t total = 0;
	long rounds = bench_fan_rounds(n);
	there = bare_begin(stack + sizeof stack - LINE, other);
	steps_each = each;
	for (long i = rounds; i; i--) {
		bare_crowd_gather(n, member);
		int64_t start = bench_now();
		bare_run(&crowd.words, before);
		/* there and back are two */
		if (before.switches && i % 2)
			bare_switch(&here, there);
		bare_crowd_release();
		total += bench_now() - start;
	}
	return (double)total / (double)rounds / (double)n;
}

/* A context's lock is that of those who wait for it. */
double bare_ctx_cancel_fan(long n)
{
	return wake(n, (struct bare_op){.locks = 0}, 0);
}

/*
 * The gate is opened for the one that leads: counted down, out of its queue,
 * claimed, ready. It takes its call out of the table, wakes the others, counts
 * itself down. Each lets go of the result.
 */
double bare_flight_stampede(long n)
{
	return wake(n, (struct bare_op){.locks = 2, .steps = 4, .switches = 1},
		    1);
}

/* The mutex of the cond is taken and let go of, by who wakes and by each. */
double bare_growth_waiters(long n)
{
	return wake(n, (struct bare_op){.steps = 2}, 2);
}
