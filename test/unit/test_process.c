/* SPDX-License-Identifier: MIT */
/* fork, exec, exit and dlclose while tasks run. */
#define _GNU_SOURCE
#include "child.h"
#include "door.h"
#include "proc.h"
#include "test.h"

#include <weft/chan.h>
#include <weft/ctx.h>
#include <weft/dump.h>
#include <weft/fd.h>
#include <weft/mutex.h>
#include <weft/once.h>
#include <weft/panic.h>
#include <weft/rwmutex.h>
#include <weft/sema.h>
#include <weft/waitgroup.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <fcntl.h>
#include <link.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { BUSY = 20 };

static bool over;
static uint32_t begun;	/* atomic */

static void stay_busy(void *arg)
{
	(void)arg;
	weft_atomic_add(&begun, 1, relaxed);
	while (!weft_atomic_load(&over, relaxed)) {
		weft_yield();
		weft_sleep(NULL, WEFT_US(20));
	}
}

static void be_busy(void)
{
	for (int i = 0; i < BUSY; i++)
		test_start_task(stay_busy, NULL);
	test_until(weft_atomic_load(&begun, relaxed) == BUSY);
}

static void stop_being_busy(void)
{
	weft_atomic_store(&over, true, relaxed);
	test_join_all();
}

static void check_ended_well(int status)
{
	CHECK(WIFEXITED(status));
	CHECK_EQ(WEXITSTATUS(status), 0);
}

/* ---- fork ---- */

static void add_one(void *arg)
{
	++*(int *)arg;
}

/* Everything that need not wait. */
static void use_without_a_runtime(void *arg)
{
	weft_mutex m = {0};
	weft_once once = {0};
	weft_waitgroup wg = {0};
	weft_sema s = {0};
	weft_ctx parent, ctx;
	weft_chan c;
	int ends[2], n = 0;

	(void)arg;
	weft_mutex_lock(&m);
	CHECK(!weft_mutex_try_lock(&m));
	weft_mutex_unlock(&m);
	weft_once_do(&once, add_one, &n);
	weft_waitgroup_add(&wg, 1);
	weft_waitgroup_done(&wg);
	weft_waitgroup_wait(&wg);
	weft_sema_init(&s, 1);
	weft_sema_acquire(&s, 1);
	weft_ctx_init_timeout(&parent, NULL, WEFT_MINUTE);
	weft_ctx_init(&ctx, &parent);
	weft_ctx_cancel(&parent, 0);
	CHECK_EQ(weft_ctx_err(&ctx), -ECANCELED);
	weft_ctx_fini(&ctx);
	weft_ctx_fini(&parent);
	CHECK_EQ(weft_chan_init(&c, sizeof n, 1), 0);
	weft_chan_send(&c, &n);
	CHECK(weft_chan_recv(&c, &n));
	CHECK_EQ(n, 1);
	weft_chan_fini(&c);
	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(weft_wait_fd(NULL, ends[1], POLLOUT), POLLOUT);
	CHECK_EQ(weft_fd_close(ends[0]), 0);
	CHECK_EQ(weft_fd_close(ends[1]), 0);
}

TEST_FLAVOURS(the_child_of_a_fork_may_do_what_needs_not_wait)
{
	be_busy();
	for (int i = 0; i < 10; i++)
		check_ended_well(in_child(use_without_a_runtime, NULL));
	stop_being_busy();
}

#if defined(__SANITIZE_THREAD__) || HAS_HIDDEN_THREADS
#define THREADS_IN_CHILD 0	/* the sanitizer forbids them there */
#else
#define THREADS_IN_CHILD 1
#endif
#if defined(__aarch64__)
#define QEMU test_emulated()
#else
#define QEMU false
#endif

static void *done_soon(void *wg)
{
	weft_sleep(NULL, WEFT_MS(1));
	weft_waitgroup_done(wg);
	return NULL;
}

static void wait_for_threads(void *arg)
{
	weft_waitgroup wg = {0};
	pthread_t threads[4];

	(void)arg;
	weft_waitgroup_add(&wg, 4);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_create(&threads[i], NULL, done_soon, &wg), 0);
	weft_waitgroup_wait(&wg);
	for (int i = 0; i < 4; i++)
		CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

TEST(threads_in_the_child_of_a_fork_may_wait_for_each_other)
{
	if (!THREADS_IN_CHILD)
		test_skip("the sanitizer allows no threads there");
	if (QEMU)	/* fails an assertion of its own, with any program */
		test_skip("qemu 7 allows no threads in the child of some");
	be_busy();
	check_ended_well(in_child(wait_for_threads, NULL));
	stop_being_busy();
}

