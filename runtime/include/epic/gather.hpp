#pragma once
// gather and spawn: several calls at once, and calls that run in the background.
//
//   auto [a, b] = co_await epic::gather(left->get(), right->get());
//   std::vector<bool> hits = co_await epic::gather(std::move(calls));   // vector of calls of one type
//   co_await epic::gather(std::move(calls), {.at_once = 16});           // 256 under way at any time, or so many
//   auto pending = epic::spawn(other->work());  …  co_await pending;   // or pending.cancel()
//   epic::spawn([this]() -> epic::Task<> { … co_return; });            // the lambda itself, which is kept
//
// gather waits for all calls to end, then throws the first error in the order of its arguments, if there is one.

#include <coroutine>
#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "epic/call.hpp"
#include "epic/call_window.hpp"

namespace epic {

namespace detail {

/// The record of one of the entity's own Tasks that runs beside its caller.
template <class R>
class TaskRecord final : public ResultRecord<R> {
 public:
  explicit TaskRecord(Task<R> body) : body_(std::move(body)) {}
  std::coroutine_handle<> start(Entity*) override { return this->adopt(std::move(body_)); }
  void* arguments() noexcept override { return nullptr; }

 private:
  Task<R> body_;
};

/// The same, of what makes the Task: it lives as long as its frame.
template <class R, class Make>
class CallableRecord final : public ResultRecord<R> {
 public:
  explicit CallableRecord(Make make) : make_(std::move(make)) {}
  CallableRecord(const CallableRecord&) = delete;
  CallableRecord& operator=(const CallableRecord&) = delete;
  ~CallableRecord() override { this->task.reset(); }  // before what its frame refers to
  std::coroutine_handle<> start(Entity*) override { return this->adopt(make_()); }
  void* arguments() noexcept override { return nullptr; }

 private:
  Make make_;
};

template <class Make>
concept MakesTask = requires(Make& make) { requires is_task<std::remove_cvref_t<decltype(make())>>; };

[[noreturn]] void throw_borrowing_task();

template <class R>
RecordPtr<ResultRecord<R>> to_record(Call<R>&& call) {
  return std::move(call).epic_take_record();
}
/// Runs as another execution of the entity that spawns it.
template <class R>
RecordPtr<ResultRecord<R>> to_record(Task<R>&& task) {
  return RecordPtr<ResultRecord<R>>(new TaskRecord<R>(std::move(task)));
}

template <class R>
using GatheredValue = std::conditional_t<std::is_void_v<R>, std::monostate, R>;
template <class R>
GatheredValue<R> take_gathered(ResultRecord<R>& record) {
  if constexpr (std::is_void_v<R>) {
    record.take();
    return {};
  } else {
    return record.take();
  }
}

template <class... R>
class GatherAwaiter {
 public:
  using EpicAwaitable = void;
  explicit GatherAwaiter(RecordPtr<ResultRecord<R>>... records) : records_(std::move(records)...) {}
  GatherAwaiter(const GatherAwaiter&) = delete;
  GatherAwaiter& operator=(const GatherAwaiter&) = delete;
  ~GatherAwaiter() {
    std::apply([this](auto&... record) { (stop_waiting(*record, waiter_), ...); }, records_);
  }
  bool await_ready() const noexcept { return sizeof...(R) == 0; }
  std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
    waiter_.handle = awaiting;
    std::apply(
        [this](auto&... record) {
          ((record->is_joined = true, begin_detached(*record)), ...);
          (static_cast<void>(wait_for(*record, waiter_)), ...);
        },
        records_);
    return suspend_on(waiter_);
  }
  auto await_resume() {
    return std::apply([](auto&... record) { return std::tuple<GatheredValue<R>...>{take_gathered(*record)...}; },
                      records_);
  }

 private:
  std::tuple<RecordPtr<ResultRecord<R>>...> records_;
  Waiter waiter_;
};

template <class R>
class GatherVectorAwaiter final : public CallWindow {
 public:
  GatherVectorAwaiter(std::vector<RecordPtr<ResultRecord<R>>> records, std::size_t at_once)
      : CallWindow(at_once), records_(std::move(records)) {}
  ~GatherVectorAwaiter() {
    for (std::size_t i = 0; i < begun_; ++i) stop_waiting_for(*records_[i]);
  }
  [[nodiscard]] bool await_ready() const noexcept { return records_.empty(); }
  auto await_resume() {
    if (is_cut_short()) {
      for (std::size_t i = 0; i < begun_; ++i) static_cast<void>(records_[i]->take());
      throw_cut_short();
    }
    if constexpr (std::is_void_v<R>) {
      for (auto& record : records_) record->take();
    } else {
      std::vector<R> values;
      values.reserve(records_.size());
      for (auto& record : records_) values.push_back(record->take());
      return values;
    }
  }

