/* SPDX-License-Identifier: MIT */
/*
 * The merging core.
 *
 * The callers of a process meet in a flight, whose function is fly(): it asks
 * the engine until it has a result, or leads and makes one. So all that flight.c
 * proves of callers that leave, of the dying call and of forgetting holds for
 * them, and the place sees one asker per process and key.
 */
#include "fleet/core.h"

#include "fleet/os/fd.h"

#include <weft/panic.h>
#include <weft/task.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TAKEOVERS_MOST = 3 };

/* Below, renewals would be late by nature; above, sums of times could overflow. */
static const weft_duration LEASE_LEAST = WEFT_MS(50);
static const weft_duration LEASE_MOST = 24 * 60 * WEFT_MINUTE;

typedef weft__fleet_trip trip;
typedef weft__fleet_result result;

/* ---- opening and closing ---- */

typedef struct {
	const char *scheme;
	const weft__fleet_ops *ops;
} scheme;

#ifdef WEFT_FLEET_REDIS
#define redis_ops &weft__fleet_redis_ops
#else
#define redis_ops NULL	/* built without hiredis */
#endif

static const scheme schemes[] = {
	{"dir:", &weft__fleet_dir_ops},
	{"redis:", redis_ops},
	{"rediss:", redis_ops},
	{"redis+unix:", redis_ops},
	{"unix:", redis_ops},
};

static void warn_nobody(void *arg, const char *line)
{
	(void)arg;
	(void)line;
}

static bool is_lease(weft_duration d)
{
	return d >= LEASE_LEAST && d <= LEASE_MOST;
}

static int read_options(weft_fleet_options *o, const weft_fleet_options *from)
{
	if (from != NULL)
		*o = *from;
	if (o->lease == 0)
		o->lease = 3 * WEFT_SECOND;
	if (o->grace == 0)
		o->grace = o->lease / 3;
	if (o->max_bytes == 0)
		o->max_bytes = 64 << 20;
	if (o->local_most == 0)
		o->local_most = 4;
	if (o->warn == NULL)
		o->warn = warn_nobody;
	return is_lease(o->lease) && o->grace >= 0 && o->grace <= LEASE_MOST &&
			       o->local_most <= 1 << 20
		       ? 0
		       : -EINVAL;
}

static int open_engine(weft_fleet *f, const char *url)
{
	weft__fleet_setup setup = {
		.url = url, .core = f,
		.lease = f->options.lease, .grace = f->options.grace,
		.max_bytes = f->options.max_bytes,
		.warn = f->options.warn, .warn_arg = f->options.warn_arg,
	};

	for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
		size_t n = strlen(schemes[i].scheme);

		if (strncmp(url, schemes[i].scheme, n) != 0)
			continue;
		if (schemes[i].ops != NULL) {
			setup.rest = url + n;
			return schemes[i].ops->open(&f->engine, &setup);
		}
		setup.warn(setup.warn_arg, "built without hiredis, and so without Redis");
		return -ENOTSUP;
	}
	setup.warn(setup.warn_arg, "no such place: a url begins with dir:, redis:, "
				   "rediss:, redis+unix: or unix:");
	return -EINVAL;
}

static int begin(weft_fleet *f, const char *url, const weft_fleet_options *o)
{
	int err = read_options(&f->options, o);

	if (err == 0)
		err = weft__fleet_fd_prepare();
	if (err == 0)
		err = open_engine(f, url);
	if (err != 0)
		return err;
	f->flight.drop = f->waits.drop = free;
	f->generation = weft__fleet_generation();
	weft_ctx_init(&f->closing, NULL);
	weft_sema_init(&f->alone, (long)f->options.local_most);
	err = weft__fleet_keeper_start(f);
	if (err != 0)
		f->engine->ops->close(f->engine);
	return err;
}

