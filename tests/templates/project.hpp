#pragma once
// Project: created by the installed `epic`, in its own folder, and used as its README says.
//
// Everything goes through the installed prefix; nothing in the source tree is used.

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace epic::templates_test {

struct Answer {
  int exit_code = 0;
  std::string out;
  std::string err;
};

class Project {
 public:
  /// `epic new NAME words…`. Empties the folder first, and leaves it behind so that failures can be examined.
  Project(const std::string& name, std::vector<std::string> words);
  /// Stops the fabric if one is still running.
  ~Project();
  Project(const Project&) = delete;
  Project& operator=(const Project&) = delete;

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  void write(const std::filesystem::path& relative, std::string_view content) const;

  /// Runs a program in the project; prefers the installed program of that name.
  [[nodiscard]] Answer run(const std::string& program, std::vector<std::string> arguments) const;
  /// The same, but fails the test with the full output unless the exit code is 0.
  Answer must_run(const std::string& program, std::vector<std::string> arguments) const;

 private:
  std::filesystem::path directory_;
};

}  // namespace epic::templates_test
