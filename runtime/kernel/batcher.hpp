#pragma once
// Batcher: who is dirty, and the number of the batch that is forming.
//
// A turn of a non-const method makes its entity dirty. At the end of a tick, when no commit is under way, the dirty
// ones are encoded once each, however often they changed, and leave as one batch: a cut between turns. While a commit
// is under way the next batch forms, so a slow disk makes larger batches, not more of them.
//
// Not here: encoding, and who waits for which number (kernel_state.cpp).

#include <vector>

#include "kernel/activation.hpp"
#include "kernel/ids.hpp"

namespace epic::kernel {

class Batcher {
 public:
  /// The number that the batch now forming will have.
  [[nodiscard]] CommitNumber forming() const { return forming_; }
  [[nodiscard]] bool is_committing() const { return is_committing_; }
  [[nodiscard]] bool has_dirty() const { return !dirty_.empty(); }

  void add(Activation& activation) {
    activation.is_dirty = true;
    dirty_.push_back(activation.id);
  }
  /// Closes the batch: its number, and who goes into it. The next one forms from here.
  [[nodiscard]] std::pair<CommitNumber, std::vector<ActivationId>> seal() {
    const CommitNumber number = forming_;
    forming_ = forming_.next();
    return {number, std::exchange(dirty_, {})};
  }
  void begin_commit() { is_committing_ = true; }
  void end_commit() { is_committing_ = false; }

 private:
  CommitNumber forming_{1};
  bool is_committing_ = false;
  std::vector<ActivationId> dirty_;
};

}  // namespace epic::kernel
