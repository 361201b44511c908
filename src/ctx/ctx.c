/* SPDX-License-Identifier: MIT */
/*
 * The tree of contexts.
 *
 *	priv_err       who writes it, and what it promises
 *	0              not done, or expired and nobody has looked yet
 *	-ECANCELED     a canceller, under the lock. Cause is valid. All below
 *	               is done, or a walk that holds the lock is at it
 *	-ETIMEDOUT     anybody, without the lock, when the deadline has passed.
 *	               Cause is not used. All below has passed its deadline too
 *
 * C1  Locks are taken downwards: that of a context while those of ancestors
 *     are held, never the other way; a bucket's last. priv_parent does not
 *     change, so this is an order.
 * C2  priv_err changes once: by a CAS from 0. priv_cause is written under the
 *     lock before the CAS to -ECANCELED (release), and read only after
 *     -ECANCELED was (acquire). One location decides and everything else is
 *     under locks, so nothing here needs seq_cst. The tempting wrong version
 *     lets a deadline store a cause as well: the canceller writes its cause,
 *     the deadline wins the CAS, and -ETIMEDOUT has the canceller's cause.
 * C3  A deadline that passes needs no walk: a child's deadline is not later
 *     than its parent's, a waiter's and an after-func's timer is not later than
 *     their context's, and whoever asks looks at the clock. So "expired" holds
 *     for all of the subtree at the same time, noticed or not, and a walk
 *     leaves out what has expired.
 * C4  When weft_ctx_cancel(c) returns, all below c is done. The walk holds the
 *     lock of c from the store of its error on until the subtree is through,
 *     likewise for each context on its way down. So a second canceller, who
 *     has to take the lock to find the error, returns after that; a subtree
 *     that somebody else has cancelled is through when we have its lock; and
 *     a child that is being attached, under the lock of its parent, is in the
 *     list before the walk gets there, or finds the error there. The tempting
 *     wrong version lets the second canceller return at the sight of the
 *     error: it then finds a child that is not done.
 * C5  A child is touched by a walk only while the walk holds the lock of the
 *     child's parent, from taking it out of the list to dropping its lock; and
 *     weft_ctx_fini(child) takes the parent's lock before it returns, even if
 *     the child is in no list any more. So it waits until the walk is through
 *     with the parent, and no child is touched after it was finished. The
 *     tempting wrong version takes the lock only to unlink: the walk takes the
 *     child out of the list and waits for its lock, which its owner has, in
 *     weft_ctx_fini(); the owner sees that it is in no list, frees it; the walk
 *     takes a lock that is no more.
 *     For the context where the walk began: weft_ctx_fini() takes its lock,
 *     and dropping that is the last thing the walk does with it (L5).
 * C6  A waiter is taken out of the list, under the lock, before it is claimed.
 *     If the claim wins it is not touched any more but for waking (P2, P4),
 *     and it need not look at the context again: WEFT__CANCELLED says that it
 *     is in no list. If the claim fails the waiter is on its way out, but has
 *     to take our lock before it leaves: it is there as long as we look at it.
 *     Claimed waiters are woken, and after-funcs started, when no lock is held;
 *     but the first tasks of a crowd go on before (weft__wake_early()) if they wait
 *     for the context where the walk began. Who waits for one below it often is
 *     its owner, and to finish it he wants the lock of its parent, which we have.
 * C7  The list of after-funcs changes under the bucket lock of the context's
 *     address, which exists however long the context does: see after.c.
 * C8  A waiter knows one that waits some places behind it, to be fetched, as in
 *     the lot (Q4 in lot.h). The scout, which is told of the next one, is in
 *     the list, and not the first; that has its address instead.
 */
#include "ctx/ctx.h"

#include <weft/panic.h>

#include <string.h>

_Static_assert(sizeof(weft_ctx) <= 96, "many contexts are walked through");
_Static_assert(sizeof(weft__lock) == sizeof(uint32_t), "priv_lock is one");

/* A walk down a tree, and what it has collected. */
typedef struct {
	int cause;
	weft_time now;	/* 0: not read yet */
	weft__wakeups wakeups;
	const weft_ctx *root;	/* where it began */
	size_t claimed;	/* of the root's waiters */
	weft__link afters;
} walk;

