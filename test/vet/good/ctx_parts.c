/* Contexts that are a part of something, and finished, or may be. */
#include <stdlib.h>
#include <string.h>
#include <weft.h>

struct request {
	weft_ctx ctx;
	weft_mutex lock;
	struct request *next;
};

void hand_over(struct request *r);
void link_in(struct request **where);

int finished(void)
{
	struct request r = {.next = NULL};
	weft_ctx ctx[2];

	weft_ctx_init(&r.ctx, NULL);
	weft_ctx_init(&ctx[0], &r.ctx);
	weft_ctx_init(&ctx[1], &r.ctx);
	weft_mutex_lock(&r.lock);
	r;
	r.next;
	for (int i = 0; i < 2; i++)
		weft_ctx_fini(&ctx[i]);
	weft_ctx_fini(&r.ctx);
	return 0;
}

int handed_on(void)
{
	struct request whole, by_part, pointed;
	struct request *r = &pointed;
	weft_ctx ctx[2];

	weft_ctx_init(&whole.ctx, NULL);
	weft_ctx_init(&by_part.ctx, NULL);
	weft_ctx_init(&r->ctx, NULL);
	weft_ctx_init(&pointed.ctx, NULL);
	weft_ctx_init(&ctx[0], NULL);
	hand_over(&whole);
	link_in(&by_part.next);
	for (weft_ctx *c = ctx; c < ctx + 2; c++)
		weft_ctx_fini(c);
	return 0;
}

static void end(weft_ctx *ctx)
{
	weft_ctx_fini(ctx);
	free(ctx);
}

int nobody_frees_it(int n)
{
	weft_ctx *ctx = malloc(sizeof(*ctx));

	if (!ctx)
		return -1;
	weft_ctx_init(ctx, NULL);
	if (n > 0)
		return weft_ctx_err(ctx);
	weft_ctx_fini(ctx);
	free(ctx);
	return 0;
}

weft_ctx *on_the_heap(int n)
{
	weft_ctx *finished = malloc(sizeof(*finished));
	weft_ctx *kept = malloc(sizeof(*kept));
	weft_ctx *unused = malloc(sizeof(*unused));
	weft_ctx *ended = calloc(1, sizeof(*ended));
	weft_ctx *given;

	if (!finished || kept == NULL || !unused || !ended) {
		free(finished);
		free(kept);
		free(unused);
		free(ended);
		return NULL;
	}
	free(unused);
	weft_ctx_init(finished, NULL);
	weft_ctx_init(kept, NULL);
	weft_ctx_init(ended, NULL);
	end(ended);
	if (n > 0)
		weft_ctx_fini(finished);
	else
		weft_ctx_fini(finished);
	free(finished);
	given = kept;
	return given;
}
