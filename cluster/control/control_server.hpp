#pragma once
// ControlServer: listens on the control socket and hands each request to the supervisor.
//
// Several requests of a connection may be under way; their answers interleave. Who can open the socket file (mode
// 0600: the user who runs the fabric) may do everything. A client that does not read its answers, or whose bytes make
// no sense, is cut off. A connection without a request under way is closed after a while, and sooner when a new one
// needs its place; one process cannot take all places.
//
// Not here: what the verbs do (supervisor/control_verbs.hpp).

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>

#include "cluster/control/control_reply.hpp"
#include "cluster/control/supervisor_error.hpp"

namespace epic::cluster {

struct ControlLimits {
  std::size_t connections_max = 256;
  std::size_t connections_of_process_max = 64;
  std::chrono::steady_clock::duration idle_max = std::chrono::minutes(5);  // half a request counts as idle
};

/// On the io_context's only thread.
class ControlServer {
 public:
  using Handler = std::function<void(const ControlRequest&, ControlReply)>;

  static constexpr std::size_t kUnsentBytesMax = 128u << 20;
  static constexpr std::size_t kRoomBytes = 1u << 20;  // unsent bytes from which on there is no room

  [[nodiscard]] static std::expected<std::unique_ptr<ControlServer>, SupervisorError> listen(
      boost::asio::io_context& context, const std::filesystem::path& path, Handler handler, ControlLimits limits = {});
  /// Closes all connections and removes the socket.
  ~ControlServer();

  /// `on_room` is called when a slow reader has caught up.
  void watch_room(std::function<void()> on_room);
  /// Accepts no more connections or requests; removes the socket file.
  void stop_listening();
  /// Calls `done` when every answer has been sent, or cannot be.
  void flush(std::function<void()> done);

 private:
  struct Shared;
  explicit ControlServer(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  std::shared_ptr<Shared> shared_;  // shared with Asio handlers that outlive this object
};

}  // namespace epic::cluster
