#pragma once
// blocking(): runs a slow library call on another thread, while everything else goes on.
//
//   const std::string page = co_await epic::blocking([url] { return fetch(url); });
//
// The function runs once, on one of the node's threads for this ([fabric] blocking_threads); if all are busy it waits
// for one. What it returns or throws arrives at the co_await. Other calls of the entity may run meanwhile.
//
// Values in, values out: let it capture copies, never `this` or a reference. The entity's members belong to its turns,
// and the frame that waits may be gone before the function returns. A Ref, too, belongs to the node's own thread:
// capture its key. Of epic:: nothing but log may be used inside.
//
// The function may have effects outside, so it starts once everything that the entity has changed and seen so far is
// durable, like a call to another node; blocking_pure() starts at once. If the caller gets an error, the effects may
// have happened nevertheless: a crash does not undo them.
//
// When the waiting call is cancelled or interrupted, a function that has not begun never does; one that runs goes on,
// and its outcome is dropped. A node that stops gives it the rest of the grace; a shard that moves does not wait for
// it.

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "epic/parked_wait.hpp"
#include "epic/state.hpp"
#include "epic/task.hpp"

namespace epic {

enum class FileMode : std::uint8_t;  // file.hpp

namespace detail {

class FileWork;

/// A file that is open, until this is destroyed. Any thread; reads may run at the same time. Throws
/// std::filesystem::filesystem_error.
class FileHandle {
 public:
  virtual ~FileHandle() = default;
  /// Returns how many bytes there were: fewer than there is room for only at the end.
  virtual std::size_t read_at(std::uint64_t offset, std::span<char> into) = 0;
  virtual void write_at(std::uint64_t offset, std::string_view content) = 0;
  /// Writes at the end of the file, wherever that is by then.
  virtual void append(std::string_view content) = 0;
  virtual void sync() = 0;
  virtual std::uint64_t size() = 0;
};

/// Where the project's files are (files.hpp). Any thread; throws std::filesystem::filesystem_error.
class FileAccess {
 public:
  virtual ~FileAccess() = default;
  virtual std::string read(const std::string& path) = 0;
  virtual void write(const std::string& path, std::string_view content) = 0;
  virtual void append(const std::string& path, std::string_view content) = 0;
  /// False: there is no such file.
  virtual bool remove(const std::string& path) = 0;
  /// What is made is on disk, with the folders that lead to it.
  virtual std::shared_ptr<FileHandle> open(const std::string& path, FileMode mode) = 0;
};

/// A function on its way to another thread and back, shared by the frame that waits and those who carry it. It is made
/// and destroyed on the execution thread, with all that it has captured; only run() is called on the other one.
class BlockingWork {
 public:
  BlockingWork() = default;
  BlockingWork(const BlockingWork&) = delete;
  BlockingWork& operator=(const BlockingWork&) = delete;
  virtual ~BlockingWork() = default;

  /// At most once. The other thread. `files`: null where requests for files are not run.
  void run(FileAccess* files) noexcept;
  /// Instead of running it.
  virtual void fail(std::exception_ptr exception) noexcept = 0;
  [[nodiscard]] virtual const std::type_info& result_type() const noexcept = 0;
  /// Null: it is a function of the entity's.
  [[nodiscard]] virtual FileWork* as_file() noexcept { return nullptr; }

  /// Nobody waits for it any longer: it need not begin. Any thread.
  [[nodiscard]] bool is_abandoned() const { return is_abandoned_.load(std::memory_order_relaxed); }
  void abandon() {
    waiter = nullptr;
    is_abandoned_.store(true, std::memory_order_relaxed);
  }

  ParkedWait* waiter = nullptr;  // the frame that goes on afterwards; execution thread
  std::string entity;            // whose code it is, "Type/Key" as in the store; empty: setup's
  std::string method;

 protected:
  virtual void call(FileAccess* files) = 0;

 private:
  std::atomic<bool> is_abandoned_{false};
};

template <class R>
class BlockingOutcome : public BlockingWork {
 public:
  void fail(std::exception_ptr exception) noexcept override { outcome.exception = std::move(exception); }
  [[nodiscard]] const std::type_info& result_type() const noexcept override { return typeid(R); }

  Outcome<R> outcome;
};

template <class F, class R>
class BlockingFunction final : public BlockingOutcome<R> {
 public:
  explicit BlockingFunction(F function) : function_(std::move(function)) {}

 private:
  void call(FileAccess*) override {
    if constexpr (std::is_void_v<R>)
      std::invoke(function_);
    else
      this->outcome.value.emplace(std::invoke(function_));
  }

  F function_;
};

/// A frame that waits for the function to return. Lives in that frame.
class BlockingAwaiter : public ParkedWait {
 public:
  explicit BlockingAwaiter(std::shared_ptr<BlockingWork> work) : work_(std::move(work)) {}
  ~BlockingAwaiter() { work_->abandon(); }
  bool await_ready() const noexcept { return false; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept;
  void await_resume();

 private:
  std::shared_ptr<BlockingWork> work_;
  bool is_refused_ = false;
};

template <class F>
struct BlockingTraits {
  static_assert(std::is_invocable_v<F&>,
                "epic: blocking takes what can be called without arguments, such as a lambda with captures");
  using Result = std::invoke_result_t<F&>;
  static_assert(!std::is_reference_v<Result>,
                "epic: what runs in blocking returns a value: a reference would lead to another thread's memory");
  static_assert(!Awaitable<Result>,
                "epic: what runs in blocking cannot await or call entities: it runs on another thread. Return a value, "
                "and go on with it after the co_await");
};

}  // namespace detail

/// Runs `function` on another thread, without waiting until the entity's changes are durable: for what only computes.
/// To be awaited, or spawned. Throws what the function throws; Overloaded if too many run or wait on this node.
template <class F>
[[nodiscard]] Task<typename detail::BlockingTraits<F>::Result> blocking_pure(F function) {
  using Result = typename detail::BlockingTraits<F>::Result;
  const auto work = std::make_shared<detail::BlockingFunction<F, Result>>(std::move(function));
  co_await detail::BlockingAwaiter(work);
  co_return work->outcome.take();
}

/// Runs `function` on another thread, once everything that this execution has changed or seen is durable. To be
/// awaited, or spawned. Throws what the function throws; Overloaded if too many run or wait on this node, and then the
/// function has not run.
template <class F>
[[nodiscard]] Task<typename detail::BlockingTraits<F>::Result> blocking(F function) {
  using Result = typename detail::BlockingTraits<F>::Result;
  const auto work = std::make_shared<detail::BlockingFunction<F, Result>>(std::move(function));
  co_await detail::SavedAwaiter(detail::Durable::seen);
  co_await detail::BlockingAwaiter(work);
  co_return work->outcome.take();
}

}  // namespace epic
