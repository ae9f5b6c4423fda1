#pragma once
// cached: a const method, answered by a copy of an earlier result that this node has kept.
//
//   const Prices prices = co_await shop.cached(1s)->get_prices("apples");
//   const Prices again = co_await shop.with(2s).cached(1s)->get_prices("apples");  // a deadline, if no copy answers
//
// A copy is of one method of one entity with equal arguments. It answers if it is younger than asked for, counted from
// when the request was made whose result it is: that takes less time than a call to another node by far. Otherwise the
// method is called, and the result is kept. While such a request is under way, equal calls that it is young enough for
// wait for it, and make none of their own.
//
// A copy may be older than the caller's own last change of the entity. What the caller then shows others waits, like
// any result, until the changes are durable that the copy shows. What a method throws is not kept; those that share the
// request get it, too.
//
// A node keeps a bounded number of copies, with a bounded number of bytes; the oldest go first. Clients keep none:
// there it is an ordinary call.
//
// Not here: where the copies are (kernel/calls/copies.hpp).

#include <concepts>
#include <cstdint>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#include "epic/call.hpp"

namespace epic::detail {

struct CopyRequest;  // the kernel's

/// A result that is kept. Never changed.
class Copy {
 public:
  Copy() = default;
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
  virtual ~Copy() = default;
  [[nodiscard]] virtual const void* value() const noexcept = 0;
};

/// What the record of a call has in addition that a copy may answer.
class CachedPart {
 public:
  std::int64_t max_age_ns = 0;
  CopyRequest* request = nullptr;  // its own, or the one that it shares; null: it is an ordinary call

  /// Copies the result that the method has returned.
  [[nodiscard]] virtual std::shared_ptr<const Copy> copy_result() const = 0;
  /// `copy` is of the same method's result.
  virtual void take_from(const Copy& copy) = 0;

 protected:
  ~CachedPart() = default;
};

template <auto Pointer, reflect::Locking locking>
class CachedRecord final : public MethodRecord<Pointer, locking>, public CachedPart {
  using Result = ResultOf<Pointer>;
  struct CopyOfResult final : Copy {
    explicit CopyOfResult(const Result& of) : result(of) {}
    [[nodiscard]] const void* value() const noexcept override { return &result; }
    const Result result;
  };

 public:
  template <class... Values>
  explicit CachedRecord(Values&&... values) : MethodRecord<Pointer, locking>(std::forward<Values>(values)...) {
    this->is_cached = true;
  }
  [[nodiscard]] CachedPart* cached_part() noexcept override { return this; }
  [[nodiscard]] std::shared_ptr<const Copy> copy_result() const override {
    return std::make_shared<const CopyOfResult>(*this->outcome.value);
  }
  void take_from(const Copy& copy) override {
    this->outcome.value.emplace(static_cast<const CopyOfResult&>(copy).result);
  }
};

/// std::vector<std::unique_ptr<int>> claims that it can be copied, and so does a pair with one.
template <class T>
constexpr bool can_be_copied() {
  if constexpr (std::is_void_v<T>)  // of an expected
    return true;
  else if constexpr (!std::copy_constructible<T>)
    return false;
  else if constexpr (requires { typename T::value_type; })
    return can_be_copied<std::remove_cv_t<typename T::value_type>>();
  else if constexpr (requires { std::tuple_size<T>::value; })
    return []<std::size_t... I>(std::index_sequence<I...>) {
      return (can_be_copied<std::tuple_element_t<I, T>>() && ...);
    }(std::make_index_sequence<std::tuple_size_v<T>>());
  else
    return true;
}

/// False, with a static_assert in the user's terms, if copies of its result cannot answer calls of the method.
template <auto Pointer>
constexpr bool check_cached() {
  constexpr bool is_const = MethodTraits<decltype(Pointer)>::kReadOnly;
  static_assert(is_const,
                "epic: cached() is for const methods: one that may change its entity must run. Call it without "
                "cached(), or make it const");
  if constexpr (is_const) {
    using Result = ResultOf<Pointer>;
    static_assert(!std::is_void_v<Result>, "epic: cached() keeps what a method returns, and this one returns nothing");
    if constexpr (!std::is_void_v<Result>) {
      static_assert(can_be_copied<Result>(),
                    "epic: cached() gives each caller a copy of the result, and this method's result cannot be copied");
      return can_be_copied<Result>();
    }
  }
  return false;
}

template <class Listed>
struct ListedMethod {
  using Arguments = void;
};
template <auto Pointer, reflect::Locking locking, class Signature>
  requires is_valid_method<Signature>
struct ListedMethod<Method<Pointer, locking, Signature>> {
  using Arguments = typename MethodTraits<Signature>::Arguments;
};

/// One member of the proxy behind Ref::cached; `Listed` is the member of that name in the class's own proxy, a Method.
/// A method that cannot be called has no operator().
template <class Listed, class Arguments = typename ListedMethod<Listed>::Arguments>
struct CachedMethod {
  const Target* target;
};

/// Has the method's exact parameters, as Method has.
template <auto Pointer, reflect::Locking locking, class Signature, class... Args>
struct CachedMethod<Method<Pointer, locking, Signature>, std::tuple<Args...>> {
  const Target* target;
  auto operator()(Args... args) const {
    using Result = ResultOf<Pointer>;
    if constexpr (check_cached<Pointer>()) {
      if (!*target->name) throw_empty_ref(method_name_of<Pointer>());
      auto* record = new CachedRecord<Pointer, locking>(std::move(args)...);
      record->callee = *target->name;
      record->timeout_ns = target->timeout.count();
      record->max_age_ns = target->max_age.count();
      return Call<Result>(RecordPtr<ResultRecord<Result>>(record));
    } else {
      return Call<Result>({});
    }
  }
  static void take(Args...);
  template <class... Values>
    requires(!requires(Values&&... values) { take(std::forward<Values>(values)...); })
  auto operator()(Values&&...) const {
    static_assert(is_call_of<Pointer, Takes<Args...>, Gets<std::decay_t<Values>...>>,
                  "epic: these are not the method's parameters: it takes what is behind Takes, and gets what is "
                  "behind Gets");
    return Call<ResultOf<Pointer>>({});
  }
};

}  // namespace epic::detail
