#pragma once
// State, from inside an entity: waiting until it is durable, and erasing it. Saving needs no call.

#include <coroutine>
#include <string>

#include "epic/call.hpp"

namespace epic {

namespace detail {
struct SavedAwaiter {
  using EpicAwaitable = void;
  Waiter waiter = {};
  bool is_waiting = false;
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept;
  void await_resume() noexcept { is_waiting = false; }
  SavedAwaiter() = default;
  SavedAwaiter(const SavedAwaiter&) = delete;
  SavedAwaiter& operator=(const SavedAwaiter&) = delete;
  ~SavedAwaiter();
};
}  // namespace detail

/// Waits until everything that this execution has changed or observed so far is durable.
[[nodiscard]] inline detail::SavedAwaiter saved() { return {}; }

/// Erases the entity's saved state at the end of this turn. The members keep their values until the entity is
/// deactivated; a later change saves them again. Throws std::logic_error outside an entity's method.
void erase();

/// Identifies the running call, with the same text in every process: for deduplication. Empty outside a call.
[[nodiscard]] std::string call_id();

}  // namespace epic
