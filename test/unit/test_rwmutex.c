/* SPDX-License-Identifier: MIT */
#include "grave.h"
#include "queue.h"
#include "test.h"

#include <weft/cond.h>
#include <weft/ctx.h>
#include <weft/rwmutex.h>

#include <string.h>

enum { CROWD = 8 };

static size_t writers_queued(weft_rwmutex *m)
{
	return queue_length(m);
}

static size_t readers_queued(weft_rwmutex *m)
{
	return queue_length((char *)m + 1);
}

/* What is guarded: two that are the same whenever nobody writes. */
static struct {
	weft_rwmutex lock;
	int a, b;	/* under the lock */
	int rounds;
	int inside, most;	/* readers */
} shared;

static void write_rounds(void *arg)
{
	(void)arg;
	for (int i = 0; i < shared.rounds; i++) {
		weft_rwmutex_lock(&shared.lock);
		shared.a++;
		if (i % 64 == 0)
			weft_yield();
		CHECK_EQ(weft_atomic_load(&shared.inside, relaxed), 0);
		shared.b++;
		weft_rwmutex_unlock(&shared.lock);
	}
}

static void read_rounds(void *arg)
{
	(void)arg;
	for (int i = 0; i < shared.rounds; i++) {
		int a;

		weft_rwmutex_rlock(&shared.lock);
		weft_atomic_add(&shared.inside, 1, relaxed);
		a = shared.a;
		if (i % 64 == 0)
			weft_yield();
		CHECK_EQ(shared.b, a);
		weft_atomic_sub(&shared.inside, 1, relaxed);
		weft_rwmutex_runlock(&shared.lock);
	}
}

TEST_FLAVOURS(rwmutex_excludes_writers_from_all_others)
{
	shared.rounds = 5000 / test_slowdown();
	for (int i = 0; i < CROWD; i++)
		test_start(i % 4 == 0 ? write_rounds : read_rounds, NULL);
	test_join_all();
	CHECK_EQ(shared.a, CROWD / 4 * shared.rounds);
	CHECK_EQ(shared.a, shared.b);
	CHECK_EQ(shared.lock.priv_word, 0);
}

TEST(rwmutex_try_forms_take_what_is_to_be_had_only)
{
	weft_rwmutex m = {0};

	CHECK(weft_rwmutex_try_lock(&m));
	CHECK(!weft_rwmutex_try_lock(&m));
	CHECK(!weft_rwmutex_try_rlock(&m));
	weft_rwmutex_unlock(&m);
	CHECK(weft_rwmutex_try_rlock(&m));
	CHECK(weft_rwmutex_try_rlock(&m));
	CHECK(!weft_rwmutex_try_lock(&m));
	weft_rwmutex_runlock(&m);
	CHECK(!weft_rwmutex_try_lock(&m));
	weft_rwmutex_runlock(&m);
	CHECK(weft_rwmutex_try_lock(&m));
	weft_rwmutex_unlock(&m);
	CHECK_EQ(m.priv_word, 0);
}

/* Readers that only meet if all of them are inside at once. */
static void read_together(void *arg)
{
	int *inside = arg;

	weft_rwmutex_rlock(&shared.lock);
	weft_atomic_add(inside, 1, relaxed);
	test_until(weft_atomic_load(inside, relaxed) == CROWD);
	weft_rwmutex_runlock(&shared.lock);
}

TEST_FLAVOURS(rwmutex_readers_are_inside_together)
{
	int inside = 0;

	for (int i = 0; i < CROWD; i++)
		test_start(read_together, &inside);
	test_join_all();
	CHECK_EQ(shared.lock.priv_word, 0);
}

static void unlock(void *m)
{
	weft_rwmutex_unlock(m);
}

static void runlock(void *m)
{
	weft_rwmutex_runlock(m);
}

TEST_FLAVOURS(rwmutex_may_be_unlocked_by_another)
{
	weft_rwmutex m = {0};

	weft_rwmutex_lock(&m);
	test_start(unlock, &m);
	weft_rwmutex_rlock(&m);
	test_start(runlock, &m);
	weft_rwmutex_lock(&m);
	weft_rwmutex_unlock(&m);
	test_join_all();
}

