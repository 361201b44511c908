/* SPDX-License-Identifier: MIT */
/*
 * An explorer of what C11 allows a small program to do: every execution of it
 * under RC11 (Lahav et al., "Repairing sequential consistency in C/C++11", PLDI
 * 2017), each once, by the search of TruSt (Kokologiannakis et al., "Truly
 * stateless, optimal dynamic partial order reduction", POPL 2022).
 *
 * The program is compiled with -fsanitize=thread and linked with this file in
 * place of the sanitizer's runtime: so the text under test is the text that
 * ships, its atomics with their orders and its plain accesses too. Its threads
 * are coroutines.
 *
 * An execution is a graph: the events of each thread in program order, for each
 * read the write that it reads from (rf), for each location the order of its
 * writes (mo). The program runs forward, the lowest thread that can first, and
 * adds events; where a read has several writes to read from, or a write several
 * places in mo, the graphs not taken are kept for later, and so are those in
 * which an earlier read reads from the new write (a revisit: what came after
 * that read and not before the write is forgotten). A kept graph is run from
 * the start: the events that it has are repeated, then it goes on.
 *
 * X1  hb, what happens before an event, is a clock: for each thread, how many of
 *     its events do. So is porf, program order and reads-from together, which
 *     is acyclic here: no read sees a value that depends on it (no load
 *     buffering, as in RC11).
 * X2  A release sequence is a write and the read-modify-writes that follow, as
 *     in C++20; C11's, which goes on with later writes of the same thread, makes
 *     more happen before, so what is found right here is right there.
 * X3  A plain access is no event. Memory holds for each location what is last
 *     in mo; whoever reads it plainly must be ordered after every write, or
 *     that is a race, and reported. A plain write begins the location anew: its
 *     history is another location's.
 * X4  A thread that waits for a value and has read another one is blocked there.
 *     With everybody blocked on what is last in mo, that is a deadlock; with
 *     somebody blocked on older values it is no execution: time would show it
 *     the newer one.
 *
 * With -n it is naive: any thread may add the next event, nothing is revisited,
 * and graphs met twice are left. That needs no proof but far more time, and is
 * there to compare with.
 */
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "explore.h"

#undef main

enum {
	THREADS = 6,
	EVENTS = 512,		/* of a thread */
	LOCATIONS = 192,
	WRITES = 48,		/* to a location */
	SC_EVENTS = 64,
	STACK_BYTES = 1 << 16,
	BYTES = 1 << 16,	/* of memory that are looked at, a power of two */
	HEAP_BYTES = 1 << 14,	/* for each thread: the same in all runs */
	SEEN = 1 << 22,
	INIT = -1,		/* the write that nobody made */
	NOWHERE = 0xffff,	/* the location of what is no access */
	NOBODY = -1,
};

typedef enum { READ, WRITE, CREATE, BEGIN, END, JOIN, CHOICE } event_kind;
typedef enum { LOAD, XCHG, ADD, SUB, OR, AND, CAS } update_kind;

typedef struct {
	uint64_t value;
	uint64_t expected;	/* of a CAS */
	const void *place;	/* in the program */
	uint16_t hb[THREADS];	/* X1: its own thread's counts itself */
	uint16_t porf[THREADS];
	uint16_t sync[THREADS];	/* of a write: hb of whom it releases; X2 */
	int16_t rf;		/* of a read, a begin, a join */
	uint16_t location;
	uint16_t stamp;		/* in the order of adding */
	uint8_t kind;
	uint8_t update;		/* of a read */
	uint8_t order;		/* __ATOMIC_… */
	uint8_t order_failed;	/* of a CAS */
	bool exclusive;		/* a write by a read-modify-write */
} event;

typedef struct {
	const void *address;
	uint32_t life;		/* X3 */
	uint32_t size;
	uint64_t initial;
	int count;
	int16_t mo[WRITES];
} location;

typedef struct {
	int count[THREADS];
	int stamp;
	int locations;
	int scheduled;		/* naive: who adds the next event, or NOBODY */
	event events[THREADS][EVENTS];
	location location[LOCATIONS];
} graph;

/* A graph for later, without what is empty. */
typedef struct kept kept;
struct kept {
	kept *below;
	char bytes[];
};

typedef enum { ABSENT, WANTS, BLOCKED, FINISHED } thread_state;

typedef struct {
	ucontext_t first;	/* how it begins … */
	jmp_buf context;	/* … and goes on, without asking the kernel */
	bool begun;
	char *stack;
	thread_state state;
	void *(*fn)(void *);
	void *arg;
	int16_t created;	/* the event */
	int waits_for;		/* a thread to end, or NOBODY */
	int done;		/* events of this run, repeated or new */
} thread;

/* What is known of a byte of memory in this run. */
typedef struct {
	const char *address;
	uint32_t run;
	uint32_t life;
	int16_t location;	/* of the accesses that begin here, or -1 */
	bool changed;		/* plainly, since the last atomic access */
	bool freed;
	uint8_t users;		/* threads, a bit each */
	/* The last access, as the number of events of its thread until then. */
	uint16_t written[THREADS];
	uint16_t read[THREADS];
	uint16_t stored[THREADS];	/* atomically */
	uint16_t loaded[THREADS];
} byte;

