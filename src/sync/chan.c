/* SPDX-License-Identifier: MIT */
/*
 * The channel: a ring of values, a queue of operations for each direction, and
 * a lock over all of it. An operation that waits is a weft_case on the waiter's
 * stack, linked into the queue; several of them, a select's, may point to one
 * waiter, whose one claim decides which of them is done (P1).
 *
 *	                  ring        senders queued   receivers queued
 *	room 0            –           any              any, not both alive
 *	empty             count = 0   none             any
 *	neither           between     none             none
 *	full              count = n   any              none
 *	closed            any         none             none
 *
 * (An operation whose waiter has been claimed elsewhere may stand in a queue
 * until its waiter has taken it out. It is dead: it counts for nothing.)
 *
 * H1  While a sender is queued the ring is full, while a receiver is queued it
 *     is empty, and in a closed channel nobody is queued: an operation queues
 *     only in these states, and what would end the state first empties the
 *     queue. A receive that makes room moves the first living sender's value
 *     into it, under the same lock; it lowers the count only with none left. So
 *     whoever finds room has nobody before him, and try and newcomers overtake
 *     nobody. A sender that leaves changes nothing for those behind it: the
 *     ring is full still.
 * H2  Who takes an operation out of a queue first claims its waiter and then
 *     copies: no value is given to, or taken from, one who leaves. And until it
 *     has been let go (H3), the waiter stays, with op, with the value that it
 *     sends and the memory that it receives into.
 * H3  The waiter may not return before the copy is done, though the claim has
 *     decided. If it was parked, it does not run before weft__wake(): P4. If it
 *     still ran, it sees the claim at once (P2); so it then waits for a second
 *     claim, on settled, which comes after the copy and ends our interest in
 *     it. It knows which of the two holds by priv_parked, that we set only in
 *     the former case, before the wake: so it never reads it while we write.
 *     Tempting and wrong: to copy first, and then to claim. The waiter may have
 *     left by a cancellation, and its memory is another function's by now.
 *     Wrong too: to let it take the channel's lock once after the claim, for
 *     we hold that while we copy. A send on a channel that waits, is claimed
 *     while it runs, and then takes the lock, takes it in memory that the
 *     receiver, who has got his value, has freed.
 * H4  A call touches *c last when it unlocks it (L5): both to complete the
 *     operation of another, whom it lets go only after that, and to queue its
 *     own, if that is claimed MOVED. Who has seen the effect of a call has
 *     either had the lock after it, or was let go by it. So he may free *c
 *     while that call is still returning.
 *     Tempting and wrong: to let go with the lock held.
 * H5  A waiter that was not claimed MOVED for an operation takes the channel's
 *     lock before it returns, even if the operation is in no queue any more:
 *     somebody may just have unlinked it, and be about to fail in claiming it.
 *     After that nobody knows it.
 *
 * Whatever is read or written here is under the lock, or ordered by a claim.
 */
#include "sync/chan.h"

#include "base/alloc.h"
#include "ctx/ctx.h"

#include <weft/panic.h>

#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(weft__lock) == sizeof(uint32_t), "priv_lock is one");
_Static_assert(sizeof(weft_case) <= 64, "a case is a cache line");

int weft_chan_init(weft_chan *c, size_t elem_size, size_t capacity)
{
	size_t bytes;

	if (__builtin_mul_overflow(elem_size, capacity, &bytes) ||
	    bytes > PTRDIFF_MAX)
		weft_panic("makechan: size out of range");
	memset(c, 0, sizeof *c);
	c->priv_elem_bytes = elem_size;
	c->priv_capacity = capacity;
	if (bytes > 0 && (c->priv_buffer = weft__alloc(bytes)) == NULL)
		return -ENOMEM;
	return 0;
}

void weft_chan_fini(weft_chan *c)
{
	bool awaited;

	if (c == NULL)
		return;
	weft__chan_lock(c);
	awaited = !weft__list_empty(&c->priv_senders) ||
		  !weft__list_empty(&c->priv_receivers);
	weft__chan_unlock(c);
	if (unlikely(awaited))
		weft_panic("channel: finished while it is waited for");
	weft__free(c->priv_buffer);
	memset(c, 0, sizeof *c);
}

void weft__chan_panic_closed(void)
{
	weft_panic("send on closed channel");
}

/* ---- values ---- */

