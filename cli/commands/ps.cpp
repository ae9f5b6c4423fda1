// epic ps: the processes of the fabric.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>
#include <set>
#include <vector>

#include "cli/commands/table.hpp"
#include "cli/fabric/health.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/output/humanize.hpp"
#include "cli/output/table.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr ExitNote kPsExitCodes[] = {
    {ExitCode::not_found, "no fabric is running for this project"},
    {ExitCode::unreachable, "the supervisor does not answer"},
};

constexpr Column kGenerationColumn{"MODULE", "built_at", Show::time};

constexpr Column kMachineColumn{"MACHINE", "machine"};

/// Nodes are on several machines.
bool are_apart(const std::vector<control::Ps::Node>& nodes) {
  std::set<std::string> machines;
  for (const control::Ps::Node& node : nodes) machines.insert(node.machine.value_or(""));
  return machines.size() > 1;
}

constexpr Column kBlockingColumn{"BLOCKING", "blocking", Show::number};

/// Nodes run several builds of the module.
bool differ(const std::vector<control::Ps::Node>& nodes) {
  std::set<std::uint64_t> generations;
  for (const control::Ps::Node& node : nodes) generations.insert(node.generation);
  return generations.size() > 1;
}

constexpr Column kPsColumns[] = {
    {"NODE", "node"},
    {"PID", "pid", Show::number},
    {"STATE", "state", Show::state},
    {"SHARDS", "shards", Show::number},
    {"ENTITIES", "entities", Show::number},
    {"IN FLIGHT", "calls", Show::number},
    {"RESTARTS", "restarts", Show::number},
    {"MEMORY", "resident_bytes", Show::bytes},
    {"UP", "uptime_ms", Show::duration},
    {"LAST EXIT", "last_exit"},
    {"STORE", "store", Show::state},
};

constexpr OptionSpec kPsOptions[] = {
    {.name = "types", .summary = "List the entity classes instead, with what all nodes together count for each"},
};

constexpr Column kTypeColumns[] = {
    {"TYPE", "type"},
    {"ENTITIES", "entities", Show::number},
    {"ACTIVATED", "activated", Show::number},
};

Outcome list_types(Console& console, LiveFabric& fabric) {
  const auto answer = EPIC_TRY(fabric.ask<control::Types>());
  Table table(console, kTypeColumns);
  for (const control::Types::Type& type : answer.types) {
    boost::json::object row = codec::describe_json(type.counters.value_or(kernel::ClassCounters())).as_object();
    row["type"] = type.type;
    table.add(std::move(row));
  }
  table.finish();
  return ExitCode::ok;
}

Outcome run_ps(Context& context, const Arguments& arguments) {
  auto fabric = EPIC_TRY(LiveFabric::get(EPIC_TRY(context.paths(arguments))));
  if (arguments.has("types")) return list_types(context.console(), fabric);
  const auto answer = EPIC_TRY(fabric.ask<control::Ps>());
  Console& console = context.console();
  if (console.format() == Format::json) {
    console.print_json(codec::describe_json(answer));
    return ExitCode::ok;
  }
  std::vector<Column> columns(std::begin(kPsColumns), std::end(kPsColumns));
  if (console.is_terminal(Stream::out)) {  // in a pipe the columns are always the same
    if (std::ranges::none_of(answer.nodes, [](const auto& node) { return node.last_exit.has_value(); }))
      std::erase_if(columns, [](const Column& column) { return column.field == "last_exit"; });
    if (std::ranges::none_of(answer.nodes, [](const auto& node) { return node.store == "blocked"; }))
      std::erase_if(columns, [](const Column& column) { return column.field == "store"; });
    if (std::ranges::any_of(answer.nodes, [](const auto& node) { return node.blocking > 0; }))
      columns.push_back(kBlockingColumn);
    if (differ(answer.nodes)) columns.push_back(kGenerationColumn);
  }
  if (are_apart(answer.nodes)) columns.insert(columns.begin() + 1, kMachineColumn);
  Table table(console, columns);
  for (const control::Ps::Node& node : answer.nodes) table.add(node);
  table.finish();
  for (const control::Ps::Node& node : answer.nodes)
    if (node.store_reason)
      console.warn(fmt::format("{} has refused new work for {}, because it cannot save: {}", printable(node.node),
                               human_duration(std::chrono::milliseconds(node.store_blocked_ms.value_or(0))),
                               printable(*node.store_reason)));
  for (const control::Ps::Node& node : answer.nodes)
    if (const std::string refused = describe_refused(node.refused); !refused.empty())
      console.warn(fmt::format("{} has refused connections: {}", printable(node.node), refused));
  for (const control::Ps::Machine& machine : answer.machines)
    if (const std::string refused = describe_refused(machine.refused); !refused.empty())
      console.warn(
          fmt::format("the supervisor of {} has refused connections: {}", printable(machine.machine), refused));
  for (const control::Ps::Quarantined& entity : answer.quarantined)
    console.warn(fmt::format("{} is in quarantine, because {} nodes died while they ran {}; next attempt in {}",
                             printable(entity.entity), entity.deaths,
                             entity.method.empty() ? "it" : "its " + printable(entity.method),
                             human_duration(std::chrono::seconds(entity.next_attempt_s))));
  for (const control::Ps::Evicted& machine : answer.evicted)
    console.warn(fmt::format("{} is evicted: it {}; it comes back by itself when it can reach all machines",
                             printable(machine.machine), printable(machine.why)));
  if (const auto& lease = answer.unrenewed_lease)
    console.warn(fmt::format("the lease of {} {}, because {}{}", printable(lease->machine),
                             lease->is_over ? "is over" : "is not renewed just now", printable(lease->why),
                             lease->is_over
                                 ? "; its nodes answer nothing, the nodes listed are those that it knew last, "
                                   "and another machine may lead by now"
                                 : ""));
  if (answer.setup == "failed") console.warn("the module's setup failed; 'epic logs supervisor' says why");
  if (console.is_terminal(Stream::out))
    console.note(fmt::format("supervisor {}, up {}; setup {}", answer.supervisor.pid,
                             human_duration(std::chrono::milliseconds(answer.supervisor.uptime_ms)),
                             printable(answer.setup)));
  return ExitCode::ok;
}

}  // namespace

constexpr Command kPsCommand{
    .path = "ps",
    .group = Group::fabric,
    .summary = "List the processes of the fabric",
    .description =
        "One line per node: its state, the shards it owns, the entities in memory, the calls in flight, how often\n"
        "it was restarted, how its last process ended, and whether it can write to the store. While nodes run\n"
        "different modules (epic restart), also when each module was built. Entities in quarantine (epic release),\n"
        "connections that nodes and supervisors have refused, by reason, and machines that are evicted because they\n"
        "cannot reach others, are listed as warnings, and so is a lease that the leading machine cannot renew. With\n"
        "--types, one line per entity class: how many entities are in memory, and how many activations there were\n"
        "since the nodes started.",
    .example = "epic ps\nepic ps --types\nepic ps -o json",
    .options = kPsOptions,
    .exit_codes = kPsExitCodes,
    .run = run_ps,
    .connects = true,
};

}  // namespace epic::cli
