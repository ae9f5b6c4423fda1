#pragma once
// Project: one made by the installed `epic`, in a folder of its own, used as its README says.
//
// Everything goes through the installed prefix; nothing of the source tree is on the way.

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
  /// `epic new NAME words…`. The folder is emptied first, and left behind for a look at what failed.
  Project(const std::string& name, std::vector<std::string> words);
  /// Stops the fabric, if one is left.
  ~Project();
  Project(const Project&) = delete;
  Project& operator=(const Project&) = delete;

  [[nodiscard]] const std::filesystem::path& directory() const { return directory_; }
  void write(const std::filesystem::path& relative, std::string_view content) const;

  /// Runs a program in the project, the installed one if there is one of this name.
  [[nodiscard]] Answer run(const std::string& program, std::vector<std::string> arguments) const;
  /// The same, and fails the test with all that was said unless it exits with 0.
  Answer must_run(const std::string& program, std::vector<std::string> arguments) const;

 private:
  std::filesystem::path directory_;
};

}  // namespace epic::templates_test
