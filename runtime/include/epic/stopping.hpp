#pragma once
// stopping(): an entity learns that it is about to leave its node.
//
//   while (!epic::stopping()) co_await play_round();   // a long call that ends in time
//   co_await epic::stopping();                         // waits for it
//
// When a node stops or hands over shards, the calls that run there have the grace of epic.toml ([fabric] grace) to end;
// then they are interrupted. The entity's own spawned tasks have no such time: as soon as none of its calls runs, they
// get epic::Cancelled at the co_await where they stand. What must be done at the end belongs in on_deactivate().

#include <coroutine>

#include "epic/parked_wait.hpp"

namespace epic {

namespace detail {

[[nodiscard]] bool is_stopping();

class StoppingAwaiter : public ParkedWait {
 public:
  StoppingAwaiter() = default;
  bool await_ready() const { return is_stopping(); }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept;
  void await_resume() { check_cancelled(); }
};

/// Converts to bool at the moment of the question.
struct Stopping {
  using EpicAwaitable = ParkedWait;
  operator bool() const { return is_stopping(); }  // NOLINT(google-explicit-constructor): it stands for the flag
  StoppingAwaiter operator co_await() const noexcept { return {}; }
};

}  // namespace detail

/// True once the entity is to leave: its node stops, its shard moves to another node, or an import replaces its state.
/// Awaited, it ends the turn and resumes when that becomes true. In setup: the node stops.
[[nodiscard]] inline detail::Stopping stopping() { return {}; }

}  // namespace epic
