// epic ps: the processes of the fabric.

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <set>

#include "cli/commands/table.hpp"
#include "cli/context.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/output/humanize.hpp"
#include "cli/output/table.hpp"

namespace epic::cli {
namespace {

constexpr ExitNote kExitCodes[] = {
    {ExitCode::not_found, "no fabric is running for this project"},
    {ExitCode::unreachable, "the supervisor does not answer"},
};

constexpr Column kGenerationColumn{"MODULE", "built_at", Show::time};

/// Of which build each node is, when they differ.
bool differ(const boost::json::array& nodes) {
  std::set<std::int64_t> generations;
  for (const auto& node : nodes)
    if (const auto* row = node.if_object())
      if (const auto* generation = row->if_contains("generation"); generation && generation->is_int64())
        generations.insert(generation->get_int64());
  return generations.size() > 1;
}

constexpr Column kColumns[] = {
    {"NODE", "node"},
    {"PID", "pid", Show::number},
    {"STATE", "state", Show::state},
    {"SHARDS", "shards", Show::number},
    {"ENTITIES", "entities", Show::number},
    {"CALLS", "calls", Show::number},
    {"RESTARTS", "restarts", Show::number},
    {"MEMORY", "resident_bytes", Show::bytes},
    {"UP", "uptime_ms", Show::duration},
    {"LAST EXIT", "last_exit"},
    {"STORE", "store", Show::state},
};

void tell_supervisor(Console& console, const boost::json::object& answer) {
  const auto* supervisor = answer.if_contains("supervisor");
  const auto* fields = supervisor ? supervisor->if_object() : nullptr;
  if (fields == nullptr || !console.is_terminal(Stream::out)) return;
  console.note(fmt::format("supervisor {}, up {}; setup {}",
                           show_field(fields->if_contains("pid"), Show::number, Reader::person),
                           show_field(fields->if_contains("uptime_ms"), Show::duration, Reader::person),
                           show_field(answer.if_contains("setup"), Show::text, Reader::person)));
}

void warn_of_store(Console& console, const boost::json::object& node) {
  const auto* reason = node.if_contains("store_reason");
  if (reason == nullptr || !reason->is_string()) return;
  console.warn(fmt::format("{} has refused new work for {}, as it can save nothing: {}",
                           show_field(node.if_contains("node"), Show::text, Reader::person),
                           show_field(node.if_contains("store_blocked_ms"), Show::duration, Reader::person),
                           printable(std::string_view(reason->get_string()))));
}

Outcome run(Context& context, const Arguments& arguments) {
  const auto paths = context.paths(arguments);
  if (!paths) return std::unexpected(paths.error());
  auto fabric = LiveFabric::get(*paths);
  if (!fabric) return std::unexpected(std::move(fabric.error()));
  auto answer = fabric->ask("ps", boost::json::object());
  if (!answer) return std::unexpected(std::move(answer.error()));
  Console& console = context.console();
  if (console.format() == Format::json) {
    console.print_json(*answer);
    return ExitCode::ok;
  }
  const auto* object = answer->if_object();
  const auto* nodes = object ? object->if_contains("nodes") : nullptr;
  std::vector<Column> columns(std::begin(kColumns), std::end(kColumns));
  // In a pipe a field has its place whatever there is to say.
  if (console.is_terminal(Stream::out) && nodes && nodes->is_array() && differ(nodes->get_array()))
    columns.insert(columns.end() - 1, kGenerationColumn);
  Table table(console, columns);
  if (nodes && nodes->is_array())
    for (const auto& node : nodes->get_array())
      if (const auto* row = node.if_object()) table.add(*row);
  table.finish();
  if (nodes && nodes->is_array())
    for (const auto& node : nodes->get_array())
      if (const auto* row = node.if_object()) warn_of_store(console, *row);
  if (object) tell_supervisor(console, *object);
  return ExitCode::ok;
}

}  // namespace

const Command& ps_command() {
  static constexpr Command kCommand{
      .path = "ps",
      .group = Group::fabric,
      .summary = "List the processes of the fabric",
      .description =
          "One line a node: what it is doing, the shards that it owns, the entities that it has in memory, calls in "
          "flight,\n"
          "how often it was restarted, how its last process ended, and whether its store takes what is new. While "
          "nodes run\n"
          "different modules (epic restart), also when each was built.",
      .example = "epic ps\nepic ps -o json",
      .exit_codes = kExitCodes,
      .run = run,
  };
  return kCommand;
}

}  // namespace epic::cli
