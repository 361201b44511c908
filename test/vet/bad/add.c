/* The task counts itself: the wait may be over before it begins. */
#include <assert.h>
#include <weft.h>

struct job {
	weft_waitgroup wg;
	int n;
};

static weft_waitgroup everybody;

static void late(void *arg)
{
	struct job *job = arg;

	weft_waitgroup_add(&job->wg, 1); /* expect: weft-add */
	job->n++;
	weft_waitgroup_done(&job->wg);
}

static void late_too(void *arg)
{
	weft_waitgroup_add(&everybody, 1); /* expect: weft-add */
	(void)arg;
	weft_waitgroup_done(&everybody);
}

static int late_in_group(weft_ctx *ctx, void *arg)
{
	(void)ctx;
	(void)arg;
	weft_waitgroup_add(&everybody, 1); /* expect: weft-add */
	weft_waitgroup_done(&everybody);
	return 0;
}

static int late_first(weft_ctx *ctx, void *arg)
{
	weft_waitgroup_add(&everybody, 1); /* expect: weft-add */
	(void)ctx;
	(void)arg;
	weft_waitgroup_done(&everybody);
	return 0;
}

static void late_after_nothing(void *arg)
{
	int n = 0;

	(void)arg;
	(void)n;
	;
	assert(arg != NULL);
	weft_waitgroup_add(&everybody, 1); /* expect: weft-add */
	weft_waitgroup_done(&everybody);
}

int start(struct job *job, weft_group *g)
{
	weft_group_go(g, late_in_group, NULL);
	weft_group_go(g, late_first, NULL);
	return weft_go(late, job) + weft_go(&late_too, NULL) +
	       weft_go(late, job) + weft_go(late_after_nothing, job);
}
