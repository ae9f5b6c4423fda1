#pragma once
// KeptMessages: what one side of a machine's link has sent and the other has not confirmed. When the link breaks and
// another is made, the rest is sent again (protocol/machines.hpp).
//
// Invariant: every message that is sent and counted is kept; otherwise the two sides would count differently.
// Not here:  what is not sent at all once they are full (machine_agent.cpp, machines.cpp).

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

namespace epic::cluster {

template <class Message>
class KeptMessages {
 public:
  /// How many may wait before what can be spared is no longer sent …
  static constexpr std::size_t kCountMax = 100'000;
  /// … and how many bytes of text.
  static constexpr std::size_t kTextBytesMax = 64u << 20;

  /// Returns it, to be sent. `text_bytes`: of the text in it that may be long.
  const Message& keep(Message message, std::size_t text_bytes = 0) {
    waiting_.push_back(std::move(message));
    text_bytes_.push_back(text_bytes);
    text_bytes_waiting_ += text_bytes;
    return waiting_.back();
  }
  /// `count`: all that the other side has received.
  void on_counted(std::uint64_t count) {
    for (; confirmed_ < count && !waiting_.empty(); ++confirmed_) {
      text_bytes_waiting_ -= text_bytes_.front();
      text_bytes_.pop_front();
      waiting_.pop_front();
    }
  }
  /// The oldest first.
  [[nodiscard]] const std::deque<Message>& list() const { return waiting_; }
  [[nodiscard]] bool is_full() const { return waiting_.size() >= kCountMax || text_bytes_waiting_ >= kTextBytesMax; }
  /// There is room for much again.
  [[nodiscard]] bool is_half_empty() const {
    return waiting_.size() <= kCountMax / 2 && text_bytes_waiting_ <= kTextBytesMax / 2;
  }

 private:
  std::uint64_t confirmed_ = 0;
  std::deque<Message> waiting_;
  std::deque<std::size_t> text_bytes_;  // of each
  std::size_t text_bytes_waiting_ = 0;
};

}  // namespace epic::cluster
