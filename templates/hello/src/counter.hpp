#pragma once
// Counter: a number that survives restarts.

#include <cstdint>
#include <epic/epic.hpp>

class Counter : public epic::Entity {
  std::int64_t value = 0;

 public:
  /// Returns the new value, which is durable before a caller outside the node sees it.
  epic::Task<std::int64_t> add(std::int64_t amount) {
    value += amount;
    co_return value;
  }

  /// const: read-only, never causes a save.
  epic::Task<std::int64_t> get() const { co_return value; }

  EPIC_ENTITY(Counter, state(value), methods(add, get))
};
