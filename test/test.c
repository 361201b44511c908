/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "test.h"

#ifdef WEFT_SIM
#include <weft/sim.h>
#endif

#include <ctype.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#if defined(__has_feature)
#define FEATURE(x) __has_feature(x)
#else
#define FEATURE(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||           \
	FEATURE(address_sanitizer) || FEATURE(thread_sanitizer)
enum { SLOWDOWN = 10 };
#else
enum { SLOWDOWN = 1 };
#endif

#ifdef WEFT_SIM
enum { SEEDS = 3 };
#else
enum { SEEDS = 1 };
#endif

enum { LIMIT_SECONDS = 20, EXIT_MISUSED = 2, EXIT_SKIPPED = 77,
       SHOWN_BYTES = 16 * 1024 };

__attribute__((weak)) unsigned test_priv_seeds_most = UINT_MAX;
static test_case *cases, **cases_end = &cases;
static test_flavour flavour;
static uint64_t seed, random_state;
static bool forked;

void test_priv_add(test_case *c)
{
	*cases_end = c;
	cases_end = &c->next;
}

static unsigned from_environment(const char *name, unsigned otherwise)
{
	const char *text = getenv(name);
	unsigned long n;
	char *end;

	if (text == NULL)
		return otherwise;
	n = strtoul(text, &end, 10);
	if (!isdigit((unsigned char)*text) || *end != 0 || n > UINT_MAX) {
		fprintf(stderr, "%s=%s is no number\n", name, text);
		exit(EXIT_MISUSED);
	}
	return n;
}

/* Once, and not in each case. */
static void check_environment(void)
{
	(void)from_environment("WEFT_TEST_LIMIT", 1);
	(void)from_environment("WEFT_TEST_LONG", 0);
}

/*
 * Sanitizers: a refused allocation is for the caller to see, and the first
 * finding ends the case.
 */
#define OPTIONS "allocator_may_return_null=1:halt_on_error=1:print_stacktrace=1"
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);
const char *__tsan_default_options(void);

const char *__asan_default_options(void)
{
	return OPTIONS;
}

const char *__ubsan_default_options(void)
{
	return OPTIONS;
}

const char *__tsan_default_options(void)
{
	return OPTIONS ":atexit_sleep_ms=20";
}

/* Checks */

void test_priv_fail(const char *file, int line, const char *expr)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, expr);
	abort();
}

void test_priv_fail_compare(const char *file, int line, const char *expr,
			    intmax_t a, intmax_t b)
{
	fprintf(stderr, "%s:%d: not so: %s (%jd, %jd)\n", file, line, expr, a,
		b);
	abort();
}

void test_skip(const char *reason)
{
	fprintf(stderr, "%s\n", reason);
	_exit(EXIT_SKIPPED);
}

void test_limit(unsigned seconds)
{
	if (forked)
		alarm(seconds * SLOWDOWN * from_environment("WEFT_TEST_LIMIT", 1));
}

bool test_long(void)
{
	return from_environment("WEFT_TEST_LONG", 0) != 0;
}

bool test_emulated(void)
{
	return from_environment("WEFT_TEST_LIMIT", 1) > 1;
}

int test_slowdown(void)
{
	return test_emulated() ? 10 : SLOWDOWN;
}

bool test_simulated(void)
{
#ifdef WEFT_SIM
	return true;
#else
	return false;
#endif
}

uint64_t test_seed(void)
{
	return seed;
}

