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

std::expected<std::vector<Mail>, StoreError> read_dead_letters(Store& store, std::set<kernel::MailId>& wanted) {
  std::vector<Mail> found;
  std::size_t bytes = 0;
  if (wanted.empty()) return found;
  EPIC_TRY(store.list_mail(
      {.status = MailStatus::dead},
      [&](const Mail& mail) {
        if (wanted.erase(mail.id) == 0) return Visit::go_on;
        bytes += mail.arguments.size();
        found.push_back(mail);
        const bool is_full = found.size() >= kDeadLettersMax || bytes >= kDeadLettersBytesMax;
        return is_full || wanted.empty() ? Visit::stop : Visit::go_on;
      },
      [](const DamagedMail&) {}));
  return found;
}

}  // namespace epic::storage
