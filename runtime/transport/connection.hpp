#pragma once
// Connection: one stream of Peers. Incoming bytes become messages; outgoing messages are gathered and written at once.
//
// Until the peer's Hello has arrived, messages for it are held as messages: none of their bytes has left, so they can
// use another connection, or be returned as refused.
//
// Not here: which messages are allowed when, and what an end means (peers.cpp). No I/O: the stream does it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "codec/peer_frames.hpp"
#include "kernel/limits.hpp"
#include "kernel/messages.hpp"
#include "protocol/frame_buffer.hpp"
#include "transport/stream.hpp"

namespace epic::transport {

class Connection final : private StreamUser {
 public:
  enum class Side : std::uint8_t { dialled, accepted };

  struct Owner {
    /// What was gathered can be written: flush(), now or later.
    virtual void on_writable(Connection& connection) = 0;
    /// The connection may be closed in here, but is not destroyed.
    virtual void on_message(Connection& connection, protocol::PeerMessage message) = 0;
    /// The stream has ended, or brought malformed bytes. An empty `why`: the other side closed it.
    virtual void on_end(Connection& connection, const std::string& why) = 0;

   protected:
    ~Owner() = default;
  };

  /// `address` is the one that was dialled, or of the side that has dialled us.
  Connection(Owner& owner, Side side, std::string address = {})
      : owner_(owner), side_(side), address_(std::move(address)) {}
  ~Connection() { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void start(StreamPtr stream);

  template <class Message>
  void append(const Message& message) {
    if (!is_closed_ && !has_said_last_word_) codec::append_frame(message, gathered_);
  }
  /// Nothing more is appended. `why` is the reason for its end.
  void say_no_more(std::string why) {
    has_said_last_word_ = true;
    fault_ = std::move(why);
  }
  [[nodiscard]] bool has_said_last_word() const { return has_said_last_word_; }

  /// Keeps `message` until append_held().
  void hold(kernel::Message message);
  void append_held();
  /// Takes over the held messages of `other`.
  void take_held(Connection& other);
  [[nodiscard]] std::vector<kernel::Message> release_held();

  void flush();
  [[nodiscard]] std::size_t unsent_bytes() const {
    return held_bytes_ + gathered_.size() + (writing_.size() - written_);
  }

  /// Reads no more; Peers ends it at the next on_time().
  void condemn(std::string why) {
    say_no_more(std::move(why));
    is_condemned_ = true;
  }
  [[nodiscard]] bool is_condemned() const { return is_condemned_; }
  /// Why it will end, if that is decided.
  [[nodiscard]] const std::string& fault() const { return fault_; }
  void close();
  [[nodiscard]] bool is_closed() const { return is_closed_; }

  [[nodiscard]] Side side() const { return side_; }
  [[nodiscard]] const std::string& address() const { return address_; }

  std::optional<kernel::PeerAddress> peer;      // has introduced itself
  std::optional<kernel::PeerAddress> expected;  // who should be there; empty: anyone
  std::uint64_t number = 0;                     // counted by Peers
  std::int64_t hello_due_ns = 0;                // 0: not decided yet
  bool is_in_flush_list = false;

 private:
  void on_open() override;
  std::span<std::byte> room() override;
  void on_bytes(std::size_t count) override;
  void on_writable() override;
  void on_end(std::string why) override;

  Owner& owner_;
  Side side_;
  std::string address_;
  StreamPtr stream_;
  protocol::FrameBuffer incoming_{kernel::limits::kFrameBytesMax};
  codec::PeerReader reader_;
  std::vector<kernel::Message> held_;
  std::size_t held_bytes_ = 0;  // about
  std::vector<std::byte> gathered_;
  std::vector<std::byte> writing_;
  std::size_t written_ = 0;
  bool is_open_ = false;
  bool is_blocked_ = false;  // the stream will report when it accepts more
  bool is_closed_ = false;
  bool has_said_last_word_ = false;
  bool is_condemned_ = false;
  std::string fault_;
};

}  // namespace epic::transport
