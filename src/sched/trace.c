/* SPDX-License-Identifier: MIT */
#include "sched/trace.h"

#include "base/trap.h"
#include "plat/file.h"
#include "plat/pages.h"
#include "plat/symbols.h"
#include "sched/fork.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	EVENTS = 1024,		/* in a buffer */
	TEXT_BYTES = 64 * 1024,
	LINE_BYTES = 1024,	/* the most that an event takes */
	NAMES = 256,		/* of functions, remembered */
	OUTSIDE = 1000000,	/* the track of plain threads */
	INTERVAL_NS = 100 * 1000000,	/* from writing to writing: R5 */
};

typedef enum {
	RUN,		/* from at to until, and then it waits */
	END,		/* likewise, and then it is over */
	WAITED,
	START,
	BEGIN,		/* because of START */
	WAKE,
	GO_ON,		/* because of WAKE */
	STEAL,
	SPAN_BEGIN,
	SPAN_END,
} event_kind;

typedef struct {
	event_kind kind;
	uint32_t task;
	weft_time at;
	weft_time until;
	uint64_t number;
	const void *object;
	const void *waits_for;
	const void *fn;		/* the task's, for its name */
	const char *text;
	char name[40];
} event;

struct weft__trace_buffer {
	uint32_t count;		/* atomic: filled; R3 */
	uint32_t written;	/* under the file's lock */
	uint32_t track;
	bool named;
	event events[EVENTS];
};

typedef struct weft__trace_buffer buffer;

typedef struct {
	const void *fn;
	char name[64];
} function_name;

static struct {
	weft__lock lock;
	int fd;
	bool broken;		/* or closed: no more is written */
	uint64_t good_bytes;	/* whole events in the file */
	size_t length;
	char text[TEXT_BYTES];
	weft__symbols symbols;
	function_name names[NAMES];
	char path[4096];
} file = {.fd = -1};

/* R2 */
static weft__lock outside_lock;
static buffer *outside;
static uint32_t started;

bool weft__spans __attribute__((aligned(WEFT__CACHE_LINE)));

/* ---- writing; with the file locked ---- */

/* R4 */
static void give_up(int err)
{
	file.broken = true;
	fprintf(stderr, "weft: WEFT_TRACE=%s: %s; it ends there\n", file.path,
		strerror(-err));
	weft__file_cut(file.fd, file.good_bytes);
	(void)weft__file_write(file.fd, &"[\n]\n"[file.good_bytes > 0], 3);
}

static void write_text(void)
{
	int err;

	err = file.broken ? 0 : weft__file_write(file.fd, file.text, file.length);
	if (err != 0)
		give_up(err);
	else
		file.good_bytes += file.length;
	file.length = 0;
}

static __attribute__((format(printf, 1, 2))) void add(const char *format, ...)
{
	size_t room = sizeof file.text - file.length;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(file.text + file.length, room, format, args);
	va_end(args);
	if (n > 0)
		file.length += (size_t)n < room ? (size_t)n : room - 1;
}

/* How many bytes the character at s has; 0: none of UTF-8. */
static size_t character(const unsigned char *s)
{
	size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
		   : (s[0] & 0xf0) == 0xe0			 ? 3
		   : s[0] >= 0xf0 && s[0] < 0xf5		 ? 4
								 : 0;

	for (size_t i = 1; i < n; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] >= 0xa0) ||
	    (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] >= 0x90))
		return 0;
	return n;
}

static void add_string(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;

	add("\"");
	while (*s != 0) {
		size_t n = character(s);

		if (n == 0)
			add("?");
		else if (*s < 0x20 || *s == '"' || *s == '\\' || *s == 0x7f)
			add("\\u%04x", *s);
		else
			add("%.*s", (int)n, (const char *)s);
		s += n > 0 ? n : 1;
	}
	add("\"");
}

static const char *name_of_function(const void *fn)
{
	function_name *f = &file.names[(uintptr_t)fn / 16 % NAMES];

	if (f->fn != fn) {
		f->fn = fn;
		weft__symbols_name(&file.symbols, fn, f->name, sizeof f->name);
	}
	return f->name;
}

static void add_name(const event *e)
{
	if (e->name[0] != 0)
		add_string(e->name);
	else if (e->fn != NULL)
		add_string(name_of_function(e->fn));
	else
		add_string("task");
}

/* In microseconds, as the format has it. */
static void add_time(const char *key, weft_time t)
{
	add(",\"%s\":%" PRId64 ".%03d", key, t / 1000, (int)(t % 1000));
}

static void begin(const char *phase, const buffer *b, weft_time at)
{
	/* The first line opens the list. */
	add("%s{\"ph\":\"%s\",\"pid\":1,\"tid\":%" PRIu32,
	    file.good_bytes + file.length == 0 ? "[\n" : ",\n", phase, b->track);
	add_time("ts", at);
}

