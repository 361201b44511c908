/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "steps.h"

#include <weft/chan.h>
#include <weft/cond.h>
#include <weft/ctx.h>
#include <weft/fd.h>
#include <weft/flight.h>
#include <weft/group.h>
#include <weft/mutex.h>
#include <weft/once.h>
#include <weft/panic.h>
#include <weft/rwmutex.h>
#include <weft/sema.h>
#include <weft/waitgroup.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint32_t below(uint32_t n)
{
	return (uint32_t)(test_random() % n);
}

static uint64_t count(uint64_t *counter)
{
	return weft_atomic_add(counter, 1, relaxed) + 1;
}

static uint64_t read_count(uint64_t *counter)
{
	return weft_atomic_load(counter, seq_cst);
}

static void dawdle(void)
{
	switch (below(8)) {
	case 0:
		weft_yield();
		break;
	case 1:
		weft_sleep(NULL, WEFT_US(below(200)));
		break;
	}
}

/* A context that is done soon, or at once, or never. */
static void short_context(weft_ctx *ctx)
{
	switch (below(4)) {
	case 0:
		weft_ctx_init(ctx, NULL);
		break;
	case 1:
		weft_ctx_init(ctx, NULL);
		weft_ctx_cancel(ctx, 0);
		break;
	default:
		weft_ctx_init_timeout(ctx, NULL, WEFT_US(below(500)));
		break;
	}
}

static bool is_ctx_error(int err)
{
	return err == -ECANCELED || err == -ETIMEDOUT;
}

/* ---- mutex: two plain counters that always agree ---- */

enum { MUTEXES = 3 };
static struct {
	weft_mutex lock;
	uint64_t a, b;
	uint64_t locked;	/* atomic: how often, says who did */
} guarded[MUTEXES];

static bool lock_somehow(weft_mutex *m)
{
	weft_ctx ctx;
	int err;

	switch (below(3)) {
	case 0:
		return weft_mutex_try_lock(m);
	case 1:
		short_context(&ctx);
		err = weft_mutex_lock_ctx(m, &ctx);
		weft_ctx_fini(&ctx);
		CHECK(err == 0 || is_ctx_error(err));
		return err == 0;
	default:
		weft_mutex_lock(m);
		return true;
	}
}

static void step_mutex(void)
{
	int i = (int)below(MUTEXES);

	if (!lock_somehow(&guarded[i].lock))
		return;
	guarded[i].a++;
	dawdle();
	guarded[i].b++;
	CHECK_EQ(guarded[i].a, guarded[i].b);
	weft_mutex_unlock(&guarded[i].lock);
	count(&guarded[i].locked);
}

static void balance_mutex(void)
{
	for (int i = 0; i < MUTEXES; i++) {
		CHECK(weft_mutex_try_lock(&guarded[i].lock));
		CHECK_EQ(guarded[i].a, read_count(&guarded[i].locked));
		weft_mutex_unlock(&guarded[i].lock);
	}
}

/* ---- rwmutex: writers alone, readers see two counters that agree ---- */

static struct {
	weft_rwmutex lock;
	uint64_t a, b;
	uint64_t written;	/* atomic: how often, says who did */
} record;

static bool rwlock_somehow(weft_rwmutex *m, bool write)
{
	weft_ctx ctx;
	int err;

	switch (below(3)) {
	case 0:
		return write ? weft_rwmutex_try_lock(m)
			     : weft_rwmutex_try_rlock(m);
	case 1:
		short_context(&ctx);
		err = write ? weft_rwmutex_lock_ctx(m, &ctx)
			    : weft_rwmutex_rlock_ctx(m, &ctx);
		weft_ctx_fini(&ctx);
		CHECK(err == 0 || is_ctx_error(err));
		return err == 0;
	default:
		if (write)
			weft_rwmutex_lock(m);
		else
			weft_rwmutex_rlock(m);
		return true;
	}
}

static void step_rwmutex(void)
{
	bool write = below(4) == 0;
	uint64_t a;

	if (!rwlock_somehow(&record.lock, write))
		return;
	a = write ? ++record.a : record.a;
	dawdle();
	CHECK_EQ(write ? ++record.b : record.b, a);
	if (write)
		weft_rwmutex_unlock(&record.lock);
	else
		weft_rwmutex_runlock(&record.lock);
	if (write)
		count(&record.written);
}

static void balance_rwmutex(void)
{
	CHECK(weft_rwmutex_try_lock(&record.lock));
	CHECK_EQ(record.a, read_count(&record.written));
	weft_rwmutex_unlock(&record.lock);
}

