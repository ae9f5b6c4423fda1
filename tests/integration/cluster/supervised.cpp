#include "integration/cluster/supervised.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <fstream>
#include <utility>

#include "protocol/json.hpp"

namespace epic::test {

namespace fs = std::filesystem;
namespace json = boost::json;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto kTimeout = 30s;

int left_ms(Clock::time_point deadline) {
  return static_cast<int>(
      std::max<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count(), 0));
}

void write_line(int fd, std::string line) {
  std::ranges::replace(line, '\n', '~');
  line += '\n';
  if (::write(fd, line.data(), line.size()) < 0) ::_exit(99);
}

/// A forked process has all that was open: connections of this process would not end for their other sides while it
/// lives.
void close_all_but(int kept) {
  const auto number = static_cast<unsigned>(kept);
  if (number > STDERR_FILENO + 1) ::close_range(STDERR_FILENO + 1, number - 1, 0);
  ::close_range(number + 1, ~0U, 0);
}

/// The supervisor's process, from fork to its end.
[[noreturn]] void supervise(cluster::SupervisorOptions options, int events) {
  options.on_ready = [events](const cluster::FabricReady& ready) {
    write_line(events, fmt::format("ready {} nodes, logs in {}", ready.nodes.size(), ready.log_directory.string()));
  };
  options.on_event = [events](const cluster::SupervisorEvent& event) {
    static constexpr std::array<std::string_view, 6> kNames = {"setup_done", "setup_failed", "stopping",
                                                               "killing",    "stopped",      "setting_up"};
    write_line(events, fmt::format("event {} {}", kNames[static_cast<std::size_t>(event.kind)], event.text));
  };
  options.on_error = [events](const cluster::SupervisorError& error) {
    write_line(events, fmt::format("error {}|{}|{}", error.message, error.hint, error.log.string()));
  };
  options.on_log = [events](const protocol::LogLine& line) {
    write_line(events, fmt::format("log {} {} {} {}", line.source, protocol::to_string(line.level),
                                   line.entity.empty() ? "-" : line.entity, line.message));
  };
  ::_exit(cluster::run_supervisor(options));
}

}  // namespace

ProjectDirectory::ProjectDirectory() {
  std::string name = (fs::temp_directory_path() / "epic-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make a directory like " + name);
  path_ = name;
}

ProjectDirectory::~ProjectDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::vector<std::string> ProjectDirectory::list_left_behind() const {
  std::vector<std::string> found;
  std::error_code vanished;
  for (const auto& entry : fs::recursive_directory_iterator(path_ / ".epic", vanished))
    if (entry.is_socket(vanished) || entry.path().parent_path().filename() == "run" ||
        entry.path().filename() == "supervisor.lock")
      found.push_back(entry.path().filename().string());
  return found;
}

void ProjectDirectory::wait_until_nothing_is_left() const {
  const auto deadline = Clock::now() + kTimeout;
  auto left = list_left_behind();
  for (; !left.empty() && Clock::now() < deadline; left = list_left_behind()) ::poll(nullptr, 0, 10);
  if (!left.empty()) FAIL("still there: " << left.front());
}

cluster::SupervisorOptions fake_options(const ProjectDirectory& project, const std::string& module) {
  cluster::SupervisorOptions options;
  options.project_name = "fake";
  options.project_directory = project.path();
  options.module_path = project.path() / module;
  std::ofstream(options.module_path) << module;
  options.node_program = EPIC_FAKE_NODE;
  options.version = "1.2.3";
  options.fabric.heartbeat = 50ms;
  options.quiet = 100ms;
  options.fabric.grace = 20s;
  options.restart.delay_first = 20ms;
  return options;
}

Supervised::Supervised(const ProjectDirectory& project, const std::string& module,
                       const std::function<void(cluster::SupervisorOptions&)>& change,
                       const std::function<void()>& enter)
    : socket_(project.path() / ".epic" / "control.sock") {
  cluster::SupervisorOptions options = fake_options(project, module);
  if (change) change(options);
  int pipe[2];
  REQUIRE(::pipe2(pipe, O_CLOEXEC) == 0);
  pid_ = ::fork();
  REQUIRE(pid_ >= 0);
  if (pid_ == 0) {
    if (enter) enter();
    close_all_but(pipe[1]);
    supervise(options, pipe[1]);
  }
  ::close(pipe[1]);
  events_ = pipe[0];
}

