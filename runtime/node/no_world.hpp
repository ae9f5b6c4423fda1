#pragma once
// NoWorld: what surrounds a kernel that runs no calls and only lends its tables to code that reads or writes a store.

#include <fmt/format.h>

#include <cstdio>

#include "kernel/syscalls.hpp"

namespace epic::node {

/// Logs what constructors log; everything else goes nowhere.
class NoWorld final : public kernel::Syscalls {
  void send(const kernel::PeerAddress&, kernel::Message) override {}
  [[nodiscard]] bool has_room(const kernel::PeerAddress&) const override { return true; }
  void load(kernel::ActivationId, std::string_view, std::string_view) override {}
  void load_mail(const kernel::ShardEpoch&, std::uint64_t) override {}
  void load_answer(const kernel::ShardEpoch&, const kernel::AnswerId&) override {}
  void load_oldest_answer(const kernel::ShardEpoch&) override {}
  void load_reminders(const kernel::ShardEpoch&, const kernel::ReminderPlace&, std::size_t) override {}
  void commit(kernel::Batch) override {}
  void take(std::vector<kernel::ShardId>) override {}
  void released(kernel::ShardId) override {}
  void start_blocking(std::shared_ptr<detail::BlockingWork>) override {}
  void log(kernel::LogLevel, std::string_view, std::string_view message) override {
    fmt::print(stderr, "{}\n", message);
  }
};

}  // namespace epic::node