int weft_fleet_open(weft_fleet **out, const char *url,
		    const weft_fleet_options *options)
{
	weft_fleet *f = calloc(1, sizeof *f);
	int err = f == NULL ? -ENOMEM
		  : url == NULL ? -EINVAL
				: begin(f, url, options);

	if (err != 0) {
		free(f);
		f = NULL;
	}
	*out = f;
	return err;
}

bool weft__fleet_is_ours(const weft_fleet *f)
{
	return f->generation == weft__fleet_generation();
}

void weft_fleet_close(weft_fleet *f)
{
	if (f == NULL || !weft__fleet_is_ours(f))
		return;
	if (weft_atomic_load(&f->inside, acquire) != 0)
		weft_panic("fleet: closed while callers wait");
	weft__fleet_lock_take(&f->begin_lock);
	weft_ctx_cancel(&f->closing, 0);
	weft__fleet_lock_drop(&f->begin_lock);
	weft_waitgroup_wait(&f->background);
	weft_flight_fini(&f->refreshes);
	weft_flight_fini(&f->waits);
	weft_flight_fini(&f->flight);
	weft__fleet_keeper_stop(f);
	f->engine->ops->close(f->engine);
	weft_ctx_fini(&f->closing);
	free(f);
}

/* ---- who asks ---- */

weft_key weft__fleet_plain_key(weft_key key, uint64_t *room)
{
	if (key.size != WEFT_PRIV_KEY_WORD)
		return key;
	*room = (uintptr_t)key.data;
	return (weft_key){room, sizeof *room};
}

bool weft__fleet_is_key(weft_key key)
{
	return key.size <= WEFT__FLEET_KEY_MOST &&
	       (key.data != NULL || key.size == 0);
}

static int check_key(const weft_fleet *f, weft_key key)
{
	if (!weft__fleet_is_ours(f))
		return -ECHILD;
	return weft__fleet_is_key(key) ? 0 : -EINVAL;
}

static bool is_argument(const weft_fleet_call *c)
{
	return c->arg_size <= PTRDIFF_MAX / 2 &&
	       (c->arg != NULL || c->arg_size == 0);
}

static int check_call(const weft_fleet_call *c, bool passive)
{
	if ((c->fn == NULL && !passive) || (unsigned)c->mode > WEFT_FLEET_ONCE ||
	    (unsigned)c->down > WEFT_FLEET_DOWN_RUN || !is_argument(c) ||
	    c->keep < 0 || c->keep_error < 0 || c->stale < 0 ||
	    !isfinite(c->early) || c->early < 0 || c->share_for < 0 ||
	    c->max_run < 0 || c->max_takeovers < 0 ||
	    (c->lease != 0 && !is_lease(c->lease)))
		return -EINVAL;
	return 0;
}

static size_t arg_room(size_t arg_size)
{
	return (arg_size + 15) & ~(size_t)15;
}

static size_t trip_bytes(const trip *t)
{
	return sizeof *t + arg_room(t->call.arg_size) + t->key_size;
}

/* The pointers of *t into itself, which has been copied. */
static trip *trip_settle(trip *t)
{
	t->call.key.data = t->bytes + arg_room(t->call.arg_size);
	if (t->call.arg_size != 0)
		t->call.arg = t->bytes;
	return t;
}

static trip *trip_new(weft_fleet *f, const weft_fleet_call *call, weft_key key)
{
	trip *t = malloc(sizeof *t + arg_room(call->arg_size) + key.size);

	if (t == NULL)
		return NULL;
	t->fleet = f;
	t->call = *call;
	t->asker = weft_atomic_add(&f->askers, 1, relaxed) + 1;
	t->key_size = t->call.key.size = key.size;
	t->passive = call->fn == NULL;
	if (t->call.lease == 0)
		t->call.lease = f->options.lease;
	if (t->call.max_takeovers == 0)
		t->call.max_takeovers = TAKEOVERS_MOST;
	if (key.size != 0)
		memcpy(t->bytes + arg_room(call->arg_size), key.data, key.size);
	if (call->arg_size != 0)
		memcpy(t->bytes, call->arg, call->arg_size);
	return trip_settle(t);
}

