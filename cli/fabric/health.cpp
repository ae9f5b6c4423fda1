#include "cli/fabric/health.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "cli/fabric/live_fabric.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/output/console.hpp"
#include "cli/output/humanize.hpp"
#include "cluster/coordination/open_coordination.hpp"
#include "codec/described_json.hpp"
#include "storage/open_store.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

using State = Finding::State;

std::string first_help(const Failure& failure, std::string otherwise) {
  return failure.help.empty() ? std::move(otherwise) : failure.help.front();
}

/// A reader in another program that stays open prevents checkpoints, so the log grows.
Finding check_log(const fs::path& store) {
  const auto log = storage::find_log(store);
  const std::string found = log ? human_bytes(static_cast<std::int64_t>(log->bytes)) : "none";
  if (log && log->bytes > log->bytes_usual_max)
    return {State::warning, "store log", fmt::format("{}, more than a running fabric lets it grow to", found),
            fmt::format("end the program that keeps reading the store: fuser -v {}", store.string())};
  return {State::ok, "store log", found};
}

/// As many as can be read in a moment; `epic snapshot verify` reads all.
Finding check_snapshots(StoredFabric& store) {
  constexpr std::chrono::seconds kTimeout{2};
  const auto until = std::chrono::steady_clock::now() + kTimeout;
  std::uint64_t whole = 0;
  std::uint64_t damaged = 0;
  std::string first_damage;
  bool is_all = true;
  auto listed = store.list(
      {}, Detail::state,
      [&](const auto&) {
        is_all = ++whole % 64 != 0 || std::chrono::steady_clock::now() < until;
        return is_all;
      },
      [&](const Damage& damage) {
        if (damaged++ == 0) first_damage = damage.what;
      });
  if (!listed)
    return {State::broken, "store", listed.error().what,
            first_help(listed.error(), "see what is readable with 'epic snapshot verify'")};
  if (damaged > 0)
    return {
        State::broken, "store",
        fmt::format("{}{} snapshots cannot be read; the first: {}", is_all ? "" : "at least ", damaged, first_damage),
        "list them with 'epic snapshot verify', and restore them from a copy; other entities are not affected"};
  const auto totals = store.totals("");
  if (!totals)
    return {State::broken, "store", totals.error().what,
            first_help(totals.error(), "see what is readable with 'epic snapshot verify'")};
  if (const auto shards = store.read_shards(); !shards)
    return {State::broken, "store", shards.error().what,
            first_help(shards.error(), "see what is readable with 'epic snapshot verify'")};
  const std::string size = human_bytes(static_cast<std::int64_t>(totals->bytes));
  return {State::ok, "store",
          is_all ? fmt::format("{} snapshots, {}, all readable", totals->entities, size)
                 : fmt::format("{} snapshots, {}; the first {} are readable, 'epic snapshot verify' reads all",
                               totals->entities, size, whole)};
}

constexpr std::string_view kNeeded = "all machines need the same secret, or valid certificates of the same authority";

/// Nodes that cannot save or keep crashing, and connections that nodes or supervisors have refused.
void add_nodes(const control::Ps::Answer& ps, std::vector<Finding>& findings) {
  for (const control::Ps::Node& node : ps.nodes) {
    const std::string name = printable(node.node);
    if (node.state == "backoff")
      findings.push_back({State::broken, name,
                          fmt::format("keeps failing: it {}, and was restarted {} times",
                                      printable(node.last_exit.value_or("-")), node.restarts),
                          fmt::format("find the reason with 'epic logs {}'", name)});
    if (node.store_reason)
      findings.push_back({State::broken, name,
                          fmt::format("has saved nothing for {} and refuses new work: {}",
                                      human_duration(std::chrono::milliseconds(node.store_blocked_ms.value_or(0))),
                                      printable(*node.store_reason)),
                          "do as it says; the node goes on within a second"});
    if (const std::string refused = describe_refused(node.refused); !refused.empty())
      findings.push_back({State::warning, name, fmt::format("refused connections since it started: {}", refused),
                          fmt::format("'epic logs {}' names the addresses; {}", name, kNeeded)});
  }
  if (const auto& lease = ps.unrenewed_lease)
    findings.push_back(
        {State::broken, printable(lease->machine),
         fmt::format("its lease {}: {}",
                     lease->is_over ? "is over, and its nodes answer nothing" : "is not renewed just now",
                     printable(lease->why)),
         "see that it can reach the service that its lease comes from"});
  for (const control::Ps::Machine& machine : ps.machines)
    if (const std::string refused = describe_refused(machine.refused); !refused.empty())
      findings.push_back({State::warning, printable(machine.machine),
                          fmt::format("its supervisor has refused connections since it started: {}", refused),
                          fmt::format("its log, in .epic/logs there, names the addresses; {}", kNeeded)});
}

}  // namespace

