/* Contexts that are never finished. */
#include <weft.h>

static int work(weft_ctx *ctx)
{
	return weft_ctx_err(ctx);
}

int plain(weft_ctx *parent)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, parent); /* expect: weft-ctx */
	return weft_ctx_err(&ctx);
}

int in_a_block(weft_ctx *parent, int n)
{
	if (n > 0) {
		weft_ctx ctx = {0};

		weft_ctx_init_timeout(&ctx, parent, n); /* expect: weft-ctx */
		return work(&ctx);
	}
	return 0;
}

void cancelled_only(weft_ctx *parent)
{
	weft_ctx ctx, finished;

	weft_ctx_init(&ctx, parent); /* expect: weft-ctx */
	weft_ctx_init(&finished, parent);
	weft_ctx_cancel(&ctx, 0);
	weft_ctx_fini(&finished);
}

int selected(weft_chan *c, int *value)
{
	weft_ctx ctx;

	weft_ctx_init_timeout(&ctx, NULL, WEFT_SECOND); /* expect: weft-ctx */
	weft_case cases[] = {WEFT_CASE_RECV(c, value), WEFT_CASE_DONE(&ctx)};

	return weft_select(cases, 2);
}

static int work_below(const char *name, weft_ctx *ctx)
{
	weft_ctx own;
	int err;

	weft_ctx_init(&own, ctx);
	err = *name != '\0' ? work(&own) : work(ctx);
	weft_ctx_fini(&own);
	return err;
}

int lent_on(weft_ctx *parent)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, parent); /* expect: weft-ctx */
	return work_below("a", &ctx);
}
