// epic reminders: when entities call themselves next.

#include <fmt/format.h>

#include "cli/commands/listing.hpp"
#include "cli/commands/table.hpp"
#include "cli/fabric/stored_reminders.hpp"
#include "cli/output/table.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kRemindersPositionals[] = {
    {.name = "TYPE[/KEY]",
     .summary = "Only reminders of entities of this type, or of this entity",
     .arity = Arity::optional,
     .completes = Completes::type_or_entity},
};

constexpr OptionSpec kRemindersOptions[] = {kLimitOption};

constexpr ExitNote kRemindersExitCodes[] = {
    {ExitCode::failed, "some reminders cannot be read"},
    {ExitCode::not_found, "nothing has been saved, or there is no such type"},
};

constexpr Column kRemindersColumns[] = {
    {"ENTITY", "entity"}, {"NAME", "name"}, {"DUE", "due_at"}, {"EVERY", "every_ms", Show::duration},
    {"METHOD", "method"},
};

Outcome run_reminders(Context& context, const Arguments& arguments) {
  const EntityName of = EPIC_TRY(parse_type_or_entity(arguments));
  auto reminders = EPIC_TRY(StoredReminders::open(EPIC_TRY(context.paths(arguments))));

  Console& console = context.console();
  Table table(console, kRemindersColumns);
  DamagedRows damaged(console);
  EPIC_TRY(reminders.list(
      of, limit_of(arguments), [&](const storage::Reminder& one) { table.add(reminders.describe(one)); },
      [&](const std::string& what) { damaged.add(what); }));
  table.finish();
  if (table.count() == 0) {
    if (!of.type.empty()) EPIC_TRY(reminders.check_type(of.type));
    console.note("No reminders");
  }
  return damaged.exit_code();
}

}  // namespace

constexpr Command kRemindersCommand{
    .path = "reminders",
    .group = Group::state,
    .summary = "List the entities' reminders, and when they are due",
    .description =
        "A reminder is what epic::remind() sets. It calls METHOD of its entity when it is DUE, once or EVERY so\n"
        "often. One that is due and stays listed waits for its fabric to run, for its entity, or for a module that\n"
        "has the method. A call that threw is a dead letter, see 'epic outbox list'. Reads the store, whether or\n"
        "not the fabric is running.",
    .example = "epic reminders\nepic reminders Room/lobby\nepic reminders -o jsonl",
    .positionals = kRemindersPositionals,
    .options = kRemindersOptions,
    .exit_codes = kRemindersExitCodes,
    .run = run_reminders,
    .connects = true,
};

}  // namespace epic::cli