typedef struct {
	graph now, other;
	thread threads[THREADS];
	byte bytes[BYTES];
	jmp_buf scheduler;
	int current;
	int left;		/* events of now that this run has not come to */
	bool dropped;		/* this run leads nowhere */
	kept *later;
	uint32_t run;
	uint64_t complete, blocked;
	char *image;		/* the program's variables, as they were */
	char *heap;
	size_t heap_used[THREADS];
	bool naive;
	uint64_t *seen;		/* naive: the hashes of graphs */
	uint64_t sum;		/* of the hashes of the complete ones */
	uint64_t outcomes;	/* seen, a bit each */
} explorer;

static explorer *x;

extern char __data_start[], _end[];

int program(void);

/* ---- events ---- */

static int16_t id_of(int t, int index)
{
	return (int16_t)(t * EVENTS + index);
}

static int thread_of(int16_t id)
{
	return id / EVENTS;
}

static int index_of(int16_t id)
{
	return id % EVENTS;
}

static event *at(graph *g, int16_t id)
{
	return &g->events[thread_of(id)][index_of(id)];
}

/* Is f, one of g's, covered by the clock? */
static bool knows(const uint16_t clock[THREADS], int16_t f)
{
	return clock[thread_of(f)] > index_of(f);
}

static void merge(uint16_t clock[THREADS], const uint16_t with[THREADS])
{
	for (int t = 0; t < THREADS; t++)
		if (clock[t] < with[t])
			clock[t] = with[t];
}

static bool acquires(int order)
{
	return order == __ATOMIC_ACQUIRE || order == __ATOMIC_ACQ_REL ||
	       order == __ATOMIC_SEQ_CST;
}

static bool releases(int order)
{
	return order == __ATOMIC_RELEASE || order == __ATOMIC_ACQ_REL ||
	       order == __ATOMIC_SEQ_CST;
}

static bool cas_fails(const event *e)
{
	return e->update == CAS && e->value != e->expected;
}

static int read_order(const event *e)
{
	return cas_fails(e) ? e->order_failed : e->order;
}

static bool is_sc(const event *e)
{
	return (e->kind == READ && read_order(e) == __ATOMIC_SEQ_CST) ||
	       (e->kind == WRITE && e->order == __ATOMIC_SEQ_CST);
}

/* Where in its location's mo a write stands; INIT before all. */
static int place_of(const location *l, int16_t write)
{
	int i = l->count - 1;

	while (i >= 0 && l->mo[i] != write)
		i--;
	return write == INIT ? -1 : i;
}

/* The place in mo that an access shows. */
static int place_shown(graph *g, int16_t id)
{
	event *e = at(g, id);

	return place_of(&g->location[e->location],
			e->kind == WRITE ? id : e->rf);
}

/* What e, at the end of its thread, has before it, without what it reads from. */
static void set_clocks(graph *g, int16_t id)
{
	event *e = at(g, id);
	int t = thread_of(id), index = index_of(id);

	memset(e->hb, 0, sizeof e->hb);
	memset(e->porf, 0, sizeof e->porf);
	memset(e->sync, 0, sizeof e->sync);
	if (index > 0) {
		memcpy(e->hb, e[-1].hb, sizeof e->hb);
		memcpy(e->porf, e[-1].porf, sizeof e->porf);
	}
	e->hb[t] = e->porf[t] = (uint16_t)(index + 1);
}

/* A begin or a join is after what it refers to. */
static void set_after(graph *g, int16_t id, int16_t before)
{
	event *e = at(g, id);

	e->rf = before;
	merge(e->hb, at(g, before)->hb);
	merge(e->porf, at(g, before)->porf);
}

static void set_rf(graph *g, int16_t id, int16_t write)
{
	event *e = at(g, id);

	set_clocks(g, id);
	e->rf = write;
	e->value = write == INIT ? g->location[e->location].initial
				 : at(g, write)->value;
	if (write == INIT)
		return;
	merge(e->porf, at(g, write)->porf);
	if (acquires(read_order(e)))
		merge(e->hb, at(g, write)->sync);
}

static void set_write(graph *g, int16_t id)
{
	event *e = at(g, id);

	set_clocks(g, id);
	if (releases(e->order))
		memcpy(e->sync, e->hb, sizeof e->sync);
	if (e->exclusive && e[-1].rf != INIT)
		merge(e->sync, at(g, e[-1].rf)->sync);	/* X2 */
}

/* ---- consistency ---- */

/* The newest write of its location that an access knows of: coherence. */
static int newest_known(graph *g, int16_t id)
{
	const event *e = at(g, id);
	int newest = -1;

	for (int t = 0; t < THREADS; t++) {
		for (int i = 0; i < e->hb[t]; i++) {
			const event *f = &g->events[t][i];
			int place;

			if (f == e || f->location != e->location ||
			    f->location == NOWHERE)
				continue;
			place = place_shown(g, id_of(t, i));
			if (place > newest)
				newest = place;
		}
	}
	return newest;
}

/* May write stand at that place of mo, not yet being in it? */
static bool fits(graph *g, int16_t write, int place)
{
	const location *l = &g->location[at(g, write)->location];
	const event *e = at(g, write);

	if (e->exclusive && place != place_of(l, e[-1].rf) + 1)
		return false;
	if (place <= newest_known(g, write))
		return false;
	/* Atomicity: nothing between an update's write and what it read. */
	return place == l->count || !at(g, l->mo[place])->exclusive;
}

