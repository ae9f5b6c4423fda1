#pragma once
// Entities that the benchmarks of a fabric call.

#include <epic/epic.hpp>

namespace bench_module {

/// Answers, and remembers nothing.
class Echo : public epic::Entity {
 public:
  epic::Task<std::int64_t> repeat(std::int64_t number) const { co_return number; }
  EPIC_ENTITY(Echo, methods(repeat), transient)
};

class Caller : public epic::Entity {
 public:
  /// One call after the other.
  epic::Task<std::int64_t> call_many(epic::Ref<Echo> echo, std::int64_t count) const {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += co_await echo->repeat(i);
    co_return sum;
  }
  EPIC_ENTITY(Caller, methods(call_many), transient)
};

class Account : public epic::Entity {
  std::int64_t balance = 0;
  std::string owner = std::string(80, 'o');  // a row of about the size of the yardstick's

 public:
  epic::Task<std::int64_t> add(std::int64_t amount) { co_return balance += amount; }
  epic::Task<std::int64_t> get() const { co_return balance; }
  EPIC_ENTITY(Account, state(balance, owner), methods(add, get))
};

}  // namespace bench_module