/* ---- semaphore: never more inside than there are permits ---- */

enum { PERMITS = 5 };
static weft_sema sema;
static int inside;

static void step_sema(void)
{
	int n = 1 + (int)below(PERMITS);
	weft_ctx ctx;
	int err;

	short_context(&ctx);
	err = below(2) ? weft_sema_acquire_ctx(&sema, &ctx, n)
		       : (weft_sema_acquire(&sema, n), 0);
	weft_ctx_fini(&ctx);
	CHECK(err == 0 || is_ctx_error(err));
	if (err != 0)
		return;
	CHECK_LE(weft_atomic_add(&inside, n, relaxed) + n, PERMITS);
	dawdle();
	weft_atomic_sub(&inside, n, relaxed);
	weft_sema_release(&sema, n);
}

static void begin_sema(void)
{
	weft_sema_init(&sema, PERMITS);
}

static void balance_sema(void)
{
	CHECK_EQ(inside, 0);
	CHECK(weft_sema_try_acquire(&sema, PERMITS));
	CHECK(!weft_sema_try_acquire(&sema, 1));
	weft_sema_release(&sema, PERMITS);
}

/* ---- cond: a bounded queue; what was put was got or is still there ---- */

enum { ROOM = 4 };
static weft_mutex queue_lock;
static weft_cond queue_nonempty, queue_nonfull;
static int queued;
static uint64_t put_count, got_count;

/* With the lock held. Wait at c while *queued is forbidden. */
static bool wait_while_queued_is(int forbidden, weft_cond *c, weft_ctx *ctx)
{
	while (queued == forbidden) {
		int err = weft_cond_wait_ctx(c, ctx);

		CHECK(err == 0 || is_ctx_error(err));
		if (err != 0)
			return queued != forbidden;
	}
	return true;
}

static void step_cond(void)
{
	bool put = below(2);
	weft_ctx ctx;

	weft_ctx_init_timeout(&ctx, NULL, WEFT_US(below(1000)));
	weft_mutex_lock(&queue_lock);
	if (put && wait_while_queued_is(ROOM, &queue_nonfull, &ctx)) {
		queued++;
		put_count++;
		weft_cond_signal(&queue_nonempty);
	} else if (!put && wait_while_queued_is(0, &queue_nonempty, &ctx)) {
		queued--;
		got_count++;
		if (below(4) == 0)
			weft_cond_broadcast(&queue_nonfull);
		else
			weft_cond_signal(&queue_nonfull);
	}
	weft_mutex_unlock(&queue_lock);
	weft_ctx_fini(&ctx);
}

static void begin_cond(void)
{
	weft_cond_init(&queue_nonempty, &queue_lock);
	weft_cond_init(&queue_nonfull, &queue_lock);
}

static void balance_cond(void)
{
	CHECK_EQ(put_count, got_count + (uint64_t)queued);
	CHECK_LE(queued, ROOM);
}

/* ---- wait group, on the stack of who waits ---- */

struct family {
	weft_waitgroup wg;
	uint32_t ended;
};

static void be_a_child(void *arg)
{
	struct family *f = arg;

	dawdle();
	weft_atomic_add(&f->ended, 1, relaxed);
}

static void step_waitgroup(void)
{
	struct family f = {0};
	uint32_t n = below(10);
	weft_ctx ctx;
	int err;

	for (uint32_t i = 0; i < n; i++)
		CHECK_EQ(weft_waitgroup_go(&f.wg, be_a_child, &f), 0);
	short_context(&ctx);
	err = below(2) ? weft_waitgroup_wait_ctx(&f.wg, &ctx) : -ECANCELED;
	weft_ctx_fini(&ctx);
	CHECK(err == 0 || is_ctx_error(err));
	if (err != 0)
		weft_waitgroup_wait(&f.wg);
	CHECK_EQ(f.ended, n);
}

/* ---- group: every task that was started ends; the error is one of theirs ---- */

struct crew {
	weft_group group;
	uint32_t ended;
	uint32_t failed;
};

static int be_a_member(weft_ctx *ctx, void *arg)
{
	struct crew *c = arg;

	dawdle();
	weft_atomic_add(&c->ended, 1, relaxed);
	if (below(16) == 0) {
		weft_atomic_add(&c->failed, 1, relaxed);
		return 1000;
	}
	if (below(8) == 0)
		weft_sleep(ctx, WEFT_US(below(300)));
	return 0;
}

