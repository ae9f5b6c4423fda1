#include "cli/fabric/health.hpp"

#include <fmt/format.h>

#include <boost/json/object.hpp>

#include "cli/fabric/live_fabric.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/output/humanize.hpp"

namespace epic::cli {
namespace {

using State = Finding::State;

std::string first_help(const Failure& failure, std::string otherwise) {
  return failure.help.empty() ? std::move(otherwise) : failure.help.front();
}

}  // namespace

std::vector<Finding> check_store(const Project& project) {
  if (project.manifest.store != "sqlite") return {{State::ok, "store", "in memory only; nothing is kept", ""}};
  auto store = StoredFabric::open(project.paths);
  if (!store && store.error().code == ExitCode::not_found) return {{State::ok, "store", "nothing saved yet", ""}};
  if (!store)
    return {{State::broken, "store", store.error().what,
             first_help(store.error(), fmt::format("restore {} from a copy, or move it away to begin anew",
                                                   project.paths.store().string()))}};

  std::vector<Finding> findings;
  const auto shards = store->identity().shard_count;
  if (shards == project.manifest.shards)
    findings.push_back({State::ok, "shards", fmt::format("{}", shards), ""});
  else
    findings.push_back({State::broken, "shards",
                        fmt::format("the store has {}, and epic.toml says {}", shards, project.manifest.shards),
                        fmt::format("let epic.toml say shards = {}", shards)});

  const auto totals = store->totals("");
  std::uint64_t damaged = 0;
  std::string first_damage;
  auto listed = store->list(
      {}, Detail::state, [](const auto&) { return true; },
      [&](const std::string& damage) {
        if (damaged++ == 0) first_damage = damage;
      });
  if (!listed)
    findings.push_back(
        {State::broken, "store", listed.error().what, first_help(listed.error(), "restore it from a copy")});
  else if (damaged > 0)
    findings.push_back({State::broken, "store",
                        fmt::format("{} snapshots cannot be read; the first: {}", damaged, first_damage),
                        "restore it from a copy; the other snapshots are not affected"});
  else
    findings.push_back({State::ok, "store",
                        totals ? fmt::format("{} snapshots, {}, all readable", totals->entities,
                                             human_bytes(static_cast<std::int64_t>(totals->bytes)))
                               : "readable",
                        ""});
  return findings;
}

Finding check_fabric(const ProjectPaths& paths) {
  auto fabric = LiveFabric::find(paths);
  if (!fabric) return {State::broken, "fabric", fabric.error().what, first_help(fabric.error(), "look at 'epic logs'")};
  if (!*fabric) return {State::ok, "fabric", "down", ""};
  const auto ping = (*fabric)->ask("ping", boost::json::object(), std::chrono::seconds(2));
  if (!ping) return {State::broken, "fabric", ping.error().what, first_help(ping.error(), "look at 'epic logs'")};
  const auto* version = ping->is_object() ? ping->get_object().if_contains("version") : nullptr;
  const std::string running =
      version && version->is_string() ? std::string(std::string_view(version->get_string())) : "unknown";
  if (running != EPIC_VERSION)
    return {State::warning, "fabric", fmt::format("runs with epic {}, and this is {}", running, EPIC_VERSION),
            "restart it: 'epic stop', then 'epic run'"};
  return {State::ok, "fabric", "up", ""};
}

}  // namespace epic::cli
