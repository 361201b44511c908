/* SPDX-License-Identifier: MIT */
/* pthread_cancel() of plain threads that are inside the library. */
#include "proc.h"
#include "queue.h"
#include "test.h"

#include <weft/chan.h>
#include <weft/cond.h>
#include <weft/ctx.h>
#include <weft/fd.h>
#include <weft/flight.h>
#include <weft/group.h>
#include <weft/loop.h>
#include <weft/mutex.h>
#include <weft/once.h>
#include <weft/rwmutex.h>
#include <weft/sema.h>
#include <weft/waitgroup.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

static void nothing(void *unused)
{
	(void)unused;
}

/* ---- calls with a cancellation pending ---- */

typedef struct {
	weft_fn call;
	void *arg;
	bool returned;
} doomed;

static void *call_doomed(void *arg)
{
	doomed *d = arg;

	pthread_cancel(pthread_self());
	d->call(d->arg);
	d->returned = true;
	pthread_testcancel();
	return NULL;
}

/* The call goes through, the thread ends after it. */
static void cancel_in(weft_fn call, void *arg)
{
	doomed d = {.call = call, .arg = arg};
	pthread_t thread;
	void *result;

	CHECK_EQ(pthread_create(&thread, NULL, call_doomed, &d), 0);
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK(result == PTHREAD_CANCELED);
	CHECK(d.returned);
}

static void go_and_wait(void *arg)
{
	weft_waitgroup *wg = arg;

	CHECK_EQ(weft_waitgroup_go(wg, nothing, NULL), 0);
	weft_waitgroup_wait(wg);
}

/* With something to say while it does. */
TEST(a_thread_that_is_being_cancelled_may_start_the_first_task)
{
	weft_waitgroup wg = {0};

	workers("a few");
	cancel_in(go_and_wait, &wg);
	go_and_wait(&wg);
}

static int zero(void *unused)
{
	(void)unused;
	return 0;
}

static void run(void *unused)
{
	(void)unused;
	CHECK_EQ(weft_run(zero, NULL), 0);
}

TEST(a_thread_that_is_being_cancelled_may_call_run)
{
	cancel_in(run, NULL);
	run(NULL);
}

static int answer(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	*value = arg;
	return 0;
}

static void ask(void *flight)
{
	weft_result r = weft_flight_do(flight, weft_key_u64(1), answer, flight);

	CHECK(r.value == flight);
}

TEST(a_thread_that_is_being_cancelled_may_ask_a_flight)
{
	weft_flight flight = {0};

	cancel_in(ask, &flight);
	ask(&flight);
	weft_flight_fini(&flight);
}

static void wait_for_data(void *fd)
{
	CHECK_EQ(weft_wait_fd(NULL, *(int *)fd, POLLIN), -EBADF);
}

static void close_fd(void *fd)
{
	CHECK_EQ(weft_fd_close(*(int *)fd), 0);
}

TEST(a_thread_that_is_being_cancelled_may_close_a_descriptor)
{
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	test_start_task(wait_for_data, fds);
	test_start_thread(wait_for_data, fds);
	test_until(weft__poller_count(fds[0]) == 2);
	cancel_in(close_fd, fds);
	test_join_all();
	close_fd(&fds[1]);
}

static void see_that_it_is_open(void *fd)
{
	CHECK_EQ(weft_wait_fd(NULL, *(int *)fd, POLLOUT), POLLOUT);
}

TEST(a_thread_that_is_being_cancelled_may_look_at_a_descriptor)
{
	int fds[2];

	CHECK_EQ(pipe(fds), 0);
	cancel_in(see_that_it_is_open, &fds[1]);
}

static void call_loop(void *loop)
{
	CHECK_EQ(weft_loop_call(loop, nothing, NULL), 0);
}

static void *step(void *loop)
{
	struct pollfd p = {.fd = weft_loop_fd(loop), .events = POLLIN};

	for (int made = 0; made < 2; made += weft_loop_step(loop))
		CHECK(poll(&p, 1, 10000) == 1 || errno == EINTR);
	return NULL;
}

TEST(a_thread_that_is_being_cancelled_may_call_a_loop)
{
	weft_loop loop;
	pthread_t thread;

	CHECK_EQ(weft_loop_init(&loop), 0);
	CHECK_EQ(pthread_create(&thread, NULL, step, &loop), 0);
	cancel_in(call_loop, &loop);
	call_loop(&loop);
	CHECK_EQ(pthread_join(thread, NULL), 0);
	weft_loop_fini(&loop);
}