Supervised::~Supervised() {
  if (!is_reaped_) {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  ::close(events_);
}

void Supervised::signal(int number) const { REQUIRE(::kill(pid_, number) == 0); }

std::string Supervised::wait_for(std::string_view text) {
  return wait_for_line(text, [&](std::string_view line) { return line.find(text) != std::string_view::npos; });
}

std::string Supervised::wait_for_error() {
  return wait_for_line("an error", [](std::string_view line) { return line.starts_with("error "); });
}

std::string Supervised::wait_for_line(std::string_view what, const std::function<bool(std::string_view)>& is_meant) {
  const auto deadline = Clock::now() + kTimeout;
  while (true) {
    for (auto end = unread_.find('\n'); end != std::string::npos; end = unread_.find('\n')) {
      std::string line = unread_.substr(0, end);
      unread_.erase(0, end + 1);
      heard_ += line + "\n";
      if (is_meant(line)) return line;
    }
    pollfd readable{events_, POLLIN, 0};
    char bytes[4096];
    const ssize_t count = ::poll(&readable, 1, left_ms(deadline)) > 0 ? ::read(events_, bytes, sizeof bytes) : -1;
    if (count <= 0) {
      INFO("heard so far:\n" << heard_);
      FAIL((count == 0 ? "the supervisor ended before it said: " : "the supervisor did not say in time: ") << what);
    }
    unread_.append(bytes, static_cast<std::size_t>(count));
  }
}

void Supervised::listen() {
  pollfd readable{events_, POLLIN, 0};
  char bytes[4096];
  while (::poll(&readable, 1, 0) > 0) {
    const ssize_t count = ::read(events_, bytes, sizeof bytes);
    if (count <= 0) return;
    unread_.append(bytes, static_cast<std::size_t>(count));
  }
}

int Supervised::wait_for_end() {
  // The pipe closes with the process; its last lines stay readable.
  const auto deadline = Clock::now() + kTimeout;
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0));
  REQUIRE(process >= 0);
  pollfd ended{process, POLLIN, 0};
  while (true) {
    pollfd both[2] = {ended, {events_, POLLIN, 0}};
    const int ready = ::poll(both, 2, left_ms(deadline));
    if (ready == 0) {
      INFO("heard so far:\n" << heard_ << unread_);
      FAIL("the supervisor did not end in time");
    }
    if (both[0].revents != 0) break;
    char bytes[4096];
    const ssize_t count = ::read(events_, bytes, sizeof bytes);
    if (count > 0) unread_.append(bytes, static_cast<std::size_t>(count));
  }
  ::close(process);
  int status = 0;
  REQUIRE(::waitpid(pid_, &status, 0) == pid_);
  is_reaped_ = true;
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

bool Supervised::has_ended() {
  if (!is_reaped_) is_reaped_ = ::waitpid(pid_, nullptr, WNOHANG) == pid_;
  return is_reaped_;
}

cluster::ControlClient Supervised::connect() const {
  auto client = cluster::ControlClient::connect(socket_);
  if (!client) FAIL(client.error().message);
  return std::move(*client);
}

json::object Supervised::ask(std::string_view verb, json::object body) {
  auto answer = connect().request(verb, std::move(body));
  if (!answer) FAIL(verb << ": " << answer.error().message);
  return answer->as_object();
}

cluster::ControlError Supervised::ask_in_vain(std::string_view verb, json::object body) {
  const auto answer = connect().request(verb, std::move(body));
  if (answer) FAIL(verb << " succeeded: " << epic::protocol::print_json(*answer));
  return answer.error();
}

std::vector<json::object> Supervised::stream(std::string_view verb, json::object body) {
  std::vector<json::object> parts;
  const auto done = connect().stream(verb, std::move(body), [&](const json::value& part) {
    parts.push_back(part.as_object());
    return true;
  });
  if (!done) FAIL(verb << ": " << done.error().message);
  return parts;
}

json::object Supervised::call(std::string_view entity, std::string_view method, json::array arguments) {
  return ask("call", {{"entity", entity}, {"method", method}, {"args", std::move(arguments)}});
}

json::object Supervised::wait_for_ps(std::string_view what, const std::function<bool(const json::object&)>& is_met) {
  const auto deadline = Clock::now() + kTimeout;
  while (true) {
    json::object ps = ask("ps");
    if (is_met(ps)) return ps;
    if (Clock::now() > deadline) {
      INFO(epic::protocol::print_json(ps));
      FAIL("not in time: " << what);
    }
    ::poll(nullptr, 0, 10);  // yields to other processes; the test waits for the condition above
  }
}

json::object Supervised::wait_until_level() {
  return wait_for_ps("all nodes ready, and shards spread evenly", [](const json::object& ps) {
    const auto& nodes = ps.at("nodes").as_array();
    std::int64_t least = INT64_MAX;
    std::int64_t most = 0;
    for (const auto& node : nodes) {
      if (node.at("state").as_string() != "ready") return false;
      least = std::min(least, node.at("shards").to_number<std::int64_t>());
      most = std::max(most, node.at("shards").to_number<std::int64_t>());
    }
    return most - least <= 1;
  });
}

std::vector<pid_t> Supervised::list_node_pids() {
  std::vector<pid_t> pids;
  const json::object ps = ask("ps");
  for (const auto& node : ps.at("nodes").as_array())
    if (!node.at("pid").is_null()) pids.push_back(node.at("pid").to_number<pid_t>());
  return pids;
}

void wait_for_death(pid_t pid) {
  const int process = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
  if (process < 0) return;  // already gone
  pollfd ended{process, POLLIN, 0};
  const int ready = ::poll(&ended, 1, static_cast<int>(std::chrono::milliseconds(kTimeout).count()));
  ::close(process);
  if (ready != 1) FAIL("process " << pid << " still lives");
}

}  // namespace epic::test
