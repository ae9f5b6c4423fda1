#pragma once
// Calls of epic::Client as asynchronous operations of Boost.Asio, with any completion token.
//
//     boost::asio::awaitable<void> train(epic::Client client) {
//       const auto score = co_await client.call(client.get<Player>("Bob")->get_score(), boost::asio::use_awaitable);
//       …
//     }
//
// The signature is void(std::exception_ptr, R), or void(std::exception_ptr) for a call without a result. What the call
// ends with, an epic::Error as with CallResult::get(), comes as the exception_ptr; a coroutine gets it thrown. So does
// what is wrong with the options, from the call itself.
//
// The handler runs on its associated executor, never inside the call and never on the client's thread, and the executor
// counts the call as work until then. Its execution context must outlive the call: end the calls, or destroy the last
// Client, before the context.
//
// Cancellation (terminal or partial) ends the call at once with epic::Cancelled, and what runs for it on the nodes as
// Spawned::cancel does. It may have taken effect.

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <cstdint>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

#include "epic/client.hpp"

namespace epic::detail {

template <class R>
struct AsioSignature {
  using type = void(std::exception_ptr, R);
};
template <>
struct AsioSignature<void> {
  using type = void(std::exception_ptr);
};

template <class R>
struct AsioCall {
  /// Client::call with a completion token. `Token`: as it was deduced there; a handler that has a name is copied.
  template <class Token>
  static auto start(const Client& client, Client::Record record, std::remove_reference_t<Token>& token) {
    return boost::asio::async_initiate<Token, typename AsioSignature<R>::type>(
        [client](auto handler, Client::Record made) { begin(client, std::move(made), std::move(handler)); }, token,
        std::move(record));
  }

 private:
  template <class Handler>
  static void begin(const Client& client, Client::Record record, Handler handler) {
    namespace asio = boost::asio;
    Client::Handle handle;
    if (auto slot = asio::get_associated_cancellation_slot(handler); slot.is_connected()) {
      handle = std::make_shared<std::uint64_t>(0);
      slot.assign([session = std::weak_ptr(client.session_), handle](asio::cancellation_type type) {
        constexpr auto kHonoured = asio::cancellation_type::terminal | asio::cancellation_type::partial;
        if ((type & kHonoured) != asio::cancellation_type::none) Client::cancel(session, handle);
      });
    }
    auto work = asio::make_work_guard(handler);
    client.start(
        std::move(record),
        [handler = std::move(handler), work = std::move(work)](Client::Record ended) mutable {
          const auto until_posted =
              work;  // the handler may run, and its context have no other work, before post() returns
          const auto executor = work.get_executor();
          const auto allocator = asio::get_associated_allocator(handler);
          asio::post(executor, asio::bind_allocator(allocator, [handler = std::move(handler), work = std::move(work),
                                                                result = CallResult<R>(std::move(ended))]() mutable {
                       asio::get_associated_cancellation_slot(handler).clear();
                       work.reset();
                       complete(handler, result);
                     }));
        },
        std::move(handle));
  }

  template <class Handler>
  static void complete(Handler& handler, CallResult<R>& result) {
    const std::exception_ptr error = result.error();
    if constexpr (std::is_void_v<R>)
      std::move(handler)(error);
    else if (error)
      std::move(handler)(error, R());
    else
      std::move(handler)(error, result.get());
  }
};

}  // namespace epic::detail
