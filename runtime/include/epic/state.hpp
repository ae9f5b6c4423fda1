#pragma once
// State, from inside an entity: waiting until it is durable, and erasing it. Saving needs no call.

#include <coroutine>
#include <cstdint>
#include <exception>
#include <string>
#include <utility>

#include "epic/parked_wait.hpp"

namespace epic {

namespace detail {
/// What must be durable before an execution goes on.
enum class Durable : std::uint8_t {
  all,   // its own changes, also those that its class would save later
  seen,  // what would hold back a call to another node
};

class SavedAwaiter : public ParkedWait {
 public:
  SavedAwaiter() = default;
  explicit SavedAwaiter(Durable what) : what_(what) {}
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept;
  void await_resume() {
    check_cancelled();
    if (failure) std::rethrow_exception(std::exchange(failure, {}));
  }

  std::exception_ptr failure;
  bool has_seen_others = false;  // whose changes are in the batch that it waits for

 private:
  Durable what_ = Durable::all;
};
}  // namespace detail

/// Waits until everything that this execution has changed or observed so far is durable. Throws StateTooLarge if a
/// change of another entity that it may have observed was refused; if its own is, the execution ends.
[[nodiscard]] inline detail::SavedAwaiter saved() { return {}; }

/// Erases the entity's saved state at the end of this turn. The members keep their values until the entity is
/// deactivated; a later change saves them again. Throws std::logic_error outside an entity's method.
void erase();

/// Identifies the running call, with the same text in every process: for deduplication. Empty outside a call.
[[nodiscard]] std::string call_id();

}  // namespace epic
