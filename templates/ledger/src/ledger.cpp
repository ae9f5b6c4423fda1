// What the nodes load: the entity classes, and the customers and tellers that each `epic run` begins with.

#include <epic/epic.hpp>

#include "account.hpp"
#include "bank.hpp"
#include "teller.hpp"

namespace {
constexpr std::int64_t kOpeningCents = 100'000;
constexpr std::int64_t kPayments = 600;  // of each teller: about a minute
}  // namespace

// Runs at each `epic run`, and again on another node if its node dies before it returns. An account is opened once, and
// `work` sets what a teller has left to do, so it is safe to repeat.
epic::Task<void> setup(epic::Pool pool) {
  const auto bank = pool.get<Bank>("main");
  std::vector<epic::Call<bool>> openings;
  for (std::uint64_t customer = 1; customer <= kCustomers; ++customer)
    openings.push_back(bank->open(pool.get<Account>(customer), kOpeningCents));
  co_await epic::gather(std::move(openings));

  for (int teller = 1; teller <= kTellers; ++teller)
    co_await pool.get<Teller>(teller)->work(kPayments, pool.get<Teller>(1 + teller % kTellers));
  epic::log::info("{} accounts are open, and {} tellers are at work for a minute.", kCustomers, kTellers);
}

EPIC_MODULE(setup, Account, Bank, Teller)