/* Who got in when: each writes down its letter, and leaves when it may. */
typedef struct {
	weft_rwmutex lock;
	uint32_t count;
	char order[64];
	int leave;	/* how many readers and writers may leave */
} diary;

static void note(diary *d, char who)
{
	uint32_t i = weft_atomic_add(&d->count, 1, relaxed);

	weft_atomic_store(&d->order[i], who, relaxed);
}

static bool may_leave(diary *d)
{
	int n = weft_atomic_load(&d->leave, acquire);

	while (n > 0)
		if (weft_atomic_cas(&d->leave, &n, n - 1, acquire, acquire))
			return true;
	return false;
}

static void write_note(void *arg)
{
	diary *d = arg;

	weft_rwmutex_lock(&d->lock);
	note(d, 'w');
	test_until(may_leave(d));
	weft_rwmutex_unlock(&d->lock);
}

static void read_note(void *arg)
{
	diary *d = arg;

	weft_rwmutex_rlock(&d->lock);
	note(d, 'r');
	test_until(may_leave(d));
	weft_rwmutex_runlock(&d->lock);
}

static uint32_t notes(diary *d)
{
	return weft_atomic_load(&d->count, relaxed);
}

static void queue_writer(diary *d)
{
	size_t n = writers_queued(&d->lock);

	test_start(write_note, d);
	test_until(writers_queued(&d->lock) == n + 1);
}

static void queue_reader(diary *d)
{
	size_t n = readers_queued(&d->lock);

	test_start(read_note, d);
	test_until(readers_queued(&d->lock) == n + 1);
}

TEST_FLAVOURS(rwmutex_waiting_writer_holds_back_new_readers)
{
	diary d = {0};

	weft_rwmutex_rlock(&d.lock);
	CHECK(weft_rwmutex_try_rlock(&d.lock));
	queue_writer(&d);
	CHECK(!weft_rwmutex_try_rlock(&d.lock));
	queue_reader(&d);
	weft_rwmutex_runlock(&d.lock);
	CHECK_EQ(writers_queued(&d.lock), 1); /* one reader is inside still */
	weft_rwmutex_runlock(&d.lock);
	test_until(notes(&d) == 1);
	CHECK_EQ(readers_queued(&d.lock), 1);
	weft_atomic_store(&d.leave, 2, release);
	test_join_all();
	CHECK_EQ(d.order[0], 'w');
	CHECK_EQ(d.order[1], 'r');
	CHECK_EQ(d.lock.priv_word, 0);
}

/* Two writers and, before, between and after them, readers. */
TEST_FLAVOURS(rwmutex_unlock_lets_all_queued_readers_in_before_the_next_writer)
{
	diary d = {0};

	weft_rwmutex_lock(&d.lock);
	queue_reader(&d);
	queue_writer(&d);
	queue_reader(&d);
	queue_writer(&d);
	queue_reader(&d);
	weft_rwmutex_unlock(&d.lock);
	test_until(notes(&d) == 3);
	CHECK_EQ(readers_queued(&d.lock), 0);
	CHECK_EQ(writers_queued(&d.lock), 2);
	queue_reader(&d); /* came after the unlock: after the next writer */
	weft_atomic_store(&d.leave, 3, release);
	test_until(notes(&d) == 4);
	CHECK_EQ(writers_queued(&d.lock), 1);
	CHECK_EQ(readers_queued(&d.lock), 1);
	weft_atomic_store(&d.leave, 1, release);
	test_until(notes(&d) == 5);
	CHECK_EQ(writers_queued(&d.lock), 1);
	weft_atomic_store(&d.leave, 2, release);
	test_join_all();
	CHECK_EQ(strcmp(d.order, "rrrwrw"), 0);
	CHECK_EQ(d.lock.priv_word, 0);
}