/* ---- threads that are cancelled while they wait ---- */

typedef struct {
	weft_waitgroup wg;
	weft_mutex mutex;
	weft_rwmutex rwmutex;
	weft_sema sema;
	weft_once once;
	weft_cond cond;
	weft_chan chan;
	weft_group group;
	weft_ctx ctx;
	bool waits;
} scene;

typedef struct {
	void (*begin)(scene *s);	/* before there is a thread */
	void (*wait)(scene *s);
	const void *(*address)(scene *s);	/* where it is queued, or NULL */
	void (*end)(scene *s);	/* lets the thread go on */
	void (*check)(scene *s);	/* nothing stays locked */
} way;

static void *wait_doomed(void *arg);

/* Wait; cancel who waits, which changes nothing; let it go on: it ends. */
static void cancel_while(const way *w)
{
	static scene s;
	const void *pair[2] = {w, &s};
	pthread_t thread;
	void *result;

	w->begin(&s);
	CHECK_EQ(pthread_create(&thread, NULL, wait_doomed, pair), 0);
	if (w->address != NULL)
		test_until(queue_length(w->address(&s)) == 1);
	else
		test_until(weft_atomic_load(&s.waits, acquire));
	CHECK_EQ(pthread_cancel(thread), 0);
	for (int i = 0; i < 100; i++)
		weft_yield();
	if (w->address != NULL)
		CHECK_EQ(queue_length(w->address(&s)), 1);
	w->end(&s);
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK(result == PTHREAD_CANCELED);
	w->check(&s);
}

static void *wait_doomed(void *arg)
{
	const void **pair = arg;
	const way *w = pair[0];
	scene *s = (scene *)(uintptr_t)pair[1];

	weft_atomic_store(&s->waits, true, release);
	w->wait(s);
	pthread_testcancel();
	return NULL;
}

static void lock_mutex(scene *s)
{
	weft_mutex_lock(&s->mutex);
}

static void lock_and_unlock_mutex(scene *s)
{
	weft_mutex_lock(&s->mutex);
	weft_mutex_unlock(&s->mutex);
}

static const void *mutex_of(scene *s)
{
	return &s->mutex;
}

static void unlock_mutex(scene *s)
{
	weft_mutex_unlock(&s->mutex);
}

TEST(a_thread_that_is_cancelled_in_a_lock_gets_it_first)
{
	cancel_while(&(way){lock_mutex, lock_and_unlock_mutex, mutex_of,
			    unlock_mutex, lock_mutex});
}

static void lock_rwmutex(scene *s)
{
	weft_rwmutex_lock(&s->rwmutex);
}

static void rlock_and_runlock(scene *s)
{
	weft_rwmutex_rlock(&s->rwmutex);
	weft_rwmutex_runlock(&s->rwmutex);
}

static void unlock_rwmutex(scene *s)
{
	weft_rwmutex_unlock(&s->rwmutex);
}

TEST(a_thread_that_is_cancelled_in_an_rlock_gets_it_first)
{
	cancel_while(&(way){lock_rwmutex, rlock_and_runlock, NULL,
			    unlock_rwmutex, lock_rwmutex});
}

static void start_nothing(scene *s)
{
	(void)s;
}

static void acquire_and_release(scene *s)
{
	weft_sema_acquire(&s->sema, 1);
	weft_sema_release(&s->sema, 1);
}

static const void *sema_of(scene *s)
{
	return &s->sema;
}

static void release_sema(scene *s)
{
	weft_sema_release(&s->sema, 1);
}

static void check_sema(scene *s)
{
	CHECK(weft_sema_try_acquire(&s->sema, 1));
}

TEST(a_thread_that_is_cancelled_in_an_acquire_gets_its_units_first)
{
	cancel_while(&(way){start_nothing, acquire_and_release, sema_of,
			    release_sema, check_sema});
}

static void add_one(scene *s)
{
	weft_waitgroup_add(&s->wg, 1);
}

static void wait_group(scene *s)
{
	weft_waitgroup_wait(&s->wg);
}

static const void *wg_of(scene *s)
{
	return &s->wg;
}

static void done(scene *s)
{
	weft_waitgroup_done(&s->wg);
}

