/* SPDX-License-Identifier: MIT */
/*
 * Switching between stacks, and telling the sanitizers about it.
 */
#ifndef WEFT_SRC_PLAT_CONTEXT_H
#define WEFT_SRC_PLAT_CONTEXT_H

#include "base/base.h"
#include "plat/switch.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT__ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define WEFT__TSAN 1
#endif
#endif
#if defined(__SANITIZE_ADDRESS__)
#define WEFT__ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define WEFT__TSAN 1
#endif

#if WEFT__ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#if WEFT__TSAN
#include <sanitizer/tsan_interface.h>
#endif

/* A stack that does not run now: where it stopped. */
typedef struct weft__context {
	void *sp;
#if WEFT__ASAN
	void *fake_stack;
	const void *low;
	size_t size_bytes;
#endif
#if WEFT__TSAN
	void *fiber;
#endif
} weft__context;

/*
 * Make context run function(arg) on the stack [low, top) when it is first
 * switched to. The function never returns.
 */
void weft__context_init(weft__context *context, void *low, void *top,
			void (*function)(void *), void *arg);

/* Give back what init made, but not the stack, which does not run. */
void weft__context_fini(weft__context *context);

/* Make context that of the stack which the calling thread came with. */
void weft__context_init_thread(weft__context *context);

#if WEFT__ASAN
/*
 * The sanitizer is told of the arrival before commit is called, not after: a
 * commit may have to wait, and a simulated machine switches stacks then.
 */
typedef struct {
	void *fake_stack;
	void (*commit)(void *, void *);
	void *a, *b;
} weft__landing;

/* A commit: arrive first. The landing is on the stack that was left. */
void weft__context_land(void *landing, void *unused);
#endif

/*
 * Leave the running stack, self, for to; call commit(a, b) there. Once commit
 * has published self, somebody else may resume it, even before this thread has
 * left commit: it must not touch self's stack after that.
 *
 * Returns when somebody switches back to self, perhaps on another thread:
 * nothing that belongs to a thread may be kept in a variable across it.
 */
static inline __attribute__((always_inline)) void
weft__context_switch(weft__context *self, const weft__context *to,
		     void (*commit)(void *, void *), void *a, void *b)
{
#if WEFT__ASAN
	weft__landing landing = {to->fake_stack, commit, a, b};

	commit = weft__context_land;
	a = &landing;
	__sanitizer_start_switch_fiber(&self->fake_stack, to->low,
				       to->size_bytes);
#endif
#if WEFT__TSAN
	__tsan_switch_to_fiber(to->fiber, 0);
#endif
	weft__switch(&self->sp, to->sp, commit, a, b);
}

/* Is the address in the outermost frame of such a stack? */
bool weft__context_is_entry(const void *address);

/* Leave the running stack for good. commit may prepare it for another use. */
_Noreturn void weft__context_abandon(const weft__context *to,
				     void (*commit)(void *, void *), void *a,
				     void *b);

#endif