/* ---- fork, in the middle of something ---- */

static bool is_waited_for(const void *object)
{
	weft__bucket *b = weft__lot_lock(object);
	bool waited_for = weft__lot_first(b, object) != NULL;

	weft__lot_unlock(b);
	return waited_for;
}

static void acquire_one(void *s)
{
	weft_sema_acquire(s, 1);
}

static void see_nobody(const weft__person *p, void *unused)
{
	CHECK_EQ(p->mark, 0);
	(void)unused;
}

/* In the bucket that was locked. */
static void wait_in_vain(void *s)
{
	weft__person scratch;
	weft_ctx soon;

	weft__census_threads(&scratch, see_nobody, NULL);
	weft_ctx_init_timeout(&soon, NULL, WEFT_MS(1));
	CHECK_EQ(weft_sema_acquire_ctx(s, &soon, 1), -ETIMEDOUT);
	weft_ctx_fini(&soon);
}

/* Of one that has never had a task. */
TEST(the_child_of_a_fork_is_not_held_up_by_who_is_not_there)
{
	weft_sema s = {0}, others = {0};
	weft__bucket *b;
	int status;

	test_start_thread(acquire_one, &others);
	test_until(is_waited_for(&others) && weft__census_entered() == 1);
	b = weft__lot_lock(&s);
	status = in_child(wait_in_vain, &s);
	weft__lot_unlock(b);
	check_ended_well(status);
	weft_sema_release(&others, 1);
}

static void count_workers(void *arg)
{
	weft_stats stats;

	weft_stats_get(&stats);
	CHECK_LE(1, stats.workers);
	(void)arg;
}

TEST(the_child_of_a_fork_may_count_while_a_worker_falls_asleep)
{
	int status;

	be_busy();
	weft__lock_take(&weft__rt.lock);
	status = in_child(count_workers, NULL);
	weft__lock_drop(&weft__rt.lock);
	check_ended_well(status);
	stop_being_busy();
}

typedef struct {
	weft_mutex mutex;
	weft_rwmutex rwmutex;
	weft_sema sema;
	weft_waitgroup wg;
} held;

static void want_mutex(void *arg)
{
	held *h = arg;

	weft_mutex_lock(&h->mutex);
	weft_mutex_unlock(&h->mutex);
}

static void want_rwmutex(void *arg)
{
	held *h = arg;

	weft_rwmutex_lock(&h->rwmutex);
	weft_rwmutex_unlock(&h->rwmutex);
}

static void want_sema(void *arg)
{
	acquire_one(&((held *)arg)->sema);
}

static void want_waitgroup(void *arg)
{
	weft_waitgroup_wait(&((held *)arg)->wg);
}

static void let_go(void *arg)
{
	held *h = arg;

	weft_mutex_unlock(&h->mutex);
	weft_rwmutex_unlock(&h->rwmutex);
	weft_sema_release(&h->sema, 1);
	weft_waitgroup_done(&h->wg);
}

static void let_go_and_take_again(void *arg)
{
	held *h = arg;

	let_go(h);
	CHECK(weft_mutex_try_lock(&h->mutex));
	CHECK(weft_rwmutex_try_lock(&h->rwmutex));
}

TEST_FLAVOURS(the_child_of_a_fork_may_let_go_of_what_others_wait_for)
{
	held h = {0};

	weft_mutex_lock(&h.mutex);
	weft_rwmutex_lock(&h.rwmutex);
	weft_waitgroup_add(&h.wg, 1);
	test_start(want_mutex, &h);
	test_start(want_rwmutex, &h);
	test_start(want_sema, &h);
	test_start(want_waitgroup, &h);
	test_until(is_waited_for(&h.mutex) && is_waited_for(&h.rwmutex) &&
		   is_waited_for(&h.sema) && is_waited_for(&h.wg));
	check_ended_well(in_child(let_go_and_take_again, &h));
	let_go(&h);
	test_join_all();
}

/* Three units, or none; and one reader, a round of one, with somebody waiting each. */
typedef struct {
	weft_sema few, none;
	weft_rwmutex read;
	weft_waitgroup round;
} wanted;

static void want_few(void *arg)
{
	weft_sema_acquire(&((wanted *)arg)->few, 5);
}

