/* SPDX-License-Identifier: MIT */
/*
 * One process of a fleet under test:  worker URL LOG NAME [name=number…]
 *
 * Its tasks make calls at random and write down what happens, one line an event,
 * with one write(2) each: checker.py decides from the lines of all processes.
 *
 *	NANOSECONDS NAME PID CALL KEY EVENT name=value…
 *
 *	call                          asks
 *	start e= n=                   its function begins: token, takeovers
 *	effect e= applied=            … has its effect, unless the key has had it: I8
 *	end e= sum= err=              … and returns
 *	lost e=                       … has seen that its lease is lost
 *	accept e= sum= err= led= …    was answered
 *	give_up err= kept= unstored=  was not
 *	forget err=, cancel err=
 *	in e= seq=                    with gate=1: is let through …
 *	out held=                     … and goes
 *	out_of_it                     … and has gone
 */
#include <weft.h>
#include <weft/fleet.h>

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* What can be set; the table below has the defaults. */
static struct settings {
	long seed, tasks, calls, keys, pause_ms, wait_ms;
	long mode, sleep_ms, burn_ms, fail_pct, cancel_pct, forget_pct, size;
	long lease_ms, grace_ms, keep_ms, stale_ms, max_run_ms, max_takeovers;
	long at_most_once, down_run, crash, hold, threads, spin_tasks, deaf, obey;
	long effect, gate, foreign, passive, cancels;
} set = {
	.seed = 1, .tasks = 1, .calls = 1, .keys = 1, .wait_ms = 30000,
	.size = 40, .lease_ms = 1500, .grace_ms = 500,
};

static const struct {
	const char *name;
	long *value;
} names[] = {
	{"seed", &set.seed},
	{"tasks", &set.tasks},		/* that make calls */
	{"threads", &set.threads},	/* of these, plain threads */
	{"calls", &set.calls},		/* of each */
	{"keys", &set.keys},
	{"pause_ms", &set.pause_ms},	/* between calls, at most */
	{"wait_ms", &set.wait_ms},	/* a caller's deadline */
	{"mode", &set.mode},		/* enum weft_fleet_mode */
	{"sleep_ms", &set.sleep_ms},	/* what the function does */
	{"deaf", &set.deaf},		/* 1: it does not look at its context */
	{"obey", &set.obey},		/* 1: it returns an error when it is cancelled */
	{"effect", &set.effect},	/* 1: it has one, in a resource beside the log */
	{"foreign", &set.foreign},	/* 1: its warnings leave errors of OpenSSL behind */
	{"cancels", &set.cancels},	/* 1: it ends the run that there is */
	{"passive", &set.passive},	/* 1: it waits, and starts nothing */
	{"gate", &set.gate},		/* 1: they pass a gate, sleep_ms each */
	{"burn_ms", &set.burn_ms},
	{"fail_pct", &set.fail_pct},
	{"cancel_pct", &set.cancel_pct},
	{"forget_pct", &set.forget_pct},
	{"size", &set.size},
	{"lease_ms", &set.lease_ms},
	{"grace_ms", &set.grace_ms},
	{"keep_ms", &set.keep_ms},
	{"stale_ms", &set.stale_ms},
	{"max_run_ms", &set.max_run_ms},
	{"max_takeovers", &set.max_takeovers},
	{"at_most_once", &set.at_most_once},
	{"down_run", &set.down_run},
	{"crash", &set.crash},		/* 1 as the function begins, 2 as it ends, 3 after … */
					/* … 4 as 2, by becoming another program */
	{"hold", &set.hold},		/* 1: stay when done, until killed */
	{"spin_tasks", &set.spin_tasks},	/* that compute, for as long */
};

static int log_fd;
static const char *self, *log_path;
static uint32_t last_call;	/* atomic */
static bool over;		/* atomic */