static void add_track(buffer *b)
{
	b->named = true;
	begin("M", b, 0);
	if (b->track == OUTSIDE)
		add(",\"name\":\"thread_name\",\"args\":{\"name\":\"plain threads\"}}");
	else
		add(",\"name\":\"thread_name\",\"args\":{\"name\":\"worker %" PRIu32
		    "\"}}", b->track);
}

static void add_run(const buffer *b, const event *e)
{
	begin("X", b, e->at);
	add_time("dur", e->until - e->at);
	add(",\"cat\":\"task\",\"name\":");
	add_name(e);
	add(",\"args\":{\"task\":%" PRIu32 ",\"until\":", e->task);
	add_string(e->text);
	if (e->object != NULL)
		add(",\"of\":\"%p\"", e->object);
	add("}}");
}

/* One end of a span of the task's own track, where it is not on any worker's. */
static void begin_wait(const buffer *b, const event *e, const char *phase,
		       weft_time at)
{
	begin(phase, b, at);
	add(",\"cat\":\"wait\",\"id\":\"task %" PRIu32 "\",\"name\":", e->task);
	add_string(e->text);
}

/* R5 */
static void add_wait(const buffer *b, const event *e)
{
	begin_wait(b, e, "b", e->until);
	add(",\"args\":{\"task\":");
	add_name(e);
	if (e->waits_for != NULL)
		add(",\"object\":\"%p\"", e->waits_for);
	add("}}");
}

static void add_waited(const buffer *b, const event *e)
{
	begin_wait(b, e, "e", e->at);
	add("}");
}

static void add_flow(const buffer *b, const event *e, const char *phase,
		     const char *name)
{
	begin(phase, b, e->at);
	add(",\"cat\":\"%s\",\"name\":\"%s\",\"id\":\"%s %" PRIu32 ".%" PRIu64 "\"",
	    name, name, name, e->task, e->number);
	add(phase[0] == 'f' ? ",\"bp\":\"e\"}" : "}");
}

static void add_steal(const buffer *b, const event *e)
{
	begin("i", b, e->at);
	add(",\"s\":\"t\",\"cat\":\"steal\",\"name\":\"steal\","
	    "\"args\":{\"from\":\"worker %" PRIu32 "\",\"tasks\":%" PRIu64 "}}",
	    e->task, e->number);
}

static void add_span(const buffer *b, const event *e, const char *phase)
{
	begin(phase, b, e->at);
	add(",\"cat\":\"%s\",\"id\":\"%s %p\",\"name\":", e->text, e->text,
	    e->object);
	add_string(e->name);
	add("}");
}

static void add_event(const buffer *b, const event *e)
{
	switch (e->kind) {
	case RUN:
		add_run(b, e);
		add_wait(b, e);
		break;
	case END:
		add_run(b, e);
		break;
	case WAITED:
		add_waited(b, e);
		break;
	case START:
	case BEGIN:
		add_flow(b, e, e->kind == START ? "s" : "f", "start");
		break;
	case WAKE:
	case GO_ON:
		add_flow(b, e, e->kind == WAKE ? "s" : "f", "wake");
		break;
	case STEAL:
		add_steal(b, e);
		break;
	default:
		add_span(b, e, e->kind == SPAN_BEGIN ? "b" : "e");
	}
}

/* R3 */
static void write_buffer(buffer *b)
{
	uint32_t count = weft_atomic_load(&b->count, acquire);

	if (!b->named && b->written < count)
		add_track(b);
	for (; b->written < count; b->written++) {
		if (sizeof file.text - file.length < LINE_BYTES)
			write_text();
		add_event(b, &b->events[b->written]);
	}
}

static void write_all(void)
{
	uint32_t count = weft_atomic_load(&weft__rt.worker_count, acquire);

	for (uint32_t i = 0; i < count; i++)
		if (weft__rt.workers[i]->trace != NULL)
			write_buffer(weft__rt.workers[i]->trace);
	write_buffer(outside);
	write_text();
}

/* ---- events ---- */

/* Room for one, which is published by commit(). */
static event *reserve(buffer *b)
{
	uint32_t count = weft_atomic_load(&b->count, relaxed);

	if (count == EVENTS) {
		weft__lock_take(&file.lock);
		write_buffer(b);
		write_text();
		weft_atomic_store(&b->count, 0, relaxed);
		b->written = count = 0;
		weft__lock_drop(&file.lock);
	}
	return &b->events[count];
}

static void commit(buffer *b)
{
	weft_atomic_store(&b->count, weft_atomic_load(&b->count, relaxed) + 1,
			  release);
}

static void record(weft__worker *w, const event *e)
{
	buffer *b = w != NULL ? w->trace : outside;

	if (b == NULL)
		return;
	if (w == NULL)
		weft__lock_take(&outside_lock);
	*reserve(b) = *e;
	commit(b);
	if (w == NULL)
		weft__lock_drop(&outside_lock);
}

static weft__worker *worker_self(void)
{
	weft__stack *self = weft__stack_self();

	return self != NULL ? self->worker : NULL;
}

