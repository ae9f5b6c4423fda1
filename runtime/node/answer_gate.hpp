#pragma once
// AnswerGate: holds answers to the supervisor's requests back while the node's lease is over.
//
// What an answer shows was in the node's memory, which may be stale by then. If the lease comes back, nobody else has
// had the node's shards: the answers are right, and leave in their order. If it does not, the node ends, and nobody
// sees them. Their number is bounded by that of requests, and by the window of each stream (answer_streams.hpp).

#include <deque>
#include <functional>
#include <mutex>
#include <utility>

#include "io/lease.hpp"
#include "protocol/supervision.hpp"

namespace epic::node {

/// Any thread.
class AnswerGate {
 public:
  /// `lease` outlives this.
  AnswerGate(const io::Lease& lease, std::function<void(const protocol::FromNode&)> send)
      : lease_(lease), send_(std::move(send)) {}

  void send(const protocol::FromNode& answer) {
    if (!lease_.exists()) return send_(answer);
    const std::lock_guard lock(mutex_);
    held_.push_back(answer);
    send_held();
  }
  /// The lease has been renewed.
  void on_renewed() {
    const std::lock_guard lock(mutex_);
    send_held();
  }

 private:
  void send_held() {
    for (; !held_.empty() && lease_.is_valid(); held_.pop_front()) send_(held_.front());
  }

  const io::Lease& lease_;
  std::function<void(const protocol::FromNode&)> send_;
  std::mutex mutex_;
  std::deque<protocol::FromNode> held_;
};

}  // namespace epic::node
