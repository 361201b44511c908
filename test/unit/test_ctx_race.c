/* SPDX-License-Identifier: MIT */
/*
 * Cancellations, deadlines, wakes and endings at the same moment, and memory
 * that goes as early as the headers allow.
 */
#include "door.h"
#include "test.h"

#include <weft/cond.h>
#include <weft/ctx.h>
#include <weft/mutex.h>
#include <weft/sema.h>

#include <stdlib.h>
#include <string.h>

static int rounds(void)
{
	static int count;

	if (count == 0) {
		count = (test_long() ? 100000 : 2000) / test_slowdown();
		if (test_long())
			test_limit(120);
	}
	return count;
}

/* A moment that is different each time, shorter than starting a thread. */
static void dither(void)
{
	for (volatile uint64_t i = test_random() % 4096; i > 0; i--)
		;
}

static weft_ctx *new_ctx(weft_ctx *parent, weft_duration d)
{
	weft_ctx *c = malloc(sizeof *c);

	CHECK(c != NULL);
	if (d > 0)
		weft_ctx_init_timeout(c, parent, d);
	else
		weft_ctx_init(c, parent);
	return c;
}

static void free_ctx(weft_ctx *c)
{
	weft_ctx_fini(c);
	memset((void *)c, 0x5a, sizeof *c);	/* seen without a sanitizer too */
	free(c);
}

static void cancel_own(void *arg)
{
	dither();
	weft_ctx_cancel(arg, 2);
}

/* ---- who sees the end frees ---- */

static void wait_and_free(void *arg)
{
	weft_ctx *c = arg;

	dither();
	CHECK_EQ(weft_ctx_wait(c), -ECANCELED);
	free_ctx(c);
}

static void poll_and_free(void *arg)
{
	weft_ctx *c = arg;

	test_until(weft_ctx_done(c));
	free_ctx(c);
}

/* Cancel between the check and the enlisting of the wait; free the child. */
TEST_FLAVOURS(ctx_child_may_be_freed_by_its_waiter_while_the_parent_is_cancelled)
{
	for (int i = 0; i < rounds(); i++) {
		weft_ctx *parent = new_ctx(NULL, 0);

		test_start(wait_and_free, new_ctx(parent, 0));
		dither();
		weft_ctx_cancel(parent, 0);
		test_join_all();
		free_ctx(parent);
	}
}

/*
 * The same moment, forced: both the wait, which has seen an open context, and
 * the cancellation sleep on its lock. Either may come first.
 */
TEST(ctx_wait_that_meets_its_cancellation_at_the_lock_returns)
{
	for (int i = 0; i < rounds() / 10; i++) {
		weft_ctx *parent = new_ctx(NULL, 0), *c = new_ctx(parent, 0);

		weft__ctx_lock(c);
		test_start_thread(wait_and_free, c);
		test_start_thread(cancel_own, parent);
		test_until(weft_atomic_load(&c->priv_lock, relaxed) == 2 &&
			   weft_atomic_load(&parent->priv_lock, relaxed) != 0);
		for (int j = 0; j < 10; j++)
			dither();
		weft__ctx_unlock(c);
		test_join_all();
		free_ctx(parent);
	}
}

typedef struct {
	weft_ctx c;
	int result;
} answer;

static void cancel_with_an_answer(void *arg)
{
	answer *a = arg;

	a->result = 42;
	weft_ctx_cancel(&a->c, 0);
}

/* It comes too late to be in the list, and must not ask again. */
TEST_FLAVOURS(ctx_enlist_that_fails_shows_what_was_done_before)
{
	answer a = {0};
	weft__ctx_entry e = {0};

	test_start(cancel_with_an_answer, &a);
	test_until(weft_atomic_load(&a.c.priv_err, relaxed) != 0);
	CHECK(!weft__ctx_enlist(&a.c, &e));
	CHECK_EQ(a.result, 42);
	test_join_all();
}