 private:
  [[nodiscard]] bool has_next() const override { return begun_ < records_.size(); }
  CallRecord* next() override { return records_[begun_++].get(); }
  CallRecord* find_begun(std::size_t index) override { return index < begun_ ? records_[index].get() : nullptr; }

  std::vector<RecordPtr<ResultRecord<R>>> records_;
  std::size_t begun_ = 0;
};

}  // namespace detail

/// Starts all and waits for all; returns a tuple of the results (std::monostate for void).
template <class... Work>
  requires(sizeof...(Work) > 0 && (requires { typename Work::value_type; } && ...))
[[nodiscard]] auto gather(Work&&... work) {
  return detail::GatherAwaiter<typename std::remove_cvref_t<Work>::value_type...>(
      detail::to_record(std::move(work))...);
}

/// The same for any number of calls of one type; returns a vector of the results, nothing for void. They begin in
/// order, each as soon as fewer than `options.at_once` are under way, whether others have failed or not.
template <class Work>
[[nodiscard]] auto gather(std::vector<Work>&& work, const GatherOptions& options = {}) {
  using R = typename Work::value_type;
  std::vector<Work> taken = std::move(work);
  std::vector<detail::RecordPtr<detail::ResultRecord<R>>> records;
  records.reserve(taken.size());
  for (Work& one : taken) records.push_back(detail::to_record(std::move(one)));
  return detail::GatherVectorAwaiter<R>(std::move(records), options.at_once);
}

template <class Work>
auto gather(const std::vector<Work>&, const GatherOptions& = {}) {
  static_assert(!std::is_same_v<Work, Work>,
                "epic: gather makes the calls of the vector, and each call is made once: write "
                "gather(std::move(calls))");
}

/// A call or task that was started in the background. May be awaited once, by the entity that spawned it. Dropping it
/// does not stop the call.
template <class R>
class Spawned {
 public:
  using value_type = R;
  using EpicAwaitable = void;
  explicit Spawned(detail::RecordPtr<detail::ResultRecord<R>> record) : record_(std::move(record)) {}
  Spawned(Spawned&&) noexcept = default;
  Spawned& operator=(Spawned&&) noexcept = default;

  [[nodiscard]] bool is_ended() const { return detail::has_ended(*record_); }

  /// Awaiting it throws epic::Cancelled from now on, and at once. A call that has not begun never does, on whatever
  /// node it is. Code that runs gets epic::Cancelled at the co_await where it stands, or at its next one, and what it
  /// waits for there is cancelled, too; it keeps its lock until it has unwound, and what it has done so far stays. So
  /// the outcome of a call that had begun is unknown. One that has ended is left as it is.
  void cancel() { detail::cancel(*record_); }

  class Awaiter {
   public:
    explicit Awaiter(detail::RecordPtr<detail::ResultRecord<R>> record) : record_(std::move(record)) {}
    Awaiter(const Awaiter&) = delete;
    Awaiter& operator=(const Awaiter&) = delete;
    ~Awaiter() { detail::stop_waiting(*record_, waiter_); }
    bool await_ready() const noexcept { return detail::has_ended(*record_); }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
      waiter_.handle = awaiting;
      static_cast<void>(detail::wait_for(*record_, waiter_));
      return detail::suspend_on(waiter_);
    }
    R await_resume() { return record_->take(); }

   private:
    detail::RecordPtr<detail::ResultRecord<R>> record_;
    detail::Waiter waiter_;
  };
  Awaiter operator co_await() const { return Awaiter(record_); }

 private:
  detail::RecordPtr<detail::ResultRecord<R>> record_;
};

/// Starts a call, or one of the entity's own Tasks, in the background. An error that is never awaited is logged.
///
/// A Task outlives the statement that spawns it. So it must not be made by calling a lambda with captures, or refer to
/// temporaries: throws std::logic_error for such a lambda, and for a parameter of type const T& or T&&.
template <class Work>
  requires requires { typename Work::value_type; }
Spawned<typename Work::value_type> spawn(Work work) {
  if constexpr (requires { work.epic_borrows(); })
    if (work.epic_borrows()) detail::throw_borrowing_task();
  auto record = detail::to_record(std::move(work));
  detail::begin_detached(*record);
  return Spawned<typename Work::value_type>(std::move(record));
}

/// The same for a function object, most often a lambda, which is kept until the Task that it returns has ended.
template <detail::MakesTask Make>
auto spawn(Make make) {
  using R = typename decltype(make())::value_type;
  detail::RecordPtr<detail::ResultRecord<R>> record(new detail::CallableRecord<R, Make>(std::move(make)));
  detail::begin_detached(*record);
  return Spawned<R>(std::move(record));
}

}  // namespace epic
