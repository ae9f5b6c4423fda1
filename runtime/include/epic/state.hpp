#pragma once
// State, from inside an entity: waiting until it is saved, and erasing it. Saving itself needs no call.

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

/// Waits until everything that this execution has changed or seen so far is durable.
[[nodiscard]] inline detail::SavedAwaiter saved() { return {}; }

/// Removes the entity's saved state with this turn. The members keep their values until the instance goes away; a later
/// change saves anew. Throws std::logic_error outside of an entity's method.
void erase();

/// Names the call that runs now, the same text in every process: for deduplication. Empty outside of a call.
[[nodiscard]] std::string call_id();

}  // namespace epic