/* Writers one after the other, as they came. */
typedef struct {
	weft_rwmutex lock;
	uint32_t numbers;
	int order[CROWD], count;	/* under the lock */
} line;

static void stand_in_line(void *arg)
{
	line *l = arg;
	int number = (int)weft_atomic_add(&l->numbers, 1, relaxed);

	weft_rwmutex_lock(&l->lock);
	l->order[l->count++] = number;
	weft_rwmutex_unlock(&l->lock);
}

TEST_FLAVOURS(rwmutex_writers_get_it_in_order_of_arrival)
{
	line l = {0};

	weft_rwmutex_rlock(&l.lock);
	for (size_t i = 0; i < CROWD; i++) {
		test_start(stand_in_line, &l);
		test_until(writers_queued(&l.lock) == i + 1);
	}
	weft_rwmutex_runlock(&l.lock);
	test_join_all();
	for (int i = 0; i < CROWD; i++)
		CHECK_EQ(l.order[i], i);
	CHECK_EQ(l.lock.priv_word, 0);
}

TEST_FLAVOURS(rwmutex_newcomer_gets_in_past_nobody)
{
	diary d = {.leave = 1};

	weft_rwmutex_lock(&d.lock);
	queue_writer(&d);
	weft_rwmutex_unlock(&d.lock);
	/* Whether it runs yet or not, it had the lock before us. */
	weft_rwmutex_lock(&d.lock);
	CHECK_EQ(d.count, 1);
	weft_rwmutex_unlock(&d.lock);
	test_join_all();
}

/* Those who always want it starve nobody of the other kind. */
static struct {
	weft_rwmutex lock;
	bool served;
} pressed;

static bool served(void)
{
	return weft_atomic_load(&pressed.served, acquire);
}

static void read_on_and_on(void *arg)
{
	(void)arg;
	weft_rwmutex_rlock(&pressed.lock);
	while (!served()) { /* one comes before the other leaves */
		weft_yield();
		weft_rwmutex_runlock(&pressed.lock);
		weft_rwmutex_rlock(&pressed.lock);
	}
	weft_rwmutex_runlock(&pressed.lock);
}

static void write_on_and_on(void *arg)
{
	(void)arg;
	while (!served()) {
		weft_rwmutex_lock(&pressed.lock);
		weft_yield();
		weft_rwmutex_unlock(&pressed.lock);
	}
}

static void write_once(void *arg)
{
	(void)arg;
	weft_rwmutex_lock(&pressed.lock);
	weft_atomic_store(&pressed.served, true, release);
	weft_rwmutex_unlock(&pressed.lock);
}

static void read_once(void *arg)
{
	(void)arg;
	weft_rwmutex_rlock(&pressed.lock);
	weft_atomic_store(&pressed.served, true, release);
	weft_rwmutex_runlock(&pressed.lock);
}

TEST_FLAVOURS(rwmutex_readers_starve_no_writer)
{
	for (int i = 0; i < 4; i++)
		test_start(read_on_and_on, NULL);
	test_start(write_once, NULL);
	test_join_all();
	CHECK(served());
}

TEST_FLAVOURS(rwmutex_writers_starve_no_reader)
{
	for (int i = 0; i < 4; i++)
		test_start(write_on_and_on, NULL);
	test_start(read_once, NULL);
	test_join_all();
	CHECK(served());
}

/* With a context */

typedef struct {
	weft_rwmutex lock;
	weft_ctx ctx;
	int result;
	bool ended;
} leaver;

static void lock_ctx(void *arg)
{
	leaver *l = arg;

	l->result = weft_rwmutex_lock_ctx(&l->lock, &l->ctx);
	if (l->result == 0)
		weft_rwmutex_unlock(&l->lock);
	weft_atomic_store(&l->ended, true, release);
}

static void rlock_ctx(void *arg)
{
	leaver *l = arg;

	l->result = weft_rwmutex_rlock_ctx(&l->lock, &l->ctx);
	if (l->result == 0)
		weft_rwmutex_runlock(&l->lock);
	weft_atomic_store(&l->ended, true, release);
}

