// epic add entity: a new entity class, with its first test.

#include "cli/project/add_entity.hpp"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cctype>

#include "cli/commands/table.hpp"
#include "cli/output/humanize.hpp"
#include "cli/output/suggest.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace fs = std::filesystem;
namespace {

constexpr PositionalSpec kAddEntityPositionals[] = {
    {.name = "NAME", .summary = "Name of the class: letters, digits and '_', starting with a capital letter"},
};

constexpr OptionSpec kAddEntityOptions[] = {
    {.name = "interval",
     .value = "TIME",
     .summary = "Save it at this interval (5s), instead of before any result leaves the node",
     .check = duration()},
    {.name = "transient", .summary = "Never save it"},
    {.name = "module",
     .value = "FILE",
     .summary = "The source whose EPIC_MODULE gets the class",
     .fallback = "the only one that has any",
     .completes = Completes::file},
    {.name = "unlisted", .summary = "Leave EPIC_MODULE as it is"},
};

constexpr ExitNote kAddEntityExitCodes[] = {
    {ExitCode::failed,
     "there is such a file or class already, or EPIC_MODULE could not be understood; nothing was done"},
};

/// "LeaderBoard" for "leader-board"; may not be a valid name either.
std::string as_class_name(std::string_view word) {
  std::string name;
  bool begins = true;
  for (const char c : word) {
    const auto letter = static_cast<unsigned char>(c);
    const bool parts = c == '-' || c == '_' || c == ' ';
    if (!parts) name += begins ? static_cast<char>(std::toupper(letter)) : c;
    begins = parts;
  }
  return name;
}

Result<NewEntity> entity_of(const Arguments& arguments) {
  NewEntity entity{.name = *arguments.word(0)};
  if (const std::string why = why_no_entity_name(entity.name); !why.empty()) {
    Failure failure = usage_failure(arguments.command(),
                                    fmt::format("\"{}\" is not a valid name for a class", printable(entity.name)), why);
    if (const std::string near = as_class_name(entity.name); near != entity.name && why_no_entity_name(near).empty())
      failure.help = {fmt::format("did you mean {}?", near)};
    return fail(std::move(failure));
  }
  if (arguments.has("transient") && arguments.has("interval"))
    return fail(usage_failure(arguments.command(), "--transient and --interval cannot be used together"));
  if (arguments.has("unlisted") && arguments.has("module"))
    return fail(usage_failure(arguments.command(), "--unlisted and --module cannot be used together"));
  if (arguments.has("transient")) entity.saving = NewEntity::Saving::transient;
  if (const auto interval = arguments.duration("interval")) {
    if (interval->count() == 0) return fail(usage_failure(arguments.command(), "--interval takes more than 0"));
    entity.saving = NewEntity::Saving::interval;
    entity.interval = *interval;
  }
  entity.module_source = arguments.value("module").value_or("");
  if (arguments.has("unlisted")) entity.listing = NewEntity::Listing::unlisted;
  return entity;
}

Outcome run_add_entity(Context& context, const Arguments& arguments) {
  const NewEntity entity = EPIC_TRY(entity_of(arguments));
  const auto paths = EPIC_TRY(context.paths(arguments));
  const AddedEntity added = EPIC_TRY(add_entity(paths.root, entity));

  std::vector<std::string> files;
  for (const fs::path& file : added.files) files.push_back(file.string());
  if (context.console().is_json())
    context.console().print_json(boost::json::object{
        {"entity", entity.name},
        {"files", boost::json::array(files.begin(), files.end())},
        {"module_source", added.module_source.empty() ? boost::json::value() : added.module_source.string().c_str()}});
  const std::string listed = added.module_source.empty()
                                 ? fmt::format("It is not in EPIC_MODULE yet: EPIC_MODULE(…, {})", entity.name)
                                 : fmt::format("It is in the EPIC_MODULE of {}.", added.module_source.string());
  context.console().note(fmt::format("Added {}: {}. {} Next:\n\n  epic test {}", entity.name, listing(files), listed,
                                     file_stem(entity.name)));
  for (const std::string& warning : added.warnings) context.console().warn(warning);
  return ExitCode::ok;
}

}  // namespace

constexpr Command kAddEntityCommand{
    .path = "add entity",
    .group = Group::project,
    .summary = "Add an entity class to the project",
    .description =
        "Writes a class to src/ (a header and a source, beside the one with EPIC_MODULE), its first test to tests/,\n"
        "and adds the class to EPIC_MODULE. Everything else in that file stays as it is; if it cannot be understood,\n"
        "nothing is changed. Never overwrites a file.\n\n"
        "The class has one number, and methods that add to it and return it, so that it builds and passes its test:\n"
        "replace them.",
    .example = "epic add entity Leaderboard\nepic add entity Session --transient",
    .positionals = kAddEntityPositionals,
    .options = kAddEntityOptions,
    .exit_codes = kAddEntityExitCodes,
    .run = run_add_entity,
};

}  // namespace epic::cli
