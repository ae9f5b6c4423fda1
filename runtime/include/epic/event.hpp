#pragma once
// Event and Promise: one call of an entity waits for what another call of it does. No polling.
//
//   epic::Event all_ready_;                      // members that are not listed in state(…)
//   epic::Promise<Ref<Player>> winner_;
//
//   Task<> play() { co_await all_ready_.wait(); … }            // any number of calls may wait
//   Task<> ready() { if (++ready_count_ == size_) all_ready_.set(); … }
//
// They belong to one activation: after a crash or a move they start anew, and so do those that wait. A call that waits
// has its deadline as ever; what waits for nobody's call (a task, a tick) is cancelled when the entity is to leave.
//
// Execution thread only.
// Not here: waiting for another entity (call it), or for a time (epic::sleep).

#include <coroutine>
#include <exception>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "epic/parked_wait.hpp"

namespace epic {

class Event;

namespace detail {

/// A frame that waits for an event. Lives in that frame; the event lists it.
class EventAwaiter : public ParkedWait {
 public:
  explicit EventAwaiter(Event& event) : event_(&event) {}
  ~EventAwaiter();
  [[nodiscard]] bool await_ready() const noexcept;
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept;
  void await_resume();

 private:
  friend class epic::Event;

  Event* event_;  // that lists it; null: it is to go on
  bool is_event_gone_ = false;
  EventAwaiter* previous_ = nullptr;
  EventAwaiter* next_ = nullptr;
};

}  // namespace detail

/// Is set or not. Calls that wait go on when it is set, in the order in which they came.
class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  /// Calls that still wait get std::logic_error.
  ~Event();

  /// Until reset(). All that wait go on, after this turn.
  void set();
  void reset() { is_set_ = false; }
  [[nodiscard]] bool is_set() const { return is_set_; }
  /// To be awaited: ends the turn and resumes once the event is set; at once if it is. What resumes was woken by a
  /// set(), even if a reset() has followed.
  [[nodiscard]] detail::EventAwaiter wait() { return detail::EventAwaiter(*this); }

 private:
  friend class detail::EventAwaiter;

  void unlink(detail::EventAwaiter& awaiter);
  void release_all(bool is_gone);

  detail::EventAwaiter* first_ = nullptr;
  detail::EventAwaiter* last_ = nullptr;
  bool is_set_ = false;
};

inline bool detail::EventAwaiter::await_ready() const noexcept { return event_->is_set(); }

/// A result that comes once: a value, or an exception. `co_await promise` returns a copy of it, or throws; any number
/// of calls may wait, before and after.
template <class T = void>
class Promise {
  static_assert(
      std::is_void_v<T> || (std::is_object_v<T> && std::is_copy_constructible_v<T>),
      "epic: each call that waits for a Promise gets a copy of its result, so that must be a value that can be "
      "copied: not a reference, and instead of a std::unique_ptr the object itself");
  using Value = std::conditional_t<std::is_void_v<T>, bool, T>;

 public:
  /// Throws std::logic_error if it has a result.
  void set_value(Value value)
    requires(!std::is_void_v<T>)
  {
    check_unset();
    value_.emplace(std::move(value));
    event_.set();
  }
  void set_value()
    requires std::is_void_v<T>
  {
    check_unset();
    value_.emplace(true);
    event_.set();
  }
  void set_exception(std::exception_ptr exception) {
    check_unset();
    exception_ = std::move(exception);
    event_.set();
  }
  [[nodiscard]] bool is_set() const { return event_.is_set(); }

  class Awaiter {
   public:
    using EpicAwaitable = detail::ParkedWait;
    explicit Awaiter(Promise& promise) : promise_(promise), wait_(promise.event_) {}
    [[nodiscard]] bool await_ready() const noexcept { return wait_.await_ready(); }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
      return wait_.await_suspend(awaiting);
    }
    T await_resume() {
      wait_.await_resume();
      if (promise_.exception_) std::rethrow_exception(promise_.exception_);
      if constexpr (!std::is_void_v<T>) return *promise_.value_;
    }

   private:
    Promise& promise_;
    detail::EventAwaiter wait_;
  };
  using EpicAwaitable = detail::ParkedWait;
  Awaiter operator co_await() { return Awaiter(*this); }

 private:
  void check_unset() const {
    if (is_set()) throw std::logic_error("epic::Promise: it has a result already");
  }

  Event event_;
  std::optional<Value> value_;
  std::exception_ptr exception_;
};

}  // namespace epic