__attribute__((format(printf, 3, 4)))
static void note(uint32_t call, const char *key, const char *format, ...)
{
	char line[512];
	int n = snprintf(line, sizeof line, "%" PRId64 " %s %d %u %s ",
			 weft_now(), self, (int)getpid(), call, key);
	va_list args;

	va_start(args, format);
	n += vsnprintf(line + n, sizeof line - (size_t)n - 1, format, args);
	va_end(args);
	line[n++] = '\n';
	if (write(log_fd, line, (size_t)n) != n)
		abort();
}

static uint64_t sum_of(const void *data, size_t size)
{
	const unsigned char *p = data;
	uint64_t h = 14695981039346656037u;

	for (size_t i = 0; i < size; i++)
		h = (h ^ p[i]) * 1099511628211u;
	return h;
}

static uint64_t next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static long below(uint64_t *state, long n)
{
	return n > 0 ? (long)(next(state) % (uint64_t)n) : 0;
}

/* ---- the function ---- */

typedef struct {
	uint32_t call;
	char key[24];
	int err;
} job;

static void crash_if(long when)
{
	if (set.crash == when)
		raise(SIGKILL);
}

static void become_another(void)
{
	execl("/bin/sleep", "sleep", "60", (char *)NULL);
	abort();
}

static void burn(long ms)
{
	weft_time end = weft_now() + WEFT_MS(ms);

	while (weft_now() < end)
		;
}

static void add_payload(weft_fleet_run *run, const job *j, uint64_t *sum)
{
	size_t size = (size_t)set.size;
	char *text = malloc(size + 1);
	size_t n;

	if (text == NULL)
		abort();
	memset(text, '.', size);
	n = (size_t)snprintf(text, size + 1, "%s %" PRIu64 " %s", j->key,
			     weft_fleet_run_token(run), self);
	if (n < size)
		text[n] = '.';
	*sum = sum_of(text, size);
	if (weft_fleet_run_add(run, text, size) != 0)
		abort();
	free(text);
}

/*
 * What a unique key in a database does: the effect of a key happens once, in one
 * step with the note of it. The resource is a file for each key: LOG.KEY.
 */
static void have_effect(const job *j, uint64_t token)
{
	char path[512];
	uint64_t before = 0;
	bool applied;
	int fd;

	snprintf(path, sizeof path, "%s.%s", log_path, j->key);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || flock(fd, LOCK_EX) != 0)
		abort();
	applied = pread(fd, &before, sizeof before, 0) != sizeof before;
	if (applied && pwrite(fd, &token, sizeof token, 0) != sizeof token)
		abort();
	note(j->call, j->key, "effect e=%" PRIu64 " applied=%d", token, applied);
	close(fd);
}

static int work(weft_ctx *ctx, void *arg, weft_fleet_run *run)
{
	const job *j = arg;
	uint64_t token = weft_fleet_run_token(run), sum;
	int err = j->err;

	note(j->call, j->key, "start e=%" PRIu64 " n=%d", token,
	     weft_fleet_run_takeovers(run));
	crash_if(1);
	if (weft_sleep(set.deaf ? NULL : ctx, WEFT_MS(set.sleep_ms)) != 0) {
		note(j->call, j->key, "lost e=%" PRIu64 " cause=%d", token,
		     weft_ctx_cause(ctx));
		if (set.obey)
			err = -ECANCELED;
	}
	burn(set.burn_ms);
	if (set.effect)
		have_effect(j, token);
	add_payload(run, j, &sum);
	note(j->call, j->key, "end e=%" PRIu64 " sum=%" PRIx64 " err=%d held=%d",
	     token, sum, err, weft_fleet_run_held(run));
	crash_if(2);
	if (set.crash == 4)
		become_another();
	return err;
}

/* ---- the callers ---- */

typedef struct {
	weft_fleet *fleet;
	weft_waitgroup *all;
	long number;
} caller;

