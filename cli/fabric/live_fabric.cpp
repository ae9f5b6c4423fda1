#include "cli/fabric/live_fabric.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/json/object.hpp>
#include <cerrno>
#include <filesystem>

#include "cli/output/humanize.hpp"
#include "cli/project/connection.hpp"
#include "cli/project/machine_paths.hpp"
#include "cluster/supervisor/run_paths.hpp"

namespace epic::cli {
namespace {

using cluster::ControlError;
using cluster::ControlErrorCode;

/// The supervisor that holds the project's lock.
std::optional<pid_t> find_supervisor(const ProjectPaths& paths) {
  std::error_code error;
  const auto lock = files::read_file(cluster::RunPaths(paths.run_root).lock);
  const pid_t pid = lock ? std::atoi(lock->c_str()) : 0;
  if (pid <= 0) return std::nullopt;
  const auto program = std::filesystem::read_symlink(fmt::format("/proc/{}/exe", pid), error);
  return !error && program.filename() == "epic" ? std::optional(pid) : std::nullopt;
}

/// Nothing that needs an answer of the supervisor is of any use here.
Failure unreachable_fabric(const ControlError& error, const ProjectPaths& paths) {
  Failure failure = failure_of(error);
  const std::string socket = paths.control_socket().string();
  if (::access(socket.c_str(), W_OK) != 0 && errno == EACCES)
    failure.help.push_back(fmt::format("make its socket usable again: chmod 600 '{}'", socket));
  else if (const auto pid = find_supervisor(paths))
    failure.help.push_back(
        fmt::format("if it stays like that, end process {0} with 'kill -9 {0}': nothing acknowledged is lost", *pid));
  return failure;
}

Failure silent_supervisor(const ControlError& error, const ProjectPaths& paths) {
  Failure failure = unreachable_fabric(error, paths);
  if (const auto pid = find_supervisor(paths)) {
    failure.what = fmt::format("the supervisor of {} (process {}) does not answer", paths.root.string(), *pid);
    failure.why = "it is stopped, or blocked";
  }
  return failure;
}

bool is_answering(const ProjectPaths& paths) {
  auto client = cluster::ControlClient::connect(paths.control_socket());
  return client &&
         client->request(control::Ping::kVerb.name, boost::json::object(), LiveFabric::kSilenceMax).has_value();
}

Failure deaf_supervisor(const ProjectPaths& paths, pid_t pid) {
  return {.code = ExitCode::unreachable,
          .what = fmt::format("the fabric of {} is process {}, and there is no {}", paths.root.string(), pid,
                              paths.control_socket().string()),
          .why = "it is starting or stopping, or the socket was removed",
          .help = {fmt::format("if it stays like that, stop it with 'kill {}', which saves everything", pid)}};
}

}  // namespace

std::string find_move_risk(const ProjectPaths& paths) {
  if (paths.store.keeps_state()) return {};
  return "no state is kept (store in epic.toml): entities whose shards move start afresh";
}

std::string describe_leaving(const std::string& node, std::uint64_t shards) {
  return fmt::format("{} still has {}: calls or on_deactivate run there, and have [fabric] grace to end", node,
                     count_of(shards, "shard", "shards"));
}

Failure still_going_on(Failure failure) {
  if (failure.code == ExitCode::unreachable)
    failure.why = "the request may still be in progress: for example, a node that cannot save cannot leave";
  return failure;
}

Failure no_fabric_failure(const ProjectPaths& paths) {
  return {.code = ExitCode::not_found,
          .what = fmt::format("no fabric is running for {}", paths.root.string()),
          .help = {"start one with 'epic run'"}};
}

Result<std::optional<LiveFabric>> LiveFabric::find(const ProjectPaths& paths, std::chrono::milliseconds silence_max) {
  if (paths.connection) {
    auto client = EPIC_TRY(client_of(*paths.connection));
    client.set_on_waiting(paths.on_waiting);
    return std::optional<LiveFabric>(LiveFabric(std::move(client), paths));
  }
  auto here = EPIC_TRY(find_here(paths, silence_max));
  if (here || paths.has_joined()) return here;
  // The machine in the project's directory may be the one that has died.
  const MachinePaths machines(paths.root);
  const auto keeper = find_machine_keeper(machines);
  for (std::size_t machine = 1; keeper && machine < keeper->count; ++machine) {
    ProjectPaths other = paths;
    other.run_root = machines.directory(machine);
    if (auto found = EPIC_TRY(find_here(other, silence_max))) return found;
  }
  return std::nullopt;
}

Result<std::optional<LiveFabric>> LiveFabric::find_here(const ProjectPaths& paths,
                                                        std::chrono::milliseconds silence_max) {
  if (auto ours = check_state_directory(paths); !ours) return std::unexpected(std::move(ours.error()));
  if (auto own = files::refuse_link(paths.control_socket()); !own) return fail(cli::failure_of(own.error()));
  auto client = cluster::ControlClient::connect(paths.control_socket());
  if (client) {
    client->set_on_waiting(paths.on_waiting);
    const auto pong = client->request(control::Ping::kVerb.name, boost::json::object(), silence_max);
    if (!pong && pong.error().code == ControlErrorCode::unreachable)  // any other answer is one
      return fail(silent_supervisor(pong.error(), paths));
    return std::optional<LiveFabric>(LiveFabric(std::move(*client), paths));
  }
  if (client.error().code == ControlErrorCode::no_fabric) {
    std::error_code ignored;
    const bool has_socket = std::filesystem::exists(paths.control_socket(), ignored);
    const auto pid = has_socket ? std::nullopt : find_supervisor(paths);
    if (pid) return fail(deaf_supervisor(paths, *pid));
    return std::optional<LiveFabric>();
  }
  return fail(unreachable_fabric(client.error(), paths));
}

Result<LiveFabric> LiveFabric::get(const ProjectPaths& paths) {
  auto found = EPIC_TRY(find(paths));
  if (!found) return fail(no_fabric_failure(paths));
  return std::move(*found);
}

Failure LiveFabric::senseless_answer(const control::VerbInfo& verb, const std::string& why) {
  return {.what = fmt::format("the fabric's answer to '{}' is malformed", verb.name),
          .why = why,
          .help = {"see 'epic logs'"}};
}

Failure LiveFabric::failure_of(const cluster::ControlError& error) const {
  if (error.code != ControlErrorCode::unreachable) return cli::failure_of(error);
  if (paths_.connection && !client_of(*paths_.connection)) return cli::failure_of(error);
  if (!paths_.connection && !is_answering(paths_)) return unreachable_fabric(error, paths_);
  Failure failure = cli::failure_of(error);
  failure.help.push_back("see its processes with 'epic ps' and its log with 'epic logs', or stop it with 'epic stop'");
  return failure;
}

Result<boost::json::value> LiveFabric::ask_json(const control::VerbInfo& verb, boost::json::value body,
                                                std::chrono::milliseconds timeout,
                                                const std::function<void(const boost::json::value&)>& on_part) {
  auto answer = client_.request(verb.name, std::move(body), timeout, on_part);
  if (!answer) return fail(failure_of(answer.error()));
  return std::move(*answer);
}

Result<void> LiveFabric::stream_text(const control::VerbInfo& verb, boost::json::value body,
                                     const std::function<bool(std::string_view)>& on_part) {
  auto done = client_.stream_text(verb.name, std::move(body), on_part);
  if (!done) return fail(failure_of(done.error()));
  return {};
}

Catalog LiveFabric::catalog(std::chrono::milliseconds timeout) {
  return catalog_from(ask<control::Types>({}, timeout).value_or(control::Types::Answer()));
}

}  // namespace epic::cli
