// epic snapshot prune: removes many saved states at once: old ones, and those that belong to no class.

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <chrono>
#include <optional>
#include <set>

#include "cli/commands/confirm.hpp"
#include "cli/commands/table.hpp"
#include "cli/fabric/import_run.hpp"
#include "cli/fabric/import_target.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/output/table.hpp"
#include "cli/project/context.hpp"
#include "protocol/log_line.hpp"

namespace epic::cli {
namespace {

// Types in the store that no class of the module claims, by its name or a former one.
Result<std::set<std::string>> find_unclaimed(Context& context, const Project& project) {
  auto fabric = EPIC_TRY(LiveFabric::find(project.paths));
  if (fabric)
    return fail({.what = "types that no class claims have no owner in a running fabric",
                 .help = {"stop it with 'epic stop', then prune"}});
  auto store = EPIC_TRY(StoredFabric::open(project.paths));
  const auto types = EPIC_TRY(store.types());
  const auto module = EPIC_TRY(ImportTarget::open(context, project));  // it knows the names of the module's classes
  std::set<std::string> unclaimed;
  for (const std::string& type : types)
    if (!module->has_type(type)) unclaimed.insert(type);
  return unclaimed;
}

constexpr PositionalSpec kSnapshotPrunePositionals[] = {
    {.name = "TYPE", .summary = "Only this type", .arity = Arity::optional, .completes = Completes::type_or_entity},
};

constexpr OptionSpec kSnapshotPruneOptions[] = {
    {.name = "older-than",
     .value = "AGE",
     .summary = "States last saved longer ago than this: 30d, 12h",
     .check = duration()},
    {.name = "unclaimed",
     .summary = "States of types that no class of the module claims; only while no fabric "
                "is running"},
    kDryRunOption,
    kYesOption,
};

constexpr ExitNote kSnapshotPruneExitCodes[] = {
    {ExitCode::failed, "some could not be removed"},
    {ExitCode::not_found, "nothing has been saved, or nothing of this type"},
};

constexpr Column kSnapshotPruneColumns[] = {
    {"TYPE", "type"},
    {"REMOVED", "removed", Show::number},
    {"OLDEST", "oldest", Show::time},
    {"NEWEST", "newest", Show::time},
};

struct PruneWanted {
  std::string type;  // empty: all
  std::optional<std::chrono::system_clock::time_point> saved_before;
  std::optional<std::set<std::string>> unclaimed;  // only these types
};

struct Found {
  std::uint64_t count = 0;
  std::string oldest;  // RFC 3339, which sorts as it should
  std::string newest;
};

struct Candidate {
  EntityName name;
  std::uint64_t version = 0;
  std::string saved_at;
};

/// Visits the matching states in the store.
Result<void> each_candidate(StoredFabric& store, const PruneWanted& wanted,
                            const std::function<bool(const Candidate&)>& visit) {
  const std::string before = wanted.saved_before ? protocol::format_time(*wanted.saved_before) : std::string();
  return store.list(
      {.type = wanted.type}, Detail::snapshot,
      [&](const boost::json::object& row) {
        if (row.contains("orphaned")) return true;  // its name would remove another row
        const std::string_view entity = row.at("entity").as_string();
        const std::size_t slash = entity.find('/');
        Candidate one{.name = {std::string(entity.substr(0, slash)), std::string(entity.substr(slash + 1))},
                      .version = row.at("version").to_number<std::uint64_t>(),
                      .saved_at = std::string(std::string_view(row.at("saved_at").as_string()))};
        if (wanted.saved_before && one.saved_at >= before) return true;
        if (wanted.unclaimed && !wanted.unclaimed->contains(one.name.type)) return true;
        return visit(one);
      },
      [](const Damage&) {});  // damaged ones are left alone
}

Result<std::map<std::string, Found>> count_candidates(StoredFabric& store, const PruneWanted& wanted) {
  std::map<std::string, Found> found;
  EPIC_TRY(each_candidate(store, wanted, [&](const Candidate& one) {
    Found& type = found[one.name.type];
    ++type.count;
    if (type.oldest.empty() || one.saved_at < type.oldest) type.oldest = one.saved_at;
    if (one.saved_at > type.newest) type.newest = one.saved_at;
    return true;
  }));
  return found;
}

Outcome remove(Console& console, StoredFabric& store, const PruneWanted& wanted, ImportTarget& target,
               std::uint64_t count) {
  Progress progress(console, count);
  ImportRun run(target, ImportMode::apply, progress);
  std::optional<Failure> failure;
  EPIC_TRY(each_candidate(store, wanted, [&](const Candidate& one) {
    auto added = run.add(one.name, removal_line(one.name.text(), one.version), 0);
    if (!added) failure = std::move(added.error());
    return !failure;
  }));
  if (!failure)
    if (auto finished = run.finish([](std::uint64_t) { return std::string(); }); !finished)
      failure = std::move(finished.error());
  progress.finish();
  if (failure) return fail(std::move(*failure));
  const ImportCounts total = run.total();
  console.note(
      fmt::format("Removed {}{}", total.done + total.removed,
                  total.passed_over == 0 ? "" : fmt::format("; {} were saved meanwhile and stay", total.passed_over)));
  if (run.problem_count() == 0) return ExitCode::ok;
  Failure problems{.what = fmt::format("{} could not be removed", run.problem_count())};
  for (const ImportProblem& problem : run.problems())
    problems.excerpt += fmt::format("{}: {}\n", printable(problem.entity), printable(problem.what));
  return fail(std::move(problems));
}

Result<PruneWanted> wanted_by(Context& context, const Project& project, const Arguments& arguments) {
  PruneWanted wanted{.type = arguments.word(0).value_or(""), .saved_before = {}, .unclaimed = {}};
  const auto age = arguments.duration("older-than");
  if (!age && !arguments.has("unclaimed"))
    return fail(usage_failure(arguments.command(), "say what to remove: --older-than AGE, --unclaimed, or both"));
  if (age) wanted.saved_before = std::chrono::system_clock::now() - *age;
  if (!arguments.has("unclaimed")) return wanted;
  wanted.unclaimed = EPIC_TRY(find_unclaimed(context, project));
  return wanted;
}

Outcome run_snapshot_prune(Context& context, const Arguments& arguments) {
  const auto project = EPIC_TRY(context.project(arguments));
  const auto wanted = EPIC_TRY(wanted_by(context, project, arguments));
  auto store = EPIC_TRY(StoredFabric::open_with(project.paths, wanted.type));
  const auto found = EPIC_TRY(count_candidates(store, wanted));

  Console& console = context.console();
  std::uint64_t count = 0;
  Table table(console, kSnapshotPruneColumns);
  for (const auto& [type, of_type] : found) {
    count += of_type.count;
    table.add({{"type", type}, {"removed", of_type.count}, {"oldest", of_type.oldest}, {"newest", of_type.newest}});
  }
  table.finish();
  if (count == 0) console.note("Nothing to do: no states match");
  if (count == 0 || arguments.has("dry-run")) return ExitCode::ok;
  auto target = EPIC_TRY(ImportTarget::open_for_removal(project));
  EPIC_TRY(confirm_removal(console, arguments, count, target->words()));
  return remove(console, store, wanted, *target, count);
}

}  // namespace

constexpr Command kSnapshotPruneCommand{
    .path = "snapshot prune",
    .group = Group::state,
    .summary = "Remove saved states that are old, or that belong to no class",
    .description =
        "An entity is old if it was last saved longer ago than AGE; reading does not count as saving. Its next\n"
        "call starts it afresh. States saved meanwhile stay. In a running fabric the owners remove them; types\n"
        "that no class claims have no owner there, so those are removed only while no fabric is running. Rows\n"
        "under a name that its class no longer stores under (see 'epic schema check') are ignored. Asks before\n"
        "removing.",
    .example = "epic snapshot prune --older-than 30d --dry-run\nepic snapshot prune Session --older-than 12h --yes",
    .positionals = kSnapshotPrunePositionals,
    .options = kSnapshotPruneOptions,
    .exit_codes = kSnapshotPruneExitCodes,
    .run = run_snapshot_prune,
    .is_destructive = true,
    .connects = true,
};

}  // namespace epic::cli