static void tell_answer(const job *j, int err, const weft_bytes *b,
			const weft_fleet_info *i)
{
	if (!i->answered) {
		note(j->call, j->key, "give_up err=%d kept=%d unstored=%d", err,
		     i->kept, i->unstored);
		return;
	}
	note(j->call, j->key,
	     "accept e=%" PRIu64 " sum=%" PRIx64
	     " err=%d led=%d shared=%d kept=%d stale=%d unstored=%d alone=%d",
	     i->token, sum_of(b->data, b->size), err, i->led, i->shared,
	     i->kept, i->stale, i->unstored, i->alone);
}

static void make_call(caller *c, uint64_t *dice)
{
	job j = {.call = weft_atomic_add(&last_call, 1, relaxed) + 1};
	bool leaves = below(dice, 100) < set.cancel_pct;
	weft_fleet_call call = {
		.fn = work, .arg = &j, .arg_size = sizeof j,
		.mode = (enum weft_fleet_mode)set.mode,
		.keep = WEFT_MS(set.keep_ms), .stale = WEFT_MS(set.stale_ms),
		.max_run = WEFT_MS(set.max_run_ms),
		.max_takeovers = (int)set.max_takeovers,
		.at_most_once = set.at_most_once,
		.down = set.down_run ? WEFT_FLEET_DOWN_RUN : WEFT_FLEET_DOWN_FAIL,
	};
	weft_fleet_info info = {0};
	weft_bytes bytes = {0};
	weft_ctx ctx;
	int err;

	snprintf(j.key, sizeof j.key, "k%ld", below(dice, set.keys));
	call.key = weft_key_str(j.key);
	if (below(dice, 100) < set.forget_pct) {
		note(j.call, j.key, "forget err=%d",
		     weft_fleet_forget(c->fleet, NULL, call.key));
		return;
	}
	if (set.cancels) {
		note(j.call, j.key, "cancel err=%d",
		     weft_fleet_cancel(c->fleet, NULL, call.key, 0));
		return;
	}
	j.err = below(dice, 100) < set.fail_pct ? 7 : 0;
	weft_ctx_init_timeout(&ctx, NULL,
			      WEFT_MS(leaves ? below(dice, 50) : set.wait_ms));
	note(j.call, j.key, "call leaves=%d", leaves);
	err = set.passive ? weft_fleet_wait(c->fleet, &ctx, call.key, &bytes, &info)
			  : weft_fleet_do(c->fleet, &ctx, &call, &bytes, &info);
	tell_answer(&j, err, &bytes, &info);
	weft_bytes_release(&bytes);
	weft_ctx_fini(&ctx);
	crash_if(3);
}

static weft_fleet_gate gate;

static void pass_gate(void)
{
	uint32_t call = weft_atomic_add(&last_call, 1, relaxed) + 1;
	weft_fleet_pass pass;
	weft_ctx ctx;
	int err;

	weft_ctx_init_timeout(&ctx, NULL, WEFT_MS(set.wait_ms));
	note(call, "gate", "call leaves=0");
	err = weft_fleet_gate_lock(&gate, &ctx, &pass);
	if (err == 0) {
		note(call, "gate", "in e=%" PRIu64 " seq=%" PRIu64, pass.token,
		     pass.seq);
		(void)weft_sleep(NULL, WEFT_MS(set.sleep_ms));
		note(call, "gate", "out held=%d", weft_fleet_gate_held(&gate));
		weft_fleet_gate_unlock(&gate);
		note(call, "gate", "out_of_it");
	} else {
		note(call, "gate", "give_up err=%d kept=0 unstored=0", err);
	}
	weft_ctx_fini(&ctx);
}

static void make_calls(void *arg)
{
	caller *c = arg;
	uint64_t dice = (uint64_t)set.seed * 1000003 + (uint64_t)c->number;

	for (long i = 0; i < set.calls; i++) {
		if (set.gate)
			pass_gate();
		else
			make_call(c, &dice);
		if (set.pause_ms != 0)
			(void)weft_sleep(NULL, WEFT_MS(below(&dice, set.pause_ms)));
	}
	weft_waitgroup_done(c->all);
}