static void step_group(void)
{
	struct crew c = {0};
	uint32_t started = 0;
	int n = (int)below(20), err;

	weft_group_init(&c.group, NULL);
	weft_group_set_limit(&c.group, below(2) ? 1 + (int)below(4) : -1);
	for (int i = 0; i < n; i++)
		started += weft_group_go_ctx(&c.group, NULL, be_a_member, &c) == 0;
	err = weft_group_wait(&c.group);
	CHECK_EQ(c.ended, started);
	CHECK_EQ(err, c.failed > 0 ? 1000 : 0);
	CHECK(started == (uint32_t)n || c.failed > 0);
}

/* ---- once: each runs once, or until it succeeds once ---- */

enum { ONCES = 4096 };
static struct {
	weft_once once;
	uint32_t runs;		/* that succeeded */
} onces[ONCES];
static uint32_t next_once;

static int run_once(void *arg)
{
	uint32_t *runs = arg;

	dawdle();
	if (below(4) == 0)
		return 7;
	++*runs;
	return 0;
}

static void run_once_and_succeed(void *arg)
{
	while (run_once(arg) != 0)
		;
}

static void step_once(void)
{
	uint32_t i = weft_atomic_add(&next_once, 1, relaxed) / 16 % ONCES;
	int err = 0;

	if (below(2))
		err = weft_once_try(&onces[i].once, run_once, &onces[i].runs);
	else
		weft_once_do(&onces[i].once, run_once_and_succeed,
			     &onces[i].runs);
	CHECK(err == 0 || err == 7);
	if (err == 0)
		CHECK_EQ(onces[i].runs, 1);
}

/* Many have run in an earlier round: all are new again. */
static void begin_once(void)
{
	memset((void *)onces, 0, sizeof onces);
}

static void balance_once(void)
{
	for (int i = 0; i < ONCES; i++)
		CHECK_EQ(onces[i].runs, weft_once_done(&onces[i].once));
}

/* ---- flight: what was made was dropped, once ---- */

static uint64_t made, dropped;

static void drop(void *value)
{
	count(&dropped);
	free(value);
}

static weft_flight flight = {.drop = drop};
static weft_flight keeping = {
	.drop = drop,
	.ttl = WEFT_MS(1),
	.error_ttl = WEFT_US(200),
	.stale = WEFT_MS(1),
	.early = 1,
	.max_entries = 4,
};

static int fly(weft_ctx *ctx, void *arg, void **value)
{
	uint64_t *v = malloc(sizeof *v);

	CHECK(v != NULL);
	*v = (uintptr_t)arg;
	count(&made);
	dawdle();
	if (below(4) == 0)
		weft_sleep(ctx, WEFT_US(below(500)));
	*value = v;
	return below(8) == 0 ? 55 : 0;
}

static void fly_by(weft_flight *f)
{
	uint64_t n = below(6);
	weft_key key = weft_key_u64(n);
	weft_result r;
	weft_ctx ctx;

	short_context(&ctx);
	r = below(2) ? weft_flight_do(f, key, fly, (void *)(uintptr_t)n)
		     : weft_flight_do_ctx(f, &ctx, key, fly,
					  (void *)(uintptr_t)n);
	weft_ctx_fini(&ctx);
	CHECK(r.err == 0 || r.err == 55 || is_ctx_error(r.err));
	if (is_ctx_error(r.err))
		CHECK(r.value == NULL);
	else
		CHECK_EQ(*(uint64_t *)r.value, n);
	if (below(16) == 0)
		weft_flight_forget(f, key);
	if (below(16) == 0)
		(void)weft_flight_forget_unshared(f, key);
	dawdle();
	weft_result_release(&r);
}

static void step_flight(void)
{
	fly_by(&flight);
}

static void step_kept(void)
{
	fly_by(&keeping);
}

static void balance_flight(void)
{
	weft_flight_fini(&flight);
	weft_flight_fini(&keeping);
	CHECK_EQ(read_count(&made), read_count(&dropped));
}

/* ---- contexts: a tree, waited for and cancelled; after-funcs run or do not ---- */

static uint64_t afters_started, afters_stopped, afters_run;

struct tree {
	weft_ctx root, child[3];
	weft_waitgroup wg;
	uint32_t next;
};

static void wait_for_child(void *arg)
{
	struct tree *t = arg;
	uint32_t i = weft_atomic_add(&t->next, 1, relaxed);

	CHECK(is_ctx_error(weft_ctx_wait(&t->child[i])));
}

