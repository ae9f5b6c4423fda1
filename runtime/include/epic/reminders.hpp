#pragma once
// Reminders: an entity's calls to itself at a time, whatever happens until then.
//
//   Task<> on_activate() override {
//     epic::remind("digest", kFirstDay + 8h, 24h, &Room::post_digest);  // set again, an equal one stays as it is
//     co_return;
//   }
//   Task<> open(Duration lasts) {
//     epic::remind("close", lasts, &Auction::close, "time is up");         // once, with arguments
//     co_return;
//   }
//
// A reminder is saved together with what the turn that sets it has changed. It survives crash, move and restart, and
// wakes the entity when it is due. Each due time takes effect exactly once, as a message does (epic/mail.hpp): that
// holds for the method's first turn, up to its first co_await that suspends, and a method that throws or is cut short
// leaves a dead letter. The schedule goes on in any case.
//
// Due times are of the wall clock. Those that pass while nothing can run become one call, and missed() tells it how
// many others it stands for; then the schedule continues on its grid. A clock that is set back repeats nothing.
//
// Not here: what need not survive the activation (epic/timer.hpp).

#include <chrono>
#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

#include "epic/call.hpp"
#include "epic/durations.hpp"
#include "epic/timer.hpp"

namespace epic {
namespace detail {

struct ReminderTime {
  std::int64_t ns = 0;       // since 1970, UTC
  bool is_from_now = false;  // … from now instead
};

/// `arguments`: the method's, as a tuple. `every_ns`: 0: once.
void remind(std::string_view name, const ReminderTime& first, std::int64_t every_ns, const MethodPointer& method,
            const void* arguments);

template <class T>
inline constexpr bool is_duration = false;
template <class Rep, class Period>
inline constexpr bool is_duration<std::chrono::duration<Rep, Period>> = true;

template <class Duration>
ReminderTime reminder_time(const std::chrono::time_point<std::chrono::system_clock, Duration>& at) {
  return {saturated_ns(at.time_since_epoch()).count(), false};
}
template <class Rep, class Period>
ReminderTime reminder_time(const std::chrono::duration<Rep, Period>& from_now) {
  return {saturated_ns(from_now).count(), true};
}

/// A point of the system clock, or a duration from now.
template <class T>
concept ReminderTimeLike = requires(const T& time) { reminder_time(time); };

template <class Pointer, class... Values>
void remind_of(std::string_view name, const ReminderTime& first, std::int64_t every_ns, Pointer method,
               Values&&... values) {
  static_assert(std::is_member_function_pointer_v<Pointer>,
                "epic: a reminder calls a method of the entity's own class, such as &Room::post_digest");
  if constexpr (std::is_member_function_pointer_v<Pointer>) {
    using Traits = MethodTraits<Pointer>;
    if constexpr (requires { Traits::Class::epic_is_local; })
      static_assert(!Traits::Class::epic_is_local,
                    "epic: an entity of a class with local(n) has no reminders, because nothing of it is saved; use a "
                    "timer (epic::after, epic::every)");
    static_assert(is_valid_method<Pointer>,
                  "epic: a reminder's method must be one that is listed in methods(...) of EPIC_ENTITY: it returns "
                  "epic::Task<...> and takes its parameters by value");
    static_assert(std::constructible_from<typename Traits::Arguments, Values...>,
                  "epic: these are not the parameters of the reminder's method");
    if constexpr (std::constructible_from<typename Traits::Arguments, Values...>) {
      const typename Traits::Arguments arguments(std::forward<Values>(values)...);
      remind(name, first, every_ns, MethodPointer{typeid(Pointer), &method}, &arguments);
    }
  }
}

}  // namespace detail

/// Calls `method` of the entity whose code runs once: at a time (of std::chrono::system_clock; at once, if that has
/// passed), or in a duration from now. A reminder of the entity with the same name is replaced, unless it is equal:
/// same time, method and arguments. A duration counts anew each time. After its call the reminder is gone, and may be
/// set again: so not in on_activate, unless the state says that it is still to come.
///
/// Throws std::logic_error outside of an entity's code, in a const method, with store = "memory", and in a class that
/// is not saved (`transient`, `local(n)`, or without state); std::invalid_argument for a name that is empty or has more
/// than 256 bytes; epic::Error, with bad_arguments, if the arguments have more than 64 KiB; epic::Overloaded if the
/// entity has 10,000 reminders, and none with this name.
template <detail::ReminderTimeLike Time, class Pointer, class... Values>
  requires(!detail::is_duration<Pointer>)
void remind(std::string_view name, const Time& time, Pointer method, Values&&... values) {
  detail::remind_of(name, detail::reminder_time(time), 0, method, std::forward<Values>(values)...);
}

/// The same, again and again: first at `first`, then each `every`, which must be positive, until it is forgotten. If
/// `first` has passed, it begins with the next time of that schedule. An equal one, with the same interval, method and
/// arguments, and the same first time if that is a point in time, keeps its schedule. So this may stand in on_activate,
/// but with a constant for such a time: one that is computed anew, such as tomorrow's, replaces the reminder each time,
/// also when it is due and wakes the entity.
template <detail::ReminderTimeLike Time, class Rep, class Period, class Pointer, class... Values>
void remind(std::string_view name, const Time& first, std::chrono::duration<Rep, Period> every, Pointer method,
            Values&&... values) {
  const std::int64_t every_ns = detail::saturated_ns(every).count();
  if (every_ns <= 0) throw std::invalid_argument("epic::remind: the interval must be positive");
  detail::remind_of(name, detail::reminder_time(first), every_ns, method, std::forward<Values>(values)...);
}

/// Removes the entity's reminder with this name, if there is one: no further call of it begins. Throws as remind()
/// does. epic::erase() removes all of them.
void forget(std::string_view name);

/// In a method that a reminder calls: how many due times besides its own the call stands for, because nothing could run
/// then. Otherwise 0.
[[nodiscard]] std::uint64_t missed();

}  // namespace epic