/* The walk is still busy with the siblings when the first is gone. */
TEST_FLAVOURS(ctx_children_may_be_freed_by_pollers_while_the_parent_is_cancelled)
{
	for (int i = 0; i < rounds() / 4; i++) {
		weft_ctx *parent = new_ctx(NULL, 0), *middle[3];

		for (int j = 0; j < 3; j++) {
			middle[j] = new_ctx(parent, 0);
			test_start(poll_and_free, new_ctx(middle[j], 0));
			test_start(poll_and_free, new_ctx(parent, 0));
		}
		dither();
		weft_ctx_cancel(parent, 0);
		test_join_all();
		for (int j = 0; j < 3; j++)
			free_ctx(middle[j]);
		free_ctx(parent);
	}
}

/* Freed by its waiter while the cancellation of itself is on its way out. */
TEST_FLAVOURS(ctx_may_be_freed_by_its_waiter_while_it_is_cancelled)
{
	for (int i = 0; i < rounds(); i++) {
		weft_ctx *c = new_ctx(NULL, 0);

		test_start(i % 2 != 0 ? poll_and_free : wait_and_free, c);
		dither();
		weft_ctx_cancel(c, 0);
		test_join_all();
	}
}

/* ---- several cancellers ---- */

typedef struct {
	weft_ctx *root;
	weft_ctx *leaf;
	int cause;
} canceller;

static void cancel_and_check(void *arg)
{
	canceller *k = arg;

	dither();
	weft_ctx_cancel(k->root, k->cause);
	CHECK_EQ(weft_ctx_err(k->leaf), -ECANCELED);	/* the loser's view, too */
	CHECK_EQ(weft_ctx_cause(k->leaf), weft_ctx_cause(k->root));
}

TEST_FLAVOURS(ctx_cancel_of_the_second_returns_when_the_subtree_is_done)
{
	enum { DEPTH = 50 };

	for (int i = 0; i < rounds() / 4; i++) {
		weft_ctx chain[DEPTH];
		canceller k[3];

		weft_ctx_init(&chain[0], NULL);
		for (int j = 1; j < DEPTH; j++)
			weft_ctx_init(&chain[j], &chain[j - 1]);
		for (int j = 0; j < 3; j++) {
			k[j] = (canceller){&chain[0], &chain[DEPTH - 1], j + 1};
			test_start(cancel_and_check, &k[j]);
		}
		test_join_all();
		for (int j = DEPTH; j-- > 0;)
			weft_ctx_fini(&chain[j]);
	}
}

/* A cause is never mixed from two: parent, child, and the child's deadline. */
TEST_FLAVOURS(ctx_cause_fits_its_error_whoever_was_first)
{
	for (int i = 0; i < rounds(); i++) {
		weft_ctx parent, child;
		int err, cause;

		weft_ctx_init(&parent, NULL);
		weft_ctx_init_timeout(&child, &parent,
				      WEFT_US(test_random() % 60));
		test_start(cancel_own, &child);
		dither();
		weft_ctx_cancel(&parent, 1);
		err = weft_ctx_err(&child);
		cause = weft_ctx_cause(&child);
		CHECK(err == -ECANCELED ? cause == 1 || cause == 2
					: err == -ETIMEDOUT && cause == err);
		test_join_all();
		CHECK_EQ(weft_ctx_err(&child), err);
		CHECK_EQ(weft_ctx_cause(&child), cause);
		weft_ctx_fini(&child);
		weft_ctx_fini(&parent);
	}
}

/* ---- a parent cancelled while children come and go ---- */

typedef struct {
	weft_ctx *parent;
	weft_ctx *kept[8];
} attacher;

static void attach_until_done(void *arg)
{
	attacher *a = arg;
	bool done = false;

	for (int i = 0; !done; i = (i + 1) % 8) {
		done = weft_ctx_done(a->parent);
		if (a->kept[i] != NULL)
			free_ctx(a->kept[i]);
		a->kept[i] = new_ctx(a->parent, i % 2 != 0 ? WEFT_MINUTE : 0);
		if (done)
			CHECK_EQ(weft_ctx_err(a->kept[i]), -ECANCELED);
		if (i % 4 == 0)
			weft_yield();
	}
}

