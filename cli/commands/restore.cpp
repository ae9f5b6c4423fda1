// epic restore: a backup takes the place of the store, while no fabric runs; the former store is kept.

#include <fmt/format.h>

#include <boost/json/object.hpp>
#include <filesystem>

#include "cli/commands/backup_talk.hpp"
#include "cli/commands/confirm.hpp"
#include "cli/commands/table.hpp"
#include "cli/fabric/import_target.hpp"
#include "cli/fabric/live_fabric.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/output/humanize.hpp"
#include "cli/project/context.hpp"
#include "storage/restoration.hpp"

namespace epic::cli {
namespace {

namespace fs = std::filesystem;

constexpr PositionalSpec kRestorePositionals[] = {
    {.name = "FILE",
     .summary = "A file written by 'epic backup', or the file of a store",
     .completes = Completes::file},
};

constexpr OptionSpec kRestoreOptions[] = {
    {.name = "accept-damage", .summary = "Restore it although single rows in it are damaged"},
    kDryRunOption,
    kYesOption,
};

constexpr ExitNote kRestoreExitCodes[] = {
    {ExitCode::failed,
     "a fabric is running; or FILE is missing, damaged, of a newer epic or of another number of shards; nothing was "
     "changed"},
};

/// An absolute path, without links: they are not followed where stores are.
Result<fs::path> find_file(const std::string& name) {
  std::error_code error;
  const fs::path path = fs::canonical(name, error);
  if (!error && !fs::is_regular_file(path, error)) error = std::make_error_code(std::errc::invalid_argument);
  if (!error) return path;
  return fail({.what = fmt::format("cannot read {}", printable(name)),
               .why = error == std::errc::invalid_argument ? "it is not a file" : error.message(),
               .help = {"make a backup with 'epic backup FILE'"}});
}

Result<void> check_project(const Project& project) {
  if (!project.paths.store.keeps_state())
    return fail({.code = ExitCode::not_found,
                 .what = "nothing of this project outlives a running fabric",
                 .why = fmt::format("epic.toml says store = \"{}\"", project.manifest.store),
                 .help = {"choose a store that keeps its state; 'epic help config' lists them"}});
  const auto fabric = EPIC_TRY(LiveFabric::find(project.paths));
  if (!fabric) return {};
  return fail({.what = "the fabric is running, and a restore replaces its whole store",
               .help = {"stop it with 'epic stop', then restore"}});
}

std::string present_text(const storage::PresentStore& present) {
  if (!present.is_readable) return "the present store, which cannot be read,";
  return fmt::format("what is saved ({})", content_text(present.entities, present.messages, present.reminders));
}

void print_result(Console& console, const std::string& name, const storage::StoreContent& content,
                  const fs::path& former) {
  boost::json::object described = describe_content(content);
  described["file"] = name;
  described["former"] = former.empty() ? boost::json::value() : boost::json::value(former.string());
  console.print_json(described);
}

Outcome run_restore(Context& context, const Arguments& arguments) {
  const std::string name = *arguments.word(0);
  const auto project = EPIC_TRY(context.project(arguments));
  EPIC_TRY(check_project(project));
  const fs::path file = EPIC_TRY(find_file(name));
  const auto lock = EPIC_TRY(lock_project(project.paths));

  Console& console = context.console();
  BackupTalk talk(console);
  auto restoration = storage::Restoration::prepare(file, project.paths.store, project.manifest.shards, talk.watcher());
  talk.finish();
  if (!restoration) return fail(failure_of(restoration.error()));
  const storage::StoreContent& content = restoration->content();
  const std::string found = content_text(content);
  if (content.damaged > 0 && !arguments.has("accept-damage"))
    return fail({.what = fmt::format("{} in {}; nothing was changed", damage_text(content), printable(name)),
                 .help = {"restore another backup", "restore the rest of this one with --accept-damage"}});
  if (arguments.has("dry-run")) {
    if (console.is_json()) print_result(console, name, content, {});
    console.note(fmt::format("{} can be restored: {}", name, found));
    return ExitCode::ok;
  }
  if (const auto present = storage::look_at_store(project.paths.store); present.has_content)
    EPIC_TRY(confirm(console, arguments, fmt::format("Replace {} with the backup ({})", present_text(present), found)));
  const auto former = restoration->finish();
  if (!former) return fail(failure_of(former.error()));
  if (console.is_json()) print_result(console, name, content, *former);
  console.note(fmt::format("Restored {}", found));
  if (content.identity.migrated_from)
    console.note(fmt::format("The backup had format {}; the store has {} now", *content.identity.migrated_from,
                             content.identity.format_version));
  if (!former->empty()) console.note(fmt::format("The former store is kept in {}", former->string()));
  return ExitCode::ok;
}

}  // namespace

constexpr Command kRestoreCommand{
    .path = "restore",
    .group = Group::state,
    .summary = "Put a backup in the place of the store",
    .description =
        "First the whole file is copied beside the store and read; one of an older epic is migrated. Then, after\n"
        "you confirm if anything would be replaced, the copy becomes the store in one step: whatever happens,\n"
        "the store is the former one or the restored one. The former store is kept in .epic/replaced-1 (2, 3 …),\n"
        "from where 'epic restore .epic/replaced-1/state.sqlite' brings it back; remove it to free the space.\n"
        "Only while no fabric is running. The number of shards in epic.toml must be that of the backup.\n"
        "The next 'epic run' goes on as after a crash at the moment of the backup: messages that had begun are\n"
        "dead letters.",
    .example = "epic restore monday.epic --dry-run\nepic restore monday.epic --yes",
    .positionals = kRestorePositionals,
    .options = kRestoreOptions,
    .exit_codes = kRestoreExitCodes,
    .run = run_restore,
    .is_destructive = true,
};

}  // namespace epic::cli
