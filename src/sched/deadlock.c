/* SPDX-License-Identifier: MIT */
/*
 * Deadlocks and leaks.
 *
 * K1  It is a deadlock if nobody runs and nobody will. Every thread of the
 *     process is accounted for: a worker that sleeps, the monitor, which looks,
 *     the poller with nobody to wake, or a thread that is parked with no
 *     deadline and is not claimed. No queue has a task, no timer is armed. A
 *     thread that is anywhere else, in a system call or in somebody's library,
 *     may come and wake somebody: then it is none.
 * K2  That is looked at piece by piece, and meanwhile a thread may run that was
 *     not looked at yet, and sleep when it is. Whoever runs changes a count
 *     that never goes back: a worker its tick, as it takes a task, a plain
 *     thread that of those which have parked, as it parks. So all is looked at
 *     twice, and if no count has changed nobody ran from the end of the first
 *     look to the beginning of the second: it was so at one moment, and then
 *     there was nobody left who could have changed it.
 *     Tempting and wrong: one look. A thread wakes a task after the workers
 *     were looked at, and parks before the threads are.
 * K3  The monitor looks when all workers have been asleep for a while, and
 *     sleeps then. Should a worker wake it does not sleep; should the last that
 *     runs be a plain thread, who parks after the look, that thread tells the
 *     monitor, which waits a little and looks again. Whoever parks has locked
 *     his shard before he reads the monitor's word, and the monitor locks each
 *     after it has set the word: so either the thread reads that the monitor
 *     sleeps, or the monitor sees it parked. A look that ends before the shards
 *     has found a timer, a descriptor or a worker, which will have it look anew.
 * K4  A task that waits and finds no stack to leave parks its thread. Once there is
 *     no other thread to be had either, it is the same if all workers have parked,
 *     as plain threads do, and whatever is in the queues: nobody takes it out. It
 *     may end yet, with memory that comes back. So it is said in a line, and later.
 */
#include "sched/dump.h"
#include "sched/poller.h"
#include "sched/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum { REPORT, ABORT, OFF } policy;

void weft__deadlock_prepare(void)
{
	const char *text = getenv("WEFT_DEADLOCK");

	if (text == NULL || *text == 0 || strcmp(text, "report") == 0)
		policy = REPORT;
	else if (strcmp(text, "abort") == 0)
		policy = ABORT;
	else if (strcmp(text, "off") == 0)
		policy = OFF;
	else
		fprintf(stderr, "weft: WEFT_DEADLOCK=%s is none of report, abort, "
				"off\n", text);
}

/* ---- deadlocks ---- */

typedef struct {
	uint64_t ticks;
	uint64_t entered;
	size_t threads;		/* parked, with no deadline */
	bool all_parked;
	weft__person person;
} look;

static bool workers_sleep(size_t *own)
{
	bool asleep;

	weft__lock_take(&weft__rt.lock);
	asleep = weft__rt.idle_count == weft__rt.live_count &&
		 weft__rt.stuck_count == 0 &&
		 !weft_atomic_load(&weft__rt.stopping, relaxed);
	*own = weft__rt.live_count;
	weft__lock_drop(&weft__rt.lock);
	return asleep && !weft__runtime_has_work(NULL);
}

static uint64_t sum_of_ticks(void)
{
	uint32_t count = weft_atomic_load(&weft__rt.worker_count, acquire);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < count; i++)
		sum += weft_atomic_load(&weft__rt.workers[i]->tick, seq_cst);
	return sum;
}

static void look_at(const weft__person *p, void *look_)
{
	look *l = look_;

	if (p->is_thread)
		l->threads++;
	l->all_parked &= p->state == WEFT__WAITS && p->deadline == WEFT_NEVER;
}

/* K1, K4. The cheap questions first: most programs that are idle end there. */
static bool nobody_runs(look *l)
{
	bool starves = weft__runtime_starves();
	size_t own = 0, poller;

	if (weft__timers_next() != WEFT_NEVER || weft__poller_waits(&poller) ||
	    (!starves && !workers_sleep(&own)))
		return false;
	l->ticks = sum_of_ticks();
	l->entered = weft__census_entered();
	l->threads = 0;
	l->all_parked = true;
	weft__census_threads(&l->person, look_at, l);
	return l->all_parked && l->threads > 0 &&
	       weft__thread_count() == own + poller + l->threads + 1;
}

static void report(void)
{
	weft__out out = {.fd = 2};

	if (weft__runtime_starves()) {
		weft__print(&out, "weft: out of memory or threads: all wait, and "
				  "those that are to run get neither a stack "
				  "nor a thread\n");
	} else {
		weft__print(&out, "weft: deadlock: all wait, and nothing is left "
				  "that could wake anybody\n");
		weft__dump_all(&out, true);
		weft__graph_print(&out, true);
	}
	weft__print_flush(&out);
	if (policy == ABORT) {
		weft__trace_close();
		abort();
	}
}

/* K2 */
void weft__deadlock_look(void)
{
	static look first, second;
	static uint64_t reported_ticks, reported_entered;

	if (policy == OFF || !nobody_runs(&first) || !nobody_runs(&second) ||
	    first.ticks != second.ticks || first.entered != second.entered)
		return;
	if (first.ticks == reported_ticks && first.entered == reported_entered)
		return;
	reported_ticks = first.ticks;
	reported_entered = first.entered;
	report();
}

/* ---- leaks ---- */

enum { LEAKS_SHOWN = 100 };

typedef struct {
	weft__out out;
	weft__symbols symbols;
	size_t shown;
	weft__person person;
} leaks;

static void report_leak(const weft__person *p, void *leaks_)
{
	leaks *l = leaks_;
	weft__told told;
	char site[256];

	if (l->shown == LEAKS_SHOWN || p->is_thread || p->state != WEFT__WAITS)
		return;
	l->shown++;
	weft__symbols_describe(&l->symbols, p->site, site, sizeof site);
	weft__print(&l->out, "weft: leaked task \"%s\", started at %s, waits: ",
		    p->name[0] != 0 ? p->name : "unnamed", site);
	weft__print_wait(&l->out, p->why, p->object);
	/* Plain threads may run, and wake it at any moment. */
	if (weft__census_tell(p, false, &told) && told.text[0] != 0)
		weft__print(&l->out, " (%s)", told.text);
	weft__print(&l->out, ", for ");
	weft__print_age(&l->out, weft_now() - p->since);
	weft__print(&l->out, "\n");
}

void weft__leaks_report(void)
{
	size_t count = weft_task_count();
	leaks l = {.out.fd = 2};

	if (count == 0)
		return;
	weft__census(&l.person, report_leak, &l);
	if (count > l.shown)	/* or nothing could be seen of them */
		weft__print(&l.out, "weft: %zu %sleaked task%s\n",
			    count - l.shown, l.shown > 0 ? "more " : "",
			    count - l.shown == 1 ? "" : "s");
	weft__symbols_close(&l.symbols);
	weft__print_flush(&l.out);
}
