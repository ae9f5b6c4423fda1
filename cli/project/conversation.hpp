#pragma once
// Conversation: a program that is asked line by line, and answers each with one.
//
// Its standard input and output are one socket of ours; what it says on stderr is the user's to read. It ends when the
// conversation does.

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cli/output/failure.hpp"

namespace epic::cli {

class Conversation {
 public:
  static Result<Conversation> start(const std::filesystem::path& program, const std::vector<std::string>& arguments);
  Conversation(Conversation&&) noexcept;
  Conversation& operator=(Conversation&&) = delete;
  /// Hangs up and waits for its end.
  ~Conversation();

  Result<std::string> ask(std::string_view line);
  /// The next line that it says by itself.
  Result<std::string> listen();

 private:
  struct Process;
  explicit Conversation(std::unique_ptr<Process> process);
  std::unique_ptr<Process> process_;
};

}  // namespace epic::cli
