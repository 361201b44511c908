// C++ as it should be.
#include <array>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>
#include <weft.h>

class Account {
public:
	explicit Account(std::string name) : name_(std::move(name)) {}
	int balance()
	{
		weft_mutex_lock(&lock_);
		int balance = balance_;
		weft_mutex_unlock(&lock_);
		return balance;
	}

private:
	std::string name_;
	int balance_ = 0;
	weft_mutex lock_ = {};
};

std::unique_ptr<Account> make(const std::string &name)
{
	auto account = std::make_unique<Account>(name);
	return account;
}

int sum(std::vector<std::unique_ptr<Account>> accounts,
	std::map<std::string, int> more)
{
	std::array<weft_mutex, 4> locks = {};
	int all = 0;

	for (auto &account : accounts)
		all += account->balance();
	for (auto &[name, n] : more)
		all += n;
	weft_mutex_lock(&locks[0]);
	auto moved = std::move(accounts);
	return all + static_cast<int>(moved.size());
}
