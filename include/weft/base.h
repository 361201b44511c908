/* SPDX-License-Identifier: MIT */
/*
 * What every weft header needs: attributes, and the mark that refuses copies.
 *
 * Conventions of all weft headers
 *
 *   - Objects are complete types in the caller's storage. All bytes zero is a
 *     valid, idle object unless the type's comment names an _init function.
 *     Fields that begin with priv_ are nobody's business but the library's.
 *   - A weft object is used through a pointer and never copied or moved.
 *     Compilers refuse assignment, at any depth of nesting.
 *   - Durations and times are int64_t nanoseconds (see time.h).
 *   - Errors are ints: 0 is success, the library's own errors are negative
 *     errno values, and a nonzero int that a user's function returns is passed
 *     on unchanged. Misuse is no error: it panics (a negative counter; see
 *     panic.h), or, where that would leave no safe state (unlocking an
 *     unlocked mutex), prints one line and aborts. Both say what Go says.
 *   - "Context" in a function's comment says who may call it: a task (see
 *     task.h) or a plain thread, and whether a task may be switched away
 *     inside. No function may be called from a signal handler unless its
 *     comment says so.
 *   - No function is a cancellation point of pthread_cancel(). A thread that is
 *     cancelled while it waits here is so at the next one after the wait, or in
 *     the function that it runs for a once or a flight: that is an exit then.
 */
#ifndef WEFT_BASE_H
#define WEFT_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * weft-vet, and nobody else, reads these headers with WEFT_PRIV_VET: the types
 * that refuse copies then carry a mark, and in C the refusal is left to
 * weft-vet, which says more about it than a compiler does.
 */
#ifdef WEFT_PRIV_VET
#define WEFT_PRIV_MARK __attribute__((annotate("weft_nocopy")))
#define WEFT_PRIV_CONST
#else
#define WEFT_PRIV_MARK
#define WEFT_PRIV_CONST const
#endif

#ifdef __cplusplus
#define WEFT_BEGIN extern "C" {
#define WEFT_END }
#define WEFT_PRIV_CAST(type, x) static_cast<type>(x)
/*
 * C++ forbids a zero-length const member in an object that is initialised
 * with {}, so there the copy operations are deleted instead. Both spellings
 * cost no byte and leave the layout alone.
 */
#define WEFT_PRIV_NOCOPY(type)                                                 \
	type() = default;                                                      \
	type(const type &) WEFT_PRIV_MARK = delete;                            \
	type &operator=(const type &) = delete;
#else
#define WEFT_BEGIN
#define WEFT_END
#define WEFT_PRIV_CAST(type, x) ((type)(x))
#define WEFT_PRIV_NOCOPY(type)                                                 \
	__extension__ WEFT_PRIV_CONST char priv_nocopy[0] WEFT_PRIV_MARK;
#endif

#define WEFT_API __attribute__((visibility("default")))
#define WEFT_PRIV_INLINE static inline __attribute__((always_inline, unused))
#define WEFT_PRIV_COLD __attribute__((cold, noinline))
/*
 * What a fast path leaves to the library: unlikely to who calls it, and so cold;
 * but not to who comes there, so the library defines it without that.
 */
#ifndef WEFT_PRIV_SLOW
#define WEFT_PRIV_SLOW WEFT_PRIV_COLD
#endif
#define WEFT_PRIV_NORETURN __attribute__((noreturn))
#define WEFT_PRIV_LIKELY(x) __builtin_expect(!!(x), 1)
#define WEFT_PRIV_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define WEFT_PRIV_WARN_UNUSED __attribute__((warn_unused_result))

WEFT_BEGIN

/* A context: deadline, cancellation and values. Its functions are in ctx.h. */
typedef struct weft_ctx weft_ctx;

/* What a task, a once, an after-func runs. */
typedef void (*weft_fn)(void *arg);

/* Private: a link of a list inside the library, or the head of one. */
typedef struct weft_priv_link weft_priv_link;
struct weft_priv_link {
	weft_priv_link *next;
	weft_priv_link *prev;
};

/*
 * Private: in debug builds (debug.h) an object passes through one of these at
 * each call that uses it, or makes it new. Panics if it is a copy.
 */
WEFT_API void weft_debug_used(const void *object, size_t size_bytes,
			      const char *type);
WEFT_API void weft_debug_fresh(void *object, const char *type);

#ifdef WEFT_DEBUG
#define WEFT_PRIV_USED(type, object)                                           \
	__extension__({                                                        \
		type *weft_priv_object = (object);                             \
		weft_debug_used(weft_priv_object, sizeof(type), #type);        \
		weft_priv_object;                                              \
	})
#define WEFT_PRIV_FRESH(type, object)                                          \
	__extension__({                                                        \
		type *weft_priv_object = (object);                             \
		weft_debug_fresh(weft_priv_object, #type);                     \
		weft_priv_object;                                              \
	})
#endif

WEFT_END

#endif
