#pragma once
// Child: a forked process that reports lines to its parent through a pipe, and that the parent may kill.
//
// A line that was written before the kill arrives: that is what makes it an acknowledgement.

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace epic::test {

/// What the child has to speak with.
class Reporter {
 public:
  explicit Reporter(int descriptor) : descriptor_(descriptor) {}
  /// One line, at once. Ends the process when nobody listens any more.
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

  /// The next line; empty at the end of the process. The test fails if neither comes within 60 s.
  std::optional<std::string> read_line();
  [[nodiscard]] int report_descriptor() const { return reports_; }
  /// SIGKILL, and waits for the end.
  void kill();

 private:
  int process_ = -1;
  int reports_ = -1;
  std::string pending_;
};

}  // namespace epic::test
