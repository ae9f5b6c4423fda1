#include "cli/transcript.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <regex>
#include <sstream>

#include "cli/project/subprocess.hpp"

namespace epic::cli_test {
namespace fs = std::filesystem;
namespace {

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; !from.empty() && (at = text.find(from, at)) != std::string::npos; at += to.size())
    text.replace(at, from.size(), to);
}

std::string quoted(const std::string& word) {
  const bool plain = !word.empty() && word.find_first_of(" '\"\\$*{}[]<>|;&()\n\t") == std::string::npos;
  return plain ? word : "'" + word + "'";
}

fs::path golden_file(const std::string& name) {
  return fs::path(EPIC_SOURCE_DIR) / "tests/cli/golden" / (name + ".txt");
}

void neutralise_environment() {
  for (const char* name :
       {"EPIC_FORMAT", "EPIC_COLOR", "EPIC_PROJECT", "EPIC_NODES", "EPIC_TEMPLATE", "EPIC_NODE", "EPIC_TEMPLATES",
        "EPIC_CONNECT", "EPIC_SECRET_FILE", "EPIC_CERTIFICATES", "CLICOLOR_FORCE", "NO_COLOR"})
    ::unsetenv(name);
  ::setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
  ::setenv("TZ", "UTC", 1);
}

}  // namespace

std::string read_text(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  std::ostringstream text;
  text << stream.rdbuf();
  return text.str();
}

Transcript::Transcript(std::string name) : name_(std::move(name)) {
  neutralise_environment();
  std::string pattern = (fs::temp_directory_path() / "epic-cli-XXXXXX").string();
  REQUIRE(::mkdtemp(pattern.data()) != nullptr);
  directory_ = pattern;
}

Transcript::~Transcript() {
  std::error_code ignored;
  fs::remove_all(directory_, ignored);
}

void Transcript::write(const fs::path& relative, std::string_view content) {
  fs::create_directories((directory_ / relative).parent_path());
  std::ofstream(directory_ / relative, std::ios::binary) << content;
}

Answer Transcript::run_quietly(std::vector<std::string> words, const fs::path& below) {
  auto end =
      cli::run_subprocess({.program = EPIC_BINARY, .arguments = std::move(words), .directory = directory_ / below});
  REQUIRE(end);
  return {end->exit_code, std::move(end->out), std::move(end->err)};
}

bool Transcript::run_and_kill(std::vector<std::string> words, int delay_ms) {
  std::string program = EPIC_BINARY;
  std::vector<char*> arguments = {program.data()};
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    if (::chdir(directory_.c_str()) == 0) ::execv(program.c_str(), arguments.data());
    ::_exit(126);
  }
  pollfd ended{static_cast<int>(::syscall(SYS_pidfd_open, child, 0)), POLLIN, 0};
  const bool has_ended = ::poll(&ended, 1, delay_ms) == 1;
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  ::close(ended.fd);
  return has_ended;
}

std::string Transcript::run_on_terminal(std::vector<std::string> words, std::string_view typed) {
  std::string program = EPIC_BINARY;
  std::vector<char*> arguments = {program.data()};
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const winsize size{.ws_row = 30, .ws_col = 160, .ws_xpixel = 0, .ws_ypixel = 0};
  int terminal = -1;
  const pid_t child = ::forkpty(&terminal, nullptr, nullptr, &size);
  REQUIRE(child >= 0);
  if (child == 0) {
    ::setenv("TERM", "xterm", 1);
    if (::chdir(directory_.c_str()) == 0) ::execv(program.c_str(), arguments.data());
    ::_exit(126);
  }
  REQUIRE(::write(terminal, typed.data(), typed.size()) == static_cast<ssize_t>(typed.size()));
  std::string shown;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(terminal, buffer, sizeof buffer)) > 0;)
    shown.append(buffer, static_cast<std::size_t>(got));
  ::close(terminal);
  int status = 0;
  ::waitpid(child, &status, 0);
  std::erase(shown, '\r');
  return shown;
}

Answer Transcript::run(std::vector<std::string> words, const fs::path& below) {
  std::string line = "$ epic";
  for (const std::string& word : words) line += " " + quoted(word);
  Answer answer = run_quietly(std::move(words), below);
  text_ += line + "\n";
  if (!answer.out.empty()) text_ += neutral(answer.out) + (answer.out.ends_with('\n') ? "" : "\n");
  if (!answer.err.empty()) text_ += "[stderr]\n" + neutral(answer.err) + (answer.err.ends_with('\n') ? "" : "\n");
  text_ += fmt::format("[exit {}]\n\n", answer.exit_code);
  return answer;
}

std::string Transcript::neutral(std::string text) const {
  replace_all(text, directory_.string(), "<DIR>");
  replace_all(text, fs::path(EPIC_BINARY).parent_path().parent_path().string(), "<BUILD>");
  replace_all(text, EPIC_SOURCE_DIR, "<SOURCE>");
  replace_all(text, EPIC_VERSION, "<VERSION>");
  static const std::regex duration(R"(\b\d+(\.\d+)? (ms|s|min)\b)");
  return std::regex_replace(text, duration, "<TIME>");
}

void Transcript::check() {
  const fs::path file = golden_file(name_);
  if (std::getenv("EPIC_BLESS") != nullptr) {
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << text_;
    return;
  }
  INFO("golden file " << file.string() << "; EPIC_BLESS=1 rewrites it");
  CHECK(text_ == read_text(file));
}

}  // namespace epic::cli_test
