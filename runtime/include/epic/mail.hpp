#pragma once
// Mail: messages between entities that arrive, whatever crashes.
//
//   Task<> transfer(Ref<Account> to, std::int64_t cents) {
//     balance_ -= cents;
//     epic::deliver(to->deposit(cents));  // saved together with the new balance, or not at all
//     co_return;
//   }
//
// A message is a call that is stored in the same commit as what its sender has changed, and it is removed in the commit
// of what its method has changed: so it takes effect exactly once, through any crash, move or restart. Nobody waits for
// it. It has no result and no deadline, and no order but that messages of one sender to one receiver begin in theirs.
//
// Exactly once holds for the method's first turn, up to its first co_await that suspends. If the node dies later, the
// method is cut short, and the message becomes a dead letter, as one does whose method throws. Dead letters are logged
// and kept until `epic outbox` retries or drops them. A receiver that cannot be activated is tried again, later and
// later, and holds up only its own messages from the same sender.

#include <type_traits>

#include "epic/call.hpp"

namespace epic {
namespace detail {

void deliver(CallRecord& call);

template <class T>
inline constexpr bool is_call = false;
template <class R>
inline constexpr bool is_call<Call<R>> = true;

}  // namespace detail

/// Sends the call as a message, with the current turn. Use it in an entity's methods and hooks. What on_activate sends
/// is sent when that has returned.
///
/// Throws std::logic_error outside of an entity's code, in a const method, with store = "memory", and for a receiver
/// that is not saved (a `transient` or `local(n)` class, or one without state), and in a `local(n)` class; epic::Error,
/// with bad_arguments, if the arguments have more than 16 MiB.
template <class T>
void deliver(T&& call) {
  static_assert(detail::is_call<std::remove_cvref_t<T>>,
                "epic: deliver() takes the call of another entity's method, as in epic::deliver(account->deposit(50)): "
                "a Task of the entity itself belongs in spawn()");
  static_assert(std::is_rvalue_reference_v<T&&>,
                "epic: deliver() takes the call itself, as in epic::deliver(account->deposit(50)) or std::move(call)");
  if constexpr (detail::is_call<std::remove_cvref_t<T>>) detail::deliver(*std::move(call).epic_take_record());
}

}  // namespace epic
