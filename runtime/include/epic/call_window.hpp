#pragma once
// CallWindow: many calls, of which a bounded number are under way at any time.
//
// The base of what gather() returns for a vector, reduce() and broadcast(). The frame that awaits it waits for all of
// the calls. The first ones begin at once, and from then on the next begins as soon as one has ended: a slow call holds
// up none of the others. One turn begins a bounded number; what else runs on the node has its turn before more of them
// begin. What the calls of a window need while they are under way (a place in their nodes' queues, in the buffers
// between nodes, in the table of calls) is bounded that way, whatever their number.
//
// The window has a small frame of its own, which is resumed when calls have ended and begins the next ones. That is no
// turn of the entity, unless it runs code of the entity's: otherwise there is nothing new to save.
//
// An execution that is cancelled begins no more calls, and gets epic::Cancelled when those under way have ended, which
// are cancelled, too.
//
// Invariant: calls begin in order; the awaiting frame goes on when none is under way, and none is left to begin.
// Not here:  which calls, and what becomes of their results (the derived classes).

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <vector>

#include "epic/call.hpp"

namespace epic {

/// For gather() and reduce().
struct GatherOptions {
  /// Calls under way at any time; at least 1. If calls wait for later ones of the same gather (for an epic::Event that
  /// those set, say), it must be as large as their number.
  std::size_t at_once = 256;
};

namespace detail {

class CallWindow {
 public:
  using EpicAwaitable = void;
  enum class Runs : std::uint8_t {
    nothing,
    user_code,  // in next()
  };
  /// As soon as so many calls can begin, they do: 1, or more of them together. Throws std::logic_error if `at_once` is
  /// 0.
  explicit CallWindow(std::size_t at_once, Runs runs = Runs::nothing, std::size_t together = 1);
  CallWindow(const CallWindow&) = delete;
  CallWindow& operator=(const CallWindow&) = delete;

  [[nodiscard]] bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting);

 protected:
  ~CallWindow();

  /// Calls are left to begin.
  [[nodiscard]] virtual bool has_next() const = 0;
  /// The next one, which stays where it is until it has ended; null: it must wait until one has.
  virtual CallRecord* next() = 0;
  /// The one that was the `index`th to begin; null: not so many have.
  [[nodiscard]] virtual CallRecord* find_begun(std::size_t index) = 0;
  /// The frame that awaits it goes away.
  void stop_waiting_for(CallRecord& record) noexcept { stop_waiting(record, waiter_); }
  /// Some calls have not begun, because the execution was cancelled. If none of the others has failed:
  [[nodiscard]] bool is_cut_short() const { return is_cut_short_; }
  [[noreturn]] static void throw_cut_short();
  /// It has got epic::Cancelled since, or is to.
  [[nodiscard]] bool is_cancelled() const;

 private:
  /// Resumed when calls have ended.
  struct Refill {
    struct promise_type {
      Refill get_return_object() noexcept { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
      std::suspend_always initial_suspend() noexcept { return {}; }
      std::suspend_always final_suspend() noexcept { return {}; }
      void return_void() noexcept {}
      void unhandled_exception() noexcept { std::terminate(); }
      static void* operator new(std::size_t size_bytes) { return allocate_frame(size_bytes); }
      static void operator delete(void* frame, std::size_t size_bytes) noexcept { free_frame(frame, size_bytes); }
    };
    std::coroutine_handle<promise_type> handle;
  };
  enum class Turn : std::uint8_t { of_entity, of_window };

  static Refill refill(CallWindow* window);
  void begin_some(Turn turn);
  void cut_short();
  [[nodiscard]] bool is_going_on() const { return !is_cut_short_ && has_next(); }

  std::size_t at_once_;
  std::size_t together_;
  Runs runs_;
  bool is_cut_short_ = false;
  CallRecord::Cancel cancel_before_ = CallRecord::Cancel::no;
  CallRecord* execution_ = nullptr;               // that awaits it
  std::vector<RecordPtr<CallRecord>> beginning_;  // just now; one that ends at once may be gone after the next()
  std::coroutine_handle<> awaiting_;
  std::coroutine_handle<> refill_;  // null: all calls have begun in the first turn
  Waiter waiter_;
};

}  // namespace detail
}  // namespace epic