static void insert(graph *g, int16_t write, int place)
{
	location *l = &g->location[at(g, write)->location];

	memmove(&l->mo[place + 1], &l->mo[place],
		(size_t)(l->count - place) * sizeof l->mo[0]);
	l->mo[place] = write;
	l->count++;
}

static void take_out(graph *g, int16_t write)
{
	location *l = &g->location[at(g, write)->location];
	int place = place_of(l, write);

	l->count--;
	memmove(&l->mo[place], &l->mo[place + 1],
		(size_t)(l->count - place) * sizeof l->mo[0]);
}

/* The first event after id, or the last before, of another location. */
static int16_t other_location(graph *g, int16_t id, int step)
{
	int t = thread_of(id), i = index_of(id) + step;

	while (i >= 0 && i < g->count[t] &&
	       g->events[t][i].location == at(g, id)->location)
		i += step;
	return i >= 0 && i < g->count[t] ? id_of(t, i) : INIT;
}

/* RC11's scb, between two seq_cst events. */
static bool sc_before(graph *g, int16_t a, int16_t b)
{
	const event *e = at(g, a), *f = at(g, b);
	int16_t after, before;

	if (thread_of(a) == thread_of(b))
		return index_of(a) < index_of(b);
	if (e->location == f->location) {
		int shown = place_shown(g, a), other = place_shown(g, b);

		return knows(f->hb, a) || (f->kind == WRITE && shown < other);
	}
	after = other_location(g, a, 1);
	before = other_location(g, b, -1);
	return after != INIT && before != INIT &&
	       knows(at(g, before)->hb, after);
}

/*
 * The seq_cst events whose order is a question. Where nobody has written, or only
 * one thread has been, program order and happens-before are all the order there
 * is, and what is before such an event is before what comes after it anyway: so
 * it is left out, until somebody else comes.
 */
static int sc_events(graph *g, int16_t events[SC_EVENTS])
{
	uint8_t users[LOCATIONS] = {0};
	int n = 0;

	for (int t = 0; t < THREADS; t++)
		for (int i = 0; i < g->count[t]; i++)
			if (g->events[t][i].location != NOWHERE)
				users[g->events[t][i].location] |= 1U << t;
	for (int t = 0; t < THREADS; t++) {
		for (int i = 0; i < g->count[t]; i++) {
			const event *e = &g->events[t][i];

			if (!is_sc(e) || g->location[e->location].count == 0 ||
			    users[e->location] == 1U << t)
				continue;
			if (n == SC_EVENTS)
				explore_wrong("too many seq_cst events");
			events[n++] = id_of(t, i);
		}
	}
	return n;
}

/* Is there an order of all seq_cst events? */
static bool sc_acyclic(graph *g)
{
	uint64_t after[SC_EVENTS] = {0}, gone = 0, all;
	int16_t events[SC_EVENTS];
	int n = sc_events(g, events);

	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
			if (i != j && sc_before(g, events[i], events[j]))
				after[j] |= (uint64_t)1 << i;
	all = n == 64 ? UINT64_MAX : ((uint64_t)1 << n) - 1;
	for (bool moved = true; moved && gone != all;) {
		moved = false;
		for (int i = 0; i < n; i++) {
			if (gone >> i & 1 || (after[i] & ~gone) != 0)
				continue;
			gone |= (uint64_t)1 << i;
			moved = true;
		}
	}
	return gone == all;
}

/* ---- graphs for later ---- */

static size_t pack(const graph *g, char *out)
{
	size_t head = offsetof(graph, events), used = head;

	if (out != NULL)
		memcpy(out, g, head);
	for (int t = 0; t < THREADS; t++) {
		size_t n = (size_t)g->count[t] * sizeof(event);

		if (out != NULL)
			memcpy(out + used, g->events[t], n);
		used += n;
	}
	if (out != NULL)
		memcpy(out + used, g->location,
		       (size_t)g->locations * sizeof(location));
	return used + (size_t)g->locations * sizeof(location);
}

static void unpack(graph *g, const char *in)
{
	size_t head = offsetof(graph, events), used = head;

	memcpy(g, in, head);
	for (int t = 0; t < THREADS; t++) {
		size_t n = (size_t)g->count[t] * sizeof(event);

		memcpy(g->events[t], in + used, n);
		used += n;
	}
	memcpy(g->location, in + used, (size_t)g->locations * sizeof(location));
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
	return hash ^ hash >> 29;
}

/* Of what makes an execution: program order, rf and mo. */
static uint64_t hash_of(graph *g)
{
	uint64_t hash = 1, places = 0;

	for (int t = 0; t < THREADS; t++) {
		for (int i = 0; i < g->count[t]; i++) {
			const event *e = &g->events[t][i];

			hash = mix(mix(hash, (uint64_t)(t << 8 | e->kind)),
				   (uint64_t)e->rf + 1);
			hash = mix(hash, e->value);
		}
	}
	for (int i = 0; i < g->locations; i++) {
		const location *l = &g->location[i];
		uint64_t h = mix((uintptr_t)l->address, l->life);

		for (int j = 0; j < l->count; j++)
			h = mix(h, (uint64_t)l->mo[j]);
		places += l->count > 0 ? h : 0;
	}
	return mix(hash, places);
}

/* Naive: true the first time. */
static bool is_new(uint64_t hash)
{
	for (uint64_t i = hash;; i++) {
		uint64_t *slot = &x->seen[i % SEEN];

		if (*slot == hash)
			return false;
		if (*slot == 0) {
			*slot = hash;
			return true;
		}
	}
}

