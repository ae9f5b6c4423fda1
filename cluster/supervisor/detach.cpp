// run_supervisor_detached(): the supervisor in its own process, and what it reports to the process that started it.

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "cluster/supervisor/line_splitter.hpp"
#include "cluster/supervisor/supervisor.hpp"
#include "protocol/json.hpp"

namespace epic::cluster {

namespace json = boost::json;

namespace {

/// From the last node's Ready to the fabric's: shards are taken in between, which a full disk can delay.
constexpr std::chrono::seconds kReadyPatience{30};
/// Then for the module's setup, whose failure is reported; one that takes longer goes on.
constexpr std::chrono::seconds kSetupPatience{10};

json::object to_json(const FabricReady& ready) {
  json::array nodes;
  for (const auto& node : ready.nodes)
    nodes.push_back(json::object{{"name", node.name}, {"pid", node.pid}, {"socket", node.socket.string()}});
  return {{"pid", ready.pid},
          {"nodes", std::move(nodes)},
          {"control_socket", ready.control_socket.string()},
          {"store", ready.store.string()},
          {"log_directory", ready.log_directory.string()},
          {"took_ms", ready.took.count()}};
}

std::string text_of(const json::value& value) { return std::string(std::string_view(value.as_string())); }

FabricReady ready_from(const json::object& object) {
  FabricReady ready{.pid = object.at("pid").to_number<pid_t>(),
                    .nodes = {},
                    .control_socket = text_of(object.at("control_socket")),
                    .store = text_of(object.at("store")),
                    .log_directory = text_of(object.at("log_directory")),
                    .took = std::chrono::milliseconds(object.at("took_ms").to_number<std::int64_t>())};
  for (const auto& node : object.at("nodes").as_array())
    ready.nodes.push_back({text_of(node.at("name")), node.at("pid").to_number<pid_t>(), text_of(node.at("socket"))});
  return ready;
}

/// In the new process: sends one message to the starter. False if the starter has gone.
bool tell(int fd, const json::object& what) {
  const std::string line = protocol::print_json(what) + "\n";
  return ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
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
      tell(starter, {{"log", protocol::format_log_line(line)}, {"source", line.source}});
  };
  own.on_event = [starter](const SupervisorEvent& event) {
    if (event.kind == SupervisorEventKind::setup_done) tell(starter, {{"setup", nullptr}});
    if (event.kind == SupervisorEventKind::setup_failed) tell(starter, {{"setup", event.text}});
  };
  own.on_ready = [starter, &is_ready](const FabricReady& ready) {
    is_ready = true;
    // The starter has given up (Ctrl-C) before the fabric was ready. Nobody would know that it runs, so it stops.
    if (!tell(starter, {{"ready", to_json(ready)}})) ::raise(SIGTERM);
  };
  own.on_error = [starter](const SupervisorError& error) {
    tell(starter,
         {{"error", json::object{{"message", error.message}, {"hint", error.hint}, {"log", error.log.string()}}}});
  };
  const int exit_code = run_supervisor(own);
  tell(starter, {{"exit", exit_code}});
  ::_exit(exit_code);
}

/// In the starter: what the new process has reported so far.
struct Heard {
  bool is_ready = false;
  bool is_set_up = false;  // or has failed to be
  bool has_setup_failed = false;
  std::optional<int> exit_code;
};

void hear(std::string_view line, const SupervisorOptions& options, Heard& heard) {
  const auto message = protocol::parse_json(line).value().as_object();
  if (const auto* ready = message.if_contains("ready")) {
    heard.is_ready = true;
    if (options.on_ready) options.on_ready(ready_from(ready->as_object()));
  } else if (const auto* error = message.if_contains("error")) {
    if (options.on_error)
      options.on_error({text_of(error->at("message")), text_of(error->at("hint")), text_of(error->at("log"))});
  } else if (const auto* line = message.if_contains("log")) {
    std::string text = text_of(*line);
    while (text.ends_with('\n')) text.pop_back();
    if (options.on_log)
      options.on_log(protocol::parse_log_line(text_of(message.at("source")), text, std::chrono::system_clock::now()));
  } else if (const auto* setup = message.if_contains("setup")) {
    heard.is_set_up = true;
    heard.has_setup_failed = setup->is_string();
    if (heard.has_setup_failed && options.on_event)
      options.on_event({SupervisorEventKind::setup_failed, text_of(*setup)});
  } else if (const auto* code = message.if_contains("exit")) {
    heard.exit_code = code->to_number<int>();
  }
}

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
                      options.project_directory / ".epic" / "logs" / "latest" / "supervisor.log"});
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

  Heard heard;
  LineSplitter lines{[&](std::string_view line) { hear(line, options, heard); }};
  bool is_given_up = false;
  const auto is_answered = [&] {
    return heard.exit_code || (heard.is_set_up && !is_given_up && options.after_setup == AfterSetup::keep_running);
  };
  auto give_up_at = std::chrono::steady_clock::now() + options.start_patience + kReadyPatience;
  bool was_ready = false;
  while (!is_answered()) {
    if (heard.is_ready && !std::exchange(was_ready, true))
      give_up_at = std::chrono::steady_clock::now() + kSetupPatience;
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
  if (heard.is_ready && !is_given_up) return heard.has_setup_failed ? kExitFailed : kExitOk;
  ::waitpid(child, nullptr, 0);
  return fail(options, "The supervisor ended before the fabric was ready, and reported no reason.");
}

}  // namespace epic::cluster
