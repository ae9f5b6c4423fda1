#pragma once
// LogPrinter: log lines of several nodes, one per line.
//
// For people each line starts with an aligned `[node-2]` in its own colour. `epic logs` in a pipe prints tab-separated
// fields instead. With -o json or jsonl each line is an object.

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
  /// `width`: the length of the longest source name to come, for the alignment.
  LogPrinter(Console& console, LogShape shape, std::size_t width);

  void print(const protocol::control::Logs::Answer& line);
  void finish();

 private:
  [[nodiscard]] std::string prefix_of(std::string_view node) const;

  Console& console_;
  LogShape shape_;
  std::size_t width_;
  std::unique_ptr<Table> table_;  // for JSON, and for tab-separated fields
};

}  // namespace epic::cli
