// run_supervisor_detached(): the supervisor in its own process, and what it reports to the process that started it.

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/describe/class.hpp>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "cluster/supervisor/fleet.hpp"
#include "cluster/supervisor/line_splitter.hpp"
#include "cluster/supervisor/supervisor.hpp"
#include "codec/described_json.hpp"
#include "protocol/log_line.hpp"

namespace epic::cluster {

/// What the new process reports to the one that started it, a line of JSON each.
namespace detached {
struct Node {
  std::string name;
  std::int32_t pid = 0;
  std::string socket;
};
BOOST_DESCRIBE_STRUCT(Node, (), (name, pid, socket))
struct Ready {
  std::int32_t pid = 0;
  std::vector<Node> nodes;
  std::string control_socket, store, log_directory;
  std::chrono::milliseconds took{0};
  std::string address;
};
BOOST_DESCRIBE_STRUCT(Ready, (), (pid, nodes, control_socket, store, log_directory, took, address))
struct Failed {
  std::string message, hint, log;
};
BOOST_DESCRIBE_STRUCT(Failed, (), (message, hint, log))
struct Logged {
  std::string source, line;
};
BOOST_DESCRIBE_STRUCT(Logged, (), (source, line))
struct SetUp {
  std::optional<std::string> failure;
};
BOOST_DESCRIBE_STRUCT(SetUp, (), (failure))
struct Ended {
  std::int32_t exit_code = 0;
};
BOOST_DESCRIBE_STRUCT(Ended, (), (exit_code))

using Report = std::variant<Ready, Failed, Logged, SetUp, Ended>;
}  // namespace detached

namespace {

using detached::Report;

/// From the last node's Ready to the fabric's: shards are taken in between, which a full disk can delay.
constexpr std::chrono::seconds kReadyTimeout{30};

Report report_of(const FabricReady& ready) {
  detached::Ready report{.pid = ready.pid,
                         .nodes = {},
                         .control_socket = ready.control_socket.string(),
                         .store = ready.store.string(),
                         .log_directory = ready.log_directory.string(),
                         .took = ready.took,
                         .address = ready.address};
  for (const auto& node : ready.nodes) report.nodes.push_back({node.name, node.pid, node.socket.string()});
  return report;
}

FabricReady ready_from(const detached::Ready& report) {
  FabricReady ready{.pid = report.pid,
                    .nodes = {},
                    .control_socket = report.control_socket,
                    .store = report.store,
                    .log_directory = report.log_directory,
                    .took = report.took,
                    .address = report.address};
  for (const auto& node : report.nodes) ready.nodes.push_back({node.name, node.pid, node.socket});
  return ready;
}

/// The longest that is possible: the last lines of a node's output, most of whose bytes JSON writes as six.
constexpr std::size_t kReportBytesMax = 8 * LineSplitter::kLineBytesMax * Fleet::kLastLinesMax;

/// In the new process. False if the starter has gone.
bool send(int fd, const Report& report) {
  const std::string line = codec::describe_text(report) + "\n";
  for (std::size_t sent = 0; sent < line.size();) {
    const ssize_t count = ::write(fd, line.data() + sent, line.size() - sent);
    if (count < 0 && errno != EINTR) return false;
    sent += static_cast<std::size_t>(std::max<ssize_t>(count, 0));
  }
  return true;
}

/// The new process, from fork to its end.
[[noreturn]] void run_as_daemon(const SupervisorOptions& options, int starter) {
  ::setsid();
  const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing, fd);
  ::signal(SIGPIPE, SIG_IGN);

  SupervisorOptions own = options;
  bool is_ready = false;
  own.on_log = [starter, &is_ready](const protocol::LogLine& line) {
    if (!is_ready && line.level >= protocol::LogLevel::warn && line.level <= protocol::LogLevel::error)
      send(starter, detached::Logged{line.source, protocol::format_log_line(line)});
  };
  own.on_event = [starter](const SupervisorEvent& event) {
    if (event.kind == SupervisorEventKind::setup_done) send(starter, detached::SetUp{});
    if (event.kind == SupervisorEventKind::setup_failed) send(starter, detached::SetUp{event.text});
  };
  own.on_ready = [starter, &is_ready](const FabricReady& ready) {
    is_ready = true;
    // The starter has given up (Ctrl-C) before the fabric was ready. Nobody would know that it runs, so it stops.
    if (!send(starter, report_of(ready))) ::raise(SIGTERM);
  };
  own.on_error = [starter](const SupervisorError& error) {
    send(starter, detached::Failed{error.message, error.hint, error.log.string()});
  };
  const int exit_code = run_supervisor(own);
  send(starter, detached::Ended{exit_code});
  ::_exit(exit_code);
}

/// In the starter: takes in what the new process reports.
struct Heard {
  const SupervisorOptions& options;
  bool is_ready = false;
  bool is_set_up = false;  // or has failed to be
  bool has_setup_failed = false;
  std::optional<int> exit_code = {};

