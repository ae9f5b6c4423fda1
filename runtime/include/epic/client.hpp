#pragma once
// Client: calls entities of a running fabric from a program outside of it.
//
//     epic::Client client = epic::Client::connect("path/to/project");
//     const auto score = client.call(client.get<Player>("Bob")->get_score());
//
// The program is compiled and linked with the entity classes, whose code runs on the nodes, never here. A call goes
// straight to the node that owns the entity; the client follows shards as they move, and finds the fabric again after a
// restart. Its results are gated: what it has been told survives any crash.
//
// Link epic::runtime. Not for use inside an entity, where a call is awaited (ref.hpp).

#include <chrono>
#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "epic/call.hpp"
#include "epic/error.hpp"
#include "epic/ref.hpp"

namespace epic {

namespace client {
class Session;
}

struct ClientOptions {
  /// For calls without a deadline of their own (`ref.with(2s)->…`).
  std::chrono::nanoseconds call_deadline = std::chrono::seconds(30);
  /// How long connect() waits for a fabric that is just starting.
  std::chrono::nanoseconds connect_patience = std::chrono::seconds(5);
};

/// How a call ended.
template <class R>
class CallResult {
 public:
  explicit CallResult(detail::RecordPtr<detail::CallRecord> ended) : ended_(std::move(ended)) {}

  /// The result, once; or throws what the call ended with: an epic::Error, CallFailed when the method threw.
  R get() { return static_cast<detail::ResultRecord<R>&>(*ended_).take(); }
  /// What get() would throw; null when it would not.
  [[nodiscard]] std::exception_ptr error() const { return ended_->failure; }

 private:
  detail::RecordPtr<detail::CallRecord> ended_;
};

/// Any number of threads. Copies share one connection, which ends with the last of them.
class Client {
 public:
  /// To the fabric of the project in this directory. Throws Unavailable when none runs there.
  [[nodiscard]] static Client connect(std::string_view project_directory, ClientOptions options = {});

  template <class T>
  [[nodiscard]] Ref<T> get(std::string_view key) const {
    return Ref<T>(key);
  }
  template <class T>
  [[nodiscard]] Ref<T> get(std::integral auto key) const {
    return Ref<T>(key);
  }

  /// Makes the call and waits for its end. Throws what CallResult::get() throws.
  template <class R>
  R call(Call<R> call) const {
    return CallResult<R>(run(take_record(std::move(call)))).get();
  }

  /// Makes the call and returns at once. `on_end` runs once, on the client's own thread: it must not wait for anything,
  /// least of all for another call, and not hold the last copy of the Client. Calls to one entity start in the order in
  /// which they were made. If the last Client goes first, calls under way end with Unavailable.
  template <class R>
  void async_call(Call<R> call, std::function<void(CallResult<R>)> on_end) const {
    start(take_record(std::move(call)), [on_end = std::move(on_end)](detail::RecordPtr<detail::CallRecord> ended) {
      on_end(CallResult<R>(std::move(ended)));
    });
  }

 private:
  using Record = detail::RecordPtr<detail::CallRecord>;

  explicit Client(std::shared_ptr<client::Session> session) : session_(std::move(session)) {}

  template <class R>
  static Record take_record(Call<R> call) {
    return Record(std::move(call).epic_take_record().detach());
  }
  [[nodiscard]] Record run(Record record) const;
  void start(Record record, std::function<void(Record)> on_end) const;

  std::shared_ptr<client::Session> session_;  // shared by the copies of a Client
};

}  // namespace epic
