#pragma once
// Entities that wait for each other's locks, on request in a ring.

#include <chrono>
#include <epic/epic.hpp>
#include <string>
#include <vector>

namespace forks {

/// Takes its own lock, then the given ones, one after the other.
class Fork : public epic::Entity {
 public:
  /// Holds its lock, waits a while, then calls `next` with the rest; "ok", or how the call ended.
  epic::Task<std::string> take(std::vector<epic::Ref<Fork>> others, std::chrono::milliseconds first) {
    co_await epic::sleep(first);
    if (others.empty()) co_return "ok";
    const epic::Ref<Fork> next = others.front();
    others.erase(others.begin());
    try {
      co_return co_await next->take(others, std::chrono::milliseconds(0));
    } catch (const epic::Deadlock& error) {
      co_return error.what();
    }
  }
  /// The same, through an entity without a lock.
  epic::Task<std::string> take_by(epic::Ref<Fork> messenger, std::vector<epic::Ref<Fork>> others,
                                  std::chrono::milliseconds first) {
    co_await epic::sleep(first);
    co_return co_await messenger->pass_on(others);
  }
  epic::Task<std::string> pass_on(std::vector<epic::Ref<Fork>> others) {
    const epic::Ref<Fork> next = others.front();
    others.erase(others.begin());
    try {
      co_return co_await next->take(others, std::chrono::milliseconds(0));
    } catch (const epic::Deadlock& error) {
      co_return error.what();
    }
  }
  EPIC_ENTITY(Fork, methods(pass_on), exclusive(take, take_by), transient)
};

}  // namespace forks
