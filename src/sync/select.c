/* SPDX-License-Identifier: MIT */
/*
 * Select. It has all its channels locked while it looks at the cases and, if
 * none can go ahead, queues in all of them; so it decides at one moment.
 *
 * E1  The locks are taken in the order of their addresses, each once, and no
 *     other lock is asked for while one is held: so there is no circle.
 * E2  Among those that can go ahead each is taken with the same chance. What
 *     looks ready because of a dead operation in a queue (see chan.c) is found
 *     out by trying, which takes the dead out; then the choice is made again
 *     among the rest. So the search ends, and says "none" only if that is true.
 * E3  The one claim on wake decides between the channels, the contexts and the
 *     deadlines. If it is MOVED, one case has fired; H3 says when the select
 *     may look which. If not, none has, nor will.
 * E4  A context among the cases is waited for by an entry in its list, which
 *     claims wake NOTIFIED; its deadline, by that of the park. Delisting takes
 *     the context's lock, after which nobody knows the entry.
 * E5  The other cases leave their queues one by one (H5). The channel of the
 *     one that fired is not touched for it: see H4.
 */
#include "base/trap.h"
#include "ctx/ctx.h"
#include "plat/random.h"
#include "sync/chan.h"

static bool has_channel(const weft_case *k)
{
	return k->priv_chan != NULL;	/* one that is NULL never fires */
}

/* ---- the locks ---- */

enum { FEW = 4 };	/* cases; selects seldom have more */

static uintptr_t key(const weft_case *cases, uint32_t i)
{
	return (uintptr_t)cases[cases[i].priv_order].priv_chan;
}

/* Heapsort's step: the entry at i moves down among the first n. */
static void sift(weft_case *cases, uint32_t i, uint32_t n)
{
	for (;;) {
		uint32_t child = 2 * i + 1, entry = cases[i].priv_order;

		if (child >= n)
			return;
		if (child + 1 < n && key(cases, child) < key(cases, child + 1))
			child++;
		if (key(cases, child) <= key(cases, i))
			return;
		cases[i].priv_order = cases[child].priv_order;
		cases[child].priv_order = entry;
		i = child;
	}
}

static __attribute__((noinline)) void sort_many(weft_case *cases, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		cases[i].priv_order = i;
	for (uint32_t i = n / 2; i-- > 0;)
		sift(cases, i, n);
	for (uint32_t i = n; i-- > 1;) {
		uint32_t first = cases[0].priv_order;

		cases[0].priv_order = cases[i].priv_order;
		cases[i].priv_order = first;
		sift(cases, 0, i);
	}
}

/* As most selects have. */
static inline void sort_two(weft_case *cases)
{
	bool swapped = (uintptr_t)cases[0].priv_chan > (uintptr_t)cases[1].priv_chan;

	cases[0].priv_order = swapped;
	cases[1].priv_order = !swapped;
}

/* By insertion. */
static inline void sort_few(weft_case *cases, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uintptr_t own = (uintptr_t)cases[i].priv_chan;
		uint32_t at = i;

		for (; at > 0 && key(cases, at - 1) > own; at--)
			cases[at].priv_order = cases[at - 1].priv_order;
		cases[at].priv_order = i;
	}
}

/* The numbers of the cases in the order of their channels, in priv_order. */
static void sort(weft_case *cases, uint32_t n)
{
	if (likely(n == 2))
		sort_two(cases);
	else if (n <= FEW)
		sort_few(cases, n);
	else
		sort_many(cases, n);
}

/* E1: each once; those without a channel are the first. */
static void lock_all(const weft_case *cases, uint32_t n)
{
	const weft_chan *last = NULL;

	for (uint32_t i = 0; i < n; i++) {
		weft_chan *c = cases[cases[i].priv_order].priv_chan;

		if (c != last)
			weft__chan_lock(c);
		last = c;
	}
}

static void unlock_all(const weft_case *cases, uint32_t n)
{
	const weft_chan *last = NULL;

	for (uint32_t i = 0; i < n; i++) {
		weft_chan *c = cases[cases[i].priv_order].priv_chan;

		if (c != last)
			weft__chan_unlock(c);
		last = c;
	}
}

/* ---- the choice ---- */

static bool looks_ready(const weft_case *k)
{
	const weft_chan *c = k->priv_chan;

	switch (k->priv_kind) {
	case WEFT_PRIV_CASE_SEND:
		return c != NULL && (c->priv_count < c->priv_capacity ||
				     !weft__list_empty(&c->priv_receivers) ||
				     c->priv_closed);
	case WEFT_PRIV_CASE_RECV:
		return c != NULL && (c->priv_count > 0 ||
				     !weft__list_empty(&c->priv_senders) ||
				     c->priv_closed);
	case WEFT_PRIV_CASE_DONE:
		return weft_ctx_done(k->priv_ctx);
	default:
		return false;
	}
}

/* Each that looks ready with the same chance; -1: none does. */
static int choose(const weft_case *cases, uint32_t n)
{
	uint32_t ready = 0;
	int chosen = -1;

	for (uint32_t i = 0; i < n; i++)
		if (looks_ready(&cases[i]) && (++ready == 1 || weft__random_below(ready) == 0))
			chosen = (int)i;
	return chosen;
}

static int find(const weft_case *cases, uint32_t n, uint8_t kind)
{
	for (uint32_t i = 0; i < n; i++)
		if (cases[i].priv_kind == kind)
			return (int)i;
	return -1;
}

