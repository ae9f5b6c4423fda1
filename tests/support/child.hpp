#pragma once
// Child: a forked process that reports lines to its parent through a pipe, and that the parent can kill.
//
// A line written before the kill still arrives: that makes it an acknowledgement.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace epic::test {

/// How the child reports to its parent.
class Reporter {
 public:
  explicit Reporter(int descriptor) : descriptor_(descriptor) {}
  /// Writes one line immediately. Ends the process if the parent has stopped reading.
  void line(std::string_view text) const;

 private:
  int descriptor_;
};

class Child {
 public:
  /// Runs `body` in a new process, which ends with it; an exception is reported as a line "error: …".
  explicit Child(const std::function<void(const Reporter&)>& body);
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  ~Child();

  /// The next line; empty at the end of the process. Fails the test if neither comes within 60 s.
  std::optional<std::string> read_line();
  [[nodiscard]] int report_descriptor() const { return reports_; }
  /// Sends SIGKILL and waits for the process to end.
  void kill();

 private:
  int process_ = -1;
  int reports_ = -1;
  std::string pending_;
};

}  // namespace epic::test
