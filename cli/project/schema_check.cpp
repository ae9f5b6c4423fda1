#include "cli/project/schema_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "cli/project/subprocess.hpp"
#include "codec/described_json.hpp"
#include "storage/open_store.hpp"

namespace epic::cli {
namespace {

std::string plural(std::uint64_t count, std::string_view word) {
  return fmt::format("{} {}{}", count, word, count == 1 ? "" : "s");
}

}  // namespace

std::uint64_t SchemaCheck::unreadable() const {
  std::uint64_t count = 0;
  for (const Row& row : rows) count += row.unreadable;
  return count;
}

bool SchemaCheck::has_orphans() const {
  return std::ranges::any_of(rows, [](const Row& row) { return row.verdict == "orphaned"; });
}

std::optional<std::string> SchemaCheck::damage() const {
  if (damaged == 0) return std::nullopt;
  return fmt::format("{} {} damaged; no module could read {}: see 'epic snapshot verify'", plural(damaged, "snapshot"),
                     damaged == 1 ? "is" : "are", damaged == 1 ? "it" : "them");
}

std::vector<std::string> SchemaCheck::conversions() const {
  struct Converted {
    std::uint64_t entities = 0;
    std::string text;
  };
  std::map<std::string, Converted> by_type;
  for (const Row& row : rows) {
    if (row.changes.empty()) continue;
    Converted& converted = by_type[row.type];
    converted.entities += row.entities - row.unreadable;
    for (const auto& change : row.changes) {
      if (change.effect == "converts" && !converted.text.contains(change.text))
        converted.text += (converted.text.empty() ? "" : "; ") + change.text;
    }
  }
  std::vector<std::string> lines;
  for (const auto& [type, converted] : by_type)
    if (converted.entities > 0 && !converted.text.empty())
      lines.push_back(fmt::format("{}: {} read with another schema: {}", type,
                                  plural(converted.entities, "snapshot") + (converted.entities == 1 ? " is" : " are"),
                                  converted.text));
  return lines;
}

std::vector<std::string> SchemaCheck::leftovers() const {
  std::vector<std::string> lines;
  for (const Row& row : rows) {
    if (row.verdict != "unclaimed") continue;
    lines.push_back(
        fmt::format("{}: {} {} to no class of the module: if its class was renamed, add formerly(\"{}\") as the "
                    "last name in its named(…)",
                    row.type, plural(row.entities, "snapshot"), row.entities == 1 ? "belongs" : "belong", row.type));
  }
  return lines;
}

std::vector<std::string> SchemaCheck::undeliverable_mail() const {
  std::vector<std::string> lines;
  for (const Undeliverable& mail : undeliverable) {
    const std::string way_out =
        mail.has_class ? fmt::format("if it was renamed, add renamed({}, NEW) to its EPIC_ENTITY", mail.method)
                       : fmt::format("if its class was renamed, add formerly(\"{}\") to its named(…)", mail.type);
    lines.push_back(
        fmt::format("{}: {} for its method {}, which the module does not have (such as {}): {}; otherwise "
                    "they become dead letters, for 'epic outbox drop {}'",
                    mail.type, plural(mail.messages, "message"), mail.method, mail.example, way_out, mail.type));
  }
  return lines;
}

std::vector<std::string> SchemaCheck::problems() const {
  std::map<std::string, protocol::control::StoreCheck::Reason> by_text;
  std::vector<std::string> order;
  std::vector<std::string> lines;
  for (const Row& row : rows) {
    if (row.verdict == "orphaned")
      lines.push_back(
          fmt::format("{}: {} would be left behind: {}", row.type, plural(row.entities, "snapshot"), row.text));
    if (row.verdict == "damaged") continue;
    for (const auto& reason : row.reasons) {
      const bool needs_dot = !reason.field.empty() && !reason.field.starts_with('[');
      const std::string text = fmt::format("{}{}{}: {}", row.type, needs_dot ? "." : "", reason.field, reason.message);
      const auto [known, is_new] = by_text.try_emplace(text);
      if (is_new) order.push_back(text);
      known->second.entities += reason.entities;
      if (!known->second.example) known->second.example = reason.example;
    }
  }
  for (const std::string& text : order) {
    const auto& reason = by_text[text];
    lines.push_back(fmt::format("{}: {}{}", text, plural(reason.entities, "snapshot"),
                                reason.example ? ", such as " + *reason.example : ""));
  }
  return lines;
}

void SchemaCheck::add_disagreements(const std::vector<StoredNameDisagreement>& disagreements) {
  for (const StoredNameDisagreement& disagreement : disagreements)
    for (Row& row : rows) {
      if (row.stored_as != disagreement.was || row.verdict == "orphaned") continue;
      row.verdict = "orphaned";
      row.unreadable = row.entities;
      row.reasons.clear();
      row.text = fmt::format("{}; restore formerly(\"{}\") as the last name in its named(…)", describe(disagreement),
                             disagreement.was);
    }
}

Result<std::optional<SchemaCheck>> check_schemas(const InstallPaths& install, const ProjectPaths& paths,
                                                 const std::filesystem::path& module) {
  if (!storage::is_made(paths.store)) return std::optional<SchemaCheck>();
  const auto node = EPIC_TRY(install.node());
  const auto end =
      EPIC_TRY(run_subprocess({.program = node, .arguments = {"--check", module.string(), paths.store.text()}}));
  Failure failure{.what = fmt::format("cannot compare {} with {}", paths.store.shown(), module.string())};
  if (end.exit_code != 0) {
    failure.why = cause_of(end, node);
    return fail(std::move(failure));
  }
  auto answer = codec::read_described_text<protocol::control::StoreCheck::Answer>(end.out);
  if (answer) return SchemaCheck{*std::move(answer)};
  failure.why = fmt::format("the output of {} is malformed: {}", node.string(), answer.error());
  return fail(std::move(failure));
}

}  // namespace epic::cli
