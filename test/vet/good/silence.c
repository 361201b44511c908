/* Silenced: on the line, or on one of its own before it. */
#include <weft.h>

void assign(weft_mutex *a, weft_mutex *b)
{
	*a = *b; // weft-vet: allow copy
	*a = *b; /* weft-vet: allow ctx, copy -- nobody holds it yet */
	// weft-vet: allow copy -- a reason
	*a = *b;
}

void init(weft_ctx *parent)
{
	weft_ctx ctx;

	/* weft-vet: allow ctx */
	weft_ctx_init(&ctx, parent);
}
