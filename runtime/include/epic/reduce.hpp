#pragma once
// reduce: one call for each element of a range, and one value of all their results.
//
//   co_await epic::reduce(shops_, [](const Ref<Shop>& shop) { return shop->count(7); }, std::plus<>());
//   co_await epic::reduce(vertices_, &Vertex::rank, std::plus<>());  // a method without parameters
//
// As with gather(), 256 calls are under way at any time. But each is made when its turn has come, and its result is
// folded as soon as all results before it have been: so a million calls take the memory of some thousands.
//
// The results are folded in the order of the range, on the caller's node: the outcome is the same on every run and on
// every number of nodes, also for what is not associative, like sums of floating point numbers.
//
// Invariant: no more than kUnfoldedMax windows of calls have begun, and are not folded yet.

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <ranges>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <variant>

#include "epic/call_window.hpp"
#include "epic/gather.hpp"
#include "epic/shared_call.hpp"

namespace epic {
namespace detail {

/// The result of a call; of anything else, none.
template <class Work>
struct WorkValue {
  using type = std::monostate;
  static constexpr bool is_work = false;
};
template <class R>
struct WorkValue<Call<R>> {
  using type = GatheredValue<R>;
  static constexpr bool is_work = !std::is_void_v<R>;
};
template <class R>
struct WorkValue<Task<R>> : WorkValue<Call<R>> {};

template <class Make, class Range>
using MadeFor = WorkValue<std::remove_cvref_t<std::invoke_result_t<Make&, std::ranges::range_reference_t<Range>>>>;

template <class Pointer>
using MethodValue = GatheredValue<typename TaskValue<typename MethodTraits<Pointer>::Return>::type>;

/// Makes calls of a method without parameters.
template <class T, class Pointer>
class MethodCalls {
  using R = typename TaskValue<typename MethodTraits<Pointer>::Return>::type;

 public:
  explicit MethodCalls(Pointer method)
      : info_(&get_listed_method("epic::reduce", T::epic_info(), {typeid(Pointer), &method})),
        call_(std::make_shared<SharedCall<Pointer>>(method, std::tuple<>())) {}
  Call<R> operator()(const Ref<T>& ref) const {
    if (!ref) throw_empty_ref(info_->name);
    RecordPtr<ResultRecord<R>> record(new SharedRecord<Pointer>(*info_, call_));
    record->callee = ref.epic_name();
    return Call<R>(std::move(record));
  }

 private:
  const reflect::MethodInfo* info_;
  std::shared_ptr<SharedCall<Pointer>> call_;  // with the records
};

template <class Range, class Make, class Fold, class Total>
class ReduceAwaiter final : public CallWindow {
  using R = typename MadeFor<Make, Range>::type;
  static constexpr std::size_t kUnfoldedMax = 16;  // times as many as may be under way

 public:
  ReduceAwaiter(Range range, Make make, Fold fold, Total first, std::size_t at_once)
      : CallWindow(at_once, Runs::user_code),
        range_(std::move(range)),
        make_(std::move(make)),
        fold_(std::move(fold)),
        total_(std::move(first)),
        unfolded_max_(at_once > SIZE_MAX / kUnfoldedMax ? SIZE_MAX : at_once * kUnfoldedMax),
        next_(std::ranges::begin(range_)) {}
  ~ReduceAwaiter() {
    for (auto& record : begun_) stop_waiting_for(*record);
  }
  Total await_resume() {
    fold_ended();
    if (failure_) std::rethrow_exception(failure_);
    if (is_cut_short()) throw_cut_short();
    return std::move(total_);
  }

 private:
  [[nodiscard]] bool has_next() const override { return !failure_ && next_ != std::ranges::end(range_); }
  CallRecord* next() override {
    fold_ended();
    if (failure_ || begun_.size() >= unfolded_max_) return nullptr;
    try {
      begun_.push_back(to_record(make_(*next_)));
      ++next_;
    } catch (...) {
      failure_ = std::current_exception();
      return nullptr;
    }
    return begun_.back().get();
  }
  CallRecord* find_begun(std::size_t index) override { return index < begun_.size() ? begun_[index].get() : nullptr; }
  void fold_ended() noexcept {
    for (; !failure_ && !begun_.empty() && has_ended(*begun_.front()); begun_.pop_front()) try {
        total_ = std::invoke(fold_, std::move(total_), begun_.front()->take());
      } catch (...) {
        failure_ = std::current_exception();
      }
  }

  mutable Range range_;  // some views can only be asked for their end if they are not const
  Make make_;
  Fold fold_;
  Total total_;
  std::size_t unfolded_max_;
  std::ranges::iterator_t<Range> next_;
  std::deque<RecordPtr<ResultRecord<R>>> begun_;  // in the order of the range, without those that were folded
  std::exception_ptr failure_;                    // the first in that order
};

}  // namespace detail

/// Calls `call(element)`, which must return a call with a result, for each element of `range`, and returns
/// fold(… fold(fold(first, result), result) …, result). The range is copied, or moved into it. `call` may also be a
/// coroutine that makes several calls: a lambda that returns a Task. It is kept, with its captures, until all have
/// ended.
///
/// After the first error no more calls are made. Those under way end first; then the first one in the order of the
/// range is thrown. `call` and `fold` run in turns of the calling entity, between which others may have changed its
/// state.
template <std::ranges::input_range Range, class Make, class Fold,
          class Total = typename detail::MadeFor<Make, Range>::type>
[[nodiscard]] auto reduce(Range range, Make call, Fold fold, Total first = {}, const GatherOptions& options = {}) {
  using Made = detail::MadeFor<Make, Range>;
  static_assert(Made::is_work,
                "epic: reduce takes a function that returns a call with a result, such as "
                "[](const Ref<Vertex>& one) { return one->rank(); }");
  static_assert(!Made::is_work || std::is_invocable_r_v<Total, Fold&, Total, typename Made::type>,
                "epic: reduce takes a function that returns a total of the total so far and one result, such as "
                "[](double sum, double rank) { return sum + rank; }");
  if constexpr (Made::is_work && std::is_invocable_r_v<Total, Fold&, Total, typename Made::type>)
    return detail::ReduceAwaiter<Range, Make, Fold, Total>(std::move(range), std::move(call), std::move(fold),
                                                           std::move(first), options.at_once);
}

/// The same for a range of Refs and a method of their class that takes no parameters. Throws std::logic_error if the
/// class does not list it.
template <std::ranges::input_range Range, class Pointer, class Fold, class Total = detail::MethodValue<Pointer>>
  requires std::is_member_function_pointer_v<Pointer>
[[nodiscard]] auto reduce(Range range, Pointer method, Fold fold, Total first = {}, const GatherOptions& options = {}) {
  using Class = detail::RefClass<std::ranges::range_value_t<Range>>;
  constexpr bool is_method = Class::is_ref && detail::is_valid_method<Pointer>;
  constexpr bool has_parameters = std::tuple_size_v<typename detail::MethodTraits<Pointer>::Arguments> > 0;
  static_assert(is_method,
                "epic: reduce takes a range of Refs and a method of their class that is listed in methods(...) of "
                "EPIC_ENTITY, such as &Vertex::rank");
  static_assert(!has_parameters,
                "epic: the method that reduce calls must take no parameters; for others give it a function such as "
                "[](const Ref<Vertex>& one) { return one->rank(7); }");
  if constexpr (is_method && !has_parameters)
    return reduce(std::move(range), detail::MethodCalls<typename Class::type, Pointer>(method), std::move(fold),
                  std::move(first), options);
}

}  // namespace epic
