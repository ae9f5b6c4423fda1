#pragma once
// Timers: methods of an entity that run later, or again and again, while it is in memory.
//
//   Task<> on_activate() override {
//     epic::every(50ms, &Match::tick);                 // a fixed schedule; a late tick does not move the next ones
//     epic::after(5s, &Match::begin_round, 1);         // once; the arguments are copied
//     epic::every(1min, &Match::tidy_up).unpin();      // does not keep an idle entity in memory
//     co_return;
//   }
//
// A tick is a turn of the entity like any other: it takes the lock of an exclusive method or class, and what it changes
// is saved. It has no caller and no deadline; what it throws is logged, and the timer goes on. A tick that is due while
// the one before still runs is skipped, and skipped_ticks() tells the next one. Entities that start timers at the same
// moment tick at different times, so the first tick comes after at most the interval.
//
// Timers end with the activation, and hold up nothing: when the entity is collected, moved or its node stops, no tick
// starts any more, and one that still runs is cancelled like any task of the entity's own (epic/stopping.hpp). So start
// them in on_activate.
//
// Not here: what must happen even if the node dies meanwhile (epic/reminders.hpp).

#include <algorithm>
#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "epic/call.hpp"
#include "epic/durations.hpp"
#include "epic/entity.hpp"

namespace epic {
namespace detail {

/// One tick. Its method gets a copy of the arguments, made as it starts: what that throws is as if the method threw it.
template <class Pointer>
class TickRecord final : public ResultRecord<typename TaskValue<typename MethodTraits<Pointer>::Return>::type> {
  using Traits = MethodTraits<Pointer>;

 public:
  TickRecord(Pointer method, std::shared_ptr<const typename Traits::Arguments> arguments)
      : tick_(method), arguments_(std::move(arguments)) {
    this->is_read_only = Traits::kReadOnly;
  }
  std::coroutine_handle<> start(Entity* entity) override {
    return std::apply(
        [&](const auto&... values) {
          return this->adopt((static_cast<typename Traits::Class*>(entity)->*tick_)(values...));
        },
        *arguments_);
  }
  void* arguments() noexcept override { return nullptr; }

 private:
  Pointer tick_;
  std::shared_ptr<const typename Traits::Arguments> arguments_;  // the timer's
};

/// A pointer to a member function, of any type.
struct MethodPointer {
  const std::type_info& type;
  const void* pointer;

  template <class Pointer>
  [[nodiscard]] bool is(Pointer method) const {
    return type == typeid(Pointer) && *static_cast<const Pointer*>(pointer) == method;
  }
};

/// What runs at each tick.
class TickSource {
 public:
  TickSource() = default;
  TickSource(const TickSource&) = delete;
  TickSource& operator=(const TickSource&) = delete;
  virtual ~TickSource() = default;
  /// The caller owns it.
  [[nodiscard]] virtual CallRecord* make_record() const = 0;
  [[nodiscard]] virtual bool can_run_on(const Entity& entity) const = 0;
  [[nodiscard]] virtual MethodPointer method() const = 0;
};

template <class Pointer>
class MethodTicks final : public TickSource {
  using Traits = MethodTraits<Pointer>;

 public:
  template <class... Values>
  explicit MethodTicks(Pointer method, Values&&... values)
      : method_(method),
        arguments_(std::make_shared<const typename Traits::Arguments>(std::forward<Values>(values)...)) {}
  [[nodiscard]] CallRecord* make_record() const override { return new TickRecord<Pointer>(method_, arguments_); }
  [[nodiscard]] bool can_run_on(const Entity& entity) const override {
    return dynamic_cast<const typename Traits::Class*>(&entity) != nullptr;
  }
  [[nodiscard]] MethodPointer method() const override { return {typeid(Pointer), &method_}; }

 private:
  Pointer method_;
  std::shared_ptr<const typename Traits::Arguments> arguments_;  // shared with its ticks
};

/// Names a timer for as long as its activation lives, and nothing afterwards.
struct TimerId {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
  std::uint64_t number = 0;
};

/// `interval_ns`: 0: once. Throws std::logic_error outside of the entity's own code.
TimerId start_timer(std::unique_ptr<TickSource> source, std::int64_t delay_ns, std::int64_t interval_ns);
void stop_timer(const TimerId& timer);
void unpin_timer(const TimerId& timer);
[[nodiscard]] bool has_timer(const TimerId& timer);

template <class Pointer, class... Values>
std::unique_ptr<TickSource> make_ticks(Pointer method, Values&&... values) {
  static_assert(std::is_member_function_pointer_v<Pointer>,
                "epic: a timer calls a method of the entity's own class, such as &Match::tick");
  using Traits = MethodTraits<Pointer>;
  static_assert(std::derived_from<typename Traits::Class, Entity>,
                "epic: a timer calls a method of the entity's own class, such as &Match::tick");
  static_assert(is_task<typename Traits::Return>, "epic: a timer's method must return epic::Task<...>");
  static_assert(Traits::kByValue,
                "epic: a timer's method must take its parameters by value: each tick gets a copy of the arguments");
  static_assert(std::constructible_from<typename Traits::Arguments, Values...>,
                "epic: these are not the parameters of the timer's method");
  static_assert(
      std::copy_constructible<typename Traits::Arguments>,
      "epic: a timer's method must take parameters that can be copied: each tick gets a copy of the arguments");
  return std::make_unique<MethodTicks<Pointer>>(method, std::forward<Values>(values)...);
}

}  // namespace detail

/// A timer that was started. Letting go of it does not stop the timer. Execution thread only.
class Timer {
 public:
  /// Names no timer.
  Timer() = default;
  explicit Timer(const detail::TimerId& id) : id_(id) {}

  /// No further tick starts. One that runs goes on.
  void stop() { detail::stop_timer(id_); }
  /// It no longer keeps an idle entity in memory. Its ticks do not count as use.
  Timer& unpin() {
    detail::unpin_timer(id_);
    return *this;
  }
  /// False: it was stopped, has run out, or ended with its activation.
  [[nodiscard]] bool is_running() const { return detail::has_timer(id_); }

 private:
  detail::TimerId id_;
};

/// Calls `method` of the entity whose code runs, each `interval`, which must be positive, until the timer is stopped or
/// the entity leaves memory. The entity's own code only, but for its constructor.
template <class Rep, class Period, class Pointer, class... Values>
  requires std::is_convertible_v<std::chrono::duration<Rep, Period>, std::chrono::nanoseconds>
Timer every(std::chrono::duration<Rep, Period> interval, Pointer method, Values&&... values) {
  const std::int64_t interval_ns = detail::saturated_ns(interval).count();
  if (interval_ns <= 0) throw std::invalid_argument("epic::every: the interval must be positive");
  return Timer(detail::start_timer(detail::make_ticks(method, std::forward<Values>(values)...), 0, interval_ns));
}

/// Calls `method` of the entity whose code runs once, after `delay`.
template <class Rep, class Period, class Pointer, class... Values>
  requires std::is_convertible_v<std::chrono::duration<Rep, Period>, std::chrono::nanoseconds>
Timer after(std::chrono::duration<Rep, Period> delay, Pointer method, Values&&... values) {
  const std::int64_t delay_ns = std::max<std::int64_t>(detail::saturated_ns(delay).count(), 0);
  return Timer(detail::start_timer(detail::make_ticks(method, std::forward<Values>(values)...), delay_ns, 0));
}

/// In a tick: how many ticks of its timer were skipped since the one before it, because that one still ran or the node
/// was late. Otherwise 0.
[[nodiscard]] std::uint64_t skipped_ticks();

}  // namespace epic