static inline void copy(const weft_chan *c, void *to, const void *from)
{
	if (c->priv_elem_bytes == 0 || to == NULL)
		return;
	switch (c->priv_elem_bytes) {	/* the common ones without a call */
	case sizeof(int):
		memcpy(to, from, sizeof(int));
		break;
	case sizeof(void *):
		memcpy(to, from, sizeof(void *));
		break;
	default:
		memcpy(to, from, c->priv_elem_bytes);
	}
}

static inline bool is_small(size_t bytes)
{
	return bytes == sizeof(void *) || bytes == sizeof(int) || bytes == 0;
}

/* False: it is of a size that takes a call, and not copied. */
static inline bool copy_small(size_t bytes, void *to, const void *from)
{
	if (likely(bytes == sizeof(void *)))
		memcpy(to, from, sizeof(void *));
	else if (bytes == sizeof(int))
		memcpy(to, from, sizeof(int));
	else
		return bytes == 0;
	return true;
}

static void clear(const weft_chan *c, void *to)
{
	if (c->priv_elem_bytes > 0 && to != NULL)
		memset(to, 0, c->priv_elem_bytes);
}

static unsigned char *slot(const weft_chan *c, size_t i)
{
	return c->priv_buffer + i * c->priv_elem_bytes;
}

static size_t wrap(const weft_chan *c, size_t i)
{
	return i < c->priv_capacity ? i : i - c->priv_capacity;
}

/* There is room. */
static inline void ring_put(weft_chan *c, const void *from)
{
	copy(c, slot(c, wrap(c, c->priv_head + c->priv_count)), from);
	c->priv_count++;
}

/* There is a value. */
static inline void ring_take(weft_chan *c, void *to)
{
	copy(c, to, slot(c, c->priv_head));
	c->priv_head = wrap(c, c->priv_head + 1);
	c->priv_count--;
}

/* ---- those who wait ---- */

static weft__waiter *waiter_of(const weft_case *op)
{
	return &((weft__chan_waiter *)op->priv_waiter)->wake;
}

/* H2: the first that can be claimed, or NULL. */
static inline __attribute__((always_inline)) weft_case *
claim_first(weft__link *queue, weft__chan_moved *moved)
{
	weft__link *link;

	while ((link = weft__list_pop(queue)) != NULL) {
		weft_case *op = weft__container(link, weft_case, priv_link);
		int won = weft__claim(waiter_of(op), WEFT__MOVED, &moved->parked);

		if (won == WEFT__WON_PARKED)
			op->priv_parked = true;
		if (won != WEFT__LOST)
			return op;
	}
	return NULL;
}

/*
 * The same if that is a task that has parked, as it mostly is, and nothing else.
 * It stays where it is (P4), so it is taken out when the claim has been won.
 */
static inline weft_case *claim_parked(weft__link *queue)
{
	weft__link *link = weft__list_first(queue);
	weft_case *op;

	if (link == NULL)
		return NULL;
	op = weft__container(link, weft_case, priv_link);
	if (unlikely(!weft__claim_parked(waiter_of(op), WEFT__MOVED)))
		return NULL;
	weft__list_remove(link);
	op->ok = op->priv_fired = op->priv_parked = true;
	return op;
}

/* op is claimed, and complete. H3: what its waiter will look at. */
static void complete(weft_case *op, bool ok, weft__chan_moved *moved)
{
	op->ok = ok;
	op->priv_fired = true;
	if (unlikely(!op->priv_parked)) {
		op->priv_link.next = moved->running;
		moved->running = &op->priv_link;
	}
}

void weft__chan_settle_slow(weft__link *link)
{
	weft__wakeups wakeups = {0};
	weft__link *next;

	for (; link != NULL; link = next) {
		weft_case *op = weft__container(link, weft_case, priv_link);
		weft__chan_waiter *w = op->priv_waiter;

		next = link->next;
		weft__claim(&w->settled, WEFT__NOTIFIED, &wakeups);
	}
	weft__wake(&wakeups);
}

static inline void queue(weft_case *op, weft_chan *c, weft__link *waiting,
			 weft__chan_waiter *w)
{
	op->priv_chan = c;
	op->priv_waiter = w;
	op->priv_fired = op->priv_parked = false;
	weft__list_push(waiting, &op->priv_link);
}

void weft__chan_queue(weft_case *op, weft__chan_waiter *w)
{
	weft_chan *c = op->priv_chan;

	queue(op, c,
	      op->priv_kind == WEFT_PRIV_CASE_SEND ? &c->priv_senders :
						     &c->priv_receivers,
	      w);
}

void weft__chan_leave(weft_case *op)
{
	weft__chan_lock(op->priv_chan);
	if (weft__list_linked(&op->priv_link))
		weft__list_remove(&op->priv_link);
	weft__chan_unlock(op->priv_chan);
}