static void want_none(void *arg)
{
	acquire_one(&((wanted *)arg)->none);
}

static void want_to_write(void *arg)
{
	wanted *w = arg;

	weft_rwmutex_lock(&w->read);
	weft_rwmutex_unlock(&w->read);
}

static void want_round(void *arg)
{
	weft_waitgroup_wait(&((wanted *)arg)->round);
}

static void take_units(void *arg)
{
	wanted *w = arg;

	weft_sema_acquire(&w->few, 1);
	CHECK(weft_sema_try_acquire(&w->few, 2));
	CHECK(!weft_sema_try_acquire(&w->few, 1));
	weft_sema_release(&w->none, 3);
	weft_sema_acquire(&w->none, 2);
	CHECK(weft_sema_try_acquire(&w->none, 1));
}

static void try_units(void *arg)
{
	CHECK(weft_sema_try_acquire(&((wanted *)arg)->few, 3));
}

static void read_and_write(void *arg)
{
	wanted *w = arg;

	weft_rwmutex_rlock(&w->read);
	weft_rwmutex_runlock(&w->read);
	weft_rwmutex_runlock(&w->read);
	weft_rwmutex_lock(&w->read);
	weft_rwmutex_unlock(&w->read);
	CHECK(weft_rwmutex_try_lock(&w->read));
}

static void try_to_read(void *arg)
{
	CHECK(weft_rwmutex_try_rlock(&((wanted *)arg)->read));
}

static void go_round(void *arg)
{
	weft_waitgroup *wg = &((wanted *)arg)->round;

	weft_waitgroup_done(wg);
	weft_waitgroup_add(wg, 1);
	weft_waitgroup_done(wg);
	weft_waitgroup_wait(wg);
	weft_waitgroup_add(wg, 1);
}

TEST_FLAVOURS(the_child_of_a_fork_may_take_what_others_wait_for)
{
	void (*const uses[])(void *) = {take_units, try_units, read_and_write,
					try_to_read, go_round};
	wanted w = {0};

	weft_sema_init(&w.few, 3);
	weft_rwmutex_rlock(&w.read);
	weft_waitgroup_add(&w.round, 1);
	test_start(want_few, &w);
	test_start(want_none, &w);
	test_start(want_to_write, &w);
	test_start(want_round, &w);
	test_until(is_waited_for(&w.few) && is_waited_for(&w.none) &&
		   is_waited_for(&w.read) && is_waited_for(&w.round));
	for (size_t i = 0; i < sizeof uses / sizeof *uses; i++)
		check_ended_well(in_child(uses[i], &w));
	weft_sema_release(&w.few, 2);
	weft_sema_release(&w.none, 1);
	weft_rwmutex_runlock(&w.read);
	weft_waitgroup_done(&w.round);
	test_join_all();
}

static void *lock_and_unlock(void *m)
{
	weft_mutex_lock(m);
	weft_mutex_unlock(m);
	return NULL;
}

/* Whom the holder unlocks for while a waiter of the parent's is said to be on its way. */
static void pass_on_to_a_thread(void *m)
{
	pthread_t thread;

	CHECK_EQ(pthread_create(&thread, NULL, lock_and_unlock, m), 0);
	test_until(is_waited_for(m));
	weft_mutex_unlock(m);
	CHECK_EQ(pthread_join(thread, NULL), 0);
}

static int lock_in_a_task(void *m)
{
	lock_and_unlock(m);
	return 0;
}

/* … or to whom a task would give way. */
static void run_one_that_locks(void *m)
{
	CHECK_EQ(weft_run(lock_in_a_task, m), 0);
}

TEST(the_child_of_a_fork_waits_for_no_waiter_that_was_woken_in_the_parent)
{
	enum { LOCKED = 1, WOKEN = 4, PASS = 8 };	/* of mutex.c */
	weft_sema others = {0};
	weft_mutex m;

	if (!THREADS_IN_CHILD)
		test_skip("the sanitizer allows no threads there");
	if (QEMU)
		test_skip("qemu 7 allows no threads in the child of some");
	test_start_thread(acquire_one, &others);
	test_until(is_waited_for(&others) && weft__census_entered() == 1);
	weft_sema_release(&others, 1);
	test_join_all();	/* forks are heard of, and nobody is queued */
	weft_atomic_store(&m.priv_word, LOCKED | WOKEN, relaxed);
	check_ended_well(in_child(pass_on_to_a_thread, &m));
	weft_atomic_store(&m.priv_word, WOKEN | PASS, relaxed);
	check_ended_well(in_child(run_one_that_locks, &m));
}

