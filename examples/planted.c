/* SPDX-License-Identifier: MIT */
/*
 * Defects, planted to see that the tools find them in tasks as they do in
 * threads: docs/sanitizers.md. Each has a right version.
 *
 *	planted race|stack|heap [right]
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft.h>

static bool right;

/* ---- race: two tasks add to a plain variable, and nothing orders them ---- */

static pthread_barrier_t both_run;	/* each on a worker of its own */
static weft_mutex lock;
static int visits;

static void visit(void *unused)
{
	(void)unused;
	pthread_barrier_wait(&both_run);
	if (right)
		weft_mutex_lock(&lock);
	visits++;
	if (right)
		weft_mutex_unlock(&lock);
}

/* ---- stack, heap: a byte more is written than there is room for ---- */

static void write_name(char *to, size_t size)
{
	memset(to, 'x', right ? size : size + 1);
}

static void name_on_stack(void *unused)
{
	char name[16];

	(void)unused;
	weft_yield();	/* and so on a stack of its own */
	write_name(name, sizeof name);
	printf("%.8s\n", name);
}

static void name_on_heap(void *unused)
{
	char *name = malloc(16);

	(void)unused;
	if (name == NULL)
		return;
	write_name(name, 16);
	printf("%.8s\n", name);
	free(name);
}

int main(int argc, char **argv)
{
	const char *defect = argc > 1 ? argv[1] : "";
	weft_fn fn = strcmp(defect, "race") == 0    ? visit
		     : strcmp(defect, "stack") == 0 ? name_on_stack
		     : strcmp(defect, "heap") == 0  ? name_on_heap
						    : NULL;
	weft_waitgroup wg = {0};

	pthread_barrier_init(&both_run, NULL, 2);
	right = argc > 2 && strcmp(argv[2], "right") == 0;
	if (fn == NULL) {
		fprintf(stderr, "usage: planted race|stack|heap [right]\n");
		return 2;
	}
	for (int i = 0; i < 2; i++)
		if (weft_waitgroup_go(&wg, fn, NULL) != 0)
			return 1;
	weft_waitgroup_wait(&wg);
	return 0;
}
