#pragma once
// Cell and Vault: each holds one number. Each answer says what the number was, so a history of calls can be checked for
// an order that explains it (support/linearizability.hpp).
//
// A vault's methods wait for a cell between reading and writing. If two of them ran at a time, one change would be
// lost. Some end with an exception, and change nothing. They also cancel a call, wherever that has got to, and cells
// have timers: neither may leave anything behind.

#include <cstdint>
#include <epic/epic.hpp>
#include <stdexcept>

namespace epic::test {

class Cell : public epic::Entity {
  std::int64_t value = 0;

  epic::Task<void> glance() const { co_await epic::sleep(std::chrono::milliseconds(30)); }

 public:
  epic::Task<void> on_activate() override {
    epic::every(std::chrono::milliseconds(100), &Cell::glance).unpin();
    co_return;
  }
  epic::Task<void> linger() const { co_await epic::sleep(std::chrono::milliseconds(20)); }
  epic::Task<std::int64_t> read() const { co_return value; }
  epic::Task<std::int64_t> add(std::int64_t amount) { co_return value += amount; }
  epic::Task<std::int64_t> swap(std::int64_t next) { co_return std::exchange(value, next); }
  EPIC_ENTITY(Cell, state(value), methods(linger, read, add, swap))
};

inline constexpr const char* kVaultRefuses = "the vault takes no multiple of 5";

class Vault : public epic::Entity {
  std::int64_t value = 0;

  static epic::Task<void> check(std::int64_t number) {
    auto unwanted = epic::spawn(epic::Ref<Cell>((number + 1) % 8)->linger());
    co_await epic::Ref<Cell>(number % 8)->read();
    unwanted.cancel();
    if (number % 5 == 0) throw std::invalid_argument(kVaultRefuses);
  }

 public:
  epic::Task<std::int64_t> read() const { co_return value; }
  epic::Task<std::int64_t> add(std::int64_t amount) {
    const std::int64_t former = value;
    co_await check(amount);
    co_return value = former + amount;
  }
  epic::Task<std::int64_t> swap(std::int64_t next) {
    const std::int64_t former = value;
    co_await check(next);
    value = next;
    co_return former;
  }
  EPIC_ENTITY(Vault, state(value), methods(read), exclusive(add, swap))
};

}  // namespace epic::test
