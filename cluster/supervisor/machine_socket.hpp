#pragma once
// SocketLink: a link between the supervisors of two machines (machine_link.hpp), as frames on a socket.
//
// On one host it is a UNIX socket below the `.epic` of the machine that listens, mode 0600, and both sides check that
// the other is the same user's.
//
// Not here: what the messages mean (machine_agent.hpp, machines.hpp).

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstddef>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cluster/control/supervisor_error.hpp"
#include "cluster/supervisor/machine_link.hpp"
#include "codec/message_frames.hpp"
#include "protocol/frame_buffer.hpp"

namespace epic::cluster {

/// The bytes of a link. On its io_context's only thread; kept alive by what is under way, until it is closed.
class MachineStream : public std::enable_shared_from_this<MachineStream> {
 public:
  explicit MachineStream(boost::asio::local::stream_protocol::socket socket) : socket_(std::move(socket)) {}
  virtual ~MachineStream() = default;

 protected:
  void begin() { read(); }
  void shut();
  [[nodiscard]] bool is_open() const { return socket_.is_open(); }
  [[nodiscard]] bool is_flushed() const { return sending_.empty() && unsent_.empty(); }
  /// False if it makes no sense: the link is closed.
  [[nodiscard]] virtual bool on_frame(std::span<const std::byte> payload) = 0;
  virtual void on_closed() = 0;
  [[nodiscard]] std::vector<std::byte>& unsent() { return unsent_; }
  /// Sends what was added to unsent().
  void flush();

 private:
  void read();
  void fail();
  void write();

  boost::asio::local::stream_protocol::socket socket_;
  protocol::FrameBuffer buffer_{protocol::kMachineFrameBytesMax};
  std::vector<std::byte> sending_;  // Invariant: non-empty exactly while a write is in progress
  std::vector<std::byte> unsent_;
};

template <class In, class Out>
class SocketLink final : public MachineLink<In, Out>, public MachineStream {
 public:
  using Events = MachineLink<In, Out>::Events;
  explicit SocketLink(boost::asio::local::stream_protocol::socket socket) : MachineStream(std::move(socket)) {}

  void start(Events events) override {
    events_ = std::move(events);
    begin();
  }
  void send(const Out& message) override {
    if (!is_open()) return;
    writer_.append(message, unsent());
    flush();
  }
  void close() override { shut(); }
  [[nodiscard]] bool is_sent() const override { return is_flushed(); }

 private:
  bool on_frame(std::span<const std::byte> payload) override {
    const auto message = reader_.read(payload);
    if (message) events_.on_message(*message);
    return message.has_value();
  }
  void on_closed() override { events_.on_closed(); }

  Events events_;
  codec::FrameReader<In> reader_;
  codec::FrameWriter<Out> writer_;
};

/// The error is a sentence's end.
[[nodiscard]] std::expected<boost::asio::local::stream_protocol::socket, std::string> connect_machine(
    boost::asio::io_context& context, const std::filesystem::path& path);

/// Accepts links at a path, which is removed at its end.
class MachineListener {
 public:
  using OnLink = std::function<void(boost::asio::local::stream_protocol::socket)>;
  [[nodiscard]] static std::expected<std::unique_ptr<MachineListener>, SupervisorError> listen(
      boost::asio::io_context& context, const std::filesystem::path& path, OnLink on_link);
  ~MachineListener();

 private:
  struct Shared;
  explicit MachineListener(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}
  std::shared_ptr<Shared> shared_;  // shared with Asio handlers that outlive this object
};

}  // namespace epic::cluster
