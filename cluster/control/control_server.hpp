#pragma once
// ControlServer: listens on the control socket and hands each request to the supervisor.
//
// Several requests of a connection may be under way; their answers interleave. Whoever may open the socket file (mode
// 0600: the user who runs the fabric) may do everything. A client that does not read its answers, or whose bytes make
// no sense, is cut off. A connection without a request under way is closed after a while, and sooner when a new one
// needs its place; one process cannot take all places.
//
// Not here: what the verbs do (supervisor/control_verbs.hpp).

#include <boost/asio/io_context.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>

#include "cluster/control/supervisor_error.hpp"
#include "protocol/control_frames.hpp"

namespace epic::cluster {

using protocol::ControlRequest;
using protocol::ControlStatus;

class ControlSession;

/// The way back to one who asked. A value: copies answer the same request. Outlives its connection; answers to a closed
/// one go nowhere. A request that all its copies have left unanswered ends with a failure.
class ControlReply {
 public:
  /// A part of a streamed answer.
  void part(const boost::json::value& body) const;
  void part(std::string_view body) const;
  /// The answer, or the last part; an empty text ends a stream and adds nothing.
  void finish(const boost::json::value& body) const;
  void finish(std::string_view body = {}) const;
  void fail(ControlStatus status, std::string_view message, boost::json::value detail = nullptr) const;
  /// A failure whose body is made already.
  void fail_with(ControlStatus status, std::string_view body) const;
  /// False when nobody listens any more: streams stop.
  [[nodiscard]] bool is_open() const;
  /// False while the reader has much to read: a stream that can wait does.
  [[nodiscard]] bool has_room() const;

  struct State;
  explicit ControlReply(std::shared_ptr<State> state) : state_(std::move(state)) {}

 private:
  std::shared_ptr<State> state_;  // shared by the copies; the last one ends the request
};

struct ControlLimits {
  std::size_t connections_max = 256;
  std::size_t connections_of_process_max = 64;
  std::chrono::steady_clock::duration idle_max = std::chrono::minutes(5);  // half a request counts as idle
};

/// On the io_context's one thread.
class ControlServer {
 public:
  using Handler = std::function<void(const ControlRequest&, ControlReply)>;

  static constexpr std::size_t kUnsentBytesMax = 128u << 20;
  static constexpr std::size_t kRoomBytes = 1u << 20;  // unsent, from here on there is no room

  [[nodiscard]] static std::expected<std::unique_ptr<ControlServer>, SupervisorError> listen(
      boost::asio::io_context& context, const std::filesystem::path& path, Handler handler, ControlLimits limits = {});
  /// Closes what is open, and removes the socket.
  ~ControlServer();

  /// `on_room` is called when a reader that was behind has caught up.
  void watch_room(std::function<void()> on_room);
  /// Takes no new connections or requests; the socket file goes.
  void stop_listening();
  /// Calls `done` when everything that was answered has been sent, or cannot be.
  void flush(std::function<void()> done);

 private:
  struct Shared;
  explicit ControlServer(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  std::shared_ptr<Shared> shared_;  // shared with handlers that Asio still holds when this goes
};

}  // namespace epic::cluster
