#pragma once
// KeptMessages: what one side of a machine's link has sent and the other has not confirmed. When the link breaks and
// another is made, the rest is sent again (protocol/machines.hpp).

#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

namespace epic::cluster {

template <class Message>
class KeptMessages {
 public:
  /// How many may wait.
  static constexpr std::size_t kCountMax = 100'000;

  /// False, and the message is not kept, if there are too many.
  [[nodiscard]] bool try_keep(Message message) {
    if (waiting_.size() >= kCountMax) return false;
    waiting_.push_back(std::move(message));
    return true;
  }
  /// `count`: all that the other side has received.
  void on_counted(std::uint64_t count) {
    while (confirmed_ < count && !waiting_.empty()) {
      waiting_.pop_front();
      ++confirmed_;
    }
  }
  /// The oldest first.
  [[nodiscard]] const std::deque<Message>& list() const { return waiting_; }

 private:
  std::uint64_t confirmed_ = 0;
  std::deque<Message> waiting_;
};

}  // namespace epic::cluster
