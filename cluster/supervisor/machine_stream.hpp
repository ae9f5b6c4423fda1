#pragma once
// StreamLink: a link between the supervisors of two machines (machine_link.hpp), as frames on a stream: over a UNIX
// socket on one host, over TCP with TLS between several (transport/), over a simulated network.
//
// The address in coordination says which: a path begins with '/', and "10.0.0.3:7420" is TCP.
//
// Not here: what the messages mean (machine_agent.hpp, machines.hpp), who may connect (transport/tcp_medium.hpp).

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "cluster/supervisor/machine_link.hpp"
#include "codec/message_frames.hpp"
#include "protocol/frame_buffer.hpp"
#include "transport/stream.hpp"

namespace epic::cluster {

[[nodiscard]] inline bool is_tcp_address(const std::string& address) {
  return !address.empty() && !address.starts_with('/');
}

/// Reasons for the end of a link.
inline constexpr const char* kLinkClosed = "it has closed the connection";
inline constexpr const char* kLinkGarbled = "it has sent something else";

template <class In, class Out>
class StreamLink final : public MachineLink<In, Out>,
                         private transport::StreamUser,
                         public std::enable_shared_from_this<StreamLink<In, Out>> {
 public:
  using Events = MachineLink<In, Out>::Events;
  /// More is waiting for the other side than it can be asked to read at once: it is stopped, or gone.
  static constexpr std::size_t kUnsentBytesMax = 4 * protocol::kMachineFrameBytesMax;

  /// `post` runs something after what runs now.
  using Post = std::function<void(std::move_only_function<void()>)>;
  StreamLink(transport::StreamPtr stream, Post post) : stream_(std::move(stream)), post_(std::move(post)) {}
  StreamLink(const StreamLink&) = delete;
  StreamLink& operator=(const StreamLink&) = delete;
  ~StreamLink() {
    if (!is_closed_) stream_->close();
  }

  void start(Events events) override {
    events_ = std::move(events);
    stream_->start(*this);
  }
  void send(const Out& message) override {
    if (is_closed_ || is_too_slow_) return;
    writer_.append(message, gathered_);
    flush();
    if (gathered_.size() <= kUnsentBytesMax) return;
    is_too_slow_ = true;
    post_([weak = this->weak_from_this()] {
      if (const auto self = weak.lock()) self->fail("it does not read what it is sent");
    });
  }
  void close() override {
    if (!std::exchange(is_closed_, true)) stream_->close();
  }
  [[nodiscard]] bool is_sent() const override { return is_closed_ || unsent_bytes() == 0; }
  [[nodiscard]] std::size_t unsent_bytes() const override { return gathered_.size() + writing_.size() - written_; }
  [[nodiscard]] bool is_garbled() const override { return end_reason_ == kLinkGarbled; }
  void let_read_slowly() override { stream_->let_read_slowly(); }
  /// Why the other side has ended it, as a phrase; empty while it has not.
  [[nodiscard]] const std::string& end_reason() const { return end_reason_; }

 private:
  void flush() {
    while (is_open_ && !is_blocked_ && !is_closed_) {
      if (written_ == writing_.size()) {
        written_ = 0;
        writing_.clear();
        if (gathered_.empty()) return;
        std::swap(gathered_, writing_);
      }
      written_ += stream_->write(std::span(writing_).subspan(written_));
      is_blocked_ = written_ < writing_.size();
    }
  }
  void fail(std::string why) {
    if (is_closed_) return;
    end_reason_ = std::move(why);
    close();
    events_.on_closed();
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
      if (!frame) return fail(kLinkGarbled);
      if (!*frame) return;
      const auto message = reader_.read(**frame);
      if (!message) return fail(kLinkGarbled);
      events_.on_message(*message);
    }
  }
  void on_writable() override {
    const auto self = this->shared_from_this();
    is_blocked_ = false;
    flush();
    if (unsent_bytes() == 0 && events_.on_room) events_.on_room();
  }
  void on_end(std::string why) override {
    const auto self = this->shared_from_this();
    fail(why.empty() ? kLinkClosed : std::move(why));
  }

  transport::StreamPtr stream_;
  Post post_;
  Events events_;
  bool is_open_ = false;
  bool is_blocked_ = false;  // the stream will report when it accepts more
  bool is_closed_ = false;
  bool is_too_slow_ = false;
  std::string end_reason_;
  std::vector<std::byte> gathered_;
  std::vector<std::byte> writing_;
  std::size_t written_ = 0;
  protocol::FrameBuffer buffer_{protocol::kMachineFrameBytesMax};
  codec::FrameReader<In> reader_;
  codec::FrameWriter<Out> writer_;
};

}  // namespace epic::cluster
