/* SPDX-License-Identifier: MIT */
/* Panics, exits, defers and weft_try(): Go's rules, on tasks and threads. */
#include "door.h"
#include "test.h"

#include <weft/cond.h>
#include <weft/ctx.h>
#include <weft/flight.h>
#include <weft/mutex.h>
#include <weft/once.h>
#include <weft/panic.h>
#include <weft/waitgroup.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "no_tables.h"
#include "unit/panic_frames.h"

/* ---- weft_try() tells the endings apart ---- */

static void do_nothing(void *unused)
{
	(void)unused;
}

static void panic_with_number(void *number)
{
	weft_panic("number %d", *(int *)number);
}

static void panic_with_value(void *value)
{
	weft_panic_value(value);
}

static void do_exit(void *unused)
{
	(void)unused;
	weft_exit();
}

TEST_FLAVOURS(try_tells_a_return)
{
	weft_panic_info info;

	memset(&info, 1, sizeof info);
	CHECK_EQ(weft_try(do_nothing, NULL, &info), WEFT_RETURNED);
	CHECK(info.value == NULL);
	CHECK_EQ(info.message[0], 0);
	CHECK_EQ(info.stack[0], 0);
}

TEST_FLAVOURS(try_tells_a_panic_with_its_message_and_stack)
{
	weft_panic_info info;
	int number = 42;

	CHECK_EQ(weft_try(panic_with_number, &number, &info), WEFT_PANICKED);
	CHECK(info.value == NULL);
	CHECK_EQ(strcmp(info.message, "number 42"), 0);
	CHECK(strstr(info.stack, "0x") == info.stack);
	CHECK_EQ(weft_try(panic_with_number, &number, NULL), WEFT_PANICKED);
}

TEST_FLAVOURS(try_tells_a_panic_with_the_value_itself)
{
	weft_panic_info info;
	int value;

	CHECK_EQ(weft_try(panic_with_value, &value, &info), WEFT_PANICKED);
	CHECK(info.value == &value);
	CHECK_EQ(weft_try(panic_with_value, NULL, &info), WEFT_PANICKED);
	CHECK(info.value == NULL);
	CHECK(info.message[0] != 0);
}

TEST_FLAVOURS(try_tells_an_exit)
{
	weft_panic_info info;

	CHECK_EQ(weft_try(do_exit, NULL, &info), WEFT_EXITED);
	CHECK_EQ(info.message[0], 0);
	CHECK_EQ(weft_try(do_exit, NULL, NULL), WEFT_EXITED);
}

TEST_FLAVOURS(a_long_message_is_cut)
{
	weft_panic_info info;

	CHECK_EQ(weft_try(panic_long, NULL, &info), WEFT_PANICKED);
	CHECK_EQ(strlen(info.message), sizeof info.message - 1);
	CHECK_EQ(info.message[sizeof info.message - 2], 'x');
}

static void try_inside(void *arg)
{
	int number = 7;

	CHECK_EQ(weft_try(panic_with_number, &number, NULL), WEFT_PANICKED);
	CHECK_EQ(weft_try(do_exit, NULL, NULL), WEFT_EXITED);
	panic_with_value(arg);
}

TEST_FLAVOURS(the_innermost_try_catches)
{
	weft_panic_info info;

	CHECK_EQ(weft_try(try_inside, &info, &info), WEFT_PANICKED);
	CHECK(info.value == &info);
}

/* ---- what is run on the way ---- */

static void check_order(log *l, const char *wanted)
{
	l->text[l->length] = 0;
	CHECK_EQ(strcmp(l->text, wanted), 0);
}

TEST_FLAVOURS(defers_run_last_first_at_every_ending)
{
	for (int how = RETURN; how <= EXIT; how++) {
		log l = {.how = how};

		weft_try(three_defers, &l, NULL);
		check_order(&l, "-cba");
	}
}

TEST_FLAVOURS(a_defer_runs_at_the_end_of_its_scope)
{
	log l = {0};

	scopes(&l);
	check_order(&l, "(i)(i)(i)e");
}

