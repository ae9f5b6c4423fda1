#pragma once
// Batcher: which entities are dirty, and the number of the forming batch.
//
// A turn of a non-const method makes its entity dirty. At the end of a tick the dirty entities are encoded once each,
// however often they changed, and leave as one batch: a cut between turns. Batches that leave before the store's turn
// to write become one transaction there. While the store writes, the next batch keeps forming, so a slow disk makes
// larger batches, not more of them.
//
// Not here: encoding, and what waits for which number (saving.hpp).

#include <deque>
#include <utility>
#include <vector>

#include "kernel/activations/activation.hpp"
#include "kernel/ids.hpp"
#include "kernel/limits.hpp"

namespace epic::kernel {

class Batcher {
 public:
  /// The number that the forming batch will have.
  [[nodiscard]] CommitNumber forming() const { return forming_; }
  /// A batch has been sent and is not durable yet.
  [[nodiscard]] bool is_committing() const { return sent_ > durable_; }
  /// A batch closed now can still join those already sent.
  [[nodiscard]] bool may_send() const {
    return !is_store_writing_ && sent_.value - durable_.value < limits::kSentBatchesMax &&
           sent_bytes_ < limits::kSentBatchesBytesMax;
  }
  [[nodiscard]] bool has_dirty() const { return !dirty_.empty(); }

  void add(Activation& activation) {
    activation.is_dirty = true;
    dirty_.push_back(activation.id);
  }
  /// Closes the batch: its number, and its entities. The next one forms from here.
  [[nodiscard]] std::pair<CommitNumber, std::vector<ActivationId>> seal() {
    const CommitNumber number = forming_;
    forming_ = forming_.next();
    std::vector<ActivationId> next;
    next.reserve(dirty_.size());  // probably as many again
    return {number, std::exchange(dirty_, std::move(next))};
  }
  void on_sent(CommitNumber number, std::size_t bytes) {
    sent_ = number;
    sent_bytes_ += bytes;
    sent_batches_.emplace_back(number, bytes);
  }
  void on_store_writing(bool is_writing) { is_store_writing_ = is_writing && is_committing(); }
  /// Returns the number up to which everything is durable: batches closed after the last one sent were empty.
  [[nodiscard]] CommitNumber on_committed(CommitNumber number) {
    durable_ = number;
    is_store_writing_ = false;
    for (; !sent_batches_.empty() && sent_batches_.front().first <= number; sent_batches_.pop_front())
      sent_bytes_ -= sent_batches_.front().second;
    return is_committing() ? number : CommitNumber{forming_.value - 1};
  }

 private:
  CommitNumber forming_{1};
  CommitNumber sent_{0};
  std::deque<std::pair<CommitNumber, std::size_t>> sent_batches_;  // with their bytes; not durable yet
  std::size_t sent_bytes_ = 0;                                     // of all of them
  CommitNumber durable_{0};                                        // of those that were sent
  bool is_store_writing_ = false;
  std::vector<ActivationId> dirty_;
};

}  // namespace epic::kernel
