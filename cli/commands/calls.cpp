// epic calls: what is in flight, over all nodes, as stack traces.

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/context.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/fabric/unknown.hpp"
#include "cli/output/table.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kPositionals[] = {
    {.name = "TYPE[/KEY]",
     .summary = "Only traces with a call of this type, or of this entity",
     .arity = Arity::optional,
     .completes = Completes::type_or_entity},
};

constexpr OptionSpec kOptions[] = {
    {.name = "older-than", .value = "DURATION", .summary = "Only traces with a call of at least this age, such as 1s"},
};

constexpr ExitNote kExitCodes[] = {
    {ExitCode::not_found, "no fabric is running for this project, or there is no such type"},
    {ExitCode::unreachable, "the fabric does not answer"},
};

constexpr Column kPersonColumns[] = {
    {"AGE", "age_ms", Show::duration}, {"NODE", "node"}, {"CALL", "shown_call"}, {"STATE", "state"},
    {"CALLER", "shown_caller"},        {"ID", "id"},
};
constexpr Column kProgramColumns[] = {
    {"AGE", "age_ms", Show::duration},
    {"NODE", "node"},
    {"CALL", "call"},
    {"STATE", "state"},
    {"CALLER", "caller"},
    {"ID", "id"},
    {"PARENT", "parent"},
};

std::string text_of(const boost::json::object& row, std::string_view field) {
  const auto* value = row.if_contains(field);
  return value != nullptr && value->is_string() ? std::string(std::string_view(value->get_string())) : std::string();
}

std::int64_t number_of(const boost::json::object& row, std::string_view field) {
  const auto* value = row.if_contains(field);
  return value != nullptr && value->is_number() ? value->to_number<std::int64_t>() : 0;
}

void print_calls(Console& console, const boost::json::array& calls) {
  const bool is_terminal = console.is_terminal(Stream::out);
  Table table(console,
              is_terminal ? std::span<const Column>(kPersonColumns) : std::span<const Column>(kProgramColumns));
  for (const auto& call : calls) {
    const auto* fields = call.if_object();
    if (fields == nullptr) continue;
    boost::json::object row = *fields;
    if (!console.is_json()) {
      const auto depth = static_cast<std::size_t>(number_of(row, "depth"));
      row["shown_call"] = std::string(2 * depth, ' ') + text_of(row, "call");
      // The callers of all others are the lines above them.
      if (depth == 0) row["shown_caller"] = row["caller"];
    }
    table.add(std::move(row));
  }
  table.finish();
}

void tell_what_is_missing(Console& console, const boost::json::object& answer) {
  const auto* silent = answer.if_contains("silent");
  if (silent != nullptr && silent->is_array())
    for (const auto& node : silent->get_array())
      if (const auto* name = node.if_string())
        console.warn(fmt::format("{} did not answer, so what it alone knows is not shown; 'epic ps' says what it does",
                                 printable(std::string_view(*name))));
  if (const std::int64_t left_off = number_of(answer, "left_off"); left_off > 0)
    console.warn(fmt::format("{} younger calls are left off", left_off));
}

Outcome run(Context& context, const Arguments& arguments) {
  const auto age = arguments.duration("older-than");
  if (!age) return std::unexpected(age.error());
  boost::json::object body{{"older_than_ms", age->value_or(std::chrono::milliseconds(0)).count()}};
  EntityName name;
  if (const auto word = arguments.word(0)) {
    auto parsed = parse_type_or_entity(arguments.command(), *word);
    if (!parsed) return std::unexpected(std::move(parsed.error()));
    name = std::move(*parsed);
    body[name.key.empty() ? "type" : "entity"] = name.text();
  }
  const auto paths = context.paths(arguments);
  if (!paths) return std::unexpected(paths.error());
  auto fabric = LiveFabric::get(*paths);
  if (!fabric) return std::unexpected(std::move(fabric.error()));
  if (!name.type.empty()) {
    const Catalog catalog = fabric->catalog();
    if (!catalog.types.empty() && !catalog.find(name.type)) return fail(unknown_type(name.type, catalog.type_names()));
  }
  const auto answer = fabric->ask("calls", std::move(body));
  if (!answer) return std::unexpected(answer.error());
  const auto* object = answer->if_object();
  const auto* calls = object == nullptr ? nullptr : object->if_contains("calls");
  if (calls == nullptr || !calls->is_array())
    return fail({.what = "the fabric's answer makes no sense", .help = {"look at 'epic logs'"}});
  Console& console = context.console();
  print_calls(console, calls->get_array());
  tell_what_is_missing(console, *object);
  if (calls->get_array().empty() && console.is_terminal(Stream::out)) console.note("Nothing like that is in flight.");
  return ExitCode::ok;
}

}  // namespace

const Command& calls_command() {
  static constexpr Command kCommand{
      .path = "calls",
      .group = Group::state,
      .summary = "Show the calls in flight, over all nodes, and what they wait for",
      .description =
          "Each call stands below the one that waits for it, wherever the two run: a stack trace across nodes. The\n"
          "oldest come first. STATE says what a call waits for: the lock of an entity and who holds it, another node,\n"
          "the store. A call that has crossed nodes is one line, and its age is that which its caller has counted.",
      .example = "epic calls\nepic calls --older-than 1s\nepic calls Account/7 -o jsonl",
      .positionals = kPositionals,
      .options = kOptions,
      .exit_codes = kExitCodes,
      .run = run,
  };
  return kCommand;
}

}  // namespace epic::cli
