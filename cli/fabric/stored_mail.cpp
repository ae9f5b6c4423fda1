#include "cli/fabric/stored_mail.hpp"

#include <fmt/format.h>

#include <chrono>
#include <utility>

#include "cli/fabric/stored_fabric.hpp"
#include "cli/fabric/unknown.hpp"
#include "protocol/log_line.hpp"
#include "storage/mail.hpp"

namespace epic::cli {

using storage::Mail;
using storage::MailStatus;

namespace {

std::expected<boost::json::value, std::string> read_arguments(codec::SnapshotReaders& readers, const Mail& mail) {
  const auto reader = EPIC_TRY(readers.find(mail.schema));
  auto arguments = reader->to_json(mail.arguments);
  if (!arguments) return std::unexpected(fmt::format("{}: {}", arguments.error().path, arguments.error().what));
  return std::move(*arguments);
}

}  // namespace

Result<StoredMail> StoredMail::open(const ProjectPaths& paths) {
  return StoredMail(EPIC_TRY(open_to_read(paths)), names_of_build(paths));
}

StoredMail::StoredMail(std::unique_ptr<storage::Store> store, Catalog names)
    : store_(std::move(store)), names_(std::move(names)), readers_(readers_of(*store_, names_)) {}

Result<void> StoredMail::list(const MailChoice& choice, const std::function<bool(const Mail&)>& visit,
                              const std::function<void(const std::string&)>& on_damage) {
  const auto listed = store_->list_mail(
      {.status = choice.status,
       .type = choice.to.type.empty() ? std::string() : names_.stored_name(choice.to.type),
       .key = choice.to.key,
       .limit = choice.limit},
      [&](const Mail& mail) { return visit(mail) ? storage::Visit::go_on : storage::Visit::stop; },
      [&](const storage::DamagedMail& damaged) {
        if (on_damage) on_damage(damaged.message);
      });
  if (!listed) return fail(failure_of(listed.error()));
  return {};
}

Result<std::optional<storage::FoundMail>> StoredMail::find(const kernel::MailId& id) {
  auto found = store_->find_mail(id);
  if (!found) return fail(failure_of(found.error()));
  return *std::move(found);
}

Result<storage::MailCounts> StoredMail::count(const EntityName& to) {
  storage::MailCounts counts;
  if (to.type.empty()) {
    const auto all = store_->count_mail();
    if (!all) return fail(failure_of(all.error()));
    return *all;
  }
  EPIC_TRY(list({.to = to}, [&](const Mail& mail) {
    ++(mail.status == MailStatus::waiting ? counts.waiting
       : mail.status == MailStatus::begun ? counts.begun
                                          : counts.dead);
    return true;
  }));
  return counts;
}

Result<void> StoredMail::check_type(const std::string& type) {
  bool has_mail = false;  // its receivers may never have been saved
  EPIC_TRY(list({.to = {type, ""}, .limit = 1}, [&](const Mail&) { return !(has_mail = true); }));
  if (has_mail) return {};
  return check_known_type(*store_, names_, type);
}

boost::json::object StoredMail::describe(const Mail& mail) const {
  const auto sent_at = std::chrono::system_clock::time_point(
      std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds(mail.sent_at_ns)));
  return {{"id", storage::mail_id_text(mail.id)},
          {"status", storage::mail_status_text(mail.status)},
          {"from", names_.shown(mail.from)},
          {"to", names_.shown(mail.to)},
          {"method", mail.method},
          {"sent_at", protocol::format_time(sent_at)},
          {"why", mail.why.empty() ? boost::json::value() : boost::json::value(mail.why)}};
}

StoredMail::Page StoredMail::describe_fully(const Mail& mail) {
  Page page{.fields = describe(mail), .problem = {}};
  page.fields["shard"] = mail.to_shard.value;
  page.fields["bytes"] = mail.arguments.size();
  page.fields["schema"] = schema_text(mail.schema);
  auto arguments = read_arguments(readers_, mail);
  if (!arguments) page.problem = arguments.error();
  page.fields["arguments"] = arguments ? std::move(*arguments) : boost::json::value();
  return page;
}

}  // namespace epic::cli
