#pragma once
// LogPrinter: log lines of several nodes, one below the other.
//
// For people each line has an aligned `[node-2]` in front, in a colour of its own. `epic logs` in a pipe gives fields
// between tabs instead. With -o json or jsonl a line is an object.

#include <memory>
#include <string>
#include <string_view>

#include "cli/output/console.hpp"
#include "cli/output/table.hpp"
#include "protocol/control_fabric.hpp"

namespace epic::cli {

enum class LogShape {
  prefixed,   // always "[node-2] message"
  by_reader,  // that on a terminal, tab-separated fields in a pipe
  bare,       // messages only
};

class LogPrinter {
 public:
  /// `width`: of the longest source name to come, for the alignment.
  LogPrinter(Console& console, LogShape shape, std::size_t width);

  void print(const protocol::control::Logs::Answer& line);
  void finish();

 private:
  [[nodiscard]] std::string prefix_of(std::string_view node) const;

  Console& console_;
  LogShape shape_;
  std::size_t width_;
  std::unique_ptr<Table> table_;  // for JSON, and for fields between tabs
};

}  // namespace epic::cli
