/* SPDX-License-Identifier: MIT */
/*
 * Dumps, and counters.
 *
 * A signal's dump is made by the monitor: a thread of our own, which no task
 * runs on, so that it may take the locks that a handler may not. The handler
 * sets a flag and wakes it. While it writes, nobody looks after the timers of
 * plain threads and the workers that are stuck: so it gives up where nobody
 * reads.
 */
#include "sched/dump.h"

#include "plat/file.h"
#include "plat/pages.h"
#include "plat/signal.h"
#include "sched/fork.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	GROUPS = 512,		/* different stacks; what is over is counted */
	SHOWN = 8,		/* of a group, by number */
	PATIENCE_MS = 1000,	/* with who reads a signal's dump */
};

/* ---- text ---- */

void weft__print_flush(weft__out *out)
{
	if (out->hurried && !out->lost)
		out->lost = !weft__file_has_room(out->fd, PATIENCE_MS);
	if (!out->lost)
		(void)weft__file_write(out->fd, out->text, out->length);
	out->length = 0;
}

void weft__print(weft__out *out, const char *format, ...)
{
	va_list args;
	int length;

	if (sizeof out->text - out->length < 512)
		weft__print_flush(out);
	va_start(args, format);
	length = vsnprintf(out->text + out->length,
			   sizeof out->text - out->length, format, args);
	va_end(args);
	if (length > 0)
		out->length += (size_t)length;
	if (out->length >= sizeof out->text)
		out->length = sizeof out->text - 1;
}

void weft__print_who(weft__out *out, uint32_t mark, const char *name)
{
	if (mark & (uint32_t)1 << 31)
		weft__print(out, "thread %" PRIu32, mark & ~((uint32_t)1 << 31));
	else
		weft__print(out, "task %" PRIu32, mark);
	if (name[0] != 0)
		weft__print(out, " \"%s\"", name);
}

void weft__print_wait(weft__out *out, const weft__why *why, const void *object)
{
	weft__print(out, "%s", why->text);
	if (why->object == WEFT__OF_DESCRIPTOR)
		weft__print(out, " %d", (int)(intptr_t)object);
	else if (object != NULL)
		weft__print(out, " at %p", object);
}

void weft__print_age(weft__out *out, weft_duration age)
{
	if (age < 10 * WEFT_SECOND)
		weft__print(out, "%" PRId64 " ms", age > 0 ? age / WEFT_MS(1) : 0);
	else if (age < 600 * WEFT_SECOND)
		weft__print(out, "%" PRId64 " s", age / WEFT_SECOND);
	else
		weft__print(out, "%" PRId64 " min", age / (60 * WEFT_SECOND));
}

/* ---- those with the same stack ---- */

typedef struct {
	uint64_t hash;		/* of what all of them have in common; 0: free */
	size_t count;
	weft_time first;	/* they wait since then … */
	weft_time last;		/* … and then */
	bool same_object;
	weft__person someone;
	struct {
		uint32_t mark;
		char name[sizeof((weft__person *)NULL)->name];
	} shown[SHOWN];
} group;

typedef struct {
	weft__person person;
	weft__symbols symbols;
	bool still;
	size_t counts[3];	/* of tasks, by state */
	size_t threads;
	size_t left_out;
	group groups[GROUPS];
} dump;

static uint64_t mix(uint64_t hash, uint64_t value)
{
	return (hash ^ value) * 0x9e3779b97f4a7c15u ^ hash >> 29;
}

static uint64_t hash_of(const weft__person *p)
{
	uint64_t hash = mix((uint64_t)p->state + 1, p->is_thread);

	hash = mix(hash, (uintptr_t)p->site);
	hash = mix(hash, (uintptr_t)p->why);
	for (size_t i = 0; i < p->frame_count; i++)
		hash = mix(hash, (uintptr_t)p->frames[i]);
	return hash != 0 ? hash : 1;
}

static bool fits(const group *g, const weft__person *p, uint64_t hash)
{
	const weft__person *q = &g->someone;

	return g->hash == hash && q->state == p->state &&
	       q->is_thread == p->is_thread && q->site == p->site &&
	       q->why == p->why && q->frame_count == p->frame_count &&
	       memcmp(q->frames, p->frames,
		      p->frame_count * sizeof p->frames[0]) == 0;
}

