#pragma once
// Task: what an entity's method returns; it carries the code from one yield point to the next.
//
// A Task is lazy: nothing runs until it is awaited, or until the runtime starts it as the body of a call. Awaiting a
// Task of the entity's own (a private helper) transfers control within the same call; awaiting a call on a Ref goes
// through the kernel. Between two co_awaits nothing else runs on the node.
//
// Invariant: a frame is destroyed by the Task that owns it, on the execution thread.
// Not here:  calls (call.hpp), what the kernel does with them.

#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace epic {

class Entity;
template <class T = void>
class Task;

namespace detail {

/// What a coroutine's parameter refers to.
enum class Borrows : std::uint8_t {
  nothing,
  captures,  // of a lambda, whose body the coroutine is
  anything,  // perhaps a temporary
};
template <class T>
constexpr bool is_lambda() {
  return std::string_view(__PRETTY_FUNCTION__).contains("(lambda at ");
}
template <class Parameter>
constexpr Borrows borrows() {
  using Referred = std::remove_reference_t<Parameter>;
  if constexpr (!std::is_reference_v<Parameter>)
    return Borrows::nothing;
  else if constexpr (is_lambda<std::remove_cv_t<Referred>>())
    return Borrows::captures;
  else if constexpr (std::is_rvalue_reference_v<Parameter>)
    return Borrows::anything;
  else
    return std::is_const_v<Referred> && !std::is_convertible_v<Referred*, const Entity*> ? Borrows::anything
                                                                                         : Borrows::nothing;
}

/// Stands in the place of a promise's outcome, until the coroutine starts, if the coroutine borrows.
inline char borrowed_mark = 0;

class CallRecord;

/// Memory for coroutine frames and call records: per-thread free lists by size class.
void* allocate_frame(std::size_t size_bytes);
void free_frame(void* frame, std::size_t size_bytes) noexcept;

/// The exception just caught at the end of `record`'s outermost Task, in the form that waiting callers get.
std::exception_ptr exception_of(const CallRecord& record) noexcept;

/// The outermost Task of a call has ended. Returns the coroutine to run next.
std::coroutine_handle<> finish_call(CallRecord& record) noexcept;

/// Where a coroutine stores how it ended: in the awaiting frame for a helper, in the call record for a method.
template <class T>
struct Outcome {
  std::optional<std::remove_reference_t<T>> value;  // Task refuses references
  std::exception_ptr exception;
  T take() {
    if (exception) std::rethrow_exception(exception);
    return static_cast<T&&>(*value);
  }
};
template <>
struct Outcome<void> {
  std::exception_ptr exception;
  void take() const {
    if (exception) std::rethrow_exception(exception);
  }
};

/// Every type that may be awaited inside a Task declares `using EpicAwaitable = void`.
template <class A>
concept Awaitable = requires { typename std::remove_cvref_t<A>::EpicAwaitable; };

template <class T>
struct TaskPromiseBase {
  std::coroutine_handle<> continuation;  // a helper: the coroutine that awaits it
  CallRecord* record = nullptr;          // a method: its call
  Outcome<T>* outcome = nullptr;         // set before the first resume

  static void* operator new(std::size_t size_bytes) { return allocate_frame(size_bytes); }
  static void operator delete(void* frame, std::size_t size_bytes) noexcept { free_frame(frame, size_bytes); }

  std::suspend_always initial_suspend() noexcept { return {}; }

  struct Final {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
      Promise& promise = ended.promise();
      return promise.record != nullptr ? finish_call(*promise.record) : promise.continuation;
    }
    void await_resume() const noexcept {}
  };
  Final final_suspend() noexcept { return {}; }

  void unhandled_exception() noexcept {
    outcome->exception = record != nullptr ? exception_of(*record) : std::current_exception();
  }