static weft_duration keep_of(const weft_fleet_call *c)
{
	weft_duration keep = c->keep;

	if (c->mode == WEFT_FLEET_CALL)
		return c->share_for;
	if (c->mode == WEFT_FLEET_ONCE && keep == 0)
		return WEFT_FLEET_FOREVER;
	keep = weft__fleet_add(keep, c->stale);
	return keep > c->keep_error ? keep : c->keep_error;
}

weft_duration weft__fleet_grace(const weft_fleet *f, weft_duration lease)
{
	return lease == f->options.lease ? f->options.grace : lease / 3;
}

static void phrase(weft__fleet_ask *ask, const trip *t)
{
	const weft_fleet_call *c = &t->call;

	memset(ask, 0, sizeof *ask);
	ask->id = weft__fleet_id_of(c->key);
	ask->key = c->key;
	ask->attempt = weft__fleet_attempt_new();
	ask->mode = c->mode;
	ask->passive = t->passive;
	ask->at_most_once = c->at_most_once;
	ask->max_age = c->share_for;
	ask->lease = c->lease;
	ask->grace = weft__fleet_grace(t->fleet, c->lease);
	ask->keep = keep_of(c);
	ask->max_takeovers = c->max_takeovers;
	ask->fingerprint = c->fingerprint;
}

/* ---- refreshing in the background ---- */

/* A refresh: what it asks; and, if it leads already, with what. */
typedef struct {
	weft__fleet_ask ask;
	weft__fleet_answer answer;
	bool leads;
	trip trip;		/* last: it is as long as it needs */
} refresh;

/* Nobody waits for it: its panic is one that nobody catches. */
static void refresh_lead(refresh *r)
{
	weft__fleet_end end;

	weft__fleet_lead(&r->trip, &r->trip.fleet->closing, &r->ask, &r->answer,
			 true, &end);
	if (end.result != NULL && end.result->ending == WEFT__FLEET_PANICKED)
		weft_panic("%s", end.panic.message);
	free(end.result);
}

/* For the flight of refreshes: of those that begin at the same time one asks. */
static int refresh_ask(weft_ctx *ctx, void *arg, void **value)
{
	refresh *r = arg;
	weft__fleet_engine *e = r->trip.fleet->engine;
	int err;

	(void)ctx;
	(void)value;
	phrase(&r->ask, &r->trip);
	r->ask.refresh = true;
	r->answer = (weft__fleet_answer){.lock_fd = -1,
					 .sent_at = weft__fleet_boottime()};
	err = e->ops->join(e, &r->trip.fleet->closing, &r->ask, &r->answer);
	free(r->answer.result);
	e->ops->leave(e, &r->ask, err != 0);
	if (err == 0 && r->answer.verdict == WEFT__FLEET_LEAD)
		refresh_lead(r);
	return 0;
}

static void refresh_run(void *arg)
{
	refresh *r = arg;
	weft_fleet *f = r->trip.fleet;

	if (r->leads)
		refresh_lead(r);
	else
		(void)weft_flight_do(&f->refreshes, r->trip.call.key,
				     refresh_ask, r);
	free(r);
	weft_waitgroup_done(&f->background);
}

/*
 * Counted before the fleet is closed, or never: who closes it waits once for those
 * that are, and then for the flights. One that every caller has left may come here
 * in between. Wrong: to look at closing without the lock, since that wait may come
 * and go between the look and the count. And wrong: to wait for the flights first.
 * The keeper forgets in them what refreshes lead.
 */
static bool refresh_begin(weft_fleet *f)
{
	bool begins;

	weft__fleet_lock_take(&f->begin_lock);
	begins = !weft_ctx_done(&f->closing);
	if (begins)
		weft_waitgroup_add(&f->background, 1);
	weft__fleet_lock_drop(&f->begin_lock);
	return begins;
}