/* ---- the two directions, and the end ---- */

/*
 * The common cases first: a value into the ring, or out of it, of a small
 * size, and nobody waits. H1: who is queued would have to be served.
 */
static inline bool put_at_once(weft_chan *c, const void *from)
{
	size_t count = c->priv_count;

	if (count >= c->priv_capacity || c->priv_closed ||
	    unlikely(!weft__list_empty(&c->priv_receivers)))
		return false;
	if (!copy_small(c->priv_elem_bytes, slot(c, wrap(c, c->priv_head + count)),
			from))
		return false;
	c->priv_count = count + 1;
	return true;
}

static inline bool get_at_once(weft_chan *c, void *to)
{
	size_t count = c->priv_count, head = c->priv_head;

	if (count == 0 || unlikely(!weft__list_empty(&c->priv_senders)))
		return false;
	if (to != NULL && !copy_small(c->priv_elem_bytes, to, slot(c, head)))
		return false;
	c->priv_head = wrap(c, head + 1);
	c->priv_count = count - 1;
	return true;
}

/*
 * And those in which a task waits for just that, or has to: nothing is called,
 * and so nothing saved. The operation that is complete now, or NULL.
 */
static inline weft_case *hand_over(weft_chan *c, const void *from)
{
	size_t bytes = c->priv_elem_bytes;
	weft_case *op = is_small(bytes) ? claim_parked(&c->priv_receivers) : NULL;

	if (op != NULL && op->priv_to != NULL)
		copy_small(bytes, op->priv_to, from);
	return op;
}

static inline weft_case *take_over(weft_chan *c, void *to)
{
	size_t bytes = c->priv_elem_bytes;
	weft_case *op = c->priv_count == 0 && is_small(bytes) ?
				claim_parked(&c->priv_senders) :
				NULL;

	if (op != NULL && to != NULL)
		copy_small(bytes, to, op->priv_from);
	return op;
}

static inline bool must_wait_to_send(const weft_chan *c)
{
	return weft__list_empty(&c->priv_receivers) &&
	       c->priv_count >= c->priv_capacity && !c->priv_closed;
}

static inline bool must_wait_to_recv(const weft_chan *c)
{
	return weft__list_empty(&c->priv_senders) && c->priv_count == 0 &&
	       !c->priv_closed;
}

enum outcome { IMPOSSIBLE, DONE, CLOSED };

static inline __attribute__((always_inline)) enum outcome
put(weft_chan *c, const void *from, weft__chan_moved *moved)
{
	weft_case *receiver;

	if (unlikely(c->priv_closed))
		return CLOSED;
	receiver = claim_first(&c->priv_receivers, moved);
	if (receiver != NULL) {
		copy(c, receiver->priv_to, from);
		complete(receiver, true, moved);
	} else if (c->priv_count < c->priv_capacity) {
		ring_put(c, from);
	} else {
		return IMPOSSIBLE;
	}
	return DONE;
}

static inline __attribute__((always_inline)) enum outcome
get(weft_chan *c, void *to, weft__chan_moved *moved)
{
	weft_case *sender = claim_first(&c->priv_senders, moved);

	if (c->priv_count > 0) {
		ring_take(c, to);
		if (sender != NULL)	/* H1: the ring was full */
			ring_put(c, sender->priv_from);
	} else if (sender != NULL) {
		copy(c, to, sender->priv_from);
	} else if (c->priv_closed) {
		clear(c, to);
		return CLOSED;
	} else {
		return IMPOSSIBLE;
	}
	if (sender != NULL)
		complete(sender, true, moved);
	return DONE;
}

static __attribute__((noinline)) bool try_fully(weft_case *op,
						weft__chan_moved *moved)
{
	enum outcome outcome;

	if (op->priv_kind == WEFT_PRIV_CASE_SEND)
		outcome = put(op->priv_chan, op->priv_from, moved);
	else
		outcome = get(op->priv_chan, op->priv_to, moved);
	op->ok = outcome != CLOSED;
	return outcome != IMPOSSIBLE;
}

bool weft__chan_try(weft_case *op, weft__chan_moved *moved)
{
	weft_chan *c = op->priv_chan;
	weft_case *other = op->priv_kind == WEFT_PRIV_CASE_SEND ?
				   hand_over(c, op->priv_from) :
				   take_over(c, op->priv_to);

	if (other == NULL)
		return try_fully(op, moved);
	weft__wakeups_add_task(&moved->parked, waiter_of(other)->task);
	op->ok = true;
	return true;
}

