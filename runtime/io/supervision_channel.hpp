#pragma once
// SupervisionChannel: a node's end of the socket to its supervisor, on its own thread, so that heartbeats are sent and
// the supervisor's end is noticed, whatever the entities' code does.
//
// Not here: what the messages request (node/node.cpp).

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "codec/message_frames.hpp"
#include "protocol/frame_buffer.hpp"
#include "protocol/supervision.hpp"

namespace epic::io {

class SupervisionChannel {
 public:
  /// All are called on the channel's thread.
  struct Handlers {
    std::function<void(protocol::ToNode)> on_message;
    std::function<protocol::Heartbeat()> on_beat;
    /// The supervisor has ended, or has sent malformed data. Nothing is read afterwards.
    std::function<void(const std::string& why)> on_closed;
  };

  /// Takes ownership of `descriptor`.
  SupervisionChannel(int descriptor, Handlers handlers);
  ~SupervisionChannel();

  /// Any thread. Never waits.
  void send(const protocol::FromNode& message);
  /// Sends heartbeats from now on.
  void start_beating(std::chrono::nanoseconds interval);
  /// Bytes that the supervisor has not read yet.
  [[nodiscard]] std::size_t unsent_bytes();
  /// Waits until everything is written, up to a limit. Before the process ends.
  void flush_within(std::chrono::milliseconds timeout);

 private:
  void read_more();
  void on_read(const boost::system::error_code& error, std::size_t bytes);
  void write_more();
  void beat();
  void close(const std::string& why);

  Handlers handlers_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{context_.get_executor()};
  boost::asio::local::stream_protocol::socket socket_;
  boost::asio::steady_timer timer_;
  std::chrono::nanoseconds interval_{0};
  protocol::FrameBuffer incoming_{protocol::kSupervisionFrameBytesMax};
  codec::FrameReader<protocol::ToNode> reader_;
  std::vector<std::byte> writing_;  // channel's thread

  std::mutex mutex_;
  std::condition_variable written_;
  codec::FrameWriter<protocol::FromNode> writer_;
  std::vector<std::byte> gathered_;
  std::size_t writing_bytes_ = 0;
  bool is_writing_ = false;  // a write is in progress or requested
  bool is_closed_ = false;

  std::thread thread_;
};

}  // namespace epic::io
