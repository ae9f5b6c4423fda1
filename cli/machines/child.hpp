#pragma once
// Child: a program that runs beside this process, and ends with it.

#include <boost/asio/io_context.hpp>
#include <boost/process/v2/process.hpp>
#include <filesystem>
#include <string>
#include <vector>

#include "cli/output/failure.hpp"

namespace epic::cli {

struct ChildPlan {
  std::vector<std::string> command;  // the path of the program first
  std::filesystem::path directory;   // where it runs
  std::filesystem::path log =
      {};  // what it prints, instead of what was there; empty: it prints where this process does
  std::filesystem::path network = {};  // a network namespace, as a file; empty: that of this process
  bool hides_root = false;             // it believes itself to be another user than root; files stay this user's
  int signal_at_end = 0;               // that it gets when this process has ended
};

/// Its process is in a session of its own, so that a Ctrl-C of the terminal reaches this process only. Call it from the
/// main thread: children end with the thread that made them.
[[nodiscard]] Result<boost::process::v2::process> start_child(boost::asio::io_context& context, const ChildPlan& plan);

}  // namespace epic::cli