static group *group_for(dump *d, const weft__person *p)
{
	uint64_t hash = hash_of(p);

	for (size_t i = 0; i < GROUPS; i++) {
		group *g = &d->groups[(hash + i) % GROUPS];

		if (g->hash == 0) {
			g->hash = hash;
			g->someone = *p;
			g->first = g->last = p->since;
			g->same_object = true;
			return g;
		}
		if (fits(g, p, hash))
			return g;
	}
	return NULL;
}

static void add(const weft__person *p, void *dump_)
{
	dump *d = dump_;
	group *g = group_for(d, p);

	if (p->is_thread)
		d->threads++;
	else
		d->counts[p->state]++;
	if (g == NULL) {
		d->left_out++;
		return;
	}
	if (g->count < SHOWN) {
		g->shown[g->count].mark = p->mark;
		memcpy(g->shown[g->count].name, p->name, sizeof p->name);
	}
	g->count++;
	g->same_object &= p->object == g->someone.object;
	if (p->since < g->first)
		g->first = p->since;
	if (p->since > g->last)
		g->last = p->since;
}

/* ---- printing them ---- */

static const char *plural(size_t n)
{
	return n == 1 ? "" : "s";
}

static const char *third_person(size_t n)
{
	return n == 1 ? "s" : "";
}

static void print_since(weft__out *out, const group *g)
{
	weft_time now = weft_now();

	if (g->first == 0)
		return;
	weft__print(out, ", for ");
	weft__print_age(out, now - g->first);
	if (g->last - g->first >= WEFT_MS(1)) {
		weft__print(out, "; the last for ");
		weft__print_age(out, now - g->last);
	}
}

static void print_told(weft__out *out, const dump *d, const group *g)
{
	weft__told told;

	if (g->same_object && weft__census_tell(&g->someone, d->still, &told) &&
	    told.text[0] != 0)
		weft__print(out, " (%s)", told.text);
}

static void print_state(weft__out *out, const dump *d, const group *g)
{
	const weft__person *p = &g->someone;

	weft__print(out, "\n%zu %s%s ", g->count, p->is_thread ? "thread" : "task",
		    plural(g->count));
	if (p->state == WEFT__RUNS) {
		weft__print(out, "run%s", third_person(g->count));
		return;
	}
	if (p->state == WEFT__READY)
		weft__print(out, "%s ready, after: ", g->count == 1 ? "is" : "are");
	else
		weft__print(out, "wait%s: ", third_person(g->count));
	weft__print_wait(out, p->why, g->same_object ? p->object : NULL);
	if (!g->same_object)
		weft__print(out, " at various");
	print_told(out, d, g);
	print_since(out, g);
}

static void print_marks(weft__out *out, const group *g)
{
	size_t shown = g->count < SHOWN ? g->count : SHOWN;

	weft__print(out, "\n    ");
	for (size_t i = 0; i < shown; i++) {
		weft__print(out, "%s%" PRIu32, i > 0 ? ", " : "",
			    g->shown[i].mark & ~((uint32_t)1 << 31));
		if (g->shown[i].name[0] != 0)
			weft__print(out, " \"%s\"", g->shown[i].name);
	}
	if (g->count > shown)
		weft__print(out, " and %zu more", g->count - shown);
	weft__print(out, "\n");
}

static void print_frames(weft__out *out, dump *d, const group *g)
{
	const weft__person *p = &g->someone;
	char text[256];

	if (!p->is_thread) {
		weft__symbols_describe(&d->symbols, p->site, text, sizeof text);
		weft__print(out, "    started at %s\n", text);
	}
	/* The first is in the scheduler, which everybody has come through. */
	for (size_t i = 1; i < p->frame_count; i++) {
		weft__symbols_describe(&d->symbols, p->frames[i], text,
				       sizeof text);
		weft__print(out, "    %s\n", text);
	}
}

static size_t not_begun(const dump *d)
{
	size_t begun = 0, all = weft_task_count();

	for (size_t i = 0; i < 3; i++)
		begun += d->counts[i];
	return all > begun ? all - begun : 0;
}