TEST_FLAVOURS(cleanups_and_defers_run_in_the_order_of_their_scopes)
{
	for (int how = RETURN; how <= EXIT; how++) {
		log l = {.how = how};

		weft_try(cleanups_and_defers, &l, NULL);
		check_order(&l, "-dCbA");
	}
}

TEST_FLAVOURS(defers_run_where_frames_have_no_cleanups)
{
	for (int how = RETURN; how <= EXIT; how++) {
		log l = {.how = how};

		weft_try(frames_without_cleanups, &l, NULL);
		check_order(&l, "-dba");
	}
}

TEST_FLAVOURS(frames_with_and_without_cleanups_keep_their_order)
{
	for (int how = RETURN; how <= EXIT; how++) {
		log l = {.how = how};

		weft_try(mixed_frames, &l, NULL);
		check_order(&l, how == RETURN ? "-6C5P43A21" : "-65P43A21");
	}
}

TEST_FLAVOURS(defers_run_where_frames_have_no_tables)
{
	for (int how = RETURN; how <= EXIT; how++) {
		log l = {.how = how};

		weft_try(frames_without_tables, &l, NULL);
		check_order(&l, how == RETURN ? "-P432A1" : "-P4321");
	}
}

static void outer_defer(void *arg)
{
	WEFT_DEFER(note_1, arg);
	weft_try(three_defers, arg, NULL);
}

TEST_FLAVOURS(a_try_leaves_the_defers_outside_alone)
{
	log l = {.how = PANIC};

	outer_defer(&l);
	check_order(&l, "-cba1");
}

static void wait_in_defer(void *wg)
{
	weft_waitgroup_wait(wg);
}

static void panic_over_a_wait(void *wg)
{
	WEFT_DEFER(wait_in_defer, wg);
	weft_panic("waits on its way");
}

static void done(void *wg)
{
	weft_yield();
	weft_waitgroup_done(wg);
}

/* The task may go on with its unwinding on another thread. */
TEST_FLAVOURS(a_defer_may_wait)
{
	for (int i = 0; i < 50; i++) {
		weft_waitgroup wg = {0};

		weft_waitgroup_add(&wg, 3);
		for (int j = 0; j < 3; j++)
			test_start(done, &wg);
		CHECK_EQ(weft_try(panic_over_a_wait, &wg, NULL),
			 WEFT_PANICKED);
	}
}

static void recurse(log *l, int depth)
{
	WEFT_DEFER(count_down, l);
	l->length++;
	if (depth > 0)
		recurse(l, depth - 1);
	else
		end_as(l->how, "deep");
}

static void start_recursion(void *l)
{
	recurse(l, 500);
}

TEST_FLAVOURS(a_panic_leaves_many_frames)
{
	log l = {.how = PANIC};

	CHECK_EQ(weft_try(start_recursion, &l, NULL), WEFT_PANICKED);
	CHECK_EQ(l.length, 0);
}

/* ---- one ending inside another ---- */

static void panic_second(void *unused)
{
	(void)unused;
	weft_panic("second");
}

static void exit_second(void *unused)
{
	(void)unused;
	weft_exit();
}

static void first_then(log *l, weft_fn second)
{
	WEFT_DEFER(note_1, l);
	WEFT_DEFER(second, l);
	WEFT_DEFER(note_2, l);
	end_as(l->how, "first");
}

static void panic_then_panic(void *l)
{
	first_then(l, panic_second);
}

static void any_then_exit(void *l)
{
	first_then(l, exit_second);
}

TEST_FLAVOURS(a_panic_in_a_defer_takes_the_place_of_the_first)
{
	weft_panic_info info;
	log l = {.how = PANIC};

	CHECK_EQ(weft_try(panic_then_panic, &l, &info), WEFT_PANICKED);
	CHECK_EQ(strcmp(info.message, "second"), 0);
	check_order(&l, "21");
}

TEST_FLAVOURS(a_panic_in_a_defer_that_ends_a_scope_is_one)
{
	weft_panic_info info;
	log l = {.how = RETURN}, m = {.how = RETURN};

	CHECK_EQ(weft_try(panic_then_panic, &l, &info), WEFT_PANICKED);
	CHECK_EQ(strcmp(info.message, "second"), 0);
	check_order(&l, "21");
	CHECK_EQ(weft_try(any_then_exit, &m, &info), WEFT_EXITED);
	check_order(&m, "21");
}