static void keep(const graph *g)
{
	kept *k = malloc(sizeof *k + pack(g, NULL));

	if (k == NULL)
		explore_wrong("no memory");
	pack(g, k->bytes);
	k->below = x->later;
	x->later = k;
}

/* ---- revisits ---- */

typedef struct {
	graph *g;
	int16_t write;		/* the new one */
} revisit;

/* Is f there if the graph is cut after e, or before the write? */
static bool is_previous(const revisit *v, int16_t f, int16_t e)
{
	return f == INIT || at(v->g, f)->stamp <= at(v->g, e)->stamp ||
	       (f != v->write && knows(at(v->g, v->write)->porf, f));
}

static bool was_revisited_by(const revisit *v, int16_t write, int16_t reader)
{
	return at(v->g, reader)->kind == READ && at(v->g, reader)->rf == write &&
	       is_previous(v, reader, write);
}

/*
 * Would e come to be like this, were it added again when all later writes are
 * forgotten? Of the graphs that are the same but for what is forgotten this
 * picks one, and only from that one the revisit is made.
 */
static bool is_maximal(const revisit *v, int16_t id)
{
	const event *e = at(v->g, id);
	const location *l = &v->g->location[e->location];
	int16_t shown;

	if (e->kind == CHOICE)
		return e->value == 0;
	if (e->kind != READ && e->kind != WRITE)
		return true;
	if (e->kind == WRITE)
		for (int t = 0; t < THREADS; t++)
			for (int i = 0; i < v->g->count[t]; i++)
				if (was_revisited_by(v, id, id_of(t, i)))
					return false;
	shown = e->kind == WRITE ? id : e->rf;
	if (!is_previous(v, shown, id))
		return false;
	for (int i = place_of(l, shown) + 1; i < l->count; i++)
		if (is_previous(v, l->mo[i], id))
			return false;
	return true;
}

static bool is_deleted(const revisit *v, int16_t id, int16_t read)
{
	return id != v->write && at(v->g, id)->stamp > at(v->g, read)->stamp &&
	       !knows(at(v->g, v->write)->porf, id);
}

static bool may_revisit(const revisit *v, int16_t read)
{
	if (!is_maximal(v, read))
		return false;
	for (int t = 0; t < THREADS; t++)
		for (int i = 0; i < v->g->count[t]; i++)
			if (is_deleted(v, id_of(t, i), read) &&
			    !is_maximal(v, id_of(t, i)))
				return false;
	return true;
}

/* Keep each graph where write has a place and read reads from it. */
static void keep_revisits(const revisit *v, int16_t read)
{
	graph *g = &x->other;
	const location *l;

	memcpy(g, v->g, offsetof(graph, events));
	for (int t = 0; t < THREADS; t++) {
		int n = 0;

		while (n < v->g->count[t] && !is_deleted(v, id_of(t, n), read))
			n++;
		g->count[t] = n;
		memcpy(g->events[t], v->g->events[t], (size_t)n * sizeof(event));
	}
	memcpy(g->location, v->g->location,
	       (size_t)g->locations * sizeof(location));
	for (int i = 0; i < g->locations; i++) {
		location *to = &g->location[i];
		int n = 0;

		for (int j = 0; j < to->count; j++)
			if (!is_deleted(v, to->mo[j], read))
				to->mo[n++] = to->mo[j];
		to->count = n;
	}
	l = &g->location[at(g, v->write)->location];
	for (int place = 0; place <= l->count; place++) {
		if (!fits(g, v->write, place))
			continue;
		insert(g, v->write, place);
		set_rf(g, read, v->write);
		if (place >= newest_known(g, read) && sc_acyclic(g))
			keep(g);
		take_out(g, v->write);
	}
}

static void revisit_readers(graph *g, int16_t write)
{
	revisit v = {g, write};

	for (int t = 0; t < THREADS; t++) {
		for (int i = 0; i < g->count[t]; i++) {
			int16_t id = id_of(t, i);
			const event *r = at(g, id);

			if (r->kind == READ &&
			    r->location == at(g, write)->location &&
			    !knows(at(g, write)->porf, id) && may_revisit(&v, id))
				keep_revisits(&v, id);
		}
	}
}

/* ---- reports ---- */

static void show_place(const void *place)
{
	char command[128], line[256] = "\n";
	FILE *out;

	snprintf(command, sizeof command, "addr2line -spfe /proc/%d/exe %p",
		 (int)getpid(), (const void *)((const char *)place - 1));
	out = popen(command, "r");
	if (out != NULL && fgets(line, sizeof line, out) == NULL)
		strcpy(line, "\n");
	printf("%s", line);
	if (out != NULL)
		pclose(out);
}

static void show_event(int t, int i)
{
	static const char *const kinds[] = {"read", "write", "create", "begin",
					    "end", "join", "choice"};
	static const char *const orders[] = {"relaxed", "consume", "acquire",
					     "release", "acq_rel", "seq_cst"};
	const event *e = &x->now.events[t][i];

	printf("    %d.%-3d %-6s", t, i, kinds[e->kind]);
	if (e->location != NOWHERE)
		printf(" %p %-7s %" PRIx64,
		       x->now.location[e->location].address,
		       orders[e->kind == READ ? read_order(e) : e->order],
		       e->value);
	if (e->kind == READ && e->rf == INIT)
		printf(" from the beginning");
	else if (e->kind == READ)
		printf(" from %d.%d", thread_of(e->rf), index_of(e->rf));
	printf("  ");
	if (e->place != NULL)
		show_place(e->place);
	else
		printf("\n");
}

