#pragma once
// Entities that do not stop by themselves.

#include <chrono>
#include <cstdint>
#include <epic/epic.hpp>

namespace loops {

class Looper : public epic::Entity {
  std::int64_t count = 0;

  epic::Task<void> loop() {
    while (true) {
      co_await epic::sleep(std::chrono::milliseconds(20));
      co_await self()->tick();
    }
  }

 public:
  /// A loop of the entity's own.
  epic::Task<void> start() {
    epic::spawn(loop());
    co_return;
  }
  /// A call that does not end.
  epic::Task<void> run() { co_await loop(); }
  epic::Task<std::int64_t> run_until_stopping() {
    while (!epic::stopping()) {
      co_await epic::sleep(std::chrono::milliseconds(20));
      ++count;
    }
    co_return count;
  }
  /// A turn that does not end.
  epic::Task<void> block() const {
    for (volatile bool is_on = true; is_on;) {
    }
    co_return;
  }
  epic::Task<std::int64_t> tick() { co_return ++count; }
  epic::Task<std::int64_t> get() const { co_return count; }
  EPIC_ENTITY(Looper, state(count), methods(start, run, run_until_stopping, block, tick, get))
};

}  // namespace loops