static event event_of(const weft__stack *s, event_kind kind)
{
	event e = {.kind = kind, .task = s->task->number, .fn = s->task->fn,
		   .at = weft_now()};

	if (s->name != NULL)
		snprintf(e.name, sizeof e.name, "%s", s->name);
	return e;
}

void weft__trace_start(weft__worker *w, weft__task *task)
{
	event e = {.kind = START, .at = weft_now()};

	task->number = weft_atomic_add(&started, 1, relaxed) + 1;
	e.task = task->number;
	record(w, &e);
}

void weft__trace_run(weft__stack *self)
{
	event e = event_of(self, BEGIN);

	self->trace = (weft__trace_state){.since = e.at};
	record(self->worker, &e);
}

static void stop(weft__stack *self, event_kind kind, const char *reason,
		 const void *waits_for)
{
	event e = event_of(self, kind);

	e.until = e.at;
	e.at = self->trace.since;
	e.text = reason;
	e.object = self->task->object;
	e.waits_for = waits_for;
	self->trace.reason = reason;
	record(self->worker, &e);
}

void weft__trace_end(weft__stack *self, const char *how)
{
	stop(self, END, how, NULL);
}

/*
 * It is queued already, and who wakes it takes it out: then this is the object
 * or NULL, either of which was true a moment ago.
 */
__attribute__((no_sanitize("thread"))) static const void *
object_of(const weft__waiter *w)
{
	return w->why->object == WEFT__OF_ADDRESS ? w->address : w->data;
}

void weft__trace_park(weft__stack *self, const weft__waiter *w)
{
	stop(self, RUN, w->why->text, object_of(w));
}

void weft__trace_yield(weft__stack *self)
{
	stop(self, RUN, "yield", NULL);
}

void weft__trace_go_on(weft__stack *self)
{
	event e = {.kind = WAITED, .task = self->task->number,
		   .at = weft_now(), .text = self->trace.reason};

	record(self->worker, &e);
	self->trace.since = e.at;
	if (!self->trace.woken)
		return;
	self->trace.woken = false;
	e.kind = GO_ON;
	e.number = self->trace.wakes;
	record(self->worker, &e);
}

/* Nobody else can make it ready: its stack is the caller's as yet. */
void weft__trace_wake(weft__task *task)
{
	weft__trace_state *state = &task->stack->trace;
	event e = {.kind = WAKE, .task = task->number, .at = weft_now(),
		   .number = ++state->wakes};

	state->woken = true;
	record(worker_self(), &e);
}

static uint32_t number_of(const weft__worker *w)
{
	for (uint32_t i = 0; i < WEFT__WORKERS_MAX; i++)
		if (weft__rt.workers[i] == w)
			return i;
	return WEFT__WORKERS_MAX;
}

void weft__trace_steal(weft__worker *w, const weft__worker *v, uint64_t n)
{
	event e = {.kind = STEAL, .at = weft_now(), .task = number_of(v),
		   .number = n};

	record(w, &e);
}

void weft__trace_span(const char *kind, const void *id, const char *name,
		      bool begins)
{
	event e = {.kind = begins ? SPAN_BEGIN : SPAN_END, .at = weft_now(),
		   .text = kind, .object = id};

	snprintf(e.name, sizeof e.name, "%s", name);
	record(worker_self(), &e);
}

/* ---- beginning and end ---- */

void weft__trace_worker(weft__worker *w)
{
	if (!weft__rt.traced)
		return;
	w->trace = weft__pages_map(sizeof *w->trace);
	if (w->trace != NULL)
		w->trace->track = number_of(w);
}

void weft__trace_flush(void)
{
	if (!weft__rt.traced || weft__forked())
		return;
	weft__lock_take(&file.lock);
	write_all();
	weft__lock_drop(&file.lock);
}

/* R5 */
void weft__trace_tick(weft_time now)
{
	static weft_time next;

	if (!weft__rt.traced || now < next)
		return;
	next = now + INTERVAL_NS;
	weft__trace_flush();
}

void weft__trace_close(void)
{
	if (!weft__rt.traced || weft__forked())
		return;
	weft__lock_take(&file.lock);
	if (!file.broken) {
		write_all();
		add(file.good_bytes == 0 ? "[\n]\n" : "\n]\n");
		write_text();
		file.broken = true;
	}
	weft__lock_drop(&file.lock);
}

void weft__trace_open(void)
{
	const char *path = getenv("WEFT_TRACE");
	static bool tried;

	if (tried || path == NULL || *path == 0)
		return;
	tried = true;
	snprintf(file.path, sizeof file.path, "%s", path);
	outside = weft__pages_map(sizeof *outside);
	file.fd = weft__file_create(file.path, sizeof file.path);
	if (file.fd < 0 || outside == NULL) {
		fprintf(stderr, "weft: WEFT_TRACE=%s: %s\n", path,
			file.fd < 0 ? strerror(-file.fd) : "no memory");
		return;
	}
	outside->track = OUTSIDE;
	weft__rt.traced = weft__spans = true;
	weft__fatal_hook = weft__trace_close;
	atexit(weft__trace_close);
}