/* What refresh_start() has to run, or NULL: no memory. */
static refresh *refresh_new(const trip *t, const weft__fleet_ask *ask,
			    const weft__fleet_answer *lead)
{
	refresh *r = malloc(sizeof *r + trip_bytes(t) - sizeof *t);

	if (r == NULL)
		return NULL;
	memcpy(&r->trip, t, trip_bytes(t));
	trip_settle(&r->trip);
	r->leads = lead != NULL;
	if (lead != NULL) {
		r->ask = *ask;
		r->ask.key = r->trip.call.key;
		r->answer = *lead;
		r->answer.result = NULL;
	}
	return r;
}

/*
 * lead: what makes this process the leader, or NULL: to be asked. 0; -ENOMEM; or
 * -ECANCELED: the fleet is being closed.
 */
static int refresh_start(const trip *t, const weft__fleet_ask *ask,
			 const weft__fleet_answer *lead)
{
	refresh *r;

	if (!refresh_begin(t->fleet))
		return -ECANCELED;
	r = refresh_new(t, ask, lead);
	if (r != NULL && weft_go(refresh_run, r) == 0)
		return 0;
	weft_waitgroup_done(&t->fleet->background);
	free(r);
	return -ENOMEM;
}

/* XFetch: the nearer the end and the longer the run, the more likely. */
static bool is_early(const weft_fleet_call *c, const result *r)
{
	return c->mode == WEFT_FLEET_CACHE && c->early > 0 && r->err == 0 &&
	       -(double)r->took * c->early * log(weft__fleet_dice()) >=
		       (double)r->fresh;
}

/* ---- asking until there is a result ---- */

typedef struct {
	trip *trip;
	weft__fleet_asker asker;
	weft_panic_info panic;
} search;

static bool may_run_alone(const weft_fleet_call *c)
{
	return c->down == WEFT_FLEET_DOWN_RUN && c->mode != WEFT_FLEET_ONCE &&
	       !c->at_most_once && c->fn != NULL;
}

static int take_end(search *s, const weft__fleet_end *end, result **out)
{
	s->panic = end->panic;
	*out = end->result;
	return end->err;
}

static int on_down(search *s, int err, result **out)
{
	weft__fleet_end end;

	if (!may_run_alone(&s->trip->call))
		return err;
	weft__fleet_run_alone(s->trip, s->asker.ctx, &end);
	return take_end(s, &end, out);
}

static int on_hit(search *s, result *r, result **out)
{
	weft_fleet *f = s->trip->fleet;

	r->fingerprint = s->trip->call.fingerprint;
	r->unstored = r->ending == WEFT__FLEET_UNSTORED;
	r->kept = s->asker.ask.known_epoch == 0;
	r->stale = r->kept && r->fresh <= 0 &&
		   s->trip->call.mode != WEFT_FLEET_CALL;
	if (!r->kept)
		weft__fleet_note(f, waited);
	else if (r->stale)
		weft__fleet_note(f, stale);
	if (r->kept)
		weft__fleet_note(f, kept);
	if (r->kept && !r->stale && is_early(&s->trip->call, r))
		(void)refresh_start(s->trip, NULL, NULL);
	*out = r;
	return 0;
}

static int on_lead(search *s, weft__fleet_answer *a, result **out)
{
	weft__fleet_asker *by = &s->asker;
	weft__fleet_end end;

	if (a->result != NULL && refresh_start(s->trip, &by->ask, a) == 0)
		return on_hit(s, a->result, out);
	free(a->result);
	if (by->losses >= s->trip->call.max_takeovers) {	/* A5 */
		weft__fleet_give_back(s->trip->fleet, &by->ask, a);
		return on_down(s, -EHOSTDOWN, out);
	}
	weft__fleet_lead(s->trip, by->ctx, &by->ask, a, false, &end);
	if (end.err == -EAGAIN)
		weft__fleet_ask_anew(by, a->epoch);
	return take_end(s, &end, out);
}