static int start_nothing(void *arg)
{
	return arg != NULL;
}

static void run_weft(void *arg)
{
	CHECK_EQ(weft_run(start_nothing, arg), 0);
}

TEST(the_child_of_a_fork_before_the_first_task_may_do_everything)
{
	int ends[2];

	if (!THREADS_IN_CHILD)
		test_skip("the sanitizer allows no threads there");
	CHECK_EQ(pipe(ends), 0);
	CHECK_EQ(weft_wait_fd(NULL, ends[1], POLLOUT), POLLOUT);
	check_ended_well(in_child(run_weft, NULL));
	run_weft(NULL);
}

static void exec_true(void *arg)
{
	(void)arg;
	execl("/bin/true", "true", (char *)NULL);
	abort();
}

static void fork_and_exec(void *arg)
{
	check_ended_well(in_child(exec_true, arg));
}

static void spawn(void *arg)
{
	char *const args[] = {"true", NULL}, *const environment[] = {NULL};
	pid_t child;

	(void)arg;
	CHECK_EQ(posix_spawn(&child, "/bin/true", NULL, NULL, args,
			     environment), 0);
	check_ended_well(wait_for_child(child));
}

TEST_FLAVOURS(programs_can_be_started_while_tasks_run)
{
	be_busy();
	for (int i = 0; i < 5; i++) {
		test_start(fork_and_exec, NULL);
		test_start(spawn, NULL);
	}
	fork_and_exec(NULL);
	spawn(NULL);
	stop_being_busy();
}

/* ---- exit ---- */

static void wait_for_ever(void *fd)
{
	weft_wait_fd(NULL, *(int *)fd, POLLIN);
}

/* What running tasks hold at the end of the process is no leak of anybody's. */
__attribute__((weak)) void __lsan_disable(void);

static void fill_the_process(void)
{
	static int ends[2];

	if (__lsan_disable != NULL)
		__lsan_disable();
	be_busy();
	CHECK_EQ(pipe(ends), 0);
	for (int i = 0; i < BUSY; i++)
		test_start(wait_for_ever, ends);
}

TEST(exit_of_a_thread_ends_the_process_while_tasks_run)
{
	fill_the_process();
	exit(0);
}

static void use_at_exit(void)
{
	use_without_a_runtime(NULL);
	weft_sleep(NULL, WEFT_MS(1));
}

static void end_process(void *arg)
{
	(void)arg;
	weft_yield();
	exit(0);
}

TEST(exit_of_a_task_ends_the_process_while_tasks_run)
{
	CHECK_EQ(atexit(use_at_exit), 0);
	fill_the_process();
	test_start_task(end_process, NULL);
	test_join_all();
	abort();
}

/* ---- signals ---- */

static char *const sleeper[] = {"sleep", "20", NULL};

static pid_t spawn_sleeper(void)
{
	pid_t child;

	CHECK_EQ(posix_spawnp(&child, "sleep", NULL, NULL, sleeper, environ), 0);
	return child;
}

/* Its program has begun: valgrind ends a child with 0 that is killed before. */
static pid_t fork_sleeper(void)
{
	int ends[2];
	pid_t child;
	char none;

	CHECK_EQ(pipe2(ends, O_CLOEXEC), 0);
	child = fork();
	if (child == 0) {
		execvp("sleep", sleeper);
		_exit(127);
	}
	close(ends[1]);
	CHECK_EQ(TEMP_FAILURE_RETRY(read(ends[0], &none, 1)), 0);
	close(ends[0]);
	return child;
}

TEST_FLAVOURS(process_that_is_started_can_be_ended)
{
	pid_t (*const starters[])(void) = {spawn_sleeper, fork_sleeper};

	for (size_t i = 0; i < sizeof starters / sizeof *starters; i++) {
		pid_t child = starters[i]();
		int status;

		CHECK_EQ(kill(child, SIGTERM), 0);
		status = wait_for_child(child);
		CHECK(WIFSIGNALED(status));
		CHECK_EQ(WTERMSIG(status), SIGTERM);
	}
}

static uint32_t main_is_deaf;	/* atomic */

static void end_by_signal(void *arg)
{
	(void)arg;
	test_until(weft_atomic_load(&main_is_deaf, acquire) == 1);
	kill(getpid(), SIGTERM);
	weft_sleep(NULL, WEFT_MS(60000));
}