static bool ended(leaver *l)
{
	return weft_atomic_load(&l->ended, acquire);
}

TEST_FLAVOURS(rwmutex_lock_ctx_gives_up_when_cancelled)
{
	leaver l = {0};

	weft_rwmutex_rlock(&l.lock);
	test_start(lock_ctx, &l);
	test_until(writers_queued(&l.lock) == 1);
	weft_ctx_cancel(&l.ctx, 0);
	test_until(ended(&l));
	CHECK_EQ(l.result, -ECANCELED);
	CHECK_EQ(l.lock.priv_word, 1); /* nobody is said to wait */
	weft_rwmutex_runlock(&l.lock);
	weft_ctx_fini(&l.ctx);
}

TEST_FLAVOURS(rwmutex_rlock_ctx_gives_up_when_cancelled)
{
	leaver l = {0};

	weft_rwmutex_lock(&l.lock);
	test_start(rlock_ctx, &l);
	test_until(readers_queued(&l.lock) == 1);
	weft_ctx_cancel(&l.ctx, 0);
	test_until(ended(&l));
	CHECK_EQ(l.result, -ECANCELED);
	weft_rwmutex_unlock(&l.lock);
	CHECK_EQ(l.lock.priv_word, 0);
	weft_ctx_fini(&l.ctx);
}

TEST_FLAVOURS(rwmutex_ctx_forms_give_up_at_the_deadline)
{
	leaver l = {0};

	weft_ctx_init_timeout(&l.ctx, NULL, WEFT_MS(2));
	weft_rwmutex_lock(&l.lock);
	CHECK_EQ(weft_rwmutex_lock_ctx(&l.lock, &l.ctx), -ETIMEDOUT);
	CHECK_EQ(weft_rwmutex_rlock_ctx(&l.lock, &l.ctx), -ETIMEDOUT);
	weft_rwmutex_unlock(&l.lock);
	CHECK_EQ(l.lock.priv_word, 0);
	weft_ctx_fini(&l.ctx);
}

TEST_FLAVOURS(rwmutex_ctx_forms_take_a_free_one_whatever_the_context_says)
{
	leaver l = {0};

	weft_ctx_cancel(&l.ctx, 0);
	CHECK_EQ(weft_rwmutex_rlock_ctx(&l.lock, &l.ctx), 0);
	CHECK_EQ(weft_rwmutex_rlock_ctx(&l.lock, &l.ctx), 0);
	CHECK_EQ(weft_rwmutex_lock_ctx(&l.lock, &l.ctx), -ECANCELED);
	weft_rwmutex_runlock(&l.lock);
	weft_rwmutex_runlock(&l.lock);
	CHECK_EQ(weft_rwmutex_lock_ctx(&l.lock, &l.ctx), 0);
	CHECK_EQ(weft_rwmutex_rlock_ctx(&l.lock, &l.ctx), -ECANCELED);
	weft_rwmutex_unlock(&l.lock);
	CHECK_EQ(weft_rwmutex_lock_ctx(&l.lock, NULL), 0);
	weft_rwmutex_unlock(&l.lock);
	weft_ctx_fini(&l.ctx);
}

static void read_and_leave(void *m)
{
	weft_rwmutex_rlock(m);
	weft_rwmutex_runlock(m);
}

static void write_and_leave(void *m)
{
	weft_rwmutex_lock(m);
	weft_rwmutex_unlock(m);
}

TEST_FLAVOURS(rwmutex_writer_that_gives_up_lets_in_those_it_held_back)
{
	leaver l = {0};

	weft_rwmutex_rlock(&l.lock);
	test_start(lock_ctx, &l);
	test_until(writers_queued(&l.lock) == 1);
	for (size_t i = 0; i < CROWD; i++) {
		test_start(read_and_leave, &l.lock);
		test_until(readers_queued(&l.lock) == i + 1);
	}
	weft_ctx_cancel(&l.ctx, 0);
	test_join_all(); /* beside us, who still read */
	CHECK_EQ(l.result, -ECANCELED);
	CHECK_EQ(l.lock.priv_word, 1);
	weft_rwmutex_runlock(&l.lock);
	weft_ctx_fini(&l.ctx);
}