/* The events in an order in which each comes after what it depends on. */
static void show_events(void)
{
	int shown[THREADS] = {0};

	for (bool moved = true; moved;) {
		moved = false;
		for (int t = 0; t < THREADS; t++) {
			while (shown[t] < x->threads[t].done) {
				const event *e = &x->now.events[t][shown[t]];
				bool known = true;

				for (int u = 0; u < THREADS; u++)
					known &= u == t || shown[u] >= e->porf[u];
				if (!known)
					break;
				show_event(t, shown[t]++);
				moved = true;
			}
		}
	}
}

static void show_sums(void)
{
	printf("%" PRIu64 " executions, %" PRIu64 " blocked", x->complete,
	       x->blocked);
	if (x->naive)
		printf(", naive");
	printf(", sum %016" PRIx64 "\n", x->sum);
}

void explore_wrong(const char *what)
{
	printf("wrong: %s, by thread %d\n", what, x->current);
	show_events();
	show_sums();
	fflush(stdout);
	_exit(1);
}

/* ---- the run: whose turn it is ---- */

static void to_scheduler(void)
{
	if (_setjmp(x->threads[x->current].context) == 0)
		_longjmp(x->scheduler, 1);
}

static void to_thread(int t)
{
	thread *self = &x->threads[t];

	x->current = t;
	if (_setjmp(x->scheduler) != 0)
		return;
	if (self->begun)
		_longjmp(self->context, 1);
	self->begun = true;
	setcontext(&self->first);
}

/* This run leads nowhere: nobody goes on. */
static _Noreturn void drop_run(void)
{
	x->dropped = true;
	to_scheduler();
	abort();
}

static bool has_ended(int t)
{
	return x->threads[t].state == FINISHED;
}

static bool has_come_to(int16_t id)
{
	return id == INIT || index_of(id) < x->threads[thread_of(id)].done;
}

static bool can_go_on(int t)
{
	const thread *self = &x->threads[t];

	if (self->state != WANTS)
		return false;
	if (self->done < x->now.count[t])
		return has_come_to(x->now.events[t][self->done].rf);
	return x->left == 0 &&
	       (self->waits_for == NOBODY || has_ended(self->waits_for));
}

/* Naive: any of them; each but the first is kept for later. */
static int schedule_naively(void)
{
	int first = NOBODY;

	if (x->now.scheduled != NOBODY)
		return x->now.scheduled;
	for (int t = 0; t < THREADS; t++) {
		if (!can_go_on(t))
			continue;
		if (first == NOBODY) {
			first = t;
			continue;
		}
		x->now.scheduled = t;
		keep(&x->now);
	}
	return x->now.scheduled = first;
}

/* The lowest that can go on; first those that only repeat. */
static int schedule(void)
{
	if (x->naive && x->left == 0)
		return schedule_naively();
	for (int t = 0; t < THREADS; t++)
		if (can_go_on(t))
			return t;
	return NOBODY;
}

/* Wait for the turn; then true: the event is there already. */
static bool turn(int waits_for)
{
	thread *self = &x->threads[x->current];

	self->waits_for = waits_for;
	while (schedule() != x->current)
		to_scheduler();
	return self->done < x->now.count[x->current];
}

/* The calling thread's next event, new or not. */
static event *next_event(event_kind kind, bool repeats, const void *place)
{
	int t = x->current, i = x->threads[t].done;
	event *e = &x->now.events[t][i];

	if (repeats) {
		if (e->kind != kind)
			explore_wrong("the program does not repeat itself");
		e->place = place;
		return e;
	}
	if (i == EVENTS)
		explore_wrong("too many events in a thread");
	*e = (event){.kind = (uint8_t)kind,
		     .location = NOWHERE,
		     .rf = INIT,
		     .stamp = (uint16_t)++x->now.stamp,
		     .place = place};
	x->now.count[t]++;
	x->now.scheduled = NOBODY;
	set_clocks(&x->now, id_of(t, i));
	return e;
}

static void event_done(bool repeated)
{
	x->threads[x->current].done++;
	x->left -= repeated;
	if (x->naive && !repeated && !is_new(hash_of(&x->now)))
		drop_run();
}

static int16_t own_id(void)
{
	return id_of(x->current, x->threads[x->current].done);
}

/* ---- memory: X3 ---- */

static byte *byte_at(const char *address)
{
	/* Stacks differ in what the remainder leaves out: apart with them. */
	uintptr_t first = (uintptr_t)address + (uintptr_t)address / BYTES * 4099;

	for (uintptr_t i = first;; i++) {
		byte *b = &x->bytes[i % BYTES];

		if (b->run == x->run && b->address == address)
			return b;
		if (b->run != x->run) {
			memset(b, 0, sizeof *b);
			b->run = x->run;
			b->address = address;
			b->location = -1;
			return b;
		}
	}
}

/* The clock of what the calling thread has done. */
static const uint16_t *own_clock(void)
{
	static const uint16_t zero[THREADS];
	const thread *self = &x->threads[x->current];

	return self->done == 0 ? zero
			       : x->now.events[x->current][self->done - 1].hb;
}

