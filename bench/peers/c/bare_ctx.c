/* SPDX-License-Identifier: MIT */
/*
 * What contexts cost the machine, each of as many bytes as weft's. It is put
 * into the list of its parent, under the parent's lock; a walk over all takes
 * it out of that, and ends it, under its own; and it ends its life with its
 * parent's lock once more, for a walk may be at the parent.
 */
#include "bare.h"

#include <stddef.h>

struct link {
	struct link *next;
	struct link *prev;
};

struct context {
	int32_t err;
	int32_t cause;
	int64_t deadline;
	struct context *parent;
	const void *key;
	void *value;
	uint32_t lock;
	uint32_t flags;
	uint32_t child_count;
	uint32_t stamp;
	struct link sibling;
	struct link *children;
	struct link *waiters;
	struct link *afters;
};

_Static_assert(sizeof(struct context) == 96, "as large as weft's");

static struct context *container(struct link *link)
{
	return (struct context *)(void *)((char *)link -
					  offsetof(struct context, sibling));
}

static void begin(struct context *c, struct context *parent)
{
	struct link *first;
	memset(c, 0, sizeof *c);
	c->parent = parent;
	bare_lock(&parent->lock);
	parent->child_count++;
	first = parent->children;
	if (!first)
		parent->children = first = c->sibling.prev = &c->sibling;
	c->sibling.next = first;
	c->sibling.prev = first->prev;
	first->prev->next = &c->sibling;
	first->prev = &c->sibling;
	bare_unlock(&parent->lock);
}

static struct context *first_child(struct context *c)
{
	struct link *first = c->children;
	if (!first)
		return NULL;
	c->children = first->next != first ? first->next : NULL;
	first->prev->next = first->next;
	first->next->prev = first->prev;
	first->next = NULL;
	return container(first);
}

/* Trees here are chains or fans: who has a child below is its parent's only one. */
static void cancel(struct context *root)
{
	struct context *c = root, *child;
	bare_lock(&root->lock);
	root->err = -ECANCELED;
	while ((child = first_child(c))) {
		bare_lock(&child->lock);
		child->cause = -ECANCELED;
		__atomic_store_n(&child->err, -ECANCELED, __ATOMIC_RELEASE);
		if (child->child_count) {
			bare_unlock(&c->lock);
			c = child;
		} else {
			bare_unlock(&child->lock);
		}
	}
	bare_unlock(&c->lock);
}

static void end(struct context *c)
{
	BENCH_CHECK(__atomic_load_n(&c->err, __ATOMIC_ACQUIRE));
	bare_lock(&c->parent->lock);
	c->parent->child_count--;
	bare_unlock(&c->parent->lock);
	c->flags = 0;
}

static double walk(long n, bool deep)
{
	struct context *all = bench_room((size_t)n * sizeof *all), root;
	long rounds = bench_fan_rounds(n);
	int64_t start = bench_now();
	for (long round = rounds; round; round--) {
		memset(&root, 0, sizeof root);
		for (long i = 0; i < n; i++)
			begin(&all[i], deep && i ? &all[i - 1] : &root);
		cancel(&root);
		for (long i = n; i; i--)
			end(&all[i - 1]);
		BENCH_CHECK(!root.child_count);
	}
	return bench_per_op(start, n * rounds);
}

double bare_growth_ctx_deep(long n)
{
	return walk(n, true);
}

double bare_growth_ctx_wide(long n)
{
	return walk(n, false);
}
