/* Contexts that are never finished, lent in every place where a call may stand. */
#include <weft.h>

#define LENT(m, ctx) weft_mutex_lock_ctx(m, ctx)

static void done(void *arg)
{
	*(int *)arg = 0;
}

int initialiser(weft_mutex *m)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL); /* expect: weft-ctx */
	int err = weft_mutex_lock_ctx(m, &ctx);
	return err;
}

int initialisers(weft_mutex *m)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL); /* expect: weft-ctx */
	const int err[] = {LENT(m, &ctx), (weft_ctx_err((&ctx)))};
	long converted = -weft_ctx_cause(&ctx);
	static int once;

	return err[0] + err[1] + (int)converted + once;
}

int conditions(weft_mutex *m, int n)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL); /* expect: weft-ctx */
	if (weft_mutex_lock_ctx(m, &ctx) != 0)
		return -1;
	while (!weft_ctx_done(&ctx) && n-- > 0)
		weft_yield();
	for (int err = weft_ctx_err(&ctx); err == 0; err = weft_ctx_err(&ctx))
		weft_yield();
	do
		n++;
	while (weft_ctx_done(&ctx));
	switch (weft_ctx_err(&ctx)) {
	case 0:
		return n;
	default:
		return weft_ctx_cause(&ctx);
	}
}

int nested(weft_mutex *m, int n)
{
	weft_ctx ctx, other;

	weft_ctx_init(&ctx, NULL);    /* expect: weft-ctx */
	weft_ctx_init(&other, &ctx); /* expect: weft-ctx */
	int err = weft_sleep(n > 0 ? &ctx : NULL, weft_ctx_err(&other)),
	    value = n ? LENT(m, &other) : ({ int e = weft_ctx_err(&ctx); e; });
	WEFT_DEFER(done, &n);
	return err + value;
}