/* Is what others have done with b before what the calling thread does now? */
static void check_after(const byte *b, const uint16_t access[THREADS],
			const char *what)
{
	const uint16_t *clock = own_clock();
	unsigned others = b->users & ~(1u << x->current);

	for (; others != 0; others &= others - 1) {
		int t = __builtin_ctz(others);

		if (access[t] > clock[t])
			explore_wrong(what);
	}
}

/* The calling thread uses it. Returns whether others have. */
static bool use(byte *b)
{
	if (b->freed)
		explore_wrong("memory is used that was freed");
	b->users |= (uint8_t)(1 << x->current);
	return b->users != 1 << x->current;
}

static void check_plain(const byte *b, bool writes)
{
	check_after(b, b->written, "race with a plain write");
	check_after(b, b->stored, "race with an atomic write");
	if (!writes)
		return;
	check_after(b, b->read, "race with a plain read");
	check_after(b, b->loaded, "race with an atomic read");
}

static void check_atomic(const byte *b, bool writes)
{
	check_after(b, b->written, "race with a plain write");
	if (writes)
		check_after(b, b->read, "race with a plain read");
}

static void plain(const void *address, size_t size, bool writes)
{
	/* A plain access counts as of the event that follows. */
	uint16_t when = (uint16_t)(x->threads[x->current].done + 1);

	for (size_t i = 0; i < size; i++) {
		byte *b = byte_at((const char *)address + i);

		if (use(b))
			check_plain(b, writes);
		(writes ? b->written : b->read)[x->current] = when;
		b->changed |= writes;
	}
}

static uint64_t memory_get(const void *address, uint32_t size)
{
	uint64_t value = 0;

	memcpy(&value, address, size);
	return value;
}

/* The location that begins at address. */
static int location_at(const void *address, uint32_t size)
{
	byte *b = byte_at(address);
	graph *g = &x->now;
	location *l;
	int i = 0;

	if (b->location >= 0)
		return b->location;
	while (i < g->locations && (g->location[i].address != address ||
				    g->location[i].life != b->life))
		i++;
	if (i == LOCATIONS)
		explore_wrong("too many locations");
	l = &g->location[i];
	if (i == g->locations) {
		g->locations++;
		*l = (location){.address = address, .life = b->life};
	}
	l->size = size;
	l->initial = memory_get(address, size);
	return b->location = (int16_t)i;
}

/* An atomic access is about to be made. */
static uint16_t atomic(const void *address, uint32_t size, bool writes)
{
	uint16_t when = (uint16_t)(x->threads[x->current].done + 1);
	bool changed = false;

	for (uint32_t i = 0; i < size; i++) {
		byte *b = byte_at((const char *)address + i);

		if (use(b))
			check_atomic(b, writes);
		(writes ? b->stored : b->loaded)[x->current] = when;
		changed |= b->changed;
		b->changed = false;
	}
	if (changed) {
		byte *b = byte_at(address);

		b->life++;
		b->location = -1;
	}
	return (uint16_t)location_at(address, size);
}

/* Memory shows what is last in mo, of what this run has come to. */
static void show_write(int16_t id)
{
	const event *e = at(&x->now, id);
	const location *l = &x->now.location[e->location];

	for (int i = place_of(l, id) + 1; i < l->count; i++)
		if (has_come_to(l->mo[i]))
			return;
	memcpy((void *)(uintptr_t)l->address, &e->value, l->size);
}

/* ---- atomic accesses ---- */

/* Choose what the new read reads from; the rest is for later. */
static void choose_rf(int16_t id)
{
	graph *g = &x->now;
	const location *l = &g->location[at(g, id)->location];
	int chosen = -2, known = newest_known(g, id);

	for (int place = l->count - 1; place >= known; place--) {
		set_rf(g, id, place < 0 ? INIT : l->mo[place]);
		if (!sc_acyclic(g))
			continue;
		if (chosen == -2)
			chosen = place;
		else
			keep(g);
	}
	if (chosen == -2)
		drop_run();
	set_rf(g, id, chosen < 0 ? INIT : l->mo[chosen]);
}

static uint64_t read_next(const void *address, uint32_t size, event how)
{
	bool repeats = turn(NOBODY);
	event *e = next_event(READ, repeats, how.place);
	int16_t id = own_id();
	uint16_t where = atomic(address, size, false);

	if (!repeats) {
		e->location = where;
		e->update = how.update;
		e->expected = how.expected;
		e->order = how.order;
		e->order_failed = how.order_failed;
		choose_rf(id);
	}
	event_done(repeats);
	return e->value;
}

/* Choose where in mo the new write stands; the rest is for later. */
static void choose_place(int16_t id)
{
	graph *g = &x->now;
	const location *l = &g->location[at(g, id)->location];
	int chosen = -1;

	if (!x->naive)
		revisit_readers(g, id);
	if (l->count == WRITES)
		explore_wrong("too many writes to a location");
	for (int place = l->count; place >= 0; place--) {
		if (!fits(g, id, place))
			continue;
		insert(g, id, place);
		if (sc_acyclic(g)) {
			if (chosen < 0)
				chosen = place;
			else
				keep(g);
		}
		take_out(g, id);
	}
	if (chosen < 0)
		drop_run();
	insert(g, id, chosen);
}