std::vector<Finding> check_store(const Project& project) {
  if (!project.paths.store.keeps_state()) return {{State::ok, "store", "in memory only; nothing survives a restart"}};
  auto store = StoredFabric::open(project.paths);
  if (!store && store.error().code == ExitCode::not_found) return {{State::ok, "store", "nothing saved yet"}};
  if (!store)
    return {{State::broken, "store", store.error().what,
             first_help(store.error(), project.paths.store.has_file()
                                           ? fmt::format("put a copy of {} there, or move it away to start afresh",
                                                         project.paths.store.shown())
                                           : "see that the database runs and can be reached from here")}};
  std::vector<Finding> findings;
  const auto shards = store->identity().placement.shard_count();
  if (shards == project.manifest.shards)
    findings.push_back({State::ok, "shards", fmt::format("{}", shards)});
  else
    findings.push_back({State::broken, "shards",
                        fmt::format("the store has {}, but epic.toml says {}", shards, project.manifest.shards),
                        fmt::format("set shards = {} in epic.toml", shards)});
  if (const auto identity = store->identity(); identity.is_old_format)
    findings.push_back({State::ok, "store format",
                        fmt::format("{}, of an older epic; 'epic run' migrates it", identity.format_version)});
  if (auto what = storage::find_mark(project.paths.store))
    findings.push_back(
        {State::broken, "store files", *std::move(what),
         "see what is left with 'epic snapshot verify'; its --accept goes on with that, or with a copy"});
  if (project.paths.store.has_file()) {
    findings.push_back(check_writable(project.paths.store.location, "store file"));
    findings.push_back(check_log(project.paths.store.location));
  }
  findings.push_back(check_snapshots(*store));
  return findings;
}

std::string describe_refused(const control::Refused& refused) {
  std::string text;
  for (const auto& [reason, count] : codec::describe_json(refused).as_object()) {
    if (count == 0) continue;
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", protocol::print_json(count), std::string_view(reason));
  }
  std::ranges::replace(text, '_', ' ');
  return text;
}

std::vector<Finding> check_coordination_service(const Project& project) {
  const Manifest& manifest = project.manifest;
  if (manifest.coordination == kAlone) return {};
  const cluster::CoordinationPlace place{
      .setting = manifest.coordination, .store = project.paths.store.text(), .project = manifest.name};
  const std::string name = cluster::describe_coordination(place);
  if (const auto tried = cluster::try_coordination(place); !tried)
    return {{State::broken, "coordination", tried.error(),
             fmt::format("see that {} runs and can be reached from here: machines stop when their leases end", name)}};
  return {{State::ok, "coordination", name + " answers"}};
}

std::vector<Finding> check_fabric(const ProjectPaths& paths) {
  auto fabric = LiveFabric::find(paths);
  if (!fabric) return {{State::broken, "fabric", fabric.error().what, first_help(fabric.error(), "see 'epic logs'")}};
  if (!*fabric) return {{State::ok, "fabric", "down"}};
  const auto ping = (*fabric)->ask<control::Ping>({}, std::chrono::seconds(2));
  if (!ping) return {{State::broken, "fabric", ping.error().what, first_help(ping.error(), "see 'epic logs'")}};
  const std::string& running = ping->version;
  std::vector<Finding> findings;
  if (running != EPIC_VERSION)
    findings.push_back({State::warning, "fabric", fmt::format("runs epic {}, but this is {}", running, EPIC_VERSION),
                        "restart it: 'epic stop', then 'epic run'"});
  else
    findings.push_back({State::ok, "fabric", "up"});
  if (const auto ps = (*fabric)->ask<control::Ps>({}, std::chrono::seconds(2))) add_nodes(*ps, findings);
  return findings;
}

}  // namespace epic::cli
