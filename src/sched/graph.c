/* SPDX-License-Identifier: MIT */
/*
 * Who waits for whom, where that is known: for who runs a once, a flight or a
 * loop's step, and for the tasks of a group. Nobody's name is in a mutex of
 * four bytes.
 *
 * A cycle is true if all of it waited at one moment: edges that were read one
 * after another are those of one moment if nobody in it has gone on in between,
 * and that is looked at again once all are read. Each of these waits is for all
 * that it points to, so one way round is enough: two groups of n tasks that wait
 * for each other have n * n, and longer ones. Of those that meet one is told.
 */
#include "sched/dump.h"

#include "plat/pages.h"

#include <string.h>

enum {
	NODES = 1000,	/* those over it are left out, and that is told */
	NAMED = 8,	/* of a group's tasks */
	CYCLES = 8,	/* that are told; what is over is counted */
};

typedef struct {
	uint32_t mark;
	char name[sizeof((weft__person *)NULL)->name];
	const weft__why *why;
	const void *object;
	const weft__waiter *waiter;
	weft_time since;
	uint64_t turn;
	const void *of;
	uint32_t holder;
	const void *tasks_of;
	enum { NEW, ON_THE_WAY, DONE } visited;
	enum { UNASKED, STOOD_STILL, WENT_ON } since_then;
	bool told;		/* in a cycle, or in one that meets it */
	uint32_t next;		/* on the way: the one it goes on to */
} node;

typedef struct {
	weft__out *out;
	bool still;
	bool begun;
	bool full;
	size_t count;
	size_t sources;		/* that come first */
	size_t cycles;
	weft__person person;
	node nodes[NODES];
} graph;

static node node_of(const weft__person *p)
{
	node n = {.mark = p->mark, .why = p->why, .object = p->object,
		  .waiter = p->waiter, .since = p->since, .turn = p->turn,
		  .of = p->is_thread ? NULL : p->of};

	memcpy(n.name, p->name, sizeof n.name);
	return n;
}

static bool waits_for(const node *n, const node *other)
{
	return (n->holder != 0 && n->holder == other->mark) ||
	       (n->tasks_of != NULL && n->tasks_of == other->of);
}

static void add_node(graph *g, const node *n)
{
	if (g->count < NODES)
		g->nodes[g->count++] = *n;
	else
		g->full = true;
}

/* Those of whom it is known for whom they wait. */
static void add_source(const weft__person *p, void *graph_)
{
	graph *g = graph_;
	node n = node_of(p);
	weft__told told;

	if (!weft__census_tell(p, g->still, &told) ||
	    (told.holder == 0 && told.tasks_of == NULL))
		return;
	n.holder = told.holder;
	n.tasks_of = told.tasks_of;
	add_node(g, &n);
}

/* Those who wait for something else, but are waited for. */
static void add_target(const weft__person *p, void *graph_)
{
	graph *g = graph_;
	node n = node_of(p);
	bool wanted = false;

	for (size_t i = 0; i < g->sources; i++) {
		if (g->nodes[i].mark == p->mark)
			return;
		wanted |= waits_for(&g->nodes[i], &n);
	}
	if (wanted && p->state == WEFT__WAITS)
		add_node(g, &n);
}

/* ---- edges ---- */

static void begin_line(graph *g, const node *n)
{
	if (!g->begun)
		weft__print(g->out, "\nWho waits for whom:\n");
	g->begun = true;
	weft__print(g->out, "    ");
	weft__print_who(g->out, n->mark, n->name);
	weft__print(g->out, " (");
	weft__print_wait(g->out, n->why, n->object);
	weft__print(g->out, ") waits for ");
}

static const node *find(const graph *g, uint32_t mark)
{
	for (size_t i = 0; i < g->count; i++)
		if (g->nodes[i].mark == mark)
			return &g->nodes[i];
	return NULL;
}

static void print_holder(graph *g, const node *n)
{
	const node *holder = find(g, n->holder);
	bool waits = holder != NULL;
	const char *name = "";

	if (holder != NULL) {
		name = holder->name;
	} else if (weft__census_look(n->holder, &g->person)) {
		name = g->person.name;
		waits = g->person.state == WEFT__WAITS;
	}
	begin_line(g, n);
	weft__print_who(g->out, n->holder, name);
	weft__print(g->out, waits ? "\n" : ", which runs\n");
}

