/* SPDX-License-Identifier: MIT */
/* Misuse of contexts: each ends its process and says why. */
#include "door.h"
#include "test.h"

#define PANIC "panic: context: "

TEST_TRAP(ctx_fini_before_its_children, PANIC "finished before its children")
{
	weft_ctx parent, child;

	weft_ctx_init(&parent, NULL);
	/* weft-vet: allow ctx -- the child is left on purpose */
	weft_ctx_init(&child, &parent);
	weft_ctx_fini(&parent);
}

TEST_TRAP(ctx_fini_before_children_that_are_cancelled,
	  PANIC "finished before its children")
{
	weft_ctx parent, child;

	weft_ctx_init(&parent, NULL);
	/* weft-vet: allow ctx -- the child is left on purpose */
	weft_ctx_init(&child, &parent);
	weft_ctx_cancel(&parent, 0);
	weft_ctx_fini(&parent);
}

static void wait_for_ever(void *c)
{
	weft_ctx_wait(c);
}

static bool is_waited_for(weft_ctx *c)
{
	bool waited;

	weft__ctx_lock(c);
	waited = c->priv_waiters != NULL;
	weft__ctx_unlock(c);
	return waited;
}

static void check_fini_while_waited_for(void (*start)(weft_fn fn, void *arg))
{
	static weft_ctx c;

	start(wait_for_ever, &c);
	test_until(is_waited_for(&c));
	weft_ctx_fini(&c);
}

TEST_TRAP(ctx_fini_while_a_task_waits, PANIC "finished while it is waited for")
{
	check_fini_while_waited_for(test_start_task);
}

TEST_TRAP(ctx_fini_while_a_thread_waits,
	  PANIC "finished while it is waited for")
{
	check_fini_while_waited_for(test_start_thread);
}

TEST_TRAP(ctx_value_without_a_key, "panic: nil key")
{
	weft_ctx c;

	/* weft-vet: allow ctx -- the call does not return */
	weft_ctx_init_value(&c, NULL, NULL, &c);
}

static void nothing(void *arg)
{
	(void)arg;
}

TEST_TRAP(ctx_after_start_of_one_that_waits,
	  PANIC "after-func started twice")
{
	weft_ctx c = {0}, d = {0};
	weft_ctx_after a = {0};

	CHECK_EQ(weft_ctx_after_start(&a, &c, nothing, NULL), 0);
	(void)weft_ctx_after_start(&a, &d, nothing, NULL);
}

TEST_TRAP(ctx_after_start_without_a_function,
	  "fatal error: go of nil func value")
{
	weft_ctx c = {0};
	weft_ctx_after a = {0};

	(void)weft_ctx_after_start(&a, &c, NULL, NULL);
}
