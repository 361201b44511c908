/* SPDX-License-Identifier: MIT */
/*
 * A channel: values of one size handed from senders to receivers, in order;
 * and select: wait for the first of several channels and contexts.
 *
 * Without a capacity a send waits for a receiver and a receive for a sender,
 * and the value is copied from the one's memory to the other's. With a
 * capacity of n, n values may be on their way before a send has to wait.
 *
 *   - Values come out in the order in which they went in. Those who wait, to
 *     send or to receive, are served in the order in which they came; nobody
 *     overtakes them, weft_chan_try_send() neither.
 *   - Closing says that no more values come. Receives then give what is left,
 *     and after that zero bytes and false. Sending on a closed channel, and
 *     closing it again, panics: the one who sends closes.
 *   - Tasks and plain threads may be mixed on both ends.
 *   - All bytes zero is a channel without capacity whose elements have no size:
 *     a place to meet, or something to close. Others need weft_chan_init(). A
 *     capacity needs memory, except for elements without a size.
 *   - NULL is Go's nil channel, wherever one is passed: sending and receiving
 *     wait for ever, its cases in a select never fire, closing it panics.
 *   - It may be finished and freed as soon as no call on it is waiting or will
 *     begin, even while a call whose effect was seen is still returning: the
 *     send of a value that was received, the receive that took the value of a
 *     send without capacity, the close that a receive has reported.
 *
 *	static weft_chan lines;	// weft_chan_init(&lines, sizeof(char *), 16)
 *
 *	void produce(void *file)
 *	{
 *		char *line;
 *
 *		while ((line = read_line(file)) != NULL)
 *			weft_chan_send(&lines, &line);
 *		weft_chan_close(&lines);
 *	}
 *
 *	void consume(void)
 *	{
 *		char *line;
 *
 *		while (weft_chan_recv(&lines, &line))
 *			handle(line);
 *		weft_chan_fini(&lines);
 *	}
 */
#ifndef WEFT_CHAN_H
#define WEFT_CHAN_H

#include <weft/base.h>

WEFT_BEGIN

typedef struct weft_chan weft_chan;
struct weft_chan {
	uint32_t priv_lock;	/* of all that follows */
	bool priv_closed;
	size_t priv_elem_bytes;
	size_t priv_capacity;
	size_t priv_count;	/* values in the buffer … */
	size_t priv_head;	/* … and where the oldest is */
	unsigned char *priv_buffer;
	weft_priv_link priv_senders;
	weft_priv_link priv_receivers;
	WEFT_PRIV_NOCOPY(weft_chan)
};

/*
 * Make *c a channel of values of elem_size bytes with room for capacity of
 * them. The room is one piece of memory, and none at all if either is 0. One of
 * more than PTRDIFF_MAX bytes panics: "makechan: size out of range".
 *
 * Returns   0
 *           -ENOMEM   there is no memory for the room; *c is not initialised
 * Context   a task or a plain thread; never switches tasks. Nobody else may
 *           use *c yet.
 */
WEFT_API int weft_chan_init(weft_chan *c, size_t elem_size,
			    size_t capacity) WEFT_PRIV_WARN_UNUSED;

/*
 * Free the room; values that are in it are dropped. It need not be closed, and
 * what had no room needs no call of this. NULL: nothing. Misuse panics:
 * "channel: finished while it is waited for".
 *
 * Context   a task or a plain thread; never switches tasks.
 * Lifetime  see the beginning of this file. *c is all bytes zero after this.
 */
WEFT_API void weft_chan_fini(weft_chan *c);

/*
 * Send the value at elem: put it into the room if there is some, or wait for a
 * receiver. elem may be NULL if elements have no size. If *c is closed, or is
 * closed while the caller waits, it panics: "send on closed channel".
 *
 * Context   a task or a plain thread; may switch tasks.
 * Order     this call happens before the return of the receive that gets the
 *           value. With a capacity of n, the k-th receive happens before the
 *           return of the send k + n; with none, the receive begins before the
 *           send returns.
 */
WEFT_API void weft_chan_send(weft_chan *c, const void *elem);

/*
 * As weft_chan_send(), but wait no longer than until ctx is done. ctx may be
 * NULL.
 *
 * Returns   0            the value was sent; also when ctx was done before, if
 *                        it could be sent without waiting
 *           -ECANCELED   ctx was cancelled before the caller's turn came
 *           -ETIMEDOUT   ctx's deadline passed before the caller's turn came
 *           When several hold, the first in this list is returned. With a
 *           nonzero return nobody has got the value, or will.
 * Context   a task or a plain thread; may switch tasks.
 * Order     0: as weft_chan_send(). A nonzero return orders nothing.
 */
WEFT_API int weft_chan_send_ctx(weft_chan *c, weft_ctx *ctx,
				const void *elem) WEFT_PRIV_WARN_UNUSED;