TEST_FLAVOURS(rwmutex_writer_that_gives_up_lets_nobody_past_the_others)
{
	leaver l = {0};

	weft_rwmutex_rlock(&l.lock);
	test_start(lock_ctx, &l);
	test_until(writers_queued(&l.lock) == 1);
	test_start(write_and_leave, &l.lock);
	test_until(writers_queued(&l.lock) == 2);
	test_start(read_and_leave, &l.lock);
	test_until(readers_queued(&l.lock) == 1);
	weft_ctx_cancel(&l.ctx, 0);
	test_until(ended(&l));
	CHECK_EQ(writers_queued(&l.lock), 1);
	CHECK_EQ(readers_queued(&l.lock), 1);
	CHECK(!weft_rwmutex_try_rlock(&l.lock));
	weft_rwmutex_runlock(&l.lock);
	test_join_all();
	CHECK_EQ(l.result, -ECANCELED);
	CHECK_EQ(l.lock.priv_word, 0);
	weft_ctx_fini(&l.ctx);
}

TEST_FLAVOURS(rwmutex_writer_that_gives_up_under_a_writer_lets_nobody_in)
{
	leaver l = {0};

	weft_rwmutex_lock(&l.lock);
	test_start(lock_ctx, &l);
	test_until(writers_queued(&l.lock) == 1);
	test_start(read_and_leave, &l.lock);
	test_until(readers_queued(&l.lock) == 1);
	weft_ctx_cancel(&l.ctx, 0);
	test_until(ended(&l));
	CHECK_EQ(readers_queued(&l.lock), 1);
	weft_rwmutex_unlock(&l.lock);
	test_join_all();
	CHECK_EQ(l.lock.priv_word, 0);
	weft_ctx_fini(&l.ctx);
}

/* Cancelled and passed on at the same time: nothing is lost. */
static void cancel(void *arg)
{
	weft_ctx_cancel(arg, 0);
}

static void lock_or_leave(void *arg)
{
	leaver *l = arg;
	int error = weft_rwmutex_lock_ctx(&l->lock, &l->ctx);

	if (error == 0)
		weft_rwmutex_unlock(&l->lock);
	else
		CHECK_EQ(error, -ECANCELED);
}

static void rlock_or_leave(void *arg)
{
	leaver *l = arg;
	int error = weft_rwmutex_rlock_ctx(&l->lock, &l->ctx);

	if (error == 0)
		weft_rwmutex_runlock(&l->lock);
	else
		CHECK_EQ(error, -ECANCELED);
}

TEST_FLAVOURS(rwmutex_cancel_races_with_unlock)
{
	for (int i = 0; i < 2000 / test_slowdown(); i++) {
		leaver l = {0};
		bool write = i % 2 == 0;

		if (write)
			weft_rwmutex_lock(&l.lock);
		else
			weft_rwmutex_rlock(&l.lock);
		test_start(lock_or_leave, &l);
		test_start(rlock_or_leave, &l);
		test_start(read_and_leave, &l.lock);
		if (i % 4 < 2)
			test_start(lock_or_leave, &l);
		else
			test_start(write_and_leave, &l.lock);
		test_start(rlock_or_leave, &l);
		if (i % 8 < 4)
			test_until(writers_queued(&l.lock) == 2);
		test_start(cancel, &l.ctx);
		if (i % 3 != 0)
			weft_yield();
		if (write)
			weft_rwmutex_unlock(&l.lock);
		else
			weft_rwmutex_runlock(&l.lock);
		test_join_all();
		CHECK_EQ(l.lock.priv_word, 0);
		CHECK_EQ(writers_queued(&l.lock), 0);
		CHECK_EQ(readers_queued(&l.lock), 0);
		weft_ctx_fini(&l.ctx);
	}
}

/*
 * Waiters that have left but are still queued when the lock is passed on: R5.
 * They stand here by themselves, so that what is a race is certain.
 */