/* -EAGAIN: it led, and its lease was lost. */
static int find_once(search *s, result **out)
{
	weft__fleet_answer a;
	int err = weft__fleet_ask_until(&s->asker, &a);

	if (weft__fleet_is_down(err))
		return on_down(s, err, out);
	if (err != 0)
		return err;
	return a.verdict == WEFT__FLEET_HIT ? on_hit(s, a.result, out)
					    : on_lead(s, &a, out);
}

static int find(search *s, result **out)
{
	int err;

	phrase(&s->asker.ask, s->trip);
	weft__fleet_ask_begin(&s->asker);
	do
		err = find_once(s, out);
	while (err == -EAGAIN);
	weft__fleet_ask_end(&s->asker);
	return err;
}

/* The flight's function: what it ends with, all callers of this process do. */
static int fly(weft_ctx *ctx, void *arg, void **value)
{
	search s = {.trip = trip_settle(arg)};
	result *r = NULL;
	int err;

	s.asker.fleet = s.trip->fleet;
	s.asker.ctx = ctx;
	err = find(&s, &r);
	if (r == NULL)
		return err;
	*value = r;
	if (r->ending == WEFT__FLEET_PANICKED) {
		if (r->led && s.panic.value != NULL)
			weft_panic_value(s.panic.value);
		weft_panic("%s", (const char *)r->data);
	}
	if (r->ending == WEFT__FLEET_EXITED)
		weft_exit();
	return 0;
}

/* ---- one caller ---- */

static void inform(weft_fleet_info *info, const result *r, bool led, bool shared)
{
	*info = (weft_fleet_info){
		.answered = r->ending == WEFT__FLEET_RETURNED,
		.led = led,
		.shared = shared || !led || r->shared,
		.kept = r->kept,
		.stale = r->stale,
		.alone = r->alone,
		.unstored = r->unstored,
		.token = r->epoch,
		.takeovers = r->takeovers,
		.age = r->age,
		.took = r->took,
	};
}

static int take_result(const trip *t, weft_result w, weft_bytes *out,
		       weft_fleet_info *info)
{
	const result *r = w.value;
	uint64_t want = t->call.fingerprint;
	weft_bytes bytes = {.priv_result = w};
	int err;

	if (r == NULL)
		return w.err;
	if (want != 0 && r->fingerprint != 0 && r->fingerprint != want) {
		weft_result_release(&w);
		return -EBADMSG;
	}
	err = r->err;
	if (info != NULL)
		inform(info, r, r->led && r->asker == t->asker, w.shared);
	if (r->ending == WEFT__FLEET_RETURNED && out != NULL) {
		bytes.data = r->data;
		bytes.size = r->size;
		*out = bytes;
	} else {
		weft_result_release(&w);
	}
	return err;
}

typedef struct {
	weft_fleet *fleet;
	trip *trip;
} visit;

static void visit_end(visit *v)
{
	free(v->trip);
	weft_atomic_sub(&v->fleet->inside, 1, release);
}

/* passive: call has no function, and none is started. */
static int travel(weft_fleet *f, weft_ctx *ctx, const weft_fleet_call *call,
		  bool passive, weft_bytes *out, weft_fleet_info *info)
{
	uint64_t room;
	weft_key key = weft__fleet_plain_key(call->key, &room);
	int err = check_key(f, key);
	weft_result w;

	if (out != NULL)
		*out = (weft_bytes){0};
	if (info != NULL)
		*info = (weft_fleet_info){0};
	if (err == 0)
		err = check_call(call, passive);
	if (err != 0)
		return err;
	weft_atomic_add(&f->inside, 1, relaxed);
	__attribute__((cleanup(visit_end))) visit v = {f, trip_new(f, call, key)};
	if (v.trip == NULL)
		return -ENOMEM;
	weft__fleet_note(f, asked);
	w = weft_flight_do_ctx_copy(v.trip->passive ? &f->waits : &f->flight, ctx, v.trip->call.key, fly,
				    v.trip, trip_bytes(v.trip));
	return take_result(v.trip, w, out, info);
}