static void run_after(void *arg)
{
	count(&afters_run);
	weft_waitgroup_done(arg);
}

static void step_ctx(void)
{
	weft_ctx_after after = {0};
	struct tree t = {0};

	weft_ctx_init(&t.root, NULL);
	for (int i = 0; i < 3; i++)
		weft_ctx_init_timeout(&t.child[i], &t.root,
				      WEFT_US(100 + below(2000)));
	for (int i = 0; i < 3; i++)
		CHECK_EQ(weft_waitgroup_go(&t.wg, wait_for_child, &t), 0);
	weft_waitgroup_add(&t.wg, 1);
	CHECK_EQ(weft_ctx_after_start(&after, &t.child[0], run_after, &t.wg), 0);
	count(&afters_started);
	dawdle();
	if (below(2))
		weft_ctx_cancel(&t.root, 9);
	else if (below(2))
		weft_ctx_cancel(&t.child[1], 9);
	if (below(2) && weft_ctx_after_stop(&after)) {
		count(&afters_stopped);
		weft_waitgroup_done(&t.wg);
	}
	weft_waitgroup_wait(&t.wg);
	for (int i = 0; i < 3; i++)
		weft_ctx_fini(&t.child[i]);
	weft_ctx_fini(&t.root);
}

static void balance_ctx(void)
{
	CHECK_EQ(read_count(&afters_started),
		 read_count(&afters_stopped) + read_count(&afters_run));
}

/* ---- tasks, and calls that block ---- */

static uint64_t tasks_started, tasks_ended;

static void be_born(void *arg)
{
	uint32_t children = *(uint32_t *)arg;

	dawdle();
	for (uint32_t i = 0; i < children; i++) {
		uint32_t fewer = children - 1;

		CHECK_EQ(weft_go_copy(be_born, &fewer, sizeof fewer), 0);
		count(&tasks_started);
	}
	count(&tasks_ended);
}

static void step_go(void)
{
	uint32_t children = below(4);

	count(&tasks_started);
	CHECK_EQ(weft_go_copy(be_born, &children, sizeof children), 0);
}

static void step_block(void)
{
	struct timespec time = {.tv_nsec = (long)below(300) * 1000};

	if (below(8) != 0)
		return;
	if (below(2)) {
		nanosleep(&time, NULL);
		return;
	}
	weft_blocking_begin();
	nanosleep(&time, NULL);
	weft_blocking_end();
}

static void balance_go(void)
{
	test_until(read_count(&tasks_started) == read_count(&tasks_ended));
}

/* ---- channels: what was sent was received, or is still there ---- */

enum { CHANNELS = 3 };
static weft_chan channels[CHANNELS]; /* with room for 0, 1 and 2 */
static uint64_t sent, received;

static void step_chan(void)
{
	weft_chan *c = &channels[below(CHANNELS)];
	bool send = below(2);
	uint64_t value = 7;
	weft_ctx ctx;
	int err;

	weft_ctx_init_timeout(&ctx, NULL, WEFT_US(below(1000)));
	err = send ? weft_chan_send_ctx(c, &ctx, &value)
		   : weft_chan_recv_ctx(c, &ctx, &value);
	weft_ctx_fini(&ctx);
	CHECK(err == 0 || is_ctx_error(err));
	CHECK_EQ(value, 7);
	if (err == 0)
		count(send ? &sent : &received);
}

static void step_select(void)
{
	uint32_t first = below(CHANNELS);
	weft_chan *from = &channels[first];
	weft_chan *to = &channels[(first + 1) % CHANNELS];
	uint64_t in = 0, out = 7;
	weft_ctx ctx;
	int fired;

	weft_ctx_init_timeout(&ctx, NULL, WEFT_US(below(1000)));
	fired = weft_select((weft_case[]){WEFT_CASE_RECV(from, &in),
					  WEFT_CASE_SEND(to, &out),
					  WEFT_CASE_DONE(&ctx)},
			    3);
	weft_ctx_fini(&ctx);
	CHECK_LE(0, fired);
	CHECK_EQ(in, fired == 0 ? 7 : 0);
	if (fired < 2)
		count(fired == 0 ? &received : &sent);
}

static void begin_chan(void)
{
	sent = received = 0;
	for (int i = 0; i < CHANNELS; i++)
		CHECK_EQ(weft_chan_init(&channels[i], sizeof(uint64_t), i), 0);
}

