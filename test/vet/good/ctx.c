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