static void *make_calls_in_thread(void *arg)
{
	make_calls(arg);
	return NULL;
}

static void spin(void *arg)
{
	(void)arg;
	while (!weft_atomic_load(&over, relaxed))
		burn(1);
}

/* ---- the process ---- */

static void read_setting(const char *text)
{
	size_t length = strcspn(text, "=");

	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		if (strlen(names[i].name) == length &&
		    strncmp(names[i].name, text, length) == 0 &&
		    text[length] == '=') {
			*names[i].value = strtol(text + length + 1, NULL, 10);
			return;
		}
	}
	fprintf(stderr, "worker: no such setting: %s\n", text);
	exit(2);
}

/* As a program does that uses OpenSSL itself; with an error of a file. */
static void leave_foreign_error(void)
{
	void (*begin)(void) = dlsym(RTLD_DEFAULT, "ERR_new");
	void (*end)(int, int, const char *, ...) =
		dlsym(RTLD_DEFAULT, "ERR_set_error");

	if (begin == NULL || end == NULL)
		abort();
	begin();
	end(2, ENOENT, NULL);
}

static void warn(void *arg, const char *line)
{
	(void)arg;
	if (set.foreign)
		leave_foreign_error();
	fprintf(stderr, "%s: %s\n", self, line);
}

static void begin(caller *c)
{
	pthread_t thread;

	if (c->number >= set.threads) {
		if (weft_go(make_calls, c) != 0)
			abort();
	} else if (pthread_create(&thread, NULL, make_calls_in_thread, c) != 0 ||
		   pthread_detach(thread) != 0) {
		abort();
	}
}

static int run_all(void *arg)
{
	weft_fleet *fleet = arg;
	caller *callers = calloc((size_t)set.tasks, sizeof *callers);
	weft_waitgroup all = {0};

	if (callers == NULL)
		abort();
	for (long i = 0; i < set.spin_tasks; i++)
		if (weft_go(spin, NULL) != 0)
			abort();
	for (long i = 0; i < set.tasks; i++) {
		callers[i] = (caller){fleet, &all, i};
		weft_waitgroup_add(&all, 1);
		begin(&callers[i]);
	}
	weft_waitgroup_wait(&all);
	weft_atomic_store(&over, true, relaxed);
	free(callers);
	return 0;
}

static void tell_counters(weft_fleet *fleet)
{
	weft_fleet_counters n;

	weft_fleet_count(fleet, &n);
	note(0, "*", "counters commands=%" PRIu64 " down=%" PRIu64
	     " led=%" PRIu64 " took_over=%" PRIu64 " lost=%" PRIu64
	     " missed=%" PRIu64 " unstored=%" PRIu64, n.commands, n.down, n.led,
	     n.took_over, n.lost, n.missed, n.unstored);
}

int main(int argc, char **argv)
{
	weft_fleet_options options = {.warn = warn};
	weft_fleet *fleet;
	int err;

	if (argc < 4) {
		fprintf(stderr, "usage: worker URL LOG NAME [name=number…]\n");
		return 2;
	}
	log_path = argv[2];
	self = argv[3];
	for (int i = 4; i < argc; i++)
		read_setting(argv[i]);
	log_fd = open(argv[2], O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	options.lease = WEFT_MS(set.lease_ms);
	options.grace = WEFT_MS(set.grace_ms);
	err = weft_fleet_open(&fleet, argv[1], &options);
	if (log_fd < 0 || err != 0) {
		fprintf(stderr, "worker: %s\n", strerror(err ? -err : errno));
		return 1;
	}
	if (weft_fleet_gate_init(&gate, fleet, weft_key_str("gate")) != 0)
		abort();
	weft_run(run_all, fleet);
	weft_fleet_gate_fini(&gate);
	tell_counters(fleet);
	while (set.hold)
		pause();
	weft_fleet_close(fleet);
	note(0, "*", "bye");
	return 0;
}