/*
 * Receive the oldest value into elem, waiting until there is one or *c is
 * closed. elem may be NULL: the value is dropped.
 *
 * Returns   true    *elem is the value
 *           false   *c is closed and has no more values; *elem is zero bytes
 * Context   a task or a plain thread; may switch tasks.
 * Order     true: the send of the value happens before the return; false: the
 *           close does.
 */
WEFT_API bool weft_chan_recv(weft_chan *c, void *elem);

/*
 * As weft_chan_recv(), but wait no longer than until ctx is done. ctx may be
 * NULL.
 *
 * Returns   0            *elem is the value
 *           -EPIPE       *c is closed and has no more values; *elem is zero
 *                        bytes
 *           -ECANCELED   ctx was cancelled before the caller's turn came
 *           -ETIMEDOUT   ctx's deadline passed before the caller's turn came
 *           When several hold, the first in this list is returned. With either
 *           of the last two no value was taken, and *elem is left alone.
 * Context   a task or a plain thread; may switch tasks.
 * Order     0 and -EPIPE: as weft_chan_recv(). The others order nothing.
 */
WEFT_API int weft_chan_recv_ctx(weft_chan *c, weft_ctx *ctx,
				void *elem) WEFT_PRIV_WARN_UNUSED;

/*
 * Send the value at elem if that is possible without waiting: if there is room,
 * or a receiver waits. If *c is closed it panics as weft_chan_send() does.
 *
 * Returns   true    the value was sent
 *           false   it was not
 * Context   a task or a plain thread; never switches tasks.
 * Order     true: as weft_chan_send(). false orders nothing.
 */
WEFT_API bool weft_chan_try_send(weft_chan *c, const void *elem);

/*
 * Receive the oldest value into elem if there is one or a sender waits. elem
 * may be NULL.
 *
 * Returns   true    *elem is the value
 *           false   there was none: then *elem is left alone. Or *c is closed
 *                   and has no more values: then it is zero bytes. Who has to
 *                   know which asks by weft_select() with a default.
 * Context   a task or a plain thread; never switches tasks.
 * Order     true: as weft_chan_recv(). false orders nothing.
 */
WEFT_API bool weft_chan_try_recv(weft_chan *c, void *elem);

/*
 * Close *c: no more values will be sent. Everybody who waits to receive gets
 * zero bytes and false; everybody who waits to send panics. Closing it twice
 * panics: "close of closed channel", and NULL: "close of nil channel".
 *
 * Context   a task or a plain thread; never switches tasks.
 * Order     this call happens before every receive's return that reports it.
 */
WEFT_API void weft_chan_close(weft_chan *c);

/*
 * How many values are in the room, and for how many there is room; 0 for NULL.
 * Others may change the former at any time; it orders nothing.
 *
 * Context   a task or a plain thread; never switches tasks.
 */
WEFT_API size_t weft_chan_len(weft_chan *c);
WEFT_API size_t weft_chan_cap(const weft_chan *c);

/*
 * One thing that a select waits for. An array of them is made of the macros
 * below, and may be used again for the next select; it belongs to the select
 * until that returns.
 *
 *	weft_case cases[] = {
 *		WEFT_CASE_RECV(&requests, &request),
 *		WEFT_CASE_SEND(&results, &result),
 *		WEFT_CASE_DONE(ctx),
 *	};
 *
 *	switch (weft_select(cases, 3)) {
 *	case 0:
 *		if (!cases[0].ok)
 *			return;		// requests is closed
 *		begin(request);
 *		break;
 *	case 1:
 *		forget(result);		// it was sent
 *		break;
 *	case 2:
 *		return;			// ctx is done
 *	}
 */
typedef struct weft_case weft_case;
struct weft_case {
	bool ok;	/* of the case that fired: false if it received from a
			   closed channel, else true */
	bool priv_fired;
	bool priv_parked;
	uint8_t priv_kind;
	uint32_t priv_order;
	weft_chan *priv_chan;
	const void *priv_from;
	void *priv_to;
	weft_ctx *priv_ctx;
	void *priv_waiter;
	weft_priv_link priv_link;
};

enum {
	WEFT_PRIV_CASE_SEND,
	WEFT_PRIV_CASE_RECV,
	WEFT_PRIV_CASE_DONE,
	WEFT_PRIV_CASE_DEFAULT,
};

#ifdef __cplusplus
#define WEFT_PRIV_CASE_OF weft_case
#else
#define WEFT_PRIV_CASE_OF (weft_case)
#endif
#define WEFT_PRIV_CASE(kind, chan, from, to, ctx)                              \
	WEFT_PRIV_CASE_OF                                                      \
	{                                                                      \
		false, false, false, (kind), 0, (chan), (from), (to), (ctx),   \
			NULL,                                                  \
		{                                                              \
			NULL, NULL                                             \
		}                                                              \
	}

/*
 * WEFT_CASE_SEND(ch, ptr): send the value at ptr on ch. If ch is closed and this
 * is chosen, it panics.
 */
