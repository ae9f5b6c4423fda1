#include "templates/project.hpp"

#include <catch2/catch.hpp>
#include <fstream>

#include "cli/project/subprocess.hpp"

namespace epic::templates_test {
namespace fs = std::filesystem;
namespace {

const fs::path kPrefix = EPIC_TEST_PREFIX_DIR;

Answer run_in(const fs::path& directory, const std::string& program, std::vector<std::string> arguments) {
  const fs::path installed = kPrefix / "bin" / program;
  auto end = cli::run_subprocess({.program = fs::exists(installed) ? installed : fs::path(program),
                                  .arguments = std::move(arguments),
                                  .directory = directory});
  REQUIRE(end);
  return {end->exit_code, std::move(end->out), std::move(end->err)};
}

}  // namespace

Project::Project(const std::string& name, std::vector<std::string> words)
    : directory_(fs::path(EPIC_TEST_WORK_DIR) / name) {
  fs::remove_all(directory_);
  fs::create_directories(directory_.parent_path());
  words.insert(words.begin(), {"new", name});
  const Answer answer = run_in(directory_.parent_path(), "epic", std::move(words));
  INFO(answer.out << answer.err);
  REQUIRE(answer.exit_code == 0);
}

Project::~Project() { static_cast<void>(run("epic", {"stop"})); }

void Project::write(const fs::path& relative, std::string_view content) const {
  fs::create_directories((directory_ / relative).parent_path());
  std::ofstream(directory_ / relative, std::ios::binary) << content;
}

Answer Project::run(const std::string& program, std::vector<std::string> arguments) const {
  return run_in(directory_, program, std::move(arguments));
}

Answer Project::must_run(const std::string& program, std::vector<std::string> arguments) const {
  std::string line = program;
  for (const auto& argument : arguments) line += " " + argument;
  Answer answer = run(program, std::move(arguments));
  INFO("$ " << line << "\n" << answer.out << answer.err);
  REQUIRE(answer.exit_code == 0);
  return answer;
}

}  // namespace epic::templates_test
