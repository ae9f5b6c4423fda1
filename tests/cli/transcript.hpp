#pragma once
// Transcript: commands as they are typed, and what the real `epic` answers, compared with a golden file.
//
// Every transcript has a directory of its own, with nothing of the user's environment that could change an answer.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace epic::cli_test {

struct Answer {
  int exit_code = 0;
  std::string out;
  std::string err;
};

class Transcript {
 public:
  /// `name` is that of the golden file.
  explicit Transcript(std::string name);
  ~Transcript();
  Transcript(const Transcript&) = delete;
  Transcript& operator=(const Transcript&) = delete;

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  /// Writes a file below the directory.
  void write(const std::filesystem::path& relative, std::string_view content);
  /// Runs `epic` with these words in `below`; what it says is added to the transcript.
  Answer run(std::vector<std::string> words, const std::filesystem::path& below = ".");
  /// The same, without a trace in the transcript.
  Answer run_quietly(std::vector<std::string> words, const std::filesystem::path& below = ".");
  /// What `epic` shows on a terminal of 100 columns that takes colours; both streams, as they come, with what was
  /// typed.
  std::string run_on_terminal(std::vector<std::string> words, std::string_view typed = {});
  /// Fails the test where the transcript differs from the golden file; with EPIC_BLESS set it writes that file.
  void check();

 private:
  [[nodiscard]] std::string neutral(std::string text) const;

  std::string name_;
  std::filesystem::path directory_;
  std::string text_;
};

}  // namespace epic::cli_test
