#pragma once
// CrashMemory: memory shared with one process of a node, in which it records what it was running when it died.
//
// Anonymous: it is not in the file system, and is freed with the last process that has it mapped.

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
  /// Empty: no entity's code was running, or the process has noted that its end is nobody's deed. Controls are taken
  /// out of its words.
  [[nodiscard]] std::optional<Crash> read() const;
  /// Lines of its log that it has not written, and has not reported as dropped.
  [[nodiscard]] std::uint64_t count_lost_lines() const { return report_->unwritten_lines.load(); }

 private:
  [[nodiscard]] std::optional<Crash> read_running() const;

  CrashMemory(int file, protocol::CrashReport* report) : file_(file), report_(report) {}
  int file_;
  protocol::CrashReport* report_;
};

}  // namespace epic::cluster
