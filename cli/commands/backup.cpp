// epic backup: the whole store, as of one moment, as one file that appears only when complete and checked.

#include "storage/backup.hpp"

#include <fmt/format.h>

#include <boost/algorithm/string/replace.hpp>
#include <boost/json/object.hpp>

#include "cli/commands/backup_talk.hpp"
#include "cli/commands/table.hpp"
#include "cli/fabric/stored_fabric.hpp"
#include "cli/output/atomic_file.hpp"
#include "cli/output/humanize.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kBackupPositionals[] = {
    {.name = "FILE", .summary = "The file to write; it appears only when complete", .completes = Completes::file},
};

constexpr OptionSpec kBackupOptions[] = {{.name = "force", .summary = "Replace FILE if it exists"}};

constexpr ExitNote kBackupExitCodes[] = {
    {ExitCode::failed,
     "FILE exists or cannot be written, the store is damaged, or the backup took too long for the store's log; if only "
     "single rows are damaged, FILE is written and has them as they are"},
    {ExitCode::not_found, "nothing has been saved"},
};

Outcome run_backup(Context& context, const Arguments& arguments) {
  const std::string path = *arguments.word(0);
  if (path == "-") return fail(usage_failure(arguments.command(), "a backup is a file: it cannot go to stdout"));
  const auto paths = EPIC_TRY(context.paths(arguments));
  EPIC_TRY(open_to_read(paths));
  auto file =
      EPIC_TRY(AtomicFile::open(path, {.existing = arguments.has("force") ? Existing::replaced : Existing::refused,
                                       .mode = 0600,
                                       .help = "name another file"}));

  Console& console = context.console();
  BackupTalk talk(console);
  const auto content = storage::write_backup(paths.store, file.unfinished(), talk.watcher());
  talk.finish();
  if (!content) {
    storage::StoreError error = content.error();
    boost::algorithm::replace_all(error.message, file.unfinished().string(), path);
    return fail(failure_of(error));
  }
  EPIC_TRY(file.keep());
  if (console.is_json()) {
    boost::json::object described = describe_content(*content);
    described["file"] = path;
    console.print_json(described);
  }
  console.note(fmt::format("Backed up {} to {}", content_text(*content), path));
  if (content->damaged == 0) return ExitCode::ok;
  return fail({.what = damage_text(*content) + ", in the backup as in the store",
               .why = "calls to these entities fail; others are not affected",
               .help = {"list the entities with 'epic snapshot verify'"}});
}

}  // namespace

constexpr Command kBackupCommand{
    .path = "backup",
    .group = Group::state,
    .summary = "Copy the whole store into a file",
    .description =
        "Everything that is stored, as of one moment: saved states, messages, dead letters, reminders, and\n"
        "answers to calls with idempotency keys. Works whether or not the fabric is running; unsaved changes are\n"
        "not in it. Every row in the file is read before the file appears. It is an SQLite database that only\n"
        "this user can read. 'epic restore' puts it in the place of a store; 'epic snapshot export' writes\n"
        "states as JSON, without the rest.\n"
        "During a long backup, everything the fabric writes stays in the store's log; at half the log's limit\n"
        "the backup fails, so that the fabric can go on writing.",
    .example = "epic backup monday.epic\nepic backup latest.epic --force -q",
    .positionals = kBackupPositionals,
    .options = kBackupOptions,
    .exit_codes = kBackupExitCodes,
    .run = run_backup,
};

}  // namespace epic::cli
