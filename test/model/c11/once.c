/* SPDX-License-Identifier: MIT */
/*
 * src/sync/once.c and the inline paths of <weft/once.h>, on the real lot and
 * waiters: O1 … O5. CALLERS call; each sees what the function did; the last of
 * those that did not run it frees the once at once. With TRIES the function
 * fails that often first; with FAILS always, and the callers leave it at that;
 * with CANCELS the first caller's context is cancelled. With VALUES it is a value's
 * once, and the function gives the value.
 */
#include "explore.h"
#include "machine/machine.h"

#include "sync/once.c"

#ifndef FAILS
#define FAILS 0
#endif
#ifndef VALUES
#define VALUES 0
#endif

static weft_once *o;
static weft_once_value *v;	/* that *o is of, with VALUES */
static weft_ctx ctx;
static int value;		/* plain: what the function makes */
static uint32_t runs;
static uint32_t others = CALLERS - 1;

uint32_t weft__flow_mark(void)
{
	return 1 + model_self();
}

/* Panics and exits are another matter. */
enum weft_outcome weft__left(weft__panic **p)
{
	(void)p;
	MODEL_WRONG("left");
}

weft__panic *weft__panic_get(weft__panic *p)
{
	return p;
}

void weft__panic_put(weft__panic *p)
{
	(void)p;
}

void weft__panic_again(weft__panic *p)
{
	(void)p;
	MODEL_WRONG("panic");
}

void weft__panic_nil(void)
{
	MODEL_WRONG("panic");
}

void weft__call_apart(weft_fn fn, void *arg)
{
	fn(arg);
}

static bool ran[MODEL_THREADS_MAX];

static int function(void *unused)
{
	(void)unused;
	ran[model_self()] = true;
	if (weft_atomic_add(&runs, 1, relaxed) < TRIES || FAILS) {
		value = -1;	/* the next one finds that */
		return -1;
	}
	value++;
	return 0;
}

static void function_once(void *unused)
{
	function(unused);
}

static void *function_of_value(void *of)
{
	function(NULL);
	return of;
}

static void ask_for_value(weft_ctx *with)
{
	void *found = NULL;

	if (with == NULL || weft_once_value_call_ctx(v, with, &found) != 0)
		found = weft_once_value_call(v);
	model_check(found == &value);
}

static void call(weft_ctx *with)
{
	bool calm = with == NULL;

	if (FAILS && weft_once_try(o, function, NULL) != 0)
		return;
	if (VALUES)
		ask_for_value(with);
	else if (TRIES > 0)
		while (weft_once_try(o, function, NULL) != 0)
			;
	else if (calm || weft_once_do_ctx(o, with, function_once, NULL) != 0)
		weft_once_do(o, function_once, NULL);
	model_check(value == 1 - (TRIES > 0));	/* O2 */
	model_check(weft_atomic_load(&runs, relaxed) == 1 + TRIES); /* O1 */
}

static void *caller(void *with)
{
	call(with);
	if (!ran[model_self()] && weft_atomic_sub(&others, 1, acq_rel) == 1)
		model_free(o, VALUES ? sizeof *v : sizeof *o);	/* O3 */
	return NULL;
}

static void *canceller(void *unused)
{
	model_cancel(&ctx);
	return unused;
}

int main(void)
{
	pthread_t threads[CALLERS + CANCELS];

	o = model_new(VALUES ? sizeof *v : sizeof *o);
	if (VALUES) {
		v = (weft_once_value *)o;
		weft_once_value_init(v, function_of_value, &value);
	}
	for (int i = 0; i < CALLERS; i++)
		pthread_create(&threads[i], NULL, caller,
			       i < CANCELS ? &ctx : NULL);
	for (int i = 0; i < CANCELS; i++)
		pthread_create(&threads[CALLERS + i], NULL, canceller, NULL);
	for (int i = 0; i < CALLERS + CANCELS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