TEST_FLAVOURS(an_exit_during_a_panic_cancels_the_panic)
{
	weft_panic_info info;
	log l = {.how = PANIC};

	CHECK_EQ(weft_try(any_then_exit, &l, &info), WEFT_EXITED);
	CHECK_EQ(info.message[0], 0);
	check_order(&l, "21");
}

static void panic_exit_panic(void *arg)
{
	log *l = arg;

	WEFT_DEFER(panic_second, l);
	any_then_exit(l);
}

/* What an exit in a defer has made an exit stays one. */
TEST_FLAVOURS(a_panic_after_an_exit_during_a_panic_leaves_it_an_exit)
{
	log l = {.how = PANIC};

	CHECK_EQ(weft_try(panic_exit_panic, &l, NULL), WEFT_EXITED);
}

TEST_FLAVOURS(a_panic_during_an_exit_leaves_it_an_exit)
{
	weft_panic_info info;
	log l = {.how = EXIT};

	CHECK_EQ(weft_try(panic_then_panic, &l, &info), WEFT_EXITED);
	CHECK_EQ(strcmp(info.message, "second"), 0);
	check_order(&l, "21");
}

static void try_second(void *l)
{
	CHECK_EQ(weft_try(panic_second, l, NULL), WEFT_PANICKED);
	CHECK_EQ(weft_try(exit_second, l, NULL), WEFT_EXITED);
}

static void any_then_try(void *l)
{
	first_then(l, try_second);
}

TEST_FLAVOURS(what_a_defer_catches_does_not_touch_the_first)
{
	weft_panic_info info;
	log a = {.how = PANIC}, b = {.how = EXIT};

	CHECK_EQ(weft_try(any_then_try, &a, &info), WEFT_PANICKED);
	CHECK_EQ(strcmp(info.message, "first"), 0);
	check_order(&a, "21");
	CHECK_EQ(weft_try(any_then_try, &b, &info), WEFT_EXITED);
	CHECK_EQ(info.message[0], 0);
	check_order(&b, "21");
}

/* ---- the end of a task and of a thread ---- */

struct ending {
	weft_waitgroup wg;
	log log;
};

static void note_end(void *arg)
{
	struct ending *e = arg;

	note_1(&e->log);
	weft_waitgroup_done(&e->wg);
}

static void exit_deeply(struct ending *e, int depth)
{
	WEFT_DEFER(note_2, &e->log);
	if (depth > 0)
		exit_deeply(e, depth - 1);
	else
		end_as(e->log.how, "deep");
}

static void ends_by_exit(void *arg)
{
	struct ending *e = arg;

	WEFT_DEFER(note_end, e);
	weft_yield();
	exit_deeply(e, 2);
}

TEST(an_exit_ends_a_task)
{
	for (int i = 0; i < 1000; i++) {
		struct ending e = {.log.how = EXIT};

		weft_waitgroup_add(&e.wg, 1);
		CHECK_EQ(weft_go(ends_by_exit, &e), 0);
		weft_waitgroup_wait(&e.wg);
		check_order(&e.log, "2221");
	}
	test_until(weft_task_count() == 0);
}

TEST(an_exit_ends_a_task_with_a_copy)
{
	struct ending e = {0};

	for (int i = 0; i < 1000; i++) {
		weft_waitgroup_add(&e.wg, 1);
		CHECK_EQ(weft_go_copy(exits_with_copy, &(weft_waitgroup *){&e.wg},
				      sizeof(void *)),
			 0);
	}
	weft_waitgroup_wait(&e.wg);
	test_until(weft_task_count() == 0);
}

static void *thread_ends_by_exit(void *arg)
{
	ends_by_exit(arg);
	return arg;
}

TEST(an_exit_ends_a_plain_thread)
{
	struct ending e = {.log.how = EXIT};
	pthread_t thread;
	void *result = &e;

	weft_waitgroup_add(&e.wg, 1);
	CHECK_EQ(pthread_create(&thread, NULL, thread_ends_by_exit, &e), 0);
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK(result == NULL);
	CHECK_EQ(e.wg.priv_word, 0);
	check_order(&e.log, "2221");
}

