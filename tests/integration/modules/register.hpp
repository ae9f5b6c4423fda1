#pragma once
// Register: holds one number. Each answer says what the number was, so a history of calls can be checked for an order
// that explains it (support/linearizability.hpp).

#include <cstdint>
#include <epic/epic.hpp>
#include <utility>

namespace ledger {

class Register : public epic::Entity {
  std::int64_t value = 0;

 public:
  epic::Task<std::int64_t> read() const { co_return value; }
  epic::Task<std::int64_t> swap(std::int64_t next) { co_return std::exchange(value, next); }
  EPIC_ENTITY(Register, state(value), methods(read, swap))
};

}  // namespace ledger
