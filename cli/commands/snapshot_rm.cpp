// epic snapshot rm: makes entities start afresh.

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/object.hpp>

#include "cli/commands/confirm.hpp"
#include "cli/commands/table.hpp"
#include "cli/fabric/import_run.hpp"
#include "cli/output/humanize.hpp"
#include "cli/output/table.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kSnapshotRmPositionals[] = {
    {.name = "TYPE/KEY", .summary = "The entities", .arity = Arity::some, .completes = Completes::entity},
};

constexpr OptionSpec kSnapshotRmOptions[] = {kDryRunOption, kYesOption};

constexpr ExitNote kSnapshotRmExitCodes[] = {
    {ExitCode::failed, "some could not be removed"},
    {ExitCode::not_found, "none of them is saved, or the running module has no such class"},
};

constexpr Column kSnapshotRmColumns[] = {
    {"TYPE", "type"}, {"REMOVED", "removed", Show::number}, {"UNSAVED", "unsaved", Show::number}};

Result<ImportRun> pass(ImportTarget& target, ImportMode mode, const std::vector<EntityName>& names,
                       Progress& progress) {
  ImportRun run(target, mode, progress);
  for (std::size_t i = 0; i < names.size(); ++i) EPIC_TRY(run.add(names[i], removal_line(names[i].text(), {}), i));
  EPIC_TRY(run.finish([&](std::uint64_t i) { return names[i].text(); }));
  return run;
}

Failure removal_failure(const ImportRun& run, std::string what) {
  Failure failure{.what = std::move(what)};
  for (const ImportProblem& problem : run.problems())
    failure.excerpt += fmt::format("{}: {}\n", printable(problem.place), printable(problem.what));
  return failure;
}

Outcome run_snapshot_rm(Context& context, const Arguments& arguments) {
  std::vector<EntityName> names;
  for (const std::string& word : arguments.words()) {
    auto name = EPIC_TRY(parse_entity(arguments.command(), word));
    const bool is_new = std::ranges::find(names, name.text(), &EntityName::text) == names.end();
    if (is_new) names.push_back(std::move(name));
  }
  const auto project = EPIC_TRY(context.project(arguments));
  auto target = EPIC_TRY(ImportTarget::open_for_removal(project));
  for (const EntityName& name : names) EPIC_TRY(target->check_type(name.type));

  Console& console = context.console();
  Progress progress(console, names.size());
  const auto check = pass(*target, ImportMode::check, names, progress);
  progress.finish();
  if (!check) return std::unexpected(check.error());
  if (check->problem_count() > 0) return fail(removal_failure(*check, "nothing was removed"));
  const std::uint64_t count = check->total().removed;
  if (count == 0)
    return fail({.code = ExitCode::not_found,
                 .what = names.size() == 1 ? fmt::format("{} has no saved state", printable(names[0].text()))
                                           : std::string("none of them has a saved state"),
                 .help = {"list saved states with 'epic snapshot list'"}});
  if (arguments.has("dry-run")) {
    Table table(console, kSnapshotRmColumns);
    for (const auto& [type, counts] : check->counts())
      table.add({{"type", type}, {"removed", counts.removed}, {"unsaved", counts.equal}});
    table.finish();
    return ExitCode::ok;
  }
  EPIC_TRY(confirm_removal(console, arguments, count, target->words()));
  const auto done = EPIC_TRY(pass(*target, ImportMode::apply, names, progress));
  if (done.problem_count() > 0)
    return fail(removal_failure(done, fmt::format("{} could not be removed", done.problem_count())));
  const std::uint64_t unsaved = done.total().equal;
  console.note(fmt::format("Removed {}; the next call starts afresh{}", count_of(count, "entity", "entities"),
                           unsaved == 0 ? "" : fmt::format("; {} had no saved state", unsaved)));
  return ExitCode::ok;
}

}  // namespace

constexpr Command kSnapshotRmCommand{
    .path = "snapshot rm",
    .group = Group::state,
    .summary = "Remove saved states",
    .description =
        "An entity always exists, so this does not delete it: its next call starts afresh. In a running fabric\n"
        "the owner does it: the entity's running calls end first, then its instance and its state are removed.\n"
        "Asks first.",
    .example = "epic snapshot rm Player/Bob\nepic snapshot rm Player/Bob Player/Bea --yes",
    .positionals = kSnapshotRmPositionals,
    .options = kSnapshotRmOptions,
    .exit_codes = kSnapshotRmExitCodes,
    .run = run_snapshot_rm,
    .is_destructive = true,
    .connects = true,
};

}  // namespace epic::cli