  template <class A>
  A&& await_transform(A&& awaitable) const noexcept {
    static_assert(
        Awaitable<A>,
        "epic: this cannot be awaited in an entity. Await a call on a Ref, a Task of your own, an epic::Promise, or "
        "epic::sleep, gather, spawn, saved, stopping; for an epic::Event, await its wait(). Anything else would resume "
        "outside the entity's turn");
    return std::forward<A>(awaitable);
  }
};

template <class T>
struct TaskPromise : TaskPromiseBase<T> {
  Task<T> get_return_object() noexcept;
  template <class U = T>  // of `co_return {…}`
    requires std::is_convertible_v<U&&, T>
  void return_value(U&& value) {
    this->outcome->value.emplace(std::forward<U>(value));
  }
};
template <>
struct TaskPromise<void> : TaskPromiseBase<void> {
  Task<void> get_return_object() noexcept;
  void return_void() const noexcept {}
};

/// For a coroutine that may refer to temporaries: it can be awaited where it is made, and not be spawned.
template <class T, class... Parameters>
struct BorrowingPromise : TaskPromise<T> {
  BorrowingPromise() {
    if constexpr (((borrows<Parameters>() == Borrows::anything || has_captures<Parameters>()) || ...))
      this->outcome = reinterpret_cast<Outcome<T>*>(&borrowed_mark);
  }

 private:
  /// A lambda is a complete type only behind its body.
  template <class Parameter>
  static constexpr bool has_captures() {
    if constexpr (borrows<Parameter>() == Borrows::captures)
      return !std::is_empty_v<std::remove_cvref_t<Parameter>>;
    else
      return false;
  }
};

}  // namespace detail

/// A coroutine that returns T. Move-only; owns the frame. Execution thread only.
///
/// By clang's attributes, a function that returns one is a coroutine (or says coro_wrapper), and a Task that is kept
/// longer than what its parameters refer to (a temporary, a lambda's captures) is reported.
template <class T>
class [[nodiscard("epic: a Task does nothing until it is awaited"), clang::coro_return_type,
        clang::coro_lifetimebound]] Task {
  static_assert(
      !std::is_reference_v<T>,
      "epic: a Task returns a value, not a reference: the caller may be in another process, and what it refers "
      "to may be gone. Write Task<T> instead of Task<T&>");

 public:
  using promise_type = detail::TaskPromise<T>;
  using value_type = T;
  using EpicAwaitable = void;
  using Handle = std::coroutine_handle<promise_type>;

  Task() = default;
  explicit Task(Handle handle) : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
  Task& operator=(Task&& other) noexcept {
    if (this != &other) {
      reset();
      handle_ = std::exchange(other.handle_, {});
    }
    return *this;
  }
  ~Task() { reset(); }

  /// Destroys the frame, wherever it is suspended.
  void reset() noexcept {
    if (handle_) std::exchange(handle_, {}).destroy();
  }
  [[nodiscard]] Handle handle() const { return handle_; }

  struct Awaiter {
    Handle handle;
    detail::Outcome<T> outcome = {};
    bool await_ready() const noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
      handle.promise().continuation = awaiting;
      handle.promise().outcome = &outcome;
      return handle;
    }
    T await_resume() { return outcome.take(); }
  };
  Awaiter operator co_await() const& noexcept { return Awaiter{handle_}; }

  /// It has not started, and may refer to temporaries of the statement that has made it.
  [[nodiscard]] bool epic_borrows() const noexcept {
    return handle_ && static_cast<void*>(handle_.promise().outcome) == &detail::borrowed_mark;
  }

 private:
  Handle handle_;
};

namespace detail {
template <class T>
Task<T> TaskPromise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}
inline Task<void> TaskPromise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<TaskPromise>::from_promise(*this));
}
}  // namespace detail

}  // namespace epic

template <class T, class... Parameters>
struct std::coroutine_traits<epic::Task<T>, Parameters...> {
  using promise_type =
      std::conditional_t<((epic::detail::borrows<Parameters>() != epic::detail::Borrows::nothing) || ...),
                         epic::detail::BorrowingPromise<T, Parameters...>, epic::detail::TaskPromise<T>>;
};