/* E2, with all locked: the case that was done, or a default, or -1. */
static int fire(weft_case *cases, uint32_t n, weft__chan_moved *moved)
{
	int i;

	while ((i = choose(cases, n)) >= 0) {
		if (cases[i].priv_kind != WEFT_PRIV_CASE_DONE) {
			if (weft__chan_try(&cases[i], moved))
				return i;
		} else {
			cases[i].ok = true;
			return i;
		}
	}
	i = find(cases, n, WEFT_PRIV_CASE_DEFAULT);
	if (i >= 0)
		cases[i].ok = true;
	return i;
}

/* ---- the wait ---- */

static weft_time earlier(weft_time a, weft_time b)
{
	return a < b ? a : b;
}

/*
 * Wait, with an entry in each context among the cases: one in each call, so that
 * they need no memory but the stack's, of which the header says how much.
 * Returns the outcome.
 */
static uint32_t park(weft__waiter *w, const weft_case *cases, uint32_t n,
		     weft_ctx *ctx, weft_time deadline)
{
	weft__wakeups nobody = {0};	/* w runs: it is never parked here */
	weft__ctx_entry e = {.waiter = w, .outcome = WEFT__NOTIFIED};
	weft_ctx *c = NULL;
	uint32_t i = 0, outcome;

	for (; i < n && c == NULL; i++)
		if (cases[i].priv_kind == WEFT_PRIV_CASE_DONE)
			c = cases[i].priv_ctx;
	if (c == NULL)
		return weft__ctx_park_until(w, ctx, deadline);
	if (!weft__ctx_enlist(c, &e)) {
		weft__claim(w, WEFT__NOTIFIED, &nobody);
		return weft__park(w, WEFT_NEVER);
	}
	outcome = park(w, cases + i, n - i, ctx,
		       earlier(deadline, weft__ctx_deadline(c)));
	weft__ctx_delist(c, &e);
	return outcome;
}

static int find_fired(const weft_case *cases, uint32_t n, bool parked)
{
	for (uint32_t i = 0; i < n; i++)
		if (parked ? cases[i].priv_parked : cases[i].priv_fired)
			return (int)i;
	return -1;
}

/* E3: wake was claimed MOVED. */
static int await_fired(weft_case *cases, uint32_t n, weft__chan_waiter *w)
{
	int fired = find_fired(cases, n, true);

	if (fired >= 0)
		return fired;
	weft__chan_await(w);	/* H3 */
	return find_fired(cases, n, false);
}

static void leave_others(weft_case *cases, uint32_t n, int fired)
{
	for (uint32_t i = 0; i < n; i++)
		if (has_channel(&cases[i]) && (int)i != fired)
			weft__chan_leave(&cases[i]);
}

/* No channel has fired: a context among the cases has, or ctx, or several. */
static int find_done(weft_case *cases, uint32_t n, weft_ctx *ctx,
		     uint32_t outcome)
{
	int chosen = -1;
	uint32_t done = 0;

	for (uint32_t i = 0; i < n; i++)
		if (cases[i].priv_kind == WEFT_PRIV_CASE_DONE &&
		    weft_ctx_done(cases[i].priv_ctx) &&
		    (++done == 1 || weft__random_below(done) == 0))
			chosen = (int)i;
	if (chosen >= 0)
		cases[chosen].ok = true;
	else if (outcome == WEFT__CANCELLED)
		return -ECANCELED;
	else
		return weft__ctx_expire(ctx);
	return chosen;
}

static __attribute__((noinline)) int wait(weft_case *cases, uint32_t n, weft_ctx *ctx,
		weft__chan_waiter *w)
{
	uint32_t outcome = park(&w->wake, cases, n, ctx, WEFT_NEVER);
	int fired = -1;

	if (outcome == WEFT__MOVED)
		fired = await_fired(cases, n, w);
	leave_others(cases, n, fired);
	return fired >= 0 ? fired : find_done(cases, n, ctx, outcome);
}

static const weft__why why = {.text = "select", .object = WEFT__OF_NOTHING};

static void queue_all(weft_case *cases, uint32_t n, weft__chan_waiter *w)
{
	weft__chan_waiter_init(w, &why, NULL);
	for (uint32_t i = 0; i < n; i++)
		if (has_channel(&cases[i]))
			weft__chan_queue(&cases[i], w);
}

static inline __attribute__((always_inline)) int
select_one(weft_case *cases, uint32_t n, weft_ctx *ctx)
{
	weft__chan_moved moved = {0};
	weft__chan_waiter w;
	int fired;

	lock_all(cases, n);
	fired = fire(cases, n, &moved);
	if (fired < 0)
		queue_all(cases, n, &w);
	unlock_all(cases, n);
	weft__chan_let_go(&moved);
	return fired >= 0 ? fired : wait(cases, n, ctx, &w);
}

int weft_select_ctx(weft_case *cases, weft_ctx *ctx, int n)
{
	uint32_t count = n > 0 ? (uint32_t)n : 0;
	int fired;

	sort(cases, count);
	fired = select_one(cases, count, ctx);
	if (fired >= 0 && unlikely(!cases[fired].ok) &&
	    cases[fired].priv_kind == WEFT_PRIV_CASE_SEND)
		weft__chan_panic_closed();
	return fired;
}

int weft_select(weft_case *cases, int n)
{
	return weft_select_ctx(cases, NULL, n);
}