TEST(a_thread_that_is_cancelled_in_a_wait_waits_for_zero)
{
	cancel_while(&(way){add_one, wait_group, wg_of, done, wait_group});
}

static void init_cond(scene *s)
{
	weft_cond_init(&s->cond, &s->mutex);
}

static void wait_cond(scene *s)
{
	weft_mutex_lock(&s->mutex);
	weft_cond_wait(&s->cond);
	weft_mutex_unlock(&s->mutex);
}

static const void *cond_of(scene *s)
{
	return &s->cond;
}

static void signal_cond(scene *s)
{
	weft_cond_signal(&s->cond);
}

TEST(a_thread_that_is_cancelled_in_a_cond_wait_has_the_lock_after_it)
{
	cancel_while(&(way){init_cond, wait_cond, cond_of, signal_cond,
			    lock_mutex});
}

static void init_chan(scene *s)
{
	CHECK_EQ(weft_chan_init(&s->chan, sizeof(int), 0), 0);
}

static void receive(scene *s)
{
	int value;

	CHECK(weft_chan_recv(&s->chan, &value));
	CHECK_EQ(value, 7);
}

static void send(scene *s)
{
	int value = 7;

	weft_chan_send(&s->chan, &value);
}

static void fini_chan(scene *s)
{
	CHECK_EQ(weft_chan_len(&s->chan), 0);
	weft_chan_fini(&s->chan);
}

TEST(a_thread_that_is_cancelled_in_a_receive_has_received)
{
	cancel_while(&(way){init_chan, receive, NULL, send, fini_chan});
}

static void select_one(scene *s)
{
	int value;
	weft_case cases[] = {
		WEFT_CASE_RECV(&s->chan, &value),
		WEFT_CASE_DONE(&s->ctx),
	};

	CHECK_EQ(weft_select(cases, 2), 0);
	CHECK_EQ(value, 7);
}

TEST(a_thread_that_is_cancelled_in_a_select_has_selected)
{
	cancel_while(&(way){init_chan, select_one, NULL, send, fini_chan});
}

static int wait_for_it(weft_ctx *ctx, void *s)
{
	(void)ctx;
	weft_waitgroup_wait(&((scene *)s)->wg);
	return 0;
}

static void start_group(scene *s)
{
	weft_waitgroup_add(&s->wg, 1);
	weft_group_go(&s->group, wait_for_it, s);
}

static void wait_for_group(scene *s)
{
	CHECK_EQ(weft_group_wait(&s->group), 0);
}

TEST(a_thread_that_is_cancelled_in_a_groups_wait_waits_for_its_tasks)
{
	cancel_while(&(way){start_group, wait_for_group, NULL, done,
			    wait_for_group});
}

/* ---- who runs something for others ---- */

static void wait_to_be_cancelled(scene *s)
{
	weft_atomic_store(&s->waits, true, release);
	for (;;) {
		pthread_testcancel();
		weft_yield();
	}
}

typedef struct {
	scene scene;
	weft_flight flight;
} sky;

static int lead(weft_ctx *ctx, void *arg, void **value)
{
	(void)ctx;
	(void)value;
	wait_to_be_cancelled(&((sky *)arg)->scene);
	return 0;
}

static void *ask_first(void *arg)
{
	weft_flight_do(&((sky *)arg)->flight, weft_key_u64(1), lead, arg);
	return NULL;
}

static void ask_second(void *arg)
{
	weft_flight_do(&((sky *)arg)->flight, weft_key_u64(1), answer, arg);
}

static void follow(void *arg)
{
	CHECK_EQ(weft_try(ask_second, arg, NULL), WEFT_EXITED);
}

TEST(a_flight_whose_leading_thread_is_cancelled_lets_the_others_exit)
{
	static sky s;
	pthread_t thread;
	void *result;

	CHECK_EQ(pthread_create(&thread, NULL, ask_first, &s), 0);
	test_until(weft_atomic_load(&s.scene.waits, acquire));
	test_start_task(follow, &s);
	test_start_thread(follow, &s);
	test_until(queue_length(weft__flight_address(
			   &s.flight, weft_key_u64(1))) == 2);
	CHECK_EQ(pthread_cancel(thread), 0);
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK(result == PTHREAD_CANCELED);
	test_join_all();
	CHECK_EQ(weft_flight_do(&s.flight, weft_key_u64(1), answer, &s).err, 0);
	weft_flight_fini(&s.flight);
}
