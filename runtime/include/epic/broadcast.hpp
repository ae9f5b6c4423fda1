#pragma once
// broadcast: one method of many entities, called with the same arguments.
//
//   const auto result = co_await epic::broadcast(followers_, &User::on_post, post);
//   if (result.failed > 0) epic::log::warn("{} of {} did not get it", result.failed, followers_.size());
//   co_await epic::broadcast(followers_, &User::on_post, post).with(5s);  // a deadline for each call
//
// Each is a call as ref->on_post(post) makes it. But to another node the arguments go once for many of its entities,
// and only how the calls have ended comes back: they are counted, and some of those that failed are named. That takes a
// small part of the bytes and of the time that as many calls in a gather() take.
//
// About two thousand calls are under way at any time, whatever the number of entities.
//
// Not here: what a message with many calls looks like (kernel/peer_sends.hpp).

#include <algorithm>
#include <chrono>
#include <concepts>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <ranges>
#include <string>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

#include "epic/cached.hpp"
#include "epic/call.hpp"
#include "epic/call_window.hpp"
#include "epic/durations.hpp"
#include "epic/entity.hpp"
#include "epic/error.hpp"
#include "epic/ref.hpp"
#include "epic/shared_call.hpp"

namespace epic {

/// How the calls of a broadcast have ended.
struct BroadcastResult {
  struct Failure {
    std::string entity;  // "Type/Key", as Ref::name() has it
    ErrorCode code{};    // whether the method may have run: epic/error.hpp
    std::string what;
  };
  std::size_t succeeded = 0;
  std::size_t failed = 0;
  std::vector<Failure> failures;  // the first 100, in the order in which they ended
};

namespace detail {

class BroadcastWindow : public CallWindow {
 public:
  [[nodiscard]] bool await_ready() const noexcept { return count_ == 0; }
  BroadcastResult await_resume();

 protected:
  explicit BroadcastWindow(std::size_t count);
  ~BroadcastWindow();
  /// The call of the `index`th entity, of `count`.
  [[nodiscard]] virtual RecordPtr<CallRecord> make(std::size_t index) = 0;

 private:
  [[nodiscard]] bool has_next() const override { return made_ < count_; }
  CallRecord* next() override;
  CallRecord* find_begun(std::size_t index) override { return index < begun_.size() ? begun_[index].get() : nullptr; }
  void count_ended();

  std::size_t count_;
  std::size_t made_ = 0;
  std::vector<RecordPtr<CallRecord>> begun_;  // without those that have been counted
  BroadcastResult result_;
  std::exception_ptr cancelled_;  // what a call has failed with for that reason
};

template <class T, class Pointer>
class BroadcastAwaiter final : public BroadcastWindow {
  using Traits = MethodTraits<Pointer>;

 public:
  template <class... Values>
  BroadcastAwaiter(std::vector<Ref<T>> refs, Pointer method, Values&&... values)
      : BroadcastWindow(refs.size()),
        refs_(std::move(refs)),
        info_(get_listed_method("epic::broadcast", T::epic_info(), {typeid(Pointer), &method})),
        call_(std::make_shared<SharedCall<Pointer>>(method,
                                                    typename Traits::Arguments(std::forward<Values>(values)...))) {
    for (const Ref<T>& ref : refs_)
      if (!ref) throw_empty_ref(info_.name);
  }
  /// With a deadline for each call, which counts from its own beginning.
  template <class Rep, class Period>
    requires std::is_convertible_v<std::chrono::duration<Rep, Period>, std::chrono::nanoseconds>
  [[nodiscard]] BroadcastAwaiter&& with(std::chrono::duration<Rep, Period> timeout) && {
    timeout_ns_ = std::max<std::int64_t>(saturated_ns(timeout).count(), 1);
    return std::move(*this);
  }

 private:
  [[nodiscard]] RecordPtr<CallRecord> make(std::size_t index) override {
    RecordPtr<CallRecord> record(new SharedRecord<Pointer>(info_, call_));
    record->is_broadcast = true;
    record->callee = refs_[index].epic_name();
    record->timeout_ns = timeout_ns_;
    return record;
  }

  std::vector<Ref<T>> refs_;
  const reflect::MethodInfo& info_;
  std::shared_ptr<SharedCall<Pointer>> call_;  // with the records
  std::int64_t timeout_ns_ = 0;                // the default
};

/// False, with a static_assert in the user's terms, if `Pointer` cannot be called on the entities with `Values`.
template <class Class, class Pointer, class... Values>
constexpr bool check_broadcast() {
  static_assert(Class::is_ref, "epic: broadcast takes a range of Refs, such as std::vector<epic::Ref<User>>");
  static_assert(is_valid_method<Pointer>,
                "epic: broadcast calls a method that is listed in methods(...) of EPIC_ENTITY, such as &User::on_post: "
                "it returns epic::Task<...> and takes its parameters by value");
  if constexpr (Class::is_ref && is_valid_method<Pointer>) {
    using Traits = MethodTraits<Pointer>;
    constexpr bool is_of_class = std::derived_from<typename Class::type, typename Traits::Class>;
    constexpr bool is_copyable = can_be_copied<typename Traits::Arguments>();
    constexpr bool fits = std::constructible_from<typename Traits::Arguments, Values...>;
    static_assert(is_of_class, "epic: broadcast calls a method of the class that the Refs name");
    static_assert(is_copyable,
                  "epic: a method that broadcast calls must take parameters that can be copied: each entity gets a "
                  "copy of the arguments");
    static_assert(!is_copyable || fits, "epic: these are not the parameters of the method that broadcast calls");
    return is_of_class && is_copyable && fits;
  } else {
    return false;
  }
}

}  // namespace detail

/// Calls `method`, with its own copy of the arguments, of each entity in `refs`, a range of Refs that is copied, or
/// moved from. Returns when all calls have ended, however they have: what their methods throw is counted, too. Calls of
/// one caller to one entity begin in the order in which they are made, in a broadcast or not; those of one broadcast in
/// the order of the refs. A call that waits for a later one of the same broadcast may wait until its deadline.
///
/// Throws std::logic_error, before any call, if the class does not list the method, or a Ref names no entity; and
/// epic::Cancelled, like any wait.
template <std::ranges::input_range Range, class Pointer, class... Values>
[[nodiscard]] auto broadcast(Range&& refs, Pointer method, Values&&... values) {
  using Class = detail::RefClass<std::ranges::range_value_t<Range>>;
  if constexpr (detail::check_broadcast<Class, Pointer, Values...>()) {
    using T = typename Class::type;
    using Awaiter = detail::BroadcastAwaiter<T, Pointer>;
    if constexpr (std::same_as<std::remove_cvref_t<Range>, std::vector<Ref<T>>>) {
      return Awaiter(std::forward<Range>(refs), method, std::forward<Values>(values)...);
    } else {
      std::vector<Ref<T>> listed;
      for (const auto& ref : refs) listed.push_back(ref);
      return Awaiter(std::move(listed), method, std::forward<Values>(values)...);
    }
  }
}

}  // namespace epic
