// epic call: calls a method of an entity and prints its result.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "cli/commands/table.hpp"
#include "cli/fabric/entity_name.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/fabric/unknown.hpp"
#include "cli/output/suggest.hpp"
#include "cli/output/text.hpp"
#include "cli/project/context.hpp"
#include "protocol/json.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kCallPositionals[] = {
    {.name = "TYPE/KEY", .summary = "The entity's name", .completes = Completes::entity},
    {.name = "METHOD", .summary = "The method", .completes = Completes::method},
    {.name = "ARGUMENTS",
     .summary = "JSON values; a word that is not valid JSON is taken as a string",
     .arity = Arity::many},
};

constexpr OptionSpec kCallOptions[] = {
    {.name = "timeout",
     .value = "DURATION",
     .summary = "How long to wait for the result",
     .environment = "EPIC_TIMEOUT",
     .fallback = "30s",
     .check = duration()},
    {.name = "idempotency-key", .value = "KEY", .summary = "Makes the call safe to repeat: with this key it runs once"},
};

constexpr ExitNote kCallExitCodes[] = {
    {ExitCode::failed, "the method threw, or the call ended in a timeout or another epic error"},
    {ExitCode::usage, "the arguments do not fit the method, or the key was used for another call"},
    {ExitCode::not_found, "no fabric is running, or there is no such type or method"},
    {ExitCode::unreachable, "the fabric does not answer"},
};

std::string signature(const MethodEntry& method) {
  std::vector<std::string> parameters = method.parameters;
  for (std::size_t i = 0; i < std::min(parameters.size(), method.parameter_names.size()); ++i)
    parameters[i].insert(0, method.parameter_names[i] + ": ");
  return fmt::format("{}({}){}", method.name, fmt::join(parameters, ", "),
                     method.result && !method.result->empty() ? " -> " + *method.result : "");
}

// The fabric refused the call; known names help to suggest what was meant.
Failure explained(Failure failure, const Catalog& catalog, const EntityName& name, const std::string& method) {
  if (failure.code != ExitCode::not_found && failure.code != ExitCode::usage) return failure;
  if (catalog.types.empty()) return failure;
  const TypeEntry* type = catalog.find(name.type);
  if (type == nullptr) return unknown_type(name.type, catalog.type_names());
  const auto entry = std::ranges::find(type->methods, method, &MethodEntry::name);
  if (entry != type->methods.end()) {
    const bool is_about_arguments = failure.what.starts_with(fmt::format("{}.{}", type->type, method));
    if (failure.code == ExitCode::usage && is_about_arguments)
      failure.help.push_back(fmt::format("the signature is {}", signature(*entry)));
    return failure;
  }
  const auto methods = catalog.method_names(name.type);
  Failure unknown{.code = ExitCode::not_found,
                  .what = fmt::format("{} has no method \"{}\"", type->type, printable(method)),
                  .why = methods.empty() ? "" : fmt::format("its methods are {}", listing(methods))};
  if (const std::string near = find_near(method, methods); !near.empty())
    unknown.help.push_back(fmt::format("did you mean {}?", near));
  return unknown;
}

bool looks_like_number(std::string_view word) {
  const std::size_t digit = word.starts_with('-') ? 1 : 0;
  return word.size() > digit && word[digit] >= '0' && word[digit] <= '9' &&
         word.find_first_not_of("0123456789+-.eE") == std::string_view::npos;
}

/// A word that is not JSON is text. Of one that looks like JSON, `notes` gets why it is not.
boost::json::value argument_from(const std::string& word, std::vector<std::string>& notes) {
  auto value = protocol::parse_json(word, protocol::DuplicateKeys::refuse);
  if (value) return std::move(*value);
  if (word.starts_with('{') || word.starts_with('[') || word.starts_with('"') || looks_like_number(word))
    notes.push_back(fmt::format("{} was passed as text: {}", shortened(printable(word), 40), value.error()));
  return boost::json::string(word);
}

Outcome run_call(Context& context, const Arguments& arguments) {
  const auto name = EPIC_TRY(parse_entity(arguments.command(), *arguments.word(0)));
  const std::string method = *arguments.word(1);
  const auto timeout = *arguments.duration("timeout");
  boost::json::array values;
  std::vector<std::string> notes;
  for (std::size_t i = 2; i < arguments.words().size(); ++i)
    values.push_back(argument_from(arguments.words()[i], notes));

  auto fabric = EPIC_TRY(LiveFabric::get(EPIC_TRY(context.paths(arguments))));
  // The fabric ends the call itself; wait a little longer to get its answer.
  const control::Call::Request request{.entity = name.text(),
                                       .method = method,
                                       .timeout_ms = static_cast<std::uint64_t>(timeout.count()),
                                       .idempotency_key = arguments.value("idempotency-key")};
  boost::json::value body = codec::describe_json(request);
  body.as_object()["args"] = std::move(values);
  const auto answer = fabric.ask_json(control::Call::kVerb, std::move(body), timeout + std::chrono::seconds(5));
  if (!answer) {
    const bool may_be_a_name = answer.error().code == ExitCode::not_found || answer.error().code == ExitCode::usage;
    Failure failure = explained(answer.error(), may_be_a_name ? fabric.catalog() : Catalog(), name, method);
    if (failure.code == ExitCode::usage && failure.why.empty()) failure.why = fmt::to_string(fmt::join(notes, "; "));
    return fail(std::move(failure));
  }
  if (context.console().is_json()) {
    context.console().print_json(*answer);
    return ExitCode::ok;
  }
  const auto* object = answer->if_object();
  const auto* result = object ? object->if_contains("result") : nullptr;
  if (result == nullptr || result->is_null()) return ExitCode::ok;
  context.console().print(result->is_string() ? std::string(std::string_view(result->get_string()))
                                              : protocol::print_json_indented(*result));
  return ExitCode::ok;
}

}  // namespace

constexpr Command kCallCommand{
    .path = "call",
    .group = Group::state,
    .summary = "Call a method of an entity",
    .description =
        "Prints the result: a string as plain text, anything else as JSON. Unless the class is interval or\n"
        "transient, it is durable when it is printed. Where the method takes a Ref, give the entity's name as a "
        "string.\n\n"
        "With --idempotency-key the same call may be made again for 24 hours, for instance after a timeout or a\n"
        "crash: the method runs once, and each repeat prints what the first one did. If a crash has cut it short,\n"
        "repeats fail and it does not run again. Another call under the same key is refused.",
    .example =
        "epic call Player/Bob get_score\nepic call Player/Bob move 3 '{\"x\": 1}'\nepic call Player/Bob aim_at "
        "Barrel/7\nepic call Account/Bob withdraw 50 --idempotency-key order-17",
    .positionals = kCallPositionals,
    .options = kCallOptions,
    .exit_codes = kCallExitCodes,
    .run = run_call,
    .connects = true,
};

}  // namespace epic::cli
