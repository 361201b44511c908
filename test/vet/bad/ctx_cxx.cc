// Contexts that C++ does not finish on every way out.
#include <vector>
#include <weft.h>

int step(int n);

int each(const std::vector<int> &all)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, nullptr);
	for (int n : all)
		if (step(n))
			return n; // expect: weft-ctx
	weft_ctx_fini(&ctx);
	return 0;
}

int after_an_initialiser(int n)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, nullptr);
	if (int err = step(n); err > 1) {
		weft_ctx_fini(&ctx);
		return 1;
	} else if (err > 0) {
		return err; // expect: weft-ctx
	}
	weft_ctx_fini(&ctx);
	return 0;
}

template <typename T> int of_any_type(T n)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, nullptr);
	while (true)
		if (step(n))
			return 1; // expect: weft-ctx
		else if (step(n + 1))
			break;
	weft_ctx_fini(&ctx);
	return 0;
}

struct Server {
	weft_ctx ctx = {};
	int serve(int n)
	{
		weft_ctx own;

		weft_ctx_init(&own, &ctx); // expect: weft-ctx
		const int err = weft_sleep(&own, n);
		return err;
	}
};
