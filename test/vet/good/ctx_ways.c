/* Contexts that are finished on every way out, or may be. */
#include <assert.h>
#include <setjmp.h>
#include <stdlib.h>
#include <weft.h>

#define TRY(call)                                                              \
	do {                                                                   \
		if ((call) != 0)                                               \
			return -1;                                             \
	} while (0)
#define FOR_EVER for (;;)
#define UNTIL_BROKEN while (1)

int step(int n);
void may_finish(weft_ctx *ctx);
void die(const char *why) __attribute__((noreturn));
_Noreturn void die_too(void);
static jmp_buf back;

int once_for_all(int n)
{
	weft_ctx ctx;
	int err = -1;

	weft_ctx_init(&ctx, NULL);
	if (step(n))
		goto out;
	for (int i = 0; i < n; i++)
		if (step(i))
			break;
	err = weft_ctx_err(&ctx);
out:
	weft_ctx_fini(&ctx);
	return err;
}

int where_it_was_initialised(int n)
{
	weft_ctx ctx;
	bool own = false;
	int err;

	if (n > 0) {
		weft_ctx_init(&ctx, NULL);
		own = true;
	}
	err = step(n);
	if (err != 0)
		goto out;
	err = step(n + 1);
out:
	if (own)
		weft_ctx_fini(&ctx);
	return err;
}

int by_a_variable(int n)
{
	weft_ctx ctx;
	bool live = true;

	weft_ctx_init(&ctx, NULL);
	if (step(n)) {
		weft_ctx_fini(&ctx);
		live = false;
	}
	if (live)
		weft_ctx_fini(&ctx);
	return n;
}

int by_ternaries(int n)
{
	weft_ctx ctx;

	n > 0 ? weft_ctx_init(&ctx, NULL) : (void)0;
	step(n) && (step(2) || step(3));
	n > 0 ? weft_ctx_fini(&ctx) : (void)0;
	return n;
}

int of_two(int n)
{
	weft_ctx a, b;

	weft_ctx_init(n > 0 ? &a : &b, NULL);
	weft_ctx_fini(n > 0 ? &a : &b);
	return n;
}

int of_two_by_turns(int n)
{
	weft_ctx a, b;

	weft_ctx_init(n > 0 ? &a : &b, NULL);
	if (n > 0) {
		weft_ctx_fini(&a);
		return n;
	}
	weft_ctx_fini(&b);
	return 0;
}

int by_a_ternary(int n)
{
	weft_ctx ctx;

	n > 0 ? weft_ctx_init(&ctx, NULL) : (void)0;
	if (n <= 0)
		return 0;
	weft_ctx_fini(&ctx);
	return n;
}

int in_another_turn(int n)
{
	weft_ctx ctx;
	bool live = true;

	weft_ctx_init(&ctx, NULL);
	while (step(n)) {
		if (!live)
			return 0;
		switch (step(n)) {
		case 0:
			weft_ctx_fini(&ctx);
			live = false;
			continue;
		default:
			break;
		}
	}
	if (live)
		weft_ctx_fini(&ctx);
	return n;
}

int in_each_case(int n)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	switch (step(n)) {
	case 0:
	case 1:
		weft_ctx_fini(&ctx);
		return 1;
	default:
		weft_ctx_fini(&ctx);
		break;
	}
	return 0;
}

enum light { RED, GREEN };

void in_all_cases_there_are(enum light light)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	switch (light) {
	case RED:
		weft_ctx_fini(&ctx);
		return;
	case GREEN:
		step(1);
		weft_ctx_fini(&ctx);
		return;
	}
}

int each_turn(int n)
{
	weft_ctx ctx;

	for (int i = 0;; i++) {
		weft_ctx_init(&ctx, NULL);
		if (step(i) == 1) {
			weft_ctx_fini(&ctx);
			break;
		}
		if (step(i) == 2) {
			weft_ctx_fini(&ctx);
			continue;
		}
		weft_ctx_fini(&ctx);
		if (step(i) == n)
			return n;
	}
	while (step(n)) {
		weft_ctx_init(&ctx, NULL);
		weft_ctx_fini(&ctx);
	}
	return 0;
}

int again(int n)
{
	weft_ctx ctx;

again:
	weft_ctx_init(&ctx, NULL);
	if (step(n)) {
		weft_ctx_fini(&ctx);
		goto again;
	}
	if (step(n + 1))
		goto end;
	step(2);
end:
	weft_ctx_fini(&ctx);
	return n;
}

/* Endless loops are left only where it was finished. */
void without_a_condition(void)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	for (int i = 0;; i++) {
		if (step(1)) {
			weft_ctx_fini(&ctx);
			return;
		}
	}
}

void for_a_macro(void)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	FOR_EVER {
		if (step(1)) {
			weft_ctx_fini(&ctx);
			return;
		}
	}
}

void while_true(void)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	UNTIL_BROKEN {
		if (step(1)) {
			weft_ctx_fini(&ctx);
			return;
		}
	}
}

void do_while_true(void)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	do {
		if (step(1)) {
			weft_ctx_fini(&ctx);
			return;
		}
	} while (true);
}

void for_ever(void)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	for (int i = 0;; i++)
		step(i + weft_ctx_err(&ctx));
}

int or_the_program_ends(int n)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	if (step(1))
		exit(1);
	else if (step(2))
		die("2");
	assert(step(3) == 0);
	switch (n) {
	case 2:
		weft_ctx_fini(&ctx);
		return 0;
	case 3:
		longjmp(back, 1);
	default:
		abort();
	}
}

void or_somebody_ends_it(int n)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	if (n > 0) {
		weft_ctx_fini(&ctx);
		return;
	}
	die_too();
}

int before_exit(void)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	exit(weft_ctx_err(&ctx));
}

int by_a_macro(int n)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	TRY(step(n));
	weft_ctx_fini(&ctx);
	return 0;
}

int by_somebody(int n)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	may_finish(&ctx);
	if (step(n))
		return -1;
	weft_ctx_fini(&ctx);
	return 0;
}

int by_an_address(int n)
{
	static void *const labels[] = {&&one, &&two};
	weft_ctx ctx;

	weft_ctx_init(&ctx, NULL);
	goto *labels[n];
one:
	weft_ctx_fini(&ctx);
	return 1;
two:
	weft_ctx_fini(&ctx);
	return 2;
}

int in_an_expression(int n)
{
	return ({
		weft_ctx ctx;
		int err;

		weft_ctx_init(&ctx, NULL);
		err = step(n) + weft_ctx_err(&ctx);
		weft_ctx_fini(&ctx);
		err;
	});
}

int main(int argc, char **argv)
{
	weft_ctx ctx;

	(void)argv;
	weft_ctx_init(&ctx, NULL);
	if (argc > 1)
		return 2;
	if (argc > 2)
		goto out;
	weft_ctx_fini(&ctx);
out:
	return 0;
}