/* H1. False: it was closed before. */
static bool end(weft_chan *c, weft__chan_moved *moved)
{
	weft_case *op;

	if (c->priv_closed)
		return false;
	c->priv_closed = true;
	while ((op = claim_first(&c->priv_receivers, moved)) != NULL) {
		clear(c, op->priv_to);
		complete(op, false, moved);
	}
	while ((op = claim_first(&c->priv_senders, moved)) != NULL)
		complete(op, false, moved);
	return true;
}

void weft_chan_close(weft_chan *c)
{
	weft__chan_moved moved = {0};
	bool ended;

	if (unlikely(c == NULL))
		weft_panic("close of nil channel");
	weft__chan_lock(c);
	ended = end(c, &moved);
	weft__chan_unlock(c);
	weft__chan_let_go(&moved);
	if (unlikely(!ended))
		weft_panic("close of closed channel");
}

/* ---- one operation ---- */

/* What is not set here is set when it queues: it is not on the fast path. */
static inline void op_init(weft_case *op, uint8_t kind, weft_chan *c,
			   const void *from, void *to)
{
	op->priv_kind = kind;
	op->priv_chan = c;
	op->priv_from = from;
	op->priv_to = to;
}

static WEFT_PRIV_COLD int wait_for_ctx(weft_ctx *ctx, const weft__why *why)
{
	weft__waiter w;

	weft__waiter_init(&w, why);
	return weft__ctx_park(&w, ctx);
}

/* op is queued for w, its channel locked; it is not any more on return. */
static inline __attribute__((always_inline)) int
wait(weft_case *op, weft__chan_waiter *w, weft_ctx *ctx, const weft__why *why)
{
	uint32_t outcome;

	weft__chan_waiter_init(w, why, op->priv_chan);
	weft__chan_unlock(op->priv_chan);
	outcome = ctx == NULL ? weft__park_alone(&w->wake)
			      : weft__ctx_park_until_slow(&w->wake, ctx,
							  WEFT_NEVER);
	if (likely(outcome == WEFT__MOVED)) {
		if (unlikely(!op->priv_parked))
			weft__chan_await(w);	/* H3 */
		return 0;
	}
	weft__chan_leave(op);	/* H5 */
	return outcome == WEFT__CANCELLED ? -ECANCELED : weft__ctx_expire(ctx);
}

static bool try(weft_case *op)
{
	weft_chan *c = op->priv_chan;
	weft__chan_moved moved = {0};
	bool done;

	if (unlikely(c == NULL))
		return false;
	weft__chan_lock(c);
	done = weft__chan_try(op, &moved);
	weft__chan_unlock(c);
	weft__chan_let_go(&moved);
	return done;
}

static void tell(const weft__waiter *w, weft__told *told)
{
	const weft_chan *c = w->data;

	if (c == NULL)
		snprintf(told->text, sizeof told->text, "no channel");
	else if (told->still)
		snprintf(told->text, sizeof told->text, "%zu of %zu values",
			 c->priv_count, c->priv_capacity);
}

static const weft__why why_send = {.text = "channel send", .object = WEFT__OF_DATA, .tell = tell};
static const weft__why why_recv = {.text = "channel receive", .object = WEFT__OF_DATA,
				   .tell = tell};

/*
 * Those that follow are called with c locked, and return with it unlocked. Each
 * that cannot do it ends with a call of the next that may: who meets somebody
 * has nothing on the stack of what those need who wait.
 */

static __attribute__((noinline)) int wait_to_send(weft_chan *c, weft_ctx *ctx,
						  const void *elem)
{
	weft__chan_waiter w;
	weft_case op;
	int error;

	op.priv_from = elem;
	queue(&op, c, &c->priv_senders, &w);
	error = wait(&op, &w, ctx, &why_send);
	if (unlikely(error == 0 && !op.ok))
		weft__chan_panic_closed();
	return error;
}

static __attribute__((noinline)) int send_fully(weft_chan *c, weft_ctx *ctx,
						const void *elem)
{
	weft__chan_moved moved = {0};
	enum outcome outcome = put(c, elem, &moved);

	if (outcome == IMPOSSIBLE)
		return wait_to_send(c, ctx, elem);
	weft__chan_unlock(c);
	weft__chan_let_go(&moved);
	if (unlikely(outcome == CLOSED))
		weft__chan_panic_closed();
	return 0;
}

