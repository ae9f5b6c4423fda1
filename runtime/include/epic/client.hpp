#pragma once
// Client: calls entities of a running fabric from a program outside it.
//
//     epic::Client client = epic::Client::connect("path/to/project");
//     const auto score = client.call(client.get<Player>("Bob")->get_score());
//
// From anywhere else, with the address of any node and the fabric's secret:
//
//     epic::Client client = epic::Client::connect("epic://10.0.0.3:7000", {.secret_file = "/etc/arena/secret"});
//
// The program is compiled and linked with the entity classes; their code runs on the nodes, never here. A call goes
// straight to the node that owns the entity. The client follows shards as they move, and reconnects when the fabric is
// restarted. Results are gated: a result that the client has received survives any crash. A call that must not be made
// twice gets an idempotency key, and may then be repeated:
//
//     client.call(client.get<Account>("Bob")->withdraw(50), {.idempotency_key = "order-17"});
//
// Link epic::runtime. Not for use inside an entity, where calls are awaited (ref.hpp).

#include <chrono>
#include <concepts>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "epic/call.hpp"
#include "epic/call_options.hpp"
#include "epic/error.hpp"
#include "epic/ref.hpp"

namespace epic {

namespace client {
class Session;
/// Stands for a call that may be cancelled. What it refers to belongs to the session's thread.
using CallHandle = std::shared_ptr<std::uint64_t>;
}  // namespace client

namespace detail {
template <class R>
struct AsioCall;  // client_asio.hpp
}

struct ClientOptions {
  /// For calls without their own deadline (`ref.with(2s)->…`).
  std::chrono::nanoseconds call_timeout = std::chrono::seconds(30);
  /// How long connect() waits for a fabric that is starting.
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(5);
  /// For an address: a file with the fabric's secret. Empty: the environment's EPIC_SECRET_FILE.
  std::string secret_file = {};
};

/// How a call ended.
template <class R>
class CallResult {
 public:
  explicit CallResult(detail::RecordPtr<detail::CallRecord> ended) : ended_(std::move(ended)) {}

  /// Returns the result, once, or throws what the call ended with: an epic::Error, or the method's
  /// exception as a remote caller gets it (epic::CallFailed for a class of your own).
  R get() { return static_cast<detail::ResultRecord<R>&>(*ended_).take(); }
  /// What get() would throw; null if it would return.
  [[nodiscard]] std::exception_ptr error() const { return ended_->failure; }

 private:
  detail::RecordPtr<detail::CallRecord> ended_;
};

/// Usable from any thread. Copies share one connection, which closes with the last copy.
class Client {
 public:
  /// Connects to the fabric of the project in this directory, on a machine of the fabric; or to the one with a node at
  /// "epic://host:port". More addresses may follow after commas: one that answers is enough, and from there the client
  /// knows the other nodes. Throws Unavailable if none can be reached.
  [[nodiscard]] static Client connect(std::string_view where, ClientOptions options = {});

  template <class T>
  [[nodiscard]] Ref<T> get(std::string_view key) const {
    return Ref<T>(key);
  }
  template <class T>
  [[nodiscard]] Ref<T> get(std::integral auto key) const {
    return Ref<T>(key);
  }

  /// Makes the call and waits for it to end. Throws what CallResult::get() throws.
  template <class R>
  R call(Call<R> call, const ClientCallOptions& options = {}) const {
    return CallResult<R>(run(take_record(std::move(call), options))).get();
  }
  /// As an asynchronous operation of Asio: `co_await client.call(ref->add(1), boost::asio::use_awaitable)`. Include
  /// <epic/client_asio.hpp>, which says more.
  template <class R, class Token>
    requires(!std::is_convertible_v<Token, const ClientCallOptions&>)
  auto call(Call<R> call, Token&& token, const ClientCallOptions& options = {}) const {
    constexpr bool has_asio = requires { sizeof(detail::AsioCall<R>); };
    static_assert(has_asio,
                  "epic: the second argument of call is epic::ClientCallOptions, or a completion token of Asio's: for "
                  "that, include <epic/client_asio.hpp>");
    if constexpr (has_asio)
      return detail::AsioCall<R>::template start<Token>(*this, take_record(std::move(call), options), token);
  }

  /// Makes the call and returns at once. `on_end` runs once, on the client's own thread, and gets a CallResult<R>. It
  /// must not block (in particular not on another call), throw, or hold the last copy of the Client. Calls to one
  /// entity start in the order in which a thread has made them; those with idempotency keys have an order of their own.
  /// Destroying the last Client ends pending calls with Unavailable.
  template <class R, class OnEnd>
  void async_call(Call<R> call, OnEnd on_end, const ClientCallOptions& options = {}) const {
    static_assert(std::is_invocable_v<OnEnd&, CallResult<R>>,
                  "epic: on_end of async_call takes the epic::CallResult of what the call returns, or 'auto'");
    if constexpr (std::is_invocable_v<OnEnd&, CallResult<R>>)
      start(take_record(std::move(call), options),
            [on_end = std::move(on_end)](Record ended) mutable { on_end(CallResult<R>(std::move(ended))); },
            /*handle=*/{});
  }

 private:
  template <class R>
  friend struct detail::AsioCall;
  using Record = detail::RecordPtr<detail::CallRecord>;
  using Handle = client::CallHandle;

  explicit Client(std::shared_ptr<client::Session> session) : session_(std::move(session)) {}

  template <class R>
  static Record take_record(Call<R> call, const ClientCallOptions& options) {
    Record record(std::move(call).epic_take_record().detach());
    use(record, options);
    return record;
  }
  static void use(Record& record, const ClientCallOptions& options);
  [[nodiscard]] Record run(Record record) const;
  /// `handle`: for cancel(); may be null.
  void start(Record record, std::move_only_function<void(Record)> on_end, Handle handle) const;
  static void cancel(const std::weak_ptr<client::Session>& session, Handle handle);

  std::shared_ptr<client::Session> session_;  // shared by the copies of a Client
};

}  // namespace epic
