// What C++ compilers let through, although copying is deleted there.
#include <cstdlib>
#include <cstring>
#include <weft.h>

namespace {

class Account {
public:
	void reset(const Account &other)
	{
		std::memcpy(static_cast<void *>(this), &other, sizeof other); // expect: weft-copy
	}

private:
	int balance_ = 0;
	weft_mutex lock_ = {};
};

struct Savings : Account {
	int interest = 0;
};

void take(weft_mutex m); // expect: weft-copy

template <typename T> T *grow(T *at, std::size_t n)
{
	return static_cast<T *>(std::realloc(at, n * sizeof(Savings))); // expect: weft-copy
}

} // namespace

void use(Account *a, Account *b, Savings *s, void *raw)
{
	a->reset(*b);
	std::memmove(reinterpret_cast<char *>(a), raw, 8); // expect: weft-copy
	std::memcpy(raw, s, sizeof(*s)); // expect: weft-copy
	auto own = [](Account) {}; // expect: weft-copy
	(void)own;
	grow(a, 2);
}