/* SplitMix64 (Steele et al., OOPSLA 2014). */
uint64_t test_random(void)
{
	uint64_t z = weft_atomic_add(&random_state, 0x9e3779b97f4a7c15, relaxed);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* Starting and joining */

typedef struct activity {
	weft_fn fn;
	void *arg;
	pthread_t thread;
	struct activity *next;
} activity;

static uint32_t running;	/* activities that have not ended */
static uint32_t turns;
static activity *threads;	/* to be joined */

/* Neither a task's nor a thread's way to wait: right on both. */
static void pause_round(uint32_t round)
{
	if (round < 2000)
		weft_yield();
	else
		nanosleep(&(struct timespec){.tv_nsec = WEFT_US(100)}, NULL);
	if (round % 8 == 0)
		weft_yield();
}

void test_priv_pause(uint32_t round, weft_time start, const char *expr,
		     const char *file, int line)
{
	weft_time limit = LIMIT_SECONDS / 2 * WEFT_SECOND * SLOWDOWN *
			  from_environment("WEFT_TEST_LIMIT", 1);

	if (weft_now() - start > limit) {
		fprintf(stderr, "waited in vain until: ");
		test_priv_fail(file, line, expr);
	}
	pause_round(round);
}

static void ended(void)
{
	weft_atomic_sub(&running, 1, release);
}

static void run_task(void *arg)
{
	activity a = *(activity *)arg;

	a.fn(a.arg);
	ended();
}

static void *run_thread(void *arg)
{
	activity *a = arg;

	a->fn(a->arg);
	ended();
	return NULL;
}

void test_start_task(weft_fn fn, void *arg)
{
	activity a = {.fn = fn, .arg = arg};

	weft_atomic_add(&running, 1, relaxed);
	CHECK_EQ(weft_go_copy(run_task, &a, sizeof a), 0);
}

void test_start_thread(weft_fn fn, void *arg)
{
	activity *a = malloc(sizeof *a);

	CHECK(a != NULL);
	*a = (activity){.fn = fn, .arg = arg};
	weft_atomic_add(&running, 1, relaxed);
	CHECK_EQ(pthread_create(&a->thread, NULL, run_thread, a), 0);
	a->next = weft_atomic_load(&threads, relaxed);
	while (!weft_atomic_cas(&threads, &a->next, a, release, relaxed))
		;
}

void test_start(weft_fn fn, void *arg)
{
	bool task = flavour == TEST_TASKS;

	if (flavour == TEST_MIXED)
		task = (weft_atomic_add(&turns, 1, relaxed) + seed / 2) % 2 != 0;
	(task ? test_start_task : test_start_thread)(fn, arg);
}

void test_join_all(void)
{
	activity *next;

	for (uint32_t i = 0; weft_atomic_load(&running, acquire) != 0; i++)
		pause_round(i);
	for (activity *a = weft_atomic_xchg(&threads, NULL, acquire); a != NULL;
	     a = next) {
		pthread_join(a->thread, NULL);
		next = a->next;
		free(a);
	}
}

/* Running the cases */

static int run_body(void *arg)
{
	((test_case *)arg)->body();
	test_join_all();
	return 0;
}

static void run_flavour(test_case *c)
{
	bool task = c->flavour == TEST_TASKS ||
		    (c->flavour == TEST_MIXED && seed % 2 != 0);

	if (task)
		CHECK_EQ(weft_run(run_body, c), 0);
	else
		run_body(c);
	if (task)
		CHECK_EQ(weft_task_count(), 0);
}

#ifdef WEFT_SIM
static int run_simulated(void *c)
{
	run_flavour(c);
	return 0;
}
#endif

static void run_in_process(test_case *c)
{
	flavour = c->flavour;
	random_state = seed;
#ifdef WEFT_SIM
	weft_sim_run(&(weft_sim){.mode = seed % 3 == 2 ? WEFT_SIM_PCT
						       : WEFT_SIM_RANDOM,
				 .seed = seed,
				 .points = UINT64_C(64) << seed % 8,
				 .procs = 2,
				 .scheduler = seed % 2 == 0,
				 .thread = true},
		     run_simulated, c);
#else
	run_flavour(c);
#endif
}

/* On whatever stack it finds. */
static void take_signal(int number)
{
	static uint64_t taken;

	(void)number;
	weft_atomic_add(&taken, 1, relaxed);
}

/* For those who sleep, by the clock, and, by CPU time, for those who run. */
static void send_signals(const char *how)
{
	struct sigaction action = {.sa_handler = take_signal};
	struct sigevent event = {.sigev_notify = SIGEV_SIGNAL,
				 .sigev_signo = SIGUSR2};
	struct itimerspec each = {{0, 1000000}, {0, 1000000}};
	struct itimerval each_of_cpu = {{0, 1000}, {0, 1000}};
	timer_t timer;

	action.sa_flags = strcmp(how, "restart") == 0 ? SA_RESTART : 0;
	if (sigaction(SIGUSR2, &action, NULL) != 0 ||
	    sigaction(SIGPROF, &action, NULL) != 0 ||
	    timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 ||
	    timer_settime(timer, 0, &each, NULL) != 0 ||
	    setitimer(ITIMER_PROF, &each_of_cpu, NULL) != 0) {
		perror("WEFT_TEST_SIGNALS");
		_exit(1);
	}
}

static _Noreturn void run_forked(test_case *c, FILE *output)
{
	forked = true;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
	dup2(fileno(output), STDOUT_FILENO);
	dup2(fileno(output), STDERR_FILENO);
	test_limit(LIMIT_SECONDS);
	if (getenv("WEFT_TEST_SIGNALS") != NULL)
		send_signals(getenv("WEFT_TEST_SIGNALS"));
	run_in_process(c);
	exit(0);
}

/* A sanitizer exits where a bad access would have been a signal. */
static bool died_of(int status, int number)
{
	return (WIFSIGNALED(status) && WTERMSIG(status) == number) ||
	       (SLOWDOWN > 1 && number == SIGSEGV && WIFEXITED(status) &&
		WEXITSTATUS(status) != 0);
}

static bool passed(const test_case *c, int status, const char *text)
{
	if (c->signal != 0)
		return died_of(status, c->signal) &&
		       strstr(text, c->message) != NULL;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void show_failure(const test_case *c, int status, const char *text)
{
	int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;

	printf("not ok %s\n", c->name);
	for (const char *end; *text != 0; text = *end != 0 ? end + 1 : end) {
		end = strchrnul(text, '\n');
		printf("    %.*s\n", (int)(end - text), text);
	}
	if (number == SIGALRM)
		printf("    took too long\n");
	else if (number != 0)
		printf("    killed by signal %d, %s\n", number, strsignal(number));
	else
		printf("    exit status %d\n", WEXITSTATUS(status));
	if (c->signal != 0)
		printf("    wanted: signal %d and \"%s\"\n", c->signal, c->message);
	printf("    WEFT_TEST_SEED=%" PRIu64 "\n", seed);
}

/* What the child has printed; the middle is left out of very much. */
static const char *read_output(FILE *output)
{
	static char text[2 * SHOWN_BYTES + 16];
	int fd = fileno(output);
	off_t size = lseek(fd, 0, SEEK_END);
	ssize_t n = pread(fd, text, SHOWN_BYTES, 0);

	if (n == SHOWN_BYTES && size > 2 * SHOWN_BYTES)
		n += sprintf(text + n, "\n[…]\n");
	n += pread(fd, text + n, SHOWN_BYTES,
		   size > 2 * SHOWN_BYTES ? size - SHOWN_BYTES : n);
	text[n] = 0;
	return text;
}

/* Returns 0 passed, 1 failed, 2 skipped. */
static int run_case(test_case *c)
{
	FILE *output = tmpfile();
	const char *text;
	int status;
	pid_t child;

	fflush(NULL);
	child = output != NULL ? fork() : -1;
	if (child == 0)
		run_forked(c, output);
	if (child < 0 || waitpid(child, &status, 0) != child) {
		perror("test");
		exit(1);
	}
	text = read_output(output);
	fclose(output);
	if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED) {
		printf("skip %s: %.*s\n", c->name, (int)strcspn(text, "\n"),
		       text);
		return 2;
	}
	if (!passed(c, status, text)) {
		show_failure(c, status, text);
		return 1;
	}
	return 0;
}

/* Runs of the simulated machine are the same every time. */
static uint64_t first_seed(void)
{
	return test_simulated() ? 1 : (uint64_t)weft_now();
}

/* Once with each seed, until it does not pass. */
static int run_case_rounds(test_case *c, unsigned rounds)
{
	uint64_t first = seed;
	int result = 0;

	for (unsigned i = 0; i < rounds && result == 0; i++) {
		seed = first + i;
		result = run_case(c);
	}
	seed = first;
	if (result == 0)
		printf("ok %s\n", c->name);
	return result;
}

/* WEFT_TEST_CASE says which to run; without it, all. */
static bool is_wanted(const test_case *c)
{
	const char *pattern = getenv("WEFT_TEST_CASE");

	return pattern == NULL || fnmatch(pattern, c->name, 0) == 0;
}

int main(int argc, char **argv)
{
	const char *text = getenv("WEFT_TEST_SEED");
	const char *wanted = argc > 1 ? argv[1] : NULL;
	unsigned rounds = from_environment("WEFT_TEST_SEEDS", SEEDS);
	int count[3] = {0};

	check_environment();
	seed = text != NULL ? strtoull(text, NULL, 10) : first_seed();
	if (rounds > test_priv_seeds_most) {
		rounds = test_priv_seeds_most;
		printf("# %u seeds, each for hundreds of worlds\n", rounds);
	}
	for (test_case *c = cases; c != NULL; c = c->next) {
		if (wanted == NULL && !is_wanted(c))
			continue;
		if (wanted == NULL)
			count[run_case_rounds(c, rounds)]++;
		else if (strcmp(wanted, "--list") == 0)
			puts(c->name);
		else if (strcmp(wanted, c->name) == 0)
			return run_in_process(c), 0;
	}
	if (wanted != NULL && strcmp(wanted, "--list") == 0)
		return 0;
	if (wanted != NULL) {
		fprintf(stderr, "no case %s here: --list has those there are\n",
			wanted);
		return EXIT_MISUSED;
	}
	printf("%d passed, %d failed, %d skipped\n", count[0], count[1], count[2]);
	return count[1] != 0 ? 1 : count[0] == 0 ? EXIT_SKIPPED : 0;
}
