// Contexts that an object finishes when it goes.
#include <functional>
#include <memory>
#include <stdexcept>
#include <weft.h>

struct Owner {
	weft_ctx ctx;
	Owner() { weft_ctx_init(&ctx, nullptr); }
	~Owner() { weft_ctx_fini(&ctx); }
};

struct Holder {
	weft_ctx ctx = {};
	~Holder() { weft_ctx_fini(&ctx); }
};

class Guard {
public:
	explicit Guard(weft_ctx *ctx) : ctx_(ctx) {}
	~Guard() { weft_ctx_fini(ctx_); }

private:
	weft_ctx *ctx_;
};

struct Keeper {
	weft_ctx *kept = nullptr;
	virtual void take(weft_ctx *) {}
	virtual ~Keeper() = default;
};

template <typename T> void pass(T *ctx, void (*end)(T *))
{
	end(ctx);
}

int step(int n);

int guarded(Keeper &keeper, int n)
{
	weft_ctx a, b, c, d, e;
	Owner owner;
	Holder holder;

	weft_ctx_init(&a, &owner.ctx);
	weft_ctx_init(&holder.ctx, nullptr);
	Guard guard(&a);
	auto guard_too = Guard(&b);
	std::unique_ptr<weft_ctx, decltype(&weft_ctx_fini)> last(&c, weft_ctx_fini);
	weft_ctx_init(&b, nullptr);
	weft_ctx_init(&c, nullptr);
	weft_ctx_init(&d, nullptr);
	weft_ctx_init(&e, nullptr);
	pass(&d, weft_ctx_fini);
	keeper.take(&e);
	return n > 0 ? weft_ctx_err(&a) : weft_ctx_err(&b);
}

int caught(int n)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, nullptr);
	try {
		if (int err = step(n); err > 1)
			throw std::runtime_error("2");
		weft_ctx_fini(&ctx);
	} catch (const std::exception &) {
		weft_ctx_fini(&ctx);
		return -1;
	}
	return 0;
}

[[noreturn]] void die();

void ended(int n)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, nullptr);
	if (n > 0) {
		weft_ctx_fini(&ctx);
		return;
	}
	die();
}

void thrown(int n)
{
	weft_ctx ctx;

	weft_ctx_init(&ctx, nullptr);
	if (n > 0) {
		weft_ctx_fini(&ctx);
		return;
	}
	throw n;
}

int before_it_begins(std::initializer_list<int> all)
{
	weft_ctx ctx;

	try {
		for (int n : all)
			if (step(n))
				break;
		weft_ctx_init(&ctx, nullptr);
	} catch (const std::exception &) {
		return -1;
	}
	for (int n : all)
		if (step(n))
			break;
	weft_ctx_fini(&ctx);
	return 0;
}