static void queue_dead(weft_rwmutex *m, bool write, weft__waiter *w)
{
	weft__bucket *b = weft__lot_lock(m);

	weft__waiter_init(w, &(weft__why){.text = "test"});
	w->state = WEFT__CANCELLED;
	weft__lot_push(b, (char *)m + !write, w);
	weft__lot_unlock(b);
}

enum {
	WRITER = (int)0x80000000,
	WRITERS = 0x40000000,
	READERS = 0x20000000,
};

TEST(rwmutex_unlock_goes_past_those_that_have_left)
{
	weft_rwmutex m = {.priv_word = (uint32_t)(WRITER | WRITERS | READERS)};
	weft__waiter dead[4];

	for (int i = 0; i < 4; i++)
		queue_dead(&m, i % 2, &dead[i]);
	weft_rwmutex_unlock(&m);
	CHECK_EQ(m.priv_word, 0);
	CHECK_EQ(writers_queued(&m), 0);
	CHECK_EQ(readers_queued(&m), 0);
}

TEST(rwmutex_runlock_goes_past_those_that_have_left)
{
	weft_rwmutex m = {.priv_word = (uint32_t)(WRITERS | READERS | 2)};
	weft__waiter dead[4];

	for (int i = 0; i < 4; i++)
		queue_dead(&m, i % 2, &dead[i]);
	weft_rwmutex_runlock(&m);
	CHECK_EQ(m.priv_word, WRITERS | READERS | 1);
	weft_rwmutex_runlock(&m);
	CHECK_EQ(m.priv_word, 0);
}

TEST_FLAVOURS(rwmutex_writer_behind_readers_that_have_left_gets_it)
{
	weft_rwmutex m = {0};
	weft__waiter dead[2];

	weft_rwmutex_lock(&m);
	test_start(write_and_leave, &m);
	test_until(writers_queued(&m) == 1);
	queue_dead(&m, false, &dead[0]);
	queue_dead(&m, false, &dead[1]);
	weft_atomic_or(&m.priv_word, READERS, relaxed);
	weft_rwmutex_unlock(&m);
	test_join_all();
	CHECK_EQ(m.priv_word, 0);
}

TEST_FLAVOURS(rwmutex_readers_behind_a_writer_that_has_left_get_in)
{
	weft_rwmutex m = {0};
	weft__waiter dead;

	weft_rwmutex_lock(&m);
	test_start(read_and_leave, &m);
	test_start(read_and_leave, &m);
	test_until(readers_queued(&m) == 2);
	queue_dead(&m, true, &dead);
	weft_atomic_store(&m.priv_word, WRITERS | READERS | 1, relaxed);
	weft_rwmutex_runlock(&m);
	test_join_all();
	CHECK_EQ(m.priv_word, 0);
}

/*
 * The writer leaves, and readers come in, while the last reader is between
 * seeing it and having the bucket, which we hold meanwhile.
 */
TEST(rwmutex_runlock_sees_that_the_writer_has_left)
{
	weft_rwmutex m = {.priv_word = WRITERS | 1};
	weft__waiter writer;
	weft__bucket *b;

	queue_dead(&m, true, &writer);
	b = weft__lot_lock(&m);
	test_start_thread(runlock, &m);
	test_until(weft_atomic_load(&b->lock.word, relaxed) == 2);
	weft__lot_remove(b, &writer);
	weft_atomic_store(&m.priv_word, 3, relaxed);
	weft__lot_unlock(b);
	test_join_all();
	CHECK_EQ(m.priv_word, 2);
}

/* As the lock of a cond */

typedef struct {
	weft_rwmutex lock;
	weft_cond cond;
	bool ready;	/* under the lock */
	int together;	/* atomic: how many are inside, woken, at once */
	weft_locker side;
} room;

