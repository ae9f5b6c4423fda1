#pragma once
// Cell: holds one number. Each answer says what the number was, so a history of calls can be checked for an order that
// explains it (linearizability.hpp).

#include <cstdint>
#include <epic/epic.hpp>

namespace epic::test {

class Cell : public epic::Entity {
  std::int64_t value = 0;

 public:
  epic::Task<std::int64_t> read() const { co_return value; }
  epic::Task<std::int64_t> add(std::int64_t amount) { co_return value += amount; }
  epic::Task<std::int64_t> swap(std::int64_t next) { co_return std::exchange(value, next); }
  EPIC_ENTITY(Cell, state(value), methods(read, add, swap))
};

}  // namespace epic::test
