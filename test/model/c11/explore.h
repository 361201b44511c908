/* SPDX-License-Identifier: MIT */
/*
 * What a harness, a small program whose every execution is explored, is written
 * with. It is C11 with POSIX threads; its main() is run again and again, each
 * time with all variables as they were.
 *
 * With MODEL_GENMC the same file is for GenMC, a model checker from elsewhere.
 */
#ifndef WEFT_TEST_MODEL_EXPLORE_H
#define WEFT_TEST_MODEL_EXPLORE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef MODEL_GENMC

#include <assert.h>
#include <genmc.h>
#include <stdlib.h>

#define model_check(condition) assert(condition)
/* Go on only in executions where this holds: the rest of them do not end. */
#define model_await(condition) __VERIFIER_assume(condition)
#define model_choose(n) ((n) > 1 ? (unsigned)__VERIFIER_nondet_int() % (n) : 0)
#define model_new(size) malloc(size)
#define model_free(object, size) free(object)
#define model_reuse(object, size) __builtin_memset((object), 0, (size))

#else

#define pthread_create(t, attributes, fn, arg) explore_create((t), (fn), (arg))
#define pthread_join(t, result) explore_join(t)
#define main program

int explore_create(pthread_t *t, void *(*fn)(void *), void *arg);
int explore_join(pthread_t t);
_Noreturn void explore_wrong(const char *what);
_Noreturn void explore_block(void);

#define model_check(condition)                                                 \
	((condition) ? (void)0 : explore_wrong("not so: " #condition))
/*
 * Wait until this holds. Its last access is the load, or compare-and-swap, that
 * decides, and has no effect where it does not hold.
 */
#define model_await(condition) ((condition) ? (void)0 : explore_block())
/* Any of 0 … n - 1. */
unsigned model_choose(unsigned n);
/* The number of the calling thread: 0 is main. */
unsigned model_self(void);
/* This execution ends like that, 0 … 63: the explorer prints all that it met. */
void model_outcome(unsigned n);
/* Zeroed memory, and the end of it: whoever touches it after that is wrong. */
void *model_new(size_t size);
void model_free(void *object, size_t size);
/* It is used for something else: who still touches it races. */
void model_reuse(void *object, size_t size);

#endif
#endif
