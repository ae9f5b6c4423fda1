#pragma once
// Conversation: a program that gets requests line by line, and answers each with one line.
//
// Its standard input and output are one socket of ours; its stderr goes to the user. It ends with the conversation.

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
  /// Closes the connection and waits for the program to end.
  ~Conversation();

  Result<std::string> ask(std::string_view line);
  /// The next line that the program sends on its own.
  Result<std::string> listen();

 private:
  struct Process;
  explicit Conversation(std::unique_ptr<Process> process);
  std::unique_ptr<Process> process_;
};

}  // namespace epic::cli
