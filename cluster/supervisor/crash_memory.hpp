#pragma once
// CrashMemory: memory shared with one process of a node, in which it leaves word of its death.
//
// Anonymous: nothing of it is in the file system, and it goes with the last process that has it mapped.

#include <expected>
#include <optional>
#include <string>

#include "cluster/supervisor/node_exit.hpp"
#include "protocol/crash_report.hpp"

namespace epic::cluster {

class CrashMemory {
 public:
  /// The error is the system's, in words.
  static std::expected<CrashMemory, std::string> make();
  CrashMemory(CrashMemory&& other) noexcept;
  CrashMemory& operator=(CrashMemory&&) = delete;
  ~CrashMemory();

  /// By which a child process of ours can open it.
  [[nodiscard]] std::string path() const;
  /// Empty: the process wrote nothing, or no entity's code was running. Controls are taken out of its words.
  [[nodiscard]] std::optional<Crash> read() const;

 private:
  [[nodiscard]] std::optional<Crash> read_turn() const;

  CrashMemory(int file, protocol::CrashReport* report) : file_(file), report_(report) {}
  int file_;
  protocol::CrashReport* report_;
};

}  // namespace epic::cluster