int weft_fleet_do(weft_fleet *f, weft_ctx *ctx, const weft_fleet_call *call,
		  weft_bytes *out, weft_fleet_info *info)
{
	return travel(f, ctx, call, false, out, info);
}

void weft_bytes_release(weft_bytes *bytes)
{
	weft_result_release(&bytes->priv_result);
	*bytes = (weft_bytes){0};
}

int weft_fleet_wait(weft_fleet *f, weft_ctx *ctx, weft_key key, weft_bytes *out,
		    weft_fleet_info *info)
{
	weft_fleet_call call = {.key = key, .mode = WEFT_FLEET_CACHE};

	return travel(f, ctx, &call, true, out, info);
}

/* ---- what is not a call ---- */

int weft_fleet_forget(weft_fleet *f, weft_ctx *ctx, weft_key key)
{
	uint64_t room;
	weft__fleet_id id;
	int err;

	key = weft__fleet_plain_key(key, &room);
	err = check_key(f, key);
	if (err != 0)
		return err;
	id = weft__fleet_id_of(key);
	err = f->engine->ops->forget(f->engine, ctx, &id);
	weft_flight_forget(&f->flight, key);
	return err;
}

int weft_fleet_cancel(weft_fleet *f, weft_ctx *ctx, weft_key key, uint64_t token)
{
	uint64_t room;
	weft__fleet_id id;
	int err;

	key = weft__fleet_plain_key(key, &room);
	err = check_key(f, key);
	if (err != 0)
		return err;
	id = weft__fleet_id_of(key);
	return f->engine->ops->cancel(f->engine, ctx, &id, token);
}

int weft_fleet_list(weft_fleet *f, weft_ctx *ctx, weft_fleet_list_fn fn,
		    void *arg)
{
	if (!weft__fleet_is_ours(f))
		return -ECHILD;
	return fn != NULL ? f->engine->ops->list(f->engine, ctx, fn, arg) : -EINVAL;
}

int weft_fleet_show(weft_fleet *f, weft_ctx *ctx, weft_key key,
		    weft_fleet_entry *entry)
{
	uint64_t room;
	weft__fleet_id id;
	int err;

	memset(entry, 0, sizeof *entry);
	key = weft__fleet_plain_key(key, &room);
	err = check_key(f, key);
	if (err != 0)
		return err;
	id = weft__fleet_id_of(key);
	return f->engine->ops->show(f->engine, ctx, &id, entry);
}

int weft_fleet_doctor(weft_fleet *f, weft_ctx *ctx, weft_fleet_doctor_fn fn,
		      void *arg)
{
	if (!weft__fleet_is_ours(f))
		return -ECHILD;
	return fn != NULL ? f->engine->ops->doctor(f->engine, ctx, fn, arg) : -EINVAL;
}

_Static_assert(sizeof(size_t) == sizeof(uint64_t), "counters are all words");

void weft_fleet_count(weft_fleet *f, weft_fleet_counters *counters)
{
	const uint64_t *from = (const uint64_t *)&f->counters;
	uint64_t *to = (uint64_t *)counters;
	weft_flight_counters flights;

	for (size_t i = 0; i < sizeof *counters / sizeof *to; i++)
		to[i] = weft_atomic_load(&from[i], relaxed);
	weft_flight_count(&f->flight, &flights);
	counters->merged = flights.joined;
	counters->commands = weft_atomic_load(&f->engine->commands, relaxed);
	counters->down = weft_atomic_load(&f->engine->down, relaxed);
}
