// epic calls: the calls in flight on all nodes, as stack traces.

#include <fmt/format.h>

#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/fabric/unknown.hpp"
#include "cli/output/table.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kCallsPositionals[] = {
    {.name = "TYPE[/KEY]",
     .summary = "Only traces with a call of this type, or of this entity",
     .arity = Arity::optional,
     .completes = Completes::type_or_entity},
};

constexpr OptionSpec kCallsOptions[] = {
    {.name = "older-than",
     .value = "DURATION",
     .summary = "Only traces with a call of at least this age, such as 1s",
     .check = duration()},
};

constexpr ExitNote kCallsExitCodes[] = {
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

void print_calls(Console& console, const std::vector<control::Calls::Row>& calls) {
  const bool is_terminal = console.is_terminal(Stream::out);
  Table table(console,
              is_terminal ? std::span<const Column>(kPersonColumns) : std::span<const Column>(kProgramColumns));
  for (const control::Calls::Row& call : calls) {
    boost::json::object row = codec::describe_json(call).as_object();
    if (!console.is_json()) {
      row["shown_call"] = std::string(2 * call.depth, ' ') + call.call;
      // All other callers are the lines above.
      if (call.depth == 0) row["shown_caller"] = row["caller"];
    }
    table.add(std::move(row));
  }
  table.finish();
}

void tell_what_is_missing(Console& console, const control::Calls::Answer& answer) {
  for (const std::string& node : answer.silent)
    console.warn(fmt::format("{} did not answer, so calls that only it knows are missing; see 'epic ps' for its state",
                             printable(node)));
  if (answer.left_off > 0) console.warn(fmt::format("{} younger calls are not shown", answer.left_off));
}

Outcome run_calls(Context& context, const Arguments& arguments) {
  const auto age = arguments.duration("older-than");
  control::Calls::Request request;
  request.older_than_ms = static_cast<std::uint64_t>(age.value_or(std::chrono::milliseconds(0)).count());
  EntityName name;
  if (const auto word = arguments.word(0)) {
    name = EPIC_TRY(parse_type_or_entity(arguments.command(), *word));
    (name.key.empty() ? request.type : request.entity) = name.text();
  }
  auto fabric = EPIC_TRY(LiveFabric::get(EPIC_TRY(context.paths(arguments))));
  if (!name.type.empty()) {
    const Catalog catalog = fabric.catalog();
    if (!catalog.types.empty() && !catalog.find(name.type)) return fail(unknown_type(name.type, catalog.type_names()));
  }
  const auto answer = EPIC_TRY(fabric.ask<control::Calls>(request));
  Console& console = context.console();
  print_calls(console, answer.calls);
  tell_what_is_missing(console, answer);
  if (answer.calls.empty() && console.is_terminal(Stream::out)) console.note("No calls in flight.");
  return ExitCode::ok;
}

}  // namespace

constexpr Command kCallsCommand{
    .path = "calls",
    .group = Group::state,
    .summary = "Show the calls in flight on all nodes, and what they wait for",
    .description =
        "Each call is listed below the call that waits for it, on whatever node they run: a stack trace across\n"
        "nodes. The oldest come first. STATE shows what a call waits for: an entity's lock and its holder,\n"
        "another node, the store. A call between nodes is one line, and its age is counted from the caller's\n"
        "side.",
    .example = "epic calls\nepic calls --older-than 1s\nepic calls Account/7 -o jsonl",
    .positionals = kCallsPositionals,
    .options = kCallsOptions,
    .exit_codes = kCallsExitCodes,
    .run = run_calls,
    .connects = true,
};

}  // namespace epic::cli
