/* Contexts that are finished, or may be by somebody else. */
#include <weft.h>

struct job {
	weft_ctx *ctx;
	weft_ctx own;
};

void finished(weft_ctx *parent);
void hand_over(struct job *job);
void elsewhere(weft_ctx *ctx);
void untyped(void *ctx);

static void end(weft_ctx *ctx)
{
	weft_ctx_fini(ctx);
}

void finished(weft_ctx *parent)
{
	weft_ctx a, b, never_begun;
	static weft_ctx for_ever;

	weft_ctx_init(&a, parent);
	weft_ctx_init(&b, &a);
	weft_ctx_init(&for_ever, parent);
	end(&b);
	weft_ctx_fini(&a);
	(void)sizeof(never_begun);
}

void members(struct job *job, weft_ctx *given)
{
	weft_ctx_init(&job->own, NULL);
	weft_ctx_init(given, NULL);
}

void handed_on(void)
{
	weft_ctx stored, passed, as_void;
	struct job job = {.ctx = &stored};

	weft_ctx_init(&stored, NULL);
	weft_ctx_init(&passed, NULL);
	weft_ctx_init(&as_void, NULL);
	hand_over(&job);
	elsewhere(&passed);
	untyped(&as_void);
}

static void clean(weft_ctx *ctx)
{
	weft_ctx_fini(ctx);
}

void cleaned(void)
{
	__attribute__((cleanup(clean))) weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
}

static void finish(void *ctx)
{
	weft_ctx_fini(ctx);
}

void deferred(void)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	WEFT_DEFER(finish, &ctx);
}

static void end_below(weft_ctx *ctx)
{
	weft_ctx_cancel(ctx, 0);
	end(ctx);
}

static void keep(struct job *job, weft_ctx *ctx)
{
	job->ctx = ctx;
}

static weft_ctx *itself(weft_ctx *ctx)
{
	return ctx;
}

void finished_far_away(void)
{
	weft_ctx below, kept, returned, of_a_task;
	struct job job;

	weft_ctx_init(&below, NULL);
	weft_ctx_init(&kept, NULL);
	weft_ctx_init(&returned, NULL);
	weft_ctx_init(&of_a_task, NULL);
	keep(&job, &kept);
	end_below(&below);
	weft_ctx_fini(job.ctx);
	weft_ctx_fini(itself(&returned));
	weft_go(finish, &of_a_task);
}

/* Too deep to be followed. */
static void end_after(weft_ctx *ctx, int n)
{
	if (n > 0)
		end_after(ctx, n - 1);
}

void in_a_circle(void)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	end_after(&ctx, 10);
}
