#pragma once
// ControlClient: one request and its answer, over the fabric's control socket or from elsewhere. Blocking; for the CLI
// and tests.
//
// A request is a verb with a JSON body; an answer is a JSON body, or several (streamed) for logs and listings. JSON
// because most of what is asked for is user data of types that only the nodes know, and because `-o json` prints it as
// it came. The messages are protocol/control_frames.hpp.

#include <boost/json/value.hpp>
#include <chrono>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "cluster/control/control_connection.hpp"

namespace epic::cluster {

class ControlClient {
 public:
  /// Connects to `<project>/.epic/control.sock`.
  static std::expected<ControlClient, ControlError> connect(const std::filesystem::path& socket);
  explicit ControlClient(std::unique_ptr<ControlConnection> connection) : connection_(std::move(connection)) {}
  ControlClient(ControlClient&&) noexcept;
  ControlClient& operator=(ControlClient&&) noexcept;
  ~ControlClient();

  /// `on_waiting` gets what a request waits for if its answer takes long, each second. That renews its timeout.
  void set_on_waiting(std::function<void(std::string_view)> on_waiting) { on_waiting_ = std::move(on_waiting); }
  /// Another connection to the same supervisor.
  [[nodiscard]] std::expected<ControlClient, ControlError> reconnect() const;

  /// Sends a request and waits for its answer, the last part if there are several; `on_part` gets those before it, each
  /// of which renews the timeout.
  std::expected<boost::json::value, ControlError> request(
      std::string_view verb, boost::json::value body, std::chrono::milliseconds timeout = std::chrono::seconds(40),
      const std::function<void(const boost::json::value&)>& on_part = {});

  /// Like stream(), but with the text of each part, unchanged: exact numbers, any nesting. There may be any time
  /// between two parts, as long as the supervisor answers others: that is checked after each `silence_max`.
  std::expected<void, ControlError> stream_text(std::string_view verb, boost::json::value body,
                                                const std::function<bool(std::string_view)>& on_part,
                                                std::chrono::milliseconds silence_max = std::chrono::seconds(5));
  /// Sends a request and passes each part to `on_part`, until the end, an error, or `on_part` returns false.
  std::expected<void, ControlError> stream(std::string_view verb, boost::json::value body,
                                           const std::function<bool(const boost::json::value&)>& on_part);

 private:
  std::expected<protocol::ControlAnswer, ControlError> receive(std::uint64_t id, ControlConnection::TimePoint deadline);

  std::unique_ptr<ControlConnection> connection_;
  std::function<void(std::string_view)> on_waiting_;
  std::uint64_t last_id_ = 0;
};

}  // namespace epic::cluster
