#include "bench/bare_coroutine.hpp"

#include <coroutine>
#include <cstddef>
#include <exception>
#include <new>
#include <utility>

namespace epic::bench {

namespace {

/// One size is enough for the two coroutines below.
class FrameList {
 public:
  void* take(std::size_t size_bytes) {
    if (size_bytes > kFrameBytes) return ::operator new(size_bytes);
    if (first_ == nullptr) return ::operator new(kFrameBytes);
    return std::exchange(first_, first_->next);
  }
  void give(void* frame, std::size_t size_bytes) {
    if (size_bytes > kFrameBytes)
      ::operator delete(frame);
    else
      first_ = ::new (frame) Free{first_};
  }

 private:
  static constexpr std::size_t kFrameBytes = 256;
  struct Free {
    Free* next;
  };
  Free* first_ = nullptr;
};

constinit thread_local FrameList frames;

class BareTask {
 public:
  struct promise_type {
    std::coroutine_handle<> continuation = std::noop_coroutine();
    std::int64_t value = 0;

    static void* operator new(std::size_t size_bytes) { return frames.take(size_bytes); }
    static void operator delete(void* frame, std::size_t size_bytes) { frames.give(frame, size_bytes); }
    BareTask get_return_object() { return BareTask(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_always initial_suspend() noexcept { return {}; }
    struct Final {
      bool await_ready() noexcept { return false; }
      std::coroutine_handle<> await_suspend(std::coroutine_handle<promise_type> ended) noexcept {
        return ended.promise().continuation;
      }
      void await_resume() noexcept {}
    };
    Final final_suspend() noexcept { return {}; }
    void return_value(std::int64_t result) { value = result; }
    void unhandled_exception() { std::terminate(); }
  };

  explicit BareTask(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
  BareTask(const BareTask&) = delete;
  BareTask& operator=(const BareTask&) = delete;
  ~BareTask() { handle_.destroy(); }

  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
    handle_.promise().continuation = awaiting;
    return handle_;
  }
  std::int64_t await_resume() const noexcept { return handle_.promise().value; }

  std::int64_t run() {
    handle_.resume();
    return handle_.promise().value;
  }

 private:
  std::coroutine_handle<promise_type> handle_;
};

BareTask add_one(std::int64_t value) { co_return value + 1; }

using Callee = BareTask (*)(std::int64_t);
Callee volatile callee = &add_one;

BareTask call_often(std::uint64_t count) {
  std::int64_t sum = 0;
  for (std::uint64_t i = 0; i < count; ++i) sum += co_await callee(static_cast<std::int64_t>(i));
  co_return sum;
}

}  // namespace

std::int64_t run_bare_coroutine_calls(std::uint64_t count) { return call_often(count).run(); }

}  // namespace epic::bench
