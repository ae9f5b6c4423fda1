#include "teller.hpp"

#include <chrono>

#include "account.hpp"

using namespace std::chrono_literals;

namespace {
constexpr std::uint64_t kCentsMax = 5'000;  // of one payment
}

epic::Task<> Teller::on_activate() {
  start_timers();
  co_return;
}

epic::Task<void> Teller::work(std::int64_t payments, epic::Ref<Teller> next_teller) {
  tally.left = payments;
  next = next_teller;
  start_timers();
  co_return;
}

epic::Task<Tally> Teller::get_tally() const { co_return tally; }

epic::Task<void> Teller::pay() {
  if (tally.left == 0) {
    payments_.stop();
    co_return;
  }
  --tally.left;

  const std::uint64_t payer = epic::random() % kCustomers;
  const std::uint64_t payee = (payer + 1 + epic::random() % (kCustomers - 1)) % kCustomers;
  const auto cents = static_cast<std::int64_t>(1 + epic::random() % kCentsMax);
  try {
    co_await epic::Ref<Account>(1 + payer).with(5s)->transfer(epic::Ref<Account>(1 + payee), cents);
    ++tally.paid;
  } catch (const epic::Cancelled&) {
    throw;
  } catch (const std::exception& error) {
    epic::log::debug("{}", error.what());
    ++tally.refused;
  }
}

epic::Task<void> Teller::look_after_next() const {
  if (next) co_await next->get_tally();
}

void Teller::start_timers() {
  if (tally.left > 0 && !payments_.is_running()) payments_ = epic::every(100ms, &Teller::pay);
  if (next && !rounds_.is_running()) rounds_ = epic::every(1s, &Teller::look_after_next);
}
