/* SPDX-License-Identifier: MIT */
/*
 * Who waits for which key in this process, so that an engine's news finds them.
 *
 * A watch begins before the first question about its key is asked. So news that
 * comes after the place was looked at is kept for the wait that follows: none is
 * lost on this side. What an engine loses on its side the hint makes good.
 */
#include "fleet/core.h"

static weft__fleet_watch **chain_of(weft_fleet *f, const uint64_t id[2])
{
	return &f->watches.chains[id[0] % WEFT__FLEET_WATCH_CHAINS];
}

void weft__fleet_watch_begin(weft_fleet *f, weft__fleet_watch *w,
			     const weft__fleet_id *id)
{
	weft__fleet_watch **chain = chain_of(f, id->word);

	w->id[0] = id->word[0];
	w->id[1] = id->word[1];
	w->told = false;
	weft_sema_init(&w->told_sema, 0);
	weft__fleet_lock_take(&f->watches.lock);
	w->next = *chain;
	*chain = w;
	weft__fleet_lock_drop(&f->watches.lock);
}

void weft__fleet_watch_end(weft_fleet *f, weft__fleet_watch *w)
{
	weft__fleet_watch **p = chain_of(f, w->id);

	weft__fleet_lock_take(&f->watches.lock);
	while (*p != w)
		p = &(*p)->next;
	*p = w->next;
	weft__fleet_lock_drop(&f->watches.lock);
}

int weft__fleet_watch_wait(weft_fleet *f, weft__fleet_watch *w, weft_ctx *ctx,
			   weft_duration d)
{
	weft_ctx until;
	int err;

	weft_ctx_init_timeout(&until, ctx, d);
	err = weft_sema_acquire_ctx(&w->told_sema, &until, 1);
	weft_ctx_fini(&until);
	if (err != 0)
		return err;
	weft__fleet_lock_take(&f->watches.lock);
	w->told = false;
	weft__fleet_lock_drop(&f->watches.lock);
	return 0;
}

/* With the lock held. */
static void tell(weft__fleet_watch *w)
{
	if (w->told)
		return;
	w->told = true;
	weft_sema_release(&w->told_sema, 1);
}

void weft__fleet_news(void *core, const uint64_t id[2])
{
	weft_fleet *f = core;

	weft__fleet_lock_take(&f->watches.lock);
	for (weft__fleet_watch *w = *chain_of(f, id); w != NULL; w = w->next)
		if (w->id[0] == id[0] && w->id[1] == id[1])
			tell(w);
	weft__fleet_lock_drop(&f->watches.lock);
}

void weft__fleet_news_all(void *core)
{
	weft_fleet *f = core;

	weft__fleet_lock_take(&f->watches.lock);
	for (int i = 0; i < WEFT__FLEET_WATCH_CHAINS; i++)
		for (weft__fleet_watch *w = f->watches.chains[i]; w != NULL;
		     w = w->next)
			tell(w);
	weft__fleet_lock_drop(&f->watches.lock);
}