  void operator()(const detached::Ready& ready) {
    is_ready = true;
    if (options.on_ready) options.on_ready(ready_from(ready));
  }
  void operator()(const detached::Failed& failed) const {
    if (options.on_error) options.on_error({failed.message, failed.hint, failed.log});
  }
  void operator()(const detached::Logged& logged) const {
    std::string_view text = logged.line;
    while (text.ends_with('\n')) text.remove_suffix(1);
    if (options.on_log) options.on_log(protocol::parse_log_line(logged.source, text, std::chrono::system_clock::now()));
  }
  void operator()(const detached::SetUp& set_up) {
    is_set_up = true;
    has_setup_failed = set_up.failure.has_value();
    if (has_setup_failed && options.on_event) options.on_event({SupervisorEventKind::setup_failed, *set_up.failure});
  }
  void operator()(const detached::Ended& ended) { exit_code = ended.exit_code; }
};

/// False if there was none until then.
bool wait_for_bytes(int fd, std::chrono::steady_clock::time_point until) {
  while (true) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
    if (left.count() <= 0) return false;
    pollfd wanted{.fd = fd, .events = POLLIN, .revents = 0};
    const int count = ::poll(&wanted, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000)));
    if (count > 0 || (count < 0 && errno != EINTR)) return true;
  }
}

int fail(const SupervisorOptions& options, std::string message) {
  if (options.on_error)
    options.on_error({std::move(message), "See the supervisor's log, or run without --detach.",
                      (options.run_directory.empty() ? options.project_directory : options.run_directory) / ".epic" /
                          "logs" / "latest" / "supervisor.log"});
  return kExitFailed;
}

}  // namespace

int run_supervisor_detached(const SupervisorOptions& options) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0)
    return fail(options, fmt::format("Cannot create a pipe: {}.", std::strerror(errno)));
  const pid_t child = ::fork();
  if (child < 0) return fail(options, fmt::format("Cannot start a process: {}.", std::strerror(errno)));
  if (child == 0) {
    ::close(pipe[0]);
    run_as_daemon(options, pipe[1]);
  }
  ::close(pipe[1]);

  Heard heard{.options = options};
  LineSplitter lines{
      [&](std::string_view line) { std::visit(heard, codec::read_described_text<Report>(line).value()); },
      kReportBytesMax};
  bool is_given_up = false;
  const auto is_answered = [&] {
    return heard.exit_code || (heard.is_set_up && !is_given_up && options.after_setup == AfterSetup::keep_running);
  };
  auto give_up_at = std::chrono::steady_clock::now() + options.start_timeout + kReadyTimeout;
  bool was_ready = false;
  while (!is_answered()) {
    if (heard.is_ready && !std::exchange(was_ready, true))
      give_up_at = std::chrono::steady_clock::now() + options.setup_wait;
    if (!is_given_up && options.after_setup == AfterSetup::keep_running && !wait_for_bytes(pipe[0], give_up_at)) {
      if (was_ready) break;
      is_given_up = true;
      ::kill(child, SIGTERM);
    }
    char bytes[4096];
    const ssize_t count = ::read(pipe[0], bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    lines.add({bytes, static_cast<std::size_t>(count)});
  }
  ::close(pipe[0]);
  if (heard.exit_code) {
    ::waitpid(child, nullptr, 0);
    const bool is_cut_short = *heard.exit_code == kExitOk && options.after_setup == AfterSetup::keep_running;
    if (is_given_up)
      return fail(options, "The fabric was not ready in time and was stopped: no node could take the shards.");
    return is_cut_short ? fail(options, "The fabric was stopped before it was ready.") : *heard.exit_code;
  }
  if (heard.is_ready && !heard.is_set_up && !is_given_up && options.on_event)
    options.on_event({SupervisorEventKind::setting_up, {}});
  if (heard.is_ready && !is_given_up) return heard.has_setup_failed ? kExitFailed : kExitOk;
  ::waitpid(child, nullptr, 0);
  return fail(options, "The supervisor ended before the fabric was ready, and reported no reason.");
}

}  // namespace epic::cluster
