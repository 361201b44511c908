/* SPDX-License-Identifier: MIT */
/*
 * The explorer's own test: the classic small programs, each with what C11 (as
 * RC11 repairs it) lets their reads see. An outcome is the number that the
 * results make, in binary, the first one the highest bit; for 2+2W the final
 * values less 1.
 *
 * Store buffering: in the Dekker pair one of the two sees the other only if
 * all stores and loads are seq_cst, or all are read-modify-writes.
 *
 *
 * Message passing: the flag seen, the datum not.
 *
 *
 * Load buffering is not explored: RC11 forbids it, as no compiler and CPU that
 * we know does it with what is not relaxed.
 *
 *
 * Two readers that disagree about the order of two writes.
 *
 *
 * Two writers of two locations in opposite orders: both first writes last.
 *
 *
 * Coherence: two reads of one location do not go back, whatever the order. And
 * a message over three threads.
 *
 *
 * And programs that chance makes, of every kind of access, each explored twice:
 * by the search, and naively. The executions have to be the same.
 *
 */
#include "explore.h"

#include <weft/atomic.h>

#include <stdlib.h>

#ifndef W
#define W relaxed
#define R relaxed
#endif

/* Names of orders are not replaced where they are pasted: so once before. */
#define store_by(p, v, order) weft_atomic_store((p), (v), order)
#define load_by(p, order) weft_atomic_load((p), order)
#define xchg_by(p, v, order) weft_atomic_xchg((p), (v), order)
#define or_by(p, v, order) weft_atomic_or((p), (v), order)
#define store(p, v) store_by((p), (v), W)
#define load(p) load_by((p), R)
#define THREAD(name, ...)                                                      \
	static void *name(__attribute__((unused)) void *unused)                \
	{                                                                      \
		__VA_ARGS__                                                    \
		return NULL;                                                   \
	}

static uint32_t a, b, result[4];

#ifdef SB
THREAD(one, store(&a, 1); result[0] = load(&b);)
THREAD(two, store(&b, 1); result[1] = load(&a);)
#define RESULTS 2
#endif

#ifdef SB_XCHG
THREAD(one, xchg_by(&a, 1, W); result[0] = load(&b);)
THREAD(two, xchg_by(&b, 1, W); result[1] = load(&a);)
#define RESULTS 2
#endif

#ifdef SB_UPDATE
THREAD(one, xchg_by(&a, 1, W); result[0] = or_by(&b, 0, R);)
THREAD(two, xchg_by(&b, 1, W); result[1] = or_by(&a, 0, R);)
#define RESULTS 2
#endif

#if defined MP || defined MP_UPDATE || defined MP_STORE
THREAD(one, weft_atomic_store(&a, 1, relaxed); store(&b, 1);)
THREAD(two, result[0] = load(&b) & 1; result[1] = weft_atomic_load(&a, relaxed);)
#define RESULTS 2
#endif
#ifdef MP_UPDATE
THREAD(three, weft_atomic_or(&b, 2, relaxed);)
#define THREE
#endif
#ifdef MP_STORE
THREAD(three, weft_atomic_store(&b, 3, relaxed);)
#define THREE
#endif

#ifdef LB
THREAD(one, result[0] = load(&a); store(&b, 1);)
THREAD(two, result[1] = load(&b); store(&a, 1);)
#define RESULTS 2
#endif

#ifdef IRIW
THREAD(one, store(&a, 1);)
THREAD(two, store(&b, 1);)
THREAD(three, result[0] = load(&a); result[1] = load(&b);)
THREAD(four, result[2] = load(&b); result[3] = load(&a);)
#define RESULTS 4
#define THREE
#define FOUR
#endif

#ifdef WW
THREAD(one, store(&a, 1); store(&b, 2);)
THREAD(two, store(&b, 1); store(&a, 2);)
#define RESULTS 2
#define FINAL
#endif

#ifdef CORR
THREAD(one, store(&a, 1);)
THREAD(two, result[0] = load(&a); result[1] = load(&a);)
#define RESULTS 2
#endif

#ifdef WRC
THREAD(one, store(&a, 1);)
THREAD(two, result[0] = load(&a); store(&b, 1);)
THREAD(three, result[1] = load(&b); result[2] = load(&a);)
#define RESULTS 3
#define THREE
#endif

#ifdef RANDOM
/* Whatever comes, by the seed in the environment. */
static uint32_t draw(uint64_t *state, uint32_t n)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33) % n;
}

static void any_access(uint64_t *state)
{
	uint32_t *p = draw(state, 2) ? &a : &b, v = 1 + draw(state, 3), old = draw(state, 3);

	switch (draw(state, 16)) {
	case 0:
		weft_atomic_store(p, v, relaxed);
		break;
	case 1:
		weft_atomic_store(p, v, release);
		break;
	case 2:
		weft_atomic_store(p, v, seq_cst);
		break;
	case 3:
		weft_atomic_load(p, relaxed);
		break;
	case 4:
		weft_atomic_load(p, acquire);
		break;
	case 5:
		weft_atomic_load(p, seq_cst);
		break;
	case 6:
		weft_atomic_add(p, v, acq_rel);
		break;
	case 7:
		weft_atomic_xchg(p, v, seq_cst);
		break;
	case 8:
		weft_atomic_cas(p, &old, v, release, acquire);
		break;
	case 9:
		weft_atomic_cas(p, &old, v, seq_cst, relaxed);
		break;
	case 10:
		model_await(weft_atomic_load(p, acquire) == v);
		break;
	case 11:
		model_await(weft_atomic_cas(p, &old, v, acquire, relaxed));
		break;
	default:
		weft_atomic_cas(p, &old, v, acq_rel, acquire);
	}
}

static void *any(void *n)
{
	uint64_t state = strtoull(getenv("SEED"), NULL, 10) * 8 + *(int *)n;

	for (uint32_t i = 2 + draw(&state, 2); i > 0; i--)
		any_access(&state);
	return NULL;
}

static int numbers[] = {0, 1, 2};
THREAD(one, any(&numbers[0]);)
THREAD(two, any(&numbers[1]);)
THREAD(three, any(&numbers[2]);)
#define RESULTS 0
#define THREE
#endif

int main(void)
{
	static void *(*const fns[])(void *) = {
		one,
		two,
#ifdef THREE
		three,
#endif
#ifdef FOUR
		four,
#endif
	};
	enum { COUNT = sizeof fns / sizeof fns[0] };
	pthread_t threads[COUNT];
	unsigned outcome = 0;

	for (int i = 0; i < COUNT; i++)
		pthread_create(&threads[i], NULL, fns[i], NULL);
	for (int i = 0; i < COUNT; i++)
		pthread_join(threads[i], NULL);
#ifdef FINAL
	result[0] = a - 1;
	result[1] = b - 1;
#endif
	for (int i = 0; i < RESULTS; i++)
		outcome = outcome * 2 + result[i];
	model_outcome(outcome);
	return 0;
}
