// epic reshard: rewrites the store for a different number of shards, or for different class groups, while no fabric
// runs; the former store is kept.

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/commands/backup_talk.hpp"
#include "cli/commands/confirm.hpp"
#include "cli/commands/table.hpp"
#include "cli/fabric/import_target.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/output/humanize.hpp"
#include "cli/project/catalog.hpp"
#include "cli/project/context.hpp"
#include "cli/project/manifest_edit.hpp"
#include "kernel/placement_groups.hpp"
#include "storage/open_store.hpp"
#include "storage/resharding.hpp"

namespace epic::cli {
namespace {

namespace fs = std::filesystem;

constexpr PositionalSpec kReshardPositionals[] = {
    {.name = "N",
     .summary = "Number of shards, from 1 to 4096; without it, the number stays",
     .arity = Arity::optional,
     .check = whole_number(1, kShardsMax)},
};

constexpr OptionSpec kReshardOptions[] = {
    {.name = "groups", .summary = "Place classes as together(…) says in the built module"},
    kDryRunOption,
};

constexpr ExitNote kReshardExitCodes[] = {
    {ExitCode::failed,
     "a fabric is running, the store is damaged, or the disk is full, and the store is unchanged; or the store was "
     "changed and epic.toml could not be"},
    {ExitCode::not_found, "nothing has been saved yet"},
    {ExitCode::build_failed, "with --groups: the module was not built"},
};

Result<kernel::Placement> stored_placement(const Project& project) {
  const std::string hint =
      "the store will take `shards` from epic.toml and the groups from the module when it is created";
  if (!project.paths.store.keeps_state())
    return fail({.code = ExitCode::not_found,
                 .what = "nothing of this project outlives a running fabric",
                 .why = fmt::format("epic.toml says store = \"{}\"", project.manifest.store),
                 .help = {hint}});
  EPIC_TRY(check_state_directory(project.paths));
  const auto store = storage::open_store({.address = project.paths.store, .mode = storage::OpenMode::read_only});
  if (store) return (*store)->identity().placement;
  if (store.error().code != storage::StoreErrorCode::not_found) return fail(failure_of(store.error()));
  return fail({.code = ExitCode::not_found,
               .what = "nothing has been saved yet, so there is nothing to rewrite",
               .help = {hint}});
}

struct WantedPlacement {
  kernel::Placement placement;
  Catalog module;  // for the current names of classes; empty without --groups
};

/// The groups are those of the module for its classes, and those of the store for others.
Result<WantedPlacement> wanted_placement(const Project& project, const Arguments& arguments,
                                         const kernel::Placement& stored) {
  const auto count = arguments.word(0);
  const auto shard_count = count ? static_cast<std::uint32_t>(std::stoul(*count)) : stored.shard_count();
  if (!arguments.has("groups")) return WantedPlacement{kernel::Placement(shard_count, stored.groups()), {}};
  auto module = catalog_of_build(project.paths.module_types(project.manifest.module));
  if (!module)
    return fail({.code = ExitCode::build_failed,
                 .what = "the groups of classes are in the module, which is not built",
                 .help = {"build it with 'epic build'"}});
  kernel::PlacementGroups groups = stored.groups();
  for (const TypeEntry& type : module->types) groups.erase(type.stored_as);
  groups.merge(module->groups());
  return WantedPlacement{kernel::Placement(shard_count, std::move(groups)), std::move(*module)};
}

/// epic.toml decides about the next store, and must agree with this one.
Result<void> adjust_manifest(Console& console, const Project& project, std::int64_t shards) {
  if (project.manifest.shards == shards) return {};
  EPIC_TRY(write_shards(project.paths, shards));
  console.note(fmt::format("epic.toml now has shards = {}", shards));
  return {};
}

/// "class Player is together(Room)" for each class that is placed otherwise than before. `verb`: "is" or "would be".
std::vector<std::string> group_changes(const kernel::Placement& before, const WantedPlacement& wanted,
                                       std::string_view verb) {
  const kernel::Placement& now = wanted.placement;
  std::vector<std::string> changes;
  kernel::PlacementGroups all = before.groups();
  for (const auto& [type, group] : now.groups()) all[type] = group;
  for (const auto& [type, group] : all)
    if (before.group_of(type) != now.group_of(type))
      changes.push_back(
          fmt::format("class {} {} {}", wanted.module.shown(type), verb,
                      kernel::group_text(wanted.module.shown(type), wanted.module.shown(now.group_of(type)))));
  return changes;
}

void print_result(Console& console, const kernel::Placement& before, const storage::Resharding& resharding,
                  const fs::path& former) {
  boost::json::object described = describe_content(resharding.content());
  described["former_shards"] = before.shard_count();
  boost::json::object groups;
  for (const auto& [type, group] : resharding.content().identity.placement.groups()) groups[type] = group;
  described["groups"] = std::move(groups);
  described["moved"] = resharding.rows().moved;
  described["former"] = former.empty() ? boost::json::value() : boost::json::value(former.string());
  console.print_json(described);
}

/// "from 64 to 256 shards: 2 entities and 1 message; 2 of 3 rows go to another shard".
std::string change_text(const kernel::Placement& before, const storage::Resharding& resharding) {
  const std::uint32_t now = resharding.content().identity.placement.shard_count();
  const std::string shards = before.shard_count() == now
                                 ? count_of(now, "shard", "shards")
                                 : fmt::format("from {} to {} shards", before.shard_count(), now);
  return fmt::format("{}: {}; {} of {} rows go to another shard", shards, content_text(resharding.content()),
                     resharding.rows().moved, resharding.rows().all);
}

Outcome run_reshard(Context& context, const Arguments& arguments) {
  if (!arguments.word(0) && !arguments.has("groups"))
    return fail(usage_failure(arguments.command(), "missing N, the number of shards, or --groups"));
  const auto project = EPIC_TRY(context.project(arguments));
  if (const auto found = stored_placement(project); !found) return fail(found.error());
  const auto lock = EPIC_TRY(lock_project(project.paths));
  const kernel::Placement before = EPIC_TRY(stored_placement(project));  // nobody changes it from here on
  const WantedPlacement wanted = EPIC_TRY(wanted_placement(project, arguments, before));

  Console& console = context.console();
  if (before == wanted.placement) {
    console.note(fmt::format("The store already has {}{}", count_of(before.shard_count(), "shard", "shards"),
                             arguments.has("groups") ? " and the module's groups" : ""));
    if (!arguments.has("dry-run")) EPIC_TRY(adjust_manifest(console, project, before.shard_count()));
    return ExitCode::ok;
  }
  BackupTalk talk(console);
  auto resharding = storage::Resharding::prepare(project.paths.store, wanted.placement, talk.watcher());
  talk.finish();
  if (!resharding) return fail(failure_of(resharding.error()));
  if (resharding->content().damaged > 0)
    console.warn(fmt::format("{}, and cannot be read in the new store either", damage_text(resharding->content())));
  if (arguments.has("dry-run")) {
    if (console.is_json()) print_result(console, before, *resharding, {});
    for (const std::string& change : group_changes(before, wanted, "would be")) console.note(change);
    console.note("Can reshard " + change_text(before, *resharding));
    return ExitCode::ok;
  }
  const auto former = resharding->finish();
  if (!former) return fail(failure_of(former.error()));
  if (console.is_json()) print_result(console, before, *resharding, *former);
  for (const std::string& change : group_changes(before, wanted, "is")) console.note(change);
  console.note("Resharded " + change_text(before, *resharding));
  console.note(fmt::format("The former store is kept in {}", former->string()));
  EPIC_TRY(adjust_manifest(console, project, wanted.placement.shard_count()));
  return ExitCode::ok;
}

}  // namespace

constexpr Command kReshardCommand{
    .path = "reshard",
    .group = Group::state,
    .summary = "Change the number of shards of the store, or which classes are together",
    .description =
        "Every entity belongs to one of the shards, which are what nodes own and hand over; classes that are\n"
        "together(…) share the shards of their tags. A copy of the store is rewritten and read back: states,\n"
        "messages, reminders and answers to calls with idempotency keys. Then it becomes the store in one step:\n"
        "whatever happens, the store is the former one or the new one. The former store is kept in\n"
        ".epic/replaced-1 (2, 3 …); remove it to free the space. The number in epic.toml is changed last; if that\n"
        "fails, 'epic run' names the edit.\n"
        "Only while no fabric is running. Needs free disk space for a copy of the store.",
    .example = "epic reshard 256 --dry-run\nepic reshard 256\nepic reshard --groups",
    .positionals = kReshardPositionals,
    .options = kReshardOptions,
    .exit_codes = kReshardExitCodes,
    .run = run_reshard,
    .is_destructive = true,
};

}  // namespace epic::cli
