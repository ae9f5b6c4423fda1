// epic outbox list: the messages that are still stored, dead letters above all.

#include <fmt/format.h>

#include <array>

#include "cli/commands/listing.hpp"
#include "cli/commands/mail_table.hpp"
#include "cli/commands/table.hpp"
#include "cli/fabric/stored_mail.hpp"
#include "cli/output/humanize.hpp"
#include "cli/project/context.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kOutboxListPositionals[] = {
    {.name = "TYPE[/KEY]",
     .summary = "Only messages to entities of this type, or to this entity",
     .arity = Arity::optional,
     .completes = Completes::type_or_entity},
};

constexpr std::array<std::string_view, 3> kStatuses = {"waiting", "begun", "dead"};  // as storage::MailStatus

constexpr OptionSpec kOutboxListOptions[] = {
    {.name = "status",
     .value = "STATUS",
     .summary = "Only these messages: waiting, begun or dead",
     .fallback = "dead",
     .check = one_of(kStatuses)},
    kLimitOption,
};

constexpr ExitNote kOutboxListExitCodes[] = {
    {ExitCode::failed, "some messages cannot be read"},
    {ExitCode::not_found, "nothing has been saved, or there is no such type"},
};

std::string describe_rest(const storage::MailCounts& counts) {
  if (counts.waiting + counts.begun == 0) return "No dead letters";
  return fmt::format("No dead letters; {} waiting, {} begun", count_of(counts.waiting, "message", "messages"),
                     counts.begun);
}

Outcome run_outbox_list(Context& context, const Arguments& arguments) {
  MailChoice choice;
  choice.to = EPIC_TRY(parse_type_or_entity(arguments));
  const std::string status = arguments.value("status").value_or("dead");
  choice.status = static_cast<storage::MailStatus>(std::ranges::find(kStatuses, status) - kStatuses.begin());
  choice.limit = limit_of(arguments);
  auto mail = EPIC_TRY(StoredMail::open(EPIC_TRY(context.paths(arguments))));

  Console& console = context.console();
  MailTable table(console);
  DamagedRows damaged(console);
  EPIC_TRY(mail.list(
      choice,
      [&](const storage::Mail& one) {
        table.add(mail.describe(one));
        return true;
      },
      [&](const std::string& what) { damaged.add(what); }));
  table.finish();
  if (damaged.has_any())
    console.note("Messages that cannot be read can be removed by their ids: 'epic outbox drop ID'");
  if (table.count() == 0) {
    if (!choice.to.type.empty()) EPIC_TRY(mail.check_type(choice.to.type));
    const auto counts = EPIC_TRY(mail.count(choice.to));
    console.note(choice.status == storage::MailStatus::dead ? describe_rest(counts)
                                                            : fmt::format("No {} messages", status));
  }
  return damaged.exit_code();
}

}  // namespace

constexpr Command kOutboxListCommand{
    .path = "outbox list",
    .group = Group::state,
    .summary = "List dead letters, or messages that are under way",
    .description =
        "A message is what epic::deliver() sends. It is stored until it has taken effect: \"waiting\" until its\n"
        "method begins, and \"begun\" while the method goes on after its first turn. It is \"dead\" if the method "
        "threw\n"
        "or was cut short; WHY says how. A dead letter stays until it is retried or dropped. Reads the store,\n"
        "whether or not the fabric is running.",
    .example = "epic outbox list\nepic outbox list Account/7 --status waiting\nepic outbox list -o jsonl",
    .positionals = kOutboxListPositionals,
    .options = kOutboxListOptions,
    .exit_codes = kOutboxListExitCodes,
    .run = run_outbox_list,
    .connects = true,
};

}  // namespace epic::cli
