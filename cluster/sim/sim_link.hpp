#pragma once
// SimLink: a link between the supervisors of two simulated machines (supervisor/machine_link.hpp), as frames on a
// stream of the simulated network.

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cluster/supervisor/machine_link.hpp"
#include "codec/message_frames.hpp"
#include "kernel/assert.hpp"
#include "protocol/frame_buffer.hpp"
#include "transport/stream.hpp"

namespace epic::cluster::sim {

template <class In, class Out>
class SimLink final : public MachineLink<In, Out>,
                      private transport::StreamUser,
                      public std::enable_shared_from_this<SimLink<In, Out>> {
 public:
  using Events = MachineLink<In, Out>::Events;
  explicit SimLink(transport::StreamPtr stream) : stream_(std::move(stream)) {}

  void start(Events events) override {
    events_ = std::move(events);
    stream_->start(*this);
  }
  void send(const Out& message) override {
    if (is_closed_) return;
    writer_.append(message, unsent_);
    flush();
  }
  void close() override {
    is_closed_ = true;
    stream_->close();
  }
  [[nodiscard]] bool is_sent() const override { return unsent_.empty(); }

 private:
  void flush() {
    if (is_open_)
      unsent_.erase(unsent_.begin(), unsent_.begin() + static_cast<std::ptrdiff_t>(stream_->write(unsent_)));
  }

  // ---- StreamUser
  void on_open() override {
    is_open_ = true;
    flush();
  }
  std::span<std::byte> room() override { return buffer_.prepare(); }
  void on_bytes(std::size_t count) override {
    const auto self = this->shared_from_this();
    buffer_.commit(count);
    while (!is_closed_) {
      const auto frame = buffer_.next();
      EPIC_ASSERT(frame.has_value(), "a supervisor sent garbage: {}", frame.error().what);
      if (!*frame) return;
      const auto message = reader_.read(**frame);
      EPIC_ASSERT(message.has_value(), "a supervisor sent a bad message: {}", message.error().what);
      events_.on_message(*message);
    }
  }
  void on_writable() override { flush(); }
  void on_end(std::string) override {
    const auto self = this->shared_from_this();
    if (!std::exchange(is_closed_, true)) events_.on_closed();
  }

  transport::StreamPtr stream_;
  Events events_;
  bool is_open_ = false;
  bool is_closed_ = false;
  std::vector<std::byte> unsent_;
  protocol::FrameBuffer buffer_{protocol::kMachineFrameBytesMax};
  codec::FrameReader<In> reader_;
  codec::FrameWriter<Out> writer_;
};

}  // namespace epic::cluster::sim
