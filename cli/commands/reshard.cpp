// epic reshard: what is saved is placed by another number of shards, while no fabric runs; the former store is kept.

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <filesystem>

#include "cli/commands/backup_talk.hpp"
#include "cli/commands/confirm.hpp"
#include "cli/commands/table.hpp"
#include "cli/fabric/import_target.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/output/humanize.hpp"
#include "cli/project/context.hpp"
#include "cli/project/manifest_edit.hpp"
#include "storage/open_store.hpp"
#include "storage/resharding.hpp"

namespace epic::cli {
namespace {

namespace fs = std::filesystem;

constexpr PositionalSpec kReshardPositionals[] = {
    {.name = "N", .summary = "Number of shards, from 1 to 4096", .check = whole_number(1, kShardsMax)},
};

constexpr OptionSpec kReshardOptions[] = {kDryRunOption};

constexpr ExitNote kReshardExitCodes[] = {
    {ExitCode::failed, "a fabric is running, the store is damaged, or the disk is full; nothing was changed"},
    {ExitCode::not_found, "nothing has been saved yet"},
};

/// Of the store.
Result<std::uint32_t> stored_count(const Project& project, std::int64_t wanted) {
  if (!project.paths.store.keeps_state())
    return fail({.code = ExitCode::not_found,
                 .what = "nothing of this project outlives a running fabric",
                 .why = fmt::format("epic.toml says store = \"{}\"", project.manifest.store),
                 .help = {fmt::format("set `shards = {}` in epic.toml", wanted)}});
  const auto store = storage::open_store({.address = project.paths.store, .mode = storage::OpenMode::read_only});
  if (store) return (*store)->identity().shard_count;
  if (store.error().code != storage::StoreErrorCode::not_found) return fail(failure_of(store.error()));
  return fail({.code = ExitCode::not_found,
               .what = "nothing has been saved yet, so there is nothing to rewrite",
               .help = {fmt::format("set `shards = {}` in epic.toml", wanted)}});
}

/// The file that decides about the next store, and must agree with this one.
Result<void> adjust_manifest(Console& console, const Project& project, std::int64_t shards) {
  if (project.manifest.shards == shards) return {};
  EPIC_TRY(write_shards(project.paths, shards));
  console.note(fmt::format("epic.toml has shards = {} now", shards));
  return {};
}

void print_result(Console& console, std::uint32_t former_count, const storage::Resharding& done,
                  const fs::path& former) {
  boost::json::object described = describe_content(done.content());
  described["former_shards"] = former_count;
  described["moved"] = done.rows().moved;
  described["former"] = former.empty() ? boost::json::value() : boost::json::value(former.string());
  console.print_json(described);
}

Outcome run_reshard(Context& context, const Arguments& arguments) {
  const std::int64_t wanted = std::stoll(*arguments.word(0));
  const auto project = EPIC_TRY(context.project(arguments));
  if (const auto present = stored_count(project, wanted); !present) return fail(present.error());
  const auto lock = EPIC_TRY(lock_project(project.paths));
  const std::uint32_t former_count = EPIC_TRY(stored_count(project, wanted));  // nobody changes it from here on

  Console& console = context.console();
  if (former_count == wanted) {
    console.note(fmt::format("The store has {} already", count_of(former_count, "shard", "shards")));
    if (!arguments.has("dry-run")) EPIC_TRY(adjust_manifest(console, project, wanted));
    return ExitCode::ok;
  }
  BackupTalk talk(console);
  auto resharding = storage::Resharding::prepare(project.paths.store,
                                                 kernel::Placement(static_cast<std::uint32_t>(wanted)), talk.watcher());
  talk.finish();
  if (!resharding) return fail(failure_of(resharding.error()));
  const std::string change =
      fmt::format("from {} to {} shards: {}; {} of {} rows go to another shard", former_count, wanted,
                  content_text(resharding->content()), resharding->rows().moved, resharding->rows().all);
  if (resharding->content().damaged > 0)
    console.warn(fmt::format("{}, and cannot be read in the new store either", damage_text(resharding->content())));
  if (arguments.has("dry-run")) {
    if (console.is_json()) print_result(console, former_count, *resharding, {});
    console.note(fmt::format("Can reshard {}", change));
    return ExitCode::ok;
  }
  const auto former = resharding->finish();
  if (!former) return fail(failure_of(former.error()));
  if (console.is_json()) print_result(console, former_count, *resharding, *former);
  console.note(fmt::format("Resharded {}", change));
  console.note(fmt::format("The former store is kept in {}", former->string()));
  EPIC_TRY(adjust_manifest(console, project, wanted));
  return ExitCode::ok;
}

}  // namespace

constexpr Command kReshardCommand{
    .path = "reshard",
    .group = Group::state,
    .summary = "Change the number of shards of the store",
    .description =
        "Every entity belongs to one of the shards, which are what nodes own and hand over. A copy of the store\n"
        "is rewritten for N of them and read back: states, messages, reminders and answers to calls with\n"
        "idempotency keys. Then it becomes the store in one step: whatever happens, the store is the former one\n"
        "or the new one. The former store is kept in .epic/replaced-1 (2, 3 …); remove it to free the space. The\n"
        "number in epic.toml is changed last; if that fails, 'epic run' names the edit.\n"
        "Only while no fabric is running. Takes as much space as the store does.",
    .example = "epic reshard 256 --dry-run\nepic reshard 256",
    .positionals = kReshardPositionals,
    .options = kReshardOptions,
    .exit_codes = kReshardExitCodes,
    .run = run_reshard,
    .is_destructive = true,
};

}  // namespace epic::cli
