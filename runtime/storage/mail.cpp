#include "storage/mail.hpp"

#include <fmt/format.h>

#include <charconv>

#include "reflect/try.hpp"

namespace epic::storage {

std::string mail_id_text(const kernel::MailId& id) { return fmt::format("{}.{}.{}", id.shard, id.epoch, id.number); }

std::optional<kernel::MailId> parse_mail_id(std::string_view text) {
  kernel::MailId id;
  const char* at = text.data();
  const char* const end = at + text.size();
  const auto read = [&](auto& number) {
    const auto [stop, error] = std::from_chars(at, end, number);
    at = stop;
    return error == std::errc();
  };
  const auto skip_dot = [&] { return at != end && *at++ == '.'; };
  const bool is_read = read(id.shard.value) && skip_dot() && read(id.epoch.value) && skip_dot() && read(id.number);
  return is_read && at == end ? std::optional(id) : std::nullopt;
}

std::string_view mail_status_text(MailStatus status) {
  switch (status) {
    case MailStatus::waiting:
      return "waiting";
    case MailStatus::begun:
      return "begun";
    case MailStatus::dead:
      return "dead";
  }
  return "unknown";
}

std::expected<std::vector<Mail>, StoreError> read_dead_letters(Store& store, std::set<kernel::MailId>& wanted,
                                                               Damaged damaged) {
  std::vector<Mail> read;
  std::size_t bytes = 0;
  while (!wanted.empty() && read.size() < kDeadLettersMax && bytes < kDeadLettersBytesMax) {
    auto found = EPIC_TRY(store.find_mail(wanted.extract(wanted.begin()).value()));
    if (!found) continue;
    Mail& mail = found->mail;
    if (found->damage) {
      if (damaged == Damaged::skipped) continue;
      mail.to_shard.value %=
          store.identity().placement.shard_count();  // one that does not exist has no owner: any may remove it
      mail.status = MailStatus::dead;
      mail.arguments.clear();
    }
    if (mail.status != MailStatus::dead) continue;
    bytes += mail.arguments.size();
    read.push_back(std::move(mail));
  }
  return read;
}

}  // namespace epic::storage