static void write_next(void *address, uint32_t size, event how)
{
	bool repeats = turn(NOBODY);
	event *e = next_event(WRITE, repeats, how.place);
	int16_t id = own_id();
	uint16_t where = atomic(address, size, true);

	if (!repeats) {
		e->location = where;
		e->value = how.value;
		e->order = how.order;
		e->exclusive = how.exclusive;
		set_write(&x->now, id);
		choose_place(id);
	}
	x->threads[x->current].done++;
	show_write(id);
	x->threads[x->current].done--;
	event_done(repeats);
}

static uint64_t updated(update_kind update, uint64_t old, uint64_t operand)
{
	switch (update) {
	case ADD:
		return old + operand;
	case SUB:
		return old - operand;
	case OR:
		return old | operand;
	case AND:
		return old & operand;
	default:
		return operand;
	}
}

static uint64_t cut(uint64_t value, uint32_t size)
{
	return size == 8 ? value : value & (((uint64_t)1 << size * 8) - 1);
}

static uint64_t update_next(void *address, uint32_t size, event how,
			    uint64_t operand)
{
	uint64_t old = read_next(address, size, how);

	if (how.update == CAS && old != how.expected)
		return old;
	how.value = cut(updated(how.update, old, operand), size);
	how.exclusive = true;
	write_next(address, size, how);
	return old;
}

/* ---- threads, choices, memory of the program ---- */

static void plain_event(event_kind kind, int16_t after, int waits_for)
{
	bool repeats = turn(waits_for);

	next_event(kind, repeats, NULL);
	if (!repeats && after != INIT)
		set_after(&x->now, own_id(), after);
	event_done(repeats);
}

static void thread_main(void)
{
	thread *self = &x->threads[x->current];

	if (x->current == 0) {
		program();
	} else {
		plain_event(BEGIN, self->created, NOBODY);
		self->fn(self->arg);
		plain_event(END, INIT, NOBODY);
	}
	x->threads[x->current].state = FINISHED;
	to_scheduler();
}

static void thread_start(int t, void *(*fn)(void *), void *arg)
{
	thread *self = &x->threads[t];

	if (self->stack == NULL)
		self->stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	self->state = WANTS;
	self->fn = fn;
	self->arg = arg;
	self->waits_for = NOBODY;
	self->done = 0;
	self->begun = false;
	getcontext(&self->first);
	self->first.uc_stack.ss_sp = self->stack;
	self->first.uc_stack.ss_size = STACK_BYTES;
	self->first.uc_link = NULL;
	makecontext(&self->first, thread_main, 0);
}

int explore_create(pthread_t *t, void *(*fn)(void *), void *arg)
{
	int n = 1;

	while (n < THREADS && x->threads[n].state != ABSENT)
		n++;
	if (n == THREADS)
		explore_wrong("too many threads");
	x->threads[n].created = own_id();
	plain_event(CREATE, INIT, NOBODY);
	thread_start(n, fn, arg);
	*t = (pthread_t)n;
	return 0;
}

int explore_join(pthread_t t)
{
	bool repeats = turn((int)t);

	next_event(JOIN, repeats, NULL);
	if (!repeats)
		set_after(&x->now, own_id(),
			  id_of((int)t, x->threads[t].done - 1));
	event_done(repeats);
	return 0;
}

/* X4 */
void explore_block(void)
{
	x->threads[x->current].state = BLOCKED;
	to_scheduler();
	abort();
}

unsigned model_choose(unsigned n)
{
	bool repeats = turn(NOBODY);
	event *e = next_event(CHOICE, repeats, NULL);

	if (!repeats) {
		for (e->value = n - 1; e->value > 0; e->value--)
			keep(&x->now);
	}
	event_done(repeats);
	return (unsigned)e->value;
}

unsigned model_self(void)
{
	return (unsigned)x->current;
}

void model_outcome(unsigned n)
{
	x->outcomes |= (uint64_t)1 << n;
}

void *model_new(size_t size)
{
	size_t *used = &x->heap_used[x->current];
	char *memory = x->heap + x->current * HEAP_BYTES + *used;

	*used += (size + 63) & ~(size_t)63;
	if (*used > HEAP_BYTES)
		explore_wrong("no memory");
	memset(memory, 0, size);
	return memory;
}

void model_reuse(void *object, size_t size)
{
	plain(object, size, true);
}

void model_free(void *object, size_t size)
{
	model_reuse(object, size);
	for (size_t i = 0; i < size; i++)
		byte_at((char *)object + i)->freed = true;
}

/* ---- all runs ---- */

/* X4: false if time would let one of them go on. */
static bool blocked_for_good(void)
{
	for (int t = 0; t < THREADS; t++) {
		const event *e = &x->now.events[t][x->threads[t].done - 1];

		if (x->threads[t].state == BLOCKED &&
		    place_shown(&x->now, id_of(t, x->threads[t].done - 1)) !=
			    x->now.location[e->location].count - 1)
			return false;
	}
	return true;
}

static void judge_end(void)
{
	bool all = true;

	for (int t = 0; t < THREADS; t++)
		all &= x->threads[t].state == ABSENT || has_ended(t);
	if (all) {
		x->complete++;
		x->sum += hash_of(&x->now);
		return;
	}
	if (x->naive && !is_new(mix(hash_of(&x->now), BLOCKED)))
		return;
	x->blocked++;
	for (int t = 0; t < THREADS; t++)
		if (x->threads[t].state == BLOCKED)
			x->current = t;
	if (blocked_for_good())
		explore_wrong("deadlock");
}