static int exit_main(void *arg)
{
	ends_by_exit(arg);
	return 0;
}

TEST(an_exit_of_its_function_ends_a_run)
{
	for (int i = 0; i < 3; i++) {
		struct ending e = {.log.how = EXIT};

		weft_waitgroup_add(&e.wg, 1);
		CHECK_EQ(weft_run(exit_main, &e), WEFT_ERR_EXITED);
		check_order(&e.log, "2221");
	}
}

static void ends_by_pthread_exit(void *arg)
{
	struct ending *e = arg;

	WEFT_DEFER(note_end, e);
	weft_yield();
	pthread_exit(NULL);
}

/* Its worker goes on. */
TEST(pthread_exit_ends_a_task_like_an_exit)
{
#if WEFT__TSAN
	test_skip("ThreadSanitizer has no pthread_exit() off a thread's stack");
#endif
	for (int i = 0; i < 100; i++) {
		struct ending e = {0};

		weft_waitgroup_add(&e.wg, 1);
		CHECK_EQ(weft_go(ends_by_pthread_exit, &e), 0);
		weft_waitgroup_wait(&e.wg);
		check_order(&e.log, "1");
	}
	test_until(weft_task_count() == 0);
}

static void panic_then_exit_uncaught(void *arg)
{
	struct ending *e = arg;

	WEFT_DEFER(note_end, e);
	WEFT_DEFER(exit_second, NULL);
	weft_panic("cancelled by an exit");
}

TEST(an_exit_cancels_a_panic_that_nobody_catches)
{
	for (int i = 0; i < 100; i++) {
		struct ending e = {0};

		weft_waitgroup_add(&e.wg, 1);
		CHECK_EQ(weft_go(panic_then_exit_uncaught, &e), 0);
		weft_waitgroup_wait(&e.wg);
		check_order(&e.log, "1");
	}
	test_until(weft_task_count() == 0);
}

static void unlock(void *m)
{
	weft_mutex_unlock(m);
}

static void panic_with_lock(void *m)
{
	weft_mutex_lock(m);
	WEFT_DEFER(unlock, m);
	weft_panic("with a lock");
}

static void try_often(void *m)
{
	for (int i = 0; i < 200; i++)
		CHECK_EQ(weft_try(panic_with_lock, m, NULL), WEFT_PANICKED);
}

TEST_FLAVOURS(many_panic_at_once_and_leave_no_lock_behind)
{
	weft_mutex m = {0};

	for (int i = 0; i < 8; i++)
		test_start(try_often, &m);
	test_join_all();
	CHECK(weft_mutex_try_lock(&m));
}

/* Misuse panics, and can be caught like every other panic. */
static void misuse(void *wg)
{
	weft_waitgroup_done(wg);
}

TEST_FLAVOURS(misuse_can_be_caught)
{
	weft_waitgroup wg = {0};
	weft_panic_info info;

	CHECK_EQ(weft_try(misuse, &wg, &info), WEFT_PANICKED);
	CHECK_EQ(strcmp(info.message, "sync: negative WaitGroup counter"), 0);
}

/* ---- functions that are NULL ---- */

#define NIL "invalid memory address or nil pointer dereference"

TEST_FLAVOURS(try_of_no_function_is_a_panic)
{
	weft_panic_info info;

	CHECK_EQ(weft_try(NULL, NULL, &info), WEFT_PANICKED);
	CHECK_EQ(strcmp(info.message, NIL), 0);
}

static void defer_nothing(void *unused)
{
	(void)unused;
	WEFT_DEFER(NULL, NULL);
}

TEST_FLAVOURS(a_defer_of_no_function_is_a_panic)
{
	weft_panic_info info;

	CHECK_EQ(weft_try(defer_nothing, NULL, &info), WEFT_PANICKED);
	CHECK_EQ(strcmp(info.message, NIL), 0);
	CHECK_EQ(weft_try(panic_with_value, &info, &info), WEFT_PANICKED);
	CHECK(info.value == &info);
}

