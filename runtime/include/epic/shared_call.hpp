#pragma once
// SharedCall: one method and its arguments, for calls of many entities.
//
// The method is a pointer to a member function, known at run time. Each record has its own count of what is shared, and
// each call gets its own copy of the arguments when it starts: here, or on another node, which decodes them anew.
//
// Not here: how many calls there are at once, and what becomes of their results (broadcast.hpp, reduce.hpp).

#include <coroutine>
#include <memory>
#include <string_view>
#include <tuple>
#include <utility>

#include "epic/call.hpp"
#include "epic/entity.hpp"
#include "epic/ref.hpp"
#include "epic/timer.hpp"

namespace epic::detail {

/// Throws std::logic_error, which names `what` of the user's, if the class does not list the method.
[[nodiscard]] const reflect::MethodInfo& get_listed_method(std::string_view what, const reflect::EntityInfo& type,
                                                           const MethodPointer& pointer);

template <class Pointer>
struct SharedCall {
  Pointer method;
  typename MethodTraits<Pointer>::Arguments arguments;  // never changed
};

template <class Pointer>
class SharedRecord final : public ResultRecord<typename TaskValue<typename MethodTraits<Pointer>::Return>::type> {
  using Traits = MethodTraits<Pointer>;

 public:
  SharedRecord(const reflect::MethodInfo& method, std::shared_ptr<SharedCall<Pointer>> call) : call_(std::move(call)) {
    this->method = &method;
    this->is_read_only = method.access == reflect::Access::read_only;
    this->is_exclusive = method.locking == reflect::Locking::exclusive;
  }
  std::coroutine_handle<> start(Entity* entity) override {
    return std::apply(
        [&](const auto&... values) {
          return this->adopt((static_cast<typename Traits::Class*>(entity)->*call_->method)(values...));
        },
        call_->arguments);
  }
  /// The same for all records of one SharedCall.
  void* arguments() noexcept override { return &call_->arguments; }

 private:
  std::shared_ptr<SharedCall<Pointer>> call_;  // with the other records, some of which may outlive their caller
};

template <class T>
struct RefClass {
  static constexpr bool is_ref = false;
};
template <class T>
struct RefClass<Ref<T>> {
  static constexpr bool is_ref = true;
  using type = T;
};

}  // namespace epic::detail
