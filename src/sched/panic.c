/* SPDX-License-Identifier: MIT */
/*
 * Panics, exits and defers.
 *
 * The platform's unwinder leaves the frames, as it does for pthread_exit():
 * forced, with a step of ours called before each frame is left. Where nobody
 * catches a panic nothing is unwound, so that the stack can be looked at.
 *
 * E1  Defers run in the order of their frames, whether a frame's cleanups are
 *     known to the unwinder or not. At the step for a frame every defer of the
 *     frames inside it is due: what is still in the list then belongs to
 *     frames without cleanups. It belongs to one of them if and only if its
 *     frame address is below the stack pointer that the frame of the step had
 *     at its call.
 * E2  A defer is taken out of the list before its function is called, so it
 *     runs once, also when that function panics or exits.
 * E3  What an unwinding needs lies above every frame that it leaves: in the
 *     frame of the weft_try() that it goes to, or in the flow. A defer that it
 *     runs is tried (RELAY): should that panic or exit in turn, the ending in
 *     progress becomes that one and goes on to the same place. So no unwinding
 *     begins inside a cleanup of another one, through whose frame compilers
 *     let none pass (clang, and every C++).
 * E4  Who catches a panic is known when it is raised: weft_try()s nest as
 *     their frames do. That decides between unwinding and the report.
 * E5  A frame without unwind tables is the last that the unwinder comes to. From
 *     there the ending goes to its place by a jump: defers run, but no cleanups of
 *     the frames between, which may be ours. So it does where no guard is begun
 *     there, for guards nest as frames do and end with their handlers; else
 *     somebody would wait for ever, and the program stops.
 *     Tempting and wrong: to look on the stack for return addresses in our
 *     functions. Calls that have returned leave theirs behind.
 */
#include "sched/panic.h"

#include "base/alloc.h"
#include "base/trap.h"
#include "plat/symbols.h"
#include "plat/thread.h"
#include "sched/sched.h"
#include "sched/trace.h"

#include <weft/debug.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES = 64 };

struct weft__panic {
	weft_panic_info info;
	uint32_t refs;		/* atomic */
	bool reserve;		/* one of the reserve[] */
	size_t frame_count;
	void *frames[FRAMES];	/* where it was raised */
};

/* Where a panic stops: in the frame of a weft__try(). */
struct weft__catch {
	weft__ending ending;
	weft__unwind unwind;
	jmp_buf jump;
	void *frame;	/* inside it */
	enum { ALL, EXITS, RELAY } what;
	bool over;
	weft__catch *outer;	/* what was in the flow before … */
	weft_defer *defers;
	weft__dying *dying;
	weft__ending *active;
	uint32_t guards;
};

struct weft__dying {
	weft__dying *outer;
	weft__panic *panic;
};

/* ---- the flow of a task or a thread ---- */

/* What a plain thread has in place of a stack's. */
typedef struct {
	weft__flow flow;
	uint32_t mark;
} thread_data;

_Static_assert(sizeof(thread_data) <= WEFT__THREAD_DATA_BYTES,
	       "a thread has room for it");

static weft__flow *flow_self(void)
{
	weft__stack *self = weft__stack_self();

	return self != NULL ? &self->flow
			    : &((thread_data *)weft__thread_data())->flow;
}

uint32_t weft__flow_mark(void)
{
	weft__stack *self = weft__stack_self();
	thread_data *data;

	if (self != NULL)
		return weft__flow_mark_on(self);
	data = weft__thread_data();
	if (data->mark == 0)
		data->mark = (uint32_t)weft__thread_id() | (uint32_t)1 << 31;
	return data->mark;
}

void weft__guard_begin(void)
{
	flow_self()->guards++;
}

void weft__guard_end(void)
{
	flow_self()->guards--;
}

/* ---- panics as objects ---- */

/* For when there is no memory. */
static weft__panic reserve[8];

static weft__panic *panic_reserved(void)
{
	for (size_t i = 0; i < sizeof reserve / sizeof *reserve; i++) {
		uint32_t none = 0;

		if (weft_atomic_cas(&reserve[i].refs, &none, 1, acquire,
				    relaxed)) {
			reserve[i].reserve = true;
			return &reserve[i];
		}
	}
	weft__fatal("out of memory in a panic");
}

