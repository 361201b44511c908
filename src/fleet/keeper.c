/* SPDX-License-Identifier: MIT */
/*
 * The keeper: a thread that renews the leases of this process, and takes from
 * runs what they have lost. It is a plain thread: tasks that compute do not hold
 * it up, whatever they do.
 *
 * K1  lost_at is counted from just before a command was sent that made the lease
 *     good for its length, less a hundredth and 2 ms for clocks that run
 *     differently. The place counts from when it learnt of it, later. So a
 *     holder knows that it has lost the lease before the place gives it away.
 *     And one that learns of a lease when that is over does not begin.
 * K2  A hold is unlinked and not busy when weft__fleet_keep_no_more() returns; the
 *     keeper touches one only while it is linked and with the lock held, or while
 *     it is busy. So its context lives while it may be cancelled.
 * K3  A hold that is lost by the clock alone is renewed all the same until its run
 *     has ended: where nobody has taken over, nobody should begin beside a
 *     function that does not look at its context. That it is lost stays so.
 * K4  A renewal that is not answered does not keep the keeper beyond the time at
 *     which the first lease would be lost: until of weft__fleet_ops.renew.
 */
#include "fleet/core.h"

enum { RENEWALS = 4 };	/* in the length of a lease */

static const weft_duration RETRY_MOST = WEFT_MS(50);
static const weft_duration LONG = WEFT_MINUTE;

static weft_time lost_after(weft_time sent_at, weft_duration length)
{
	return sent_at + length - length / 100 - WEFT_MS(2);
}

bool weft__fleet_is_over(weft_time sent_at, weft_duration length)
{
	return weft__fleet_boottime() >= lost_after(sent_at, length);
}

bool weft__fleet_held(const weft__fleet_hold *h)
{
	return !weft_atomic_load(&h->lost, relaxed) &&
	       !weft_atomic_load(&h->forgotten, relaxed) &&
	       weft__fleet_boottime() < weft_atomic_load(&h->lost_at, relaxed);
}

/* A few times before the lease is over, however short it is. */
static weft_duration retry_of(const weft__fleet_hold *h)
{
	weft_duration d = h->length / (4 * RENEWALS);

	return d < RETRY_MOST ? d : RETRY_MOST;
}

static bool renews(const weft__fleet_hold *h, weft_time now)
{
	return !h->gone && !h->forgotten && !h->awaited && now < h->stop_at;
}

/* With the lock held. */
static void lose(weft_fleet *f, weft__fleet_hold *h)
{
	weft_atomic_store(&h->lost, true, relaxed);
	weft__fleet_note(f, lost);
	weft_ctx_cancel(h->ctx, -EOWNERDEAD);
}

static void judge(weft_fleet *f, weft__fleet_hold *h, weft_time sent_at)
{
	switch (h->lease.renewed) {
	case 0:
		h->good_at = sent_at;
		h->renew_at = sent_at + h->length / RENEWALS;
		weft_atomic_store(&h->lost_at, lost_after(sent_at, h->length),
				  relaxed);
		if (h->lease.cancelled)
			weft_ctx_cancel(h->ctx, -EINTR);
		break;
	case -ESTALE:
		weft_atomic_store(&h->forgotten, true, relaxed);
		weft_flight_forget(&f->flight, h->lease.ask->key);
		break;
	case -EOWNERDEAD:
		h->gone = true;
		if (!h->lost)
			lose(f, h);
		break;
	default:
		h->renew_at = weft__fleet_boottime() + retry_of(h);
	}
	if (h->soon)
		h->renew_at = 0;
}

/* With the lock held. What is due is marked busy; *next: when to look again. */
static weft__fleet_hold *collect(weft_fleet *f, weft_time now, weft_time *next,
				 weft_time *first_lost)
{
	weft__fleet_lease *due = NULL;

	*next = *first_lost = now + LONG;
	for (weft__fleet_hold *h = f->keeper.holds; h != NULL; h = h->next) {
		weft_time lost_at = h->lost_at;

		if (!h->lost && !h->forgotten && now >= lost_at)
			lose(f, h);
		if (!h->lost && !h->forgotten && lost_at < *first_lost)
			*first_lost = lost_at;
		if (!renews(h, now))
			continue;
		if (now >= h->renew_at) {
			h->busy = true;
			h->soon = false;
			h->lease.since_good = now - h->good_at;
			h->lease.next_due = due;
			due = &h->lease;
		} else if (h->renew_at < *next) {
			*next = h->renew_at;
		}
	}
	if (*first_lost < *next)
		*next = *first_lost;
	return (weft__fleet_hold *)due;	/* the lease is a hold's first member */
}