TEST_DEATH(process_without_its_main_thread_can_be_ended, SIGTERM, "")
{
	sigset_t term;

	CHECK_EQ(weft_go(end_by_signal, NULL), 0);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &term, NULL);
	weft_atomic_store(&main_is_deaf, 1, release);
	weft_exit();
}

/* ---- dlclose ---- */

#ifdef WEFT_LIBRARY
static uint32_t late;	/* atomic */
static void (*library_yield)(void);

static void end_late(void *arg)
{
	for (int i = 0; i < 50; i++)
		library_yield();
	weft_atomic_add(&late, 1, release);
	(void)arg;
}

static void use_and_close(uint32_t tasks)
{
	void *library = dlopen(WEFT_LIBRARY, RTLD_NOW | RTLD_LOCAL);
	int (*go)(weft_fn, void *);
	void *symbol;

	CHECK(library != NULL);
	symbol = dlsym(library, "weft_go");
	memcpy(&go, &symbol, sizeof go);
	symbol = dlsym(library, "weft_yield");
	if (library_yield == NULL)
		memcpy(&library_yield, &symbol, sizeof library_yield);
	CHECK(__extension__(void *) library_yield == symbol);
	CHECK(go != weft_go);
	for (uint32_t i = 0; i < tasks; i++)
		CHECK_EQ(go(end_late, NULL), 0);
	CHECK_EQ(dlclose(library), 0);
}

static void empty_strings(unsigned char *bytes, const ElfW(Shdr) *table)
{
	ElfW(Ehdr) *e = (void *)bytes;
	ElfW(Shdr) *sections = (void *)(bytes + e->e_shoff);

	sections[table->sh_link].sh_offset = 0;
	sections[table->sh_link].sh_size = 0;
}

/* It is another, and its functions have names that are not those of the first. */
static void rename_functions(unsigned char *bytes, const ElfW(Shdr) *table)
{
	ElfW(Sym) *symbols = (void *)(bytes + table->sh_offset);
	size_t count = table->sh_size / sizeof *symbols;

	bytes[EI_PAD]++;
	for (size_t i = 1; i < count; i++)
		symbols[i].st_name = symbols[count - 1].st_name + 1;
}

/* Change the table of symbols of the file at path. */
static void change(const char *path,
		   void (*how)(unsigned char *, const ElfW(Shdr) *))
{
	int fd = open(path, O_RDWR);
	off_t size = lseek(fd, 0, SEEK_END);
	unsigned char *bytes = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE,
				    MAP_SHARED, fd, 0);
	const ElfW(Ehdr) *e = (void *)bytes;
	const ElfW(Shdr) *sections = (void *)(bytes + e->e_shoff);

	CHECK(bytes != MAP_FAILED);
	for (size_t i = 0; i < e->e_shnum; i++)
		if (sections[i].sh_type == SHT_SYMTAB)
			how(bytes, &sections[i]);
	munmap(bytes, (size_t)size);
	close(fd);
}

static void copy_library(const char *path)
{
	char command[1024];

	snprintf(command, sizeof command, "cp '%s' '%s'", WEFT_LIBRARY, path);
	CHECK_EQ(system(command), 0);
}

/* The name of a function whose library's file was replaced by one so changed. */
static void check_name(void (*how)(unsigned char *, const ElfW(Shdr) *))
{
	char path[] = "/tmp/weft-names-XXXXXX", text[256];
	int fd = mkstemp(path);
	weft__symbols symbols = {0};
	void *library, *function;

	CHECK(fd >= 0);
	close(fd);
	copy_library(path);
	library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	CHECK(library != NULL);
	function = dlsym(library, "weft_go");
	CHECK_EQ(unlink(path), 0);	/* what was loaded stays */
	copy_library(path);
	change(path, how);
	weft__symbols_name(&symbols, function, text, sizeof text);
	weft__symbols_close(&symbols);
	unlink(path);
	CHECK(strcmp(text, "weft_go") == 0);
}

TEST(names_of_functions_survive_a_file_without_names)
{
	check_name(empty_strings);
}

TEST(names_of_functions_are_not_taken_from_another_file)
{
	check_name(rename_functions);
}

TEST(dlclose_leaves_tasks_and_their_threads_alone)
{
	for (uint32_t i = 1; i <= 20; i++) {
		use_and_close(100);
		if (i % 2 == 0)
			test_until(weft_atomic_load(&late, acquire) == 100 * i);
	}
}
#endif