/* There is something to do but with the ring. */
static __attribute__((noinline)) int meet_receiver(weft_chan *c, weft_ctx *ctx,
						   const void *elem)
{
	weft_case *receiver;

	if (must_wait_to_send(c))
		return wait_to_send(c, ctx, elem);
	receiver = hand_over(c, elem);
	if (receiver == NULL)
		return send_fully(c, ctx, elem);
	weft__chan_unlock(c);
	weft__ready(waiter_of(receiver)->task);
	return 0;
}

static inline int send_locked(weft_chan *c, weft_ctx *ctx, const void *elem)
{
	if (!put_at_once(c, elem))
		return meet_receiver(c, ctx, elem);
	weft__chan_unlock(c);
	return 0;
}

/* There is no channel, or it was locked. */
static __attribute__((noinline)) int send_slow(weft_chan *c, weft_ctx *ctx,
					       const void *elem)
{
	if (c == NULL)
		return wait_for_ctx(ctx, &why_send);
	weft__chan_lock(c);
	return send_locked(c, ctx, elem);
}

int weft_chan_send_ctx(weft_chan *c, weft_ctx *ctx, const void *elem)
{
	if (unlikely(c == NULL || !weft__chan_try_lock(c)))
		return send_slow(c, ctx, elem);
	return send_locked(c, ctx, elem);
}

void weft_chan_send(weft_chan *c, const void *elem)
{
	(void)!weft_chan_send_ctx(c, NULL, elem);
}

static __attribute__((noinline)) int wait_to_recv(weft_chan *c, weft_ctx *ctx,
						  void *elem)
{
	weft__chan_waiter w;
	weft_case op;
	int error;

	op.priv_to = elem;
	queue(&op, c, &c->priv_receivers, &w);
	error = wait(&op, &w, ctx, &why_recv);
	return error == 0 && !op.ok ? -EPIPE : error;
}

static __attribute__((noinline)) int recv_fully(weft_chan *c, weft_ctx *ctx,
						void *elem)
{
	weft__chan_moved moved = {0};
	enum outcome outcome = get(c, elem, &moved);

	if (outcome == IMPOSSIBLE)
		return wait_to_recv(c, ctx, elem);
	weft__chan_unlock(c);
	weft__chan_let_go(&moved);
	return outcome == CLOSED ? -EPIPE : 0;
}

static __attribute__((noinline)) int meet_sender(weft_chan *c, weft_ctx *ctx,
						 void *elem)
{
	weft_case *sender;

	if (must_wait_to_recv(c))
		return wait_to_recv(c, ctx, elem);
	sender = take_over(c, elem);
	if (sender == NULL)
		return recv_fully(c, ctx, elem);
	weft__chan_unlock(c);
	weft__ready(waiter_of(sender)->task);
	return 0;
}

static inline int recv_locked(weft_chan *c, weft_ctx *ctx, void *elem)
{
	if (!get_at_once(c, elem))
		return meet_sender(c, ctx, elem);
	weft__chan_unlock(c);
	return 0;
}

static __attribute__((noinline)) int recv_slow(weft_chan *c, weft_ctx *ctx,
					       void *elem)
{
	if (c == NULL)
		return wait_for_ctx(ctx, &why_recv);
	weft__chan_lock(c);
	return recv_locked(c, ctx, elem);
}

static inline __attribute__((always_inline)) int
receive(weft_chan *c, weft_ctx *ctx, void *elem)
{
	if (unlikely(c == NULL || !weft__chan_try_lock(c)))
		return recv_slow(c, ctx, elem);
	return recv_locked(c, ctx, elem);
}

int weft_chan_recv_ctx(weft_chan *c, weft_ctx *ctx, void *elem)
{
	return receive(c, ctx, elem);
}

bool weft_chan_recv(weft_chan *c, void *elem)
{
	return receive(c, NULL, elem) == 0;
}

bool weft_chan_try_send(weft_chan *c, const void *elem)
{
	weft_case op;

	op_init(&op, WEFT_PRIV_CASE_SEND, c, elem, NULL);
	if (!try(&op))
		return false;
	if (unlikely(!op.ok))
		weft__chan_panic_closed();
	return true;
}

bool weft_chan_try_recv(weft_chan *c, void *elem)
{
	weft_case op;

	op_init(&op, WEFT_PRIV_CASE_RECV, c, NULL, elem);
	return try(&op) && op.ok;
}

size_t weft_chan_len(weft_chan *c)
{
	size_t count;

	if (c == NULL)
		return 0;
	weft__chan_lock(c);
	count = c->priv_count;
	weft__chan_unlock(c);
	return count;
}

size_t weft_chan_cap(const weft_chan *c)
{
	return c != NULL ? c->priv_capacity : 0;
}