int weft__ctx_expire(weft_ctx *c)
{
	int32_t err = 0;

	if (weft_atomic_cas(&c->priv_err, &err, -ETIMEDOUT, acquire, acquire))
		return -ETIMEDOUT;	/* C3 */
	return err;
}

int weft_ctx_err_slow(const weft_ctx *c)
{
	if (weft_now() < c->priv_deadline)
		return weft_atomic_load(&c->priv_err, acquire);
	return weft__ctx_expire((weft_ctx *)c);
}

int weft_ctx_cause(const weft_ctx *c)
{
	int err = weft_ctx_err(c);

	return err == -ECANCELED ? c->priv_cause : err;	/* C2 */
}

bool weft_ctx_deadline(const weft_ctx *c, weft_time *when)
{
	if (c == NULL || c->priv_deadline == 0)
		return false;
	if (when != NULL)
		*when = c->priv_deadline;
	return true;
}

void *weft_ctx_value(const weft_ctx *c, const void *key)
{
	for (; c != NULL && key != NULL; c = c->priv_parent)
		if (c->priv_key == key)
			return c->priv_value;
	return NULL;
}

static void clear(weft_ctx *c)
{
	memset(c, 0, sizeof *c);
	c->priv_stamp = weft__stamp(c);
}

static void attach(weft_ctx *c, weft_ctx *parent)
{
	int err;

	c->priv_parent = parent;
	if (parent == NULL)
		return;
	weft__ctx_check_not_copied(parent);
	weft__ctx_lock(parent);
	err = weft_atomic_load(&parent->priv_err, relaxed);
	if (err == 0) {	/* C4 */
		c->priv_flags = WEFT__CTX_ATTACHED;
		parent->priv_child_count++;
		weft__circle_push(&parent->priv_children, &c->priv_sibling);
	} else {
		c->priv_cause = parent->priv_cause;
		c->priv_err = err;
	}
	weft__ctx_unlock(parent);
}

void weft_ctx_init_deadline(weft_ctx *c, weft_ctx *parent, weft_time when)
{
	weft_time earliest = parent ? weft__ctx_deadline(parent) : WEFT_NEVER;

	if (when < earliest)
		earliest = when > 0 ? when : 1;	/* 0 says "none" */
	clear(c);
	if (earliest != WEFT_NEVER)
		c->priv_deadline = earliest;
	attach(c, parent);
}

void weft_ctx_init(weft_ctx *c, weft_ctx *parent)
{
	weft_ctx_init_deadline(c, parent, WEFT_NEVER);
}

void weft_ctx_init_timeout(weft_ctx *c, weft_ctx *parent, weft_duration d)
{
	weft_time now = weft_now();

	weft_ctx_init_deadline(c, parent,
			       d < WEFT_NEVER - now ? now + d : WEFT_NEVER);
}

void weft_ctx_init_value(weft_ctx *c, weft_ctx *parent, const void *key,
			 void *value)
{
	if (key == NULL)
		weft_panic("nil key");
	clear(c);
	c->priv_deadline = parent ? parent->priv_deadline : 0;
	c->priv_key = key;
	c->priv_value = value;
	attach(c, parent);
}

void weft_ctx_init_detached(weft_ctx *c, weft_ctx *parent)
{
	clear(c);
	c->priv_parent = parent;
}

static bool has_expired(const weft_ctx *c, walk *k)
{
	if (c->priv_deadline == 0)
		return false;
	if (k->now == 0)
		k->now = weft_now();
	return c->priv_deadline <= k->now;
}

/* C6 */
static void claim_waiters(weft_ctx *c, walk *k)
{
	weft__link *first = c->priv_waiters, *link = first;

	if (first == NULL)
		return;
	c->priv_waiters = NULL;
	weft__ctx_entry_of(first)->behind = NULL;	/* C8 */
	while (link != NULL) {
		weft__link *next = link->next != first ? link->next : NULL;
		weft__ctx_entry *e = weft__ctx_entry_of(link);

		if (e->behind != NULL) {	/* and weft_ctx_wait()'s waiter */
			__builtin_prefetch(e->behind, 1);
			__builtin_prefetch(e->behind + 1, 1);
		}
		link->next = link->prev = NULL;
		weft__claim(e->waiter, e->outcome, &k->wakeups);
		if (c == k->root)
			weft__wake_early(&k->wakeups, ++k->claimed);
		link = next;
	}
}