#define WEFT_CASE_SEND(ch, ...)                                                \
	WEFT_PRIV_CASE(WEFT_PRIV_CASE_SEND, ch, (__VA_ARGS__), NULL, NULL)
/* WEFT_CASE_RECV(ch, ptr): receive from ch into the memory at ptr. */
#define WEFT_CASE_RECV(ch, ...)                                                \
	WEFT_PRIV_CASE(WEFT_PRIV_CASE_RECV, ch, NULL, (__VA_ARGS__), NULL)
/*
 * ctx is done; see weft_ctx_err() for how. While a select waits, each of these
 * takes up to 500 bytes of the caller's stack: a task's has room for 300. Give
 * those that end together one parent, and wait for that.
 */
#define WEFT_CASE_DONE(ctx)                                                    \
	WEFT_PRIV_CASE(WEFT_PRIV_CASE_DONE, NULL, NULL, NULL, ctx)
/* None of the others can go ahead now: the select does not wait. */
#define WEFT_CASE_DEFAULT                                                      \
	WEFT_PRIV_CASE(WEFT_PRIV_CASE_DEFAULT, NULL, NULL, NULL, NULL)

/*
 * Wait until one of the n cases can go ahead, and do what it says. If several
 * can, one of them is chosen at random, each with the same chance. That none
 * can, and therefore the default is taken, is decided at a single moment.
 * Without any case that could ever go ahead it waits for ever.
 *
 * Returns   the index of the case that fired; nothing was done for the others
 * Context   a task or a plain thread; may switch tasks, not with a default.
 * Order     as the send, the receive, or weft_ctx_err() would
 * Lifetime  the channels and contexts of all cases must live until it returns,
 *           but for the channel of the case that fires, if no other case has
 *           it: that one may end as with weft_chan_send() or _recv().
 */
WEFT_API int weft_select(weft_case *cases, int n);

/*
 * As weft_select(), but wait no longer than until ctx is done. ctx may be NULL.
 *
 * Returns   0 or more    the index of the case that fired; also when ctx was
 *                        done before, if one could go ahead without waiting
 *           -ECANCELED   ctx was cancelled first
 *           -ETIMEDOUT   ctx's deadline passed first
 *           When several hold, the first in this list is returned. With a
 *           negative return nothing was sent or received.
 * Context   a task or a plain thread; may switch tasks, not with a default.
 */
WEFT_API int weft_select_ctx(weft_case *cases, weft_ctx *ctx,
			     int n) WEFT_PRIV_WARN_UNUSED;

WEFT_END

#ifdef WEFT_DEBUG
/* Private: the two, after a look at the channels of the cases. */
__attribute__((unused)) static inline void
weft_priv_used_by(const weft_case *cases, int n)
{
	for (int i = 0; i < n; i++)
		weft_debug_used(cases[i].priv_chan, sizeof(weft_chan),
				"weft_chan");
}

__attribute__((unused)) static inline int
weft_priv_select_used(weft_case *cases, int n)
{
	weft_priv_used_by(cases, n);
	return weft_select(cases, n);
}

__attribute__((unused, warn_unused_result)) static inline int
weft_priv_select_used_ctx(weft_case *cases, weft_ctx *ctx, int n)
{
	weft_priv_used_by(cases, n);
	return weft_select_ctx(cases, ctx, n);
}

#define weft_chan_init(o, ...)                                                 \
	weft_chan_init(WEFT_PRIV_FRESH(weft_chan, o), __VA_ARGS__)
#define weft_chan_fini(o) weft_chan_fini(WEFT_PRIV_USED(weft_chan, o))
#define weft_chan_send(o, ...)                                                 \
	weft_chan_send(WEFT_PRIV_USED(weft_chan, o), __VA_ARGS__)
#define weft_chan_send_ctx(o, ...)                                             \
	weft_chan_send_ctx(WEFT_PRIV_USED(weft_chan, o), __VA_ARGS__)
#define weft_chan_recv(o, ...)                                                 \
	weft_chan_recv(WEFT_PRIV_USED(weft_chan, o), __VA_ARGS__)
#define weft_chan_recv_ctx(o, ...)                                             \
	weft_chan_recv_ctx(WEFT_PRIV_USED(weft_chan, o), __VA_ARGS__)
#define weft_chan_try_send(o, ...)                                             \
	weft_chan_try_send(WEFT_PRIV_USED(weft_chan, o), __VA_ARGS__)
#define weft_chan_try_recv(o, ...)                                             \
	weft_chan_try_recv(WEFT_PRIV_USED(weft_chan, o), __VA_ARGS__)
#define weft_chan_close(o) weft_chan_close(WEFT_PRIV_USED(weft_chan, o))
#define weft_chan_len(o) weft_chan_len(WEFT_PRIV_USED(weft_chan, o))
#define weft_select(...) weft_priv_select_used(__VA_ARGS__)
#define weft_select_ctx(...) weft_priv_select_used_ctx(__VA_ARGS__)
#endif

#endif