static weft__panic *panic_new(void *value)
{
	weft__panic *p = weft__alloc(sizeof *p);

	if (p != NULL) {
		p->reserve = false;
		p->refs = 1;
	} else {
		p = panic_reserved();
	}
	p->info.value = value;
	p->info.message[0] = 0;
	p->info.stack[0] = 0;
	return p;
}

weft__panic *weft__panic_get(weft__panic *p)
{
	weft_atomic_add(&p->refs, 1, relaxed);
	return p;
}

void weft__panic_put(weft__panic *p)
{
	if (p == NULL)
		return;
	if (p->reserve)
		weft_atomic_sub(&p->refs, 1, release);
	else if (weft_atomic_sub(&p->refs, 1, acq_rel) == 1)
		weft__free(p);
}

void weft__panic_tell(const weft__panic *p, weft_panic_info *info)
{
	if (p != NULL) {
		*info = p->info;
		return;
	}
	info->value = NULL;
	info->message[0] = 0;
	info->stack[0] = 0;
}

/*
 * A line a frame; whole lines, as many as fit. Symbols, for what is about to be
 * printed: those of functions that are not exported as well.
 */
static void describe(char *text, size_t size, void *const *frames, size_t count,
		     weft__symbols *symbols)
{
	char line[160];
	size_t used = 0;

	for (size_t i = 0; i < count; i++) {
		size_t length;

		if (symbols != NULL)
			weft__symbols_describe(symbols, frames[i], line,
					       sizeof line - 1);
		else
			weft__unwind_describe(frames[i], line, sizeof line - 1);
		length = strlen(line);
		line[length++] = '\n';
		if (used + length >= size)
			break;
		memcpy(text + used, line, length);
		used += length;
	}
	text[used] = 0;
}

static void note_stack(weft__panic *p, void *site)
{
	p->frame_count = weft__unwind_trace(p->frames, FRAMES, site);
	describe(p->info.stack, sizeof p->info.stack, p->frames, p->frame_count,
		 NULL);
}

/* ---- defers ---- */

weft_defer *weft_defer_begin(weft_defer *d)
{
	weft__flow *flow = flow_self();

	weft__check_fn(d->priv_fn != NULL);
	d->priv_next = flow->defers;
	flow->defers = d;
	return d;
}

static weft__ending try(weft_fn fn, void *arg, int what);

/* E3 */
static void run_for(weft__ending *active, weft_fn fn, void *arg)
{
	weft__ending e = try(fn, arg, RELAY);

	if (e.kind == WEFT_RETURNED)
		return;
	weft__panic_put(active->panic);
	active->kind = e.kind;
	active->panic = e.panic;
	active->exiting |= e.exiting;
}

static void defer_run(weft__flow *flow, weft_defer *d)
{
	weft_fn fn = d->priv_fn;

	flow->defers = d->priv_next;
	d->priv_fn = NULL;	/* E2 */
	if (flow->active != NULL)
		run_for(flow->active, fn, d->priv_arg);
	else
		fn(d->priv_arg);
}

void weft_defer_end(weft_defer *d)
{
	if (d->priv_fn != NULL)	/* else it ran ahead of its frame: E1 */
		defer_run(flow_self(), d);
}

/* ---- the report of a panic that nobody catches ---- */

/* What is printed, at once: others print meanwhile. */
typedef struct {
	size_t length;
	char text[8192];
} report;

static __attribute__((format(printf, 2, 3))) void add(report *r,
						      const char *format, ...)
{
	size_t room = sizeof r->text - r->length;
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(r->text + r->length, room, format, args);
	va_end(args);
	if (length > 0)
		r->length += (size_t)length < room ? (size_t)length : room - 1;
}

/* The first one first: those after it were raised by its defers. */
static void add_dying(report *r, const weft__dying *d)
{
	if (d == NULL)
		return;
	add_dying(r, d->outer);
	add(r, "%spanic: %s\n", d->outer != NULL ? "\t" : "",
	    d->panic->info.message);
}

static const char *name_of(const weft__stack *self)
{
	return self->name != NULL ? self->name : "unnamed";
}

static void add_where(report *r, const weft__panic *p)
{
	weft__stack *self = weft__stack_self();
	weft__symbols symbols = {0};
	char site[160];

	if (self == NULL) {
		add(r, "\nthread %d:\n", weft__thread_id());
	} else {
		weft__task *task = weft_atomic_load(&self->task, relaxed);

		weft__symbols_describe(&symbols, task != NULL ? task->site : NULL,
				       site, sizeof site);
		add(r, "\ntask \"%s\", started at %s:\n", name_of(self), site);
	}
	describe(r->text + r->length, sizeof r->text - r->length, p->frames,
		 p->frame_count, &symbols);
	weft__symbols_close(&symbols);
}