static void run(void)
{
	x->run++;
	x->dropped = false;
	memset(x->heap_used, 0, sizeof x->heap_used);
	x->left = 0;
	memcpy(__data_start, x->image, (size_t)(_end - __data_start));
	for (int t = 0; t < THREADS; t++) {
		x->threads[t].state = ABSENT;
		x->threads[t].done = 0;
		x->left += x->now.count[t];
	}
	thread_start(0, NULL, NULL);
	for (int t; !x->dropped && (t = schedule()) != NOBODY;)
		to_thread(t);
	if (x->dropped)
		return;
	if (x->left != 0)
		explore_wrong("the program does not repeat itself");
	judge_end();
}

static void *map(size_t size)
{
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(2);
	return p;
}

/* A bad address, on a thread's small stack. */
static void crashed(int signal)
{
	(void)signal;
	explore_wrong("crash");
}

static void catch_crashes(void)
{
	stack_t where = {.ss_sp = map(STACK_BYTES), .ss_size = STACK_BYTES};
	struct sigaction how = {.sa_handler = crashed, .sa_flags = SA_ONSTACK};

	sigaltstack(&where, NULL);
	sigaction(SIGSEGV, &how, NULL);
	sigaction(SIGBUS, &how, NULL);
}

int main(int argc, char **argv)
{
	struct timespec begin, end;

	x = map(sizeof *x);
	x->naive = argc > 1 && strcmp(argv[1], "-n") == 0;
	x->seen = x->naive ? map(SEEN * sizeof x->seen[0]) : NULL;
	x->heap = map((size_t)THREADS * HEAP_BYTES);
	x->image = map((size_t)(_end - __data_start));
	memcpy(x->image, __data_start, (size_t)(_end - __data_start));
	x->now.scheduled = NOBODY;
	catch_crashes();
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	run();
	while (x->later != NULL) {
		kept *k = x->later;

		x->later = k->below;
		unpack(&x->now, k->bytes);
		free(k);
		run();
	}
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	show_sums();
	for (int i = 0; i < 64; i++)
		if (x->outcomes >> i & 1)
			printf("outcome %d\n", i);
	printf("%.1f s\n", (double)(end.tv_sec - begin.tv_sec) +
				   (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	return 0;
}

/* ---- what the compiler calls ---- */

#define HERE __builtin_return_address(0)

#define PLAIN(size)                                                            \
	void __tsan_read##size(void *p)                                        \
	{                                                                      \
		plain(p, size, false);                                         \
	}                                                                      \
	void __tsan_write##size(void *p)                                       \
	{                                                                      \
		plain(p, size, true);                                          \
	}                                                                      \
	void __tsan_unaligned_read##size(void *p)                              \
	{                                                                      \
		plain(p, size, false);                                         \
	}                                                                      \
	void __tsan_unaligned_write##size(void *p)                             \
	{                                                                      \
		plain(p, size, true);                                          \
	}

#define UPDATE(bits, name, kind)                                               \
	uint##bits##_t __tsan_atomic##bits##_##name(                           \
		uint##bits##_t *p, uint##bits##_t v, int order)                \
	{                                                                      \
		event how = {.update = kind, .order = (uint8_t)order, .place = HERE}; \
                                                                               \
		return (uint##bits##_t)update_next(p, bits / 8, how, v);       \
	}

#define ATOMIC(bits)                                                           \
	uint##bits##_t __tsan_atomic##bits##_load(const uint##bits##_t *p,     \
						  int order)                   \
	{                                                                      \
		event how = {.update = LOAD, .order = (uint8_t)order, .place = HERE}; \
                                                                               \
		return (uint##bits##_t)read_next(p, bits / 8, how);            \
	}                                                                      \
	void __tsan_atomic##bits##_store(uint##bits##_t *p, uint##bits##_t v,  \
					 int order)                            \
	{                                                                      \
		event how = {.value = v, .order = (uint8_t)order, .place = HERE}; \
                                                                               \
		write_next(p, bits / 8, how);                                  \
	}                                                                      \
	int __tsan_atomic##bits##_compare_exchange_strong(                     \
		uint##bits##_t *p, uint##bits##_t *expected, uint##bits##_t v, \
		int order, int order_failed)                                   \
	{                                                                      \
		event how = {.update = CAS,                                    \
			     .expected = *expected,                            \
			     .order = (uint8_t)order,                          \
			     .order_failed = (uint8_t)order_failed,            \
			     .place = HERE};                                   \
		uint64_t old = update_next(p, bits / 8, how, v);               \
                                                                               \
		if (old == how.expected)                                       \
			return 1;                                              \
		*expected = (uint##bits##_t)old;                               \
		return 0;                                                      \
	}                                                                      \
	UPDATE(bits, exchange, XCHG)                                           \
	UPDATE(bits, fetch_add, ADD)                                           \
	UPDATE(bits, fetch_sub, SUB)                                           \
	UPDATE(bits, fetch_or, OR)                                             \
	UPDATE(bits, fetch_and, AND)

#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wbuiltin-declaration-mismatch"

void __tsan_init(void);
void __tsan_init(void)
{
}

void __tsan_func_entry(void *caller)
{
	(void)caller;
}

void __tsan_func_exit(void)
{
}

void __tsan_read_range(void *p, unsigned long size)
{
	plain(p, size, false);
}

void __tsan_write_range(void *p, unsigned long size)
{
	plain(p, size, true);
}

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)
ATOMIC(8)
ATOMIC(32)
ATOMIC(64)