static void print_counts(weft__out *out, const dump *d)
{
	size_t fresh = not_begun(d);
	size_t all = d->counts[WEFT__WAITS] + d->counts[WEFT__READY] +
		     d->counts[WEFT__RUNS] + fresh;

	weft__print(out, "weft: %zu task%s: %zu wait%s, %zu %s ready, %zu run%s, "
			 "%zu %s not begun",
		    all, plural(all), d->counts[WEFT__WAITS],
		    third_person(d->counts[WEFT__WAITS]), d->counts[WEFT__READY],
		    d->counts[WEFT__READY] == 1 ? "is" : "are",
		    d->counts[WEFT__RUNS], third_person(d->counts[WEFT__RUNS]),
		    fresh, fresh == 1 ? "has" : "have");
	if (d->threads > 0)
		weft__print(out, "; %zu plain thread%s", d->threads,
			    plural(d->threads));
	weft__print(out, "\n");
}

static int by_count(const void *a, const void *b)
{
	const group *g = a, *h = b;

	return g->count != h->count ? (g->count < h->count ? 1 : -1) : 0;
}

void weft__dump_all(weft__out *out, bool still)
{
	dump *d = weft__pages_map(sizeof *d);

	if (d == NULL) {
		weft__print(out, "weft: no memory for a dump\n");
		return;
	}
	d->still = still;
	weft__census(&d->person, add, d);
	print_counts(out, d);
	qsort(d->groups, GROUPS, sizeof d->groups[0], by_count);
	for (size_t i = 0; i < GROUPS && d->groups[i].count > 0; i++) {
		print_state(out, d, &d->groups[i]);
		print_marks(out, &d->groups[i]);
		print_frames(out, d, &d->groups[i]);
	}
	if (d->left_out > 0)
		weft__print(out, "\nand %zu with other stacks\n", d->left_out);
	weft__symbols_close(&d->symbols);
	weft__pages_unmap(d, sizeof *d);
}

static void write_dump(weft__out *out)
{
	if (weft__forked()) {
		weft__print(out, "weft: no tasks in the child of a fork\n");
	} else {
		weft__dump_all(out, false);
		weft__graph_print(out, false);
	}
	weft__print_flush(out);
}

void weft_dump(int fd)
{
	write_dump(&(weft__out){.fd = fd});
}

/* ---- by a signal ---- */

static uint32_t asked;

/* In a signal handler: stores, and a system call. */
static void ask(void)
{
	weft_atomic_store(&asked, 1, seq_cst);
	weft__monitor_rouse();
}

int weft_dump_on_signal(int number)
{
	return weft__signal_watch(number, ask);
}

bool weft__dump_is_asked(void)
{
	return weft_atomic_load(&asked, seq_cst);
}

void weft__dump_if_asked(void)
{
	if (unlikely(weft_atomic_load(&asked, relaxed)) &&
	    weft_atomic_xchg(&asked, 0, acquire))
		write_dump(&(weft__out){.fd = 2, .hurried = true});
}

static void watch_signal(void)
{
	const char *name = getenv("WEFT_DUMP_SIGNAL");
	int err;

	if (name == NULL || *name == 0)
		return;
	err = weft_dump_on_signal(weft__signal_number(name));
	if (err == -EBUSY)
		fprintf(stderr, "weft: WEFT_DUMP_SIGNAL=%s: the program has a "
				"handler of its own for it\n", name);
	else if (err != 0)
		fprintf(stderr, "weft: WEFT_DUMP_SIGNAL=%s is no signal that can "
				"be handled\n", name);
}

void weft__dump_prepare(void)
{
	static bool prepared;

	if (prepared)
		return;
	prepared = true;
	watch_signal();
	weft__deadlock_prepare();
}

/* ---- counters ---- */

static void add_worker(weft_stats *stats, const weft__worker *w)
{
	stats->started += weft_atomic_load(&w->started, relaxed);
	stats->ended += weft_atomic_load(&w->ended, relaxed);
	stats->steals += weft_atomic_load(&w->steals, relaxed);
	stats->stolen += weft_atomic_load(&w->stolen_tasks, relaxed);
	stats->sleeps += weft_atomic_load(&w->sleeps, relaxed);
}

void weft_stats_get(weft_stats *stats)
{
	uint32_t count = weft_atomic_load(&weft__rt.worker_count, acquire);

	*stats = (weft_stats){.started = weft__started_outside()};
	for (uint32_t i = 0; i < count; i++)
		add_worker(stats, weft__rt.workers[i]);
	weft__lock_take(&weft__rt.lock);
	stats->workers = weft__rt.live_count;
	stats->idle = weft__rt.idle_count;
	stats->stuck = weft__rt.stuck_count;
	weft__lock_drop(&weft__rt.lock);
	stats->stacks = (uint32_t)weft__stack_count();
}
