/* Contexts that are finished on one way out of the function, not on another. */
#include <stdlib.h>
#include <weft.h>

int step(int n);

int early_return(int n)
{
	weft_ctx ctx;

	if (n < 0)
		return -1;
	weft_ctx_init(&ctx, NULL);
	if (step(n))
		return -1; /* expect: weft-ctx */
	int err = weft_ctx_err(&ctx);
	weft_ctx_fini(&ctx);
	return err;
}

int out_of_a_loop(int n)
{
	for (int i = 0; i < n; i++) {
		weft_ctx ctx;

		weft_ctx_init(&ctx, NULL);
		if (step(1))
			break; /* expect: weft-ctx */
		if (step(2))
			continue; /* expect: weft-ctx */
		while (step(3)) {
			if (step(4))
				continue;
			break;
		}
		weft_ctx_fini(&ctx);
	}
	return n;
}

int past_the_end(int n)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	if (step(n))
		goto out; /* expect: weft-ctx */
	weft_ctx_fini(&ctx);
out:
	return n;
}

int past_the_end_of_a_turn(int n)
{
	weft_ctx ctx;

	for (int i = 0; i < n; i++) {
		weft_ctx_init(&ctx, NULL);
		if (step(i))
			break; /* expect: weft-ctx */
		weft_ctx_fini(&ctx);
	}
	return n;
}

int out_of_the_block(int n)
{
	if (n > 0) {
		weft_ctx ctx;

		weft_ctx_init(&ctx, NULL);
		if (step(n))
			goto out; /* expect: weft-ctx */
		weft_ctx_fini(&ctx);
	}
out:
	return n;
}

void only_in_one_case(int n)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL); /* expect: weft-ctx */
	if (step(n)) {
		weft_ctx_fini(&ctx);
		return;
	}
	step(2);
}

int after_loops(int n)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	for (; n > 0; n--)
		step(n);
	for (;;)
		if (step(n))
			break;
	do {
		if (step(n))
			return 1; /* expect: weft-ctx */
	} while (0);
	switch (n) {
	case 1:
		weft_ctx_fini(&ctx);
		return 2;
	case 2:
		step(2);
		/* fall through */
	default:
		return 3; /* expect: weft-ctx */
	}
}

int once_is_told(int n)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	if (step(1)) {
		weft_ctx_fini(&ctx);
		return 0;
	}
	if (step(2))
		goto out;
	step(3);
out:
	return n; /* expect: weft-ctx */
}

int in_a_block_of_its_own(int n)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	do {
		if (step(n))
			return 1; /* expect: weft-ctx */
		weft_ctx_fini(&ctx);
	} while (0);
	return 0;
}

int after_cases(int n)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL); /* expect: weft-ctx */
	switch (n) {
	case 1:
		exit(1);
	}
	return n;
}

int main(void)
{
	while (step(0)) {
		weft_ctx ctx;

		weft_ctx_init(&ctx, NULL);
		if (step(1))
			exit(1);
		if (step(2))
			continue; /* expect: weft-ctx */
		if (step(3))
			return 1;
		weft_ctx_fini(&ctx);
	}
	return 0;
}