TEST_FLAVOURS(ctx_parent_may_be_cancelled_while_children_are_attached)
{
	for (int i = 0; i < rounds() / 4; i++) {
		weft_ctx *parent = new_ctx(NULL, 0);
		attacher all[3] = {0};

		for (int j = 0; j < 3; j++) {
			all[j].parent = parent;
			test_start(attach_until_done, &all[j]);
		}
		dither();
		weft_ctx_cancel(parent, 7);
		test_join_all();
		for (int j = 0; j < 3 * 8; j++) {
			weft_ctx *c = all[j / 8].kept[j % 8];

			if (c == NULL)
				continue;
			CHECK_EQ(weft_ctx_err(c), -ECANCELED);
			CHECK_EQ(weft_ctx_cause(c), 7);
			free_ctx(c);
		}
		free_ctx(parent);
	}
}

/* ---- cancel against wake ---- */

typedef struct {
	weft_sema *s;
	weft_ctx *c;
	int *got;	/* atomic */
} acquirer;

/* Write over the frames that a wait has left: late timers would notice. */
static __attribute__((noinline)) void scribble(void)
{
	volatile char frame[1024];

	for (size_t i = 0; i < sizeof frame; i++)
		frame[i] = 0x5a;
}

static void acquire_and_count(void *arg)
{
	acquirer *a = arg;
	int err;

	dither();
	err = weft_sema_acquire_ctx(a->s, a->c, 1);
	scribble();
	if (err == 0)
		weft_atomic_add(a->got, 1, relaxed);
	else
		CHECK_EQ(err, weft_ctx_err(a->c));
}

enum { ACQUIRERS = 4 };

/*
 * Units are released while contexts end. None may go to somebody who has left:
 * those who were not cancelled all get one, and the rest is there.
 */
static void check_no_unit_is_lost(weft_duration d)
{
	for (int i = 0; i < rounds() / 2; i++) {
		weft_sema s = {0};
		weft_ctx *c = new_ctx(NULL, d);
		acquirer a[ACQUIRERS];
		int got = 0, left = 0;

		for (int j = 0; j < ACQUIRERS; j++) {
			a[j] = (acquirer){&s, j % 2 != 0 ? c : NULL, &got};
			test_start(acquire_and_count, &a[j]);
		}
		for (int j = 0; j < ACQUIRERS; j++) {
			weft_sema_release(&s, 1);
			if (j == i % ACQUIRERS && d == 0)
				weft_ctx_cancel(c, 0);
			dither();
		}
		test_join_all();
		while (weft_sema_try_acquire(&s, 1))
			left++;
		CHECK_EQ(got + left, ACQUIRERS);
		free_ctx(c);
	}
}

TEST_FLAVOURS(ctx_cancel_eats_no_wake)
{
	check_no_unit_is_lost(0);
}

TEST_FLAVOURS(ctx_deadline_eats_no_wake_and_fires_not_after_the_return)
{
	check_no_unit_is_lost(WEFT_US(1 + test_random() % 80));
}

typedef struct {
	weft_mutex lock;
	weft_cond changed;
	weft_ctx *c;
	int inside;
	int total;
	int left;	/* who has not returned yet */
} guarded;

static void enter(guarded *g)
{
	CHECK_EQ(g->inside++, 0);
	g->total++;
	g->inside--;
}

static void lock_some(void *arg)
{
	guarded *g = arg;
	int mine = 0;

	for (int i = 0; i < 20; i++) {
		if (weft_mutex_lock_ctx(&g->lock, i % 3 ? g->c : NULL) != 0)
			continue;
		enter(g);
		mine++;
		if (i % 5 == 0)
			weft_yield();
		weft_mutex_unlock(&g->lock);
	}
	weft_mutex_lock(&g->lock);
	g->left += mine;
	weft_mutex_unlock(&g->lock);
}

/* Cancelled waiters neither keep a lock that was handed to them, nor lose it. */
TEST_FLAVOURS(ctx_cancel_does_not_strand_a_lock)
{
	for (int i = 0; i < rounds() / 4; i++) {
		guarded g = {.c = new_ctx(NULL, 0)};

		for (int j = 0; j < ACQUIRERS; j++)
			test_start(lock_some, &g);
		dither();
		weft_ctx_cancel(g.c, 0);
		test_join_all();
		CHECK(weft_mutex_try_lock(&g.lock));
		CHECK_EQ(g.left, g.total);
		weft_mutex_unlock(&g.lock);
		free_ctx(g.c);
	}
}

