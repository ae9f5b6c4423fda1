#pragma once
// Transcript: runs commands as a user types them, and compares the output of the real `epic` with a golden file.
//
// Every transcript has its own directory, and nothing of the user's environment that could change the output.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace epic::cli_test {

/// The epic.toml of a project without an entity class of its own.
inline constexpr const char* kManifest = "[project]\nname = \"arena\"\n";

[[nodiscard]] std::string read_text(const std::filesystem::path& file);

struct Answer {
  int exit_code = 0;
  std::string out;
  std::string err;
};

class Transcript {
 public:
  /// `name` is the golden file's.
  explicit Transcript(std::string name);
  ~Transcript();
  Transcript(const Transcript&) = delete;
  Transcript& operator=(const Transcript&) = delete;

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  /// Writes a file below the directory.
  void write(const std::filesystem::path& relative, std::string_view content);
  /// Runs `epic` with these arguments in `below`; adds its output to the transcript.
  Answer run(std::vector<std::string> words, const std::filesystem::path& below = ".");
  /// The same, without adding to the transcript.
  Answer run_quietly(std::vector<std::string> words, const std::filesystem::path& below = ".");
  /// The same, and kills it after `delay_ms`. True if it had ended before.
  bool run_and_kill(std::vector<std::string> words, int delay_ms);
  /// What `epic` shows on a terminal of 100 columns with colours: both streams in order, together with the typed input.
  std::string run_on_terminal(std::vector<std::string> words, std::string_view typed = {});
  /// Fails the test if the transcript differs from the golden file; with EPIC_BLESS set, writes that file instead.
  void check();

 private:
  [[nodiscard]] std::string neutral(std::string text) const;

  std::string name_;
  std::filesystem::path directory_;
  std::string text_;
};

}  // namespace epic::cli_test
