/* SPDX-License-Identifier: MIT */
/*
 * The one place where atomics are spelt. Not part of the public interface: it
 * is installed because the inline fast paths of the public headers need it.
 *
 * Every access names its order: weft_atomic_load(p, acquire). All objects are
 * plain integers or pointers (C++ reads these headers too), and everything in
 * the library, the shipped text and the explored one, goes through these
 * macros: with WEFT_SIM a scheduling point stands before each (weft/sim.h).
 */
#ifndef WEFT_ATOMIC_H
#define WEFT_ATOMIC_H

#ifdef WEFT_SIM
#ifdef __cplusplus
extern "C" {
#endif
void weft_sim_point_at(const volatile void *address, unsigned int kind);
void weft__sim_yield(void);
#ifdef __cplusplus
}
#endif
#define WEFT_PRIV_POINT(p, writes)                                             \
	weft_sim_point_at((p), (writes) | WEFT_PRIV_POINT_WHERE),
#define WEFT_PRIV_POINT_WHERE 0	/* the library says 4, its scheduler 6 */
#define WEFT_PRIV_YIELD() weft__sim_yield()
#else
#define WEFT_PRIV_POINT(p, writes)
#define WEFT_PRIV_YIELD() ((void)0)
#endif

#define WEFT_PRIV_ORDER_relaxed __ATOMIC_RELAXED
#define WEFT_PRIV_ORDER_acquire __ATOMIC_ACQUIRE
#define WEFT_PRIV_ORDER_release __ATOMIC_RELEASE
#define WEFT_PRIV_ORDER_acq_rel __ATOMIC_ACQ_REL
#define WEFT_PRIV_ORDER_seq_cst __ATOMIC_SEQ_CST

#define weft_atomic_load(p, order)                                             \
	(WEFT_PRIV_POINT(p, 0) __atomic_load_n((p), WEFT_PRIV_ORDER_##order))
#define weft_atomic_store(p, v, order)                                         \
	(WEFT_PRIV_POINT(p, 1)                                                 \
	 __atomic_store_n((p), (v), WEFT_PRIV_ORDER_##order))
/* The next four return the value that was there before. */
#define weft_atomic_xchg(p, v, order)                                          \
	(WEFT_PRIV_POINT(p, 1)                                                 \
	 __atomic_exchange_n((p), (v), WEFT_PRIV_ORDER_##order))
#define weft_atomic_add(p, v, order)                                           \
	(WEFT_PRIV_POINT(p, 1)                                                 \
	 __atomic_fetch_add((p), (v), WEFT_PRIV_ORDER_##order))
#define weft_atomic_sub(p, v, order)                                           \
	(WEFT_PRIV_POINT(p, 1)                                                 \
	 __atomic_fetch_sub((p), (v), WEFT_PRIV_ORDER_##order))
#define weft_atomic_or(p, v, order)                                            \
	(WEFT_PRIV_POINT(p, 1)                                                 \
	 __atomic_fetch_or((p), (v), WEFT_PRIV_ORDER_##order))
#define weft_atomic_and(p, v, order)                                           \
	(WEFT_PRIV_POINT(p, 1)                                                 \
	 __atomic_fetch_and((p), (v), WEFT_PRIV_ORDER_##order))
/*
 * If *p == *expected, store desired and return true; else load *p into
 * *expected and return false. Never fails spuriously. The first order is for
 * success, the second for failure.
 */
#define weft_atomic_cas(p, expected, desired, success, failure)                \
	(WEFT_PRIV_POINT(p, 1) __atomic_compare_exchange_n(                    \
		(p), (expected), (desired), 0, WEFT_PRIV_ORDER_##success,      \
		WEFT_PRIV_ORDER_##failure))

#endif
