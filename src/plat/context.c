/* SPDX-License-Identifier: MIT */
#include "plat/context.h"

#include "plat/thread.h"

#include <string.h>

void weft__switch_entry(void);

/* The frame that weft__switch() leaves behind, and what it finds at first. */
struct frame {
	void *base_pointer;
	void *frame_pointer;
	void *entry;
	void *rest[WEFT__SWITCH_WORDS - 3];
	void *function;
	void *arg;
};

void weft__context_init(weft__context *context, void *low, void *top,
			void (*function)(void *), void *arg)
{
	uintptr_t end = (uintptr_t)top & ~(uintptr_t)15;
	struct frame *frame = (struct frame *)(end - sizeof(struct frame));

	memset(context, 0, sizeof *context);
	memset(frame, 0, sizeof *frame);
	frame->function = __extension__(void *) function;
	frame->arg = arg;
	frame->entry = __extension__(void *) weft__switch_entry;
	context->sp = frame;
#if WEFT__ASAN
	context->low = low;
	context->size_bytes = (size_t)((char *)top - (char *)low);
#endif
#if WEFT__TSAN
	context->fiber = __tsan_create_fiber(0);
#endif
	(void)low;
}

bool weft__context_is_entry(const void *address)
{
	enum { ENTRY_BYTES = 32 };	/* at most: see switch.S */

	return (uintptr_t)address -
		       (uintptr_t)__extension__(void *) weft__switch_entry <
	       ENTRY_BYTES;
}

void weft__context_init_thread(weft__context *context)
{
	memset(context, 0, sizeof *context);
#if WEFT__ASAN
	void *low;

	weft__thread_stack(&low, &context->size_bytes);
	context->low = low;
#endif
#if WEFT__TSAN
	context->fiber = __tsan_get_current_fiber();
#endif
}

void weft__context_fini(weft__context *context)
{
#if WEFT__ASAN
	/* What its last frames left poisoned. */
	ASAN_UNPOISON_MEMORY_REGION(context->low, context->size_bytes);
#endif
#if WEFT__TSAN
	__tsan_destroy_fiber(context->fiber);
#endif
	(void)context;
}

#if WEFT__ASAN
void weft__context_land(void *landing, void *unused)
{
	weft__landing l = *(weft__landing *)landing;

	(void)unused;
	__sanitizer_finish_switch_fiber(l.fake_stack, NULL, NULL);
	l.commit(l.a, l.b);
}
#endif

void weft__context_abandon(const weft__context *to,
			   void (*commit)(void *, void *), void *a, void *b)
{
	void *sp;

#if WEFT__ASAN
	weft__landing landing = {to->fake_stack, commit, a, b};

	commit = weft__context_land;
	a = &landing;
	__asan_handle_no_return();	/* the frames left cover this one */
	__sanitizer_start_switch_fiber(NULL, to->low, to->size_bytes);
#endif
#if WEFT__TSAN
	__tsan_switch_to_fiber(to->fiber, 0);
#endif
	weft__switch(&sp, to->sp, commit, a, b);
	__builtin_unreachable();
}