static void balance_chan(void)
{
	uint64_t left = 0;

	for (int i = 0; i < CHANNELS; i++) {
		left += weft_chan_len(&channels[i]);
		weft_chan_fini(&channels[i]);
	}
	CHECK_EQ(read_count(&sent), read_count(&received) + left);
}

/* ---- descriptors: what was written is read, or its wait was given up ---- */

static void write_one(void *end)
{
	dawdle();
	CHECK_EQ(write(*(int *)end, "x", 1), 1);
}

static void step_fd(void)
{
	weft_waitgroup wg = {0};
	weft_ctx ctx;
	int ends[2], result;
	char byte;

	CHECK_EQ(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	CHECK_EQ(weft_waitgroup_go(&wg, write_one, &ends[1]), 0);
	short_context(&ctx);
	result = weft_wait_fd(&ctx, ends[0], POLLIN);
	weft_ctx_fini(&ctx);
	CHECK(result == POLLIN || is_ctx_error(result));
	if (result == POLLIN)
		CHECK_EQ(read(ends[0], &byte, 1), 1);
	weft_waitgroup_wait(&wg);
	CHECK_EQ(weft_fd_close(ends[0]), 0);
	CHECK_EQ(weft_fd_close(ends[1]), 0);
}

/* ---- endings: defers run, and a lock is let go, however a function ends ---- */

static uint64_t defers_begun, defers_run;

static void run_defer(void *lock)
{
	count(&defers_run);
	weft_mutex_unlock(lock);
}

static void end_somehow(void *lock)
{
	weft_mutex_lock(lock);
	WEFT_DEFER(run_defer, lock);
	count(&defers_begun);
	dawdle();
	switch (below(3)) {
	case 0:
		weft_panic("ended");
	case 1:
		weft_exit();
	}
}

static void end_by_exit(void *lock)
{
	weft_mutex_lock(lock);
	WEFT_DEFER(run_defer, lock);
	count(&defers_begun);
	weft_exit();
}

static void step_ending(void)
{
	weft_waitgroup wg = {0};
	weft_mutex lock = {0};
	weft_panic_info info;

	CHECK_EQ(weft_waitgroup_go(&wg, end_by_exit, &lock), 0);
	if (weft_try(end_somehow, &lock, &info) == WEFT_PANICKED)
		CHECK_EQ(strcmp(info.message, "ended"), 0);
	weft_waitgroup_wait(&wg);
	CHECK(weft_mutex_try_lock(&lock));
	weft_mutex_unlock(&lock);
}

static void balance_ending(void)
{
	CHECK_EQ(read_count(&defers_begun), read_count(&defers_run));
}

/* ---- all of it ---- */

static const struct {
	const char *name;
	void (*step)(void);
	void (*begin)(void);
	void (*balance)(void);
} kinds[] = {
	{"mutex", step_mutex, NULL, balance_mutex},
	{"rwmutex", step_rwmutex, NULL, balance_rwmutex},
	{"sema", step_sema, begin_sema, balance_sema},
	{"cond", step_cond, begin_cond, balance_cond},
	{"waitgroup", step_waitgroup, NULL, NULL},
	{"group", step_group, NULL, NULL},
	{"once", step_once, begin_once, balance_once},
	{"flight", step_flight, NULL, balance_flight},
	{"kept", step_kept, NULL, NULL},
	{"ctx", step_ctx, NULL, balance_ctx},
	{"go", step_go, NULL, balance_go},
	{"block", step_block, NULL, NULL},
	{"chan", step_chan, begin_chan, balance_chan},
	{"select", step_select, NULL, NULL},
	{"fd", step_fd, NULL, NULL},
	{"ending", step_ending, NULL, balance_ending},
};
enum { KINDS = sizeof kinds / sizeof *kinds };
static uint64_t steps[KINDS];

void steps_begin(void)
{
	for (int i = 0; i < KINDS; i++)
		if (kinds[i].begin != NULL)
			kinds[i].begin();
}

void steps_take(weft_time end)
{
	while (weft_now() < end) {
		uint32_t i = below(KINDS);

		kinds[i].step();
		count(&steps[i]);
	}
}

void steps_balance(void)
{
	for (int i = 0; i < KINDS; i++)
		if (kinds[i].balance != NULL)
			kinds[i].balance();
}

void steps_print(void)
{
	for (int i = 0; i < KINDS; i++) {
		printf("%-10s %10" PRIu64 " steps\n", kinds[i].name, steps[i]);
		CHECK_LT(0, steps[i]);
	}
}
