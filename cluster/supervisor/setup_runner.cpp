#include "cluster/supervisor/setup_runner.hpp"

#include <fmt/format.h>

#include <array>

namespace epic::cluster {

std::string_view to_string(SetupState state) {
  static constexpr std::array<std::string_view, 4> kNames = {"none", "running", "done", "failed"};
  return kNames[static_cast<std::size_t>(state)];
}

std::optional<kernel::NodeId> SetupRunner::try_begin(std::optional<kernel::NodeId> ready) {
  if (state_ == SetupState::done || state_ == SetupState::failed || node_ || !ready) return std::nullopt;
  state_ = SetupState::running;
  node_ = ready;
  ++attempts_;
  return node_;
}

bool SetupRunner::on_done(kernel::NodeId node, const std::string& error) {
  if (node_ != node) return false;
  node_.reset();
  state_ = error.empty() ? SetupState::done : SetupState::failed;
  error_ = error;
  return true;
}

bool SetupRunner::on_left(kernel::NodeId node) {
  if (node_ != node) return false;
  node_.reset();
  if (attempts_ < kAttemptsMax) return false;
  state_ = SetupState::failed;
  error_ = fmt::format("{} nodes ended while they ran it; the last was node-{}", attempts_, node);
  return true;
}

}  // namespace epic::cluster
