// epic outbox retry, epic outbox drop: what becomes of dead letters.

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "cli/commands/confirm.hpp"
#include "cli/commands/mail_table.hpp"
#include "cli/commands/table.hpp"
#include "cli/fabric/mail_settler.hpp"
#include "cli/fabric/stored_mail.hpp"
#include "cli/output/humanize.hpp"
#include "cli/output/progress.hpp"
#include "cli/project/context.hpp"
#include "storage/mail.hpp"

namespace epic::cli {
namespace {

constexpr PositionalSpec kOutboxSettlePositionals[] = {
    {.name = "ID|TYPE[/KEY]",
     .summary = "These dead letters, or all to entities of this type, or all to this entity",
     .arity = Arity::many,
     .completes = Completes::type_or_entity},
};

constexpr OptionSpec kAllOption{.name = "all", .summary = "All dead letters"};
constexpr OptionSpec kRetryOptions[] = {kAllOption, kDryRunOption};
constexpr OptionSpec kDropOptions[] = {kAllOption, kDryRunOption, kYesOption};

constexpr ExitNote kOutboxSettleExitCodes[] = {
    {ExitCode::failed, "a message is not a dead letter, or some dead letters are left"},
    {ExitCode::not_found, "nothing has been saved, or there is no such message or type; nothing was changed"},
    {ExitCode::unreachable, "the fabric does not answer"},
};

/// What the words mean: ids, or a receiver. Neither: all.
struct SettleWanted {
  std::vector<kernel::MailId> ids;
  EntityName to;
};

Result<SettleWanted> parse_wanted(const Arguments& arguments) {
  const std::vector<std::string>& words = arguments.words();
  if (words.empty() != arguments.has("all"))
    return fail(usage_failure(arguments.command(), words.empty()
                                                       ? "say which dead letters: ids, a type, an entity, or --all"
                                                       : "--all goes without ids and names"));
  SettleWanted wanted;
  for (const std::string& word : words)
    if (const auto id = storage::parse_mail_id(word)) wanted.ids.push_back(*id);
  if (wanted.ids.size() == words.size()) return wanted;
  if (words.size() > 1)
    return fail(usage_failure(arguments.command(), "give ids, or one type or entity",
                              "an id is three numbers, for example 3.1.7"));
  wanted.to = EPIC_TRY(parse_type_or_entity(arguments.command(), words.front()));
  return wanted;
}

using OnFound = std::function<void(const storage::Mail&)>;

/// Ids of dead letters, or of messages that cannot be read, which are as good as dead.
Result<std::vector<kernel::MailId>> find_by_id(Console& console, StoredMail& mail, MailAction action,
                                               const std::vector<kernel::MailId>& ids, const OnFound& on_found) {
  std::map<kernel::MailId, storage::FoundMail> found;
  for (const kernel::MailId& id : ids) {
    auto one = EPIC_TRY(mail.find(id));
    if (!one)
      return fail({.code = ExitCode::not_found,
                   .what = fmt::format("no message {} is stored; nothing was changed", storage::mail_id_text(id)),
                   .help = {"list dead letters with 'epic outbox list'"}});
    found.emplace(id, *std::move(one));
  }
  std::vector<kernel::MailId> dead;
  for (const auto& [id, one] : found) {
    const std::string text = storage::mail_id_text(id);
    if (one.damage && action == MailAction::retry)
      return fail(
          {.what = fmt::format("message {} cannot be read, so it cannot be sent again; nothing was changed", text),
           .why = *one.damage,
           .help = {fmt::format("remove it with 'epic outbox drop {}'", text)}});
    if (!one.damage && one.mail.status != storage::MailStatus::dead)
      return fail({.what = fmt::format("message {} is not a dead letter, but {}; nothing was changed", text,
                                       storage::mail_status_text(one.mail.status))});
    dead.push_back(id);
  }
  for (const auto& [id, one] : found) one.damage ? console.warn(*one.damage) : on_found(one.mail);
  return dead;
}

Result<std::vector<kernel::MailId>> find_wanted(Console& console, StoredMail& mail, MailAction action,
                                                const SettleWanted& wanted, const OnFound& on_found) {
  if (!wanted.ids.empty()) return find_by_id(console, mail, action, wanted.ids, on_found);
  std::vector<kernel::MailId> dead;
  EPIC_TRY(mail.list(
      {.to = wanted.to, .status = storage::MailStatus::dead},
      [&](const storage::Mail& one) {
        dead.push_back(one.id);
        on_found(one);
        return true;
      },
      [&](const std::string& what) { console.warn(what); }));
  if (dead.empty() && !wanted.to.type.empty()) EPIC_TRY(mail.check_type(wanted.to.type));
  return dead;
}

Result<std::uint64_t> settle(Console& console, MailSettler& settler, MailAction action,
                             std::span<const kernel::MailId> dead) {
  Progress progress(console, dead.size(), "dead letters");
  std::uint64_t count = 0;
  for (; !dead.empty(); dead = dead.subspan(std::min(dead.size(), MailSettler::kIdsMax))) {
    const auto group = dead.first(std::min(dead.size(), MailSettler::kIdsMax));
    const auto settled = settler.settle(action, group);
    if (!settled) {
      progress.finish();
      return std::unexpected(settled.error());
    }
    count += *settled;
    for (std::size_t i = 0; i < group.size(); ++i) progress.step();
  }
  progress.finish();
  return count;
}

template <MailAction kAction>
Outcome run_outbox_settle(Context& context, const Arguments& arguments) {
  constexpr bool kDrops = kAction == MailAction::drop;
  constexpr std::string_view kDone = kDrops ? "dropped" : "retried";
  const auto wanted = EPIC_TRY(parse_wanted(arguments));
  const auto paths = EPIC_TRY(context.paths(arguments));
  auto mail = EPIC_TRY(StoredMail::open(paths));
  Console& console = context.console();
  std::optional<MailTable> table;
  if (arguments.has("dry-run")) table.emplace(console);
  const auto dead = EPIC_TRY(find_wanted(console, mail, kAction, wanted, [&](const storage::Mail& one) {
    if (table) table->add(mail.describe(one));
  }));
  if (table) table->finish();
  if (dead.empty()) console.note("Nothing to do: no dead letters");
  if (dead.empty() || arguments.has("dry-run")) return ExitCode::ok;

  auto settler = EPIC_TRY(MailSettler::open(paths));
  if (kDrops)
    EPIC_TRY(confirm(
        console, arguments,
        fmt::format("Drop {} from {}", count_of(dead.size(), "dead letter", "dead letters"), settler->words())));
  const std::uint64_t count = EPIC_TRY(settle(console, *settler, kAction, dead));
  if (console.is_json()) console.print_json(boost::json::object{{kDone, count}});
  console.note(fmt::format("{} {}", kDrops ? "Dropped" : "Retried", count_of(count, "dead letter", "dead letters")));
  if (count == dead.size()) return ExitCode::ok;
  return fail(
      {.what = fmt::format("{} not {}", count_of(dead.size() - count, "dead letter was", "dead letters were"), kDone),
       .why = "retried or dropped by another command meanwhile, or in a shard that was moving",
       .help = {"list what is left with 'epic outbox list'"}});
}

}  // namespace

constexpr Command kOutboxRetryCommand{
    .path = "outbox retry",
    .group = Group::state,
    .summary = "Send dead letters again",
    .description =
        "Each becomes a new message with the same arguments, and runs as soon as its receiver's node reads it:\n"
        "at once, or, if no fabric is running, after the next start. Fix what made it fail before. What the\n"
        "method has changed before it was cut short is not undone.",
    .example = "epic outbox retry 3.1.7\nepic outbox retry Account\nepic outbox retry --all --dry-run",
    .positionals = kOutboxSettlePositionals,
    .options = kRetryOptions,
    .exit_codes = kOutboxSettleExitCodes,
    .run = run_outbox_settle<MailAction::retry>,
    .connects = true,
};

constexpr Command kOutboxDropCommand{
    .path = "outbox drop",
    .group = Group::state,
    .summary = "Remove dead letters",
    .description =
        "They will never be delivered. In a running fabric the receivers' nodes remove them. A message that cannot\n"
        "be read is delivered to nobody, and can be dropped by its id. Asks first.",
    .example = "epic outbox drop 3.1.7\nepic outbox drop Account/7 --yes\nepic outbox drop --all --dry-run",
    .positionals = kOutboxSettlePositionals,
    .options = kDropOptions,
    .exit_codes = kOutboxSettleExitCodes,
    .run = run_outbox_settle<MailAction::drop>,
    .is_destructive = true,
    .connects = true,
};

}  // namespace epic::cli
