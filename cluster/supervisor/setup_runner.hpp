#pragma once
// SetupRunner: the module's setup, once per run of the fabric.
//
// It runs on one node, and again on another if that node dies before setup returns; so setup must be idempotent. A
// setup that crashes its node each time is given up after a few tries.
//
// Events in, the node to ask out.

#include <optional>
#include <string>
#include <string_view>

#include "kernel/ids.hpp"

namespace epic::cluster {

enum class SetupState : std::uint8_t { none, running, done, failed };

/// "none", "running", "done", "failed".
[[nodiscard]] std::string_view to_string(SetupState state);

class SetupRunner {
 public:
  static constexpr int kAttemptsMax = 5;

  /// `ready`: a node that could run it now, if there is one. Returns the node to ask, if there is something to ask.
  /// Called when the fabric is settled, at first and after every change.
  [[nodiscard]] std::optional<kernel::NodeId> try_begin(std::optional<kernel::NodeId> ready);

  /// A former leader has come that far; what it has not seen the end of begins again.
  void resume(SetupState state) {
    if (state == SetupState::done || state == SetupState::failed) state_ = state;
  }

  /// True if this ended setup (and it had not ended before).
  bool on_done(kernel::NodeId node, const std::string& error);
  bool on_left(kernel::NodeId node);

  [[nodiscard]] SetupState state() const { return state_; }
  /// Why it failed.
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  SetupState state_ = SetupState::none;
  std::optional<kernel::NodeId> node_;  // the node that runs it now
  int attempts_ = 0;
  std::string error_;
};

}  // namespace epic::cluster