TEST_TRAP(run_of_no_function_is_fatal, "go of nil func value")
{
	weft_run(NULL, NULL);
}

/* ---- where nobody waits for what has no unwind tables ---- */

/* In what is waited for: RETURN after what was tried inside. */
static void end_guarded(void *how)
{
	CHECK_EQ(weft_try(panic_without_tables, NULL, NULL), WEFT_PANICKED);
	CHECK_EQ(weft_try(exit_without_tables, NULL, NULL), WEFT_EXITED);
	end_as(*(int *)how, "guarded");
}

static void in_once(void *how)
{
	weft_once o = {0};

	weft_once_do(&o, end_guarded, how);
}

static int end_attempt(void *how)
{
	end_guarded(how);
	return 0;
}

static void in_attempt(void *how)
{
	weft_once o = {0};

	weft_once_try(&o, end_attempt, how);
}

static void fini_func(void *f)
{
	weft_once_func_fini(f);
}

static void in_func(void *how)
{
	weft_once_func f;

	weft_once_func_init(&f, end_guarded, how);
	WEFT_DEFER(fini_func, &f);
	weft_once_func_call(&f);
}

static int end_flight(weft_ctx *ctx, void *how, void **value)
{
	(void)ctx;
	(void)value;
	return end_attempt(how);
}

static void fini_flight(void *f)
{
	weft_flight_fini(f);
}

static void in_flight(void *how)
{
	weft_flight f = {0};
	WEFT_DEFER(fini_flight, &f);
	weft_result r;

	r = weft_flight_do(&f, weft_key_u64(1), end_flight, how);
	weft_result_release(&r);
}

struct unlocking {
	weft_cond c;
	int *how;
};

static void end_unlock(void *arg)
{
	struct unlocking *u = arg;

	end_guarded(u->how);
	weft_cond_signal(&u->c);
}

static void in_unlock(void *how)
{
	struct unlocking u = {.how = how};

	weft_cond_init_locker(&u.c, (weft_locker){&u, do_nothing, end_unlock});
	weft_cond_wait(&u.c);
}

static struct guarded {
	weft_fn fn;
	int how;
} guarded[] = {{in_once, 0}, {in_attempt, 0}, {in_func, 0}, {in_flight, 0},
	       {in_unlock, 0}};

/* However fn ends, nothing is waited for any more. */
static void leave_without_tables(void *arg)
{
	struct guarded *g = arg;

	call_without_tables(g->fn, do_nothing, &g->how);
	exit_without_tables(NULL);
}

TEST_FLAVOURS(what_was_waited_for_and_has_ended_is_left_without_tables)
{
	for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++)
		for (int how = RETURN; how <= PANIC; how++) {
			struct guarded g = {guarded[i].fn, how};

			CHECK_EQ(weft_try(leave_without_tables, &g, NULL),
				 how == PANIC ? WEFT_PANICKED : WEFT_EXITED);
		}
}

static void note_done(void *wg)
{
	weft_waitgroup_done(wg);
}

static void exit_and_note(void *wg)
{
	call_without_tables(do_exit, note_done, wg);
}

TEST(a_task_that_nobody_waits_for_exits_without_tables)
{
	weft_waitgroup wg = {0};
	weft_ctx ctx = {0};
	weft_ctx_after after = {0};

	weft_waitgroup_add(&wg, 2);
	weft_ctx_cancel(&ctx, 0);
	CHECK_EQ(weft_go(exit_and_note, &wg), 0);
	CHECK_EQ(weft_ctx_after_start(&after, &ctx, exit_and_note, &wg), 0);
	weft_waitgroup_wait(&wg);
	test_until(weft_task_count() == 0);
}

static void *thread_exits(void *wg)
{
	exit_and_note(wg);
	return wg;
}

TEST(a_thread_exits_without_tables)
{
	weft_waitgroup wg = {0};
	void *result = &wg;
	pthread_t thread;

	weft_waitgroup_add(&wg, 1);
	CHECK_EQ(pthread_create(&thread, NULL, thread_exits, &wg), 0);
	CHECK_EQ(pthread_join(thread, &result), 0);
	CHECK(result == NULL);
	weft_waitgroup_wait(&wg);
}
