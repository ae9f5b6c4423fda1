#include "bank.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <stdexcept>

#include "cents.hpp"

using namespace std::chrono_literals;

namespace {
constexpr std::ptrdiff_t kPage = 100;  // accounts that are asked at once
constexpr int kAttemptsMax = 50;
constexpr auto kPause = 100ms;
}  // namespace

epic::Task<bool> Bank::open(epic::Ref<Account> account, std::int64_t cents) {
  if (cents < 0) throw std::invalid_argument("an account cannot be opened with a debt");
  const std::int64_t issued_then = add_cents(issued, cents);
  if (!accounts.insert(account).second) co_return false;

  issued = issued_then;
  epic::deliver(account->open(cents, today));
  co_return true;
}

epic::Task<Audit> Bank::audit() {
  Audit audit{.day = today, .accounts = std::ssize(accounts), .issued = issued, .under_way = issued};
  ++today;

  // A copy: accounts may be opened meanwhile. They belong to the next day.
  const std::vector<epic::Ref<Account>> listed(accounts.begin(), accounts.end());
  for (auto rest = std::ssize(listed); rest > 0; rest -= kPage) {
    const auto last = listed.begin() + rest;
    const auto closings = co_await close_day_of({last - std::min(rest, kPage), last}, audit.day);
    for (const Books& closing : closings) {
      audit.balances = add_cents(audit.balances, closing.balance);
      audit.under_way = add_cents(audit.under_way, closing.sent - closing.received);
    }
  }
  audit.is_right =
      audit.balances >= 0 && audit.under_way >= 0 && add_cents(audit.balances, audit.under_way) == audit.issued;
  co_return audit;
}

// A day can be closed again, so accounts whose node dies meanwhile are asked once more.
epic::Task<std::vector<Books>> Bank::close_day_of(std::vector<epic::Ref<Account>> page, std::int64_t day) {
  for (int attempt = 1;; ++attempt) {
    try {
      std::vector<epic::Call<Books>> calls;
      calls.reserve(page.size());
      for (const auto& account : page) calls.push_back(account->close_day(day));
      co_return co_await epic::gather(std::move(calls));
    } catch (const epic::NodeLost&) {
      if (attempt == kAttemptsMax) throw;
    } catch (const epic::Unavailable&) {
      if (attempt == kAttemptsMax) throw;
    }
    co_await epic::sleep(kPause);
  }
}