static void wait_for_change(void *arg)
{
	guarded *g = arg;
	int err;

	weft_mutex_lock(&g->lock);
	err = weft_cond_wait_ctx(&g->changed, g->c);
	CHECK(err == 0 || err == weft_ctx_err(g->c));
	enter(g);
	g->left--;
	weft_mutex_unlock(&g->lock);
}

static int left_of(guarded *g)
{
	int left;

	weft_mutex_lock(&g->lock);
	left = g->left;
	if (left > 0)
		weft_cond_broadcast(&g->changed);
	weft_mutex_unlock(&g->lock);
	return left;
}

/* Those whom a broadcast has moved to the lock's queue still get the lock. */
TEST_FLAVOURS(ctx_cancel_during_a_broadcast_leaves_everybody_with_the_lock)
{
	for (int i = 0; i < rounds() / 4; i++) {
		guarded g = {.c = new_ctx(NULL, 0), .left = ACQUIRERS};

		weft_cond_init(&g.changed, &g.lock);
		for (int j = 0; j < ACQUIRERS; j++)
			test_start(wait_for_change, &g);
		dither();
		left_of(&g);
		weft_ctx_cancel(g.c, 0);
		test_until(left_of(&g) == 0);
		test_join_all();
		CHECK_EQ(g.total, ACQUIRERS);
		free_ctx(g.c);
	}
}

/* ---- two contexts ---- */

typedef struct {
	weft_ctx *c;
	weft_ctx *ctx;
} both;

static void wait_for_either(void *arg)
{
	both *b = arg;
	int err = weft_ctx_wait_ctx(b->c, b->ctx);

	scribble();
	if (err == 0)
		CHECK(weft_ctx_done(b->c));
	else
		CHECK_EQ(err, weft_ctx_err(b->ctx));
	free_ctx(b->c);
}

TEST_FLAVOURS(ctx_wait_ctx_ends_with_either_of_two_that_end_together)
{
	for (int i = 0; i < rounds(); i++) {
		weft_ctx *parent = new_ctx(NULL, 0), *other;
		both b;

		other = new_ctx(i % 2 != 0 ? parent : NULL,
				WEFT_US(1 + test_random() % 60));
		b = (both){new_ctx(parent, 0), other};
		test_start(wait_for_either, &b);
		dither();
		weft_ctx_cancel(parent, 0);
		test_join_all();
		free_ctx(other);
		free_ctx(parent);
	}
}

/* ---- after-funcs ---- */

typedef struct {
	weft_ctx_after after;
	int *ran;	/* atomic */
	int *prevented;	/* atomic */
} hook;

static void run_hook(void *arg)
{
	weft_atomic_add(((hook *)arg)->ran, 1, seq_cst);
}

static void stop_hook(void *arg)
{
	hook *h = arg;

	dither();
	if (weft_ctx_after_stop(&h->after))
		weft_atomic_add(h->prevented, 1, seq_cst);
}

/*
 * Two stop, one cancels and frees the context, and its deadline passes: the
 * function runs once, or exactly one has prevented it.
 */
TEST_FLAVOURS(ctx_after_runs_or_is_stopped_never_both)
{
	for (int i = 0; i < rounds(); i++) {
		weft_ctx *c = new_ctx(NULL, WEFT_US(1 + test_random() % 60));
		int ran = 0, prevented = 0;
		hook h = {.ran = &ran, .prevented = &prevented};

		CHECK_EQ(weft_ctx_after_start(&h.after, c, run_hook, &h), 0);
		test_start(stop_hook, &h);
		if (i % 2 != 0)
			test_start(stop_hook, &h);
		dither();
		if (i % 3 != 0)
			weft_ctx_cancel(c, 0);
		free_ctx(c);
		test_join_all();
		test_until(weft_atomic_load(&ran, seq_cst) +
				   weft_atomic_load(&prevented, seq_cst) > 0);
		CHECK_EQ(weft_atomic_load(&ran, seq_cst) +
				 weft_atomic_load(&prevented, seq_cst),
			 1);
	}
	test_until(weft_task_count() <= 1);
}