static void print_members(graph *g, const node *n)
{
	size_t members = 0;

	for (size_t i = 0; i < g->count; i++) {
		if (!waits_for(n, &g->nodes[i]) || ++members > NAMED)
			continue;
		if (members == 1)
			begin_line(g, n);
		else
			weft__print(g->out, ", ");
		weft__print_who(g->out, g->nodes[i].mark, g->nodes[i].name);
	}
	if (members > NAMED)
		weft__print(g->out, " and %zu more", members - NAMED);
	if (members > 0)
		weft__print(g->out, "\n");
}

/* ---- cycles ---- */

static bool still_waits(graph *g, const node *n)
{
	return g->still || (weft__census_look(n->mark, &g->person) &&
			    g->person.state == WEFT__WAITS &&
			    g->person.waiter == n->waiter &&
			    g->person.since == n->since &&
			    g->person.turn == n->turn);
}

/* All edges are read: to be asked once is enough. */
static bool stood_still(graph *g, node *n)
{
	if (n->since_then == UNASKED)
		n->since_then = still_waits(g, n) ? STOOD_STILL : WENT_ON;
	return n->since_then == STOOD_STILL;
}

/* From start on, by next, back to start. */
static void print_cycle(graph *g, uint32_t start)
{
	uint32_t i = start;

	weft__print(g->out, "\nThese wait for each other, and will for ever:\n    ");
	do {
		weft__print_who(g->out, g->nodes[i].mark, g->nodes[i].name);
		weft__print(g->out, " -> ");
		i = g->nodes[i].next;
	} while (i != start);
	weft__print_who(g->out, g->nodes[i].mark, g->nodes[i].name);
	weft__print(g->out, "\n");
}

/* Tell of the way from start to end, who waits for start. */
static void tell_cycle(graph *g, uint32_t start, uint32_t end)
{
	bool told = g->nodes[start].told;
	uint32_t i = start;

	if (told && g->nodes[end].told)
		return;
	do {
		if (!stood_still(g, &g->nodes[i]))
			return;
		told |= g->nodes[i].told;
		i = g->nodes[i].next;
	} while (i != start);
	do {
		g->nodes[i].told = true;
		i = g->nodes[i].next;
	} while (i != start);
	if (!told && g->cycles++ < CYCLES)
		print_cycle(g, start);
}

/* The next that i waits for, after those before from; count: none. */
static uint32_t next_of(const graph *g, uint32_t i, uint32_t from)
{
	while (from < g->count && !waits_for(&g->nodes[i], &g->nodes[from]))
		from++;
	return from;
}

/* Depth first, from start; the way back is in way. */
static void search(graph *g, uint32_t start, uint32_t *way)
{
	uint32_t depth = 0;

	way[0] = start;
	g->nodes[start].visited = ON_THE_WAY;
	g->nodes[start].next = next_of(g, start, 0);
	for (;;) {
		node *n = &g->nodes[way[depth]];
		uint32_t to = n->next;

		if (to == g->count) {
			n->visited = DONE;
			if (depth-- == 0)
				return;
			n = &g->nodes[way[depth]];
		} else if (g->nodes[to].visited == NEW) {
			way[++depth] = to;
			g->nodes[to].visited = ON_THE_WAY;
			g->nodes[to].next = next_of(g, to, 0);
			continue;
		} else if (g->nodes[to].visited == ON_THE_WAY) {
			tell_cycle(g, to, way[depth]);
		}
		n->next = next_of(g, way[depth], n->next + 1);
	}
}

void weft__graph_print(weft__out *out, bool still)
{
	size_t size = sizeof(graph) + NODES * sizeof(uint32_t);
	graph *g = weft__pages_map(size);
	uint32_t *way = (uint32_t *)(g + 1);

	if (g == NULL)
		return;
	g->out = out;
	g->still = still;
	weft__census(&g->person, add_source, g);
	g->sources = g->count;
	if (g->sources > 0)
		weft__census(&g->person, add_target, g);
	for (size_t i = 0; i < g->count; i++) {
		if (g->nodes[i].holder != 0)
			print_holder(g, &g->nodes[i]);
		else if (g->nodes[i].tasks_of != NULL)
			print_members(g, &g->nodes[i]);
	}
	for (uint32_t i = 0; i < g->count; i++)
		if (g->nodes[i].visited == NEW)
			search(g, i, way);
	if (g->cycles > CYCLES)
		weft__print(out, "\nand %zu more such\n", g->cycles - CYCLES);
	if (g->full)
		weft__print(out, "\nonly %d of those who wait so, or are waited for, "
				 "were looked at\n", NODES);
	weft__pages_unmap(g, size);
}
