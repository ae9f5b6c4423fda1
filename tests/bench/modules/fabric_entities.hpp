#pragma once
// Entities for the fabric benchmarks.

#include <epic/epic.hpp>

namespace bench_module {

/// Answers and stores nothing.
class Echo : public epic::Entity {
 public:
  epic::Task<std::int64_t> repeat(std::int64_t number) const { co_return number; }
  EPIC_ENTITY(Echo, methods(repeat), transient)
};

class Caller : public epic::Entity {
 public:
  /// Makes one call after the other.
  epic::Task<std::int64_t> call_many(epic::Ref<Echo> echo, std::int64_t count) const {
    std::int64_t sum = 0;
    for (std::int64_t i = 0; i < count; ++i) sum += co_await echo->repeat(i);
    co_return sum;
  }
  EPIC_ENTITY(Caller, methods(call_many), transient)
};

class Account : public epic::Entity {
  std::int64_t balance = 0;
  std::string owner = std::string(80, 'o');  // makes a row about as large as the yardstick's

 public:
  epic::Task<std::int64_t> add(std::int64_t amount) { co_return balance += amount; }
  /// For callers on the same node, whose replies no gate holds back.
  epic::Task<std::int64_t> add_durably(std::int64_t amount) {
    balance += amount;
    co_await epic::saved();
    co_return balance;
  }
  epic::Task<std::int64_t> get() const { co_return balance; }
  EPIC_ENTITY(Account, state(balance, owner), methods(add, add_durably, get))
};

/// A caller inside the fabric.
class Adder : public epic::Entity {
 public:
  /// Makes one call after the other, each to a random account.
  epic::Task<void> add_many(std::int64_t accounts, std::int64_t count) const {
    std::uint64_t random = std::hash<std::string_view>{}(key());
    for (std::int64_t i = 0; i < count; ++i) {
      random = random * 6364136223846793005u + 1442695040888963407u;
      const auto account = static_cast<std::int64_t>((random >> 33) % static_cast<std::uint64_t>(accounts));
      co_await epic::Ref<Account>(account)->add_durably(1);
    }
  }
  EPIC_ENTITY(Adder, methods(add_many), transient)
};

}  // namespace bench_module