_Static_assert(offsetof(weft__fleet_hold, lease) == 0, "see collect()");

/* With the lock held, which is dropped meanwhile. */
static void renew(weft_fleet *f, weft__fleet_hold *due, weft_time now,
		  weft_time first_lost)
{
	weft_duration left = first_lost - now;
	weft__fleet_lease *l, *next;

	weft__fleet_lock_drop(&f->keeper.lock);
	f->engine->ops->renew(f->engine, &due->lease,
			      weft_now() + (left < WEFT_SECOND ? left : WEFT_SECOND));
	weft__fleet_lock_take(&f->keeper.lock);
	for (l = &due->lease; l != NULL; l = next) {
		weft__fleet_hold *h = (weft__fleet_hold *)l;

		next = l->next_due;
		judge(f, h, now);
		h->busy = false;
		if (h->awaited)
			weft_sema_release(&h->idle, 1);
	}
}

void weft__fleet_renew_soon(void *core)
{
	weft_fleet *f = core;

	weft__fleet_lock_take(&f->keeper.lock);
	for (weft__fleet_hold *h = f->keeper.holds; h != NULL; h = h->next) {
		h->soon = true;
		h->renew_at = 0;
	}
	weft__fleet_lock_drop(&f->keeper.lock);
	weft_sema_release(&f->keeper.wake, 1);
}

static void sleep_for(weft_fleet *f, weft_duration d)
{
	weft_ctx until;

	weft_ctx_init_timeout(&until, NULL, d);
	(void)!weft_sema_acquire_ctx(&f->keeper.wake, &until, 1);
	weft_ctx_fini(&until);
}

static void *keep(void *arg)
{
	weft_fleet *f = arg;
	weft__fleet_keeper *k = &f->keeper;

	weft__fleet_lock_take(&k->lock);
	while (!k->stopping) {
		weft_time now = weft__fleet_boottime(), next, first_lost;
		weft__fleet_hold *due = collect(f, now, &next, &first_lost);

		if (due != NULL) {
			renew(f, due, now, first_lost);
			continue;
		}
		weft__fleet_lock_drop(&k->lock);
		sleep_for(f, next - now);
		weft__fleet_lock_take(&k->lock);
	}
	weft__fleet_lock_drop(&k->lock);
	return NULL;
}

int weft__fleet_keeper_start(weft_fleet *f)
{
	weft_sema_init(&f->keeper.wake, 0);
	return weft__fleet_thread_start(&f->keeper.thread, "weft-keeper", keep,
					f);
}

void weft__fleet_keeper_stop(weft_fleet *f)
{
	weft__fleet_lock_take(&f->keeper.lock);
	f->keeper.stopping = true;
	weft__fleet_lock_drop(&f->keeper.lock);
	weft_sema_release(&f->keeper.wake, 1);
	weft__fleet_thread_join(f->keeper.thread);
}

void weft__fleet_keep(weft_fleet *f, weft__fleet_hold *h, weft_time sent_at)
{
	h->good_at = sent_at;
	h->renew_at = sent_at + h->length / RENEWALS;
	h->lost_at = lost_after(sent_at, h->length);
	weft__fleet_lock_take(&f->keeper.lock);
	h->next = f->keeper.holds;
	f->keeper.holds = h;
	weft_atomic_add(&f->counters.running, 1, relaxed);
	weft__fleet_lock_drop(&f->keeper.lock);
	weft_sema_release(&f->keeper.wake, 1);
}

/*
 * With the lock held, which is dropped meanwhile. While h->awaited nobody begins a
 * renewal: K2.
 */
static void wait_until_idle(weft_fleet *f, weft__fleet_hold *h)
{
	weft_sema_init(&h->idle, 0);
	h->awaited = true;
	if (!h->busy)
		return;
	weft__fleet_lock_drop(&f->keeper.lock);
	weft_sema_acquire(&h->idle, 1);
	weft__fleet_lock_take(&f->keeper.lock);
}

void weft__fleet_keep_no_more(weft_fleet *f, weft__fleet_hold *h)
{
	weft__fleet_hold **p = &f->keeper.holds;

	weft__fleet_lock_take(&f->keeper.lock);
	wait_until_idle(f, h);
	while (*p != h)
		p = &(*p)->next;
	*p = h->next;
	weft_atomic_sub(&f->counters.running, 1, relaxed);
	weft__fleet_lock_drop(&f->keeper.lock);
}
