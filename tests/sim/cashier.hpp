#pragma once
// Cashier: takes calls with idempotency keys, and counts in its state what each key has done; key_witness.hpp judges.

#include <chrono>
#include <cstdint>
#include <epic/epic.hpp>
#include <map>
#include <stdexcept>
#include <string>

#include "integration/modules/ledger.hpp"

namespace epic::test {

class Cashier : public epic::Entity {
  std::int64_t last_number_ = 0;
  std::map<std::string, ledger::Payment> payments_;  // by key

 public:
  /// To be called with `key` as its idempotency key. Waits between two turns if `wait_ms` is above 0; throws if below.
  /// No two calls that run have equal answers.
  epic::Task<std::int64_t> pay(std::string key, std::int64_t wait_ms) {
    const std::int64_t number = ++last_number_;
    ++payments_[key].begun;
    if (wait_ms < 0) throw std::runtime_error("no payment has the number " + std::to_string(number));
    if (wait_ms > 0) co_await epic::sleep(std::chrono::milliseconds(wait_ms));
    ++payments_[key].finished;
    co_return number;
  }
  /// The same under another name, for a key that was used for pay(): it must not run.
  epic::Task<std::int64_t> refund(std::string key, std::int64_t) {
    ++payments_[key].begun;
    co_return ++last_number_;
  }
  epic::Task<std::map<std::string, ledger::Payment>> get_payments() const { co_return payments_; }
  EPIC_ENTITY(Cashier, state(last_number_, payments_), methods(pay, refund, get_payments))
};

}  // namespace epic::test
