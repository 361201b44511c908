/* Adds that are where they belong, and those of which one cannot be sure. */
#include <pthread.h>
#include <weft.h>

struct node {
	weft_waitgroup *wg;
	struct node *left, *right;
};

static void counted(void *arg)
{
	weft_waitgroup_done(arg);
}

/* It is counted by who started it, and counts those that it starts. */
static void tree(void *arg)
{
	struct node *node = arg;

	weft_waitgroup_add(node->wg, 2);
	if (weft_go(tree, node->left) != 0 || weft_go(tree, node->right) != 0)
		weft_waitgroup_add(node->wg, -1);
	weft_waitgroup_done(node->wg);
}

static void finishes_by_adding(void *arg)
{
	struct node *node = arg;

	weft_waitgroup_add(node->wg, -1);
	weft_waitgroup_done(node->wg);
}

static void *thread(void *arg)
{
	weft_waitgroup_done(arg);
	return NULL;
}

static void starts_a_thread(void *arg)
{
	pthread_t id;

	weft_waitgroup_add(arg, 1);
	if (pthread_create(&id, NULL, thread, arg) != 0)
		weft_waitgroup_done(arg);
}

static void of_its_own(void *arg)
{
	weft_waitgroup wg = {0};

	weft_waitgroup_add(&wg, 1);
	weft_waitgroup_done(&wg);
	(void)arg;
}

/* Said done for by somebody else. */
static void for_another(void *arg)
{
	weft_waitgroup_add(arg, 1);
	weft_yield();
}

/* What is called first may have waited until it was counted. */
int wait_for_turn(void *arg);

static void after_a_call(void *arg)
{
	(void)wait_for_turn(arg);
	weft_waitgroup_add(arg, 1);
	weft_waitgroup_done(arg);
}

static void after_a_value(void *arg)
{
	int turn = wait_for_turn(arg);

	(void)turn;
	weft_waitgroup_add(arg, 1);
	weft_waitgroup_done(arg);
}

int start(weft_waitgroup *wg, struct node *root)
{
	int err;

	weft_waitgroup_add(wg, 1);
	err = weft_go(counted, wg);
	err |= weft_go(tree, root) | weft_go(finishes_by_adding, root);
	err |= weft_go(of_its_own, root) | weft_go(for_another, wg);
	err |= weft_go(starts_a_thread, wg);
	err |= weft_go(after_a_call, wg) | weft_go(after_a_value, wg);
	weft_waitgroup_wait(wg);
	return err;
}