/* One at a time: others that die meanwhile wait for the end. */
static _Noreturn void die(const weft__dying *dying)
{
	static uint32_t reporting;
	static report r;
	WEFT__UNCANCELLED();

	while (weft_atomic_xchg(&reporting, 1, acq_rel) != 0)
		weft__thread_yield();
	add_dying(&r, dying);
	add_where(&r, dying->panic);
	fputs(r.text, stderr);
	fflush(stderr);	/* the program may have given it a buffer */
	weft__trace_close();
	abort();
}

static _Noreturn void uncaught(weft__flow *flow, weft__panic *p)
{
	weft__dying dying = {flow->dying, p};

	flow->dying = &dying;
	while (flow->defers != NULL)
		defer_run(flow, flow->defers);
	die(&dying);
}

void weft__panic_report(const weft__panic *p, const char *what)
{
	weft__symbols symbols = {0};
	char text[4096];
	WEFT__UNCANCELLED();

	describe(text, sizeof text, p->frames, p->frame_count, &symbols);
	weft__symbols_close(&symbols);
	fprintf(stderr, "weft: %s: %s\n%s", what, p->info.message, text);
}

/* ---- debugging ---- */

int weft_debug_locked(int err)
{
	if (err == 0 || err == EOWNERDEAD)
		flow_self()->mutexes++;
	return err;
}

int weft_debug_unlocked(int err)
{
	weft__flow *flow = flow_self();

	if (err == 0 && flow->mutexes > 0)	/* else locked elsewhere */
		flow->mutexes--;
	return err;
}

void weft__debug_report(const weft__why *why)
{
	weft__symbols symbols = {0};
	uint32_t held = flow_self()->mutexes;
	void *frames[FRAMES];
	char text[4096];

	describe(text, sizeof text, frames,
		 weft__unwind_trace(frames, FRAMES, NULL), &symbols);
	weft__symbols_close(&symbols);
	fprintf(stderr, "weft: task \"%s\" waits (%s) and holds %u pthread "
			"mutex%s:\n%s",
		name_of(weft__stack_self()), why->text, held,
		held == 1 ? "" : "es", text);
}

/* ---- unwinding ---- */

/* E5 */
static _Noreturn void guard_skipped(void *address)
{
	weft__symbols symbols = {0};
	char where[160];

	weft__symbols_describe(&symbols, address, where, sizeof where);
	weft__fatal("a panic or exit cannot leave %s: it has no unwind tables; "
		    "build it with -fexceptions", where);
}

static void step_to_catch(void *catch, uintptr_t sp, void *address, bool last)
{
	weft__catch *c = catch;
	weft__flow *flow = flow_self();

	if (last && flow->guards != c->guards)
		guard_skipped(address);
	while (flow->defers != c->defers &&
	       (last || (uintptr_t)flow->defers->priv_frame < sp))
		defer_run(flow, flow->defers);	/* E1 */
	if (last || sp > (uintptr_t)c->frame)
		longjmp(c->jump, 1);
}

/* The caller's entry has a guard. */
static bool is_awaited(void)
{
	const weft__task *self = weft__task_self();

	return self != NULL && self->object != NULL;
}

static void step_to_end(void *unused, uintptr_t sp, void *address, bool last)
{
	weft__flow *flow = flow_self();

	(void)unused;
	if (last && (flow->guards != 0 || is_awaited()))
		guard_skipped(address);
	while (flow->defers != NULL &&
	       (last || (uintptr_t)flow->defers->priv_frame < sp))
		defer_run(flow, flow->defers);
	if (!last)
		return;
	if (weft__stack_self() != NULL)
		weft__stack_abandon();
	flow->active = NULL;
	weft__thread_exit();
}

static _Noreturn void unwind_to(weft__flow *flow, weft__catch *c,
				enum weft_outcome kind, weft__panic *p)
{
	weft__ending *e = c != NULL ? &c->ending : &flow->exit;

	e->kind = kind;
	e->exiting = kind == WEFT_EXITED;
	e->panic = p;
	flow->active = e;
	if (c != NULL)
		weft__unwind_start(&c->unwind, step_to_catch, c);
	weft__unwind_start(&flow->unwind, step_to_end, NULL);
}

