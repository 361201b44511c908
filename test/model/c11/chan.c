/* SPDX-License-Identifier: MIT */
/*
 * src/sync/chan.c and select.c, on real contexts and waiters: H1 … H5, E1 … E5.
 * There are CHANNELS, 1 or 2, of CAPACITY. Each of SENDERS sends a thing that it
 * has made, by select to any channel if SENDS_BY_SELECT; the last one closes all.
 * RECEIVERS receive from all of them, by select if they are two, until all are
 * closed, and free what they get; the last one frees the channels at once, though
 * the call that closed them may not have returned. With CANCELS the first
 * sender's context is cancelled; its thing then is its own again. With DONES that
 * is a case among those of its select, by a child that it makes and frees, and if
 * 2 also by the context itself; without CANCELS nobody cancels it. Without CLOSES
 * the one receiver knows how many there are, and frees a channel when it has the
 * last thing, unless another select may still be at it.
 */
#include "explore.h"
#include "machine/machine.h"

#include "ctx/ctx.h"
#include "sync/chan.h"

#include <errno.h>

typedef struct {
	int n;		/* plain, as all here */
} thing;

static weft_chan *channels[2];
static weft_ctx ctx;
static uint32_t sending = SENDERS, receiving = RECEIVERS;
static int sent[MODEL_THREADS_MAX], received[MODEL_THREADS_MAX];

static weft_chan *own_channel(int self)
{
	return channels[self % CHANNELS];
}

/* E4: to the first channel, or until a child of with, or with, is done. */
static int send_or_be_done(const thing *t, weft_ctx *with)
{
	weft_ctx *child = model_new(sizeof *child);
	weft_case cases[] = {
		WEFT_CASE_DONE(child),
		WEFT_CASE_SEND(channels[0], &t),
		WEFT_CASE_DONE(with),
	};
	int fired;

	weft_ctx_init(child, with);
	fired = weft_select(cases, 1 + DONES);
	model_check(fired == 1 || weft_ctx_done(with));
	weft_ctx_fini(child);
	model_free(child, sizeof *child);
	return fired == 1 ? 0 : -ECANCELED;
}

static int send(const thing *t, weft_ctx *with)
{
	weft_case cases[] = {
		WEFT_CASE_SEND(channels[1], &t),	/* the other way: E1 */
		WEFT_CASE_SEND(channels[0], &t),
	};
	int fired;

	if (DONES && model_self() == 1)
		return send_or_be_done(t, &ctx);
	if (!SENDS_BY_SELECT)
		return weft_chan_send_ctx(own_channel((int)model_self() - 1),
					  with, &t);
	fired = weft_select_ctx(cases, with, 2);
	return fired < 0 ? fired : 0;
}

static void *sender(void *with)
{
	thing *t = model_new(sizeof *t);

	t->n = 1;
	if (send(t, with) == 0)
		sent[model_self()] = 1;
	else
		model_free(t, sizeof *t);	/* nobody has it: H2 */
	if (CLOSES && weft_atomic_sub(&sending, 1, acq_rel) == 1)
		for (int i = 0; i < CHANNELS; i++)
			weft_chan_close(channels[i]);
	return NULL;
}

static void take(thing *t)
{
	model_check(t->n == 1);
	model_free(t, sizeof *t);	/* once */
	received[model_self()]++;
}

static void end_channel(weft_chan *c)
{
	if (CAPACITY > 0)	/* it takes the lock, and so may hide something */
		weft_chan_fini(c);
	model_free(c, sizeof *c);	/* H4 */
}

/* One thing from either that is not NULL; false: that one is closed. */
static bool receive(weft_chan *from[2], thing **t, int *fired)
{
	weft_case cases[] = {
		WEFT_CASE_RECV(from[0], t),
		WEFT_CASE_RECV(from[1], t),
	};

	if (CHANNELS == 1) {
		*fired = 0;
		return weft_chan_recv(from[0], t);
	}
	*fired = weft_select(cases, 2);
	return cases[*fired].ok;
}

static void receive_until_closed(void)
{
	weft_chan *from[] = {channels[0], channels[1]};
	int open = CHANNELS, fired;
	thing *t;

	while (open > 0) {
		if (receive(from, &t, &fired)) {
			take(t);
		} else {
			from[fired] = NULL;
			open--;
		}
	}
	if (weft_atomic_sub(&receiving, 1, acq_rel) == 1)
		for (int i = 0; i < CHANNELS; i++)
			end_channel(channels[i]);
}

/* Each channel has SENDERS / CHANNELS things to come. */
static void receive_all(void)
{
	weft_chan *from[] = {channels[0], channels[1]};
	int to_come[] = {SENDERS / CHANNELS, SENDERS / CHANNELS}, fired;
	thing *t;

	for (int i = 0; i < SENDERS; i++) {
		model_check(receive(from, &t, &fired));
		take(t);
		if (--to_come[fired] > 0 || (SENDS_BY_SELECT && SENDERS > 1))
			continue;
		end_channel(from[fired]);	/* H4, E5 */
		from[fired] = NULL;
	}
}

static void *receiver(void *unused)
{
	if (CLOSES)
		receive_until_closed();
	else
		receive_all();
	return unused;
}

static void *canceller(void *unused)
{
	weft_ctx_cancel(&ctx, -ECANCELED);
	return unused;
}

static int sum(const int *counts)
{
	int n = 0;

	for (int i = 0; i < MODEL_THREADS_MAX; i++)
		n += counts[i];
	return n;
}

int main(void)
{
	pthread_t threads[MODEL_THREADS_MAX];
	int n = 0;

	for (int i = 0; i < CHANNELS; i++) {
		channels[i] = model_new(sizeof *channels[i]);
		model_check(weft_chan_init(channels[i], sizeof(thing *),
					   CAPACITY) == 0);
	}
	weft_ctx_init(&ctx, NULL);
	for (int i = 0; i < SENDERS; i++)
		pthread_create(&threads[n++], NULL, sender,
			       i < CANCELS ? &ctx : NULL);
	for (int i = 0; i < RECEIVERS; i++)
		pthread_create(&threads[n++], NULL, receiver, NULL);
	for (int i = 0; i < CANCELS; i++)
		pthread_create(&threads[n++], NULL, canceller, NULL);
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	model_check(sum(sent) == sum(received));
	return 0;
}

/* ---- what is another matter ---- */

uint32_t weft__random_below(uint32_t n)
{
	return model_choose(n);
}

weft_time weft_now(void)
{
	return 1;
}

void weft__after_take(weft_ctx *c, weft__link *afters)
{
	(void)c, (void)afters;
}

void weft__after_run(weft__link *afters)
{
	(void)afters;
}