/* All that wait meet inside: all hold the reader's side at once. */
static void wait_until_ready(void *arg)
{
	room *r = arg;

	weft_rwmutex_rlock(&r->lock);
	while (!r->ready)
		weft_cond_wait(&r->cond);
	weft_atomic_add(&r->together, 1, relaxed);
	test_until(weft_atomic_load(&r->together, relaxed) == CROWD);
	weft_rwmutex_runlock(&r->lock);
}

TEST_FLAVOURS(rwmutex_readers_wait_together_on_one_cond)
{
	room r = {0};

	weft_cond_init_locker(&r.cond, weft_rwmutex_rlocker(&r.lock));
	for (int i = 0; i < CROWD; i++)
		test_start(wait_until_ready, &r);
	test_until(queue_length(&r.cond) == CROWD);
	weft_rwmutex_lock(&r.lock);
	r.ready = true;
	weft_cond_broadcast(&r.cond);
	CHECK_EQ(r.together, 0);
	weft_rwmutex_unlock(&r.lock);
	test_join_all();
	CHECK_EQ(r.lock.priv_word, 0);
	CHECK_EQ(r.cond.priv_waiters, 0);
}

/* One reader gives up, holding its side; the signal goes to the next. */
typedef struct {
	weft_rwmutex lock;
	weft_cond cond;
	weft_ctx ctx;
	int result;
	int left, signalled;	/* atomic */
} pair;

static void wait_to_give_up(void *arg)
{
	pair *p = arg;

	weft_rwmutex_rlock(&p->lock);
	p->result = weft_cond_wait_ctx(&p->cond, &p->ctx);
	CHECK(!weft_rwmutex_try_lock(&p->lock));
	weft_atomic_add(&p->left, 1, relaxed);
	weft_rwmutex_runlock(&p->lock);
}

static void wait_for_signal(void *arg)
{
	pair *p = arg;

	weft_rwmutex_rlock(&p->lock);
	CHECK_EQ(weft_cond_wait_ctx(&p->cond, NULL), 0);
	weft_atomic_add(&p->signalled, 1, relaxed);
	weft_rwmutex_runlock(&p->lock);
}

TEST_FLAVOURS(rwmutex_reader_that_gives_up_a_cond_swallows_no_signal)
{
	pair p = {.left = 0};
	bool signalled;

	weft_cond_init_locker(&p.cond, weft_rwmutex_rlocker(&p.lock));
	test_start(wait_to_give_up, &p);
	test_until(queue_length(&p.cond) == 1);
	test_start(wait_for_signal, &p);
	test_until(queue_length(&p.cond) == 2);
	weft_ctx_cancel(&p.ctx, 0);
	weft_cond_signal(&p.cond);
	/* Queued, but not yet asleep: the signal was the first. */
	signalled = queue_length(&p.cond) == 1;
	if (signalled)
		weft_cond_signal(&p.cond);
	test_join_all();
	CHECK_EQ(p.result, signalled ? 0 : -ECANCELED);
	CHECK_EQ(p.left, 1);
	CHECK_EQ(p.signalled, 1);
	CHECK_EQ(p.lock.priv_word, 0);
	weft_ctx_fini(&p.ctx);
}

/* Many begin to wait at the same moment, and each signal wakes one of them. */
static struct {
	weft_rwmutex lock;
	weft_cond cond;
	int ready, items, taken;	/* atomic */
} store;

static void take_item(void *arg)
{
	(void)arg;
	weft_atomic_add(&store.ready, 1, relaxed);
	test_until(weft_atomic_load(&store.ready, relaxed) == CROWD);
	weft_rwmutex_rlock(&store.lock);
	for (;;) {
		int n = weft_atomic_load(&store.items, relaxed);

		while (n > 0)
			if (weft_atomic_cas(&store.items, &n, n - 1, acquire,
					    relaxed))
				goto taken;
		weft_cond_wait(&store.cond);
	}
taken:
	weft_atomic_add(&store.taken, 1, relaxed);
	weft_rwmutex_runlock(&store.lock);
}

