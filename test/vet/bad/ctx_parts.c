/* Contexts that are a part of something local, or freed. */
#include <stdlib.h>
#include <weft.h>

struct request {
	weft_ctx ctx;
	weft_mutex lock;
	weft_ctx other;
	int n;
};

static int work(weft_ctx *ctx)
{
	return weft_ctx_err(ctx);
}

int member(void)
{
	struct request r = {.n = 1};

	weft_ctx_init(&r.ctx, NULL); /* expect: weft-ctx */
	weft_mutex_lock(&r.lock);
	r.n += work(&r.ctx) + (int)sizeof(r);
	return r.n;
}

int one_of_two(void)
{
	struct request r = {.n = 1};

	weft_ctx_init(&r.ctx, NULL);
	weft_ctx_init(&r.other, &r.ctx);
	if (weft_ctx_done(&r.other))
		return r.n; /* expect: weft-ctx weft-ctx */
	weft_ctx_fini(&r.other);
	weft_ctx_fini(&r.ctx);
	return r.n;
}

int elements(int n)
{
	weft_ctx ctx[3];

	for (int i = 0; i < 3; i++)
		weft_ctx_init(&ctx[i], /* expect: weft-ctx */
			      i > 0 ? &ctx[i - 1] : NULL);
	return work(&ctx[n]);
}

int elements_left_behind(int n)
{
	weft_ctx ctx[2];

	weft_ctx_init(&ctx[0], NULL);
	weft_ctx_init(&ctx[1], NULL);
	if (work(&ctx[n]))
		return 1; /* expect: weft-ctx */
	weft_ctx_fini(&ctx[0]);
	weft_ctx_fini(&ctx[1]);
	return 0;
}

int freed(void)
{
	weft_ctx *ctx = malloc(sizeof(*ctx));
	int err;

	if (ctx == NULL)
		return -1;
	weft_ctx_init(ctx, NULL);
	err = work(ctx);
	free(ctx); /* expect: weft-ctx */
	return err;
}
