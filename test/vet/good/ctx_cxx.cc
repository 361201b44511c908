// Contexts that an object finishes when it goes.
#include <memory>
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