/* With c locked. False if it was done before. */
static bool end_one(weft_ctx *c, walk *k)
{
	int32_t err = weft_atomic_load(&c->priv_err, relaxed);

	if (err != 0)
		return false;
	if (has_expired(c, k)) {
		weft__ctx_expire(c);
		return false;
	}
	c->priv_cause = k->cause;
	if (!weft_atomic_cas(&c->priv_err, &err, -ECANCELED, release, relaxed))
		return false;	/* C2: expired in this moment */
	claim_waiters(c, k);
	if (c->priv_flags & WEFT__CTX_AFTERS)
		weft__after_take(c, &k->afters);
	return true;
}

/* End children of c, which is locked, until one has to be entered: locked. */
static weft_ctx *next_child(weft_ctx *c, walk *k)
{
	weft__link *link;

	while ((link = weft__circle_pop(&c->priv_children)) != NULL) {
		weft_ctx *child = weft__container(link, weft_ctx, priv_sibling);

		weft__ctx_lock(child);
		if (end_one(child, k))
			return child;
		weft__ctx_unlock(child);
	}
	return NULL;
}

/*
 * End everything below root, depth first, and unlock it. Not by recursion:
 * trees may be deeper than stacks.
 */
static void end_below(weft_ctx *root, walk *k)
{
	weft_ctx *c = root;

	for (;;) {
		weft_ctx *child = next_child(c, k), *parent;

		if (child != NULL) {
			c = child;
			continue;
		}
		parent = c->priv_parent;
		weft__ctx_unlock(c);	/* C5: the last touch */
		if (c == root)
			return;
		c = parent;
	}
}

void weft_ctx_cancel(weft_ctx *c, int cause)
{
	walk k = {.cause = cause != 0 ? cause : -ECANCELED, .root = c};

	weft__ctx_check_not_copied(c);
	weft__ctx_lock(c);
	if (end_one(c, &k))
		end_below(c, &k);
	else
		weft__ctx_unlock(c);
	weft__wake(&k.wakeups);
	weft__after_run(&k.afters);
}

static void leave_parent(weft_ctx *c)
{
	weft_ctx *parent = c->priv_parent;

	if (!(c->priv_flags & WEFT__CTX_ATTACHED))
		return;
	weft__ctx_lock(parent);	/* C5: even if it is in no list */
	if (weft__list_linked(&c->priv_sibling))
		weft__circle_remove(&parent->priv_children,
				    &c->priv_sibling);
	parent->priv_child_count--;
	weft__ctx_unlock(parent);
}

/*
 * One that has expired still has them: their timers are late. It gets no more
 * once somebody has had its lock since, a canceller too: no need to take it.
 */
static void take_afters(weft_ctx *c, weft__link *afters)
{
	if (c->priv_flags & WEFT__CTX_AFTERS)
		weft__after_take(c, afters);
}

void weft__ctx_detach(weft_ctx *c)
{
	weft__link afters = {0};

	take_afters(c, &afters);
	leave_parent(c);
	weft__after_run(&afters);
}

void weft_ctx_fini(weft_ctx *c)
{
	walk k = {.cause = -ECANCELED};
	bool parent, awaited;

	weft__ctx_check_not_copied(c);
	weft__ctx_lock(c);
	parent = c->priv_child_count > 0;
	awaited = c->priv_waiters != NULL;
	if (!parent && !awaited) {
		end_one(c, &k);
		take_afters(c, &k.afters);
	}
	weft__ctx_unlock(c);
	if (parent)
		weft_panic("context: finished before its children");
	if (awaited)
		weft_panic("context: finished while it is waited for");
	leave_parent(c);
	c->priv_flags &= (uint16_t)~WEFT__CTX_ATTACHED;
	weft__after_run(&k.afters);
}