TEST_FLAVOURS(rwmutex_no_signal_to_readers_is_lost)
{
	for (int round = 0; round < 200 / test_slowdown(); round++) {
		store.ready = store.taken = 0;
		weft_cond_init_locker(&store.cond,
				      weft_rwmutex_rlocker(&store.lock));
		for (int i = 0; i < CROWD; i++)
			test_start(take_item, NULL);
		for (int i = 0; i < CROWD; i++) {
			weft_rwmutex_lock(&store.lock);
			weft_atomic_add(&store.items, 1, relaxed);
			weft_rwmutex_unlock(&store.lock);
			weft_cond_signal(&store.cond);
		}
		test_join_all();
		CHECK_EQ(store.taken, CROWD);
		CHECK_EQ(store.cond.priv_waiters, 0);
	}
}

static void wait_alone(void *arg)
{
	room *r = arg;

	r->side.lock(r->side.obj);
	while (!r->ready)
		weft_cond_wait(&r->cond);
	CHECK(!weft_rwmutex_try_rlock(&r->lock)); /* it is ours */
	r->together++;
	r->side.unlock(r->side.obj);
}

TEST_FLAVOURS(rwmutex_writers_wait_on_a_cond)
{
	room r = {0};

	r.side = weft_rwmutex_locker(&r.lock);
	weft_cond_init_locker(&r.cond, r.side);
	test_start(wait_alone, &r);
	test_start(wait_alone, &r);
	test_until(queue_length(&r.cond) == 2);
	weft_rwmutex_lock(&r.lock);
	r.ready = true;
	weft_rwmutex_unlock(&r.lock);
	weft_cond_broadcast(&r.cond);
	test_join_all();
	CHECK_EQ(r.together, 2);
}

/* Ends: whoever has had the lock last takes the memory away. */
typedef struct {
	weft_rwmutex lock;
	uint32_t users;
} mortal;

static void bury_if_last(mortal *m)
{
	if (weft_atomic_sub(&m->users, 1, acq_rel) == 1)
		grave_close(m);
}

static void write_and_bury(void *arg)
{
	weft_rwmutex *m = arg;

	weft_rwmutex_lock(m);
	weft_rwmutex_unlock(m);
	grave_close(m);
}

static void read_and_bury(void *arg)
{
	weft_rwmutex *m = arg;

	weft_rwmutex_rlock(m);
	weft_rwmutex_runlock(m);
	grave_close(m);
}

static void read_and_bury_if_last(void *arg)
{
	mortal *m = arg;

	weft_rwmutex_rlock(&m->lock);
	weft_rwmutex_runlock(&m->lock);
	bury_if_last(m);
}

static void dither(int i, weft_rwmutex *m, size_t count)
{
	if (i % 4 == 0)
		test_until(writers_queued(m) + readers_queued(m) == count);
	else if (i % 4 == 1)
		weft_yield();
}

TEST_FLAVOURS(rwmutex_may_end_while_its_unlock_returns)
{
	for (int i = 0; i < grave_rounds(); i++) {
		weft_rwmutex *m = grave_open();

		weft_rwmutex_lock(m);
		test_start(i % 8 < 4 ? write_and_bury : read_and_bury, m);
		dither(i, m, 1);
		weft_rwmutex_unlock(m);
		test_join_all();
	}
}

TEST_FLAVOURS(rwmutex_may_end_while_its_runlock_returns)
{
	for (int i = 0; i < grave_rounds(); i++) {
		weft_rwmutex *m = grave_open();

		weft_rwmutex_rlock(m);
		test_start(write_and_bury, m);
		dither(i, m, 1);
		weft_rwmutex_runlock(m);
		test_join_all();
	}
}

TEST_FLAVOURS(rwmutex_may_end_while_it_lets_many_readers_in)
{
	for (int i = 0; i < grave_rounds() / 4; i++) {
		mortal *m = grave_open();

		m->users = 3;
		weft_rwmutex_lock(&m->lock);
		for (int j = 0; j < 3; j++)
			test_start(read_and_bury_if_last, m);
		dither(i, &m->lock, 3);
		weft_rwmutex_unlock(&m->lock);
		test_join_all();
	}
}