/* E4 */
static bool is_caught(const weft__catch *c)
{
	while (c != NULL && c->what == RELAY)
		c = c->outer;
	return c != NULL && c->what == ALL;
}

void weft__panic_again(weft__panic *p)
{
	weft__flow *flow = flow_self();

	if (!is_caught(flow->catches))
		uncaught(flow, p);
	unwind_to(flow, flow->catches, WEFT_PANICKED, p);
}

void weft__panic_nil(void)
{
	weft_panic("invalid memory address or nil pointer dereference");
}

void weft_panic(const char *format, ...)
{
	weft__panic *p = panic_new(NULL);
	va_list args;

	va_start(args, format);
	vsnprintf(p->info.message, sizeof p->info.message, format, args);
	va_end(args);
	note_stack(p, __builtin_return_address(0));
	weft__panic_again(p);
}

void weft_panic_value(void *value)
{
	weft__panic *p = panic_new(value);

	snprintf(p->info.message, sizeof p->info.message, "value %p", value);
	note_stack(p, __builtin_return_address(0));
	weft__panic_again(p);
}

void weft_exit(void)
{
	weft__flow *flow = flow_self();
	weft__catch *c = flow->catches;

	/* It cancels the panics that made it run. */
	while (flow->dying != (c != NULL ? c->dying : NULL)) {
		weft__panic_put(flow->dying->panic);
		flow->dying = flow->dying->outer;
	}
	unwind_to(flow, c, WEFT_EXITED, NULL);
}

enum weft_outcome weft__left(weft__panic **p)
{
	weft__ending *e = flow_self()->active;

	*p = NULL;
	if (e == NULL || e->kind != WEFT_PANICKED)
		return WEFT_EXITED;
	*p = weft__panic_get(e->panic);
	return WEFT_PANICKED;
}

/* ---- catching ---- */

static void catch_end(weft__catch *c)
{
	weft__flow *flow = flow_self();

	flow->catches = c->outer;
	flow->defers = c->defers;
	flow->dying = c->dying;
	flow->active = c->active;
	flow->guards = c->guards;
	c->over = true;
}

/* Not ours: a plain thread exits, or an exception passes. */
static void catch_left(weft__catch *c)
{
	if (c->over)
		return;
	if (c->what == EXITS)
		longjmp(c->jump, 1);
	catch_end(c);
	weft__panic_put(c->ending.panic);
}

/*
 * A frame between: its address is below the stack pointer that try() has at the
 * call, and not below that of any frame further in.
 */
static __attribute__((noinline)) void enter(weft_fn fn, void *arg, void **frame)
{
	*frame = __builtin_frame_address(0);
	weft__check_fn(fn != NULL);
	fn(arg);
	__asm__ volatile("");	/* no tail call */
}

/* What changes between the two returns of setjmp is in c. */
static WEFT_PRIV_COLD weft__ending try(weft_fn fn, void *arg, int what)
{
	weft__flow *flow = flow_self();
	__attribute__((cleanup(catch_left))) weft__catch c;

	c.ending = (weft__ending){WEFT_RETURNED, false, NULL};
	c.what = what;
	c.over = false;
	c.outer = flow->catches;
	c.defers = flow->defers;
	c.dying = flow->dying;
	c.active = flow->active;
	c.guards = flow->guards;
	flow->catches = &c;
	flow->active = NULL;
	if (_setjmp(c.jump) == 0)
		enter(fn, arg, &c.frame);
	catch_end(&c);
	return c.ending;
}

static enum weft_outcome outcome_of(const weft__ending *e)
{
	return e->exiting ? WEFT_EXITED : e->kind;
}

enum weft_outcome weft__try(weft_fn fn, void *arg, weft__panic **p)
{
	weft__ending e = try(fn, arg, ALL);

	*p = e.panic;
	return outcome_of(&e);
}

void weft__try_exit(weft_fn fn, void *arg)
{
	try(fn, arg, EXITS);
}

void weft__call_apart(weft_fn fn, void *arg)
{
	WEFT__UNCANCELLED();

	try(fn, arg, EXITS);
}

enum weft_outcome weft_try(weft_fn fn, void *arg, weft_panic_info *info)
{
	weft__ending e = try(fn, arg, ALL);

	if (info != NULL)
		weft__panic_tell(e.panic, info);
	weft__panic_put(e.panic);
	return outcome_of(&e);
}
