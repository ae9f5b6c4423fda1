// epic snapshot import: states from an export, into a running fabric or into the store.

#include <fmt/format.h>

#include <boost/json/object.hpp>

#include "cli/commands/confirm.hpp"
#include "cli/commands/table.hpp"
#include "cli/fabric/import_run.hpp"
#include "cli/fabric/snapshot_file.hpp"
#include "cli/output/humanize.hpp"
#include "cli/output/table.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kSnapshotImportPositionals[] = {
    {.name = "FILE", .summary = "A file written by 'epic snapshot export'; - for stdin", .completes = Completes::file},
    {.name = "TYPE[/KEY]",
     .summary = "Only this type, or this entity",
     .arity = Arity::optional,
     .completes = Completes::type_or_entity},
};

constexpr OptionSpec kSnapshotImportOptions[] = {kDryRunOption, kYesOption};

constexpr ExitNote kSnapshotImportExitCodes[] = {
    {ExitCode::failed, "a line is invalid, and nothing was changed; or some entities could not be written"},
    {ExitCode::not_found, "the file has nothing of this type or name"},
    {ExitCode::build_failed, "the module is stale and did not build"},
};

constexpr Column kSnapshotImportColumns[] = {
    {"TYPE", "type"},
    {"NEW", "new", Show::number},
    {"CHANGED", "changed", Show::number},
    {"EQUAL", "equal", Show::number},
};

// Either may use a former name of its class.
bool is_meant(const EntityName& name, const EntityName& only, const ImportTarget& target) {
  if (only.type.empty()) return true;
  return target.present_name(name.type) == target.present_name(only.type) && (only.key.empty() || name.key == only.key);
}

Result<void> read_all(SnapshotFile& file, const EntityName& only, const ImportTarget& target, ImportRun& run) {
  file.rewind();
  while (true) {
    auto row = EPIC_TRY(file.next());
    if (!row) break;
    const auto name = entity_of_row(row->text);
    if (!name)
      run.add_problem(row->line, {}, name.error());
    else if (is_meant(*name, only, target))
      EPIC_TRY(run.add(*name, std::string(row->text), row->line));
  }
  return run.finish([&](std::uint64_t line) { return file.place(line); });
}

/// The problems as one failure.
Failure import_failure(const ImportRun& run, std::string what) {
  Failure failure{.what = std::move(what)};
  for (const ImportProblem& problem : run.problems())
    failure.excerpt += fmt::format("{}: {}{}{}\n", problem.place, problem.entity, problem.entity.empty() ? "" : ": ",
                                   printable(problem.what));
  if (run.problem_count() > run.problems().size())
    failure.excerpt += fmt::format("… and {} more\n", run.problem_count() - run.problems().size());
  return failure;
}

void print_counts(Console& console, const ImportRun& run) {
  Table table(console, kSnapshotImportColumns);
  for (const auto& [type, counts] : run.counts())
    table.add({{"type", type}, {"new", counts.added}, {"changed", counts.changed}, {"equal", counts.equal}});
  table.finish();
  if (run.ignored_fields() > 0)
    console.note(fmt::format("{} ignored: written with another schema, and unknown to the current classes",
                             count_of(run.ignored_fields(), "field is", "fields are")));
}

Outcome apply(Console& console, SnapshotFile& file, const EntityName& only, ImportTarget& target,
              std::uint64_t row_count) {
  Progress progress(console, row_count);
  ImportRun run(target, ImportMode::apply, progress);
  auto done = read_all(file, only, target, run);
  progress.finish();
  if (!done) {
    Failure failure = std::move(done.error());
    failure.help.emplace_back("import again: what has been written already will then be equal");
    return fail(std::move(failure));
  }
  const std::uint64_t written = run.total().done + run.total().added + run.total().changed;
  console.note(fmt::format("Imported {}; {} equal", count_of(written, "entity", "entities"),
                           count_of(run.total().equal, "was", "were")));
  if (run.problem_count() == 0) return ExitCode::ok;
  Failure failure =
      import_failure(run, fmt::format("{} not imported", count_of(run.problem_count(), "entity was", "entities were")));
  failure.help.emplace_back("import again: what has been written already will then be equal");
  return fail(std::move(failure));
}

Outcome run_snapshot_import(Context& context, const Arguments& arguments) {
  const EntityName only = EPIC_TRY(parse_type_or_entity(arguments, 1));
  const auto project = EPIC_TRY(context.project(arguments));
  auto file = EPIC_TRY(SnapshotFile::open(*arguments.word(0)));
  auto target = EPIC_TRY(ImportTarget::open(context, project));

  Console& console = context.console();
  Progress progress(console, file.row_estimate());
  ImportRun check(*target, ImportMode::check, progress);
  auto checked = read_all(file, only, *target, check);
  progress.finish();
  if (!checked) return std::unexpected(std::move(checked.error()));
  if (check.problem_count() > 0)
    return fail(import_failure(check, fmt::format("{} cannot be imported, so nothing was changed",
                                                  count_of(check.problem_count(), "line", "lines"))));
  const ImportCounts total = check.total();
  const std::uint64_t rows = total.added + total.changed + total.equal;
  if (rows == 0)
    return fail({.code = ExitCode::not_found,
                 .what = only.type.empty()
                             ? fmt::format("{} is empty", file.name())
                             : fmt::format("{} does not occur in {}", printable(only.text()), file.name())});
  print_counts(console, check);
  if (arguments.has("dry-run")) return ExitCode::ok;
  if (total.added + total.changed == 0) {
    console.note("Nothing to do: everything is already there");
    return ExitCode::ok;
  }
  EPIC_TRY(confirm(
      console, arguments,
      fmt::format("Write {} new and {} changed entities into {}", total.added, total.changed, target->words())));
  return apply(console, file, only, *target, rows);
}

}  // namespace

constexpr Command kSnapshotImportCommand{
    .path = "snapshot import",
    .group = Group::state,
    .summary = "Restore saved states from an export",
    .description =
        "Reads JSON lines, or the one document of an export. First, every line is checked against its class; if\n"
        "one is invalid, nothing is changed. Then, after you confirm, the states replace the current ones. In a\n"
        "running fabric the owners do this: an entity's running calls end first, and later calls find the new\n"
        "state. Otherwise the states go into the store, which is created if there is none, with the number of\n"
        "shards in epic.toml.\n"
        "A line written with another schema is read by field name: missing fields take their defaults, unknown\n"
        "fields are ignored. Entities that are not in the file stay unchanged.",
    .example =
        "epic snapshot import arena.jsonl --dry-run\nepic snapshot import arena.jsonl Player/Bob\n"
        "epic -C ../other snapshot export | epic snapshot import - --yes",
    .positionals = kSnapshotImportPositionals,
    .options = kSnapshotImportOptions,
    .exit_codes = kSnapshotImportExitCodes,
    .run = run_snapshot_import,
    .is_destructive = true,
    .connects = true,
};

}  // namespace epic::cli
