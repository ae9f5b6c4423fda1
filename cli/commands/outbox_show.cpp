// epic outbox show: one stored message in full, with its arguments.

#include <fmt/format.h>

#include "cli/commands/table.hpp"
#include "cli/fabric/stored_mail.hpp"
#include "cli/output/table.hpp"
#include "cli/project/context.hpp"
#include "protocol/json.hpp"
#include "storage/mail.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kOutboxShowPositionals[] = {
    {.name = "ID", .summary = "The message's id, as 'epic outbox list' shows it"},
};

constexpr ExitNote kOutboxShowExitCodes[] = {
    {ExitCode::failed, "it, or its arguments, cannot be read"},
    {ExitCode::not_found, "no such message is stored"},
};

constexpr Column kFields[] = {
    {"id", "id"},
    {"status", "status", Show::state},
    {"from", "from"},
    {"to", "to"},
    {"method", "method"},
    {"sent", "sent_at", Show::time},
    {"why", "why"},
    {"shard", "shard", Show::number},
    {"bytes", "bytes", Show::bytes},
    {"schema", "schema"},
    {"arguments", "arguments_text"},
};

Outcome run_outbox_show(Context& context, const Arguments& arguments) {
  const std::string word = *arguments.word(0);
  const auto id = storage::parse_mail_id(word);
  if (!id)
    return fail(usage_failure(arguments.command(), fmt::format("\"{}\" is not the id of a message", word),
                              "an id is three numbers, for example 3.1.7"));
  auto mail = EPIC_TRY(StoredMail::open(EPIC_TRY(context.paths(arguments))));
  const auto found = EPIC_TRY(mail.find(*id));
  if (!found)
    return fail({.code = ExitCode::not_found,
                 .what = fmt::format("no message {} is stored", word),
                 .why = "it has taken effect, was retried or dropped, or never existed",
                 .help = {"list dead letters with 'epic outbox list'"}});
  if (found->damage)
    return fail({.what = fmt::format("message {} cannot be read", word),
                 .why = *found->damage,
                 .help = {fmt::format("remove it with 'epic outbox drop {}'", word)}});
  StoredMail::Page page = mail.describe_fully(found->mail);

  Console& console = context.console();
  if (console.is_json()) {
    console.print_json(page.fields);
  } else {
    if (page.problem.empty()) page.fields["arguments_text"] = protocol::print_json(page.fields.at("arguments"));
    print_record(console, page.fields, kFields);
  }
  if (page.problem.empty()) return ExitCode::ok;
  return fail({.what = fmt::format("the arguments of message {} cannot be read", word), .why = page.problem});
}

}  // namespace

constexpr Command kOutboxShowCommand{
    .path = "outbox show",
    .group = Group::state,
    .summary = "Show a stored message and its arguments",
    .description = "Reads the store, whether or not the fabric is running.",
    .example = "epic outbox show 3.1.7\nepic outbox show 3.1.7 -o json",
    .positionals = kOutboxShowPositionals,
    .exit_codes = kOutboxShowExitCodes,
    .run = run_outbox_show,
    .connects = true,
};

}  // namespace epic::cli