typedef struct {
	hook h;
	weft_ctx *c;
} started_hook;

static void start_hook(void *arg)
{
	started_hook *s = arg;

	CHECK_EQ(weft_ctx_after_start(&s->h.after, s->c, run_hook, &s->h), 0);
}

/* The start sleeps on the context's lock while its deadline passes. */
TEST(ctx_after_whose_timer_is_faster_than_its_start_runs)
{
	int ran = 0;
	weft_ctx *c = new_ctx(NULL, WEFT_MS(100) * test_slowdown());
	started_hook s = {.h = {.ran = &ran}, .c = c};
	weft_time when;

	CHECK(weft_ctx_deadline(c, &when));
	weft__ctx_lock(c);
	test_start_thread(start_hook, &s);
	test_until(weft_atomic_load(&c->priv_lock, relaxed) == 2);
	test_until(weft_now() > when + WEFT_MS(50));
	weft__ctx_unlock(c);
	test_join_all();
	test_until(weft_atomic_load(&ran, seq_cst) == 1);
	free_ctx(c);
}

static void stop_and_note(void *arg)
{
	hook *h = arg;

	CHECK(weft_ctx_after_stop(&h->after));
	weft_atomic_store(h->prevented, 1, seq_cst);
}

/* Lock the bucket of a context that has not the same as c. */
static weft__bucket *lock_other_bucket(const weft_ctx *c, weft_ctx **other)
{
	static weft_ctx many[64];
	weft__lot_table *t = weft_atomic_load(&weft__lot_current, acquire);

	*other = many;
	while (weft__lot_bucket(t, *other) == weft__lot_bucket(t, c))
		CHECK_LT(++*other - many, 64);
	return weft__lot_lock(*other);
}

/*
 * The stop has seen the context of before, and sleeps at its bucket, when a
 * start on another is through: it does not go by the lock that it has.
 */
TEST(ctx_after_stop_follows_it_to_its_next_context)
{
	int prevented = 0;
	hook h = {.prevented = &prevented};
	weft_ctx c = {0}, *before;
	weft__bucket *old, *new;

	CHECK_EQ(weft_ctx_after_start(&h.after, &c, run_hook, &h), 0);
	old = lock_other_bucket(&c, &before);
	weft_atomic_store(&h.after.priv_ctx, before, release);
	test_start_thread(stop_and_note, &h);
	test_until(weft_atomic_load(&old->lock.word, relaxed) == 2);
	new = weft__lot_lock(&c);
	weft_atomic_store(&h.after.priv_ctx, &c, release);
	weft__lot_unlock(old);
	test_until(weft_atomic_load(&prevented, seq_cst) != 0 ||
		   weft_atomic_load(&new->lock.word, relaxed) == 2);
	CHECK_EQ(weft_atomic_load(&prevented, seq_cst), 0);
	weft__lot_unlock(new);
	test_join_all();
	CHECK_EQ(weft_atomic_load(&prevented, seq_cst), 1);
	weft_ctx_fini(&c);
}

static void free_hook(void *arg)
{
	hook *h = arg;
	int *ran = h->ran;

	free(h);
	weft_atomic_add(ran, 1, seq_cst);
}

/* The timer, the context's end, and the function that frees the hook. */
TEST_FLAVOURS(ctx_after_timer_touches_nothing_that_is_gone)
{
	int ran = 0;

	for (int i = 0; i < rounds(); i++) {
		weft_ctx *c = new_ctx(NULL, WEFT_US(1 + test_random() % 30));
		hook *h = calloc(1, sizeof *h);

		CHECK(h != NULL);
		h->ran = &ran;
		CHECK_EQ(weft_ctx_after_start(&h->after, c, free_hook, h), 0);
		dither();
		if (i % 4 == 0)
			weft_yield();
		free_ctx(c);
	}
	test_until(weft_atomic_load(&ran, seq_cst) == rounds());
	test_until(weft_task_count() <= 1);
}
